"""IF and WHILE of TFLite models, against LiteRT."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tflite_checks import Array, check, litert, random
from tflite_writer import Network

import edgeai


def constant(net: Network, name: str, data: Array, **more: Any) -> int:
    return net.tensor(name, data.shape, str(data.dtype), data.tobytes(), **more)


def compare(content: bytes, inputs: list[Array]) -> list[Array]:
    """Also a second run of one session, and the saved model."""
    model = edgeai.load(content)
    expected = litert(content, inputs)
    for session in (edgeai.Session(model), edgeai.Session(edgeai.load(model.to_bytes()))):
        for _ in range(2):
            for found, peer in zip(session.run(inputs), expected, strict=True):
                check(found, peer)
    return expected


def function(net: Network, op: str, shape: Any = (2, 3), options: str = "", kind: str = "float32", **scale: Any) -> int:
    """A graph of one operator on its only input, taken once or twice."""
    with net.graph(op) as index:
        a, b = net.tensor("a", shape, kind, **scale), net.tensor("b", shape, kind, **scale)
        net.operator(op, [a, a] if options else [a], [b], options)
        net.borders([a], [b])
    return index


def branches(kind: str = "float32", **scale: Any) -> bytes:
    net = Network()
    which, x, y = net.tensor("which", (1,), "bool"), net.tensor("x", (2, 3), kind, **scale), net.tensor("y", (2, 3), kind, **scale)
    first = function(net, "TANH" if kind == "float32" else "RELU", kind=kind, **scale)
    second = function(net, "ADD", options="Add", kind=kind, **scale)
    net.operator("IF", [which, x], [y], "If", then=first, other=second)
    return net.file([which, x], [y])


@pytest.mark.parametrize("holds", [False, True])
@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_if(kind: str, holds: bool) -> None:
    # Scales of which no result of the sum is a half.
    scale = {} if kind == "float32" else {"scale": 0.043, "zero": -7}
    compare(branches(kind, **scale), [np.array([holds]), random((2, 3), kind)])


@pytest.mark.parametrize("value", [-1.0, 0.5, 3.0])
def test_a_branch_in_a_branch(value: float) -> None:
    """Of a number: its negative where it is below 0, else itself, doubled where it is above 1; and a constant of each branch."""
    net = Network()
    x = net.tensor("x", (1,))
    with net.graph("inner") as inner:
        a, c, b = net.tensor("a", (1,)), net.tensor("c", (1,), "bool"), net.tensor("b", (1,))
        net.operator("GREATER", [a, constant(net, "one", np.ones(1, np.float32))], [c])
        net.operator("IF", [c, a], [b], "If", then=len(net.graphs) + 1, other=len(net.graphs) + 2)
        net.borders([a], [b, constant(net, "label", np.full(2, 7, np.int32))])
    double = function(net, "ADD", (1,), "Add")
    same = function(net, "ABS", (1,))
    assert (inner, double, same) == (1, 2, 3)
    with net.graph("negative") as negative:
        a, b = net.tensor("a", (1,)), net.tensor("b", (1,))
        net.operator("NEG", [a], [b])
        net.borders([a], [b, constant(net, "label", np.full(2, 9, np.int32))])
    c, y, label = net.tensor("c", (1,), "bool"), net.tensor("y", (1,)), net.tensor("label", (2,), "int32")
    net.operator("LESS", [x, constant(net, "zero", np.zeros(1, np.float32))], [c])
    net.operator("IF", [c, x], [y, label], "If", then=negative, other=inner)
    compare(net.file([x], [y, label]), [np.array([value], np.float32)])


def loop(limit: int, kind: str = "float32", body: str = "ADD", **scale: Any) -> bytes:
    """while count < limit: x += x (or another operator), count += step, with the step carried along."""
    net = Network()
    x, count = net.tensor("x", (2, 3), kind, **scale), net.tensor("count", (1,), "int32")
    step = constant(net, "step", np.ones(1, np.int32))

    def states(result: bool = False) -> list[int]:
        name = "new " if result else ""
        return [net.tensor(name + "value", (2, 3), kind, **scale), net.tensor(name + "number", (1,), "int32"), net.tensor(name + "by", (1,), "int32")]

    with net.graph("condition") as condition:
        before, less = states(), net.tensor("less", (1,), "bool")
        net.operator("LESS", [before[1], constant(net, "limit", np.full(1, limit, np.int32))], [less])
        net.borders(before, [less])
    with net.graph("body") as index:
        before, after = states(), states(True)
        net.operator(body, [before[0], before[0]] if body == "ADD" else [before[0]], after[:1], "Add" if body == "ADD" else "")
        net.operator("ADD", before[1:], [after[1]], "Add")
        net.borders(before, [after[0], after[1], before[2]])
    outputs = [net.tensor("y", (2, 3), kind, **scale), net.tensor("n", (1,), "int32"), net.tensor("s", (1,), "int32")]
    net.operator("WHILE", [x, count, step], outputs, "While", condition=condition, body=index)
    return net.file([x, count], outputs)


@pytest.mark.parametrize("start", [0, 3, 5, 7])
@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_while(kind: str, start: int) -> None:
    scale = {} if kind == "float32" else {"scale": 0.05, "zero": -7}
    content = loop(5, kind, "ADD" if kind == "float32" else "TANH", **scale)
    number = compare(content, [random((2, 3), kind), np.array([start], np.int32)])[1]
    assert number == max(start, 5)


def test_a_loop_in_a_loop() -> None:
    """The inner loop doubles until the number is above 100; the outer one takes 90 from it and goes on while it is above 50."""
    net = Network()
    x = net.tensor("x", (1,))

    def binary(op: str, number: float, result: str = "float32") -> int:
        with net.graph(op) as index:
            a, b = net.tensor("a", (1,)), net.tensor("b", (1,), result)
            net.operator(op, [a, constant(net, "number", np.full(1, number, np.float32))], [b])
            net.borders([a], [b])
        return index

    below, double, above = binary("LESS", 100, "bool"), function(net, "ADD", (1,), "Add"), binary("GREATER", 50, "bool")
    with net.graph("body") as body:
        a, b, c = (net.tensor(name, (1,)) for name in "abc")
        net.operator("WHILE", [a], [b], "While", condition=below, body=double)
        net.operator("SUB", [b, constant(net, "ninety", np.full(1, 90, np.float32))], [c], "Sub")
        net.borders([a], [c])
    y = net.tensor("y", (1,))
    net.operator("WHILE", [x], [y], "While", condition=above, body=body)
    for value in (20, 51, 99, 140):
        compare(net.file([x], [y]), [np.array([value], np.float32)])


def test_a_loop_without_end_is_stopped() -> None:
    net = Network()
    x, y = net.tensor("x", (1,)), net.tensor("y", (1,))
    with net.graph("condition") as condition:
        a, b = net.tensor("a", (1,)), net.tensor("b", (1,), "bool")
        net.operator("EQUAL", [a, a], [b])
        net.borders([a], [b])
    body = function(net, "ABS", (1,))
    net.operator("WHILE", [x], [y], "While", condition=condition, body=body)
    session = edgeai.Session(edgeai.load(net.file([x], [y])), max_iterations=1000)
    with pytest.raises(edgeai.EdgeAIError, match="iterations"):
        session.run(np.ones(1, np.float32))


def test_unsupported_operators_inside_are_listed() -> None:
    net = Network()
    which, x, y = net.tensor("which", (1,), "bool"), net.tensor("x", (2, 3)), net.tensor("y", (2, 3))
    indices = []
    for name in ("Frob", "Nicate"):
        with net.graph(name) as index:
            a, b = net.tensor("a", (2, 3)), net.tensor("b", (2, 3))
            net.operator("CUSTOM", [a], [b], custom=name)
            net.borders([a], [b])
        indices.append(index)
    net.operator("IF", [which, x], [y], "If", then=indices[0], other=indices[1])
    found = edgeai.check(net.file([which, x], [y]))
    assert [u.type for u in found.unsupported] == ["CUSTOM Frob", "CUSTOM Nicate"]


def test_a_variable_that_a_branch_stores_is_refused() -> None:
    net = Network()
    which, x, y = net.tensor("which", (1,), "bool"), net.tensor("x", (1, 4)), net.tensor("y", (1, 4))
    with net.graph("store") as store:
        a, b, handle = net.tensor("a", (1, 4)), net.tensor("b", (1, 4)), net.tensor("handle", (), "resource")
        net.operator("VAR_HANDLE", [], [handle], "VarHandle", container="", shared="v")
        net.operator("READ_VARIABLE", [handle], [b])
        net.operator("ASSIGN_VARIABLE", [handle, a], [])
        net.borders([a], [b])
    net.operator("IF", [which, x], [y], "If", then=store, other=function(net, "ABS", (1, 4)))
    found = edgeai.check(net.file([which, x], [y]))
    assert "inside a branch or loop" in found.unsupported[0].reason


def test_branches_of_other_shapes_are_refused() -> None:
    net = Network()
    which, x, y = net.tensor("which", (1,), "bool"), net.tensor("x", (2, 3)), net.tensor("y", (2, 3))
    with net.graph("sum") as other:
        a, b = net.tensor("a", (2, 3)), net.tensor("b", (2,))
        net.operator("SUM", [a, constant(net, "axis", np.ones(1, np.int32))], [b], "Reducer")
        net.borders([a], [b])
    net.operator("IF", [which, x], [y], "If", then=function(net, "ABS"), other=other)
    found = edgeai.check(net.file([which, x], [y]))
    assert "the branches give float32[2, 3] and float32[2]" in found.unsupported[0].reason
