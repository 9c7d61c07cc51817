#!/usr/bin/env python3
"""Writes the damaged files beside this script and expected.txt, the errors they must give.

Standard library only. Each line of expected.txt: file, status code, byte offset or -1, node, tensor, part of the
message; separated by tabs.
"""
from __future__ import annotations

import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "golden/edgeai"))

from make import (  # noqa: E402
    BOOL, F32, I8, I32, I64, U8, File, Quantization, assembled, clamp, crc32c, f32, i32, i32s, i64, i64s, noise, per_tensor, text, u8, weights, window,
)

GRAPH, VALUES, NODES, DATA = range(4)
#: A sound file of version 2.
CODED = HERE.parents[1] / "golden/edgeai-2/control-coded-adaptive-0.1.edgeai"


def sound(name: str = "sound") -> File:
    """x -> quantize -> convolution -> dequantize: a file with everything in it."""
    file = File(name)
    file.metadata = [("key", "value")]
    x = file.input((-1, 4, 4, 2))
    xq = file.value("x_q", (-1, 4, 4, 2), U8, per_tensor(1 / 64, 128))
    yq = file.value("y_q", (-1, 2, 2, 3), U8, per_tensor(1 / 16, 120))
    y = file.value("y", (-1, 2, 2, 3))
    w, b = weights(file, (3, 3, 3, 2))
    file.node(21, b"", [x], [xq], "quantize")
    file.node(1, window((3, 3)) + i32(1) + clamp(), [xq, w, b], [yq], "conv")
    file.node(22, b"", [yq], [y], "dequantize")
    file.outputs = [y]
    return file


def relu(file: File, x: int, y: int, name: str = "relu") -> None:
    file.node(6, u8(0) + f32(0, float("inf")), [x], [y], name)


def small() -> tuple[File, int, int]:
    """x -> y, both float [-1, 3]; without the node between them."""
    file = File("small")
    x = file.input((-1, 3))
    y = file.value("y", (-1, 3))
    file.outputs = [y]
    return file, x, y


def sealed(file: bytes) -> bytes:
    """The checksums of section table and header made right again."""
    data = bytearray(file)
    struct.pack_into("<I", data, 24, crc32c(data[64:192]))
    struct.pack_into("<I", data, 60, crc32c(data[:60]))
    return bytes(data)


def patched(file: bytes, offset: int, data: bytes, seal: bool = True) -> bytes:
    changed = file[:offset] + data + file[offset + len(data) :]
    return sealed(changed) if seal else changed


def coded_sealed(behind: bytes) -> bytes:
    """A file of version 2 that has these bytes behind its checksum."""
    return b"\x89EDGEAI\n" + struct.pack("<HHI", 2, 0, crc32c(behind)) + behind


def coded_file(behind: bytes) -> bytes:
    """A file of version 2 that has these bytes, fewer than 64, behind its size."""
    return coded_sealed(bytes([2 * len(behind)]) + behind)


def with_section(section: int, content: bytes) -> bytes:
    parts = sound().sections()
    parts[section] = content
    return assembled(parts)


def start(file: bytes, section: int) -> int:
    return struct.unpack_from("<q", file, 64 + 32 * section + 8)[0]


def one_value(record: bytes) -> bytes:
    """A file with this value alone."""
    return assembled([text("") + bytes(12), struct.pack("<I", 1) + record, bytes(4), b""])


def one_node(record: bytes) -> bytes:
    """x and y, and this node."""
    file, _, _ = small()
    file.nodes = [record]
    return file.bytes()


def made(build) -> bytes:  # type: ignore[no-untyped-def]
    file, x, y = small()
    build(file, x, y)
    return file.bytes()


def repeated_constant(position: int, padding: bytes = b"", tail: bytes = b"") -> bytes:
    """Two constants of 3 floats; the second is said to be at `position`."""
    file, x, y = small()
    first = file.floats("first", (3,))
    file.data += padding
    second = file.value("second", (3,), F32, None, f32(1, 2, 3), position)
    file.data += tail
    sum_ = file.value("sum", (-1, 3))
    file.node(7, u8(0) + clamp(), [x, first], [sum_], "add")
    file.node(7, u8(0) + clamp(), [sum_, second], [y], "add2")
    return file.bytes()


