"""Whole networks against onnxruntime: those the onnx package carries, and well-known architectures with random weights."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import relative_error

import edgeai

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
LONG = os.environ.get("EDGEAI_TEST_LONG") == "1"
SLOW = {"bvlc_alexnet", "resnet50", "vgg19", "zfnet512"}


def compare(path: Path, batches: tuple[int, ...]) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    peer = onnxruntime.InferenceSession(path, options)
    entry = peer.get_inputs()[0]
    model = edgeai.load(path)
    for batch in batches:
        shape = [batch if isinstance(d, str) else d for d in entry.shape]
        x = np.random.default_rng(7).standard_normal(shape, dtype=np.float32)
        expected = peer.run(None, {entry.name: x})
        with edgeai.Session(model, batch=None, threads=2) as session:
            for y, e in zip(session.run(x), expected, strict=True):
                assert y.shape == e.shape
                assert relative_error(y, e) < 1e-4


@pytest.mark.parametrize("name", sorted(p.stem.removeprefix("light_") for p in LIGHT.glob("*.onnx")))
def test_light_network(name: str) -> None:
    """Opset 9, weights as ConstantOfShape: what matters here is the graph."""
    if name in SLOW and not LONG:
        pytest.skip("slow: run by make test-long")
    compare(LIGHT / f"light_{name}.onnx", (1,))


ARCHITECTURES = [
    "lenet_300_100", "lenet5", "mlp", "autoencoder", "conv_autoencoder", "dscnn_kws", "alexnet", "vgg11", "vgg16_bn", "resnet18", "resnet50",
    "squeezenet1_0", "squeezenet1_1", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "shufflenet_v2_x1_0",
    "densenet121", "efficientnet_lite0", "vgg16", "minilm6",
]  # fmt: skip


@pytest.fixture(scope="module")
def architectures():  # type: ignore[no-untyped-def]
    if not LONG:
        pytest.skip("slow: run by make test-long")
    pytest.importorskip("torch", reason="torch is not installed: pip install -r Tests/requirements-long.txt")
    import architectures

    assert set(ARCHITECTURES) == set(architectures.ARCHITECTURES)
    return architectures


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architecture(name: str, architectures) -> None:  # type: ignore[no-untyped-def]
    compare(architectures.cached(name), (1, 4))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architecture_of_an_odd_size(name: str, architectures) -> None:  # type: ignore[no-untyped-def]
    if not architectures.ARCHITECTURES[name].resizable:
        pytest.skip(f"{name} takes one size only")
    compare(architectures.cached(name, size=(97, 131)), (1, 4))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "shufflenet_v2_x1_0"])
def test_architecture_with_its_batch_normalizations(name: str, architectures) -> None:  # type: ignore[no-untyped-def]
    compare(architectures.cached(name, fold=False), (1, 4))
