"""What masks cost: comparisons and choices by element, and an attention of MiniLM's size (6 heads, 384 dimensions, one thread) whose mask
is added to the scores or applied to them by Where.

    .venv/bin/python Benchmarks/masks.py [TOKENS]
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import edgeai

TOKENS = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
HEADS, WIDTH = 6, 64
random = np.random.default_rng(0)


def load(nodes: list[onnx.NodeProto], feeds: dict[str, np.ndarray], constants: dict[str, np.ndarray] | None = None) -> edgeai.Model:
    graph = helper.make_graph(
        nodes, "masks", [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in feeds.items()],
        [helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)], [numpy_helper.from_array(a, n) for n, a in (constants or {}).items()],
    )  # fmt: skip
    return edgeai.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString())


def time(model: edgeai.Model, feeds: dict[str, np.ndarray]) -> tuple[float, float, list[str]]:
    """Microseconds of the fastest runs of all steps, megabytes of the session, and the kernels."""
    session = edgeai.Session(model, check_finite=False)
    events = session.profile(feeds, runs=15).events
    return sum(e.least_us for e in events), session.memory.total / 1e6, [e.step.kernel for e in events if e.step.kernel != "chained"]


def elements() -> None:
    shape = (HEADS, 256, 256)
    f, g = (random.standard_normal(shape).astype(np.float32) for _ in range(2))
    b, i = random.integers(0, 2, shape).astype(bool), random.integers(-3, 3, shape)
    cases: dict[str, tuple[str, list[np.ndarray]]] = {
        "Where, mask of all, a number": ("Where", [b, f, np.zeros((1, 1, 1), np.float32)]),
        "Where, mask of keys, a number": ("Where", [b[:1, :1], f, np.zeros((1, 1, 1), np.float32)]),
        "Where, mask of all heads, a tensor": ("Where", [b[:1], f, g]), "Where, int64": ("Where", [b, i, i + 1]),
        "Less": ("Less", [f, g]), "Equal, int32": ("Equal", [i.astype(np.int32), i.astype(np.int32)]), "LessOrEqual, int64": ("LessOrEqual", [i, i + 1]),
        "LessOrEqual, row and column": ("LessOrEqual", [np.arange(1024)[None], np.arange(384)[:, None]]),
        "And": ("And", [b, b[::-1].copy()]), "Not": ("Not", [b]), "IsNaN": ("IsNaN", [f]),
    }  # fmt: skip
    for name, (op, operands) in cases.items():
        feeds = {f"x{n}": np.ascontiguousarray(a) for n, a in enumerate(operands)}
        microseconds, _, kernels = time(load([helper.make_node(op, list(feeds), ["y"])], feeds), feeds)
        print(f"{name:36} {microseconds * 1e3 / np.prod(shape):.2f} ns an element  {kernels[0]}")


def attention(kind: str) -> tuple[edgeai.Model, dict[str, np.ndarray]]:
    feeds = {"x": random.standard_normal((1, TOKENS, HEADS * WIDTH)).astype(np.float32)}
    constants: dict[str, np.ndarray] = {"heads": np.array([0, TOKENS, HEADS, WIDTH]), "joined": np.array([0, TOKENS, HEADS * WIDTH])}
    nodes: list[onnx.NodeProto] = []

    def add(op: str, inputs: list[Any], name: str, **attributes: Any) -> str:
        """Numbers and arrays become constants."""
        names = [a if isinstance(a, str) else f"{name}{n}" for n, a in enumerate(inputs)]
        constants.update({n: np.asarray(a) for n, a in zip(names, inputs, strict=True) if not isinstance(a, str)})
        nodes.append(helper.make_node(op, names, [name], name, **attributes))
        return name

    add("Reshape", ["x", "heads"], "split")
    q, k, v = (add("Transpose", ["split"], n, perm=p) for n, p in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])))
    scores = add("Mul", [add("MatMul", [q, k], "products"), np.float32(WIDTH**-0.5)], "scores")
    causal = np.tril(np.ones((1, 1, TOKENS, TOKENS), bool))
    if kind == "added":
        scores = add("Add", [scores, np.where(causal, 0, -1e9).astype(np.float32)], "masked")
    elif kind == "causal":
        scores = add("Where", [causal, scores, np.finfo(np.float32).min], "masked")
    elif kind != "none":
        feeds["seen"] = (np.arange(TOKENS)[None] < TOKENS * 3 // 4).astype(np.int64)
        if kind == "both":
            feeds["place"] = np.arange(TOKENS)[None]
            row = add("Unsqueeze", ["place", np.array([1, 3])], "row")
            before = add("LessOrEqual", [add("Unsqueeze", ["place", np.array([1, 2])], "column"), row], "before")
            seen = add("Unsqueeze", [add("Cast", ["seen"], "real", to=TensorProto.BOOL), np.array([1, 2])], "wide")
            scores = add("Where", [add("And", [before, seen], "mask"), scores, np.float32(-1e9)], "masked")
        else:
            hidden = add("Unsqueeze", [add("Equal", ["seen", np.int64(0)], "hidden"), np.array([1, 2])], "wide")
            scores = add("Where", [hidden, np.float32(-np.inf), scores], "masked")
    weights = add("Softmax", [scores], "weights", axis=-1)
    if kind == "safe":
        weights = add("Where", [add("IsNaN", [weights], "lost"), np.float32(0), weights], "safe")
    add("Reshape", [add("Transpose", [add("MatMul", [weights, v], "sums")], "back", perm=[0, 2, 1, 3]), "joined"], "y")
    return load(nodes, feeds, constants), feeds


elements()
print()
for kind, text in (
    ("none", "no mask"), ("added", "causal mask added"), ("causal", "causal mask, Where"), ("hidden", "padding, Where"),
    ("both", "causal and padding computed, Where"), ("safe", "padding, Where, and Where(IsNaN) behind the softmax"),
):  # fmt: skip
    microseconds, megabytes, _ = time(*attention(kind))
    print(f"{text:52} {microseconds / 1e3:6.1f} ms, {megabytes:5.1f} MB")
