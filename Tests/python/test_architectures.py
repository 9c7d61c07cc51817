"""Networks made anew: their counts are the published ones, their weights a function of the seed, and sessions run them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import edgeai
from edgeai import architectures as made
from edgeai._text import count_text

# Model, elements of all weights and biases of its layers, factors and offsets of its normalizations, multiply-adds.
COUNTS: dict[str, tuple[Callable[[], edgeai.Model], int, int, int]] = {
    "lenet300": (made.lenet300, 266_610, 0, 266_200),
    "lenet5": (made.lenet5, 431_080, 0, 2_293_000),
    # Network Slimming's perceptron before and after: 545,000 and 85,000 weights, and biases of the last layer.
    "slimming": (lambda: made.mlp([784, 500, 300, 10], batch_norm=True), 545_010, 1600, 545_000),
    "slimmed": (lambda: made.mlp([784, 100, 60, 10], batch_norm=True), 85_010, 320, 85_000),
    "mlp": (lambda: made.mlp([784, 500, 300, 10]), 545_810, 0, 545_000),
    # Howard et al. 2017 (tables 6 and 7 round them).
    "mobilenet 1.0 224": (made.mobilenet_v1, 4_210_088, 21_888, 568_740_352),
    "mobilenet 0.75 224": (lambda: made.mobilenet_v1(width=0.75), 2_569_144, 16_416, 325_400_448),
    "mobilenet 0.5 224": (lambda: made.mobilenet_v1(width=0.5), 1_320_648, 10_944, 149_497_088),
    "mobilenet 0.25 224": (lambda: made.mobilenet_v1(width=0.25), 464_600, 5_472, 41_030_272),
    "mobilenet 1.0 192": (lambda: made.mobilenet_v1(resolution=192), 4_210_088, 21_888, 418_121_728),
    "mobilenet 1.0 160": (lambda: made.mobilenet_v1(resolution=160), 4_210_088, 21_888, 290_675_200),
    "mobilenet 1.0 128": (lambda: made.mobilenet_v1(resolution=128), 4_210_088, 21_888, 186_400_768),
    # Iandola et al. 2016; the multiply-adds are those of torchvision's networks.
    "squeezenet 1.0": (made.squeezenet, 1_248_424, 0, 818_924_576),
    "squeezenet 1.1": (lambda: made.squeezenet("1.1"), 1_235_496, 0, 349_151_936),
    "squeezenet bypass": (lambda: made.squeezenet(bypass=True), 1_248_424, 0, 818_924_576),
    # He et al. 2016: 0.27 M parameters.
    "resnet20": (made.resnet20, 269_722 - 1376, 1376, 40_551_040),
    # MLPerf Tiny: 78,666 and 24,908 with the statistics of the normalizations.
    "resnet8": (made.resnet8, 78_666 - 4 * 240, 480, 12_501_632),
    "dscnn": (made.dscnn, 24_908 - 4 * 576, 1152, 2_656_768),
    "binary_mlp": (made.binary_mlp, 784 * 2048 + 2 * 2048**2 + 2048 * 10 + 10, 2 * 3 * 2048, 784 * 2048 + 2 * 2048**2 + 2048 * 10),
    "binary_lenet5": (made.binary_lenet5, 431_080 - 20 - 50 - 500, 2 * (20 + 50 + 500), 2_293_000),
}

SMALL: dict[str, Callable[[int], edgeai.Model]] = {
    "lenet300": lambda seed: made.lenet300(seed=seed),
    "lenet5": lambda seed: made.lenet5(seed=seed),
    "mlp": lambda seed: made.mlp([12, 9, 7, 5], seed=seed),
    "mlp with normalization": lambda seed: made.mlp([12, 9, 7, 5], batch_norm=True, gamma=0.5, seed=seed),
    # 41 is odd at every stride: both paddings and windows at the end.
    "mobilenet_v1": lambda seed: made.mobilenet_v1(width=0.25, resolution=41, channels=2, classes=7, seed=seed),
    "squeezenet 1.0": lambda seed: made.squeezenet(resolution=43, classes=7, seed=seed),
    "squeezenet 1.1": lambda seed: made.squeezenet("1.1", bypass=True, resolution=43, classes=7, seed=seed),
    "resnet8": lambda seed: made.resnet8(resolution=21, seed=seed),
    "resnet20": lambda seed: made.resnet20(resolution=21, seed=seed),
    "dscnn": lambda seed: made.dscnn(seed=seed),
    "binary_mlp": lambda seed: made.binary_mlp([12, 9, 8, 7, 5], seed=seed),
    "binary_lenet5": lambda seed: made.binary_lenet5((9, 25, 33), seed=seed),
}


def images(model: edgeai.Model, count: int = 3) -> np.ndarray:
    """Numbers between -1 and 1."""
    shape = [n or count for n in model.inputs[0].shape]
    return np.random.default_rng(5).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_the_published_ones(name: str) -> None:
    make, layers, normalizations, macs = COUNTS[name]
    model = make()
    by_type = {kind: sum(op.parameters for op in model.ops if op.type == kind) for kind in {op.type for op in model.ops}}
    assert by_type.get("Convolution", 0) + by_type.get("Dense", 0) == layers
    # Factors, offsets, and as many means and variances.
    assert by_type.get("BatchNormalization", 0) == 2 * normalizations
    assert model.parameters == layers + 2 * normalizations
    assert model.macs == macs
    table = model.summary()
    assert f"{count_text(model.parameters)} parameters" in table.splitlines()[0]
    assert all(f" {count_text(op.parameters)} " in table for op in model.ops if op.parameters)


@pytest.mark.parametrize(
    ("file", "make"),
    [
        ("pretrainedResnet.tflite", made.resnet8),
        ("kws_ref_model_float32.tflite", made.dscnn),
        ("vww_96_float.tflite", lambda: made.mobilenet_v1(width=0.25, resolution=96, classes=2)),
    ],
)
def test_layers_are_those_of_mlperf_tiny(test_data: Path, file: str, make: Callable[[], edgeai.Model]) -> None:
    """Shapes of all weights and results of the benchmark's own files, in which normalizations are folded."""
    theirs, ours = edgeai.load(test_data / "models/mlperf-tiny" / file), make()
    layers = []
    for model in (theirs, ours):
        tensors = model.tensors
        layers.append(
            sorted(
                (tensors[op.inputs[1]].shape, tensors[op.outputs[0]].shape, op.macs)
                for op in model.ops
                if op.type in ("Convolution", "Dense")
            )
        )
    assert layers[0] == layers[1]
    assert theirs.macs == ours.macs


