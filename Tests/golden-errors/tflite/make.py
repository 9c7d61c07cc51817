#!/usr/bin/env python3
"""Writes the broken TFLite files beside this script and expected.txt, the errors they must give.

Standard library only. Each line of expected.txt: file, status code, node, tensor, part of the message;
separated by tabs. Status 0 means that the file is read but lists that operator as unsupported.
"""

import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "python"))
from tflite_writer import Network, flexbuffer, write  # noqa: E402

CASES = []


def case(name, data, status, node, tensor, text):
    CASES.append((name + ".tflite", data, status, node, tensor, text))


def words(*values):
    return struct.pack(f"<{len(values)}i", *values)


def dense(weights=bytes(24), shape=(2, 3), bias=2, op="FULLY_CONNECTED", options="FullyConnected", kind="float32", x=(1, 3), **tensor):
    net = Network()
    scale = {"scale": 0.5} if kind == "int8" else {}
    a = net.tensor("x", x, kind, **scale)
    w = net.tensor("w", shape, kind, weights, **{**scale, **tensor})
    b = net.tensor("b", (bias,), "int32" if kind == "int8" else "float32", bytes(4 * bias))
    y = net.tensor("y", (1, 2), kind, **scale)
    net.operator(op, [a, w, b], [y], options)
    return net, [a], [y]


def file(parts):
    net, inputs, outputs = parts
    return net.file(inputs, outputs)


def changed(field, value, parts=None, table=None):
    """The dense model with another value in its root table."""
    net, inputs, outputs = parts or dense()
    root = net.root(inputs, outputs)
    target = root if table is None else table(root)
    if value is None:
        del target[field]
    else:
        target[field] = value
    return write(root)


def subgraph(root):
    return root[2][1][0]


def first_operator(root):
    return subgraph(root)[3][1][0]


def first_tensor(root):
    return subgraph(root)[0][1][0]


def weights_tensor(root):
    return subgraph(root)[0][1][1]


GOOD = file(dense())


def put(offset, value):
    data = bytearray(GOOD)
    struct.pack_into("<I", data, offset, value)
    return bytes(data)


ROOT = struct.unpack_from("<I", GOOD)[0]
VTABLE = ROOT - struct.unpack_from("<i", GOOD, ROOT)[0]

