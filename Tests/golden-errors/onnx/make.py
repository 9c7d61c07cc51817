#!/usr/bin/env python3
"""Writes the broken ONNX files beside this script and expected.txt, the errors they must give.

Standard library only. Each line of expected.txt: file, status code, node, tensor, part of the message;
separated by tabs. Status 0 means that the file is read but lists that operator as unsupported.
"""
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def num(field, value):
    return varint(field << 3) + varint(value)


def raw(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def info(name, dims, kind=1):
    shape = b"".join(raw(1, num(1, d) if isinstance(d, int) else raw(2, d)) for d in dims)
    return raw(1, name) + raw(2, raw(1, num(1, kind) + raw(2, shape)))


def node(kind, inputs, outputs, attributes=b"", domain=""):
    body = b"".join(raw(1, i) for i in inputs) + b"".join(raw(2, o) for o in outputs)
    body += raw(3, kind.lower()) + raw(4, kind) + attributes
    return raw(1, body + (raw(7, domain) if domain else b""))


def ints(name, values):
    return raw(5, raw(1, name) + num(20, 7) + raw(8, b"".join(varint(v) for v in values)))


def integer(name, value):
    return raw(5, raw(1, name) + num(20, 2) + num(3, value))


def texts(name, values):
    return raw(5, raw(1, name) + num(20, 8) + b"".join(raw(9, v) for v in values))


def floats(name, dims, count=None, kind=1):
    total = 1
    for dim in dims:
        total *= dim
    total = total if count is None else count
    data = struct.pack(f"<{total}f", *range(total))
    return raw(5, raw(1, b"".join(varint(d) for d in dims)) + num(2, kind) + raw(8, name) + raw(9, data))


def model(graph, opset=13):
    return num(1, 8) + raw(8, num(2, opset)) + raw(7, graph)


X = raw(11, info("x", ["N", 3, 8, 8]))
V = raw(11, info("x", ["N", 4]))
Y = raw(12, raw(1, "y"))
SEQUENCE = raw(11, info("x", [5, 2, 3]))
LSTM = node("LSTM", ["x", "w", "r"], ["y"])
RELU = node("Relu", ["x"], ["y"])
GOOD = model(V + RELU + Y)

CASES = {
    "empty": (b"", 201, "", "", "empty"),
    "not-a-model": (b"\x7fELF\x02\x01\x01", 200, "", "", "wire type"),
    "truncated": (GOOD[:-4], 201, "", "", "the file ends"),
    "inner-length": (num(1, 8) + raw(7, b"\x0a\x7f\0\0") + num(5, 1), 200, "", "", "reaches beyond"),
    "endless-number": (b"\x08" + b"\xff" * 11, 200, "", "", "more than 64 bits"),
    "no-graph": (num(1, 8) + raw(8, num(2, 13)), 200, "", "", "no graph"),
    "old-opset": (model(V + RELU + Y, 4), 401, "", "", "too old"),
    "new-opset": (model(V + RELU + Y, 99), 203, "", "", "too new"),
    "no-outputs": (model(V + RELU), 204, "", "", "no outputs"),
    "missing-tensor": (model(V + node("Add", ["x", "gone"], ["y"]) + Y), 204, "add", "gone", "defined nowhere"),
    "duplicate-tensor": (model(V + RELU + node("Abs", ["x"], ["y"]) + Y), 204, "abs", "y", "defined twice"),
    "cycle": (model(V + node("Add", ["x", "y"], ["z"]) + node("Neg", ["z"], ["y"]) + Y), 204, "add", "", "cycle"),
    "zero-dimension": (model(raw(11, info("x", ["N", 3, 0, 4])) + node("GlobalMaxPool", ["x"], ["y"]) + Y), 0, "globalmaxpool", "", "without elements"),
    "negative-dimension": (model(raw(11, info("x", ["N", -5])) + RELU + Y), 101, "", "x", "dimension -5"),
    "huge-dimension": (model(raw(11, info("x", [1 << 30, 1 << 30])) + RELU + Y), 301, "", "x", "more than"),
    "open-dimension": (model(raw(11, info("x", ["N", 3, "height", 8])) + RELU + Y), 105, "", "x", "'height' at axis 2"),
    "text-input": (model(raw(11, info("x", [1], 8)) + RELU + Y), 401, "", "x", "text"),
    "short-weights": (model(X + floats("w", [2, 3, 3, 3], 7) + node("Conv", ["x", "w"], ["y"]) + Y), 200, "conv", "w", "28 bytes"),
    "huge-weights": (model(V + floats("w", [1 << 40, 1 << 40], 1) + node("Add", ["x", "w"], ["y"]) + Y), 301, "", "w", "overflows"),
    "hidden-overflow": (model(V + raw(5, b"".join(num(1, d) for d in (0, 1 << 40, 1 << 40)) + num(2, 7) + raw(8, "w"))
                              + node("Add", ["w", "w"], ["y"]) + Y), 301, "", "w", "overflows"),
    "wrong-channels": (model(X + floats("w", [2, 5, 3, 3]) + node("Conv", ["x", "w"], ["y"]) + Y), 101, "conv", "w", "do not fit"),
    "different-extents": (model(
        raw(11, info("x", [4])) + node("NonZero", ["x"], ["a"]) + node("Abs", ["x"], ["b"]) + node("NonZero", ["b"], ["c"])
        + node("Add", ["a", "c"], ["y"]) + Y), 0, "add", "", "depends on data"),
    "conv-of-numbers": (model(raw(11, info("x", [])) + floats("w", []) + node("Conv", ["x", "w"], ["y"]) + Y), 101, "conv", "w", "do not fit"),
    "conv-of-rows": (model(V + floats("w", [4, 4]) + node("ConvTranspose", ["x", "w"], ["y"]) + Y), 101, "convtranspose", "w", "do not fit"),
    "many-tables": (
        model(raw(11, info("x", [1, 4096, 1])) + b"".join(raw(1, raw(1, "x") + raw(2, f"y{k}") + raw(3, f"dft{k}") + raw(4, "DFT")) for k in range(6))
              + b"".join(raw(12, raw(1, f"y{k}")) for k in range(6)), 17), 301, "dft2", "", "the tables of this node"),
    "sequence-output": (model(V + node("SequenceConstruct", ["x"], ["y"]) + Y), 401, "", "y", "'y' is a sequence"),
    "sequence-of-sequences": (
        model(V + node("SequenceConstruct", ["x"], ["s"]) + node("SequenceInsert", ["s", "s"], ["t"])
              + node("ConcatFromSequence", ["t"], ["y"], integer("axis", 0)) + Y), 0, "sequenceinsert", "", "'s' is a sequence"),
    "sequence-empty": (
        model(V + node("SequenceEmpty", [], ["s"]) + node("ConcatFromSequence", ["s"], ["y"], integer("axis", 0)) + Y),
        204, "concatfromsequence", "", "the sequence is empty"),
    "sequence-position": (
        model(V + node("SequenceEmpty", [], ["s"]) + node("SequenceErase", ["s"], ["t"]) + node("SequenceLength", ["t"], ["y"]) + Y),
        204, "sequenceerase", "", "position -1"),
    "no-sequence": (model(V + node("SequenceLength", ["x"], ["y"]) + Y), 204, "sequencelength", "x", "not a sequence"),
    "wrong-dtype": (model(V + floats("w", [4], 4, 99) + node("Add", ["x", "w"], ["y"]) + Y), 0, "add", "", "element type 99"),
    "zero-stride": (model(X + node("MaxPool", ["x"], ["y"], ints("kernel_shape", [2, 2]) + ints("strides", [0, 1])) + Y), 204, "maxpool", "", "value 0"),
    "attribute-unknown": (model(V + node("Softmax", ["x"], ["y"], integer("axes", 1)) + Y), 204, "softmax", "", "no attribute 'axes'"),
    "attribute-type": (model(V + node("Flatten", ["x"], ["y"], ints("axis", [1])) + Y), 200, "flatten", "", "has type 7, not 2"),
    "wrong-axis": (model(V + node("Softmax", ["x"], ["y"], integer("axis", 9)) + Y), 204, "softmax", "", "axis 9"),
    "open-volume": (model(raw(11, info("x", ["N", 2, 4, 4, 4])) + floats("w", [1, 2, 3, 3, 3]) + node("Conv", ["x", "w"], ["y"]) + Y), 105, "conv", "", "open batch"),
    "deep-kernel": (model(raw(11, info("x", [1, 2, 2, 4, 4])) + floats("w", [1, 2, 3, 3, 3]) + node("Conv", ["x", "w"], ["y"]) + Y), 101, "conv", "w", "deeper"),
    "adaptive-samples": (model(raw(11, info("x", [1, 3, 8, 8])) + raw(11, info("r", [2, 4])) + raw(11, info("i", [2], 7))
                               + node("RoiAlign", ["x", "r", "i"], ["y"]) + Y, 16), 0, "roialign", "", "sampling_ratio"),
    "zero-scale": (model(raw(11, info("x", [1, 1, 4, 4])) + floats("s", [4]) + node("Resize", ["x", "", "s"], ["y"]) + Y), 204, "resize", "", "scale 0"),
    "lstm-weights": (model(SEQUENCE + floats("w", [1, 8, 3]) + floats("r", [1, 7, 2]) + LSTM + Y), 101, "lstm", "r", "[1, 8, 2] is required"),
    "lstm-inputs": (model(SEQUENCE + floats("w", [1, 8, 4]) + floats("r", [1, 8, 2]) + LSTM + Y), 101, "lstm", "w", "[1, 8, 3] is required"),
    "gru-activation": (model(SEQUENCE + floats("w", [1, 6, 3]) + floats("r", [1, 6, 2]) + node(
        "GRU", ["x", "w", "r"], ["y"], texts("activations", ["Tanh", "Frob"])) + Y), 0, "gru", "", "activation 'Frob'"),
    "gru-activations": (model(SEQUENCE + floats("w", [1, 6, 3]) + floats("r", [1, 6, 2]) + node(
        "GRU", ["x", "w", "r"], ["y"], texts("activations", ["Tanh"])) + Y), 204, "gru", "", "1 activations, not 2"),
    "unknown-operator": (model(V + node("Frobnicate", ["x"], ["y"]) + Y), 0, "frobnicate", "", "not supported"),
    "other-domain": (model(V + node("Relu", ["x"], ["y"], domain="com.example") + Y), 0, "relu", "", "not supported"),
    "lost-bits": (model(raw(11, info("x", ["N", 4], 10)) + node("Exp", ["x"], ["e"]) + node("BitCast", ["e"], ["y"], integer("to", 5)) + Y, 26),
                  0, "bitcast", "", "bits of computed floats"),
    "escaping-path": (
        model(V + raw(5, raw(1, varint(4)) + num(2, 1) + raw(8, "w") + raw(13, raw(1, "location") + raw(2, "../secret")) + num(14, 1))
              + node("Add", ["x", "w"], ["y"]) + Y), 200, "add", "w", "below the model's folder"),
}

TRUE = raw(11, info("c", [], 9))


def branch(name, graph):
    return raw(5, raw(1, name) + num(20, 5) + raw(6, graph))


def deep(levels):
    """Branches inside one another."""
    inner = node("Relu", ["x"], ["y"]) + Y
    for _ in range(levels):
        inner = node("If", ["c"], ["y"], branch("then_branch", inner) + branch("else_branch", b"")) + Y
    return inner


THEN = branch("then_branch", node("Relu", ["x"], ["a"]) + raw(12, raw(1, "a")))
COUNT = raw(11, info("n", [], 7))
STEP = raw(11, info("i", [], 7)) + raw(11, info("k", [], 9)) + raw(11, info("s", ["N", 4]))
CASES |= {
    "branch-missing": (model(V + TRUE + node("If", ["c"], ["y"], THEN) + Y), 204, "if", "", "'else_branch' is missing"),
    "branch-type": (model(V + TRUE + node("If", ["c"], ["y"], THEN + integer("else_branch", 1)) + Y), 200, "if", "", "has type 2, not 5"),
    "branch-results": (
        model(V + TRUE + node("If", ["c"], ["y"], THEN + branch("else_branch", RELU)) + Y), 204, "if", "", "0 inputs and 0 results"),
    "branch-name-outside": (
        model(V + TRUE + node("If", ["c"], ["z"], THEN + branch("else_branch", RELU + Y)) + node("Add", ["z", "a"], ["y"]) + Y),
        204, "add", "a", "defined nowhere"),
    "branch-name-missing": (
        model(V + TRUE + node("If", ["c"], ["y"], THEN + branch("else_branch", node("Relu", ["gone"], ["b"]) + raw(12, raw(1, "b")))) + Y),
        204, "relu", "gone", "defined nowhere"),
    "branch-other-type": (
        model(V + TRUE + node("If", ["c"], ["y"], THEN + branch(
            "else_branch", node("Cast", ["x"], ["b"], integer("to", 7)) + raw(12, raw(1, "b")))) + Y), 0, "if", "", "the branches give"),
    "branch-condition": (model(V + node("If", ["x"], ["y"], THEN + branch("else_branch", RELU + Y)) + Y), 101, "if", "x", "not one bool"),
    "branch-unknown-inside": (
        model(V + TRUE + node("If", ["c"], ["y"], THEN + branch("else_branch", node("Frobnicate", ["x"], ["b"]) + raw(12, raw(1, "b")))) + Y),
        0, "frobnicate", "", "not supported"),
    "branches-deep": (model(V + TRUE + deep(17)), 301, "", "", "more than 16 deep"),
    "loop-inputs": (
        model(V + COUNT + TRUE + node("Loop", ["n", "c"], ["y"], branch("body", STEP + RELU + Y)) + Y), 204, "loop", "", "a body of 3 inputs"),
    "loop-state-type": (
        model(V + COUNT + TRUE + node("Loop", ["n", "c", "x"], ["y"], branch(
            "body", STEP + node("Cast", ["s"], ["t"], integer("to", 7)) + raw(12, raw(1, "k")) + raw(12, raw(1, "t")))) + Y),
        0, "loop", "", "in one iteration"),
    "scan-lengths": (
        model(raw(11, info("x", [3, 4])) + raw(11, info("z", [2, 4])) + node("Scan", ["x", "z"], ["y"], integer("num_scan_inputs", 2) + branch(
            "body", raw(11, info("a", [4])) + raw(11, info("b", [4])) + node("Add", ["a", "b"], ["d"]) + raw(12, raw(1, "d")))) + Y),
        204, "scan", "", "3 and 2 slices"),
}


def main():
    lines = []
    for name, (data, status, where, tensor, message) in sorted(CASES.items()):
        (HERE / f"{name}.onnx").write_bytes(data)
        lines.append("\t".join([f"{name}.onnx", str(status), where, tensor, message]))
    (HERE / "expected.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