@pytest.mark.parametrize("name", SMALL)
def test_sessions_run_and_files_keep_everything(name: str, tmp_path: Path) -> None:
    model = SMALL[name](3)
    x = images(model)
    y = edgeai.Session(model)(x)
    assert y.shape == (len(x), model.outputs[0].shape[1])
    assert np.isfinite(y).all()
    assert len(np.unique(y, axis=0)) == len(x), "the result does not depend on the input"
    model.save(tmp_path / "new.edgeai")
    loaded = edgeai.load(tmp_path / "new.edgeai")
    assert loaded.summary() == model.summary()
    assert loaded.to_bytes() == model.to_bytes()
    assert np.array_equal(edgeai.Session(loaded)(x), y)
    assert [t.name for t in (*model.inputs, *model.outputs)] == ["input", "logits"]
    assert model.source == "memory"


@pytest.mark.parametrize("name", SMALL)
def test_onnx_runtime_computes_the_same(name: str) -> None:
    """And the network that loading makes fast."""
    model = SMALL[name](4)
    x = images(model)
    y = edgeai.Session(model)(x)
    onnx = model.to_onnx()
    (theirs,) = onnxruntime.InferenceSession(onnx).run(None, {"input": x})
    close = np.abs(theirs - y).max(axis=1) < 1e-4 * np.abs(y).max()
    # A sum that is nearly 0 may have either sign in two orders of summation, and the layers behind it see -1 or +1.
    assert close.sum() >= len(x) - ("binary" in name)
    fast = edgeai.load(onnx)
    assert "BatchNormalization" not in [op.type for op in fast.ops]
    assert theirs.shape == edgeai.Session(fast)(x).shape == y.shape


@pytest.mark.parametrize("name", SMALL)
def test_weights_are_a_function_of_the_seed(name: str) -> None:
    make = SMALL[name]
    assert make(7).to_bytes() == make(7).to_bytes()
    one, two = make(7), make(2**64 - 1)
    tensors = [i for i, tensor in enumerate(one.tensors) if tensor.name.endswith("/weights")]
    assert tensors
    for index in tensors:
        a, b = one.tensor_data(index), two.tensor_data(index)
        assert not (a == b).any() or (a == b).mean() < 0.01


def hashed(seed: int, tensor: int, count: int) -> np.ndarray:
    """The generator's 24 bits for each place, as edgeai_kernels.h writes them down."""
    mask = 2**64 - 1

    def mix(z: int) -> int:
        z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
        return z ^ z >> 31

    start = mix((seed * 0x9E3779B97F4A7C15 + tensor) & mask)
    return np.array([mix((start + i) & mask) >> 40 for i in range(count)], np.int64)


def test_weights_are_the_same_bits_everywhere() -> None:
    """All layers of a network with both scales, against the formula in Python."""
    model = made.lenet5(seed=11)
    weights = {t.name: model.tensor_data(i) for i, t in enumerate(model.tensors) if t.name.endswith("/weights")}
    glorot = {"conv1/weights": (25, 500), "conv2/weights": (500, 1250), "ip2/weights": (500, 10)}
    assert list(weights) == ["conv1/weights", "conv2/weights", "ip1/weights", "ip2/weights"]
    for number, (name, found) in enumerate(weights.items()):
        fan = np.float32(sum(glorot[name])) if name in glorot else np.float32(800)
        bound = np.sqrt(np.float32(6) / fan)
        odd = (2 * hashed(11, number, min(found.size, 1000)) - (2**24 - 1)).astype(np.float32)
        assert np.array_equal(found.reshape(-1)[: odd.size], odd * np.float32(bound / np.float32(2**24)))


