"""Layers of signs against float ones, on one thread: 3x3 convolutions, padded by 1, and dense layers.

    .venv/bin/python Benchmarks/compression/binary.py

A binary layer packs the signs of floats and gives floats. The float layer is the same convolution of this library with weights
that are no signs, by the kernel that its plan takes (Winograd's for 3x3 where that pays). "Plain" is the float layer with its
windows spread by dilation: the same number of products of as many inputs, for which there is no Winograd's form. All take turns;
the least processor time of each counts.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import edgeai

FOLDER = pathlib.Path(__file__).parent
#: Names of instruction sets in cases, and in sessions.
SETS = {"avx512": "avx512bf16", "avx2": "avx2", "neon": "neon"}
#: Side of the image, inputs, outputs. The first two are what the cases without a size are of.
CONVOLUTIONS = [(14, 256, 256), (56, 256, 256), (28, 128, 128), (56, 64, 64), (7, 512, 512), (28, 32, 32), (56, 16, 16)]
#: Inputs, outputs, for one row.
DENSE = [(1024, 1024), (4096, 4096)]
ROUNDS = 25


def model(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], shape: list[int]) -> edgeai.Model:
    graph = helper.make_graph(
        nodes, "layer", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants.items()])
    made: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return edgeai.load(made.SerializeToString())


def layer(inputs: int, outputs: int, side: int, *, binary: bool, dilation: int = 1, kernel: int = 3) -> edgeai.Model:
    """A convolution of an image whose channels are last, so that no step moves it; side 0 is a dense layer."""
    random = np.random.default_rng(1)
    shape = [outputs, inputs, kernel, kernel] if side else [outputs, inputs]
    weights = random.choice([-1.0, 1.0], shape) if binary else random.standard_normal(shape)
    constants: dict[str, Any] = {"w": weights}
    nodes, current = [], "x"
    if side:
        nodes.append(helper.make_node("Transpose", ["x"], ["image"], perm=[0, 3, 1, 2]))
        current = "image"
    if binary:
        constants.update(zero=0, one=1, minus_one=-1)
        nodes.append(helper.make_node("GreaterOrEqual", [current, "zero"], ["is_positive"]))
        nodes.append(helper.make_node("Where", ["is_positive", "one", "minus_one"], ["signs"]))
        current = "signs"
    if side:
        nodes.append(helper.make_node("Conv", [current, "w"], ["c"], pads=[kernel // 2 * dilation] * 4, dilations=[dilation] * 2))
        nodes.append(helper.make_node("Transpose", ["c"], ["y"], perm=[0, 2, 3, 1]))
    else:
        nodes.append(helper.make_node("Gemm", [current, "w"], ["y"], transB=1))
    return model(nodes, constants, [1, side, side, inputs] if side else [1, inputs])


class Contender:
    """A way to compute a layer, and the least time it took its thread, in microseconds."""

    def __init__(self, run: Callable[[], object]) -> None:
        self.run = run
        self.least = float("inf")

    def turn(self) -> None:
        """Runs for 20 ms or once. A clock of the thread does not run while others have its core."""
        end = time.thread_time() + 0.02
        start = time.thread_time()
        while start < end:
            self.run()
            stop = time.thread_time()
            self.least = min(self.least, (stop - start) * 1e6)
            start = stop


def ours(inputs: int, outputs: int, side: int, isa: str, *, binary: bool, dilation: int = 1) -> Contender:
    session = edgeai.Session(layer(inputs, outputs, side, binary=binary, dilation=dilation), batch=1, threads=1, isa=isa)
    kernels = [step.kernel for step in session.plan]
    wanted = ["binarize", "conv_binary"] if binary else ["conv"]
    assert len(kernels) == len(wanted) and all(k.startswith(w) for k, w in zip(kernels, wanted)), kernels
    x = session.bind()[0][0]
    x[...] = np.random.default_rng(2).standard_normal(x.shape)
    return Contender(session.run_bound)


def litert(side: int, inputs: int, outputs: int) -> Contender | None:
    """The float convolution in LiteRT, which has XNNPACK compute it; None where it is not installed."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        return None
    import tflite_writer

    random = np.random.default_rng(1)
    net = tflite_writer.Network()
    x = net.tensor("x", [1, side, side, inputs])
    w = net.tensor("w", [outputs, 3, 3, inputs], data=random.standard_normal((outputs, 3, 3, inputs)).astype(np.float32).tobytes())
    b = net.tensor("b", [outputs], data=np.zeros(outputs, np.float32).tobytes())
    y = net.tensor("y", [1, side, side, outputs])
    net.operator("CONV_2D", [x, w, b], [y], "Conv2D", padding=0, stride_w=1, stride_h=1, dilation_w=1, dilation_h=1)
    interpreter = Interpreter(model_content=net.file([x], [y]), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], random.standard_normal((1, side, side, inputs)).astype(np.float32))

    return Contender(interpreter.invoke)


