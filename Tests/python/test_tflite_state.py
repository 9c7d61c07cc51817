"""TFLite models that remember: variables, variable tensors, graphs that initialize or are called; and sparse constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tflite_checks import Array, check, i32, litert, ours, random
from tflite_writer import Network

import edgeai


def runs(content: bytes, samples: list[list[Array]]) -> list[list[Array]]:
    """What LiteRT gives for one sample after the other."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    results = []
    for sample in samples:
        for detail, x in zip(interpreter.get_input_details(), sample, strict=True):
            interpreter.set_tensor(detail["index"], x)
        interpreter.invoke()
        results.append([interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()])
    return results


def compare(content: bytes, samples: list[list[Array]]) -> None:
    """One run after the other, and again from the beginning."""
    expected = runs(content, samples)
    session = edgeai.Session(edgeai.load(content))
    for _ in range(2):
        for sample, peer in zip(samples, expected, strict=True):
            for found, y in zip(session.run(sample), peer, strict=True):
                check(found, y)
        session.reset()


def constant(net: Network, name: str, data: Array, **more: Any) -> int:
    return net.tensor(name, data.shape, str(data.dtype), data.tobytes(), **more)


def counter(first: Array | None) -> bytes:
    """total += x; y = total, with the first total stored by a graph that runs once."""
    net = Network()
    x, y = net.tensor("x", (1, 4)), net.tensor("y", (1, 4))
    handle, before = net.tensor("handle", (), "resource"), net.tensor("before", (1, 4))
    if first is not None:
        with net.graph("init") as index:
            own = net.tensor("own", (), "resource")
            net.operator("VAR_HANDLE", [], [own], "VarHandle", container="", shared="total")
            net.operator("ASSIGN_VARIABLE", [own, constant(net, "first", first)], [])
        net.operator("CALL_ONCE", [], [], "CallOnce", subgraph=index)
    net.operator("VAR_HANDLE", [], [handle], "VarHandle", container="", shared="total")
    net.operator("READ_VARIABLE", [handle], [before])
    net.operator("ADD", [before, x], [y], "Add")
    net.operator("ASSIGN_VARIABLE", [handle, y], [])
    return net.file([x], [y])


def test_variables() -> None:
    compare(counter(random((1, 4), "float32", 9)), [[random((1, 4), "float32", seed)] for seed in range(4)])


def test_a_variable_without_first_contents_begins_with_zeros() -> None:
    session = edgeai.Session(edgeai.load(counter(None)))
    x = random((1, 4), "float32")
    assert np.array_equal(session.run(x)[0], x)
    assert np.array_equal(session.run(x)[0], x + x)


def test_state_is_no_input_or_output() -> None:
    model = edgeai.load(counter(np.ones((1, 4), np.float32)))
    assert [t.name for t in model.inputs] == ["x"]
    assert [t.name for t in model.outputs] == ["y"]


def test_state_is_saved(tmp_path: Any) -> None:
    model = edgeai.load(counter(np.full((1, 4), 5, np.float32)))
    model.save(tmp_path / "m.edgeai")
    again = edgeai.load(tmp_path / "m.edgeai")
    again.save(tmp_path / "n.edgeai")
    assert (tmp_path / "m.edgeai").read_bytes() == (tmp_path / "n.edgeai").read_bytes()
    session = edgeai.Session(again)
    x = random((1, 4), "float32")
    assert np.array_equal(session.run(x)[0], x + 5)
    assert np.array_equal(session.run(x)[0], x + 5 + x)


def test_sessions_have_their_own_state() -> None:
    model = edgeai.load(counter(np.zeros((1, 4), np.float32)))
    a, b = edgeai.Session(model), edgeai.Session(model)
    x = random((1, 4), "float32")
    a.run(x)
    assert np.array_equal(b.run(x)[0], x)


def test_a_cancelled_run_leaves_the_state() -> None:
    session = edgeai.Session(edgeai.load(counter(np.zeros((1, 4), np.float32))))
    x = random((1, 4), "float32")
    session.run(x)
    session.cancel()
    with pytest.raises(edgeai.Cancelled):
        session.run(x)
    assert np.array_equal(session.run(x)[0], x + x)


def test_swapped_variables() -> None:
    """Each takes what the other was."""
    net = Network()
    x, y = net.tensor("x", (1, 4)), net.tensor("y", (1, 4))
    handles = [net.tensor(f"h{i}", (), "resource") for i in range(2)]
    reads = [net.tensor(f"r{i}", (1, 4)) for i in range(2)]
    with net.graph("init") as index:
        for name in "ab":
            own = net.tensor(f"own {name}", (), "resource")
            net.operator("VAR_HANDLE", [], [own], "VarHandle", container="", shared=name)
            net.operator("ASSIGN_VARIABLE", [own, constant(net, f"first {name}", np.full((1, 4), ord(name), np.float32))], [])
    net.operator("CALL_ONCE", [], [], "CallOnce", subgraph=index)
    for name, handle, read in zip("ab", handles, reads, strict=True):
        net.operator("VAR_HANDLE", [], [handle], "VarHandle", container="", shared=name)
        net.operator("READ_VARIABLE", [handle], [read])
    net.operator("SUB", [reads[0], x], [y], "Sub")
    net.operator("ASSIGN_VARIABLE", [handles[0], reads[1]], [])
    net.operator("ASSIGN_VARIABLE", [handles[1], reads[0]], [])
    compare(net.file([x], [y]), [[random((1, 4), "float32", seed)] for seed in range(4)])


