#!/usr/bin/env python3
"""Writes the seed corpus of the TFLite fuzz target: small models that reach every operator family."""

import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "python"))
from tflite_writer import Network, flexbuffer  # noqa: E402

IMAGE = (1, 6, 6, 4)


def integers(net, name, *values):
    return net.tensor(name, (len(values),), "int32", struct.pack(f"<{len(values)}i", *values))


def one(op, result, *, shape=IMAGE, lists=(), kind="float32", options="", results=1, first=False, free=False, **values):
    """x and lists of integers -> y."""
    net = Network()
    scale = {} if kind == "float32" else {"scale": 0.05, "zero": 3}
    x = net.tensor("x", shape, kind, free=free, **scale)
    inputs = [x]
    for index, entry in enumerate(lists):
        inputs.insert(0 if first else len(inputs), integers(net, f"c{index}", *entry))
    outputs = [net.tensor(f"y{index}", result, kind, **scale) for index in range(results)]
    net.operator(op, inputs, outputs, options, **values)
    return net.file([x], outputs)


def layer(op, kind, weights, shape, options, **values):
    net = Network()
    quantized = kind != "float32"
    scale = {"scale": 0.05, "zero": 3} if quantized else {}
    x = net.tensor("x", IMAGE, kind, free=True, **scale)
    size, data, form = 1, b"", {"float32": "f", "float16": "e", "int8": "b", "uint8": "B"}[weights]
    for dim in shape:
        size *= dim
    data = struct.pack(f"<{size}{form}", *((index * 7 % 23 - (0 if form == "B" else 11)) for index in range(size)))
    channels = shape[3] if op == "DEPTHWISE_CONV_2D" else shape[0]
    axis = 3 if op == "DEPTHWISE_CONV_2D" else 0
    scales = {} if form in "fe" else {"scale": [0.01] * channels, "axis": axis} if form == "b" else {"scale": 0.01, "zero": 90}
    w = net.tensor("w", shape, weights, data, **scales)
    bias = net.tensor("b", (channels,), "int32" if quantized else "float32", bytes(4 * channels))
    if weights == "float16":
        plain = net.tensor("w32", shape)
        net.operator("DEQUANTIZE", [w], [plain])
        w = plain
    y = net.tensor("y", (1, 6, 6, channels), kind, **scale)
    inputs = [integers(net, "size", 1, 12, 12, channels), w, x, bias] if op == "TRANSPOSE_CONV" else [x, w, bias]
    net.operator(op, inputs, [y], options, stride_w=1, stride_h=1, **values) if op != "FULLY_CONNECTED" else net.operator(op, inputs, [y], options)
    return net.file([x], [y])


def shapes():
    """A shape computed from the input's: SHAPE, STRIDED_SLICE, PACK, RESHAPE."""
    net = Network()
    x = net.tensor("x", IMAGE, free=True)
    size, first, target = net.tensor("size", (4,), "int32"), net.tensor("first", (), "int32"), net.tensor("target", (2,), "int32")
    rest = net.tensor("rest", (), "int32", struct.pack("<i", 144))
    zero, one_, y = integers(net, "zero", 0), integers(net, "one", 1), net.tensor("y", (1, 144))
    net.operator("SHAPE", [x], [size])
    net.operator("STRIDED_SLICE", [size, zero, one_, one_], [first], "StridedSlice", shrink_mask=1)
    net.operator("PACK", [first, rest], [target], "Pack", count=2)
    net.operator("RESHAPE", [x, target], [y], "Reshape")
    return net.file([x], [y])


def recurrent(op, options, gates, *, directions=1, hybrid=False, **values):
    """Layers of 2 units on sequences of 3 numbers; weights of the input and of the state and a bias for each gate."""
    net = Network()
    x = net.tensor("x", (1, 4, 3), free=True)

    def constant(*shape):
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        if hybrid and len(shape) > 1:
            return net.tensor("w", shape, "int8", bytes(range(count)), scale=0.01)
        return net.tensor("w", shape, "float32", struct.pack(f"<{count}f", *range(count)))

    def state():
        return net.tensor("s", (1, 2), _5=("B", 1))

    inputs = []
    for _ in range(directions):
        inputs += [constant(2, 3) for _ in range(gates)] + [constant(2, 2) for _ in range(gates)]
        inputs += [constant(2) for _ in range(7 if gates == 4 else 1)] + ([-1, -1] if gates == 4 else [state()])
    if gates == 4:
        inputs += [state() for _ in range(2 * directions)]
    outputs = [net.tensor(f"y{index}", (1, 4, 2)) for index in range(directions)]
    net.operator(op, [x, *inputs], outputs, options, **values)
    return net.file([x], outputs)


