"""Methods of training that compress: pruning, surgery, sharing, quantization-aware and binary weights, penalties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import small_model
from onnx import helper
from training_tasks import Data, constants, points, small, weights

import edgeai
from edgeai import architectures, train


def test_pruning_leaves_the_share() -> None:
    x, labels = points(64)
    trainer = train.Trainer(small(), methods=[train.MagnitudePruning(0.75, first=2, last=10, every=4)], batch=64)
    for _ in range(12):
        trainer.step(x, labels)
    for value in weights(trainer.export()).values():
        assert np.count_nonzero(value == 0) == int(value.size * 0.75)
    last = list(weights(small()))[-1]
    layer = last.removesuffix("/weights")
    trainer = train.Trainer(small(), methods=[train.MagnitudePruning(0.5, last=5, every=5, layers={layer: 0})], batch=64)
    for _ in range(7):
        trainer.step(x, labels)
    found = weights(trainer.export())
    assert np.count_nonzero(found.pop(last) == 0) == 0
    assert all((value == 0).mean() == pytest.approx(0.5, abs=0.01) for value in found.values())


def test_pruning_across_layers() -> None:
    x, labels = points(64)
    trainer = train.Trainer(small(), methods=[train.MagnitudePruning(0.5, last=1, every=1, across_layers=True)], batch=64)
    for _ in range(3):
        trainer.step(x, labels)
    found = np.concatenate([value.ravel() for value in weights(trainer.export()).values()])
    assert np.count_nonzero(found == 0) == found.size // 2


def test_surgery_keeps_the_share() -> None:
    x, labels = points(64)
    trainer = train.Trainer(small(), methods=[train.NetworkSurgery(kept=0.25, last=10)], batch=64)
    for _ in range(15):
        trainer.step(x, labels)
    for value in weights(trainer.export()).values():
        assert np.count_nonzero(value) <= np.ceil(value.size * 0.25)
        assert np.count_nonzero(value) > 0


def test_shared_weights_stay_shared() -> None:
    x, labels = points(64)
    shared = edgeai.share(small(), 2).model
    before = {name: len(np.unique(value)) for name, value in weights(shared).items()}
    trainer = train.Trainer(shared, methods=[train.SharedWeights()], batch=64)
    first = trainer.step(x, labels)
    for _ in range(40):
        last = trainer.step(x, labels)
    assert last.loss < first.loss
    after = weights(trainer.export())
    for name, count in before.items():
        assert count <= 4
        assert len(np.unique(after[name])) <= count
        # The same weights are equal as before.
        assert len(np.unique(np.stack([weights(shared)[name].ravel(), after[name].ravel()]), axis=1).T) == count


@pytest.mark.parametrize(("bits", "learn_step"), [(8, False), (4, False), (2, False), (4, True), (2, True)])
def test_quantization_aware_weights_are_on_a_grid(bits: int, learn_step: bool) -> None:
    x, labels = points(64)
    trainer = train.Trainer(small(), methods=[train.QuantizationAware(bits, learn_step=learn_step, delay=5)], batch=64)
    for _ in range(12):
        trainer.step(x, labels)
    for value in weights(trainer.export()).values():
        for row in value:
            assert len(np.unique(row)) <= 2**bits


def test_learnt_ranges_give_the_integers_of_training(pictures: tuple[Data, Data]) -> None:
    """LeNet-5 as numpy computes it in float64 with the roundings of training, against the int8 network: the same bytes but for ties
    and biases, which are integers there."""
    (x, labels), (test, _) = pictures
    x, test = x.reshape(-1, 28, 28, 1), test[:50].reshape(-1, 28, 28, 1)
    trainer = train.Trainer(architectures.lenet5(), methods=[train.QuantizationAware(delay=10)], batch=40, clip_norm=1.0, threads=2)
    assert trainer.ranges() == {}
    trainer.fit(train.batches(x, labels, 40), epochs=2, progress=False)
    model, ranges = trainer.export(), trainer.ranges()
    assert list(ranges) == [model.tensors[op.inputs[0]].name for op in model.ops if op.type in ("Convolution", "Dense")]
    known = constants(model)

    def rounded(values: np.ndarray, name: str) -> np.ndarray:
        low, high = ranges[name]
        step = np.float32((max(high, 0) - min(low, 0)) / 255).astype(np.float64)
        zero = np.rint(-min(low, 0) / step)
        return (np.clip(np.rint(values / step) + zero, 0, 255) - zero) * step

    def layer(values: np.ndarray, name: str) -> np.ndarray:
        w, b = known[f"{name}/weights"].astype(np.float64), known[f"{name}/bias"].astype(np.float64)
        if w.ndim == 2:
            return values.reshape(len(values), -1) @ w.T + b
        windows = np.lib.stride_tricks.sliding_window_view(values, w.shape[1:3], axis=(1, 2))
        return np.einsum("nyxcij,oijc->nyxo", windows, w, optimize=True) + b

    y = test.astype(np.float64)
    for number, (name, tensor) in enumerate(zip(["conv1", "conv2", "ip1", "ip2"], ranges, strict=True)):
        y = layer(rounded(y, tensor), name)
        if number < 2:
            y = np.maximum.reduce([y[:, i::2, j::2] for i in (0, 1) for j in (0, 1)])
        elif number == 2:
            y = np.maximum(y, 0)

    def differences(**options: Any) -> np.ndarray:
        quantized = edgeai.quantize(model, x[:50], **options).model
        (scale,), (zero,) = quantized.tensor_scales(quantized.ops[-1].inputs[0])
        outputs = edgeai.Session(quantized)(test)
        return np.rint(outputs / scale) - np.clip(np.rint(y / np.float64(scale)), -zero, 255 - zero)

    exact = differences(ranges=ranges)
    assert np.abs(exact).max() <= 1
    assert np.mean(exact != 0) < 0.02
    assert np.mean(differences() != 0) > 0.1


def parted(reader: str) -> edgeai.Model:
    """A layer whose result, a hundred times larger in its second half, is split: the halves are read by two dense layers, or by one and a
    concatenation; or a convolution that a max pool and an average pool read."""
    random = np.random.default_rng(7)

    def normal(*shape: int) -> np.ndarray:
        return (random.normal(0, 1, shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    first = normal(16, 8)
    first[8:] *= 100
    split = [
        helper.make_node("Gemm", ["x", "w"], ["y"], transB=1),
        helper.make_node("Relu", ["y"], ["z"]),
        helper.make_node("Split", ["z"], ["a", "b"], axis=1),
        helper.make_node("Gemm", ["a", "wa"], ["c"], transB=1),
    ]
    pools = [
        helper.make_node("Reshape", ["x", "shape"], ["image"]),
        helper.make_node("Conv", ["image", "wi"], ["h"]),
        helper.make_node("MaxPool", ["h"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p", "wp"], ["c"]),
        helper.make_node("AveragePool", ["h"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Add", ["c", "m"], ["out"]),
    ]
    nodes = {
        "concatenation": [*split, helper.make_node("Concat", ["c", "b"], ["out"], axis=1)],
        "layer": [*split, helper.make_node("Gemm", ["b", "wb"], ["d"], transB=1), helper.make_node("Add", ["c", "d"], ["out"])],
        "pool": pools,
    }[reader]
    every = {
        "w": first, "wa": normal(8, 8), "wb": normal(8, 8), "wi": normal(6, 1, 1, 1), "wp": normal(6, 6, 1, 1),
        "shape": np.array([-1, 1, 4, 2]),
    }
    used = {name: value for name, value in every.items() if any(name in node.input for node in nodes)}
    return edgeai.load(small_model(nodes, {"x": ("n", 8)}, ["out"], used))


@pytest.mark.parametrize("reader", ["concatenation", "layer", "pool"])
def test_learnt_ranges_saturate_nothing_for_other_readers(reader: str) -> None:
    x = np.random.default_rng(8).normal(0, 1, (64, 8)).astype(np.float32)
    model = parted(reader)
    trainer = train.Trainer(
        model, optimizer=train.SGD(1e-9), methods=[train.QuantizationAware(delay=2)], loss="mean_squared_error", batch=64
    )
    for _ in range(4):
        trainer.step(x, edgeai.Session(model)(x))
    trained, ranges = trainer.export(), trainer.ranges()
    assert len(ranges) == (3 if reader == "layer" else 2)
    calibrated, given = (edgeai.quantize(trained, x, report_samples=64, ranges=known).report.sqnr_db for known in (None, ranges))
    assert calibrated > 30
    assert given > calibrated - 1


def test_ranges_are_those_of_what_is_not_dropped() -> None:
    x, labels = points(64)

    def ranges(dropout: float) -> list[tuple[float, float]]:
        trainer = train.Trainer(small(), optimizer=train.SGD(1e-9), methods=[train.QuantizationAware(delay=1)], batch=64, dropout=dropout)
        for _ in range(3):
            trainer.step(x, labels)
        return list(trainer.ranges().values())

    # The first layer's input is not dropped, so what the second reads is the same with dropout as without.
    assert ranges(0.5)[:2] == [pytest.approx(pair, rel=1e-5) for pair in ranges(0)[:2]]


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"no such tensor": (0, 1)}, "no such tensor"),
        ({"fc1/weights": (0, 1)}, "fc1/weights"),
        ({"input": (1, 0)}, "input"),
        ({"input": (0, float("nan"))}, "input"),
        ({"input": (-float("inf"), 1)}, "input"),
    ],
)
def test_ranges_that_are_none(ranges: dict[str, tuple[float, float]], message: str) -> None:
    with pytest.raises(edgeai.ArgumentError, match=message):
        edgeai.quantize(small(), points(8)[0], ranges=ranges)


@pytest.mark.parametrize("values", ["binary", "xnor", "ternary"])
def test_binary_weights(values: str) -> None:
    x, labels = points(64)
    trainer = train.Trainer(small(batch_norm=True), methods=[train.BinaryWeights(values)], batch=64)  # type: ignore[arg-type]
    for _ in range(8):
        trainer.step(x, labels)
    model = trainer.export(trainable=True)
    first, middle, last = weights(model).values()
    for row in middle:
        magnitudes = np.unique(np.abs(row[row != 0]))
        assert len(magnitudes) == 1
        assert values == "ternary" or (row != 0).all()
    assert len(np.unique(np.abs(first[0]))) > 2
    assert len(np.unique(np.abs(last[0]))) > 2
    assert any(op.type == "Binarize" for op in model.ops) == (values == "xnor")


def test_what_binary_weights_add_has_names_of_its_own() -> None:
    random = np.random.default_rng(0)
    sizes = {"w0": (6, 8), "w1": (8, 8), "w2": (8, 8), "first/clamp": (8, 3)}
    w = {name: random.standard_normal(size).astype(np.float32) for name, size in sizes.items()}
    nodes = [helper.make_node("Gemm", ["x", "w0"], ["h"], name="first"), helper.make_node("Relu", ["h"], ["r"]),
             helper.make_node("Gemm", ["r", "w1"], ["m"], name="mid"), helper.make_node("Add", ["m", "r"], ["s"]),
             helper.make_node("Gemm", ["s", "w2"], ["mid/signs"], name="mid/signs"),
             helper.make_node("Gemm", ["mid/signs", "first/clamp"], ["y"], name="first/clamp")]  # fmt: skip
    model = edgeai.load(small_model(nodes, {"x": ("n", 6)}, ["y"], w))
    exported = train.Trainer(model, methods=[train.BinaryWeights("xnor")], batch=4).export(trainable=True)
    named = [op.name for op in exported.ops]
    assert {"mid/signs/2", "mid/signs/signs", "first/clamp/2"} <= set(named)
    assert len(set(named)) == len(named)
    assert len({tensor.name for tensor in exported.tensors}) == len(exported.tensors)
    # A report tells the layers from what belongs to them.
    stages = edgeai.stage_report(model, {"binary": exported}, np.ones((4, 6), np.float32)).stages
    assert [layer.weights for layer in stages[1].layers] == [48, 64, 64, 24]


def test_penalties_pull_towards_zero() -> None:
    x, labels = points(64)

    def size(methods: list[train.Method], of: str) -> float:
        trainer = train.Trainer(small(batch_norm=True), methods=methods, batch=64)
        for _ in range(60):
            trainer.step(x, labels)
        found = constants(trainer.export(trainable=True))
        return sum(float(np.abs(value).sum()) for name, value in found.items() if name.endswith(of))

    assert size([train.Slimming(0.05)], "/gamma") < 0.9 * size([], "/gamma")
    assert size([train.EntropyPenalty(0.005)], "/weights") < 0.9 * size([], "/weights")


def test_eight_bits_learn() -> None:
    x, labels = points(64)
    trainer = train.Trainer(small(batch_norm=True), methods=[train.EightBit()], batch=64, optimizer=train.SGD(0.05))
    first = trainer.step(x, labels)
    for _ in range(60):
        last = trainer.step(x, labels)
    assert last.loss < first.loss / 2


def test_slimming_to_a_narrow_network() -> None:
    """The whole road: penalty, pruning of channels by their factors, and another trainer."""
    x, labels = points(96)
    wide = train.Trainer(small(batch_norm=True, gamma=0.5), methods=[train.Slimming(1e-3)], batch=32, optimizer=train.SGD(0.05))
    wide.fit(train.batches(x, labels, 32), epochs=10, progress=False)
    narrow = edgeai.prune_channels(wide.export(trainable=True), 0.5, criterion="scale").model
    assert narrow.parameters < 0.7 * wide.export(trainable=True).parameters
    tuned = train.Trainer(narrow, batch=32, optimizer=train.SGD(0.05))
    tuned.fit(train.batches(x, labels, 32), epochs=10, progress=False)
    assert tuned.evaluate(x, labels).accuracy > 0.9
