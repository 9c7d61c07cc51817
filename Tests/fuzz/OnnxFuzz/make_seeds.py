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


IMAGE = M.raw(11, M.info("x", ["N", 4, 6, 6]))
SIGNAL = M.raw(11, M.info("x", ["N", 4, 9]))
ROW = M.raw(11, M.info("x", ["N", 8]))
W = M.floats("w", [4, 2, 3, 3])
KERNEL = M.ints("kernel_shape", [2, 2]) + M.ints("strides", [2, 2])


def one(kind, *inputs, attributes=b"", head=IMAGE, outputs=("y",), opset=13):
    tail = b"".join(M.raw(12, M.raw(1, o)) for o in outputs)
    return M.model(head + M.node(kind, ["x", *inputs], outputs, attributes) + tail, opset)


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
    "unordered": M.model(ROW + M.node("Exp", ["a"], ["y"]) + M.node("Log", ["x"], ["a"]) + M.Y),
}


def main():
    folder = HERE / "corpus"
    folder.mkdir(exist_ok=True)
    for name, data in SEEDS.items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