# The container.
case("cut-in-root", GOOD[:12], 201, "", "", "beyond the end")
case("cut-in-half", GOOD[: len(GOOD) // 2], 201, "", "", "")
case("root-zero", put(0, 0), 200, "", "", "an offset is zero")
case("root-beyond", put(0, 0x7FFFFFF0), 201, "", "", "points beyond the end")
case("vtable-before-file", put(ROOT, 0x7FFFFFFF), 201, "", "", "beyond the end")
case("vtable-odd", GOOD[:VTABLE] + b"\x05\x00" + GOOD[VTABLE + 2 :], 200, "", "", "field list")
case("vtable-short", GOOD[:VTABLE] + b"\x02\x00" + GOOD[VTABLE + 2 :], 200, "", "", "field list")
case("field-outside-table", GOOD[: VTABLE + 4] + b"\xff\x7f" + GOOD[VTABLE + 6 :], 200, "", "", "outside its table")
case("version-2", changed(0, ("I", 2)), 200, "", "", "schema version 2")
case("version-4", changed(0, ("I", 4)), 203, "", "", "schema version 4")
case("no-graph", changed(2, None), 200, "", "", "no graph")
huge = write({0: ("I", 3), 2: ("tables", [{0: ("[i]", [])}]), 3: ("str", "")})
case("vector-huge", huge.replace(words(1), words(0x7FFFFFFF), 1), 201, "", "", "beyond the end")
case("name-not-utf8", file(dense()).replace(b"\x01\0\0\0w\0", b"\x01\0\0\0\xff\0"), 200, "", "", "not UTF-8")

# Tensors.
case("dimension-negative", changed(0, ("[i]", [1, -3]), table=first_tensor), 200, "", "x", "dimension -3")
case("rank-9", changed(0, ("[i]", [1] * 9), table=first_tensor), 401, "", "x", "rank 9")
case("buffer-missing", changed(2, ("I", 99), table=weights_tensor), 200, "", "w", "buffer does not exist")
case("weights-short", file(dense(bytes(20))), 200, "y", "w", "20 bytes of data")
case("weights-empty-shape", changed(0, ("[i]", [0, 3]), table=weights_tensor), 101, "y", "w", "no elements")
case("weights-overflow", changed(0, ("[i]", [0x7FFFFFFF] * 4), table=weights_tensor), 301, "y", "w", "more than")
case("scale-zero", file(dense(bytes(6), kind="int8", scale=0.0)), 200, "y", "w", "scale 0")
case("scale-nan", file(dense(bytes(6), kind="int8", scale=float("nan"))), 200, "y", "w", "scale 0")
case("zero-point-huge", file(dense(bytes(6), kind="int8", zero=1 << 40)), 200, "y", "w", "zero point 0")
case("zero-point-out-of-range", file(dense(bytes(6), kind="int8", zero=300)), 200, "y", "w", "zero point")
case("scales-and-axis", file(dense(bytes(6), kind="int8", scale=[0.5, 0.5, 0.5])), 200, "y", "w", "3 scales")
case("zero-points-and-scales", file(dense(bytes(6), kind="int8", scale=[0.5] * 2, zero=[0] * 3)), 200, "y", "w", "3 zero points")

# The graph.
case("input-missing", changed(1, ("[i]", [7]), table=subgraph), 200, "", "", "tensor 7 does not exist")
case("input-twice", changed(1, ("[i]", [0, 0]), table=subgraph), 204, "", "x", "listed twice")
case("input-constant", changed(1, ("[i]", [1]), table=subgraph), 204, "", "w", "the input is a constant")
case("output-unmade", changed(3, ("tables", []), table=subgraph), 204, "", "y", "nothing makes")
case("operand-unmade", changed(1, ("[i]", []), table=subgraph), 204, "y", "x", "before it is made")
case("operand-absent", changed(1, ("[i]", [-1, 1, 2]), table=first_operator), 204, "y", "", "input 0 is missing")
case("operand-index", changed(1, ("[i]", [0, 1, 99]), table=first_operator), 200, "", "", "tensor 99 does not exist")
case("code-missing", changed(0, ("I", 5), table=first_operator), 200, "", "", "code does not exist")
case("made-twice", changed(2, ("[i]", [3, 3]), table=first_operator), 204, "y", "y", "already made")
case("result-is-input", changed(2, ("[i]", [0]), table=first_operator), 204, "x", "x", "already made")
case("no-result", changed(2, ("[i]", []), table=first_operator), 204, "x", "", "no results")
case("other-options", changed(3, ("B", 1), table=first_operator), 204, "y", "", "another operator")
case("weights-do-not-fit", file(dense(shape=(6, 1))), 204, "y", "b", "bias has shape")
case("bias-length", file(dense(bias=3)), 204, "y", "b", "bias has shape")
case("rows-do-not-divide", file(dense(x=(1, 4))), 204, "y", "x", "rows of 3")


def one(op, result, *lists, shape=(1, 4, 4, 2), options="", **values):
    net = Network()
    x = net.tensor("x", shape)
    inputs = [x] + [net.tensor(f"c{i}", (len(entry),), "int32", words(*entry)) for i, entry in enumerate(lists)]
    y = net.tensor("y", result)
    net.operator(op, inputs, [y], options, **values)
    return net.file([x], [y])


case("stride-zero", one("MAX_POOL_2D", (1, 2, 2, 2), options="Pool2D", width=2, height=2), 204, "y", "", "must be positive")
case("window-zero", one("MAX_POOL_2D", (1, 2, 2, 2), options="Pool2D", stride_w=1, stride_h=1), 204, "y", "", "must be positive")
case("window-huge", one("AVERAGE_POOL_2D", (1, 2, 2, 2), options="Pool2D", stride_w=1, stride_h=1, width=0x7FFFFFFF, height=0x7FFFFFFF, padding=1),
     101, "y", "x", "window spans")
case("reshape-count", one("RESHAPE", (1, 5), (1, 5), options="Reshape"), 101, "y", "x", "cannot be reshaped")
case("reshape-two-free", one("RESHAPE", (1, 5), (-1, -1), options="Reshape"), 204, "y", "", "is no shape")
case("reshape-negative", one("RESHAPE", (1, 5), (-7, 1), options="Reshape"), 204, "y", "", "is no shape")
case("axis-out-of-range", one("EXPAND_DIMS", (1, 5), (9,)), 204, "y", "", "axis 9")
case("transpose-repeats", one("TRANSPOSE", (1, 5), (0, 0, 1, 2)), 204, "y", "x", "permutation")
case("stride-of-slice-zero", one("STRIDED_SLICE", (1, 5), (0,), (1,), (0,), options="StridedSlice"), 204, "y", "", "stride")
case("slice-out-of-range", one("SLICE", (1, 5), (0, 0, 0, 9), (1, 1, 1, 1)), 204, "y", "x", "does not lie in axis 3")
case("slice-empty", one("SLICE", (1, 5), (0, 0, 0, 0), (1, 0, 1, 1)), 101, "y", "y", "no elements")
case("gather-out-of-range", one("GATHER", (1, 5), (9,), options="Gather", axis=3), 204, "y", "x", "index 9")
case("pad-negative", one("PAD", (1, 5), (0, 0, -1, 0, 0, 0, 0, 0)), 204, "y", "x", "negative")
case("pad-huge", one("PAD", (1, 5), (0, 0, 0x7FFFFFFF, 0, 0, 0, 0, 0)), 301, "y", "y", "more than")
case("block-does-not-divide", one("SPACE_TO_DEPTH", (1, 5), options="SpaceToDepth", block=3), 204, "y", "", "blocks of 3")
case("split-does-not-divide", one("SPLIT_V", (1, 5), (3, 4), (1,), options="SplitV"), 204, "y", "", "2 parts, but 1 results")
case("resize-zero", one("RESIZE_BILINEAR", (1, 5), (0, 3), options="ResizeBilinear"), 204, "y", "x", "positive")

case("symmetric-padding", one("MIRROR_PAD", (1, 5), (0, 0, 5, 1, 0, 0, 0, 0), options="MirrorPad", mode=1), 204, "y", "", "do not fit axis 1")
case("ellipsis-twice", one("STRIDED_SLICE", (1, 5), (0,) * 9, (1,) * 9, (1,) * 9, options="StridedSlice", ellipsis_mask=1), 204, "y", "", "do not fit")
case("tile-repeats", one("TILE", (1, 5), (1, 2)), 204, "y", "", "2 repeats")
case("tile-huge", one("TILE", (1, 5), (1, 0x7FFFFFFF, 1, 1)), 301, "y", "y_2", "more than")
case("blocks-do-not-fit", one("SPACE_TO_BATCH_ND", (1, 5), (3, 3), (0,) * 4), 204, "y", "", "blocks of 3")
case("blocks-negative", one("BATCH_TO_SPACE_ND", (1, 5), (-1, 3), (0,) * 4), 204, "y", "", "out of range")
case("batch-dims", one("GATHER", (1, 5), (1,), options="Gather", axis=1, batch_dims=7), 204, "y", "", "7 batch dimensions")
case("fill-huge", one("FILL", (1, 5), (4, 4, 4, 2), shape=(2,)), 0, "y", "", "known list")


def sparse(*levels, order=(0, 1), blocks=()):
    """DENSIFY of a 2 x 3 constant of 2 elements; a level is a size, or segments and indices."""
    net = Network()
    tables = []
    for level in levels:
        if isinstance(level, int):
            tables.append({1: ("i", level)})
        else:
            lists = [("table", {0: ("[i]", list(numbers))}) for numbers in level]
            tables.append({0: ("b", 1), 2: ("B", 1), 3: lists[0], 4: ("B", 1), 5: lists[1]})
    form = {0: ("[i]", list(order)), 1: ("[i]", list(blocks)), 2: ("tables", tables)}
    s = net.tensor("s", (2, 3), "float32", bytes(8), f6=("table", form))
    w, y = net.tensor("w", (2, 3)), net.tensor("y", (2, 3))
    net.operator("DENSIFY", [s], [w])
    net.operator("RELU", [w], [y])
    return net.file([], [y])


case("sparse-segments", sparse(2, ((0, 2), (0, 1))), 200, "w", "s", "2 segments")
case("sparse-disorder", sparse(2, ((0, 9, 2), (0, 1))), 200, "w", "s", "out of order")
case("sparse-index", sparse(2, ((0, 1, 2), (0, 3))), 200, "w", "s", "index 3")
case("sparse-negative", sparse(2, ((0, 1, 2), (0, -1))), 200, "w", "s", "negative")
case("sparse-count", sparse(2, ((0, 1, 1), (0,))), 200, "w", "s", "1 elements are described")
case("sparse-order", sparse(2, ((0, 1, 2), (0, 1)), order=(0, 0)), 200, "w", "s", "missing in the order")
case("sparse-size", sparse(1 << 30, ((0, 1, 2), (0, 1))), 200, "w", "s", "level 0 does not fit")
case("sparse-blocks", sparse(2, ((0, 1, 2), (0, 1)), 2, order=(0, 1, 2), blocks=(1,)), 200, "w", "s", "does not divide")
case("sparse-levels", sparse(2), 200, "w", "s", "1 levels")

# State and calls.


def initialized(computed=False):
    """A graph that runs once stores a constant, or what it computed."""
    net = Network()
    x, handle, y = net.tensor("x", (1, 4)), net.tensor("handle", (), "resource"), net.tensor("y", (1, 4))
    with net.graph("init") as index:
        own, first, twice = net.tensor("own", (), "resource"), net.tensor("first", (1, 4), "float32", bytes(16)), net.tensor("twice", (1, 4))
        net.operator("VAR_HANDLE", [], [own], "VarHandle", shared="v")
        if computed:
            net.operator("EXP", [first], [twice])
        net.operator("ASSIGN_VARIABLE", [own, twice if computed else first], [])
    net.operator("CALL_ONCE", [], [], "CallOnce", subgraph=index)
    net.operator("VAR_HANDLE", [], [handle], "VarHandle", shared="v")
    net.operator("READ_VARIABLE", [handle], [y])
    net.operator("ASSIGN_VARIABLE", [handle, x], [])
    return net.file([x], [y])


def called(index, **options):
    net = Network()
    x, y = net.tensor("x", (1, 4)), net.tensor("y", (1, 4))
    with net.graph("inner"):
        a, b = net.tensor("a", (1, 4), **options), net.tensor("b", (1, 4))
        net.operator("CALL", [a], [b], "Call", subgraph=1)
        net.borders([a], [b])
    net.operator("CALL", [x], [y], "Call", subgraph=index)
    return net.file([x], [y])


case("handle-of-nothing", one("READ_VARIABLE", (1, 4)), 204, "y", "", "no handle")
case("call-absent", called(2), 204, "y", "", "graph 2 does not exist")
case("call-itself", called(1), 204, "b", "", "calls itself")
case("filters-without-state", one("SVDF", (1, 4), (1,), (1,), (1,), (1,), shape=(1, 4), options="SVDF", rank=1), 204, "y", "", "do not fit")

# Branches and loops.


def controlled(op, options, inner="ABS", shape=(1, 4), kind="float32", result="bool", **graphs):
    """An IF or WHILE whose graphs are 1 (one operator), 2 (the same control operator) and 3 (a comparison)."""
    net = Network()
    which, x, y = net.tensor("which", (1,), "bool"), net.tensor("x", (1, 4)), net.tensor("y", (1, 4))
    with net.graph("plain"):
        a, b = net.tensor("a", (1, 4)), net.tensor("b", shape, kind)
        net.operator(inner, [a, net.tensor("axis", (1,), "int32", words(1))] if inner == "SUM" else [a], [b])
        net.borders([a], [b])
    with net.graph("nested"):
        c, a, d = net.tensor("c", (1,), "bool"), net.tensor("a", (1, 4)), net.tensor("d", (1, 4))
        net.operator("EQUAL", [a, a], [c])
        net.operator(op, [c, a] if op == "IF" else [a], [d], options, **graphs)
        net.borders([a], [d])
    with net.graph("compare"):
        a, e = net.tensor("a", (1, 4)), net.tensor("e", (1,), result)
        net.operator("ABS" if result == "float32" else "EQUAL", [a] if result == "float32" else [a, a], [e])
        net.borders([a], [e])
    net.operator(op, [which, x] if op == "IF" else [x], [y], options, **graphs)
    return net.file([which, x], [y])


case("if-absent", controlled("IF", "If", then=1, other=9), 204, "y", "", "graph 9 does not exist")
case("if-main", controlled("IF", "If", then=0, other=1), 204, "y", "", "graph 0 does not exist")
case("if-itself", controlled("IF", "If", then=1, other=2), 204, "d", "", "graph 2 calls itself")
case("while-itself", controlled("WHILE", "While", condition=2, body=1), 204, "d", "", "graph 2 calls itself")
case("while-condition", controlled("WHILE", "While", condition=1, body=1), 102, "y", "b", "bool is required")
case("if-shapes", controlled("IF", "If", inner="SUM", shape=(1,), then=1, other=3), 0, "y", "", "the branches give")

# Options of custom operators.

OPTIONS = {"max_detections": 3, "max_classes_per_detection": 1, "num_classes": 2, "nms_score_threshold": 0.4, "nms_iou_threshold": 0.5,
           "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0}


def detection(options):
    net = Network()
    boxes, scores = net.tensor("boxes", (1, 5, 4)), net.tensor("scores", (1, 5, 3))
    anchors = net.tensor("anchors", (5, 4), "float32", bytes(80))
    outputs = [net.tensor(f"y{index}", shape) for index, shape in enumerate(((1, 3, 4), (1, 3), (1, 3), (1,)))]
    net.operator("CUSTOM", [boxes, scores, anchors], outputs, custom="TFLite_Detection_PostProcess", custom_options=options)
    return net.file([boxes, scores], outputs)


def flawed(place, data, **more):
    """The options with bytes at a place, which counts from the end, replaced."""
    options = bytearray(flexbuffer({**OPTIONS, **more}))
    options[len(options) + place : len(options) + place + len(data)] = data
    return detection(bytes(options))


# From the end: width, type, the root's offset, a type for each number, the numbers, their count, the keys' width, their offset.
COUNT = -6 - len(OPTIONS) * 5 - 4
case("options-absent", detection(b""), 204, "y0", "", "options are missing")
case("options-short", detection(b"ab"), 200, "y0", "", "cut short")
case("options-no-map", flawed(-2, b"\x04"), 200, "y0", "", "no map")
case("options-root-width", flawed(-1, b"\x03"), 200, "y0", "", "no map")
case("options-root-outside", flawed(-6, words(4000)), 200, "y0", "", "outside the options")
case("options-count-huge", flawed(COUNT, words(-1)), 200, "y0", "", "options of one operator")
case("options-keys-width", flawed(COUNT - 4, words(5)), 200, "y0", "", "no map")
case("options-keys-outside", flawed(COUNT - 8, words(-1)), 200, "y0", "", "outside the options")
case("options-text", flawed(-6 - len(OPTIONS), b"\x16" * len(OPTIONS)), 200, "y0", "", "no number")
case("options-number-outside", flawed(-6 - len(OPTIONS), b"\x1a" * len(OPTIONS), max_detections=-5), 200, "y0", "", "outside the options")
case("options-scale-zero", detection(flexbuffer({**OPTIONS, "h_scale": 0.0})), 204, "y0", "", "not positive")
case("options-scale-absent", detection(flexbuffer({k: v for k, v in OPTIONS.items() if k != "h_scale"})), 204, "y0", "", "'h_scale' is missing")
case("options-classes-negative", detection(flexbuffer({**OPTIONS, "num_classes": -2})), 0, "y0", "", "'num_classes' is out of range")
case("options-classes-many", detection(flexbuffer({**OPTIONS, "num_classes": 4})), 204, "y0", "", "do not belong together")

# What is not supported.
case("unknown-operator", one("4711", (1, 5)), 0, "y", "", "operator 4711")
case("custom-operator", one("CUSTOM", (1, 5), custom="Frobnicate"), 0, "y", "", "CUSTOM Frobnicate")
case("lstm", one("LSTM", (1, 5)), 0, "y", "", "LSTM")
case("variable-computed", initialized(True), 0, "own", "", "must be constant")
case("fused-tanh", one("MAX_POOL_2D", (1, 2, 2, 2), options="Pool2D", width=2, height=2, stride_w=2, stride_h=2, activation=4), 0, "y", "", "activation 4")


def main():
    lines = []
    for name, data, status, node, tensor, text in CASES:
        (HERE / name).write_bytes(data)
        lines.append("\t".join([name, str(status), node, tensor, text]))
    (HERE / "expected.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