class Scalar:
    """`scalar_convolution.c`, compiled by the system's C compiler with -O2."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            library = pathlib.Path(folder) / "scalar.so"
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, FOLDER / "scalar_convolution.c"], check=True)
            self.convolve = ctypes.CDLL(str(library)).convolve

    def contender(self, side: int, inputs: int, outputs: int) -> Contender:
        random = np.random.default_rng(1)
        x = random.standard_normal((side, side, inputs)).astype(np.float32)
        weights = random.standard_normal((outputs, 3, 3, inputs)).astype(np.float32)
        y = np.empty((side, side, outputs), np.float32)
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (x, weights, y)]

        return Contender(lambda: self.convolve(*pointers, side, inputs, outputs))


def row(case: str, value: float, how: str) -> dict[str, object]:
    return {"case": case, "value": value, "unit": "x", "how": how}


def cases(data: pathlib.Path | None) -> Iterator[dict[str, object]]:
    """`data` is not needed: the weights are random, on which the time of these kernels does not depend."""
    available = {}
    for label, isa in SETS.items():
        try:
            edgeai.Session(layer(8, 8, 4, binary=True), isa=isa).close()
            available[label] = isa
        except edgeai.EdgeAIError:
            print(f"no binary_vs_fp32_{label}: this processor has not the instruction set {isa}")
    scalar = Scalar()
    least: dict[str, list[float]] = {}
    for side, inputs, outputs in CONVOLUTIONS:
        size = f"{side}x{side}x{inputs}->{outputs}"
        contenders: dict[str, Contender] = {}
        for label, isa in available.items():
            for name in ("binary", "fp32"):
                contenders[f"{name}_{label}"] = ours(inputs, outputs, side, isa, binary=name == "binary")
            contenders[f"plain_{label}"] = ours(inputs, outputs, side, isa, binary=False, dilation=2)
        is_main = (side, inputs, outputs) in CONVOLUTIONS[:2]
        if is_main:
            peer = litert(side, inputs, outputs)
            if peer:
                contenders["litert"] = peer
            contenders["scalar"] = scalar.contender(side, inputs, outputs)
        for turn in range(ROUNDS):
            for name, contender in contenders.items():
                if name != "scalar" or turn < 2:
                    contender.turn()
        best = next(iter(available))
        for label in available:
            binary = contenders[f"binary_{label}"].least
            for name, form in (("fp32", "by the plan's kernel"), ("plain", "dilated, by the plain kernel")):
                fp32 = contenders[f"{name}_{label}"].least
                case, ratio = f"binary_vs_{name}_{label}", fp32 / binary
                yield row(f"{case}_{size}", ratio, f"3x3 convolution, float32 {fp32:.0f} us {form}, binary {binary:.0f} us with packing")
                if is_main:
                    least.setdefault(case, []).append(ratio)
        for name in ("litert", "scalar"):
            if name in contenders:
                ratio = contenders[name].least / contenders[f"binary_{best}"].least
                yield row(f"binary_vs_{name}_{size}", ratio, f"float32 {contenders[name].least:.0f} us, binary {contenders[f'binary_{best}'].least:.0f} us")
                least.setdefault(f"binary_vs_{name}", []).append(ratio)
    against = {
        "fp32": "this library's float32 with the same instruction set, Winograd's form",
        "plain": "this library's float32 with the same instruction set, as many products as the binary layer",
        "litert": "LiteRT's float32 (XNNPACK)",
        "scalar": "a plain scalar float convolution, cc -O2",
    }
    for case, ratios in least.items():
        other = against[case.split("_")[2]]
        yield row(case, min(ratios), f"3x3 convolution 256 -> 256, the lesser ratio of 14x14 and 56x56, packing included, against {other}")
    for inputs, outputs in DENSE:
        for label, isa in available.items():
            pair = [ours(inputs, outputs, 0, isa, binary=binary) for binary in (True, False)]
            for _ in range(ROUNDS):
                for contender in pair:
                    contender.turn()
            yield row(
                f"binary_vs_fp32_{label}_dense_{inputs}->{outputs}", pair[1].least / pair[0].least,
                f"dense layer of one row, float32 {pair[1].least:.1f} us, binary {pair[0].least:.1f} us with packing")


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parent.parent / "Tests" / "python"))
    folder = os.environ.get("EDGEAI_TEST_DATA")
    for measured in cases(pathlib.Path(folder) if folder else None):
        print(f"{measured['case']:44} {measured['value']:8.2f} {measured['unit']}  {measured['how']}", flush=True)
