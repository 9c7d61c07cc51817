"""A small transformer encoder as exporters write it: one step for each normalization, no copies around attention."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import onnx
import pytest
import qdq
from conftest import relative_error
from onnx import TensorProto, helper, numpy_helper

import edgeai

LENGTH, WIDTH, HEADS, HIDDEN = 9, 24, 3, 40


class Encoder:
    """Layers of BERT's encoder, normalized after each half."""

    def __init__(self, opset: int, layers: int = 2) -> None:
        self.random = np.random.default_rng(3)
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        x = "x"
        for _ in range(layers):
            x = self.layer(x)
        self.nodes[-1].output[0] = "y"
        borders = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", LENGTH, WIDTH]) for n in ("x", "y")]
        graph = helper.make_graph(self.nodes, "encoder", borders[:1], borders[1:], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        self.content: bytes = model.SerializeToString()

    def constant(self, value: object) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def add(self, op: str, *inputs: str, **attributes: object) -> str:
        name = f"{op}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def dense(self, x: str, inputs: int, outputs: int) -> str:
        weights = self.random.normal(0, math.sqrt(1 / inputs), (inputs, outputs)).astype(np.float32)
        bias = self.random.normal(0, 0.1, outputs).astype(np.float32)
        return self.add("Add", self.add("MatMul", x, self.constant(weights)), self.constant(bias))

    def split(self, x: str, order: list[int]) -> str:
        shape = self.constant(np.array([-1, LENGTH, HEADS, WIDTH // HEADS]))
        return self.add("Transpose", self.add("Reshape", x, shape), perm=order)

    def normalized(self, x: str) -> str:
        scale = self.constant(self.random.uniform(0.5, 1.5, WIDTH).astype(np.float32))
        bias = self.constant(self.random.normal(0, 0.25, WIDTH).astype(np.float32))
        if self.opset >= 17:
            return self.add("LayerNormalization", x, scale, bias, epsilon=1e-5)
        centred = self.add("Sub", x, self.add("ReduceMean", x, axes=[-1]))
        variance = self.add("ReduceMean", self.add("Pow", centred, self.constant(np.float32(2))), axes=[-1])
        deviation = self.add("Sqrt", self.add("Add", variance, self.constant(np.float32(1e-5))))
        return self.add("Add", self.add("Mul", self.add("Div", centred, deviation), scale), bias)

    def layer(self, x: str) -> str:
        query = self.split(self.dense(x, WIDTH, WIDTH), [0, 2, 1, 3])
        key = self.split(self.dense(x, WIDTH, WIDTH), [0, 2, 3, 1])
        value = self.split(self.dense(x, WIDTH, WIDTH), [0, 2, 1, 3])
        scores = self.add("Div", self.add("MatMul", query, key), self.constant(np.float32(math.sqrt(WIDTH / HEADS))))
        seen = self.add("Transpose", self.add("MatMul", self.add("Softmax", scores, axis=-1), value), perm=[0, 2, 1, 3])
        joined = self.add("Reshape", seen, self.constant(np.array([-1, LENGTH, WIDTH])))
        x = self.normalized(self.add("Add", x, self.dense(joined, WIDTH, WIDTH)))
        grown = self.dense(x, WIDTH, HIDDEN)
        gate = self.add("Add", self.add("Erf", self.add("Div", grown, self.constant(np.float32(math.sqrt(2))))), self.constant(np.float32(1)))
        gelu = self.add("Mul", self.add("Mul", grown, gate), self.constant(np.float32(0.5)))
        return self.normalized(self.add("Add", x, self.dense(gelu, HIDDEN, WIDTH)))


def samples(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, LENGTH, WIDTH), dtype=np.float32)


def steps(session: edgeai.Session) -> Counter[str]:
    return Counter(step.op for step in session.plan)


@pytest.mark.parametrize("opset", [13, 17])
def test_float(opset: int) -> None:
    content = Encoder(opset).content
    x = samples(3, 1)
    (expected,) = qdq.peer(content, x)
    model = edgeai.load(content)
    for isa in edgeai.instruction_sets():
        with edgeai.Session(model, isa=isa) as session:
            assert relative_error(session(x), expected) < 1e-5
            assert steps(session) == {"Dense": 12, "MatMul": 4, "Softmax": 2, "Gelu": 2, "LayerNormalization": 4}
    # Results do not depend on how the batch is split over threads.
    assert np.array_equal(edgeai.Session(model, threads=3)(x), edgeai.Session(model)(x))
    assert relative_error(qdq.peer(model.to_onnx(), x)[0], expected) < 1e-5


def test_integers() -> None:
    content = Encoder(13).content
    x = samples(8, 2)
    (expected,) = qdq.peer(content, x)
    result = edgeai.quantize(edgeai.load(content), samples(32, 3))
    with edgeai.Session(result.model) as session:
        found = session(x)
        # Everything between the borders is in integers.
        assert steps(session) == {
            "Quantize": 1, "Dense": 12, "MatMul": 4, "Softmax": 2, "Gelu": 2, "LayerNormalization": 4, "Dequantize": 1,
        }  # fmt: skip
    assert 10 * np.log10((expected**2).sum() / ((found - expected) ** 2).sum()) > 25
    for isa in edgeai.instruction_sets():
        for threads in (1, 3):
            assert np.array_equal(edgeai.Session(result.model, isa=isa, threads=threads)(x), found)
    # Written as a quantized ONNX file and read again it is the same network.
    again = result.model.to_onnx()
    assert np.array_equal(edgeai.Session(edgeai.load(again))(x), found)
    assert 10 * np.log10((expected**2).sum() / ((qdq.peer(again, x)[0] - expected) ** 2).sum()) > 25