def state():
    """A variable that a graph of its own initializes, read, added to and stored; the sum goes through a called graph."""
    net = Network()
    x, before, after, y = (net.tensor(name, (1, 4)) for name in ("x", "before", "after", "y"))
    handle = net.tensor("handle", (), "resource")
    with net.graph("init") as first:
        own = net.tensor("own", (), "resource")
        net.operator("VAR_HANDLE", [], [own], "VarHandle", shared="v")
        net.operator("ASSIGN_VARIABLE", [own, net.tensor("ones", (1, 4), "float32", struct.pack("<4f", 1, 1, 1, 1))], [])
    with net.graph("body") as body:
        a, b = net.tensor("a", (1, 4)), net.tensor("b", (1, 4))
        net.operator("ABS", [a], [b])
        net.borders([a], [b])
    net.operator("CALL_ONCE", [], [], "CallOnce", subgraph=first)
    net.operator("VAR_HANDLE", [], [handle], "VarHandle", shared="v")
    net.operator("READ_VARIABLE", [handle], [before])
    net.operator("ADD", [before, x], [after], "Add")
    net.operator("ASSIGN_VARIABLE", [handle, after], [])
    net.operator("CALL", [after], [y], "Call", subgraph=body)
    return net.file([x], [y])


def conditional():
    """A loop that adds x while a number is below 3, and a branch on the last one."""
    net = Network()
    x, n, total, last, less, y = (net.tensor(*entry) for entry in (
        ("x", (1, 4)), ("n", (1,), "int32"), ("total", (1, 4)), ("last", (1,), "int32"), ("less", (1,), "bool"), ("y", (1, 4))))
    with net.graph("condition") as condition:
        a, b, c = net.tensor("a", (1, 4)), net.tensor("b", (1,), "int32"), net.tensor("c", (1,), "bool")
        net.operator("LESS", [b, integers(net, "three", 3)], [c])
        net.borders([a, b], [c])
    with net.graph("body") as body:
        a, b, c, d = net.tensor("a", (1, 4)), net.tensor("b", (1,), "int32"), net.tensor("c", (1, 4)), net.tensor("d", (1,), "int32")
        net.operator("ADD", [a, a], [c], "Add")
        net.operator("ADD", [b, integers(net, "one", 1)], [d], "Add")
        net.borders([a, b], [c, d])
    for op in ("ABS", "NEG"):
        with net.graph(op) as index:
            a, b = net.tensor("a", (1, 4)), net.tensor("b", (1, 4))
            net.operator(op, [a], [b])
            net.borders([a], [b])
    net.operator("WHILE", [x, n], [total, last], "While", condition=condition, body=body)
    net.operator("LESS", [last, integers(net, "four", 4)], [less])
    net.operator("IF", [less, total], [y], "If", then=index - 1, other=index)
    return net.file([x, n], [y])


