"""Comparisons, logic and choices by masks: the reference evaluator's results exactly, on every instruction set, and no ground for `strict`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import relative_error
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import edgeai

TYPES = ("float32", "int32", "int64", "bool")
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1, -1, 1e-45], np.float32)


def model(nodes: list[Any], given_: dict[str, np.ndarray], results: list[str], constants: dict[str, np.ndarray] | None = None) -> bytes:
    kinds = {n: helper.np_dtype_to_tensor_dtype(a.dtype) for n, a in given_.items()}
    graph = helper.make_graph(
        nodes, "masks", [helper.make_tensor_value_info(n, kinds[n], a.shape) for n, a in given_.items()],
        [helper.make_tensor_value_info(n, TensorProto.UNDEFINED, None) for n in results],
        [numpy_helper.from_array(a, n) for n, a in (constants or {}).items()],
    )  # fmt: skip
    content: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()
    return content


def numbers(dtype: str, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    if dtype == "float32":
        return np.where(random.integers(0, 2, shape) == 1, random.choice(SPECIAL, shape), random.integers(-2, 3, shape)).astype(np.float32)
    return random.choice(np.array([np.iinfo(dtype).min, np.iinfo(dtype).max, -1, 0, 1]), shape).astype(dtype)


def exact(nodes: list[Any], feeds: dict[str, np.ndarray], results: list[str]) -> None:
    """Bits of every result, so a zero's sign too, and no scalar step."""
    content = model(nodes, feeds, results)
    expected = ReferenceEvaluator(content).run(None, feeds)
    loaded = edgeai.load(content)
    for isa in edgeai.instruction_sets():
        if isa == "avx512bf16":
            continue
        with edgeai.Session(loaded, isa=isa, strict=True, check_finite=False) as session:
            assert all(step.kernel.startswith(("mask_", "copy", "fill", "dequantize_")) for step in session.plan), session.plan_text
            for want, have in zip(expected, session.run(feeds), strict=True):
                assert have.dtype == np.asarray(want).dtype and have.shape == np.shape(want)
                assert have.tobytes() == np.ascontiguousarray(want).tobytes(), isa


SHAPES = hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=4, max_side=23)


