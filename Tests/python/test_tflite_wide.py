"""TFLite models with 16-bit activations and 8-bit weights, each operator against LiteRT."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tflite_checks import IMAGE, Array, check, i32, litert, ours
from tflite_writer import Network

import edgeai

#: Full scale is about 8.
SCALE = 8 / 32768


def wide(shape: Any, seed: int, limit: int = 32767) -> Array:
    return np.random.default_rng(seed).integers(-limit, limit + 1, shape).astype(np.int16)


def single(
    op: str, shapes: list[Any], result: Any, constants: tuple[Array, ...] = (), options: str = "", scale: float = SCALE, **values: Any
) -> bytes:
    net = Network()
    inputs = [net.tensor(f"x{i}", shape, "int16", scale=SCALE) for i, shape in enumerate(shapes)]
    others = [net.tensor(f"c{i}", c.shape, str(c.dtype), c.tobytes()) for i, c in enumerate(constants)]
    y = net.tensor("y", result, "int16", scale=scale)
    net.operator(op, inputs + others, [y], options, **values)
    return net.file(inputs, [y])


POOL = {"padding": 1, "stride_w": 2, "stride_h": 2, "width": 2, "height": 2}
PADS = np.array([[0, 0], [1, 2], [3, 0], [0, 1]], np.int32)
CASES: list[tuple[Any, ...]] = [
    ("ADD", [IMAGE, IMAGE], IMAGE, (), "Add", 0.00053, {"pot_scale": 0}),
    ("SUB", [IMAGE, IMAGE], IMAGE, (), "Sub", 0.00053, {"pot_scale": 0}),
    ("MUL", [IMAGE, IMAGE], IMAGE, (), "Mul", 64 / 32768, {}),
    ("ADD", [IMAGE, IMAGE], IMAGE, (), "Add", 0.00053, {"activation": 1, "pot_scale": 0}),
    ("MAX_POOL_2D", [IMAGE], (1, 4, 5, 6), (), "Pool2D", SCALE, POOL),
    ("AVERAGE_POOL_2D", [IMAGE], (1, 4, 5, 6), (), "Pool2D", SCALE, POOL),
    ("RELU", [IMAGE], IMAGE, (), "", SCALE, {}),
    ("RELU6", [IMAGE], IMAGE, (), "", SCALE, {}),
    ("LEAKY_RELU", [IMAGE], IMAGE, (), "LeakyRelu", SCALE, {"alpha": 0.2}),
    ("LOGISTIC", [IMAGE], IMAGE, (), "", 1 / 32768, {}),
    ("TANH", [IMAGE], IMAGE, (), "", 1 / 32768, {}),
    ("SOFTMAX", [(3, 17)], (3, 17), (), "Softmax", 1 / 32768, {"beta": 1.0}),
    ("MEAN", [IMAGE], (1, 6), (i32(1, 2),), "Reducer", SCALE, {}),
    ("MAXIMUM", [IMAGE, IMAGE], IMAGE, (), "", SCALE, {}),
    ("MINIMUM", [IMAGE, IMAGE], IMAGE, (), "", SCALE, {}),
    ("RESHAPE", [IMAGE], (1, 99, 6), (i32(1, 99, 6),), "Reshape", SCALE, {}),
    ("TRANSPOSE", [IMAGE], (1, 6, 9, 11), (i32(0, 3, 1, 2),), "", SCALE, {}),
    ("CONCATENATION", [IMAGE, IMAGE], (1, 9, 11, 12), (), "Concatenation", SCALE, {"axis": 3}),
    ("PAD", [IMAGE], (1, 12, 14, 7), (PADS,), "", SCALE, {}),
    ("SLICE", [IMAGE], (1, 4, 11, 2), (i32(0, 2, 0, 1), i32(1, 4, -1, 2)), "", SCALE, {}),
    ("GATHER", [IMAGE], (1, 9, 11, 2), (i32(5, 0),), "Gather", SCALE, {"axis": 3}),
    ("BATCH_MATMUL", [(2, 3, 4), (2, 4, 5)], (2, 3, 5), (), "BatchMatMul", 100 / 32768, {}),
    ("RESIZE_NEAREST_NEIGHBOR", [IMAGE], (1, 17, 5, 6), (i32(17, 5),), "ResizeNearestNeighbor", SCALE, {}),
]
#: LiteRT interpolates in tables: steps of its error.
TABLES = {"LOGISTIC": 6, "TANH": 11, "SOFTMAX": 5}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0] + ("-relu" if c[6].get("activation") else ""))
def test_operator(case: tuple[Any, ...]) -> None:
    op, shapes, result, constants, options, scale, values = case
    content = single(op, shapes, result, constants, options, scale, **values)
    inputs = [wide(shape, seed) for seed, shape in enumerate(shapes)]
    found, expected = ours(content, inputs)[0], litert(content, inputs)[0]
    if op in TABLES:
        assert found.dtype == expected.dtype and found.shape == expected.shape
        assert np.abs(found.astype(np.int64) - expected).max() <= TABLES[op]
        x = inputs[0] * SCALE
        powers = np.exp(x - x.max(-1, keepdims=True))
        exact = {"LOGISTIC": 1 / (1 + np.exp(-x)), "TANH": np.tanh(x), "SOFTMAX": powers / powers.sum(-1, keepdims=True)}[op]
        check(found, np.clip(np.rint(exact / scale), -32768, 32767).astype(np.int16))
    else:
        # LiteRT rounds the negative half of LEAKY_RELU down by up to a step.
        check(found, expected, 0.85 if op == "LEAKY_RELU" else 0.99)


@pytest.mark.parametrize(
    ("op", "kind"),
    [("CONV_2D", "int64"), ("DEPTHWISE_CONV_2D", "int64"), ("FULLY_CONNECTED", "int64"), ("FULLY_CONNECTED", "int32"), ("TRANSPOSE_CONV", "int64")],
)
def test_layer(op: str, kind: str) -> None:
    rng = np.random.default_rng(7)
    net = Network()
    shape = {"FULLY_CONNECTED": (300, 200), "DEPTHWISE_CONV_2D": (1, 3, 3, 6)}.get(op, (9, 3, 3, 6))
    channels = shape[3] if op == "DEPTHWISE_CONV_2D" else shape[0]
    scales: Any = [float(s) for s in rng.uniform(0.002, 0.01, channels)]
    if op == "FULLY_CONNECTED":
        scales = 0.004
    source = (1, 200) if op == "FULLY_CONNECTED" else IMAGE
    x = net.tensor("x", source, "int16", scale=SCALE)
    w = net.tensor("w", shape, "int8", rng.integers(-127, 128, shape).astype(np.int8).tobytes(), scales, [0] * channels if isinstance(scales, list) else 0,
                   3 if op == "DEPTHWISE_CONV_2D" else 0)
    biases = [s * SCALE for s in scales] if isinstance(scales, list) else scales * SCALE
    b = net.tensor("b", (channels,), kind, rng.integers(-400000, 400000, channels).astype(kind).tobytes(), biases)
    inputs = [x, w, b]
    if op == "FULLY_CONNECTED":
        y = net.tensor("y", (1, channels), "int16", scale=0.002)
        net.operator(op, inputs, [y], "FullyConnected", activation=1)
    elif op == "TRANSPOSE_CONV":
        y = net.tensor("y", (1, 18, 22, channels), "int16", scale=0.001)
        net.operator(op, [net.tensor("size", (4,), "int32", i32(1, 18, 22, channels).tobytes()), w, x, b], [y], "TransposeConv", stride_w=2, stride_h=2)
    else:
        y = net.tensor("y", (1, 9, 11, channels), "int16", scale=0.001)
        more = {"multiplier": 1} if op == "DEPTHWISE_CONV_2D" else {}
        net.operator(op, inputs, [y], "DepthwiseConv2D" if more else "Conv2D", stride_w=1, stride_h=1, activation=3, **more)
    content = net.file([x], [y])
    data = wide(source, 3)
    check(ours(content, [data])[0], litert(content, [data])[0])


def test_quantize_and_dequantize() -> None:
    net = Network()
    x = net.tensor("x", (3, 40))
    q = net.tensor("q", (3, 40), "int16", scale=0.00031)
    r = net.tensor("r", (3, 40), "int8", scale=0.047, zero=9)
    z = net.tensor("z", (3, 40), "int8", scale=0.047, zero=9)
    s = net.tensor("s", (3, 40), "int16", scale=0.0005)
    y = net.tensor("y", (3, 40))
    net.operator("QUANTIZE", [x], [q])
    net.operator("QUANTIZE", [q], [r])
    net.operator("QUANTIZE", [z], [s])
    net.operator("DEQUANTIZE", [q], [y])
    content = net.file([x, z], [q, r, s, y])
    rng = np.random.default_rng(1)
    inputs = [rng.uniform(-12, 12, (3, 40)).astype(np.float32), rng.integers(-128, 128, (3, 40)).astype(np.int8)]
    for found, expected in zip(ours(content, inputs), litert(content, inputs), strict=True):
        check(found, expected)


def test_the_borders_are_16_bits_with_their_scale(tmp_path: Any) -> None:
    content = single("RELU", [IMAGE], IMAGE)
    model = edgeai.load(content)
    assert model.inputs[0].dtype == model.outputs[0].dtype == "int16"
    model.save(tmp_path / "m.edgeai")
    x = wide(IMAGE, 1)
    for again in (model, edgeai.load(tmp_path / "m.edgeai")):
        assert np.array_equal(edgeai.Session(again).run(x)[0], np.maximum(x, 0))


def test_a_zero_point_is_refused() -> None:
    net = Network()
    x, y = (net.tensor(name, (1, 4), "int16", scale=0.1, zero=3) for name in "xy")
    net.operator("RELU", [x], [y])
    with pytest.raises(edgeai.ModelError, match="zero point 3"):
        edgeai.load(net.file([x], [y]))
