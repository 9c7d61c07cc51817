"""RNN, GRU and LSTM against ONNX Runtime: random attributes, whole networks, free sequence lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from conftest import relative_error
from onnx import TensorProto, helper, numpy_helper

import edgeai

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
FUNCTIONS = {"RNN": 1, "GRU": 2, "LSTM": 3}
ACTIVATIONS = {
    "Relu": (0, 0), "Tanh": (0, 0), "Sigmoid": (0, 0), "Softsign": (0, 0), "Softplus": (0, 0), "LeakyRelu": (1, 0),
    "ThresholdedRelu": (1, 0), "Elu": (1, 0), "HardSigmoid": (1, 1), "Affine": (1, 1), "ScaledTanh": (1, 1),
}  # fmt: skip


def model(nodes: list[Any], inputs: dict[str, Any], outputs: list[str], constants: dict[str, np.ndarray], opset: int = 17) -> bytes:
    kinds = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int32): TensorProto.INT32}
    graph = helper.make_graph(
        nodes, "recurrent",
        [helper.make_tensor_value_info(k, kinds[v[1]] if isinstance(v, tuple) else kinds[v.dtype], v[0] if isinstance(v, tuple) else v.shape)
         for k, v in inputs.items()],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, None) for k in outputs],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()


def peer(data: bytes, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"]).run(None, feeds)


def compare(data: bytes, feeds: dict[str, np.ndarray], bound: float = 2e-5, **loading: Any) -> None:
    expected = peer(data, feeds)
    loaded = edgeai.load(data, **loading)
    found = edgeai.Session(loaded, batch=None, check_finite=False).run(feeds)
    for have, want in zip(found, expected, strict=True):
        assert have.shape == want.shape
        assert relative_error(have, want) < bound


def parameters(kind: str, directions: int, inputs: int, hidden: int, rng: np.random.Generator, scale: float = 0.4) -> dict[str, np.ndarray]:
    def draw(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    rows = GATES[kind] * hidden
    return {"W": draw(directions, rows, inputs), "R": draw(directions, rows, hidden), "B": draw(directions, 2 * rows), "P": draw(directions, 3 * hidden)}


@pytest.mark.parametrize("seed", range(120))
def test_random_configuration(seed: int) -> None:
    """Every attribute and every optional input and output, present or absent, constant or given at run time."""
    rng = np.random.default_rng(seed)
    kind = ("RNN", "GRU", "LSTM")[seed % 3]
    direction = str(rng.choice(["forward", "reverse", "bidirectional"]))
    directions = 2 if direction == "bidirectional" else 1
    steps, batch, inputs, hidden = (int(rng.integers(1, top)) for top in (9, 16, 12, 40))
    opset = int(rng.choice([7, 11, 14, 22]))
    names = ["X", "W", "R"] + [""] * (5 if kind == "LSTM" else 3)
    # Activations without bounds must not run away.
    has_own = rng.random() < 0.5
    values = parameters(kind, directions, inputs, hidden, rng, 0.12 if has_own else 0.4)
    values["X"] = rng.standard_normal((steps, batch, inputs)).astype(np.float32)
    values["S"] = rng.integers(1, steps + 1, batch).astype(np.int32)
    for name in ("H", "C"):
        values[name] = rng.standard_normal((directions, batch, hidden)).astype(np.float32)
    optional = {3: "B", 4: "S", 5: "H"} | ({6: "C", 7: "P"} if kind == "LSTM" else {})
    for position, name in optional.items():
        if rng.random() < 0.5:
            names[position] = name
    while not names[-1]:
        names.pop()
    attributes: dict[str, Any] = {"hidden_size": hidden, "direction": direction}
    if rng.random() < 0.3:
        attributes["clip"] = float(rng.uniform(0.2, 1.5))
    if kind == "GRU":
        attributes["linear_before_reset"] = int(rng.integers(2))
    if kind == "LSTM" and rng.random() < 0.3:
        attributes["input_forget"] = 1
    if has_own:
        chosen = [str(a) for a in rng.choice(sorted(ACTIVATIONS), FUNCTIONS[kind] * directions)]
        attributes["activations"] = chosen
        counts = [sum(ACTIVATIONS[a][i] for a in chosen) for i in range(2)]
        for count, name in zip(counts, ("activation_alpha", "activation_beta"), strict=True):
            if count:
                attributes[name] = [float(v) for v in rng.uniform(0.2, 0.9, count)]
    results = ["Y", "Y_h", "Y_c"][: 3 if kind == "LSTM" else 2]
    results = [name if rng.random() < 0.7 else "" for name in results]
    if not any(results):
        results[0] = "Y"
    while not results[-1]:
        results.pop()
    constant = {name for name in names if name in ("W", "R", "B", "P", "S") and rng.random() < 0.7}
    feeds = {name: values[name] for name in names if name and name not in constant}
    node = helper.make_node(kind, names, results, name="node", **attributes)
    data = model([node], feeds, [r for r in results if r], {name: values[name] for name in constant}, opset)
    compare(data, feeds)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_batch_first(kind: str, direction: str) -> None:
    """ONNX Runtime has no layout 1: the same layer with transposes around it says what it means."""
    rng = np.random.default_rng(5)
    directions = 2 if direction == "bidirectional" else 1
    values = parameters(kind, directions, 5, 7, rng)
    values.pop("P")
    x = rng.standard_normal((4, 6, 5)).astype(np.float32)
    h = rng.standard_normal((4, directions, 7)).astype(np.float32)
    results = ["Y", "Y_h"]
    attributes = {"hidden_size": 7, "direction": direction}
    node = helper.make_node(kind, ["X", "W", "R", "B", "", "H"], results, layout=1, **attributes)
    found = edgeai.Session(edgeai.load(model([node], {"X": x, "H": h}, results, values))).run({"X": x, "H": h})
    plain = helper.make_node(kind, ["X", "W", "R", "B", "", "H"], results, **attributes)
    turned = {"X": x.transpose(1, 0, 2), "H": h.transpose(1, 0, 2)}
    expected = peer(model([plain], turned, results, values), turned)
    np.testing.assert_allclose(found[0], expected[0].transpose(2, 0, 1, 3), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], expected[1].transpose(1, 0, 2), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lengths", [[0, 5, 2], [-3, 99, 5]])
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_lengths_outside_the_sequence(lengths: list[int], direction: str) -> None:
    """A run has no errors: lengths are moved into 0 ... T, and an empty sequence leaves the states as they were."""
    rng = np.random.default_rng(6)
    values = parameters("LSTM", 1, 3, 4, rng)
    values.pop("P")
    x = rng.standard_normal((5, 3, 3)).astype(np.float32)
    states = {k: rng.standard_normal((1, 3, 4)).astype(np.float32) for k in ("H", "C")}
    node = helper.make_node("LSTM", ["X", "W", "R", "B", "S", "H", "C"], ["Y", "Y_h", "Y_c"], direction=direction, hidden_size=4)
    feeds = {"X": x, "S": np.array(lengths, np.int32), **states}
    data = model([node], feeds, ["Y", "Y_h", "Y_c"], values)
    y, last, cell = edgeai.Session(edgeai.load(data)).run(feeds)
    moved = np.clip(lengths, 0, 5)
    for sample, length in enumerate(moved):
        assert not y[length:, 0, sample].any()
        if length == 0:
            assert np.array_equal(last[0, sample], states["H"][0, sample]) and np.array_equal(cell[0, sample], states["C"][0, sample])
            continue
        alone = {"X": x[:length, sample : sample + 1], "S": np.array([length], np.int32)}
        alone |= {k: v[:, sample : sample + 1] for k, v in states.items()}
        want = peer(model([node], alone, ["Y", "Y_h", "Y_c"], values), alone)
        np.testing.assert_allclose(y[:length, :, sample], want[0][:, :, 0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(last[:, sample], want[1][:, 0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(cell[:, sample], want[2][:, 0], rtol=1e-5, atol=1e-6)


def keyword_spotter(steps: Any, batch: Any, kind: str = "LSTM", hidden: int = 32) -> bytes:
    """What PyTorch exports of two bidirectional batch-first layers and a classifier on the last step; states of zeros made
    from the shape of the input."""
    rng = np.random.default_rng(8)
    constants = {
        "zero": np.array(0, np.int64), "state": np.array([hidden], np.int64), "two": np.array([2], np.int64), "front": np.array([0], np.int64),
        "flat": np.array([0, 0, 2 * hidden], np.int64), "last": np.array(-1, np.int64),
        "V": (rng.standard_normal((12, 2 * hidden)) * 0.2).astype(np.float32), "b": rng.standard_normal(12).astype(np.float32),
    }  # fmt: skip
    nodes = [helper.make_node("Transpose", ["x"], ["t0"], perm=[1, 0, 2])]
    for layer, inputs in enumerate((20, 2 * hidden)):
        for name, value in parameters(kind, 2, inputs, hidden, rng, 0.25).items():
            constants[f"{name}{layer}"] = value
        states = [f"zeros{layer}"] * (2 if kind == "LSTM" else 1)
        extra = {"linear_before_reset": 1} if kind == "GRU" else {}
        nodes += [
            helper.make_node("Shape", ["x"], [f"s{layer}"]),
            helper.make_node("Gather", [f"s{layer}", "zero"], [f"n{layer}"]),
            helper.make_node("Unsqueeze", [f"n{layer}", "front"], [f"m{layer}"]),
            helper.make_node("Concat", ["two", f"m{layer}", "state"], [f"d{layer}"], axis=0),
            helper.make_node("ConstantOfShape", [f"d{layer}"], states[:1]),
            helper.make_node(
                kind, [f"t{layer}", f"W{layer}", f"R{layer}", f"B{layer}", "", *states], [f"y{layer}"],
                direction="bidirectional", hidden_size=hidden, **extra),
            helper.make_node("Transpose", [f"y{layer}"], [f"z{layer}"], perm=[0, 2, 1, 3]),
            helper.make_node("Reshape", [f"z{layer}", "flat"], [f"t{layer + 1}"]),
        ]  # fmt: skip
        constants.pop(f"P{layer}")
    nodes += [
        helper.make_node("Transpose", ["t2"], ["u"], perm=[1, 0, 2]),
        helper.make_node("Gather", ["u", "last"], ["v"], axis=1),
        helper.make_node("Gemm", ["v", "V", "b"], ["y"], transB=1),
    ]
    constants["flat"] = np.array([0, 0, -1], np.int64)
    return model(nodes, {"x": ([batch, steps, 20], np.dtype(np.float32))}, ["y"], constants)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("batch", [1, 7])
def test_keyword_spotter(kind: str, batch: int) -> None:
    x = np.random.default_rng(9).standard_normal((batch, 49, 20)).astype(np.float32)
    compare(keyword_spotter(49, "n", kind), {"x": x})


@pytest.mark.parametrize("steps", [1, 30, 101])
def test_free_sequence_length(steps: int) -> None:
    data = keyword_spotter("steps", "n")
    with pytest.raises(edgeai.FreeShapeError, match="'steps' at axis 1 of 'x'"):
        edgeai.load(data)
    x = np.random.default_rng(9).standard_normal((2, steps, 20)).astype(np.float32)
    compare(data, {"x": x}, shapes={"x": x.shape})


def test_threads_instruction_sets_and_files(tmp_path: Any) -> None:
    """Any number of threads gives the same bytes, and so does a saved model."""
    loaded = edgeai.load(keyword_spotter(20, "n"))
    x = np.random.default_rng(10).standard_normal((33, 20, 20)).astype(np.float32)
    expected = edgeai.Session(loaded, batch=33, threads=1).run(x)[0]
    assert np.array_equal(edgeai.Session(loaded, batch=33, threads=2).run(x)[0], expected)
    loaded.save(tmp_path / "model.edgeai")
    assert np.array_equal(edgeai.Session(edgeai.load(tmp_path / "model.edgeai"), batch=33, threads=2).run(x)[0], expected)


def test_quantized_network_keeps_float_recurrence() -> None:
    loaded = edgeai.load(keyword_spotter(20, "n"))
    x = np.random.default_rng(11).standard_normal((64, 20, 20)).astype(np.float32)
    result = edgeai.quantize(loaded, x)
    expected = edgeai.Session(loaded, batch=64).run(x)[0]
    found = edgeai.Session(result.model, batch=64).run(x)[0]
    assert relative_error(found, expected) < 0.1


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_quantized_classifier_of_the_last_state(kind: str) -> None:
    """Nobody reads the states of all steps: a plan has no memory for them unless it is observed."""
    rng = np.random.default_rng(12)
    constants = parameters(kind, 1, 6, 24, rng, 0.25)
    constants.pop("P")
    constants |= {"V": rng.standard_normal((5, 24)).astype(np.float32), "axes": np.array([0], np.int64)}
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node(kind, ["t", "W", "R", "B"], ["", "h"], hidden_size=24),
        helper.make_node("Squeeze", ["h", "axes"], ["s"]),
        helper.make_node("Gemm", ["s", "V"], ["y"], transB=1),
    ]
    data = model(nodes, {"x": (["n", 9, 6], np.dtype(np.float32))}, ["y"], constants)
    x = rng.standard_normal((32, 9, 6)).astype(np.float32)
    compare(data, {"x": x})
    result = edgeai.quantize(edgeai.load(data), x)
    assert relative_error(edgeai.Session(result.model, batch=None).run(x)[0], peer(data, {"x": x})[0]) < 0.05


@pytest.mark.parametrize("steps", [1, 5, 40])
def test_free_steps_on_the_first_axis(steps: int) -> None:
    """The first free axis is what a session calls its batch; here it is time."""
    rng = np.random.default_rng(13)
    constants = parameters("GRU", 2, 3, 10, rng)
    constants.pop("P")
    node = helper.make_node("GRU", ["x", "W", "R", "B"], ["y", "h"], hidden_size=10, direction="bidirectional")
    data = model([node], {"x": (["steps", 2, 3], np.dtype(np.float32))}, ["y", "h"], constants)
    compare(data, {"x": rng.standard_normal((steps, 2, 3)).astype(np.float32)})


BAD = {
    "weights": ({"W": (1, 16, 4)}, {}, r"LSTM: shape \[1, 16, 4\], \[1, 16, 3\] is required"),
    "recurrent": ({"R": (1, 15, 4)}, {}, r"LSTM: shape \[1, 15, 4\], \[1, 16, 4\] is required"),
    "bias": ({"B": (1, 16)}, {}, r"LSTM: shape \[1, 16\], \[1, 32\] is required"),
    "size": ({}, {"hidden_size": 5}, "attribute 'hidden_size' is 5"),
    "direction": ({}, {"direction": "up"}, "attribute 'direction' is 'up'"),
    "clip": ({}, {"clip": -1.0}, "attribute 'clip' is -1"),
    "count": ({}, {"activations": ["Tanh"]}, "1 activations, not 3"),
    "name": ({}, {"activations": ["Tanh", "Tanh", "Cosh"]}, "activation 'Cosh'"),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_refusals(case: str) -> None:
    shapes, attributes, message = BAD[case]
    sizes = {"W": (1, 16, 3), "R": (1, 16, 4), "B": (1, 32)} | shapes
    x = np.zeros((5, 2, 3), np.float32)
    node = helper.make_node("LSTM", ["X", "W", "R", "B"], ["Y"], **({"hidden_size": 4} | attributes))
    with pytest.raises(edgeai.EdgeAIError, match=message):
        edgeai.load(model([node], {"X": x}, ["Y"], {k: np.zeros(v, np.float32) for k, v in sizes.items()}))
