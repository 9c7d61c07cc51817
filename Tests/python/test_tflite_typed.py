"""TFLite models: operators on integers, booleans and indices, each alone against LiteRT."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from tflite_checks import Array, check, i32, litert, ours
from tflite_writer import Network

RNG = np.random.default_rng(11)


@dataclass
class Fixed:
    """A constant operand."""

    data: Array


@dataclass
class Case:
    """An operator on arrays; results are (shape, element type)."""

    op: str
    inputs: list[Any]
    results: list[tuple[tuple[int, ...], str]]
    options: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    #: Scale and zero point of every 8-bit tensor.
    scale: tuple[float, int] | None = None


cases: list[Case] = []


def case(op: str, inputs: list[Any], *results: tuple[tuple[int, ...], str], options: str = "", label: str = "", scale: Any = None, **values: Any) -> None:
    cases.append(Case(op, inputs, list(results), options, values, label, scale))


def floats(*shape: int) -> Array:
    return RNG.uniform(-2, 2, shape).astype(np.float32)


def integers(*shape: int, kind: str = "int32", low: int = -20, high: int = 20) -> Array:
    return RNG.integers(low, high, shape).astype(kind)


def bools(*shape: int) -> Array:
    return RNG.integers(0, 2, shape).astype(bool)


def quantized(*shape: int) -> Array:
    return RNG.integers(-128, 128, shape).astype(np.int8)


# Comparisons and logic.
SMALL = integers(3, 4, low=0, high=3)
for op in ["EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"]:
    case(op, [SMALL, integers(3, 4, low=0, high=3)], ((3, 4), "bool"))
    case(op, [floats(3, 4), floats(4)], ((3, 4), "bool"), label="float")
    case(op, [SMALL.astype(np.int64), Fixed(np.array([1], np.int64))], ((3, 4), "bool"), label="int64")
    case(op, [quantized(3, 40), quantized(3, 40)], ((3, 40), "bool"), scale=(0.05, -7), label="int8")
for op in ["LOGICAL_AND", "LOGICAL_OR"]:
    case(op, [bools(3, 8), bools(3, 8)], ((3, 8), "bool"))
case("LOGICAL_NOT", [bools(3, 8)], ((3, 8), "bool"))
for op in ["REDUCE_ANY", "REDUCE_ALL"]:
    case(op, [bools(5, 3), Fixed(i32(1))], ((5,), "bool"), options="Reducer")
case("BITWISE_XOR", [integers(3, 8), integers(3, 8)], ((3, 8), "int32"))
case("RIGHT_SHIFT", [integers(3, 8), integers(3, 8, low=0, high=5)], ((3, 8), "int32"))

# Choices.
case("SELECT", [bools(3, 4), floats(3, 4), floats(3, 4)], ((3, 4), "float32"))
case("SELECT", [bools(3), floats(3, 4), floats(3, 4)], ((3, 4), "float32"), label="rows")
case("SELECT_V2", [bools(3, 1), integers(3, 4), integers(4)], ((3, 4), "int32"))
case("SELECT_V2", [bools(3, 4), quantized(3, 4), quantized(3, 4)], ((3, 4), "int8"), scale=(0.05, -7), label="int8")

# Arithmetic of integers.
for op, name in [("ADD", "Add"), ("SUB", "Sub"), ("MUL", "Mul")]:
    case(op, [integers(3, 4), integers(4)], ((3, 4), "int32"), options=name)
    case(op, [integers(3, 4), integers(3, 4)], ((3, 4), "int32"), options=name, activation=3, label="relu6")
case("DIV", [integers(3, 40), integers(3, 40, low=1)], ((3, 40), "int32"), options="Div")
for op in ["FLOOR_DIV", "FLOOR_MOD"]:
    case(op, [integers(3, 40), integers(3, 40, low=1, high=7) * np.array([1, -1], np.int32)[integers(3, 40, low=0, high=2)]], ((3, 40), "int32"))
    case(op, [floats(3, 40), floats(3, 40)], ((3, 40), "float32"), label="float")
for op in ["MINIMUM", "MAXIMUM"]:
    case(op, [integers(3, 4), integers(3, 4)], ((3, 4), "int32"))
case("SQUARED_DIFFERENCE", [integers(3, 4), integers(3, 4)], ((3, 4), "int32"))
case("SQUARED_DIFFERENCE", [quantized(3, 40), quantized(3, 40)], ((3, 40), "int8"), scale=(0.031, -60), label="int8")
for op in ["ABS", "NEG"]:
    case(op, [integers(3, 4)], ((3, 4), "int32"))
for op in ["SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"]:
    case(op, [integers(3, 5, 2), Fixed(i32(1))], ((3, 2), "int32"), options="Reducer")

# Casts.
for source, target in [("float32", "int32"), ("float32", "int64"), ("float32", "uint8"), ("int32", "float32"), ("int64", "int32"), ("int32", "int64"),
                       ("bool", "int32"), ("int32", "bool"), ("uint8", "int32"), ("int32", "int16"), ("int16", "float32"), ("float32", "bool")]:
    data = bools(3, 4) if source == "bool" else (RNG.uniform(0, 100, (3, 4)) * (RNG.uniform(0, 1, (3, 4)) > 0.3)).astype(source)
    case("CAST", [data], ((3, 4), target), label=f"{source} to {target}")
case("BITCAST", [floats(3, 4)], ((3, 4), "int32"))

# Functions.
for op in ["SIN", "COS"]:
    case(op, [floats(3, 40)], ((3, 40), "float32"))
case("RSQRT", [np.abs(quantized(3, 40) // 2) + 1], ((3, 40), "int8"), scale=(0.05, -100), label="int8")
case("L2_NORMALIZATION", [quantized(3, 40)], ((3, 40), "int8"), options="L2Norm", scale=(1 / 128, 0), label="int8")
case("LOCAL_RESPONSE_NORMALIZATION", [floats(1, 3, 4, 8)], ((1, 3, 4, 8), "float32"), options="LocalResponseNormalization", radius=2, bias=1.0,
     alpha=0.1, beta=0.75)
case("L2_POOL_2D", [floats(1, 4, 6, 3)], ((1, 2, 3, 3), "float32"), options="Pool2D", padding=1, stride_w=2, stride_h=2, width=2, height=2)

# Indices.
case("GATHER", [floats(5, 4), i32(3, 0, 4)], ((3, 4), "float32"), options="Gather", label="computed")
case("GATHER", [floats(2, 5, 4), np.array([[3, 0], [1, 1]], np.int64)], ((2, 2, 2, 4), "float32"), options="Gather", axis=1, label="axis 1")
case("GATHER", [floats(2, 5, 4), np.array([[3, 0, 1], [1, 1, 2]], np.int32)], ((2, 3, 4), "float32"), options="Gather", axis=1, batch_dims=1, label="batch")
case("GATHER", [floats(2, 5, 4), np.array([[3, 0, 1], [1, 1, 2]], np.int32)], ((2, 5, 3), "float32"), options="Gather", axis=2, batch_dims=1,
     label="batch, axis 2")
case("GATHER", [quantized(5, 4), i32(3, 0, 4)], ((3, 4), "int8"), options="Gather", scale=(0.05, -7), label="int8")
case("GATHER_ND", [floats(3, 5, 4), np.array([[0, 4], [2, 1]], np.int32)], ((2, 4), "float32"))
case("SCATTER_ND", [np.array([[1], [3], [1]], np.int32), floats(3, 4), Fixed(i32(5, 4))], ((5, 4), "float32"))
case("SCATTER_ND", [np.array([[1, 2], [0, 0]], np.int32), integers(2), Fixed(i32(2, 3))], ((2, 3), "int32"), label="int")
case("EMBEDDING_LOOKUP", [i32(3, 0, 4), floats(5, 4)], ((3, 4), "float32"))
for op, name in [("ARG_MAX", "ArgMax"), ("ARG_MIN", "ArgMin")]:
    case(op, [floats(3, 7), Fixed(i32(1))], ((3,), "int32"), options=name, output_type=2)
    case(op, [integers(3, 7, low=0, high=3), Fixed(i32(0))], ((7,), "int64"), options=name, output_type=4, label="ties")
    case(op, [quantized(3, 7), Fixed(i32(-1))], ((3,), "int32"), options=name, output_type=2, scale=(0.05, -7), label="int8")
case("TOPK_V2", [floats(3, 9), Fixed(np.array(4, np.int32))], ((3, 4), "float32"), ((3, 4), "int32"))
case("TOPK_V2", [integers(3, 9, low=0, high=4), Fixed(np.array(4, np.int32))], ((3, 4), "int32"), ((3, 4), "int32"), label="ties")
case("TOPK_V2", [quantized(3, 30), Fixed(np.array(4, np.int32))], ((3, 4), "int8"), ((3, 4), "int32"), scale=(0.05, -7), label="int8")
case("CUMSUM", [floats(3, 7), Fixed(np.array(1, np.int32))], ((3, 7), "float32"), options="Cumsum")
case("CUMSUM", [integers(3, 7), Fixed(np.array(0, np.int32))], ((3, 7), "int32"), options="Cumsum", exclusive=1, reverse=1, label="exclusive, reverse")
case("ONE_HOT", [i32(2, 0, 5, 1), Fixed(np.array(4, np.int32)), Fixed(np.array(2.5, np.float32)), Fixed(np.array(-1, np.float32))], ((4, 4), "float32"),
     options="OneHot", axis=-1)
case("ONE_HOT", [i32(2, 0, 5, 1), Fixed(np.array(4, np.int32)), Fixed(np.array(1, np.int32)), Fixed(np.array(0, np.int32))], ((4, 4), "int32"),
     options="OneHot", axis=0, label="axis 0")
case("SEGMENT_SUM", [floats(5, 3), Fixed(i32(0, 0, 1, 2, 2))], ((3, 3), "float32"))
case("REVERSE_V2", [floats(2, 3, 4), Fixed(i32(1))], ((2, 3, 4), "float32"))
case("REVERSE_V2", [integers(2, 3, 4), Fixed(i32(2))], ((2, 3, 4), "int32"), label="int")
case("REVERSE_SEQUENCE", [floats(3, 5, 2), np.array([2, 5, 1], np.int32)], ((3, 5, 2), "float32"), options="ReverseSequence", seq_dim=1, batch_dim=0)
for start in [(0, 1, 1), (0, 9, -3)]:
    case("DYNAMIC_UPDATE_SLICE", [floats(2, 5, 4), floats(2, 2, 3), np.array(start, np.int32)], ((2, 5, 4), "float32"), label=str(start))
case("DYNAMIC_UPDATE_SLICE", [floats(2, 5), floats(2, 5), i32(0, 0)], ((2, 5), "float32"), label="all")
case("SLICE", [floats(4, 5), i32(1, 2), Fixed(i32(2, 3))], ((2, 3), "float32"), label="computed beginning")

# Patterns and blocks.
case("TILE", [floats(2, 3), Fixed(i32(2, 3))], ((4, 9), "float32"))
case("FILL", [Fixed(i32(2, 3)), floats()], ((2, 3), "float32"))
case("ZEROS_LIKE", [floats(2, 3)], ((2, 3), "float32"))
case("MIRROR_PAD", [floats(1, 4, 3), Fixed(np.array([[0, 0], [2, 1], [3, 0]], np.int32))], ((1, 7, 6), "float32"), options="MirrorPad", mode=1)
case("SPACE_TO_BATCH_ND", [floats(2, 4, 6, 3), Fixed(i32(2, 3)), Fixed(np.array([[1, 1], [0, 3]], np.int32))], ((12, 3, 3, 3), "float32"))
case("SPACE_TO_BATCH_ND", [quantized(1, 4, 6, 3), Fixed(i32(2, 2)), Fixed(np.array([[1, 1], [0, 0]], np.int32))], ((4, 3, 3, 3), "int8"),
     scale=(0.05, -7), label="int8")
case("BATCH_TO_SPACE_ND", [floats(12, 3, 3, 2), Fixed(i32(2, 3)), Fixed(np.array([[1, 1], [0, 3]], np.int32))], ((2, 4, 6, 2), "float32"))
case("STRIDED_SLICE", [floats(2, 3, 4, 5), Fixed(i32(0, 0, 1)), Fixed(i32(0, 0, 4)), Fixed(i32(1, 1, 2))], ((2, 3, 4, 2), "float32"),
     options="StridedSlice", ellipsis_mask=1, begin_mask=2, end_mask=2, label="ellipsis")
case("STRIDED_SLICE", [floats(3, 4), Fixed(i32(1, 0, 1)), Fixed(i32(2, 0, 4)), Fixed(i32(1, 1, 1))], ((1, 1, 3), "float32"),
     options="StridedSlice", new_axis_mask=2, label="new axis")
case("STRIDED_SLICE", [floats(3, 4), Fixed(i32(1, 1)), Fixed(i32(1, 2)), Fixed(i32(1, 1))], ((1, 2), "float32"), options="StridedSlice", offset=1,
     label="relative end")
case("RESHAPE", [integers(3, 4), Fixed(i32(2, 6))], ((2, 6), "int32"), options="Reshape")
case("CONCATENATION", [integers(3, 4), integers(3, 2)], ((3, 6), "int32"), options="Concatenation", axis=1)
case("PAD", [integers(3, 4), Fixed(np.array([[1, 0], [0, 2]], np.int32))], ((4, 6), "int32"))
case("PADV2", [integers(3, 4), Fixed(np.array([[1, 0], [0, 2]], np.int32)), Fixed(i32(7))], ((4, 6), "int32"))
case("BROADCAST_TO", [integers(1, 4), Fixed(i32(3, 4))], ((3, 4), "int32"))


def network(case: Case) -> tuple[bytes, list[Array]]:
    net = Network()
    scale = {} if case.scale is None else {"scale": case.scale[0], "zero": case.scale[1]}

    def tensor(name: str, shape: Any, kind: str, data: bytes | None = None) -> int:
        return net.tensor(name, shape, kind, data, **(scale if kind == "int8" else {}))

    operands, variables, arrays = [], [], []
    for index, item in enumerate(case.inputs):
        if isinstance(item, Fixed):
            operands.append(tensor(f"c{index}", item.data.shape, str(item.data.dtype), item.data.tobytes()))
        else:
            operands.append(tensor(f"x{index}", item.shape, str(item.dtype)))
            variables.append(operands[-1])
            arrays.append(item)
    outputs = [tensor(f"y{index}", shape, kind) for index, (shape, kind) in enumerate(case.results)]
    net.operator(case.op, operands, outputs, case.options, **case.values)
    return net.file(variables, outputs), arrays


@pytest.mark.parametrize("case", cases, ids=lambda c: c.op + (f"-{c.label}" if c.label else ""))
def test_operator(case: Case) -> None:
    content, arrays = network(case)
    for found, expected in zip(ours(content, arrays), litert(content, arrays), strict=True):
        check(found, expected)