def test_call() -> None:
    """A graph that is called twice, with one operator on known integers."""
    net = Network()
    x, y, z = (net.tensor(name, (2, 3)) for name in "xyz")
    shape = constant(net, "shape", i32(2, 3))
    with net.graph("twice") as index:
        a, size, b, c = net.tensor("a", (2, 3)), net.tensor("size", (2,), "int32"), net.tensor("b", (2, 3)), net.tensor("c", (2, 3))
        net.operator("RESHAPE", [a, size], [b], "Reshape")
        net.operator("ADD", [b, b], [c], "Add")
        net.borders([a, size], [c])
    net.operator("CALL", [x, shape], [y], "Call", subgraph=index)
    net.operator("CALL", [y, shape], [z], "Call", subgraph=index)
    content = net.file([x], [z])
    data = random((2, 3), "float32")
    assert np.array_equal(ours(content, [data])[0], 4 * data)


def test_unsupported_operators_of_a_called_graph_are_listed() -> None:
    net = Network()
    x, y = net.tensor("x", (2, 3)), net.tensor("y", (2, 3))
    with net.graph("inner") as index:
        a, b = net.tensor("a", (2, 3)), net.tensor("b", (2, 3))
        net.operator("CUSTOM", [a], [b], custom="Frobnicate")
        net.borders([a], [b])
    net.operator("CALL", [x], [y], "Call", subgraph=index)
    with pytest.raises(edgeai.UnsupportedOpError, match="Frobnicate"):
        edgeai.load(net.file([x], [y]))


def test_a_graph_that_calls_itself() -> None:
    net = Network()
    x, y = net.tensor("x", (2, 3)), net.tensor("y", (2, 3))
    with net.graph("inner") as index:
        a, b = net.tensor("a", (2, 3)), net.tensor("b", (2, 3))
        net.operator("CALL", [a], [b], "Call", subgraph=index)
        net.borders([a], [b])
    net.operator("CALL", [x], [y], "Call", subgraph=index)
    with pytest.raises(edgeai.ModelError, match="calls itself"):
        edgeai.load(net.file([x], [y]))


def test_a_long_chain_of_calls() -> None:
    net = Network()
    x, y = net.tensor("x", (2, 3)), net.tensor("y", (2, 3))
    for index in range(1, 40):
        with net.graph(f"graph {index}"):
            a, b = net.tensor("a", (2, 3)), net.tensor("b", (2, 3))
            net.operator("CALL" if index < 39 else "RELU", [a], [b], "Call" if index < 39 else "", **({"subgraph": index + 1} if index < 39 else {}))
            net.borders([a], [b])
    net.operator("CALL", [x], [y], "Call", subgraph=1)
    with pytest.raises(edgeai.ModelError, match="16 deep"):
        edgeai.load(net.file([x], [y]))


def svdf(kind: str, rank: int = 2, bias: bool = True, fused: int = 1) -> bytes:
    rng = np.random.default_rng(3)
    features, units, length = 10, 4, 6
    filters = units * rank
    net = Network()
    if kind == "int8":
        x = net.tensor("x", (1, features), "int8", scale=0.05, zero=-7)
        w = net.tensor("w", (filters, features), "int8", rng.integers(-127, 128, (filters, features)).astype(np.int8).tobytes(), 0.01, 0)
        t = net.tensor("t", (filters, length), "int16", rng.integers(-3000, 3000, (filters, length)).astype(np.int16).tobytes(), 0.0003, 0)
        b = net.tensor("b", (units,), "int32", rng.integers(-40000, 40000, units).astype(np.int32).tobytes(), 0.0003 * 0.0005, 0)
        state = net.tensor("state", (1, filters * length), "int16", None, 0.0005, 0, f5=("b", 1))
        y = net.tensor("y", (1, units), "int8", scale=0.05, zero=-20)
    else:
        x, y = net.tensor("x", (1, features)), net.tensor("y", (1, units))
        if kind == "hybrid":
            w = net.tensor("w", (filters, features), "int8", rng.integers(-127, 128, (filters, features)).astype(np.int8).tobytes(), 0.01, 0)
        else:
            w = constant(net, "w", rng.uniform(-1, 1, (filters, features)).astype(np.float32))
        t = constant(net, "t", rng.uniform(-1, 1, (filters, length)).astype(np.float32))
        b = constant(net, "b", rng.uniform(-1, 1, units).astype(np.float32)) if bias else -1
        state = net.tensor("state", (1, filters * length), "float32", f5=("b", 1))
    net.operator("SVDF", [x, w, t, b, state], [y], "SVDF", rank=rank, activation=fused)
    return net.file([x], [y])


