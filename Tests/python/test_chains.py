"""Steps that run band by band: long attention, and an inverted residual block on a large picture."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import qdq
from conftest import relative_error
from onnx import TensorProto, helper, numpy_helper

import edgeai

HEADS, WIDTH, TOKENS = 4, 16, 512


def attention() -> tuple[bytes, tuple[int, ...], int]:
    """A model, its input's shape, and the bytes of the scores of one sample."""
    order = numpy_helper.from_array(np.array([0, TOKENS, HEADS, WIDTH]), "heads")
    joined = numpy_helper.from_array(np.array([0, TOKENS, HEADS * WIDTH]), "joined")
    nodes = [helper.make_node("Reshape", ["x", "heads"], ["split"], "split")]
    for name, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes.append(helper.make_node("Transpose", ["split"], [name], name, perm=perm))
    nodes += [
        helper.make_node("MatMul", ["q", "k"], ["scores"], "scores"),
        helper.make_node("Softmax", ["scores"], ["seen"], "softmax", axis=-1),
        helper.make_node("MatMul", ["seen", "v"], ["sums"], "sums"),
        helper.make_node("Transpose", ["sums"], ["back"], "back", perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["back", "joined"], ["y"], "join"),
    ]
    shape = (TOKENS, HEADS * WIDTH)
    return model(nodes, [order, joined], shape, shape), shape, HEADS * TOKENS * TOKENS * 4


def block() -> tuple[bytes, tuple[int, ...], int]:
    """The same, of 16 channels that become 96, and those 24 at half the size; the bytes are of the 96."""
    random = np.random.default_rng(5)
    constants = []
    for name, dims in (("grow", (96, 16, 1, 1)), ("filter", (96, 1, 3, 3)), ("shrink", (24, 96, 1, 1))):
        fan = int(np.prod(dims[1:]))
        constants.append(numpy_helper.from_array(random.normal(0, fan**-0.5, dims).astype(np.float32), name))
    nodes = [
        helper.make_node("Conv", ["x", "grow"], ["a"], "grow"),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("Conv", ["b", "filter"], ["c"], "filter", group=96, strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["c", "shrink"], ["y"], "shrink"),
    ]
    return model(nodes, constants, (16, 112, 112), (24, 56, 56)), (16, 112, 112), 96 * 112 * 112 * 4


def model(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], given: tuple[int, ...], made: tuple[int, ...]
) -> bytes:
    borders = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", *s]) for n, s in (("x", given), ("y", made))]
    graph = helper.make_graph(nodes, "chain", borders[:1], borders[1:], constants)
    content: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    return content


@pytest.mark.parametrize("make", [attention, block])
def test_chains(make: object) -> None:
    content, shape, between = make()  # type: ignore[operator]
    x = np.random.default_rng(1).standard_normal((2, *shape), dtype=np.float32)
    (expected,) = qdq.peer(content, x)
    loaded = edgeai.load(content)
    found = []
    for threads in (1, 2, 3):
        for batch in (1, 2):
            with edgeai.Session(loaded, threads=threads, batch=batch) as session:
                kernels = [step.kernel for step in session.plan if step.kernel == "chained" or " + " in step.kernel]
                assert kernels[:2] == ["chained", "chained"] and kernels[2].count(" + ") == 2
                found.append(np.concatenate([session(x[i : i + batch]) for i in range(0, 2, batch)]))
                # Less is kept than what lies between would have taken.
                assert session.memory.total < batch * between
                # A tuning brings the chain back.
                with edgeai.Session(loaded, threads=threads, batch=batch, tuning=session.tuning) as again:
                    assert again.plan_text == session.plan_text
    assert relative_error(found[0], expected) < 1e-5
    assert all(np.array_equal(other, found[0]) for other in found)
