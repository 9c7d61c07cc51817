"""Quantization after training: calibrators, options, report, cancelling, refusals."""

from __future__ import annotations

import _thread
import json
import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conftest import small_model
from onnx import helper

import edgeai

CALIBRATORS = ["min-max", "moving-average", "percentile", "entropy", "mse"]


@pytest.fixture(scope="module")
def samples(subset: dict[str, np.ndarray]) -> np.ndarray:
    return subset["calibration"][:64]


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_accuracy_within_a_point_of_float(calibrator: Any, classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    result = edgeai.quantize(classifier, subset["calibration"], calibrator=calibrator)
    labels = subset["labels"]
    in_float = np.mean(edgeai.Session(classifier)(subset["images"]).argmax(1) == labels)
    in_int8 = np.mean(edgeai.Session(result.model)(subset["images"]).argmax(1) == labels)
    assert in_int8 >= in_float - 0.01


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_same_input_same_bytes(calibrator: Any, classifier: edgeai.Model, samples: np.ndarray) -> None:
    first, second = (edgeai.quantize(classifier, samples, calibrator=calibrator).model.to_bytes() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_threads_do_not_change_a_byte(calibrator: Any, classifier: edgeai.Model, samples: np.ndarray) -> None:
    one = edgeai.quantize(classifier, samples, calibrator=calibrator, threads=1).model.to_bytes()
    three = edgeai.quantize(classifier, samples, calibrator=calibrator, threads=3).model.to_bytes()
    assert one == three


def test_calibrators_differ(classifier: edgeai.Model, samples: np.ndarray) -> None:
    made = {edgeai.quantize(classifier, samples, calibrator=c).model.to_bytes() for c in CALIBRATORS}  # type: ignore[arg-type]
    assert len(made) == len(CALIBRATORS)


def test_batches_do_not_matter_where_order_does_not(classifier: edgeai.Model, samples: np.ndarray) -> None:
    whole = edgeai.quantize(classifier, samples).model.to_bytes()
    batches = [samples[:1], samples[1:40], samples[40:]]
    assert edgeai.quantize(classifier, batches).model.to_bytes() == whole
    assert edgeai.quantize(classifier, ({"image": b} for b in batches)).model.to_bytes() == whole
    assert edgeai.quantize(classifier, ((b,) for b in batches)).model.to_bytes() == whole


def test_what_becomes_of_the_model(classifier: edgeai.Model, quantized: edgeai.Result) -> None:
    model = quantized.model
    assert [(t.name, t.dtype, t.shape) for t in model.inputs] == [(t.name, t.dtype, t.shape) for t in classifier.inputs]
    assert [(t.name, t.dtype, t.shape) for t in model.outputs] == [(t.name, t.dtype, t.shape) for t in classifier.outputs]
    assert model.source == "memory"
    assert model.metadata == classifier.metadata
    tensors = model.tensors
    for op in model.ops:
        if op.type in ("Convolution", "Dense"):
            x, w, b = (tensors[i] for i in op.inputs[:3])
            assert (x.dtype, w.dtype, b.dtype) == ("uint8", "int8", "int32")
            assert (x.axis, x.scale_count, w.axis) == (None, 1, 0)
            assert tensors[op.outputs[0]].dtype == "uint8"
    assert model.size_bytes < classifier.size_bytes / 3.5


def test_integers_lie_within_the_quantized_range(quantized: edgeai.Result) -> None:
    model = quantized.model
    for index, tensor in enumerate(model.tensors):
        if tensor.dtype == "int8" and tensor.constant:
            values = model.tensor_data(index)
            assert values.min() >= -127
            assert np.abs(values.astype(int)).reshape(len(values), -1).max(1).max() == 127
    session = edgeai.Session(model, strict=True)
    assert {step.dtype for step in session.plan} == {"uint8", "float32"}


def test_one_scale_per_tensor(classifier: edgeai.Model, samples: np.ndarray, quantized: edgeai.Result) -> None:
    model = edgeai.quantize(classifier, samples, per_channel=False).model
    for op in model.ops:
        if op.type == "Convolution":
            weights = model.tensors[op.inputs[1]]
            scales, _ = model.tensor_scales(op.inputs[1])
            assert weights.scale_count == 1 or len(set(scales.tolist())) == 1
    assert model.to_bytes() != quantized.model.to_bytes()


def test_ignored_operators_stay_in_float(classifier: edgeai.Model, samples: np.ndarray) -> None:
    name = "/residual/residual.0/Conv"
    result = edgeai.quantize(classifier, samples, ignore=[name])
    assert [layer.name for layer in result.report.skipped] == [name]
    assert result.report.skipped[0].dtype == "float32"
    assert "by name" in result.report.skipped[0].reason
    op = next(op for op in result.model.ops if op.name == name)
    assert result.model.tensors[op.inputs[1]].dtype == "float32"
    # What was asked for is no reason for strict to complain.
    edgeai.quantize(classifier, samples[:2], ignore=[name], strict=True)


def test_ignored_types_stay_in_float(classifier: edgeai.Model, samples: np.ndarray) -> None:
    result = edgeai.quantize(classifier, samples, ignore_types=["convolution"])
    assert {layer.op for layer in result.report.skipped if "by type" in layer.reason} == {"Convolution"}
    dense = next(layer for layer in result.report.layers if layer.op == "Dense")
    assert (dense.dtype, dense.reason) == ("uint8", "")
    x = samples[:8]
    assert edgeai.Session(result.model)(x).shape == (8, 10)


def test_everything_in_float_is_the_float_model(classifier: edgeai.Model, samples: np.ndarray) -> None:
    names = [op.name for op in classifier.ops]
    result = edgeai.quantize(classifier, samples[:4], ignore=names)
    assert np.array_equal(edgeai.Session(result.model)(samples), edgeai.Session(classifier)(samples))
    assert result.report.sqnr_db == math.inf


def test_strict_refuses_what_would_stay_in_float() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("LRN", ["c"], ["n"], name="norm", size=3),
        helper.make_node("Conv", ["n", "w"], ["y"], name="conv 2"),
    ]
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((4, 4, 3, 3)).astype(np.float32)
    model = edgeai.load(small_model(nodes, {"x": ("n", 4, 8, 8)}, ["y"], {"w": weights}))
    data = rng.standard_normal((4, 4, 8, 8)).astype(np.float32)
    (skipped,) = edgeai.quantize(model, data).report.skipped
    assert (skipped.name, skipped.op, skipped.dtype) == ("norm", "LocalResponseNormalization", "float32")
    with pytest.raises(edgeai.UnsupportedOpError) as caught:
        edgeai.quantize(model, data, strict=True)
    assert caught.value.node == "norm"
    assert skipped.reason in str(caught.value)
    with pytest.raises(edgeai.UnsupportedOpError) as refused:
        edgeai.Session(edgeai.quantize(model, data).model, strict=True)
    assert refused.value.node == "norm"
    edgeai.quantize(model, data, strict=True, ignore=["norm"])


def test_report(classifier: edgeai.Model, quantized: edgeai.Result) -> None:
    report = quantized.report
    assert (report.bytes_before, report.bytes_after) == (len(classifier.to_bytes()), len(quantized.model.to_bytes()))
    assert (quantized.before, quantized.after) == (report.bytes_before, report.bytes_after)
    assert report.samples == 8
    assert [layer.name for layer in report.layers] == [op.name for op in classifier.ops]
    for layer in report.layers:
        assert layer.sqnr_db is not None and layer.cosine is not None  # noqa: PT018
        assert layer.sqnr_db > 20
        assert 0.99 < layer.cosine <= 1.000001
        assert layer.dtype == "uint8"
        if layer.op == "Convolution":
            assert layer.bytes_after < layer.bytes_before / 2
    worst = report.worst(3)
    assert len(worst) == 3
    assert worst[0].sqnr_db == min(layer.sqnr_db for layer in report.layers if layer.sqnr_db is not None)
    assert report.skipped == ()
    assert report.suggestions == ()
    parsed = json.loads(report.to_json())
    assert parsed == report.to_dict()
    assert len(str(report).splitlines()) == len(report.layers) + 2


def test_report_measures_the_deployed_kernels(classifier: edgeai.Model, samples: np.ndarray) -> None:
    result = edgeai.quantize(classifier, samples, report_samples=4)
    x = samples[:4]
    a = edgeai.Session(classifier)(x).astype(np.float64)
    b = edgeai.Session(result.model)(x).astype(np.float64)
    sqnr = 10 * math.log10((a * a).sum() / ((a - b) ** 2).sum())
    assert result.report.sqnr_db == pytest.approx(sqnr, abs=0.01)
    assert result.report.cosine == pytest.approx((a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum()), abs=1e-6)


def test_report_of_nothing(classifier: edgeai.Model, samples: np.ndarray) -> None:
    report = edgeai.quantize(classifier, samples[:4], report_samples=0).report
    assert report.samples == 0
    assert math.isnan(report.sqnr_db)
    assert all(layer.sqnr_db is None for layer in report.layers)
    assert report.worst() == ()


def test_suggestions_for_a_bad_layer(classifier: edgeai.Model, samples: np.ndarray) -> None:
    # A range learnt from almost empty pictures fits no real ones.
    result = edgeai.quantize(classifier, samples[:1] * 0 - 0.8)
    report = edgeai.compare(classifier, result.model, samples[:8])
    assert report.sqnr_db < 20
    assert any("ignore=" in text for text in report.suggestions)


def test_compare(classifier: edgeai.Model, quantized: edgeai.Result, samples: np.ndarray, two_inputs: edgeai.Model) -> None:
    same = edgeai.compare(classifier, classifier, samples[:8])
    assert same.sqnr_db == math.inf
    assert same.cosine == pytest.approx(1)
    other = classifier.compare(quantized.model, samples[:8])
    assert other.samples == 8
    assert other.sqnr_db == pytest.approx(quantized.report.sqnr_db, abs=1e-6)
    with pytest.raises(edgeai.ShapeError):
        edgeai.compare(classifier, two_inputs, samples[:8])
    with pytest.raises(edgeai.ArgumentError):
        edgeai.compare(classifier, quantized.model, samples[:0])
    with pytest.raises(edgeai.ArgumentError, match="NaN"):
        edgeai.compare(classifier, quantized.model, samples[:2] * np.float32(np.nan))


def test_plot(quantized: edgeai.Result) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    axes = quantized.report.plot()
    assert len(axes.patches) == len(quantized.report.layers)


# Data.


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_data_that_is_not_finite(value: float, classifier: edgeai.Model, samples: np.ndarray) -> None:
    bad = samples.copy()
    bad[5, 0, 3, 3] = value
    with pytest.raises(edgeai.ArgumentError) as caught:
        edgeai.quantize(classifier, bad)
    assert caught.value.tensor == "image"


def test_data_of_the_wrong_kind(classifier: edgeai.Model, samples: np.ndarray, two_inputs: edgeai.Model) -> None:
    with pytest.raises(edgeai.DTypeError):
        edgeai.quantize(classifier, samples.astype(np.float64))
    with pytest.raises(edgeai.ShapeError):
        edgeai.quantize(classifier, samples[:, :, :27])
    with pytest.raises(edgeai.ArgumentError, match="no samples"):
        edgeai.quantize(classifier, samples[:0])
    with pytest.raises(edgeai.ArgumentError, match="no samples"):
        edgeai.quantize(classifier, [])
    with pytest.raises(edgeai.ArgumentError, match="'b'"):
        edgeai.quantize(two_inputs, [{"a": np.zeros((1, 3), np.float32)}])
    with pytest.raises(edgeai.ArgumentError, match="2 inputs"):
        edgeai.quantize(two_inputs, np.zeros((1, 3), np.float32))
    with pytest.raises(edgeai.EdgeAIError):
        edgeai.quantize(two_inputs, [(np.zeros((1, 3), np.float32), np.zeros((2, 3), np.float32))])
    with pytest.raises(TypeError):
        edgeai.quantize(classifier, 3)


def test_not_contiguous_data_is_copied(classifier: edgeai.Model, samples: np.ndarray) -> None:
    strided = np.repeat(samples, 2, axis=3)[..., ::2]
    assert not strided.flags.c_contiguous
    assert edgeai.quantize(classifier, strided[:8]).model.to_bytes() == edgeai.quantize(classifier, samples[:8]).model.to_bytes()


def test_options_out_of_range(classifier: edgeai.Model, samples: np.ndarray) -> None:
    for options in (
        {"calibrator": "best"},
        {"recipe": "int1"},
        {"ignore": ["no such operator"]},
        {"calibrator": "percentile", "percentile": 0.0},
        {"calibrator": "percentile", "percentile": 101.0},
        {"calibrator": "moving-average", "momentum": 1.0},
        {"threads": 0},
    ):
        with pytest.raises(edgeai.ArgumentError):
            edgeai.quantize(classifier, samples[:1], **options)  # type: ignore[arg-type]
    with pytest.raises(edgeai.ArgumentError) as caught:
        edgeai.quantize(classifier, samples[:1], ignore=["no such operator"])
    assert "no such operator" in str(caught.value)


def test_a_quantized_model_is_not_quantized_again(quantized: edgeai.Result, samples: np.ndarray) -> None:
    with pytest.raises(edgeai.EdgeAIError) as caught:
        edgeai.quantize(quantized.model, samples[:1])
    assert caught.value.code == 401


# Odd networks.


def test_dead_channel_and_constant_tensor() -> None:
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((4, 3, 1, 1)).astype(np.float32)
    weights[2] = 0
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv"),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Mul", ["r", "zero"], ["z"], name="always zero"),
        helper.make_node("Add", ["r", "z"], ["y"]),
    ]
    constants = {"w": weights, "b": np.array([0.5, -0.5, -7, 0], np.float32), "zero": np.zeros(1, np.float32)}
    model = edgeai.load(small_model(nodes, {"x": ("n", 3, 6, 6)}, ["y"], constants))
    x = rng.standard_normal((16, 3, 6, 6)).astype(np.float32)
    result = edgeai.quantize(model, x)
    y = edgeai.Session(result.model)(x)
    expected = edgeai.Session(model)(x)
    assert np.isfinite(y).all()
    assert not y[:, 2].any()
    assert np.abs(y - expected).max() < 0.03 * expected.max()