def detection(regular):
    net = Network()
    boxes, scores = net.tensor("boxes", (1, 5, 4)), net.tensor("scores", (1, 5, 3))
    anchors = net.tensor("anchors", (5, 4), "float32", struct.pack("<20f", *([0.5, 0.5, 0.2, 0.2] * 5)))
    outputs = [net.tensor(f"y{index}", shape) for index, shape in enumerate(((1, 3, 4), (1, 3), (1, 3), (1,)))]
    options = flexbuffer({
        "max_detections": 3, "max_classes_per_detection": 1, "detections_per_class": 2, "use_regular_nms": regular, "num_classes": 2,
        "nms_score_threshold": 0.4, "nms_iou_threshold": 0.5, "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0})
    net.operator("CUSTOM", [boxes, scores, anchors], outputs, custom="TFLite_Detection_PostProcess", custom_options=options)
    return net.file([boxes, scores], outputs)


def suppression(version):
    net = Network()
    inputs = [net.tensor("boxes", (6, 4)), net.tensor("scores", (6,))]
    constants = [net.tensor("most", (), "int32", struct.pack("<i", 3))]
    constants += [net.tensor(f"c{index}", (), "float32", struct.pack("<f", value)) for index, value in enumerate((0.5, 0.25, 0)[: version - 2])]
    outputs = [net.tensor("which", (3,), "int32"), *([net.tensor("best", (3,))] if version == 5 else []), net.tensor("count", (), "int32")]
    net.operator(f"NON_MAX_SUPPRESSION_V{version}", inputs + constants, outputs)
    return net.file(inputs, outputs)


def svdf(kind):
    net = Network()
    integer = kind == "int8"
    x, y = (net.tensor(name, shape, kind, **({"scale": 0.05, "zero": 3} if integer else {})) for name, shape in (("x", (1, 3)), ("y", (1, 2))))
    w = net.tensor("w", (4, 3), kind, bytes(range(12)) if integer else struct.pack("<12f", *range(12)), **({"scale": 0.01} if integer else {}))
    t = net.tensor("t", (4, 2), "int16" if integer else "float32", bytes(range(16 if integer else 32)), **({"scale": 0.01} if integer else {}))
    b = net.tensor("b", (2,), "int32" if integer else "float32", bytes(8))
    s = net.tensor("s", (1, 8), "int16" if integer else "float32", f5=("b", 1), **({"scale": 0.01} if integer else {}))
    net.operator("SVDF", [x, w, t, b, s], [y], "SVDF", rank=2, activation=1)
    return net.file([x], [y])


def densify():
    """Of the 2 x 2 blocks of 1 x 2 elements of a constant, two."""
    net = Network()
    lists = [("table", {0: ("[B]", numbers)}) for numbers in ([0, 1, 2], [1, 0])]
    levels = [{1: ("i", 2)}, {0: ("b", 1), 2: ("B", 3), 3: lists[0], 4: ("B", 3), 5: lists[1]}, {1: ("i", 2)}]
    form = {0: ("[i]", [0, 1, 2]), 1: ("[i]", [1]), 2: ("tables", levels)}
    x, s = net.tensor("x", (1, 4)), net.tensor("s", (2, 4), "float32", struct.pack("<4f", 1, 2, 3, 4), f6=("table", form))
    w, y = net.tensor("w", (2, 4)), net.tensor("y", (1, 2))
    net.operator("DENSIFY", [s], [w])
    net.operator("FULLY_CONNECTED", [x, w], [y], "FullyConnected")
    return net.file([x], [y])


def many(op, inputs, results, options="", **values):
    """Operands (shape, element type[, constant bytes]); results (shape, element type)."""
    net = Network()
    tensors = [net.tensor(f"x{i}", *entry) for i, entry in enumerate(inputs)]
    outputs = [net.tensor(f"y{i}", *entry) for i, entry in enumerate(results)]
    net.operator(op, tensors, outputs, options, **values)
    return net.file([t for t, entry in zip(tensors, inputs) if len(entry) == 2], outputs)


F, I, B = "float32", "int32", "bool"


def words(*values):
    return struct.pack(f"<{len(values)}i", *values)


POOL = {"stride_w": 2, "stride_h": 2, "width": 2, "height": 2}
SEEDS = {
    "conv": layer("CONV_2D", "float32", "float32", (3, 3, 3, 4), "Conv2D", activation=3),
    "conv-int8": layer("CONV_2D", "int8", "int8", (3, 3, 3, 4), "Conv2D", dilation_w=2),
    "conv-uint8": layer("CONV_2D", "uint8", "uint8", (4, 3, 3, 2), "Conv2D", padding=1),
    "conv-hybrid": layer("CONV_2D", "float32", "int8", (3, 3, 3, 4), "Conv2D"),
    "conv-float16": layer("CONV_2D", "float32", "float16", (3, 3, 3, 4), "Conv2D"),
    "depthwise": layer("DEPTHWISE_CONV_2D", "int8", "int8", (1, 3, 3, 8), "DepthwiseConv2D", multiplier=2),
    "depthwise-uint8": layer("DEPTHWISE_CONV_2D", "uint8", "uint8", (1, 3, 3, 4), "DepthwiseConv2D", multiplier=1),
    "transpose-conv": layer("TRANSPOSE_CONV", "float32", "float32", (3, 3, 3, 4), "TransposeConv"),
    "fully-connected": layer("FULLY_CONNECTED", "int8", "int8", (3, 144), "FullyConnected"),
    "max-pool": one("MAX_POOL_2D", (1, 3, 3, 4), kind="uint8", options="Pool2D", **POOL),
    "average-pool": one("AVERAGE_POOL_2D", (1, 3, 3, 4), kind="int8", options="Pool2D", activation=1, **POOL),
    "mean": one("MEAN", (1, 4), lists=[(1, 2)], kind="int8", options="Reducer"),
    "softmax": one("SOFTMAX", IMAGE, options="Softmax", beta=0.5, free=True),
    "logistic": one("LOGISTIC", IMAGE, kind="int8"),
    "normalization": one("L2_NORMALIZATION", IMAGE, options="L2Norm"),
    "leaky": one("LEAKY_RELU", IMAGE, options="LeakyRelu", alpha=0.1),
    "rsqrt": one("RSQRT", IMAGE),
    "reshape": one("RESHAPE", (1, 144), lists=[(-1, 144)], options="Reshape", free=True),
    "squeeze": one("SQUEEZE", (4, 6), shape=(1, 4, 1, 6), options="Squeeze", axes=[0, 2]),
    "expand": one("EXPAND_DIMS", (1, 1, 6, 6, 4), lists=[(1,)]),
    "transpose": one("TRANSPOSE", (1, 4, 6, 6), lists=[(0, 3, 1, 2)]),
    "concatenation": one("CONCATENATION", IMAGE, options="Concatenation", axis=3, activation=1),
    "pack": one("PACK", (1, 1, 6, 6, 4), options="Pack", count=1, axis=1),
    "unpack": one("UNPACK", (1, 6, 4), options="Unpack", count=6, axis=1, results=6),
    "split": one("SPLIT", (1, 3, 6, 4), lists=[(1,)], options="Split", parts=2, results=2, first=True),
    "split-v": one("SPLIT_V", (1, 3, 6, 4), lists=[(2, -1), (1,)], options="SplitV", parts=2, results=2),
    "slice": one("SLICE", (1, 2, 6, 4), lists=[(0, 1, 0, 0), (-1, 2, -1, 4)], free=True),
    "strided-slice": one("STRIDED_SLICE", (1, 3, 4), lists=[(0, 4, 2), (1, 0, 3), (1, -2, 1)], options="StridedSlice", begin_mask=1,
                         end_mask=1, shrink_mask=4),
    "gather": one("GATHER", (1, 6, 6, 2), lists=[(3, 0)], options="Gather", axis=-1),
    "pad": one("PAD", (1, 9, 6, 5), lists=[(0, 0, 1, 2, 0, 0, 0, 1)], kind="int8"),
    "mirror": one("MIRROR_PAD", (1, 9, 6, 5), lists=[(0, 0, 1, 2, 0, 0, 0, 1)], options="MirrorPad"),
    "space-to-depth": one("SPACE_TO_DEPTH", (1, 3, 3, 16), options="SpaceToDepth", block=2),
    "depth-to-space": one("DEPTH_TO_SPACE", (1, 12, 12, 1), options="DepthToSpace", block=2),
    "bilinear": one("RESIZE_BILINEAR", (1, 9, 3, 4), lists=[(9, 3)], options="ResizeBilinear", half_pixel=1),
    "nearest": one("RESIZE_NEAREST_NEIGHBOR", (1, 9, 3, 4), lists=[(9, 3)], options="ResizeNearestNeighbor", align_corners=1),
    "shapes": shapes(),
    "lstm": recurrent("UNIDIRECTIONAL_SEQUENCE_LSTM", "UnidirectionalSequenceLSTM", 4, hybrid=True, activation=4, cell_clip=10.0),
    "lstm-both": recurrent("BIDIRECTIONAL_SEQUENCE_LSTM", "BidirectionalSequenceLSTM", 4, directions=2, activation=4, time_major=0),
    "rnn": recurrent("UNIDIRECTIONAL_SEQUENCE_RNN", "SequenceRNN", 1, activation=1),
    "rnn-both": recurrent("BIDIRECTIONAL_SEQUENCE_RNN", "BidirectionalSequenceRNN", 1, directions=2, activation=4),
    "state": state(),
    "svdf": svdf("float32"),
    "svdf-int8": svdf("int8"),
    "densify": densify(),
    "conditional": conditional(),
    "detection": detection(False),
    "detection-regular": detection(True),
    "suppression": suppression(4),
    "suppression-scores": suppression(5),
    "compare": many("GREATER", [((3, 4), F), ((4,), F)], [((3, 4), B)]),
    "logic": many("LOGICAL_AND", [((3, 4), B), ((3, 4), B)], [((3, 4), B)]),
    "select": many("SELECT", [((3,), B), ((3, 4), F), ((3, 4), F)], [((3, 4), F)]),
    "floor-div": many("FLOOR_DIV", [((3, 4), I), ((4,), I)], [((3, 4), I)]),
    "add-relu6": many("ADD", [((3, 4), I), ((4,), I)], [((3, 4), I)], "Add", activation=3),
    "cast": many("CAST", [((3, 4), F)], [((3, 4), "int16")]),
    "gather-computed": many("GATHER", [((2, 5, 4), F), ((2, 3), I)], [((2, 5, 3), F)], "Gather", axis=2, batch_dims=1),
    "gather-nd": many("GATHER_ND", [((3, 5, 4), F), ((2, 2), I)], [((2, 4), F)]),
    "scatter-nd": many("SCATTER_ND", [((3, 1), I), ((3, 4), F), ((2,), I, words(5, 4))], [((5, 4), F)]),
    "arg-max": many("ARG_MAX", [((3, 7), F), ((1,), I, words(1))], [((3,), I)], "ArgMax", output_type=2),
    "top-k": many("TOPK_V2", [((3, 9), F), ((), I, words(4))], [((3, 4), F), ((3, 4), I)]),
    "cumsum": many("CUMSUM", [((3, 7), F), ((), I, words(1))], [((3, 7), F)], "Cumsum", reverse=1),
    "one-hot": many("ONE_HOT", [((4,), I), ((), I, words(4)), ((), F, bytes(4)), ((), F, words(1))], [((4, 4), F)], "OneHot", axis=-1),
    "segment-sum": many("SEGMENT_SUM", [((3, 2), F), ((3,), I, words(0, 0, 1))], [((2, 2), F)]),
    "update": many("DYNAMIC_UPDATE_SLICE", [((2, 5, 4), F), ((2, 2, 3), F), ((3,), I)], [((2, 5, 4), F)]),
    "slice-computed": many("SLICE", [((4, 5), F), ((2,), I), ((2,), I, words(2, 3))], [((2, 3), F)]),
    "reverse": one("REVERSE_V2", IMAGE, lists=[(1, 3)], kind="int8"),
    "reverse-sequence": many("REVERSE_SEQUENCE", [((3, 5, 2), F), ((3,), I)], [((3, 5, 2), F)], "ReverseSequence", seq_dim=1),
    "tile": one("TILE", (1, 12, 6, 8), lists=[(1, 2, 1, 2)]),
    "fill": many("FILL", [((2,), I, words(2, 3)), ((), F)], [((2, 3), F)]),
    "range": many("RANGE", [((), F, words(0)), ((), F, struct.pack("<f", 3)), ((), F, struct.pack("<f", 0.5))], [((6,), F)]),
    "space-to-batch": one("SPACE_TO_BATCH_ND", (4, 4, 3, 4), lists=[(2, 2), (1, 1, 0, 0)], kind="int8"),
    "batch-to-space": one("BATCH_TO_SPACE_ND", (1, 11, 12, 4), lists=[(2, 2), (1, 0, 0, 0)], shape=(4, 6, 6, 4)),
    "mirror-symmetric": one("MIRROR_PAD", (1, 9, 6, 5), lists=[(0, 0, 1, 2, 0, 0, 0, 1)], options="MirrorPad", mode=1),
    "ellipsis": one("STRIDED_SLICE", (1, 6, 6, 1, 2), lists=[(0, 0, 1), (0, 0, 3), (1, 1, 1)], options="StridedSlice", ellipsis_mask=1,
                    new_axis_mask=2),
    "l2-pool": one("L2_POOL_2D", (1, 3, 3, 4), options="Pool2D", **POOL),
    "lrn": one("LOCAL_RESPONSE_NORMALIZATION", IMAGE, options="LocalResponseNormalization", radius=2, bias=1.0, alpha=0.1, beta=0.75),
    "sin": one("SIN", IMAGE),
}


def main():
    folder = HERE / "corpus"
    folder.mkdir(exist_ok=True)
    for name, data in SEEDS.items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
