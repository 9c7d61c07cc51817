"""The authors' released networks: read completely, equal to what the papers say, and running."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import releases
from conftest import relative_error

import edgeai

NET = "models/deep-compression/compressed_SqueezeNet.net"


def scores(model: bytes, images: np.ndarray, batch: int) -> np.ndarray:
    """Of the library, after a comparison with onnxruntime: 1e-4 is what other tests of whole networks in float allow."""
    peer = onnxruntime.InferenceSession(model)
    with edgeai.Session(edgeai.load(model), threads=2) as session:
        found = np.concatenate([session(images[i : i + batch]) for i in range(0, len(images), batch)])
    expected = np.concatenate([peer.run(None, {"data": images[i : i + batch]})[0] for i in range(0, len(images), batch)])
    assert relative_error(found, expected) < 1e-4
    return found


# Wrong answers of 10,000 that the papers' tables give (DNS: 2.28, 1.99, 0.91 and 0.91 %), and the weights and biases that are left.
LENETS = [
    ("lenet300100_original", releases.lenet_300_100, 228, 266_610),
    ("lenet300100_sparse", releases.lenet_300_100, 199, 4_988),
    ("lenet5_original", releases.lenet_5, 91, 431_080),
    ("lenet5_sparse", releases.lenet_5, 91, 3_993),
]


@pytest.mark.parametrize("name,make,wrong,parameters", LENETS, ids=[case[0] for case in LENETS])
def test_dynamic_network_surgery(name: str, make: object, wrong: int, parameters: int, test_data: Path) -> None:
    file = test_data / f"models/dns/caffe_{name}.caffemodel"
    arrays = releases.caffe_arrays(file)
    assert sum(int(np.count_nonzero(array)) for layer in arrays.values() for array in layer) == parameters
    images, labels = releases.mnist(test_data / "datasets/mnist.npz")
    found = scores(make(file), images, 1000)  # type: ignore[operator]
    assert np.count_nonzero(found.argmax(1) != labels) == wrong


def test_deep_compression_decodes_completely(test_data: Path) -> None:
    layers, taken = releases.shared_layers(test_data / NET)
    assert taken == (test_data / NET).stat().st_size == 675_763
    assert sum(len(layer.codes) for layer in layers) == 422_083
    for layer in layers:
        assert layer.codebook[0] == 0
        assert 0 <= layer.positions[0] and layer.positions[-1] < np.prod(layer.shape)
    weights = [layer.weights for layer in layers]
    assert sum(int(np.count_nonzero(array)) for array in weights) == 415_921
    assert sum(array.size for array in weights) == 1_244_448


def test_deep_compression_runs(test_data: Path) -> None:
    images, classes = releases.squeezenet_photos(test_data / "images/imagenet200")
    assert len(images) == 200
    found = scores(releases.squeezenet(test_data / NET), images, 1)
    right = int(np.count_nonzero(found.argmax(1) == classes))
    print(f"SqueezeNet of Deep Compression: {right} of 200 photos")
    # 57.5 % on the whole of ImageNet; photos that were chosen to be recognized do better.
    assert right > 115
