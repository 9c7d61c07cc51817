#!/usr/bin/env python3
"""Writes the seed corpus of the ONNX fuzz target: small models that reach every operator family."""
import importlib.util
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location("make", HERE.parent.parent / "golden-errors" / "onnx" / "make.py")
M = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(M)


def text(name, value):
    return M.raw(5, M.raw(1, name) + M.num(20, 3) + M.raw(4, value))


def indices(name, values):
    data = b"".join(v.to_bytes(8, "little", signed=True) for v in values)
    return M.raw(5, M.num(1, len(values)) + M.num(2, 7) + M.raw(8, name) + M.raw(9, data))


def numbers(name, values):
    return M.raw(5, M.num(1, len(values)) + M.num(2, 1) + M.raw(8, name) + M.raw(9, struct.pack(f"<{len(values)}f", *values)))


def integers(name, dims, values, kind=2):
    """uint8 (2), int8 (3)."""
    data = bytes(v & 255 for v in values)
    return M.raw(5, b"".join(M.num(1, d) for d in dims) + M.num(2, kind) + M.raw(8, name) + M.raw(9, data))


IMAGE = M.raw(11, M.info("x", ["N", 4, 6, 6]))
SIGNAL = M.raw(11, M.info("x", ["N", 4, 9]))
ROW = M.raw(11, M.info("x", ["N", 8]))
W = M.floats("w", [4, 2, 3, 3])
SEQUENCE = M.raw(11, M.info("x", [5, 2, 3]))
COUNTS = M.raw(11, M.info("x", [3, 8], 7))
CUBE = M.raw(11, M.info("x", [1, 2, 4, 4, 4]))
HEADS = M.raw(11, M.info("x", [1, 2, 3, 4]))
ROW_FIXED = M.raw(11, M.info("x", [2, 8]))
#: float16, float64 and bfloat16 in TensorProto.DataType.
HALF, DOUBLE, BFLOAT = 10, 11, 16
KERNEL = M.ints("kernel_shape", [2, 2]) + M.ints("strides", [2, 2])


REGIONS = M.raw(11, M.info("r", [2, 4])) + M.raw(11, M.info("i", [2], 7))
FIXED = M.raw(11, M.info("x", [1, 4, 6, 6]))


def one(kind, *inputs, attributes=b"", head=IMAGE, outputs=("y",), opset=13):
    tail = b"".join(M.raw(12, M.raw(1, o)) for o in outputs)
    return M.model(head + M.node(kind, ["x", *inputs], outputs, attributes) + tail, opset)


def contributed(kind, *inputs, attributes=b"", head=IMAGE):
    return M.model(head + M.node(kind, ["x", *inputs], ["y"], attributes, domain="com.microsoft") + M.Y)


def border(kind, *nodes, result=None):
    """A network whose input and output are of an element type."""
    return M.model(M.raw(11, M.info("x", ["N", 8], kind)) + b"".join(nodes) + M.raw(12, M.info("y", ["N", 8], result or kind)), 26)


def doubles(name, values):
    return M.raw(5, M.num(1, len(values)) + M.num(2, DOUBLE) + M.raw(8, name) + M.raw(9, struct.pack(f"<{len(values)}d", *values)))