def flag(file) -> int:  # type: ignore[no-untyped-def]
    """A condition for branches and loops."""
    value: int = file.value("flag", (), BOOL)
    file.inputs.append(value)
    return value


def cases() -> dict[str, tuple[bytes, int, int, str, str, str]]:
    good = sound().bytes()
    values, nodes, data = start(good, VALUES), start(good, NODES), start(good, DATA)
    end = len(good)
    parts = sound().sections()
    float_record = text("v") + u8(F32, 1, 0, 0) + i64(3)

    def node(code: int, attributes: bytes, inputs=(0,), outputs=(1,), name: str | bytes = "op") -> bytes:  # type: ignore[no-untyped-def]
        return text(name) + struct.pack("<HI", code, len(attributes)) + attributes + i32s(inputs) + i32s(outputs)

    coded = CODED.read_bytes()
    return {
        # Version 2.
        "coded-cut-in-header": (coded[:15], 201, 12, "", "", "inside"),
        "coded-cut": (coded[:-1], 201, len(coded) - 1, "", "", "bytes behind its header"),
        "coded-trailing-byte": (coded + b"\0", 200, 18, "", "", "the file has"),
        "coded-checksum": (coded[:40] + bytes([coded[40] ^ 1]) + coded[41:], 202, 16, "", "", "checksum"),
        "coded-newer-minor": (coded[:10] + b"\2" + coded[11:], 203, 10, "", "", "version 2.2"),
        "coded-minor": (coded[:10] + b"\1" + coded[11:], 200, 10, "", "", "version 2.1"),
        "coded-long-number": (coded_sealed(b"\x80\0"), 200, 18, "", "", "too long"),
        "coded-main-huge": (coded_file(b"\x01" + b"\xff\xff\xff\xff\x0f"), 200, 23, "", "", "leaves the file"),
        "coded-description-huge": (coded_file(b"\xff\xff\xff\xff\x0f" + b"\x01" + b"\0"), 200, 23, "", "", "a description of"),
        "coded-description-empty": (coded_file(b"\0\0"), 201, 19, "", "", "inside"),
        "coded-description-short": (coded_file(b"\x28\x01\x55"), 201, 20, "", "", "early"),
        # Header and table.
        "bad-magic": (b"\x88" + good[1:], 200, 0, "", "", "not"),
        "line-endings": (good[:7] + b"\r\n" + good[8:], 200, 0, "", "", "not"),
        "only-magic": (good[:8], 201, 8, "", "", "header"),
        "cut-in-header": (good[:63], 201, 63, "", "", "header"),
        "cut-after-header": (good[:64], 201, 64, "", "", "of its"),
        "cut-in-data": (good[:-1], 201, end - 1, "", "", "of its"),
        "trailing-byte": (good + b"\0", 200, 16, "", "", "the file has"),
        "newer-major": (patched(good, 8, b"\3\0"), 203, 8, "", "", "version 3.0"),
        "newer-minor": (patched(good, 10, b"\1\0"), 203, 10, "", "", "version 1.1"),
        "version-0": (patched(good, 8, b"\0\0"), 200, 8, "", "", "version 0.0"),
        "header-checksum": (patched(good, 30, b"\1", seal=False), 202, 0, "", "", "header"),
        "reserved-header": (patched(good, 30, b"\1"), 200, 30, "", "", "reserved"),
        "five-sections": (patched(good, 12, b"\5"), 200, 12, "", "", "4 sections"),
        "table-checksum": (patched(good, 24, b"\0\0\0\0", seal=False)[:60] + struct.pack(
            "<I", crc32c(good[:24] + bytes(4) + good[28:60])) + good[64:], 202, 64, "", "", "section table"),
        "section-checksum": (patched(good, values + 8, bytes([good[values + 8] ^ 1]), seal=False), 202, values, "", "", "section"),
        "data-checksum": (patched(good, data + 1, bytes([good[data + 1] ^ 1]), seal=False), 202, data, "", "", "section"),
        "sections-swapped": (sealed(good[:64] + good[96:128] + good[64:96] + good[128:]), 200, 64, "", "", "section 2 stands"),
        "section-misaligned": (patched(good, 64 + 32 + 8, i64(values + 8)), 200, 96, "", "", "section 2"),
        "sections-overlap": (patched(good, 64 + 64 + 8, i64(values)), 200, 128, "", "", "section 3"),
        "section-huge": (patched(good, 64 + 96 + 16, i64(2**63 - 1)), 200, 160, "", "", "section 4"),
        "section-negative": (patched(good, 64 + 96 + 16, i64(-1)), 200, 160, "", "", "section 4"),
        "section-beyond": (patched(good, 64 + 96 + 8, i64(2**62)), 200, 160, "", "", "section 4"),
        "reserved-table": (patched(good, 64 + 24, i64(1)), 200, 64, "", "", "section 1"),
        "padding-not-zero": (patched(good, values - 1, b"\1"), 200, values - 1, "", "", "not zero"),
        "bytes-after-sections": (patched(good + bytes(64), 16, i64(end + 64)), 200, end, "", "", "last section"),
        # Section graph.
        "graph-empty": (with_section(GRAPH, b""), 201, 192, "", "", "ends inside"),
        "name-huge": (with_section(GRAPH, b"\xff\xff\xff\xff" + parts[GRAPH][4:]), 200, 196, "", "", "4294967295"),
        "name-not-utf8": (with_section(GRAPH, text(b"\xc3\x28") + parts[GRAPH][9:]), 200, 198, "", "", "UTF-8"),
        "name-overlong": (with_section(GRAPH, text(b"\xc0\xaf") + parts[GRAPH][9:]), 200, 198, "", "", "UTF-8"),
        "name-too-long": (with_section(GRAPH, text("n" * 5000) + parts[GRAPH][9:]), 301, 196, "", "", "5000"),
        "graph-left-over": (with_section(GRAPH, parts[GRAPH] + b"\0"), 201, 192 + len(parts[GRAPH]), "", "", "ends inside"),
        "metadata-huge": (with_section(GRAPH, parts[GRAPH][:-20] + b"\xff\xff\xff\x7f" + parts[GRAPH][-16:]),
            200, 192 + len(parts[GRAPH]) - 16, "", "", "2147483647"),
        "input-out-of-range": (made(lambda f, x, y: (relu(f, x, y), f.inputs.append(99))), 204, -1, "", "", "99"),
        "input-negative": (made(lambda f, x, y: (relu(f, x, y), f.inputs.append(-1))), 204, -1, "", "", "-1"),
        "input-twice": (made(lambda f, x, y: (relu(f, x, y), f.inputs.append(x))), 204, -1, "", "x", "twice"),
        "output-out-of-range": (made(lambda f, x, y: (relu(f, x, y), f.outputs.append(2**31 - 1))), 204, -1, "", "", "2147483647"),
        "output-of-nothing": (made(lambda f, x, y: None), 204, -1, "", "y", "nothing makes"),
        "output-twice": (made(lambda f, x, y: (relu(f, x, y), f.outputs.append(y))), 204, -1, "", "y", "same name"),
        # Section values.
        "values-huge": (with_section(VALUES, b"\xff\xff\xff\xff" + parts[VALUES][4:]), 200, values + 4, "", "", "4294967295"),
        "values-cut": (with_section(VALUES, parts[VALUES][:-4]), 201, 590, "", "", "ends inside"),
        "values-left-over": (with_section(VALUES, parts[VALUES] + bytes(4)), 200, values + len(parts[VALUES]), "", "", "left over"),
        "element-type": (one_value(text("v") + u8(77, 1, 0, 0) + i64(3)), 200, 266, "", "", "element type 77"),
        "rank-9": (one_value(text("v") + u8(F32, 9, 0, 0) + i64(*[1] * 9)), 200, 267, "", "", "rank 9"),
        "flag-2": (one_value(text("v") + u8(F32, 1, 2, 0) + i64(3)), 200, 268, "", "", "flag is 2"),
        "negative-dimension": (one_value(text("v") + u8(F32, 1, 0, 0) + i64(-2)), 200, 260, "", "v", "-2"),
        "batch-in-constant": (one_value(text("v") + u8(F32, 1, 0, 1) + i64(-1, 0)), 200, 260, "", "v", "-1"),
        "huge-dimensions": (one_value(text("v") + u8(F32, 2, 0, 0) + i64(2**40, 2**40)), 301, 260, "", "v", "limit"),
        "huge-tensor": (one_value(text("v") + u8(F32, 1, 0, 0) + i64(2**40)), 301, 260, "", "v", "limit"),
        "value-name-not-utf8": (one_value(text(b"\xff") + float_record[5:]), 200, 265, "", "", "UTF-8"),
        "scales-huge": (one_value(text("v") + u8(U8, 1, 1, 0) + i64(3) + i32(-1) + b"\xff\xff\xff\xff"), 200, 285, "", "", "4294967295"),
        "scale-zero": (one_value(text("v") + u8(U8, 1, 1, 0) + i64(3) + i32(-1, 1) + f32(0) + i32(0)), 204, -1, "", "v", "positive"),
        "scale-nan": (one_value(text("v") + u8(U8, 1, 1, 0) + i64(3) + i32(-1, 1) + f32(float("nan")) + i32(0)), 204, -1, "", "v", "finite"),
        "scale-axis": (one_value(text("v") + u8(I8, 1, 1, 0) + i64(3) + i32(5, 1) + f32(1) + i32(0)), 204, -1, "", "v", "axis 5"),
        "scale-count": (one_value(text("v") + u8(I8, 1, 1, 0) + i64(3) + i32(0, 2) + f32(1, 1) + i32(0, 0)), 204, -1, "", "v", "2 scales"),
        "zero-point-range": (one_value(text("v") + u8(U8, 1, 1, 0) + i64(3) + i32(-1, 1) + f32(1) + i32(256)), 204, -1, "", "v", "256"),
        "quantized-float": (one_value(text("v") + u8(F32, 1, 1, 0) + i64(3) + i32(-1, 1) + f32(1) + i32(0)), 204, -1, "", "v", "float32"),
        # Constants.
        "constant-misaligned": (repeated_constant(16), 200, 339, "", "second", "the one before"),
        "constant-overlaps": (repeated_constant(0), 200, 339, "", "second", "the one before"),
        "constant-negative": (repeated_constant(-64), 200, 339, "", "second", "the one before"),
        "constant-beyond": (repeated_constant(2**62), 200, 339, "", "second", "the one before"),
        "constant-cut": (with_section(DATA, parts[DATA][:-1]), 200, 541, "", "b", "leaves the data section"),
        "constant-gap": (repeated_constant(64, padding=b"\0\1"), 200, 339, "", "second", "not zero"),
        "data-left-over": (repeated_constant(64, tail=b"\0"), 200, 256, "", "", "1 bytes of the data"),
        # Section nodes.
        "nodes-huge": (with_section(NODES, b"\xff\xff\xff\xff" + parts[NODES][4:]), 200, nodes + 4, "", "", "4294967295"),
        "nodes-left-over": (with_section(NODES, parts[NODES] + bytes(1)), 200, nodes + len(parts[NODES]), "", "", "left over"),
        "operator-0": (one_node(node(0, b"")), 400, 336, "op", "", "number 0"),
        "operator-1000": (one_node(node(1000, b"")), 400, 336, "op", "", "number 1000"),
        "node-name-not-utf8": (one_node(node(6, u8(0) + f32(0, 6), name=b"\xed\xa0\x80")), 200, 331, "", "", "UTF-8"),
        "attributes-short": (one_node(node(6, u8(0) + f32(0))), 200, 345, "op", "", "bytes of attributes"),
        "attributes-long": (one_node(node(6, u8(0) + f32(0, 6, 7))), 200, 345, "op", "", "13 bytes of attributes"),
        "unary-function": (one_node(node(6, u8(200) + f32(0, 6))), 200, 337, "op", "", "unary function 200"),
        "binary-function": (one_node(node(7, u8(200) + clamp(), [0, 0])), 200, 337, "op", "", "binary function 200"),
        "attribute-flag": (one_node(node(10, i32(1) + u8(3))), 200, 341, "op", "", "flag is 3"),
        "axes-huge": (one_node(node(9, u8(0, 0) + b"\xff\xff\xff\xff")), 200, 342, "op", "", "4294967295"),
        "threshold-of-none": (one_node(node(40, i64(6, 3) + f32(0.5) + u8(0) + f32(0.25) + u8(0))), 200, 361, "op", "", "does not count"),
        "cast-type": (one_node(node(24, u8(0))), 200, 337, "op", "", "element type 0"),
        "clamp-empty": (one_node(node(7, u8(0) + clamp(2, 1), [0, 0])), 204, -1, "op", "", "empty"),
        "clamp-nan": (one_node(node(7, u8(0) + clamp(float("nan"), 1), [0, 0])), 204, -1, "op", "", "empty"),
        "node-input-out-of-range": (one_node(node(6, u8(0) + f32(0, 6), [2])), 204, -1, "op", "", "input 2"),
        "node-output-out-of-range": (one_node(node(6, u8(0) + f32(0, 6), [0], [-5])), 204, -1, "op", "", "-5"),
        "node-input-missing": (one_node(node(6, u8(0) + f32(0, 6), [-1])), 204, -1, "op", "", "missing"),
        "node-reads-itself": (one_node(node(6, u8(0) + f32(0, 6), [1])), 204, -1, "op", "y", "before it is made"),
        "node-overwrites-input": (one_node(node(6, u8(0) + f32(0, 6), [0], [0])), 204, -1, "op", "x", "already made"),
        "too-many-inputs": (one_node(node(6, u8(0) + f32(0, 6), [0, 0])), 204, -1, "op", "", "takes 1"),
        "too-many-results": (one_node(node(6, u8(0) + f32(0, 6), [0], [1, 1])), 204, -1, "op", "y", "already made"),
        "cycle": (made(lambda f, x, y: (
            f.value("a", (-1, 3)), f.value("b", (-1, 3)), relu(f, 3, 2, "first"), relu(f, 2, 3, "second"), relu(f, 3, y, "third"),
        )), 204, -1, "first", "b", "before it is made"),
        "wrong-order": (made(lambda f, x, y: (f.value("a", (-1, 3)), relu(f, 2, y, "late"), relu(f, x, 2, "early"))),
            204, -1, "late", "a", "before it is made"),
        "two-makers": (made(lambda f, x, y: (relu(f, x, y, "one"), relu(f, x, y, "two"))), 204, -1, "two", "y", "already made"),
        "wrong-shape": (one_node(node(17, i64s([-1, 3, 1]))), 101, -1, "op", "y", "not"),
        "wrong-type": (one_node(node(24, u8(I32))), 102, -1, "op", "y", "int32"),
        "axis-out-of-range": (one_node(node(10, i32(2) + u8(0))), 204, -1, "op", "x", "axis 2"),
        "axis-negative": (one_node(node(10, i32(-1) + u8(0))), 204, -1, "op", "x", "axis -1"),
        "permutation": (one_node(node(16, i64s([0, 0]))), 204, -1, "op", "x", "permutation"),
        "reshape-overflow": (one_node(node(17, i64s([2**62, 4]))), 101, -1, "op", "x", "overflow"),
        "slice-step-0": (one_node(node(13, i64s([0, 0]) + i64s([-1, 3]) + i64s([1, 0]))), 204, -1, "op", "x", "by 0"),
        "slice-step-least": (one_node(node(13, i64s([0, 2]) + i64s([-1, -1]) + i64s([1, -(2**63)]))), 204, -1, "op", "x", "axis 1"),
        "pad-overflow": (one_node(node(14, u8(0) + f32(0) + i64s([0, 2**63 - 1]) + i64s([0, 1]))), 101, -1, "op", "x", "overflow"),
        "split-sizes": (one_node(node(12, i32(1) + i64s([2**63 - 1, 1]))), 101, -1, "op", "", "overflows"),
        "bound-0": (one_node(node(37, i64(0))), 204, -1, "op", "x", "at least 2"),
        "bound-huge": (one_node(node(37, i64(2**40))), 204, -1, "op", "", "at most 3"),
        "nothing-to-fill": (one_node(node(38, i32(1) + u8(1) + u8(0))), 400, -1, "op", "", "depends on data"),
        "gather-index": (one_node(node(19, i32(1) + u8(0) + i32s([3]))), 204, -1, "op", "x", "3"),
        # Branches and loops.
        "branch-without-end": (made(lambda f, x, y: (f.node(32, b"", [flag(f)], [], "if"), relu(f, x, y))), 204, -1, "if", "", "no end"),
        "branch-without-beginning": (made(lambda f, x, y: f.node(34, b"", [x], [y], "end")), 204, -1, "end", "", "is open"),
        "branch-without-second": (made(lambda f, x, y: (
            f.node(32, b"", [flag(f)], [], "if"), f.node(34, b"", [x], [y], "end"),
        )), 204, -1, "end", "", "no second branch"),
        "branch-closed": (made(lambda f, x, y: (
            f.node(32, b"", [flag(f)], [], "if"), f.value("a", (-1, 3)), relu(f, x, 3, "inner"), f.node(33, b"", [3], [], "else"),
            f.value("b", (-1, 3)), f.node(34, b"", [x], [4], "end"), relu(f, 3, y, "late"),
        )), 204, -1, "late", "a", "has ended"),
        "branch-shapes": (made(lambda f, x, y: (
            f.node(32, b"", [flag(f)], [], "if"), f.node(33, b"", [2], [], "else"), f.node(34, b"", [x], [y], "end"),
        )), 101, -1, "end", "x", "then [N, 3]"),
        "branches-deep": (made(lambda f, x, y: (
            c := flag(f), [f.node(32, b"", [c], [], f"if{i}") for i in range(100)],
        )), 301, -1, "if16", "", "more than 16 deep"),
        "loop-endless": (made(lambda f, x, y: (
            f.value("i", (), I64), f.value("s", (-1, 3)), f.node(35, b"", [-1, -1, x], [2, 3], "loop"), f.node(36, i32(0) + i64(0), [-1, 3], [y], "next"),
        )), 204, -1, "next", "", "nothing ends"),
        "loop-stacked-huge": (made(lambda f, x, y: (
            f.value("i", (), I64), f.node(35, b"", [-1, flag(f)], [2], "loop"),
            f.node(36, i32(1) + i64(2**62), [-1, x], [y], "next"),
        )), 101, -1, "next", "", "overflows"),
        "loop-stacked-negative": (made(lambda f, x, y: (
            f.value("i", (), I64), f.node(35, b"", [-1, flag(f)], [2], "loop"), f.node(36, i32(-1) + i64(1), [-1, x], [y], "next"),
        )), 204, -1, "next", "", "to be stacked"),
        "states-none": (with_states([]), 200, 225, "", "", "no states"),
        "states-too-many": (with_states([-1, -1]), 204, -1, "", "", "2 states, but 1 inputs"),
        "state-first-not-constant": (with_states([0]), 204, -1, "", "x", "no constant"),
        "state-first-absent": (with_states([99]), 204, -1, "", "x", "no constant"),
        "state-of-another-shape": (with_states([-1], (-1, 4)), 204, -1, "", "x", "another type or shape"),
        "window-of-0": (sound_with(window((3, 3), (0, 1)) + i32(1) + clamp()), 204, -1, "conv", "", "positive"),
        "window-huge": (sound_with(window((2**31 - 1,) * 2, (1, 1), (2**31 - 1,) * 4, (2**31 - 1,) * 2) + i32(1) + clamp()),
            101, -1, "conv", "w", "do not fit"),
        "groups-0": (sound_with(window((3, 3)) + i32(0) + clamp()), 101, -1, "conv", "w", "groups"),
        "groups-negative": (sound_with(window((3, 3)) + i32(-1) + clamp()), 101, -1, "conv", "w", "groups"),
        "padding-negative": (sound_with(window((3, 3), (1, 1), (-1, 0, 0, 0)) + i32(1) + clamp()), 204, -1, "conv", "", "negative"),
    }


def with_states(states: list[int], shape: tuple[int, ...] = (-1, 3)) -> bytes:
    """x -> y, where the last inputs and outputs are state."""
    file = File("small")
    x = file.input((-1, 3))
    y = file.value("y", shape)
    file.node(6 if shape == (-1, 3) else 14, u8(0) + (f32(0, 6) if shape == (-1, 3) else f32(0) + i64s([0, 0]) + i64s([0, 1])), [x], [y], "op")
    file.outputs, file.states = [y], states
    return file.bytes()


def sound_with(attributes: bytes) -> bytes:
    """The sound file, its convolution with other attributes."""
    file = sound()
    file.nodes[1] = text("conv") + struct.pack("<HI", 1, len(attributes)) + attributes + i32s([1, 4, 5]) + i32s([2])
    return file.bytes()


if __name__ == "__main__":
    lines = ["# file\tstatus\toffset\tnode\ttensor\tpart of the message"]
    for name, (contents, *expected) in cases().items():
        (HERE / f"{name}.edgeai").write_bytes(contents)
        lines.append("\t".join([f"{name}.edgeai", *map(str, expected)]))
    (HERE / "expected.txt").write_text("\n".join(lines) + "\n")