@pytest.mark.parametrize("make", [made.mobilenet_v1, made.binary_mlp, made.squeezenet])
def test_weights_have_the_scale_of_their_layer(make: Callable[[], edgeai.Model]) -> None:
    """He's where a ReLU follows, else Glorot's; the means and variances stay within five deviations of such samples."""
    model = make()
    followed = {i for op in model.ops if op.type in ("BatchNormalization", "Clamp") for i in op.inputs[:1]}
    signs = {o for op in model.ops if op.type == "Binarize" for o in op.outputs}
    he = 0
    for op in model.ops:
        if op.type not in ("Convolution", "Dense"):
            continue
        w = model.tensor_data(op.inputs[1])
        fan_in = int(np.prod(w.shape[1:]))
        depthwise = w.ndim == 4 and w.shape[3] == 1 and model.tensors[op.inputs[0]].shape[3] == w.shape[0] > 1
        fan_out = int(np.prod(w.shape[:-1])) // (w.shape[0] if depthwise else 1)
        is_he = op.outputs[0] in followed and not signs
        he += is_he
        variance = 2 / fan_in if is_he else 2 / (fan_in + fan_out)
        # The fourth moment of a uniform number is 9/5 of its squared variance.
        assert abs(np.square(w, dtype=np.float64).mean() / variance - 1) < 5 * np.sqrt(0.8 / w.size)
        assert abs(w.mean(dtype=np.float64)) < 5 * np.sqrt(variance / w.size)
        assert (w != 0).all()
        for bias in op.inputs[2:]:
            assert not model.tensor_data(bias).any()
    assert he or signs


def test_normalizations_begin_as_asked() -> None:
    model = made.mlp([12, 9, 5], batch_norm=True, gamma=0.5)
    values = {t.name: model.tensor_data(i) for i, t in enumerate(model.tensors) if t.constant}
    assert list(values) == ["fc1/weights", "fc1/bn/gamma", "fc1/bn/beta", "fc1/bn/mean", "fc1/bn/variance", "fc2/weights", "fc2/bias"]
    starts = {"gamma": 0.5, "beta": 0, "mean": 0, "variance": 1}
    assert all((values[f"fc1/bn/{name}"] == start).all() for name, start in starts.items())
    assert made.resnet8(gamma=2).to_bytes() != made.resnet8().to_bytes()


@pytest.mark.parametrize("name", ["binary_mlp", "binary_lenet5"])
def test_binary_networks_run_on_bits(name: str) -> None:
    """`binarize` takes exactly the layers between the first and the last one, and the planner counts their bits."""
    model = SMALL[name](5)
    binary = edgeai.binarize(model).model
    changed = []
    for op in model.ops:
        if op.type in ("Convolution", "Dense"):
            rows = binary.tensor_data(op.inputs[1]).reshape(model.tensors[op.inputs[1]].shape[0], -1)
            if all(len(np.unique(np.abs(row))) == 1 for row in rows):
                changed.append(op.name)
    assert changed == (["fc2", "fc3"] if name == "binary_mlp" else ["conv2", "ip1"])
    plan = edgeai.Session(binary).plan
    if "avx2" in edgeai.instruction_sets():
        for layer in changed:
            assert [step for step in plan if step.name == layer and "binary" in step.kernel], [(s.name, s.kernel) for s in plan]


def test_wrong_arguments_are_refused() -> None:
    for call in (
        lambda: made.lenet300(seed=-1),
        lambda: made.lenet300(seed=2**64),
        lambda: made.lenet300(classes=0),
        lambda: made.lenet5(channels=-3),
        lambda: made.lenet5(resolution=2**31),
        lambda: made.mlp([]),
        lambda: made.mlp([5]),
        lambda: made.mlp([5, 0, 2]),
        lambda: made.mlp([5, 2**20 + 1]),
        lambda: made.mlp([1] * 257),
        lambda: made.mlp([5, 2], gamma=0.5),
        lambda: made.mobilenet_v1(width=0),
        lambda: made.mobilenet_v1(width=float("nan")),
        lambda: made.resnet20(gamma=float("inf")),
        lambda: made.squeezenet("1.2"),  # type: ignore[arg-type]
        lambda: made.binary_mlp([5, 4, 3]),
        lambda: made.lenet5((20, 50)),
        lambda: made.binary_lenet5((20, 50, 500, 10)),
    ):
        with pytest.raises(edgeai.ArgumentError):
            call()
    with pytest.raises(edgeai.ShapeError) as caught:
        made.lenet5(resolution=15)
    assert caught.value.node == "pool2"
    with pytest.raises(edgeai.LimitError) as limit:
        made.mlp([2**20, 2**20, 2])
    assert limit.value.tensor == "fc1/weights"
    for wrong in (lambda: made.mlp(["5", "2"]), lambda: made.lenet5(classes=2.5), lambda: made.mobilenet_v1(width="1")):  # type: ignore[arg-type, list-item]
        with pytest.raises(TypeError):
            wrong()
