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

# Functions of one tensor.
for op in ["RELU", "RELU6", "RELU_N1_TO_1"]:
    case(op, IMAGE, IMAGE, kinds=QUANTIZED)
for op in ["ABS", "NEG", "EXP", "ELU", "FLOOR", "CEIL", "ROUND", "HARD_SWISH", "RELU_0_TO_1", "SIGN"]:
    case(op, IMAGE, IMAGE)
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
    quantized = ("float32", "int8") if op in ("MEAN", "REDUCE_MAX", "REDUCE_MIN") else ("float32",)
    case(op, IMAGE, (1, 6), i32(1, 2), options="Reducer", values={"keep_dims": 0}, kinds=quantized)
    case(op, IMAGE, (1, 9, 11, 1), i32(-1), options="Reducer", values={"keep_dims": 1}, kinds=("float32",), label="keep")
case("REDUCE_PROD", (1, 3, 2, 2), (1, 2, 2), i32(1), options="Reducer", values={"keep_dims": 0})
case("SOFTMAX", (3, 17), (3, 17), options="Softmax", values={"beta": 1.0}, kinds=("float32",))
case("SOFTMAX", (3, 17), (3, 17), options="Softmax", values={"beta": 1.0}, kinds=("int8", "uint8"), out=(1 / 256, -128))
case("SOFTMAX", (3, 17), (3, 17), options="Softmax", values={"beta": 0.5}, label="beta")
case("LOG_SOFTMAX", (3, 17), (3, 17))
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
    case("RESIZE_BILINEAR", IMAGE, (1, 17, 5, 6), i32(17, 5), options="ResizeBilinear", values=flags, label=label)
    case("RESIZE_NEAREST_NEIGHBOR", IMAGE, (1, 17, 5, 6), i32(17, 5), options="ResizeNearestNeighbor", values=flags, label=label, kinds=QUANTIZED)

# Products.
case("BATCH_MATMUL", [(2, 3, 4), (2, 4, 5)], (2, 3, 5), options="BatchMatMul")
case("BATCH_MATMUL", [(2, 4, 3), (2, 5, 4)], (2, 3, 5), options="BatchMatMul", values={"adj_x": 1, "adj_y": 1}, label="transposed")


@pytest.mark.parametrize("item", [(c, kind) for c in cases for kind in c.kinds], ids=case_id)
def test_operator(item: tuple[Case, str]) -> None:
    case, kind = item
    content = single(case, kind)
    inputs = [random(shape, kind, seed, case.low, case.high) for seed, shape in enumerate(case.shapes)]
    for found, expected in zip(ours(content, inputs), litert(content, inputs), strict=True):
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