def test_input_that_never_changes(classifier: edgeai.Model) -> None:
    zeros = np.zeros((2, 1, 28, 28), np.float32)
    result = edgeai.quantize(classifier, zeros)
    assert np.isfinite(edgeai.Session(result.model)(zeros)).all()


def test_two_inputs(two_inputs: edgeai.Model) -> None:
    rng = np.random.default_rng(2)
    a, b = rng.uniform(-1, 1, (2, 50, 3)).astype(np.float32)
    result = edgeai.quantize(two_inputs, [(a, b)])
    total, product = edgeai.Session(result.model).run((a, b))
    assert np.abs(total - (a + b)).max() < 0.03
    assert np.abs(product - a * b).max() < 0.03


# Progress and cancelling.


def test_progress_callback(classifier: edgeai.Model, samples: np.ndarray) -> None:
    seen: list[tuple[str, int, int]] = []
    edgeai.quantize(classifier, samples, progress=lambda *step: seen.append(step))
    assert seen
    assert all(isinstance(stage, str) and 0 <= done <= total for stage, done, total in seen)
    assert len({stage for stage, _, _ in seen}) >= 2


def test_progress_bar(classifier: edgeai.Model, samples: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    edgeai.quantize(classifier, samples, progress=True)
    assert "64/64" in capsys.readouterr().err


class Enough(Exception):
    pass


@pytest.mark.parametrize("at", [0, 1, 5, 20, 66])
def test_exception_in_the_callback_cancels(at: int, classifier: edgeai.Model, samples: np.ndarray) -> None:
    calls = 0

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls > at:
            raise Enough(stage)

    with pytest.raises(Enough):
        edgeai.quantize(classifier, samples, progress=progress)
    assert calls == at + 1


def test_keyboard_interrupt_in_the_callback(classifier: edgeai.Model, samples: np.ndarray) -> None:
    def progress(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        edgeai.quantize(classifier, samples, progress=progress)


def test_ctrl_c_while_calibrating(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    one_large_batch = [np.concatenate([subset["images"]] * 20)]
    timer = threading.Timer(0.2, _thread.interrupt_main)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            edgeai.quantize(classifier, one_large_batch, calibrator="mse")
    finally:
        timer.cancel()


def test_exception_of_the_data_passes_through(classifier: edgeai.Model, quantized: edgeai.Result, samples: np.ndarray) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield samples[:1]
        raise Enough

    with pytest.raises(Enough):
        edgeai.quantize(classifier, broken())
    with pytest.raises(Enough):
        edgeai.compare(classifier, quantized.model, broken())


def quantized_error(nodes: list[Any], constants: dict[str, np.ndarray], data: np.ndarray, opset: int = 18) -> edgeai.Result:
    shape = ("n", *data.shape[1:])
    return edgeai.quantize(edgeai.load(small_model(nodes, {"x": shape}, ["y"], constants, opset)), data, report_samples=len(data))


def reasons(result: edgeai.Result) -> dict[str, str]:
    """Of the layers in float, by operator."""
    return {layer.op: layer.reason for layer in result.report.skipped}


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_normalized_rows_of_different_size() -> None:
    """Deviations of 1 to 0.02 have no common scale of 8 bits: what normalizes stays in float, the products do not."""
    data = normal(64, 4, 16) * np.float32([1, 0.3, 0.05, 0.02])[:, None]
    ones, zeros = np.ones(16, np.float32), np.zeros(16, np.float32)
    nodes = [helper.make_node("LayerNormalization", ["x", "s", "b"], ["n"]), helper.make_node("MatMul", ["n", "w"], ["y"], name="product")]
    result = quantized_error(nodes, {"s": ones, "b": zeros, "w": normal(16, 16, seed=1) / 4}, data)
    assert result.report.sqnr_db > 30
    assert "product" not in [layer.name for layer in result.report.skipped]
    assert "of such different sizes" in reasons(result)["LayerNormalization"]


def test_layer_normalization_of_single_operators() -> None:
    """As exporters wrote it before the operator existed."""
    data = normal(64, 4, 16) * np.float32([1, 0.3, 0.05, 0.02])[:, None]
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[-1]), helper.make_node("Sub", ["x", "m"], ["d"]), helper.make_node("Pow", ["d", "two"], ["q"]),
        helper.make_node("ReduceMean", ["q"], ["v"], axes=[-1]), helper.make_node("Add", ["v", "e"], ["ve"]), helper.make_node("Sqrt", ["ve"], ["s"]),
        helper.make_node("Div", ["d", "s"], ["n"]), helper.make_node("MatMul", ["n", "w"], ["y"], name="product"),
    ]  # fmt: skip
    constants = {"two": np.float32(2), "e": np.float32(1e-5), "w": normal(16, 16, seed=1) / 4}
    result = quantized_error(nodes, {name: np.asarray(value) for name, value in constants.items()}, data, opset=17)
    assert result.report.sqnr_db > 30
    assert "product" not in [layer.name for layer in result.report.skipped]


def test_normalized_channels_of_different_size() -> None:
    weights = {
        "w": normal(16, 3, 3, 3) * np.logspace(0, -2, 16).astype(np.float32)[:, None, None, None], "v": normal(4, 16, 1, 1, seed=1),
        "s": np.ones(16, np.float32), "b": np.zeros(16, np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="first"), helper.make_node("InstanceNormalization", ["c", "s", "b"], ["n"]),
        helper.make_node("Conv", ["n", "v"], ["y"], name="last"),
    ]  # fmt: skip
    result = quantized_error(nodes, weights, normal(32, 3, 8, 8, seed=2))
    # The first convolution's own result has one scale for channels of a hundredth the size.
    assert not {"first", "last"} & {layer.name for layer in result.report.skipped}
    in_float = edgeai.quantize(
        edgeai.load(small_model(nodes, {"x": ("n", 3, 8, 8)}, ["y"], weights, 18)), normal(32, 3, 8, 8, seed=2), ignore=["first"]
    )
    assert in_float.report.sqnr_db > 25


@pytest.mark.parametrize("mask", ["causal", "none", -np.inf, -1e9, "chosen"])
def test_attention(mask: float | str) -> None:
    """A mask of -inf, or of a number so low that nothing else is left of the scores, stays in float with its softmax."""
    data = normal(64, 8, 16)
    weights = {name: normal(16, 16, seed=index) / 4 for index, name in enumerate(["wq", "wk", "wv", "wo"])}
    products = [helper.make_node("MatMul", ["x", "w" + name], [name], name=name) for name in "qkv"]
    last = helper.make_node("MatMul", ["a", "wo"], ["y"], name="o")
    if isinstance(mask, str) and mask != "chosen":
        node = helper.make_node("Attention", ["q", "k", "v"], ["a"], q_num_heads=1, kv_num_heads=1, is_causal=int(mask == "causal"))
        result = quantized_error([*products, node, last], weights, data, opset=23)
    else:
        lowest = np.float32(-1e9 if mask == "chosen" else mask)
        later = np.triu(np.ones((8, 8), bool), 1)
        weights |= {"mask": later if mask == "chosen" else np.where(later, lowest, np.float32(0)), "lowest": np.asarray(lowest)}
        nodes = [
            *products, helper.make_node("Transpose", ["k"], ["t"], perm=[0, 2, 1]), helper.make_node("MatMul", ["q", "t"], ["s"], name="scores"),
            helper.make_node("Where", ["mask", "lowest", "s"], ["m"]) if mask == "chosen" else helper.make_node("Add", ["s", "mask"], ["m"]),
            helper.make_node("Softmax", ["m"], ["p"], axis=-1), helper.make_node("MatMul", ["p", "v"], ["a"], name="weighted"), last,
        ]  # fmt: skip
        result = quantized_error(nodes, weights, data)
    skipped = {layer.name for layer in result.report.skipped}
    assert not skipped & {"q", "k", "v", "o", "scores", "weighted"}
    assert ("Softmax" in reasons(result)) == (mask != "none")
    if mask in ("causal", -np.inf):
        assert "not finite" in reasons(result)["Softmax"]
    assert result.report.sqnr_db > 25


def test_ranges_that_no_scale_has_stay_float() -> None:
    """Scales lie in 2^-40 ... 2^40: beyond, all numbers would round to zero, or saturate."""
    random = np.random.default_rng(1)
    w = random.standard_normal((8, 8)).astype(np.float32)
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h"], name="layer", transB=1), helper.make_node("Relu", ["h"], ["y"])]
    model = edgeai.load(small_model(nodes, {"x": ("n", 8)}, ["y"], {"w": w}))
    for size, what in ((1e-13, "narrow"), (1e16, "wide")):
        x = (size * random.standard_normal((32, 8))).astype(np.float32)
        result = edgeai.quantize(model, x)
        assert [layer.reason for layer in result.report.layers] == [f"the range of x is too {what} for a scale of 8 bits"]
        assert np.array_equal(edgeai.Session(result.model)(x), edgeai.Session(model)(x))
        with pytest.raises(edgeai.UnsupportedOpError, match=what):
            edgeai.quantize(model, x, strict=True)


@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_keep_what_they_are_however_small(per_channel: bool) -> None:
    """Scales of weights follow them below 2^-40, where large activations make something of them."""
    random = np.random.default_rng(1)
    w = (1e-13 * random.standard_normal((8, 8))).astype(np.float32)
    w[3] = 0
    w[4] *= np.float32(1e-32)  # not to be told from zeros by any result
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"], name="layer", transB=1)]
    model = edgeai.load(small_model(nodes, {"x": ("n", 8)}, ["y"], {"w": w}))
    x = (1e13 * random.standard_normal((64, 8))).astype(np.float32)
    result = edgeai.quantize(model, x, per_channel=per_channel)
    assert [layer.dtype for layer in result.report.layers] == ["uint8"]
    assert result.report.sqnr_db > 30
    (layer,) = [op for op in result.model.ops if op.name == "layer"]
    largest = np.abs(result.model.tensor_data(layer.inputs[1]).astype(int)).max(1)
    assert largest[3:5].tolist() == [0, 0]
    assert not per_channel or np.delete(largest, [3, 4]).tolist() == [127] * 6


def test_weights_too_wide_for_a_scale_stay_float() -> None:
    random = np.random.default_rng(1)
    w = (1e16 * random.standard_normal((8, 8))).astype(np.float32)
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"], name="layer", transB=1)]
    model = edgeai.load(small_model(nodes, {"x": ("n", 8)}, ["y"], {"w": w}))
    result = edgeai.quantize(model, (1e-16 * random.standard_normal((64, 8)) + 1e-3).astype(np.float32))
    assert [layer.reason for layer in result.report.layers] == ["the range of w is too wide for a scale of 8 bits"]
