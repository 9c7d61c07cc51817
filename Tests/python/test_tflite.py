"""TFLite models: every operator alone against LiteRT, and the published networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from conftest import relative_error
from tflite_writer import Network

import edgeai

Array = np.ndarray[Any, Any]
#: Activations of the quantized cases: scale and zero point of int8; uint8 has the zero point 128 higher.
SCALE, ZERO = 0.05, -7


def litert(content: bytes, inputs: list[Array]) -> list[Array]:
    """What LiteRT's standard interpreter (with XNNPACK) gives."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    details = interpreter.get_input_details()
    for detail, x in zip(details, inputs, strict=True):
        if list(detail["shape"]) != list(x.shape):
            interpreter.resize_tensor_input(detail["index"], x.shape)
    interpreter.allocate_tensors()
    for detail, x in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], x)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def ours(content: bytes, inputs: list[Array], **options: Any) -> list[Array]:
    return list(edgeai.Session(edgeai.load(content), batch=inputs[0].shape[0] if inputs[0].ndim else 1, **options).run(inputs))


def check(found: Array, expected: Array, equal: float = 0.99, tolerance: float = 1e-5) -> None:
    """Floats to 1e-5 of the largest; integers within a step, and as many as `equal` of them the same."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    if expected.dtype == np.float32:
        assert relative_error(found, expected) <= tolerance
        return
    steps = np.abs(found.astype(np.int64) - expected.astype(np.int64))
    assert steps.max() <= 1
    assert np.mean(steps == 0) >= equal


def random(shape: Any, kind: str, seed: int = 0, low: float = -2, high: float = 2) -> Array:
    rng = np.random.default_rng(seed)
    if kind == "float32":
        return rng.uniform(low, high, shape).astype(np.float32)
    limits = np.iinfo(kind)
    return rng.integers(limits.min, limits.max + 1, shape).astype(kind)


@dataclass
class Case:
    """One operator over the inputs x0, x1, ... and constants, with one result or several."""

    op: str
    shapes: list[Any]
    result: Any
    constants: list[Array] = field(default_factory=list)
    options: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    kinds: tuple[str, ...] = ("float32",)
    #: Where the constants stand among the operator's inputs.
    order: list[int] | None = None
    results: int = 1
    low: float = -2.0
    high: float = 2.0
    label: str = ""
    #: Scale and zero point of a quantized result; by default the operands'.
    out: tuple[float, int] | None = None
    equal: float = 0.99
    tolerance: float = 1e-5


cases: list[Case] = []
QUANTIZED = ("float32", "int8", "uint8")


def case(op: str, shapes: Any, result: Any, *constants: Array, options: str = "", values: dict[str, Any] | None = None, **rest: Any) -> None:
    cases.append(Case(op, shapes if isinstance(shapes, list) else [shapes], result, list(constants), options, values or {}, **rest))


def i32(*values: int) -> Array:
    return np.array(values, np.int32)


def activation(net: Network, name: str, shape: Any, kind: str, scale: float = SCALE, zero: int = ZERO, **rest: Any) -> int:
    if kind == "float32":
        return net.tensor(name, shape, kind, **rest)
    return net.tensor(name, shape, kind, scale=scale, zero=zero + (128 if kind == "uint8" else 0), **rest)


def single(case: Case, kind: str) -> bytes:
    net = Network()
    variables = [activation(net, f"x{i}", shape, kind) for i, shape in enumerate(case.shapes)]
    inputs = list(variables)
    for index, value in enumerate(case.constants):
        if value.dtype == np.float32 and kind != "float32":
            zero = ZERO + (128 if kind == "uint8" else 0)
            limits = np.iinfo(kind)
            data = np.clip(np.round(value / SCALE) + zero, limits.min, limits.max).astype(kind)
            inputs.append(activation(net, f"c{index}", value.shape, kind, data=data.tobytes()))
        else:
            inputs.append(net.tensor(f"c{index}", value.shape, str(value.dtype), value.tobytes()))
    if case.order:
        inputs = [inputs[i] for i in case.order]
    scale, zero = case.out or (SCALE, ZERO)
    shapes = case.result if case.results > 1 and isinstance(case.result, list) else [case.result] * case.results
    outputs = [activation(net, f"y{i}", shape, kind, scale, zero) for i, shape in enumerate(shapes)]
    net.operator(case.op, inputs, outputs, case.options, **case.values)
    return net.file(variables, outputs)


def case_id(item: tuple[Case, str]) -> str:
    return f"{item[0].op}-{item[1]}" + (f"-{item[0].label}" if item[0].label else "")


IMAGE = (1, 9, 11, 6)

# Arithmetic. The result's scale is no simple fraction of the operands', where sums would lie halfway between integers:
# XNNPACK then takes the larger, the library the even one (Documentation/tflite.md).
WIDE = (0.1037, 3)
for op, name in [("ADD", "Add"), ("SUB", "Sub"), ("MUL", "Mul")]:
    case(op, [IMAGE, IMAGE], IMAGE, options=name, kinds=QUANTIZED, out=WIDE)
    case(op, [IMAGE, IMAGE], IMAGE, options=name, values={"activation": 1}, kinds=QUANTIZED, out=WIDE, label="relu")
    case(op, [IMAGE, (1, 1, 1, 6)], IMAGE, options=name, kinds=QUANTIZED, out=WIDE, label="broadcast")
    case(op, IMAGE, IMAGE, random((6,), "float32", 4), options=name, kinds=QUANTIZED, out=WIDE, label="constant")
case("ADD", [IMAGE, IMAGE], IMAGE, options="Add", values={"activation": 3}, kinds=QUANTIZED, out=(0.03, -128), label="relu6")
case("DIV", [IMAGE, IMAGE], IMAGE, options="Div", low=0.5)
case("MAXIMUM", [IMAGE, IMAGE], IMAGE, kinds=QUANTIZED)
case("MINIMUM", [IMAGE, IMAGE], IMAGE, kinds=QUANTIZED)
case("POW", [IMAGE, IMAGE], IMAGE, low=0.5)
case("SQUARE", IMAGE, IMAGE)
case("SQUARED_DIFFERENCE", [IMAGE, IMAGE], IMAGE)
case("ADD_N", [IMAGE, IMAGE, IMAGE], IMAGE)
case("PRELU", IMAGE, IMAGE, random((1, 1, 6), "float32", 5))
case("PRELU", IMAGE, IMAGE, random((1, 1, 6), "float32", 5), kinds=("int8", "uint8"), out=(0.07, -10))

# Functions of one tensor.
for op in ["RELU", "RELU6", "RELU_N1_TO_1"]:
    case(op, IMAGE, IMAGE, kinds=QUANTIZED)
for op in ["ABS", "NEG", "EXP", "ELU", "FLOOR", "CEIL", "ROUND", "HARD_SWISH", "RELU_0_TO_1", "SIGN"]:
    case(op, IMAGE, IMAGE)
for op in ["ABS", "EXP", "ELU"]:
    case(op, IMAGE, IMAGE, kinds=("int8",), out=(0.07, -60))
case("HARD_SWISH", IMAGE, IMAGE, kinds=("int8", "uint8"), out=(0.07, -60))
for op in ["LOG", "SQRT", "RSQRT"]:
    case(op, IMAGE, IMAGE, low=0.1)
case("LEAKY_RELU", IMAGE, IMAGE, options="LeakyRelu", values={"alpha": 0.2}, kinds=QUANTIZED)
case("GELU", IMAGE, IMAGE, options="Gelu")
case("GELU", IMAGE, IMAGE, options="Gelu", values={"approximate": 1}, label="tanh")
case("LOGISTIC", IMAGE, IMAGE, kinds=("float32",))
case("LOGISTIC", IMAGE, IMAGE, kinds=("int8", "uint8"), out=(1 / 256, -128))
case("TANH", IMAGE, IMAGE, kinds=("float32",))
case("TANH", IMAGE, IMAGE, kinds=("int8", "uint8"), out=(1 / 128, 0))

# Pooling.
for padding in (0, 1):
    result = (1, 5, 6, 6) if padding == 0 else (1, 4, 5, 6)
    pool = {"padding": padding, "stride_w": 2, "stride_h": 2, "width": 2, "height": 2}
    case("MAX_POOL_2D", IMAGE, result, options="Pool2D", values=pool, kinds=QUANTIZED, label=f"padding {padding}")
    # 4 pixels: a quarter of the averages lies between two integers.
    case("AVERAGE_POOL_2D", IMAGE, result, options="Pool2D", values=pool, kinds=QUANTIZED, label=f"padding {padding}", equal=1)
case(
    "AVERAGE_POOL_2D", IMAGE, (1, 1, 1, 6), options="Pool2D", kinds=QUANTIZED, label="all, relu",
    values={"padding": 1, "stride_w": 1, "stride_h": 1, "width": 11, "height": 9, "activation": 1},
)

# Reductions.
for op in ["MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"]:
    case(op, IMAGE, (1, 6), i32(1, 2), options="Reducer", values={"keep_dims": 0})
    sums = (2.13, 3) if op == "SUM" else None
    case(op, IMAGE, (1, 6), i32(1, 2), options="Reducer", values={"keep_dims": 0}, kinds=("int8", "uint8"), out=sums)
    case(op, IMAGE, (1, 9, 11, 1), i32(-1), options="Reducer", values={"keep_dims": 1}, kinds=("float32",), label="keep")
case("REDUCE_PROD", (1, 3, 2, 2), (1, 2, 2), i32(1), options="Reducer", values={"keep_dims": 0})
case("SOFTMAX", (3, 17), (3, 17), options="Softmax", values={"beta": 1.0}, kinds=("float32",))
case("SOFTMAX", (3, 17), (3, 17), options="Softmax", values={"beta": 1.0}, kinds=("int8", "uint8"), out=(1 / 256, -128))
case("SOFTMAX", (3, 17), (3, 17), options="Softmax", values={"beta": 0.5}, label="beta")
case("LOG_SOFTMAX", (3, 17), (3, 17))
case("LOG_SOFTMAX", (3, 17), (3, 17), kinds=("int8", "uint8"), out=(16 / 256, 127))
case("L2_NORMALIZATION", IMAGE, IMAGE, options="L2Norm")

# Movement.
case("RESHAPE", IMAGE, (1, 99, 6), i32(1, -1, 6), options="Reshape", kinds=QUANTIZED)
case("RESHAPE", IMAGE, (99, 6), options="Reshape", values={"shape": [-1, 6]}, label="old")
case("SQUEEZE", (1, 5, 1, 4), (5, 4), options="Squeeze", values={"axes": [0, -2]}, kinds=QUANTIZED)
case("EXPAND_DIMS", (3, 4), (3, 1, 4), i32(1), kinds=QUANTIZED)
case("TRANSPOSE", IMAGE, (1, 6, 9, 11), i32(0, 3, 1, 2), kinds=QUANTIZED)
case("CONCATENATION", [IMAGE, IMAGE], (1, 9, 11, 12), options="Concatenation", values={"axis": -1}, kinds=QUANTIZED)
case("PACK", [(3, 4), (3, 4)], (3, 2, 4), options="Pack", values={"count": 2, "axis": 1}, kinds=QUANTIZED)
case("UNPACK", (3, 2, 4), (3, 4), options="Unpack", values={"count": 2, "axis": 1}, results=2, kinds=QUANTIZED)
case("SPLIT", (1, 6, 4), (1, 3, 4), i32(1), options="Split", values={"parts": 2}, results=2, order=[1, 0], kinds=QUANTIZED)
case("SPLIT_V", (1, 6, 4), [(1, 2, 4), (1, 4, 4)], i32(2, -1), i32(1), options="SplitV", values={"parts": 2}, results=2, kinds=QUANTIZED)
case("SLICE", IMAGE, (1, 4, 11, 2), i32(0, 2, 0, 1), i32(1, 4, -1, 2), kinds=QUANTIZED)
case("STRIDED_SLICE", IMAGE, (1, 4, 11, 3), i32(0, 1, 0, -1), i32(1, 9, 0, 0), i32(1, 2, 1, -2), options="StridedSlice",
     values={"begin_mask": 4, "end_mask": 4}, kinds=QUANTIZED)
case("STRIDED_SLICE", IMAGE, (1, 11, 6), i32(0, -2), i32(0, 0), i32(1, 1), options="StridedSlice",
     values={"begin_mask": 1, "end_mask": 1, "shrink_mask": 2}, label="shrink")
case("GATHER", IMAGE, (1, 9, 11, 4), i32(5, 0, 0, 2), options="Gather", values={"axis": 3}, kinds=QUANTIZED)
case("GATHER", (5, 4), (2, 2, 4), np.array([[4, 0], [1, 1]], np.int32), options="Gather", label="matrix of indices")
pads = np.array([[0, 0], [1, 2], [3, 0], [0, 1]], np.int32)
case("PAD", IMAGE, (1, 12, 14, 7), pads, kinds=QUANTIZED)
case("PADV2", IMAGE, (1, 12, 14, 7), pads, np.array([0.5], np.float32), kinds=QUANTIZED)
case("MIRROR_PAD", IMAGE, (1, 12, 14, 7), pads, options="MirrorPad", values={"mode": 0}, kinds=("float32", "int8"))
case("SPACE_TO_DEPTH", (1, 4, 6, 3), (1, 2, 3, 12), options="SpaceToDepth", values={"block": 2}, kinds=QUANTIZED)
case("DEPTH_TO_SPACE", (1, 2, 3, 12), (1, 4, 6, 3), options="DepthToSpace", values={"block": 2}, kinds=QUANTIZED)
case("BROADCAST_TO", (1, 1, 4), (2, 3, 4), i32(2, 3, 4))
for flags in [{}, {"align_corners": 1}, {"half_pixel": 1}]:
    label = next(iter(flags), "asymmetric")
    case("RESIZE_BILINEAR", IMAGE, (1, 17, 5, 6), i32(17, 5), options="ResizeBilinear", values=flags, label=label, kinds=QUANTIZED)
    case("RESIZE_NEAREST_NEIGHBOR", IMAGE, (1, 17, 5, 6), i32(17, 5), options="ResizeNearestNeighbor", values=flags, label=label, kinds=QUANTIZED)

# Products.
case("BATCH_MATMUL", [(2, 3, 4), (2, 4, 5)], (2, 3, 5), options="BatchMatMul")
case("BATCH_MATMUL", [(2, 3, 4), (2, 4, 5)], (2, 3, 5), options="BatchMatMul", kinds=("int8",), out=(0.21, 5))
case("BATCH_MATMUL", [(2, 4, 3), (2, 5, 4)], (2, 3, 5), options="BatchMatMul", values={"adj_x": 1, "adj_y": 1}, label="transposed")


@pytest.mark.parametrize("item", [(c, kind) for c in cases for kind in c.kinds], ids=case_id)
def test_operator(item: tuple[Case, str]) -> None:
    case, kind = item
    content = single(case, kind)
    inputs = [random(shape, kind, seed, case.low, case.high) for seed, shape in enumerate(case.shapes)]
    peer = litert(content, inputs)
    for isa in [None] if kind == "float32" else edgeai.instruction_sets():
        for found, expected in zip(ours(content, inputs, isa=isa), peer, strict=True):
            check(found, expected, case.equal, case.tolerance)


def layer(op: str, kind: str, groups: int = 1, padding: int = 0, stride: int = 1, dilation: int = 1, fused: int = 0, weights: str = "") -> bytes:
    """A layer with weights: float, int8 with int8 weights for each channel, or uint8 with asymmetric ones."""
    rng = np.random.default_rng(7)
    net = Network()
    x = activation(net, "x", (1, 10) if op == "FULLY_CONNECTED" else IMAGE, kind)
    shape = {"FULLY_CONNECTED": (9, 10), "DEPTHWISE_CONV_2D": (1, 3, 3, 12 if groups < 0 else 6), "TRANSPOSE_CONV": (9, 3, 3, 6)}.get(
        op, (9 if groups == 1 else 8, 3, 3, 6 // groups)
    )
    channels = shape[3] if op == "DEPTHWISE_CONV_2D" else shape[0]
    axis = 3 if op == "DEPTHWISE_CONV_2D" else 0
    weights = weights or kind
    if weights == "float32" or weights == "float16":
        w = net.tensor("w", shape, weights, rng.uniform(-1, 1, shape).astype(weights).tobytes())
        if weights == "float16":
            plain = net.tensor("w32", shape)
            net.operator("DEQUANTIZE", [w], [plain])
            w = plain
        bias = net.tensor("b", (channels,), "float32", rng.uniform(-1, 1, channels).astype(np.float32).tobytes())
    else:
        data = rng.integers(-127, 128, shape).astype(np.int8) if weights == "int8" else rng.integers(0, 256, shape).astype(np.uint8)
        per_channel = weights == "int8" and op != "TRANSPOSE_CONV"
        scales: Any = [float(s) for s in rng.uniform(0.002, 0.01, channels)] if per_channel else 0.004
        w = net.tensor("w", shape, weights, data.tobytes(), scales, [0] * channels if per_channel else 0 if weights == "int8" else 101, axis)
        biases = [s * SCALE for s in scales] if per_channel else scales * SCALE
        if kind == "float32":
            bias = net.tensor("b", (channels,), "float32", rng.uniform(-1, 1, channels).astype(np.float32).tobytes())
        else:
            bias = net.tensor("b", (channels,), "int32", rng.integers(-4000, 4000, channels).astype(np.int32).tobytes(), biases)
    if op == "FULLY_CONNECTED":
        y = activation(net, "y", (1, channels), kind, 0.11, 4)
        net.operator(op, [x, w, bias], [y], "FullyConnected", activation=fused)
    elif op == "TRANSPOSE_CONV":
        size = [1, 9 * stride, 11 * stride, channels] if padding == 0 else [1, 8 * stride + 3, 10 * stride + 3, channels]
        y = activation(net, "y", size, kind, 0.15, 4)
        target = net.tensor("shape", (4,), "int32", i32(*size).tobytes())
        net.operator(op, [target, w, x, bias], [y], "TransposeConv", padding=padding, stride_w=stride, stride_h=stride, activation=fused)
    else:
        reach = 2 * dilation + 1
        size = [-(-9 // stride), -(-11 // stride)] if padding == 0 else [-(-(10 - reach) // stride), -(-(12 - reach) // stride)]
        y = activation(net, "y", (1, *size, channels), kind, 0.15, 4)
        depthwise = {"multiplier": 2 if groups < 0 else 1} if op == "DEPTHWISE_CONV_2D" else {}
        net.operator(
            op, [x, w, bias], [y], "DepthwiseConv2D" if depthwise else "Conv2D", padding=padding, stride_w=stride, stride_h=stride,
            dilation_w=dilation, dilation_h=dilation, activation=fused, **depthwise,
        )
    return net.file([x], [y])


LAYERS: list[tuple[str, dict[str, Any]]] = [
    ("CONV_2D", {}),
    ("CONV_2D", {"padding": 1, "stride": 2, "fused": 1}),
    ("CONV_2D", {"stride": 2, "fused": 3}),
    ("CONV_2D", {"dilation": 2}),
    ("CONV_2D", {"groups": 2}),
    ("DEPTHWISE_CONV_2D", {}),
    ("DEPTHWISE_CONV_2D", {"padding": 1, "stride": 2, "fused": 3}),
    ("DEPTHWISE_CONV_2D", {"groups": -1}),
    ("DEPTHWISE_CONV_2D", {"dilation": 2, "padding": 1}),
    ("FULLY_CONNECTED", {}),
    ("FULLY_CONNECTED", {"fused": 1}),
    ("TRANSPOSE_CONV", {"stride": 2}),
    ("TRANSPOSE_CONV", {"stride": 2, "padding": 1}),
]


@pytest.mark.parametrize("kind", QUANTIZED)
@pytest.mark.parametrize(("op", "options"), LAYERS, ids=lambda v: v if isinstance(v, str) else "-".join(f"{k}{x}" for k, x in v.items()))
def test_layer(op: str, options: dict[str, Any], kind: str) -> None:
    content = layer(op, kind, **options)
    x = random((1, 10) if op == "FULLY_CONNECTED" else IMAGE, kind, 3)
    expected = litert(content, [x])[0]
    for isa in edgeai.instruction_sets():
        check(ours(content, [x], isa=isa)[0], expected)


@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_float16_weights(op: str) -> None:
    content = layer(op, "float32", weights="float16")
    x = random((1, 10) if op == "FULLY_CONNECTED" else IMAGE, "float32", 3)
    check(ours(content, [x])[0], litert(content, [x])[0])


@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
@pytest.mark.parametrize("weights", ["int8", "uint8"])
def test_hybrid_weights_are_real_numbers(op: str, weights: str) -> None:
    """LiteRT rounds the activations of hybrid layers to 8 bits; what the library computes is the layer in float."""
    content = layer(op, "float32", weights=weights)
    rng = np.random.default_rng(7)
    x = random((1, 10) if op == "FULLY_CONNECTED" else IMAGE, "float32", 3)
    shape = {"FULLY_CONNECTED": (9, 10), "DEPTHWISE_CONV_2D": (1, 3, 3, 6)}.get(op, (9, 3, 3, 6))
    channels = shape[-1] if op == "DEPTHWISE_CONV_2D" else shape[0]
    if weights == "int8":
        data = rng.integers(-127, 128, shape).astype(np.int8).astype(np.float32)
        scales = rng.uniform(0.002, 0.01, channels).astype(np.float32)
    else:
        data = rng.integers(0, 256, shape).astype(np.float32) - 101
        scales = np.full(channels, 0.004, np.float32)
    real = (data * (scales if op == "DEPTHWISE_CONV_2D" else scales.reshape(-1, *[1] * (len(shape) - 1)))).astype(np.float32)
    bias = rng.uniform(-1, 1, channels).astype(np.float32)
    net = Network()
    a, w = net.tensor("x", x.shape), net.tensor("w", shape, "float32", real.tobytes())
    b = net.tensor("b", (channels,), "float32", bias.tobytes())
    y = net.tensor("y", (1, channels) if op == "FULLY_CONNECTED" else (1, 9, 11, channels))
    options = {"FULLY_CONNECTED": "FullyConnected", "CONV_2D": "Conv2D"}.get(op, "DepthwiseConv2D")
    strides = {} if op == "FULLY_CONNECTED" else {"stride_w": 1, "stride_h": 1}
    net.operator(op, [a, w, b], [y], options, **strides, **({"multiplier": 1} if op == "DEPTHWISE_CONV_2D" else {}))
    check(ours(content, [x])[0], litert(net.file([a], [y]), [x])[0])


def test_quantize_and_dequantize() -> None:
    net = Network()
    x = net.tensor("x", (3, 40))
    q = net.tensor("q", (3, 40), "int8", scale=0.031, zero=-5)
    r = net.tensor("r", (3, 40), "uint8", scale=0.017, zero=99)
    y = net.tensor("y", (3, 40))
    net.operator("QUANTIZE", [x], [q])
    net.operator("QUANTIZE", [q], [r])
    net.operator("DEQUANTIZE", [r], [y])
    content = net.file([x], [q, r, y])
    inputs = [random((3, 40), "float32", 1, -6, 6)]
    for found, expected in zip(ours(content, inputs), litert(content, inputs), strict=True):
        check(found, expected)


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_borders_keep_the_file_s_type(kind: str) -> None:
    """An input that is an output, moved or not, and a result that is both an output and read on."""
    net = Network()
    x = activation(net, "x", (2, 3), kind)
    turned = activation(net, "turned", (3, 2), kind)
    y = activation(net, "y", (3, 2), kind)
    axes = net.tensor("axes", (2,), "int32", i32(1, 0).tobytes())
    net.operator("TRANSPOSE", [x, axes], [turned])
    net.operator("RELU", [turned], [y])
    content = net.file([x], [x, turned, y])
    model = edgeai.load(content)
    assert [t.dtype for t in [*model.inputs, *model.outputs]] == [kind] * 4
    assert [t.name for t in model.outputs] == ["x", "turned", "y"]
    value = random((2, 3), kind)
    found = edgeai.Session(model).run(value)
    zero = ZERO + (128 if kind == "uint8" else 0)
    assert np.array_equal(found[0], value)
    assert np.array_equal(found[1], value.T)
    assert np.array_equal(found[2], np.maximum(value.T, zero))


def test_concatenation_of_scales() -> None:
    net = Network()
    a, b = net.tensor("a", (1, 50), "int8", scale=0.1, zero=3), net.tensor("b", (1, 60), "int8", scale=0.033, zero=-90)
    y = net.tensor("y", (1, 110), "int8", scale=0.097, zero=1)
    net.operator("CONCATENATION", [a, b], [y], "Concatenation", axis=1)
    content = net.file([a, b], [y])
    inputs = [random((1, 50), "int8", 1), random((1, 60), "int8", 2)]
    # LiteRT takes only equal scales: the formula is the peer.
    reals = [(inputs[0].astype(np.float64) - 3) * 0.1, (inputs[1].astype(np.float64) + 90) * 0.033]
    expected = np.clip(np.rint(np.concatenate(reals, 1) / 0.097) + 1, -128, 127).astype(np.int8)
    check(ours(content, inputs)[0], expected)


def free_batch(target: list[int]) -> bytes:
    """[-1, 4, 4, 2] -> convolution -> reshape to `target` -> dense."""
    rng = np.random.default_rng(5)
    net = Network()
    x = net.tensor("x", (1, 4, 4, 2), free=True)
    w = net.tensor("w", (3, 3, 3, 2), "float32", rng.uniform(-1, 1, (3, 3, 3, 2)).astype(np.float32).tobytes())
    c, flat = net.tensor("c", (1, 4, 4, 3), free=True), net.tensor("flat", (1, 48), free=True)
    shape = net.tensor("shape", (2,), "int32", i32(*target).tobytes())
    d = net.tensor("d", (5, 48), "float32", rng.uniform(-1, 1, (5, 48)).astype(np.float32).tobytes())
    b, e = net.tensor("b", (3,), "float32", bytes(12)), net.tensor("e", (5,), "float32", bytes(20))
    y = net.tensor("y", (1, 5), free=True)
    net.operator("CONV_2D", [x, w, b], [c], "Conv2D", stride_w=1, stride_h=1)
    net.operator("RESHAPE", [c, shape], [flat], "Reshape")
    net.operator("FULLY_CONNECTED", [flat, d, e], [y], "FullyConnected")
    return net.file([x], [y])


def test_free_batch() -> None:
    content = free_batch([-1, 48])
    model = edgeai.load(content)
    assert model.inputs[0].shape == (None, 4, 4, 2)
    x = random((5, 4, 4, 2), "float32", 2)
    check(edgeai.Session(model, batch=5).run(x)[0], litert(content, [x])[0])


def test_a_shape_written_for_one_sample_keeps_the_batch() -> None:
    content = free_batch([1, 48])
    model = edgeai.load(content)
    assert model.inputs[0].shape == (1, 4, 4, 2)
    x = random((1, 4, 4, 2), "float32", 2)
    check(edgeai.Session(model).run(x)[0], litert(content, [x])[0])


def computed_shape(arithmetic: bool) -> bytes:
    """The batch is taken from the input's shape, as Keras's Flatten and Reshape layers write it."""
    net = Network()
    x = net.tensor("x", (1, 4, 6), free=True)
    size, batch, target = net.tensor("size", (3,), "int32"), net.tensor("batch", (), "int32"), net.tensor("target", (2,), "int32")
    zero, one = (net.tensor(f"c{v}", (1,), "int32", i32(v).tobytes()) for v in (0, 1))
    rest = net.tensor("rest", (), "int32", i32(24).tobytes())
    y = net.tensor("y", (1, 24), free=True)
    net.operator("SHAPE", [x], [size])
    net.operator("STRIDED_SLICE", [size, zero, one, one], [batch], "StridedSlice", shrink_mask=1)
    if arithmetic:
        twice, half = net.tensor("twice", (), "int32"), net.tensor("half", (), "int32", i32(12).tobytes())
        net.operator("ADD", [batch, batch], [twice], "Add")
        batch, rest = twice, half
    net.operator("PACK", [batch, rest], [target], "Pack", count=2)
    net.operator("RESHAPE", [x, target], [y], "Reshape")
    return net.file([x], [y])


def test_computed_shape() -> None:
    content = computed_shape(False)
    model = edgeai.load(content)
    assert model.inputs[0].shape == (None, 4, 6)
    x = random((3, 4, 6), "float32")
    assert np.array_equal(edgeai.Session(model, batch=3).run(x)[0], x.reshape(3, 24))


def test_arithmetic_on_the_batch_keeps_the_batch() -> None:
    model = edgeai.load(computed_shape(True))
    assert model.inputs[0].shape == (1, 4, 6)
    x = random((1, 4, 6), "float32")
    assert np.array_equal(edgeai.Session(model).run(x)[0], x.reshape(2, 12))


def test_all_unsupported_operators_are_listed() -> None:
    net = Network()
    x = net.tensor("x", (1, 4))
    a, b, c, d = (net.tensor(name, (1, 4)) for name in "abcd")
    net.operator("SIN", [x], [a])
    net.operator("RELU", [a], [b])
    net.operator("CUSTOM", [b], [c], custom="Frobnicate")
    net.operator("TOPK_V2", [x], [d])
    content = net.file([x], [c, d])
    with pytest.raises(edgeai.UnsupportedOpError, match="3 unsupported operators"):
        edgeai.load(content)
    model = edgeai.load(content, allow_unsupported=True)
    assert [(op.type, op.node) for op in model.unsupported] == [("SIN", "a"), ("CUSTOM Frobnicate", "c"), ("TOPK_V2", "d")]


@pytest.mark.parametrize("kind", ["int16", "sparse", "variable"])
def test_refused_tensors(kind: str) -> None:
    net = Network()
    x = net.tensor("x", (1, 4), "int16" if kind == "int16" else "float32", scale=0.1 if kind == "int16" else None)
    more = {"f6": ("table", {})} if kind == "sparse" else {}
    w = net.tensor("w", (1, 4), "float32", bytes(16), **more)
    state = net.tensor("state", (1, 4), f5=("b", 1))
    y = net.tensor("y", (1, 4), "int16" if kind == "int16" else "float32", scale=0.1 if kind == "int16" else None)
    net.operator("ADD", [x, {"int16": x, "sparse": w, "variable": state}[kind]], [y], "Add")
    with pytest.raises(edgeai.UnsupportedOpError, match={"int16": "16-bit", "sparse": "sparse", "variable": "variable"}[kind]):
        edgeai.load(net.file([x], [y]))


def test_pack_of_scales() -> None:
    net = Network()
    a, b = net.tensor("a", (1, 50), "int8", scale=0.1, zero=3), net.tensor("b", (1, 50), "int8", scale=0.033, zero=-90)
    y = net.tensor("y", (1, 2, 50), "int8", scale=0.097, zero=1)
    net.operator("PACK", [a, b], [y], "Pack", count=2, axis=1)
    inputs = [random((1, 50), "int8", 1), random((1, 50), "int8", 2)]
    reals = [(inputs[0].astype(np.float64) - 3) * 0.1, (inputs[1].astype(np.float64) + 90) * 0.033]
    expected = np.clip(np.rint(np.stack(reals, 1) / 0.097) + 1, -128, 127).astype(np.int8)
    check(ours(net.file([a, b], [y]), inputs)[0], expected)


@pytest.mark.parametrize("keep", [0, 1])
def test_computed_weights(keep: int) -> None:
    net = Network()
    x, w = net.tensor("x", (2, 3, 4)), net.tensor("w", (5, 4))
    half = net.tensor("half", (5, 4))
    y = net.tensor("y", (2, 3, 5) if keep else (6, 5))
    net.operator("RELU", [w], [half])
    net.operator("FULLY_CONNECTED", [x, half], [y], "FullyConnected", keep_dims=keep)
    content = net.file([x, w], [y])
    inputs = [random((2, 3, 4), "float32", 1), random((5, 4), "float32", 2)]
    expected = (inputs[0].reshape(-1, 4) @ np.maximum(inputs[1], 0).T).reshape((2, 3, 5) if keep else (6, 5))
    check(ours(content, inputs)[0], expected)


def number_network(op: str, lists: list[Array], result: Any, options: str = "", **values: int) -> tuple[bytes, Array]:
    """An operator on constants whose result is multiplied, as floats, with an input of its shape."""
    net = Network()
    x = net.tensor("x", result)
    constants = [net.tensor(f"c{i}", c.shape, "int32", c.tobytes()) for i, c in enumerate(lists)]
    folded, real, y = net.tensor("folded", result, "int32"), net.tensor("real", result), net.tensor("y", result)
    net.operator(op, constants, [folded], options, **values)
    net.operator("CAST", [folded], [real])
    net.operator("MUL", [x, real], [y], "Mul")
    return net.file([x], [y]), random(result, "float32")


GRID = np.arange(6, dtype=np.int32).reshape(2, 3) + 1
FOLDED = [
    ("RESHAPE", [GRID, i32(3, 2)], (3, 2), "Reshape", {}),
    ("EXPAND_DIMS", [GRID, i32(1)], (2, 1, 3), "", {}),
    ("SQUEEZE", [GRID.reshape(2, 1, 3)], (2, 3), "Squeeze", {}),
    ("PACK", [np.array(2, np.int32), np.array(7, np.int32)], (2,), "Pack", {"count": 2}),
    ("PACK", [i32(1, 2), i32(3, 4)], (2, 2), "Pack", {"count": 2, "axis": 1}),
    ("CONCATENATION", [i32(1, 2), i32(3)], (3,), "Concatenation", {}),
    ("CONCATENATION", [i32(-5, 9), i32(3)], (3,), "Concatenation", {"activation": 3}),
    ("REDUCE_PROD", [i32(2, 3, 4), i32(0)], (1,), "Reducer", {"keep_dims": 1}),
    ("REDUCE_PROD", [GRID, i32(1)], (2,), "Reducer", {}),
    ("ADD", [i32(-5, 9), i32(1)], (2,), "Add", {}),
    ("ADD", [i32(-5, 9), i32(1, 1)], (2,), "Add", {"activation": 1}),
    ("SUB", [i32(-5, 9), i32(1, 1)], (2,), "Sub", {"activation": 1}),
    ("MUL", [i32(-5, 9), i32(1, 1)], (2,), "Mul", {"activation": 1}),
    ("MUL", [i32(3), np.array(4, np.int32)], (1,), "Mul", {}),
    ("MAXIMUM", [GRID[:1], GRID[:, :1]], (2, 3), "", {}),
    ("GATHER", [i32(5, 6, 7), i32(2, 0)], (2,), "Gather", {}),
]
#: Those that are refused.
REFUSED = {4, 6, 8, 10, 11, 12, 14}


@pytest.mark.parametrize("number", range(len(FOLDED)))
def test_known_integers(number: int) -> None:
    """Arithmetic on known integers gives what LiteRT gives, in its shape, or is refused."""
    op, lists, result, options, values = FOLDED[number]
    content, x = number_network(op, lists, result, options, **values)
    if number in REFUSED:
        with pytest.raises(edgeai.EdgeAIError):
            edgeai.load(content)
        return
    check(ours(content, [x])[0], litert(content, [x])[0])


@pytest.mark.parametrize("options", [{"axis": 0, "batch_dims": 1}, {"axis": 1}])
def test_gather_along_another_axis_is_not_folded(options: dict[str, int]) -> None:
    content, _ = number_network("GATHER", [i32(5, 6, 7), i32(2, 0, 1)], (3,), "Gather", **options)
    with pytest.raises(edgeai.EdgeAIError):
        edgeai.load(content)


def test_broadcast_to_a_negative_size_is_refused() -> None:
    net = Network()
    x, y = net.tensor("x", (1, 4)), net.tensor("y", (1, 4))
    net.operator("BROADCAST_TO", [x, net.tensor("shape", (2,), "int32", i32(-1, 4).tobytes())], [y])
    with pytest.raises(edgeai.EdgeAIError, match="is no shape"):
        edgeai.load(net.file([x], [y]))


def test_outputs_are_limited() -> None:
    net = Network()
    x, y = net.tensor("x", (1, 4)), net.tensor("y", (1, 4))
    net.operator("RELU", [x], [y])
    assert len(edgeai.load(net.file([x], [y] * 3)).outputs) == 3
    with pytest.raises(edgeai.EdgeAIError, match="limit"):
        edgeai.load(net.file([x], [y] * 11), limits={"max_tensors": 10})
    with pytest.raises(edgeai.EdgeAIError, match="grows beyond"):
        edgeai.load(net.file([x], [y] * 5), limits={"max_operators": 3})
    with pytest.raises(edgeai.EdgeAIError, match="grows beyond"):
        edgeai.load(net.file([x], [y] * 10), limits={"max_tensors": 10})


def test_long_names_are_not_copied_for_each_helper() -> None:
    """Names of helpers are cut between characters, and stay unique."""
    net = Network()
    x = net.tensor("x", (1, 2, 2, 4))
    names = ["a" + "é" * 1000, "a" + "é" * 999 + "b"]
    first, second = (net.tensor(name, (1, 4, 4, 1)) for name in names)
    for y in (first, second):
        net.operator("DEPTH_TO_SPACE", [x], [y], "DepthToSpace", block=2)
    content = net.file([x], [first, second])
    inputs = random((1, 2, 2, 4), "float32")
    expected = inputs.reshape(1, 2, 2, 2, 2, 1).transpose(0, 1, 3, 2, 4, 5).reshape(1, 4, 4, 1)
    for found in ours(content, [inputs]):
        assert np.array_equal(found, expected)
    assert [tensor.name for tensor in edgeai.load(content).outputs] == names


def test_reasons_count_against_the_limit() -> None:
    net = Network()
    x = net.tensor("x", (1, 4))
    shape = net.tensor("s" * 1000, (2,), "int32")
    results = [net.tensor(f"y{i}", (1, 4)) for i in range(20)]
    for y in results:
        net.operator("RESHAPE", [x, shape], [y], "Reshape")
    content = net.file([x, shape], results)
    assert len(edgeai.load(content, allow_unsupported=True).unsupported) == 20
    with pytest.raises(edgeai.EdgeAIError, match="10000 bytes"):
        edgeai.load(content, allow_unsupported=True, limits={"max_tensor_bytes": 10_000})


def test_every_truncation_and_many_flipped_bits() -> None:
    content = layer("CONV_2D", "int8", padding=1)
    for size in range(len(content)):
        with pytest.raises(edgeai.EdgeAIError):
            edgeai.load(content[:size])
    rng = np.random.default_rng(1)
    for _ in range(1000):
        damaged = bytearray(content)
        for bit in rng.integers(0, len(content) * 8, rng.integers(1, 4)):
            damaged[bit // 8] ^= 1 << (bit % 8)
        try:
            model = edgeai.load(bytes(damaged))
            if all(tensor.shape[0] in (1, None) for tensor in model.inputs):
                edgeai.Session(model)
        except edgeai.EdgeAIError as error:
            assert error.message
