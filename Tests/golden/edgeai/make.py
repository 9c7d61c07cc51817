#!/usr/bin/env python3
"""Writes the version 1 files beside this script, from Documentation/format.md alone.

Every release reads them and writes them back as the same bytes. The files are never changed; new cases are added.
Standard library only. Without arguments all files are written; make.py NAME... writes only those.
"""
from __future__ import annotations

import pathlib
import struct
import sys
from typing import Iterable, NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
F32, U8, I8, I32, I64, BOOL = 1, 2, 3, 4, 5, 6
INF = float("inf")


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def u8(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}B", *values)


def i32(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def i64(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def f32(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<I", len(data)) + data


def i32s(values: Iterable[int]) -> bytes:
    values = list(values)
    return struct.pack("<I", len(values)) + i32(*values)


def i64s(values: Iterable[int]) -> bytes:
    values = list(values)
    return struct.pack("<I", len(values)) + i64(*values)


def window(kernel=(1, 1), stride=(1, 1), pads=(0, 0, 0, 0), dilation=(1, 1)) -> bytes:
    return i32(*kernel, *stride, *pads, *dilation)


def clamp(least: float = -INF, greatest: float = INF) -> bytes:
    return f32(least, greatest)


class Quantization(NamedTuple):
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = -1


def per_tensor(scale: float, zero_point: int = 0) -> Quantization:
    return Quantization((scale,), (zero_point,))


def noise(count: int, seed: int = 1) -> list[int]:
    """Whole numbers in -128 ... 127."""
    values = []
    for _ in range(count):
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        values.append((seed >> 24) - 128)
    return values


def product(dims: Iterable[int]) -> int:
    result = 1
    for dim in dims:
        result *= dim
    return result


class File:
    """A network, and the file it is."""

    def __init__(self, name: str) -> None:
        self.name: str | bytes = name
        self.values: list[bytes] = []
        self.nodes: list[bytes] = []
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self.metadata: list[tuple[str, str]] = []
        #: Constants that states begin with, -1 for zeros; states are the last inputs and outputs.
        self.states: list[int] | None = None
        self.data = b""

    def value(
        self, name: str | bytes, dims: Iterable[int], dtype: int = F32, quantization: Quantization | None = None,
        constant: bytes | None = None, position: int | None = None, data: bool = True,
    ) -> int:
        dims = list(dims)
        record = text(name) + u8(dtype, len(dims), quantization is not None, constant is not None) + i64(*dims)
        if quantization:
            record += i32(quantization.axis) + struct.pack("<I", len(quantization.scales))
            record += f32(*quantization.scales) + i32(*quantization.zero_points)
        if constant is not None:
            if data:
                self.data += bytes(-len(self.data) % 64)
            record += i64(len(self.data) if position is None else position)
            if data:
                self.data += constant
        self.values.append(record)
        return len(self.values) - 1

    def input(self, dims: Iterable[int], dtype: int = F32, quantization: Quantization | None = None, name: str = "x") -> int:
        self.inputs.append(self.value(name, dims, dtype, quantization))
        return self.inputs[-1]

    def floats(self, name: str, dims: Iterable[int], seed: int = 1, offset: float = 0) -> int:
        dims = list(dims)
        return self.value(name, dims, F32, None, f32(*[n / 128 + offset for n in noise(product(dims), seed)]))

    def node(self, code: int, attributes: bytes, inputs: Iterable[int], outputs: Iterable[int], name: str | bytes = "op") -> None:
        self.nodes.append(
            text(name) + struct.pack("<H", code) + struct.pack("<I", len(attributes)) + attributes + i32s(inputs) + i32s(outputs))

    def sections(self) -> list[bytes]:
        graph = text(self.name) + i32s(self.inputs) + i32s(self.outputs) + struct.pack("<I", len(self.metadata))
        for key, value in self.metadata:
            graph += text(key) + text(value)
        if self.states is not None:
            graph += i32s(self.states)
        return [
            graph,
            struct.pack("<I", len(self.values)) + b"".join(self.values),
            struct.pack("<I", len(self.nodes)) + b"".join(self.nodes),
            self.data,
        ]

    def bytes(self) -> bytes:
        return assembled(self.sections())


def assembled(sections: list[bytes]) -> bytes:
    """A file of four sections."""
    body, table = b"", b""
    for kind, section in enumerate(sections, 1):
        body += bytes(-(192 + len(body)) % 64)
        table += struct.pack("<IIqqq", kind, crc32c(section), 192 + len(body), len(section), 0)
        body += section
    header = b"\x89EDGEAI\n" + struct.pack("<HHIqI", 1, 0, 4, 192 + len(body), crc32c(table)) + bytes(32)
    return header + struct.pack("<I", crc32c(header)) + table + body


IMAGE = (-1, 6, 6, 4)
Q_IN, Q_OUT = per_tensor(1 / 64, 128), per_tensor(1 / 16, 120)


def float_case(
    name: str, code: int, attributes: bytes, result: Iterable[int], source: Iterable[int] = IMAGE, dtype: int = F32,
) -> File:
    """One operator on one float input."""
    file = File(name)
    x = file.input(source)
    y = file.value("y", result, dtype)
    file.node(code, attributes, [x], [y])
    file.outputs = [y]
    return file


def quantized_case(
    name: str, code: int, attributes: bytes, result: Iterable[int], source: Iterable[int] = IMAGE, keeps: bool = False, operands=None,
) -> File:
    """One operator between quantize and dequantize; `operands` gives the inputs after the first."""
    file = File(name)
    x = file.input(source)
    xq = file.value("x_q", source, U8, Q_IN)
    yq = file.value("y_q", result, U8, Q_IN if keeps else Q_OUT)
    y = file.value("y", result)
    more = operands(file, xq) if operands else []
    file.node(21, b"", [x], [xq], "quantize")
    file.node(code, attributes, [xq, *more], [yq])
    file.node(22, b"", [yq], [y], "dequantize")
    file.outputs = [y]
    return file


def weights(file: File, dims: tuple[int, ...], bias: bool = True) -> list[int]:
    """int8 weights with a scale for each output channel, and an int32 bias."""
    scales = tuple(2.0 ** -(7 + channel % 3) for channel in range(dims[0]))
    zeros = (0,) * dims[0]
    made = [file.value("w", dims, I8, Quantization(scales, zeros, 0), struct.pack(f"<{product(dims)}b", *noise(product(dims), 5)))]
    if bias:
        products = tuple(scale / 64 for scale in scales)
        made.append(file.value("b", dims[:1], I32, Quantization(products, zeros, 0), i32(*[17 * n for n in noise(dims[0], 9)])))
    return made


def with_floats(file: File, *shapes: tuple[int, ...], positive: bool = False) -> File:
    """Float constants as the inputs after the first of the last node."""
    made = [file.floats(f"c{index}", dims, index + 3, 1.5 if positive else 0) for index, dims in enumerate(shapes)]
    node = file.nodes.pop()
    # The node is written again: its inputs are [x], then the constants.
    end = len(node) - len(i32s([0])) * 2
    file.nodes.append(node[:end] + i32s([0, *made]) + node[-len(i32s([0])) :])
    return file


def cases() -> dict[str, File]:
    same3 = window((3, 3), (1, 1), (1, 1, 1, 1))
    files = {
        "convolution": with_floats(float_case("convolution", 1, same3 + i32(1) + clamp(0, 6), (-1, 6, 6, 5)), (5, 3, 3, 4), (5,)),
        "convolution-groups": with_floats(
            float_case("groups", 1, window((3, 2), (2, 1), (1, 0, 0, 1), (2, 1)) + i32(2) + clamp(), (-1, 2, 6, 6)), (6, 3, 2, 2)),
        "transposed-convolution": with_floats(
            float_case("transposed", 2, window((3, 3), (2, 2), (1, 1, 1, 1)) + i32(1) + i32(1, 1) + clamp(0), (-1, 12, 12, 3)),
            (3, 3, 3, 4), (3,)),
        "dense": with_floats(float_case("dense", 3, clamp(-1, 1), (-1, 7), (-1, 9)), (7, 9), (7,)),
        "mat-mul": with_floats(float_case("matmul", 4, b"", (-1, 2, 3, 6), (-1, 2, 3, 5)), (2, 5, 6)),
        "batch-normalization": with_floats(float_case("bn", 5, f32(1e-5), IMAGE), (4,), (4,), (4,), (4,), positive=True),
        "binary-broadcast": with_floats(float_case("binary", 7, u8(2) + clamp(), IMAGE), (6, 1, 4)),
        "prelu": with_floats(float_case("prelu", 7, u8(7) + clamp(), IMAGE), (4,)),
        "pool-max": float_case("pool", 8, u8(0) + window((3, 3), (2, 2), (1, 1, 1, 1)) + u8(1, 0), (-1, 4, 4, 4)),
        "pool-average": float_case("pool", 8, u8(1) + window((2, 3), (2, 3), (0, 0, 0, 0)) + u8(0, 1), (-1, 3, 2, 4)),
        "softmax": float_case("softmax", 10, i32(1) + u8(0), (-1, 10), (-1, 10)),
        "log-softmax": float_case("logsoftmax", 10, i32(3) + u8(1), IMAGE),
        "slice": float_case("slice", 13, i64s([0, 1, 5, 0]) + i64s([-1, 6, -1, 4]) + i64s([1, 2, -1, 3]), (-1, 3, 6, 2)),
        "transpose": float_case("transpose", 16, i64s([0, 3, 1, 2]), (-1, 4, 6, 6)),
        "reshape": float_case("reshape", 17, i64s([-1, 144]), (-1, 144)),
        "expand": float_case("expand", 18, i64s([-1, 5, 4]), (-1, 5, 4), (-1, 1, 4)),
        "gather": float_case("gather", 19, i32(3) + u8(0) + i32s([3, 0, 0]), (-1, 6, 6, 3)),
        "gather-scalar": float_case("gather", 19, i32(1) + u8(1) + i32s([2]), (-1, 6, 4)),
        "local-response-normalization": float_case("lrn", 20, i32(3) + f32(1e-4, 0.75, 1), IMAGE),
        "layer-normalization": with_floats(float_case("layernorm", 41, f32(1e-5), IMAGE), (4,), (4,)),
        "cast": float_case("cast", 24, u8(I32), IMAGE, dtype=I32),
        "fixed-batch": float_case("fixed", 6, u8(0) + f32(0, INF), (2, 5), (2, 5)),
        "scalar-rank": float_case("scalar", 9, u8(1, 0) + i64s([0, 1]), (), (2, 5)),
        "rank-8": float_case("rank8", 16, i64s([7, 6, 5, 4, 3, 2, 1, 0]), (2,) * 8, (2,) * 8),
    }
    for number in range(27):
        alpha, beta = {0: (0, 6), 1: (0.1, 0), 4: (0.2, 0.5), 9: (1, 0), 10: (1.6732632, 1.050701), 11: (1.5, 0), 15: (0.5, 0)}.get(
            number, (0, 0))
        files[f"unary-{number}"] = float_case("unary", 6, u8(number) + f32(alpha, beta), (-1, 12), (-1, 12))
    for number in range(8):
        axes = [[1, 2], [3], [1], [0], [2], [1, 2, 3], [3], [2, 3]][number]
        keep = number % 2
        source = (3, 6, 6, 4)
        result = [1 if axis in axes else dim for axis, dim in enumerate(source) if keep or axis not in axes]
        files[f"reduce-{number}"] = float_case("reduce", 9, u8(number, keep) + i64s(axes), result, source)
    for mode in range(3):
        files[f"pad-{mode}"] = float_case(
            "pad", 14, u8(mode) + f32(0.5) + i64s([0, 1, 2, 0]) + i64s([0, 0, 1, 0]), (-1, 7, 9, 4))
    for mode, coordinates, rounding in [(0, 3, 2), (0, 0, 0), (1, 0, 0), (1, 2, 0), (2, 1, 1)]:
        files[f"resize-{mode}-{coordinates}"] = float_case(
            "resize", 15, u8(mode, coordinates, rounding, 0) + i64(9, 12) + f32(1.5, 2, -0.75), (-1, 9, 12, 4))

    binary = File("two inputs, two outputs")
    a, b = binary.input((-1, 3), name="a"), binary.input((-1, 3), name="b")
    for number, name in enumerate(["sum", "difference", "product", "quotient", "least", "greatest", "power"]):
        binary.outputs.append(binary.value(name, (-1, 3)))
        binary.node(7, u8(number) + clamp(), [a, b], [binary.outputs[-1]], name)
    files["binary-all"] = binary

    parts = File("split and concat")
    x = parts.input(IMAGE)
    pieces = [parts.value(f"part{size}", (-1, 6, size, 4)) for size in (1, 3, 2)]
    y = parts.value("y", IMAGE)
    parts.node(12, i32(2) + i64s([1, 3, 2]), [x], pieces, "split")
    parts.node(11, i32(2), pieces[::-1], [y], "concat")
    parts.outputs = [y]
    files["split-concat"] = parts

    typed = File("integers, booleans and indices")
    x = typed.input((-1, 6))
    best, places = typed.value("best", (-1, 3)), typed.value("places", (-1, 3), I64)
    typed.node(29, i32(1) + i64(3) + u8(1), [x], [best, places], "top")
    taken, positive, chosen = typed.value("taken", (-1, 3)), typed.value("positive", (-1, 3), BOOL), typed.value("chosen", (-1, 3))
    typed.node(27, u8(1) + i32(1), [x, places], [taken], "take")
    zero = typed.value("zero", (), constant=f32(0))
    typed.node(7, u8(11) + clamp(), [zero, taken], [positive], "less")
    typed.node(25, b"", [positive, best, zero], [chosen], "choose")
    put, sums, first = typed.value("put", (-1, 6)), typed.value("sums", (-1, 3), I64), typed.value("first", (-1,), I64)
    typed.node(28, u8(1) + i32(1) + u8(1), [x, places, chosen], [put], "put")
    typed.node(26, u8(0) + i32(1) + u8(0, 1), [places], [sums], "scan")
    typed.node(9, u8(10, 0) + i64s([1]), [put], [first], "first")
    raw = typed.value("raw", (-1, 3), I32)
    typed.node(30, u8(I32), [chosen], [raw], "bits")
    typed.outputs = [put, sums, first, raw]
    files["typed"] = typed

    recurrent = File("recurrent")
    x = recurrent.input((5, -1, 12))
    states, last, cell = recurrent.value("states", (5, -1, 3)), recurrent.value("last", (-1, 3)), recurrent.value("cell", (-1, 3))
    w, peepholes = recurrent.floats("w", (12, 3), 3), recurrent.floats("p", (9,), 4)
    sigmoid, tanh, relu = (u8(kind) + f32(0, 0, 1, 0, 1) for kind in (2, 3, 0))
    limits = u8(4) + f32(0.2, 0.5, 1, 0, 1)
    recurrent.node(31, u8(2, 1, 0, 0, 1) + f32(3, 2) + limits + tanh + tanh, [x, w, -1, -1, -1, peepholes], [states, last, cell], "lstm")
    gates, v = recurrent.input((-1, 4, 9), name="gates"), recurrent.floats("v", (9, 3), 5)
    rows, row = recurrent.value("rows", (-1, 4, 3)), recurrent.value("row", (-1, 3))
    recurrent.node(31, u8(1, 0, 1, 1, 0) + f32(INF, INF) + sigmoid + tanh + tanh, [gates, v, recurrent.floats("b", (3,), 6), last], [rows, row], "gru")
    u = recurrent.floats("u", (3, 3), 7)
    again, final = recurrent.value("again", (-1, 4, 3)), recurrent.value("final", (-1, 3))
    recurrent.node(31, u8(0, 0, 1, 0, 0) + f32(INF, INF) + tanh + tanh + relu, [rows, u], [again, final], "rnn")
    recurrent.outputs = [states, cell, row, again, final]
    files["recurrent"] = recurrent

    control = File("a branch and a loop")
    x = control.input((-1, 6))
    condition, count = control.value("condition", (), BOOL, constant=u8(1)), control.value("count", (), I64, constant=i64(3))
    negative, positive, merged = (control.value(name, (-1, 6)) for name in ("negative", "positive", "merged"))
    control.node(32, b"", [condition], [], "if")
    control.node(6, u8(22) + f32(0, 0), [x], [negative], "negate")
    control.node(33, b"", [negative], [], "else")
    control.node(6, u8(21) + f32(0, 0), [x], [positive], "abs")
    control.node(34, b"", [positive], [merged], "end")
    number, state, next_, last = control.value("number", (), I64), *(control.value(name, (-1, 6)) for name in ("state", "next", "last"))
    steps, total = control.value("steps", (3, -1, 6)), control.value("total", (-1, 6))
    control.node(35, b"", [count, -1, merged], [number, state], "loop")
    control.node(7, u8(2) + clamp(), [state, x], [next_], "multiply")
    control.node(36, i32(1) + i64(3), [-1, next_, next_], [last, steps], "next")
    control.node(9, u8(1, 0) + i64s([0]), [steps], [total], "total")
    control.outputs = [last, total]
    files["control"] = control

    selections = File("selections")
    x, boxes, scores = selections.input((8,)), selections.input((1, 4, 4), name="boxes"), selections.input((1, 2, 4), name="scores")
    places, count = selections.value("places", (1, 8), I64), selections.value("count", (), I64)
    selections.node(37, i64(8), [x], [places, count], "nonzero")
    first, whole = selections.value("first", (8,)), selections.value("whole", (8,))
    selections.node(38, i32(0) + u8(0) + i64(8), [x, count], [first], "first")
    selections.node(38, i32(0) + u8(1, 2), [first], [whole], "whole")
    different = [selections.value("different", (8,))] + [selections.value(name, (8,), I64) for name in ("firsts", "inverse", "counts")]
    selections.node(39, i32(0) + u8(1) + i64(8), [x], [*different, selections.value("distinct", (), I64)], "unique")
    chosen = selections.value("chosen", (6, 3), I64)
    selections.node(40, i64(6, 3) + f32(0.5) + u8(1) + f32(0.25) + u8(0), [boxes, scores], [chosen, selections.value("boxes found", (), I64)], "nms")
    selections.outputs = [places, whole, *different, chosen]
    files["selections"] = selections

    described = float_case("névé \U0001f3d4", 6, u8(2) + f32(0, 0), (-1, 3), (-1, 3))
    described.metadata = [("producer", "make.py"), ("labels", "cat\ndog\nété"), ("empty", ""), ("", "a key may be empty")]
    files["metadata"] = described

    counting = File("state")
    x, total, before = counting.input((1, 3)), counting.input((1, 3), name="total"), counting.input((1, 3), name="before")
    after, first, y = counting.value("after", (1, 3)), counting.value("first", (1, 3), constant=f32(5, 6, 7)), counting.value("y", (1, 3))
    kept = counting.value("kept", (1, 3))
    counting.node(7, u8(0) + clamp(), [x, total], [after], "add")
    counting.node(7, u8(1) + clamp(), [after, before], [y], "subtract")
    counting.node(17, i64s([1, 3]), [total], [kept], "keep")
    counting.outputs, counting.states = [y, after, kept], [first, -1]
    files["state"] = counting

    listing = File("state and a size that depends on data")
    x, total = listing.input((1, 3)), listing.input((1, 3), name="total")
    after, which, count = listing.value("after", (1, 3)), listing.value("which", (2, 3), I64), listing.value("count", (), I64)
    listing.node(7, u8(0) + clamp(), [x, total], [after], "add")
    listing.node(37, i64(3), [after], [which, count], "list")
    listing.outputs, listing.states = [which, after], [-1]
    files["state-and-count"] = listing

    # What every instruction set gives the same bytes for, and sums.
    training = File("training")
    x, gradient = training.input(IMAGE), training.input((-1, 3, 3, 4), name="gradient")
    update = training.input((2, 6), name="update")
    parameter, rates = training.floats("parameter", (2, 6)), training.value("rates", (8,), constant=f32(0.1, 0.9, 0.8, 0.01, 0.25, 0.5, 0.4, 0))
    first, second = training.floats("first", (2, 6), 2, 1), training.floats("second", (2, 6), 3, 1)
    factor, number = training.value("factor", (), constant=f32(0.5)), training.value("number", (), I64, constant=i64(7))
    for kind, name in enumerate(["max", "average"]):
        result = training.value(f"{name} gradient", IMAGE)
        training.node(43, u8(kind) + window((2, 2), (2, 2)) + u8(0, 0), [x, gradient], [result], name)
        training.outputs.append(result)
    noise_of_run, kept = training.value("noise", IMAGE), training.value("kept", IMAGE)
    training.node(47, i32(-2, 1), [x, number], [noise_of_run], "random")
    training.node(7, u8(18) + clamp(0.25, 0.75), [x, noise_of_run], [kept], "gate")
    training.outputs += [noise_of_run, kept]
    for kind, name in enumerate(["sgd", "nesterov", "adam", "adamW", "rmsprop"]):
        moments = [first, second] if name.startswith("adam") else [first]
        results = [training.value(f"{name} {i}", (2, 6)) for i in range(1 + len(moments))]
        training.node(46, u8(kind) + f32(0.5, 2), [parameter, update, rates, factor if kind else -1, *moments], results, name)
        training.outputs += results
    files["training"] = training

    sums = File("training: sums")
    x, gradient = sums.input(IMAGE), sums.input(IMAGE, name="gradient")
    weights_gradient, mean, variance = sums.value("dw", (4, 3, 3, 4)), sums.value("mean", (4,)), sums.value("variance", (4,))
    scale = sums.floats("scale", (4,), 3, 1)
    gradients = [sums.value("dx", IMAGE), sums.value("dscale", (4,)), sums.value("dbias", (4,))]
    sums.node(42, same3 + i32(1) + clamp(), [x, gradient], [weights_gradient], "weights")
    sums.node(44, b"", [x], [mean, variance], "statistics")
    sums.node(45, f32(1e-3), [x, gradient, scale, mean, variance], gradients, "normalization")
    sums.outputs = [weights_gradient, mean, variance, *gradients]
    files["training-sums"] = sums

    untouched = File("")
    untouched.outputs = [untouched.input((-1, 4))]
    files["no-operators"] = untouched

    # uint8 between quantize and dequantize.
    quantized = {
        "convolution": quantized_case(
            "q", 1, same3 + i32(1) + clamp(0, 6), (-1, 6, 6, 5), operands=lambda f, x: weights(f, (5, 3, 3, 4))),
        "convolution-residual": quantized_case(
            "q", 1, same3 + i32(1) + clamp(), IMAGE, operands=lambda f, x: [*weights(f, (4, 3, 3, 4)), x]),
        "depthwise": quantized_case(
            "q", 1, window((3, 3), (2, 2), (1, 1, 1, 1)) + i32(4) + clamp(0), (-1, 3, 3, 4),
            operands=lambda f, x: weights(f, (4, 3, 3, 1), bias=False)),
        "dense": quantized_case("q", 3, clamp(), (-1, 7), (-1, 9), operands=lambda f, x: weights(f, (7, 9))),
        "mat-mul": quantized_case("q", 4, b"", (-1, 4, 4), (-1, 4, 4), operands=lambda f, x: [x]),
        "unary": quantized_case("q", 6, u8(2) + f32(0, 0), IMAGE),
        "clamp": quantized_case("q", 6, u8(0) + f32(0, 1), IMAGE, keeps=True),
        "add": quantized_case("q", 7, u8(0) + clamp(), IMAGE, operands=lambda f, x: [x]),
        "multiply": quantized_case("q", 7, u8(2) + clamp(0), IMAGE, operands=lambda f, x: [x]),
        "pool-max": quantized_case("q", 8, u8(0) + window((2, 2), (2, 2)) + u8(0, 0), (-1, 3, 3, 4), keeps=True),
        "pool-average": quantized_case("q", 8, u8(1) + same3 + u8(0, 0), IMAGE),
        "reduce-mean": quantized_case("q", 9, u8(0, 0) + i64s([1, 2]), (-1, 4)),
        "softmax": quantized_case("q", 10, i32(1) + u8(0), (-1, 10), (-1, 10)),
        "concat": quantized_case("q", 11, i32(3), (-1, 6, 6, 8), keeps=True, operands=lambda f, x: [x]),
        "slice": quantized_case(
            "q", 13, i64s([0, 0, 5, 0]) + i64s([-1, 6, -1, 4]) + i64s([1, 2, -2, 1]), (-1, 3, 3, 4), keeps=True),
        "pad": quantized_case("q", 14, u8(0) + f32(0) + i64s([0, 1, 1, 0]) + i64s([0, 1, 1, 0]), (-1, 8, 8, 4), keeps=True),
        "resize-linear": quantized_case("q", 15, u8(1, 0, 0, 0) + i64(9, 12) + f32(1.5, 2, -0.75), (-1, 9, 12, 4), keeps=True),
        "resize-nearest": quantized_case("q", 15, u8(0, 3, 2, 0) + i64(12, 12) + f32(2, 2, -0.75), (-1, 12, 12, 4), keeps=True),
        "transpose": quantized_case("q", 16, i64s([0, 2, 1, 3]), IMAGE, keeps=True),
        "requantize": quantized_case("q", 23, b"", IMAGE),
        "layer-normalization": quantized_case(
            "q", 41, f32(1e-5), (-1, 5, 33), (-1, 5, 33), operands=lambda f, x: [f.floats("scale", (33,), 3, 1), f.floats("bias", (33,), 4)]),
    }
    files.update({f"int8-{name}": file for name, file in quantized.items()})
    return files


if __name__ == "__main__":
    for name, file in cases().items():
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            (HERE / f"{name}.edgeai").write_bytes(file.bytes())
