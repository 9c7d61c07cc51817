"""TFLite models: every operator of images and vectors alone against LiteRT."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from tflite_checks import IMAGE, SCALE, ZERO, Array, activation, check, i32, litert, ours, random
from tflite_writer import Network

import edgeai


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
