"""Layers of signs: binary activations with binary or ternary weights, on bits, against ONNX Runtime and on every instruction set."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgeai


class Network:
    """ONNX nodes one after the other, channels first."""

    def __init__(self, shape: Sequence[int], seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.shape = list(shape)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.current = "x"
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])
        for name, number in (("zero", 0), ("one", 1), ("minus_one", -1)):
            self.constants.append(numpy_helper.from_array(np.float32(number), name))

    def constant(self, array: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: object) -> None:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.current, *inputs], [name], name=name, **attributes))
        self.current = name

    def binarize(self) -> None:
        self.add("GreaterOrEqual", "zero")
        self.add("Where", "one", "minus_one")

    def signs(self, shape: Sequence[int], *, ternary: bool = False) -> str:
        values = self.random.choice([-1, 0, 1] if ternary else [-1, 1], shape)
        scale = self.random.choice([0.25, 0.5, 1.0], [shape[0]] + [1] * (len(shape) - 1))
        return self.constant(values * scale)

    def normalize(self, channels: int) -> None:
        r = self.random
        parameters = (r.choice([-1, 1], channels) * r.uniform(0.5, 2, channels), r.normal(0, 0.5, channels), r.normal(0, 3, channels), r.uniform(0.5, 9, channels))
        self.add("BatchNormalization", *(self.constant(p) for p in parameters))

    def bytes(self) -> bytes:
        graph = helper.make_graph(
            self.nodes, "binary", [self.input], [helper.make_tensor_value_info(self.current, TensorProto.FLOAT, None)], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def binary_net() -> Network:
    """The multilayer perceptron of Courbariaux et al. 2016, smaller: 784 inputs, three hidden layers, ten classes."""
    net = Network([784], seed=1)
    for inputs, outputs in ((784, 300), (300, 300), (300, 130)):
        net.binarize()
        net.add("MatMul", net.constant(np.sign(net.random.standard_normal((inputs, outputs)))))
        net.normalize(outputs)
    net.binarize()
    net.add("Gemm", net.signs([10, 130], ternary=True), transB=1)
    return net


def binary_conv_net() -> Network:
    net = Network([3, 24, 24], seed=2)
    net.add("Conv", net.constant(net.random.standard_normal((40, 3, 3, 3))), pads=[1, 1, 1, 1])
    for inputs, outputs, ternary in ((40, 64, False), (64, 96, True), (96, 70, False)):
        net.binarize()
        net.add("Conv", net.signs([outputs, inputs, 3, 3], ternary=ternary), pads=[1, 1, 1, 1], strides=[2, 2] if outputs == 96 else [1, 1])
        net.normalize(outputs)
    net.add("GlobalAveragePool")
    net.add("Flatten")
    net.add("Gemm", net.constant(net.random.standard_normal((10, 70))), transB=1)
    return net


NETWORKS = {"perceptron": binary_net, "convolutional": binary_conv_net}


def has_kernels() -> bool:
    with edgeai.Session(edgeai.load(binary_net().bytes()), batch=1) as session:
        return any(step.kernel.startswith("conv_binary") for step in session.plan)


@pytest.mark.parametrize("name", NETWORKS)
def test_predictions_are_those_of_the_float_network(name: str) -> None:
    net = NETWORKS[name]()
    data = net.bytes()
    x = np.random.default_rng(3).standard_normal((64, *net.shape)).astype(np.float32)
    expected = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    found = edgeai.Session(edgeai.load(data))(x)
    # A sum that is 0 but for rounding may have another sign in float: then a bit differs, and with it a little of a result.
    assert np.mean(found.argmax(1) == expected.argmax(1)) >= 0.95
    assert np.abs(found - expected).mean() < 0.05 * np.abs(expected).mean()


def test_sums_are_exact() -> None:
    """Scales that are powers of two and whole biases leave nothing to round: the same bits as ONNX Runtime's."""
    net = Network([70, 9, 11], seed=4)
    net.binarize()
    net.add("Conv", net.signs([50, 70, 3, 3]), net.constant(net.random.integers(-9, 9, 50)), pads=[1, 0, 2, 1])
    net.binarize()
    net.add("Conv", net.signs([33, 50, 3, 2], ternary=True), dilations=[2, 1], pads=[2, 1, 1, 0], strides=[1, 2])
    x = np.random.default_rng(5).standard_normal((3, *net.shape)).astype(np.float32)
    x[0, :20] = 0
    x[1, :20] = -0.0
    x[2, :20] = np.nan
    expected = onnxruntime.InferenceSession(net.bytes(), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    assert np.array_equal(edgeai.Session(edgeai.load(net.bytes()), check_finite=False)(x), expected)


def test_the_plan_counts_bits() -> None:
    if not has_kernels():
        pytest.skip("this CPU has no binary kernels (it has neither AVX2 nor NEON)")
    with edgeai.Session(edgeai.load(binary_conv_net().bytes()), batch=1) as session:
        kernels = [step.kernel for step in session.plan]
        notes = [step.note for step in session.plan if step.kernel.startswith("conv_binary")]
    assert sum(kernel.startswith("conv_binary") for kernel in kernels) == 3
    # One binarization in float memory; the other two are written by the layers before them.
    assert sum(kernel.startswith("binarize") for kernel in kernels) == 1
    assert not any(kernel.startswith("unary") for kernel in kernels)
    assert [note.split(";")[0] for note in notes] == ["binary weights", "ternary weights", "binary weights"]


SCRIPT = """
import sys, numpy as np, edgeai
sys.path.insert(0, sys.argv[1])
from test_binary_layers import NETWORKS
net = NETWORKS[sys.argv[2]]()
x = np.random.default_rng(6).standard_normal((5, *net.shape)).astype(np.float32)
x = np.round(x * 4) / 4
with edgeai.Session(edgeai.load(net.bytes()), threads=int(sys.argv[3])) as session:
    sys.stdout.buffer.write(session(x).tobytes())
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_bits_are_the_same_on_every_instruction_set(threads: int) -> None:
    """Of the perceptron, all of whose layers run on bits."""
    results = {}
    for isa in ("reference", "avx2", "avx512vnni", "avx512bf16", "neon", "neondot"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), "perceptron", str(threads)],
            env={**os.environ, "EDGEAI_ISA": isa}, capture_output=True)
        if done.returncode == 0:
            results[isa] = done.stdout
        else:
            assert b"not available" in done.stderr, done.stderr.decode()
    assert len(results["reference"]) == 5 * 10 * 4
    assert len(set(results.values())) == 1, list(results)


def test_binarize_survives_files(tmp_path: Path) -> None:
    net = binary_conv_net()
    model = edgeai.load(net.bytes())
    x = np.random.default_rng(7).standard_normal((2, *net.shape)).astype(np.float32)
    expected = edgeai.Session(model)(x)
    model.save(tmp_path / "binary.edgeai")
    assert np.array_equal(edgeai.Session(edgeai.load(tmp_path / "binary.edgeai"))(x), expected)
    model.save(tmp_path / "binary.onnx")
    again = edgeai.load(tmp_path / "binary.onnx")
    assert sum(op.type == "Binarize" for op in again.ops) == 3
    assert np.array_equal(edgeai.Session(again)(x), expected)


def test_quantization_leaves_bits_alone() -> None:
    net = binary_conv_net()
    model = edgeai.load(net.bytes())
    data = np.random.default_rng(8).standard_normal((8, *net.shape)).astype(np.float32)
    quantized = edgeai.quantize(model, data).model
    with edgeai.Session(quantized, batch=1) as session:
        kernels = [step.kernel for step in session.plan]
    assert any(kernel.startswith("conv_u8") for kernel in kernels)
    assert not has_kernels() or sum(kernel.startswith("conv_binary") for kernel in kernels) == 3
