"""Models written as ONNX: valid files that ONNX Runtime runs as we run the model, and that come back the same."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import qdq
from conftest import CLASSIFIER, ROOT, relative_error
from test_onnx_operators import Case, cases, f32

import edgeai

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


def exported(model: edgeai.Model) -> tuple[bytes, onnx.ModelProto]:
    data = model.to_onnx()
    proto = onnx.load_from_string(data)
    onnx.checker.check_model(proto, full_check=True)
    assert all(17 <= s.version <= 20 for s in proto.opset_import)
    return data, proto


def operators(proto: onnx.ModelProto) -> Counter[str]:
    return Counter(n.op_type for n in proto.graph.node)


@pytest.mark.parametrize("case", [pytest.param(c, id=f"{c.op}-{c.label}" if c.label else c.op) for c in cases])
def test_operator(case: Case) -> None:
    model = edgeai.load(case.model(case.opsets[-1])[0])
    data, _ = exported(model)
    inputs = [
        f32(*(3 if d == "n" else d for d in shape), seed=20 + i, low=case.low, high=case.high) for i, shape in enumerate(case.shapes)
    ]
    named = {f"x{i}": value for i, value in enumerate(inputs)}
    found = edgeai.Session(model).run(named)
    for y, e, again in zip(found, qdq.peer(data, *inputs), edgeai.Session(edgeai.load(data)).run(named), strict=True):
        assert y.shape == e.shape
        assert relative_error(y, e) < 1e-5
        assert relative_error(again, y) < 1e-5


def test_float_classifier(classifier: edgeai.Model, subset: dict[str, np.ndarray], tmp_path: Path) -> None:
    classifier.save(tmp_path / "model.onnx")
    data = (tmp_path / "model.onnx").read_bytes()
    assert data == exported(classifier)[0]
    images = subset["images"]
    expected = edgeai.Session(classifier)(images)
    assert relative_error(qdq.peer(data, images)[0], expected) < 1e-5
    assert relative_error(edgeai.Session(edgeai.load(data))(images), expected) < 1e-6
    # Borders and layers keep their names.
    source, proto = onnx.load(CLASSIFIER), onnx.load_from_string(data)
    assert [i.name for i in proto.graph.input] == [i.name for i in source.graph.input]
    assert [o.name for o in proto.graph.output] == [o.name for o in source.graph.output]
    layers = {n.name for n in source.graph.node if n.op_type in ("Conv", "Gemm")}
    assert layers == {n.name for n in proto.graph.node if n.op_type in ("Conv", "Gemm")}


def test_integer_classifier(quantized: edgeai.Result, subset: dict[str, np.ndarray]) -> None:
    data, proto = exported(quantized.model)
    images = subset["images"]
    expected = edgeai.Session(quantized.model)(images)
    found = qdq.peer(data, images)[0]
    steps = np.unique(np.abs(expected[expected != 0]))[0]
    assert (found.argmax(-1) == expected.argmax(-1)).all()
    assert np.abs(found - expected).max() / steps <= 1.01
    # No Transpose but the one before the flattened image's layer, if there is one.
    assert operators(proto)["Transpose"] <= 1
    again = edgeai.load(data)
    assert np.array_equal(edgeai.Session(again)(images), expected)
    with edgeai.Session(again) as session, edgeai.Session(quantized.model) as first:
        session(images[:1])
        first(images[:1])
        assert [s.kernel for s in session.plan] == [s.kernel for s in first.plan]


def test_integer_classifier_with_other_options(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    """One scale for each layer; a layer kept in float."""
    first = next(op.name for op in classifier.ops if op.type == "Convolution")
    for options in ({"per_channel": False}, {"ignore": [first]}):
        model = edgeai.quantize(classifier, subset["calibration"], **options).model
        data, _ = exported(model)
        expected = edgeai.Session(model)(subset["images"])
        assert (qdq.peer(data, subset["images"])[0].argmax(-1) == expected.argmax(-1)).mean() >= 0.999
        assert np.abs(edgeai.Session(edgeai.load(data))(subset["images"]) - expected).max() < 1e-5


@pytest.mark.parametrize("build", [qdq.residual_network, qdq.branching_network, qdq.flatten_network])
@pytest.mark.parametrize("source", ["ours", "QDQ"])
def test_quantized_network(build, source: str) -> None:  # type: ignore[no-untyped-def]
    net = build()
    shape = [d.dim_value for d in onnx.load_from_string(net).graph.input[0].type.tensor_type.shape.dim[1:]]
    x = np.random.default_rng(1).standard_normal((64, *shape)).astype(np.float32)
    model = edgeai.quantize(edgeai.load(net), x).model if source == "ours" else edgeai.load(qdq.quantized(net, x))
    data, _ = exported(model)
    expected = edgeai.Session(model)(x)
    found = qdq.peer(data, x)[0]
    step = np.diff(np.unique(expected)).min()
    assert np.abs(found - expected).max() / step <= 2.01
    assert (found.argmax(-1) == expected.argmax(-1)).mean() >= 0.99
    assert np.array_equal(edgeai.Session(edgeai.load(data))(x), expected)


def test_edgeai_file_and_command_line(tmp_path: Path) -> None:
    """The bundled sensor model, from .edgeai to ONNX on the command line."""
    source, target = ROOT / "Examples/models/sensor.edgeai", tmp_path / "sensor.onnx"
    subprocess.run([sys.executable, "-m", "edgeai", "convert", str(source), "-o", str(target)], check=True, stdout=subprocess.DEVNULL)
    model = edgeai.load(source)
    proto = onnx.load(target)
    onnx.checker.check_model(proto, full_check=True)
    shape = [4 if d is None else d for d in model.inputs[0].shape]
    x = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    expected = edgeai.Session(model)(x)
    found = qdq.peer(target.read_bytes(), x)[0]
    assert (found.argmax(-1) == expected.argmax(-1)).all()
    assert np.array_equal(edgeai.Session(edgeai.load(target))(x), expected)


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "densenet121"])
def test_light_network(name: str) -> None:
    model = edgeai.load(LIGHT / f"light_{name}.onnx")
    data, proto = exported(model)
    x = np.random.default_rng(7).standard_normal([1 if d is None else d for d in model.inputs[0].shape], dtype=np.float32)
    assert relative_error(qdq.peer(data, x)[0], edgeai.Session(model)(x)) < 1e-5
    # Of weights that these files compute when they run, and around each channel shuffle.
    assert operators(proto)["Transpose"] <= (64 if name == "shufflenet" else 2)


def test_metadata_and_external_names_survive(classifier: edgeai.Model) -> None:
    model = edgeai.load(classifier.to_bytes())
    model.set_metadata("author", "somebody")
    again = edgeai.load(model.to_onnx())
    assert again.metadata["author"] == "somebody"
    assert again.name == model.name


def test_refusals() -> None:
    """All operators that ONNX has no form for, at once."""
    nodes = [
        qdq._node("PRelu", "x slope", "a"),
        qdq._node("Relu", "a", "b"),
        qdq._node("PRelu", "b slope", "y"),
    ]
    good = edgeai.load(qdq.network(nodes, ["n", 3, 4], {"slope": qdq.random(3, 1)}))
    exported(good)
    unsupported = edgeai.load(qdq.network([qdq._node("Det", "x", "y")], ["n", 3, 3], {}), allow_unsupported=True)
    with pytest.raises(edgeai.UnsupportedOpError, match="Det"):
        unsupported.to_onnx()
    with pytest.raises(edgeai.FileError):
        good.save("/nonexistent/folder/model.onnx")
