"""Sequences of tensors whose length and positions are known when the file is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from conftest import small_model
from onnx import TensorProto, helper
from test_onnx_compositions import f32, i64

import edgeai

INPUTS: dict[str, tuple[object, ...]] = {"a": (2, 3), "b": (2, 3), "c": (2, 3)}
CONSTANTS = {"zero": np.array(0), "one": np.array(1), "last": np.array(-1), "first": np.array(-3), "parts": i64(1, 2)}
node = helper.make_node
LIST = node("SequenceConstruct", ["a", "b", "c"], ["s"])

NETWORKS: dict[str, list[Any]] = {
    "at": [LIST, node("SequenceAt", ["s", "one"], ["y"])],
    "at-end": [LIST, node("SequenceAt", ["s", "last"], ["y"])],
    "insert": [LIST, node("SequenceInsert", ["s", "a", "one"], ["t"]), node("ConcatFromSequence", ["t"], ["y"], axis=0)],
    "insert-end": [LIST, node("SequenceInsert", ["s", "a"], ["t"]), node("ConcatFromSequence", ["t"], ["y"], axis=-1)],
    "insert-before-last": [LIST, node("SequenceInsert", ["s", "a", "last"], ["t"]), node("ConcatFromSequence", ["t"], ["y"], axis=0)],
    "insert-first": [LIST, node("SequenceInsert", ["s", "b", "first"], ["t"]), node("ConcatFromSequence", ["t"], ["y"], axis=0)],
    "erase": [LIST, node("SequenceErase", ["s", "zero"], ["t"]), node("ConcatFromSequence", ["t"], ["y"], axis=1, new_axis=1)],
    "erase-end": [LIST, node("SequenceErase", ["s"], ["t"]), node("ConcatFromSequence", ["t"], ["y"], axis=-1, new_axis=1)],
    "length": [LIST, node("SequenceLength", ["s"], ["n"]), node("Cast", ["n"], ["f"], to=1), node("Mul", ["a", "f"], ["y"])],
    "empty": [node("SequenceEmpty", [], ["s"]), node("SequenceInsert", ["s", "a"], ["t"]), node("SequenceAt", ["t", "zero"], ["y"])],
    "split": [node("SplitToSequence", ["a"], ["s"], axis=1), node("ConcatFromSequence", ["s"], ["y"], axis=0)],
    "split-off": [node("SplitToSequence", ["a"], ["s"], axis=1, keepdims=0), node("SequenceAt", ["s", "one"], ["y"])],
    "split-sizes": [node("SplitToSequence", ["a", "parts"], ["s"], axis=1), node("SequenceAt", ["s", "last"], ["y"])],
    "split-size": [node("SplitToSequence", ["a", "one"], ["s"], axis=0), node("SequenceAt", ["s", "last"], ["y"])],
    "computed": [
        node("Relu", ["a"], ["r"]), node("Sin", ["b"], ["q"]), node("SequenceConstruct", ["r", "q"], ["s"]), node("Identity", ["s"], ["t"]),
        node("ConcatFromSequence", ["t"], ["u"], axis=1), node("Abs", ["u"], ["y"]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("nodes", NETWORKS.values(), ids=NETWORKS)
def test_sequences(nodes: list[Any]) -> None:
    content = small_model(nodes, INPUTS, ["y"], CONSTANTS)
    feeds = {name: f32(2, 3, seed=i) for i, name in enumerate(INPUTS)}
    expected = onnxruntime.InferenceSession(content).run(None, feeds)[0]
    session = edgeai.Session(edgeai.load(content))
    found = session.run([feeds[name] for name in feeds])[0]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_sequence_of_an_open_batch() -> None:
    content = small_model([LIST, node("ConcatFromSequence", ["s"], ["y"], axis=1)], dict.fromkeys("abc", ("n", 3)), ["y"])
    session, peer = edgeai.Session(edgeai.load(content)), onnxruntime.InferenceSession(content)
    feeds = {name: f32(3, 3, seed=i) for i, name in enumerate("abc")}
    np.testing.assert_array_equal(session.run(feeds)[0], peer.run(None, feeds)[0])


def test_a_sequence_in_a_branch_that_is_known() -> None:
    branch = helper.make_graph(
        [node("SequenceErase", ["s", "zero"], ["t"]), node("ConcatFromSequence", ["t"], ["u"], axis=0)], "then", [],
        [helper.make_tensor_value_info("u", TensorProto.FLOAT, None)],
    )  # fmt: skip
    other = helper.make_graph([node("Relu", ["a"], ["v"])], "else", [], [helper.make_tensor_value_info("v", TensorProto.FLOAT, None)])
    nodes = [LIST, node("If", ["yes"], ["y"], then_branch=branch, else_branch=other)]
    content = small_model(nodes, INPUTS, ["y"], {**CONSTANTS, "yes": np.array(True)})
    feeds = {name: f32(2, 3, seed=i) for i, name in enumerate(INPUTS)}
    np.testing.assert_array_equal(edgeai.Session(edgeai.load(content)).run(feeds)[0], onnxruntime.InferenceSession(content).run(None, feeds)[0])


def loop() -> list[Any]:
    """Appends to a sequence in every iteration."""
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    body = helper.make_graph(
        [node("SequenceInsert", ["in"], ["out"]), node("Identity", ["go"], ["on"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("go", TensorProto.BOOL, []), helper.make_value_info("in", kind)],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, []), helper.make_value_info("out", kind)],
    )  # fmt: skip
    body.node[0].input.append("a")
    return [LIST, node("Loop", ["three", "", "s"], ["t"], name="node", body=body), node("SequenceAt", ["t", "zero"], ["y"])]


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([LIST, node("Relu", ["s"], ["y"], name="node")], "'s' is a sequence"),
        ([LIST, node("Cast", ["r"], ["q"], to=7), node("SequenceAt", ["s", "q"], ["y"], name="node")], r"the position \('q'\) must be constant"),
        (loop(), "'s' is a sequence"),
    ],
    ids=["tensor", "position", "loop"],
)
def test_refusals(nodes: list[Any], reason: str) -> None:
    inputs = {**INPUTS, "r": ()}
    with pytest.raises(edgeai.UnsupportedOpError, match=reason) as caught:
        edgeai.load(small_model(nodes, inputs, ["y"], {**CONSTANTS, "three": np.array(3)}))
    assert caught.value.node == "node"


def test_a_sequence_as_an_output() -> None:
    content = small_model([LIST], INPUTS, ["s"])
    with pytest.raises(edgeai.UnsupportedOpError, match="'s' is a sequence"):
        edgeai.load(content)


@pytest.mark.parametrize("position", [3, -4])
def test_positions_outside(position: int) -> None:
    content = small_model([LIST, node("SequenceAt", ["s", "p"], ["y"], name="node")], INPUTS, ["y"], {"p": np.array(position)})
    with pytest.raises(edgeai.EdgeAIError, match=f"position {position}") as caught:
        edgeai.load(content)
    assert caught.value.node == "node"


def test_long_sequences_are_counted() -> None:
    """Every list is a copy, so a small file could ask for much memory."""
    split = [node("SplitToSequence", ["x"], ["s0"], axis=0)]
    split += [node("SequenceInsert", [f"s{k}", "x"], [f"s{k + 1}"], name="node") for k in range(9000)]
    content = small_model([*split, node("SequenceLength", ["s9000"], ["y"])], {"x": (4096,)}, ["y"])
    with pytest.raises(edgeai.EdgeAIError, match="the tables of this node and those before it"):
        edgeai.load(content)