@settings(max_examples=40, deadline=None)
@given(SHAPES, st.sampled_from(["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]), st.sampled_from(TYPES[:3]), st.integers(0, 2**31))
def test_comparisons(shapes: Any, op: str, dtype: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    feeds = {n: numbers(dtype, s, random) for n, s in zip("ab", shapes.input_shapes, strict=False)}
    exact([helper.make_node(op, ["a", "b"], ["y"])], feeds, ["y"])


@settings(max_examples=40, deadline=None)
@given(SHAPES, st.sampled_from(["And", "Or", "Xor", "Equal"]), st.integers(0, 2**31))
def test_logic(shapes: Any, op: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    feeds = {n: numbers("bool", s, random) for n, s in zip("ab", shapes.input_shapes, strict=False)}
    exact([helper.make_node(op, ["a", "b"], ["c"]), helper.make_node("Not", ["c"], ["y"])], feeds, ["c", "y"])


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.sampled_from((*TYPES, "uint8")), st.integers(0, 2**31))
def test_choices(shapes: Any, dtype: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b, c = shapes.input_shapes
    kind = "bool" if dtype == "bool" else dtype
    feeds = {"a": numbers("bool", a, random)}
    for name, shape in (("b", b), ("c", c)):
        feeds[name] = random.integers(0, 256, shape).astype(np.uint8) if kind == "uint8" else numbers(kind, shape, random)
    exact([helper.make_node("Where", ["a", "b", "c"], ["y"])], feeds, ["y"])


@pytest.mark.parametrize("size", [1, 7, 16, 1000, 5000])
def test_casts_and_tests(size: int) -> None:
    random = np.random.default_rng(size)
    for dtype, kind in (("float32", TensorProto.FLOAT), ("int32", TensorProto.INT32), ("int64", TensorProto.INT64)):
        exact([helper.make_node("Cast", ["a"], ["y"], to=kind)], {"a": numbers("bool", (size,), random)}, ["y"])
        exact([helper.make_node("Cast", ["a"], ["y"], to=TensorProto.BOOL)], {"a": numbers(dtype, (size,), random)}, ["y"])
    exact([helper.make_node("IsNaN", ["a"], ["y"])], {"a": numbers("float32", (size,), random)}, ["y"])


HEADS, WIDTH, TOKENS = 4, 16, 512


def attention(mask: str) -> tuple[bytes, dict[str, np.ndarray]]:
    """Attention whose mask is applied by `Where`: a stored causal one as of GPT-2, `masked_fill` of padding, or both computed. `safe`:
    padding of whole samples, whose softmax is NaN and replaced by zeros, as torch writes it."""
    random = np.random.default_rng(3)
    feeds = {"x": random.standard_normal((1, TOKENS, HEADS * WIDTH), dtype=np.float32)}
    constants: dict[str, np.ndarray] = {
        "heads": np.array([0, TOKENS, HEADS, WIDTH]), "joined": np.array([0, TOKENS, HEADS * WIDTH]), "low": np.array(-np.inf, np.float32),
        "axes": np.array([1, 2]), "zero": np.array(0),
    }  # fmt: skip
    nodes = [helper.make_node("Reshape", ["x", "heads"], ["split"])]
    for name, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes.append(helper.make_node("Transpose", ["split"], [name], perm=perm))
    nodes.append(helper.make_node("MatMul", ["q", "k"], ["scores"]))
    causal = np.tril(np.ones((1, 1, TOKENS, TOKENS), bool))
    if mask != "causal":
        feeds["seen"] = (np.arange(TOKENS)[None] < (0 if mask == "safe" else 400)).astype(np.int64)
    if mask == "causal":
        constants["causal"] = causal
        nodes.append(helper.make_node("Where", ["causal", "scores", "low"], ["masked"]))
    elif mask != "both":
        nodes += [
            helper.make_node("Equal", ["seen", "zero"], ["hidden"]), helper.make_node("Unsqueeze", ["hidden", "axes"], ["wide"]),
            helper.make_node("Where", ["wide", "low", "scores"], ["masked"]),
        ]  # fmt: skip
    else:
        constants |= {"i": np.arange(TOKENS).reshape(TOKENS, 1), "j": np.arange(TOKENS)}
        feeds["zeros"] = np.zeros((1, 1, TOKENS, 1), np.int64)
        nodes += [
            helper.make_node("Add", ["zeros", "i"], ["rows"]), helper.make_node("GreaterOrEqual", ["rows", "j"], ["before"]),
            helper.make_node("Cast", ["seen"], ["real"], to=TensorProto.BOOL), helper.make_node("Unsqueeze", ["real", "axes"], ["wide"]),
            helper.make_node("And", ["before", "wide"], ["mask"]), helper.make_node("Where", ["mask", "scores", "low"], ["masked"]),
        ]  # fmt: skip
    nodes.append(helper.make_node("Softmax", ["masked"], ["softmax" if mask == "safe" else "weights"], axis=-1))
    if mask == "safe":
        constants["nothing"] = np.array(0, np.float32)
        nodes += [
            helper.make_node("IsNaN", ["softmax"], ["lost"]), helper.make_node("Where", ["lost", "nothing", "softmax"], ["weights"]),
        ]  # fmt: skip
    nodes += [
        helper.make_node("MatMul", ["weights", "v"], ["sums"]),
        helper.make_node("Transpose", ["sums"], ["back"], perm=[0, 2, 1, 3]), helper.make_node("Reshape", ["back", "joined"], ["y"]),
    ]  # fmt: skip
    return model(nodes, feeds, ["y"], constants), feeds


@pytest.mark.parametrize("mask", ["causal", "fill", "both", "safe"])
def test_masked_attention(mask: str) -> None:
    content, feeds = attention(mask)
    (expected,) = ReferenceEvaluator(content).run(None, feeds)
    loaded = edgeai.load(content)
    found = []
    for threads in (1, 2):
        # The sum of whole numbers that makes the rows of the third is no mask.
        with edgeai.Session(loaded, threads=threads, strict=mask != "both") as session:
            chain = [step.kernel for step in session.plan if " + " in step.kernel]
            assert len(chain) == 1 and chain[0].count(" + ") == (4 if mask == "safe" else 3) and " + mask_" in chain[0]
            assert session.memory.total < HEADS * TOKENS * TOKENS * 4
            found.append(session.run(feeds)[0])
    assert relative_error(found[0], expected) < 1e-5 and (mask != "safe" or not found[0].any())
    assert np.array_equal(found[0], found[1])