@pytest.mark.parametrize("rank", [1, 2])
def test_svdf(rank: int) -> None:
    compare(svdf("float32", rank), [[random((1, 10), "float32", seed)] for seed in range(9)])
    compare(svdf("float32", rank, bias=False, fused=0), [[random((1, 10), "float32", seed)] for seed in range(9)])


def test_integer_svdf() -> None:
    content = svdf("int8")
    samples = [[random((1, 10), "int8", seed)] for seed in range(300)]
    session = edgeai.Session(edgeai.load(content))
    found = np.concatenate([session.run(sample)[0] for sample in samples])
    check(found, np.concatenate([peer[0] for peer in runs(content, samples)]))
    assert len(np.unique(found)) > 50


def sparse(net: Network, name: str, data: Array, order: list[int], blocks: list[int], levels: list[Any], width: str = "i") -> int:
    """A sparse constant; a level is a size, or segments with indices."""
    kinds = {"i": 1, "H": 2, "B": 3}
    tables: list[dict[int, Any]] = []
    for level in levels:
        if isinstance(level, int):
            tables.append({0: ("b", 0), 1: ("i", level)})
        else:
            vectors = [("table", {0: (f"[{width}]", list(numbers))}) for numbers in level]
            tables.append({0: ("b", 1), 2: ("B", kinds[width]), 3: vectors[0], 4: ("B", kinds[width]), 5: vectors[1]})
    parameters = {0: ("[i]", order), 1: ("[i]", blocks), 2: ("tables", tables)}
    shape = (4, 6)
    return net.tensor(name, shape, str(data.dtype), data.tobytes(), f6=("table", parameters))


ROWS = (4, ([0, 2, 2, 3, 5], [1, 4, 0, 2, 5]))
#: Blocks of 2 x 3: of the 2 x 2 blocks, those at (0, 1) and (1, 0).
BLOCKS = (2, ([0, 1, 2], [1, 0]), 2, 3)


def dense_of(data: Array, blocked: bool) -> Array:
    result = np.zeros((4, 6), data.dtype)
    if blocked:
        result[0:2, 3:6], result[2:4, 0:3] = data[:6].reshape(2, 3), data[6:].reshape(2, 3)
    else:
        for value, place in zip(data, [(0, 1), (0, 4), (2, 0), (3, 2), (3, 5)], strict=True):
            result[place] = value
    return result


@pytest.mark.parametrize("width", ["i", "H", "B"])
@pytest.mark.parametrize("blocked", [False, True])
def test_densify(blocked: bool, width: str) -> None:
    data = random((12 if blocked else 5,), "float32", 4)
    net = Network()
    x, y, w = net.tensor("x", (2, 6)), net.tensor("y", (2, 4)), net.tensor("w", (4, 6))
    order, blocks, levels = ([0, 1, 2, 3], [0, 1], BLOCKS) if blocked else ([0, 1], [], ROWS)
    net.operator("DENSIFY", [sparse(net, "s", data, order, blocks, list(levels), width)], [w])
    net.operator("FULLY_CONNECTED", [x, w, constant(net, "b", np.zeros(4, np.float32))], [y], "FullyConnected")
    content = net.file([x], [y])
    inputs = [random((2, 6), "float32", 5)]
    found = ours(content, inputs)[0]
    check(found, inputs[0] @ dense_of(data, blocked).T)
    check(found, litert(content, inputs)[0])


BROKEN = [
    ([0, 1], [], (4, ([0, 2, 2, 3], [1, 4, 0, 2, 5])), "segments"),
    ([0, 1], [], (4, ([0, 2, 1, 3, 5], [1, 4, 0, 2, 5])), "out of order"),
    ([0, 1], [], (4, ([0, 2, 2, 3, 5], [1, 4, 0, 2, 6])), "out of range"),
    ([0, 1], [], (4, ([0, 2, 2, 3, 4], [1, 4, 0, 2])), "elements are described"),
    ([0, 0], [], ROWS, "missing in the order"),
    ([0, 1], [], (5, ([0, 2, 2, 3, 5, 5], [1, 4, 0, 2, 5])), "does not fit"),
    ([0, 1], [], (4,), "levels"),
    ([0, 1, 2], [3], (*ROWS, 2), "blocks"),
    ([0, 1, 2], [1], (*ROWS, 4), "does not divide"),
]


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_broken_sparsity(number: int) -> None:
    order, blocks, levels, message = BROKEN[number]
    net = Network()
    y, w = net.tensor("y", (4, 6)), net.tensor("w", (4, 6))
    net.operator("DENSIFY", [sparse(net, "s", random((5,), "float32"), order, blocks, list(levels))], [w])
    net.operator("RELU", [w], [y])
    with pytest.raises(edgeai.ModelError, match=message) as caught:
        edgeai.load(net.file([], [y]))
    assert caught.value.offset > 0