SEEDS = {
    "conv": one("Conv", "w", "b", head=IMAGE + W + M.floats("b", [4]), attributes=M.integer("group", 2) + M.ints("pads", [1, 1, 1, 1])),
    "conv-same": one("Conv", "w", head=IMAGE + W, attributes=M.integer("group", 2) + text("auto_pad", "SAME_LOWER") + M.ints("dilations", [2, 1])),
    "conv-1d": one("Conv", "w", head=SIGNAL + M.floats("w", [3, 4, 2])),
    "conv-transpose": one("ConvTranspose", "w", head=IMAGE + W, attributes=M.ints("strides", [2, 2]) + M.ints("output_padding", [1, 1])),
    "conv-transpose-shape": one("ConvTranspose", "w", head=IMAGE + W, attributes=M.ints("strides", [2, 2]) + M.ints("output_shape", [12, 13])),
    "max-pool": one("MaxPool", attributes=KERNEL + M.integer("ceil_mode", 1) + M.ints("dilations", [2, 2])),
    "average-pool": one("AveragePool", attributes=KERNEL + M.integer("count_include_pad", 1) + M.ints("pads", [1, 0, 1, 0])),
    "global-pool": one("GlobalAveragePool"),
    "clip": one("Clip", "w", "", head=ROW + M.floats("w", [])),
    "gelu": one("Gelu", attributes=text("approximate", "tanh"), opset=20),
    "prelu": one("PRelu", "w", head=IMAGE + M.floats("w", [4, 1, 1])),
    "add": one("Add", "w", head=IMAGE + M.floats("w", [1, 4, 1, 1])),
    "pow": one("Pow", "w", head=ROW + indices("w", [2])),
    "gemm": one("Gemm", "w", "b", head=ROW + M.floats("w", [8, 3]) + M.floats("b", [3]), attributes=M.integer("transB", 0)),
    "matmul": one("MatMul", "w", head=ROW + M.floats("w", [8, 3])),
    "batch-norm": one("BatchNormalization", "s", "s", "s", "s", head=IMAGE + M.floats("s", [4])),
    "lrn": one("LRN", attributes=M.integer("size", 3)),
    "reduce": one("ReduceMean", "a", head=IMAGE + indices("a", [-1, 2]), opset=18),
    "softmax": one("Softmax", opset=11),
    "resize": one("Resize", "", "", "z", head=M.raw(11, M.info("x", [1, 4, 6, 6])) + indices("z", [1, 4, 9, 3]), attributes=text("mode", "linear")),
    "upsample": one("Upsample", "z", head=IMAGE + numbers("z", [1, 1, 2, 1.5]), opset=9),
    "slice": one("Slice", "s", "e", "a", "t", head=IMAGE + indices("s", [-1]) + indices("e", [-99]) + indices("a", [2]) + indices("t", [-2])),
    "split": one("Split", "s", head=ROW + indices("s", [3, 5]), attributes=M.integer("axis", 1), outputs=("y", "z")),
    "pad": one("Pad", "p", head=IMAGE + indices("p", [0, 0, 1, 2, 0, 0, 3, 0]), attributes=text("mode", "reflect")),
    "gather": one("Gather", "i", head=IMAGE + indices("i", [0, -1]), attributes=M.integer("axis", 1)),
    "concat": one("Concat", "x", attributes=M.integer("axis", 1)),
    "reshape": one("Reshape", "s", head=IMAGE + indices("s", [0, 2, 2, -1])),
    "depth-to-space": one("DepthToSpace", attributes=M.integer("blocksize", 2)),
    "view": M.model(
        IMAGE + indices("zero", [0]) + indices("rest", [-1]) + M.node("Shape", ["x"], ["s"]) + M.node("Gather", ["s", "zero"], ["n"])
        + M.node("Concat", ["n", "rest"], ["t"], M.integer("axis", 0)) + M.node("Mul", ["t", "rest"], ["u"])
        + M.node("Mul", ["u", "rest"], ["v"]) + M.node("Reshape", ["x", "v"], ["y"]) + M.Y),
    "compare": one("Less", "w", head=COUNTS + indices("w", [5])),
    "shift": one("BitShift", "x", head=M.raw(11, M.info("x", [3, 8], 12)), attributes=text("direction", "LEFT"), opset=18),
    "arg-max": one("ArgMax", head=COUNTS, attributes=M.integer("axis", 1) + M.integer("select_last_index", 1)),
    "cumsum": one("CumSum", "a", head=COUNTS + indices("a", [1]), attributes=M.integer("reverse", 1)),
    "take": one("GatherElements", "x", head=COUNTS, attributes=M.integer("axis", 1)),
    "take-tuples": one("GatherND", "x", head=M.raw(11, M.info("x", [2, 1], 7)), attributes=M.integer("batch_dims", 1)),
    "put": one("ScatterElements", "x", "x", head=COUNTS, attributes=M.integer("axis", 1) + text("reduction", "add"), opset=18),
    "top-k": one("TopK", "k", head=COUNTS + indices("k", [3]), outputs=("y", "z")),
    "one-hot": one("OneHot", "d", "v", head=COUNTS + indices("d", [4]) + indices("v", [0, 1])),
    "trilu": one("Trilu", "k", head=COUNTS + indices("k", [-1]), attributes=M.integer("upper", 0), opset=14),
    "tile": one("Tile", "r", head=COUNTS + indices("r", [2, 3])),
    "einsum": one("Einsum", "x", head=HEADS, attributes=text("equation", "...ij,...kj->...ik")),
    "layer-norm": one("LayerNormalization", "s", "s", head=HEADS + M.floats("s", [4]), opset=17),
    "group-norm": one("GroupNormalization", "s", "s", head=IMAGE + M.floats("s", [4]), attributes=M.integer("num_groups", 2), opset=21),
    "loss": one("SoftmaxCrossEntropyLoss", "t", head=M.raw(11, M.info("x", [2, 5])) + indices("t", [4, 1]), attributes=M.integer("ignore_index", 1)),
    "attention": one("Attention", "x", "x", head=HEADS, attributes=M.integer("is_causal", 1), opset=23),
    "rotary": one("RotaryEmbedding", "c", "c", head=HEADS + M.floats("c", [1, 3, 2]), opset=23),
    "col2im": one("Col2Im", "i", "b", head=M.raw(11, M.info("x", [1, 4, 9])) + indices("i", [4, 4]) + indices("b", [2, 2]), opset=18),
    "center": one("CenterCropPad", "z", head=COUNTS + indices("z", [5, 2]), opset=18),
    "lp-pool": one("LpPool", head=IMAGE, attributes=KERNEL),
    "volume-pool": one("AveragePool", head=CUBE, attributes=M.ints("kernel_shape", [2, 3, 1])),
    "einsum-trace": one("Einsum", head=HEADS, attributes=text("equation", "abii")),
    "einsum-two-batches": one("Einsum", "x", head=ROW, attributes=text("equation", "ai,bi->ab")),
    "conv-numbers": one("Conv", "w", head=M.raw(11, M.info("x", [])) + M.floats("w", [])),
    "conv-transpose-row": one("ConvTranspose", "w", head=M.raw(11, M.info("x", [4])) + M.floats("w", [4])),
    "det": one("Det", head=M.raw(11, M.info("x", [2, 3, 3]))),
    "max-pool-bytes": one("MaxPool", head=M.raw(11, M.info("x", ["N", 2, 9], 2)), attributes=M.ints("kernel_shape", [2])),
    "global-pool-volume": one("GlobalMaxPool", head=CUBE),
    "pad-integers": one("Pad", "p", "v", head=COUNTS + indices("p", [0, 1, 2, 0]) + indices("v", [7])),
    "dft-twice": M.model(M.raw(11, M.info("x", [1, 64, 1])) + M.node("DFT", ["x"], ["a"]) + M.node("DFT", ["x"], ["b"])
                         + M.node("Add", ["a", "b"], ["y"]) + M.Y, 17),
    "sequence": M.model(ROW_FIXED + indices("p", [-1]) + M.node("SequenceEmpty", [], ["e"]) + M.node("SequenceInsert", ["e", "x"], ["s"])
                        + M.node("SequenceInsert", ["s", "x", "p"], ["t"]) + M.node("SequenceErase", ["t", "p"], ["u"])
                        + M.node("ConcatFromSequence", ["u"], ["y"], M.integer("axis", 0) + M.integer("new_axis", 1)) + M.Y),
    "sequence-split": M.model(ROW_FIXED + indices("p", [0]) + M.node("SplitToSequence", ["x"], ["s"], M.integer("axis", 1) + M.integer("keepdims", 0))
                              + M.node("SequenceAt", ["s", "p"], ["y"]) + M.Y),
    "grid-sample": one("GridSample", "g", head=IMAGE + M.raw(11, M.info("g", ["N", 3, 3, 2])), opset=20),
    "affine-grid": one("AffineGrid", "z", head=M.raw(11, M.info("x", [1, 2, 3])) + indices("z", [1, 1, 3, 4]), opset=20),
    "dft": one("DFT", "", "a", head=M.raw(11, M.info("x", [1, 8, 1])) + indices("a", [1]), attributes=M.integer("onesided", 1), opset=20),
    "stft": one("STFT", "s", "", "l", head=M.raw(11, M.info("x", [1, 20, 1])) + indices("s", [4]) + indices("l", [8]), opset=17),
    "volume-conv": one("Conv", "w", head=CUBE + M.floats("w", [4, 1, 3, 2, 2]), attributes=M.integer("group", 2) + M.ints("pads", [1, 0, 1, 1, 0, 0])),
    "volume-conv-transpose": one("ConvTranspose", "w", head=CUBE + M.floats("w", [2, 3, 2, 3, 1]), attributes=M.ints("strides", [2, 1, 3]) + M.ints("pads", [1, 0, 0, 0, 1, 0])),
    "volume-norm": one("BatchNormalization", "s", "s", "s", "s", head=CUBE + M.floats("s", [2])),
    "max-pool-places": one("MaxPool", head=FIXED, attributes=KERNEL + M.integer("storage_order", 1) + M.ints("pads", [1, 0, 0, 1]), outputs=("y", "z")),
    "max-unpool": one("MaxUnpool", "i", "z", head=FIXED + M.raw(11, M.info("i", [1, 4, 6, 6], 7)) + indices("z", [1, 4, 13, 12]), attributes=KERNEL),
    "resize-region": one("Resize", "r", "s", head=FIXED + numbers("r", [0, 0, 0.2, -1, 1, 1, 0.7, 3]) + numbers("s", [1, 1, 0.5, 1.7]),
                         attributes=text("mode", "cubic") + text("coordinate_transformation_mode", "tf_crop_and_resize")),
    "resize-antialias": one("Resize", "", "", "z", head=CUBE + indices("z", [1, 2, 3, 5, 2]), attributes=text("mode", "linear") + M.integer("antialias", 1), opset=18),
    "resize-symmetric": one("Resize", "", "s", head=FIXED + numbers("s", [1, 1, 0.6, 1.3]),
                            attributes=text("coordinate_transformation_mode", "half_pixel_symmetric"), opset=19),
    "roi-align": one("RoiAlign", "r", "i", head=FIXED + REGIONS, attributes=M.integer("sampling_ratio", 2) + M.integer("output_height", 3), opset=16),
    "deform-conv": one("DeformConv", "w", "o", head=IMAGE + M.floats("w", [2, 4, 2, 2]) + M.raw(11, M.info("o", ["N", 8, 5, 5])), opset=19),
    "linear-attention": one("LinearAttention", "x", "x", "", "x", "x", head=M.raw(11, M.info("x", [1, 3, 2])),
                            attributes=M.integer("q_num_heads", 2) + M.integer("kv_num_heads", 2), outputs=("y", "z"), opset=27),
    "causal-conv": one("CausalConvWithState", "w", head=SIGNAL + M.floats("w", [4, 1, 3]), attributes=text("activation", "silu"), outputs=("y", "z"), opset=27),
    "optional": one("OptionalHasElement", head=ROW, opset=18),
    "skip-norm": contributed("SkipLayerNormalization", "x", "s", "s", head=ROW + M.floats("s", [8])),
    "fused-conv": contributed("FusedConv", "w", head=IMAGE + M.floats("w", [3, 4, 2, 2]), attributes=text("activation", "Relu")),
    "fused-product": contributed("FusedMatMul", "x", head=HEADS, attributes=M.integer("transB", 1)),
    "contributed-attention": contributed("Attention", "w", "", "m", attributes=M.integer("num_heads", 2) + M.integer("unidirectional", 1),
                                         head=M.raw(11, M.info("x", ["N", 3, 4])) + M.floats("w", [4, 12]) + M.raw(11, M.info("m", ["N", 3], 6))),
    "multi-head": contributed("MultiHeadAttention", "x", "x", "b", attributes=M.integer("num_heads", 2),
                              head=M.raw(11, M.info("x", ["N", 3, 4])) + M.floats("b", [12])),
    "quick-gelu": contributed("QuickGelu", head=ROW),
    "embedding": contributed("EmbedLayerNormalization", "", "t", "t", "", "s", "s", head=M.raw(11, M.info("x", ["N", 3], 6)) + M.floats("t", [5, 4]) + M.floats("s", [4])),
    "rnn": one("RNN", "w", "r", head=SEQUENCE + M.floats("w", [1, 4, 3]) + M.floats("r", [1, 4, 4]), attributes=M.texts("activations", ["Affine"])),
    "gru": one("GRU", "w", "r", "b", "l", "h", head=SEQUENCE + M.floats("w", [2, 12, 3]) + M.floats("r", [2, 12, 4]) + M.floats("b", [2, 24])
               + M.raw(11, M.info("l", [2], 6)) + M.floats("h", [2, 2, 4]), outputs=("y", "z"),
               attributes=text("direction", "bidirectional") + M.integer("linear_before_reset", 1)),
    "lstm": one("LSTM", "w", "r", "", "", "", "c", "p", head=M.raw(11, M.info("x", [2, 5, 3])) + M.floats("w", [1, 16, 3]) + M.floats("r", [1, 16, 4])
                + M.floats("c", [2, 1, 4]) + M.floats("p", [1, 12]), outputs=("", "y", "z"), opset=14,
                attributes=M.integer("layout", 1) + M.integer("input_forget", 1) + text("direction", "reverse")),
    "quantize": M.model(
        IMAGE + numbers("s", [0.1]) + integers("z", [1], [120]) + integers("w", [4, 4, 1, 1], range(16), 3) + integers("wz", [1], [0], 3)
        + M.node("QuantizeLinear", ["x", "s", "z"], ["q"]) + M.node("DequantizeLinear", ["q", "s", "z"], ["d"])
        + M.node("DequantizeLinear", ["w", "s", "wz"], ["k"]) + M.node("Conv", ["d", "k"], ["c"])
        + M.node("QuantizeLinear", ["c", "s", "z"], ["p"]) + M.node("DequantizeLinear", ["p", "s", "z"], ["y"]) + M.Y),
    "quantize-axis": one("QuantizeLinear", "s", "z", head=IMAGE + numbers("s", [0.1, 0.2, 0.3, 0.4]) + integers("z", [4], [1, 2, 3, 4], 3)),
    "dequantize-blocks": one(
        "DequantizeLinear", "s", head=M.raw(11, M.info("x", [5], 2)) + numbers("s", [0.1, 0.2, 0.3]),
        attributes=M.integer("axis", 0) + M.integer("block_size", 2), opset=21),
    "qlinear-conv": one(
        "QLinearConv", "s", "z", "w", "s", "z", "s", "z",
        head=M.raw(11, M.info("x", ["N", 4, 3, 3], 2)) + numbers("s", [0.1]) + integers("z", [1], [9]) + integers("w", [1, 4, 2, 2], range(16))),
    "conv-integer": one(
        "ConvInteger", "w", "z", "z",
        head=M.raw(11, M.info("x", ["N", 4, 3, 3], 2)) + integers("z", [1], [9]) + integers("w", [1, 4, 2, 2], range(16))),
    "dynamic-quantize": one("DynamicQuantizeLinear", head=M.raw(11, M.info("x", [2, 5])), outputs=("y", "s", "z")),
    "non-zero": M.model(
        COUNTS + M.node("NonZero", ["x"], ["p"]) + M.node("Transpose", ["p"], ["q"]) + M.node("Shape", ["q"], ["s"])
        + indices("k", [3, 2]) + M.node("Min", ["s", "k"], ["e"]) + indices("zero", [0, 0]) + M.node("Slice", ["q", "zero", "e"], ["y"]) + M.Y),
    "compress": M.model(
        ROW_FIXED + M.raw(11, M.info("c", [8], 9)) + M.node("Compress", ["x", "c"], ["z"], M.integer("axis", 1)) + M.node("Concat", ["z", "x", "z"], ["u"], M.integer("axis", 1))
        + M.node("ReduceMax", ["u"], ["m"], M.ints("axes", [1])) + indices("k", [2]) + M.node("TopK", ["u", "k"], ["y", "i"]) + M.Y),
    "unique": one("Unique", head=COUNTS, attributes=M.integer("axis", 1) + M.integer("sorted", 0), outputs=("y", "a", "b", "c")),
    "non-max-suppression": M.model(
        M.raw(11, M.info("x", [1, 6, 4])) + M.raw(11, M.info("s", [1, 2, 6])) + indices("k", [3]) + numbers("t", [0.5])
        + M.node("NonMaxSuppression", ["x", "s", "k", "t", "t"], ["p"]) + M.node("GatherND", ["s", "p"], ["y"]) + M.Y),
    "if": M.model(
        ROW + M.TRUE + M.node("If", ["c"], ["y"], M.THEN + M.branch("else_branch", M.node("Add", ["x", "x"], ["b"]) + M.raw(12, M.raw(1, "b")))) + M.Y),
    "loop": M.model(
        M.raw(11, M.info("x", ["N", 4])) + M.COUNT + M.TRUE + M.node("Loop", ["n", "c", "x"], ["y"], M.branch(
            "body", M.STEP + M.node("Add", ["s", "x"], ["t"]) + M.node("Not", ["k"], ["e"]) + M.raw(12, M.raw(1, "e")) + M.raw(12, M.raw(1, "t")))) + M.Y),
    "loop-unrolled": M.model(
        M.raw(11, M.info("x", [2, 4])) + indices("n", [3]) + M.node("Loop", ["n", "", "x"], ["y"], M.branch(
            "body", M.STEP + M.node("Concat", ["s", "x"], ["t"], M.integer("axis", 0)) + M.raw(12, M.raw(1, "k")) + M.raw(12, M.raw(1, "t")))) + M.Y),
    "scan": M.model(
        M.raw(11, M.info("x", [3, 4])) + M.node("Scan", ["x"], ["y"], M.integer("num_scan_inputs", 1) + M.ints("scan_input_directions", [1])
            + M.ints("scan_output_axes", [1]) + M.branch("body", M.raw(11, M.info("a", [4])) + M.node("Exp", ["a"], ["b"]) + M.raw(12, M.raw(1, "b")))) + M.Y),
    "scan-batch": M.model(
        M.raw(11, M.info("x", [2, 3, 4])) + M.node("Scan", ["", "x"], ["y"], M.integer("num_scan_inputs", 1) + M.branch(
            "body", M.raw(11, M.info("a", [4])) + M.node("Exp", ["a"], ["b"]) + M.raw(12, M.raw(1, "b")))) + M.Y, 8),
    "border-half": border(HALF, M.node("Exp", ["x"], ["y"])),
    "border-double": border(DOUBLE, doubles("w", [0.1] * 8), M.node("Add", ["x", "w"], ["s"]), M.node("Less", ["w", "s"], ["y"]), result=9),
    "border-cast": border(BFLOAT, M.node("Cast", ["x"], ["y"], M.integer("to", DOUBLE)), result=DOUBLE),
    "border-bits": border(HALF, M.node("BitCast", ["x"], ["y"], M.integer("to", 5)), result=5),
    "unordered": M.model(ROW + M.node("Exp", ["a"], ["y"]) + M.node("Log", ["x"], ["a"]) + M.Y),
}


def main():
    folder = HERE / "corpus"
    folder.mkdir(exist_ok=True)
    for name, data in SEEDS.items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
