"""Models written as ONNX: valid files that ONNX Runtime runs as we run the model, and that come back the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import qdq
from conftest import CLASSIFIER, ROOT, relative_error
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from test_accuracy import NETWORK, PHOTOS, load_photos
from test_onnx_operators import Case, cases, f32
from test_tflite_networks import MOBILENETS, TINY, Peer
from test_tflite_state import counter

import edgeai

LONG = os.environ.get("EDGEAI_TEST_LONG") == "1"
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


def test_state_becomes_inputs_and_outputs() -> None:
    """The caller carries it from one run to the next."""
    model = edgeai.load(counter(np.ones((1, 4), np.float32)))
    data, proto = exported(model)
    assert [len(proto.graph.input), len(proto.graph.output)] == [2, 2]
    state = np.ones((1, 4), np.float32)
    session = edgeai.Session(model)
    for seed in range(3):
        x = f32(1, 4, seed=seed)
        y, state = qdq.peer(data, x, state)
        assert np.array_equal(session.run(x)[0], y)


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


Array = np.ndarray[Any, Any]


def typed(nodes: list[onnx.NodeProto], inputs: list[Array], constants: dict[str, Array], opset: int = 18) -> bytes:
    """A model of inputs x0, x1 ... and the last node's results."""
    values = [helper.make_tensor_value_info(f"x{i}", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for i, x in enumerate(inputs)]
    graph = helper.make_graph(
        nodes, "net", values, [onnx.ValueInfoProto(name=name) for name in nodes[-1].output],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    return onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)).SerializeToString()


def i64(*values: int) -> Array:
    return np.array(values, np.int64)


RNG = np.random.default_rng(6)
F = RNG.standard_normal((3, 4, 5)).astype(np.float32)
I = RNG.integers(-9, 9, (3, 4, 5))
WHERE = RNG.integers(-4, 4, (3, 4, 5))
TYPED: dict[str, tuple[list[onnx.NodeProto], list[Array], dict[str, Array]]] = {
    "Sin": ([qdq._node("Sin", "x0", "y")], [F], {}),
    "Atanh": ([qdq._node("Atanh", "x0", "y")], [F / 5], {}),
    "IsNaN": ([qdq._node("Log", "x0", "l"), qdq._node("IsNaN", "l", "y")], [F], {}),
    "IsInf": ([qdq._node("Div", "x0 c", "d"), qdq._node("IsInf", "d", "y", detect_negative=0)], [F], {"c": np.array(0, np.float32)}),
    "Not": ([qdq._node("Not", "x0", "y")], [I > 0], {}),
    "BitwiseNot": ([qdq._node("BitwiseNot", "x0", "y")], [I.astype(np.int8)], {}),
    "Mod": ([qdq._node("Mod", "x0 c", "y")], [I], {"c": i64(-4)}),
    "Mod of floats": ([qdq._node("Mod", "x0 c", "y", fmod=1)], [F], {"c": np.array(0.3, np.float32)}),
    "Equal": ([qdq._node("Equal", "x0 x1", "y")], [I, I[::-1].copy()], {}),
    "LessOrEqual": ([qdq._node("LessOrEqual", "x0 x1", "y")], [I.astype(np.int16), I[0].astype(np.int16)], {}),
    "Xor": ([qdq._node("Xor", "x0 x1", "y")], [I > 0, I[0] > 3], {}),
    "BitwiseOr": ([qdq._node("BitwiseOr", "x0 x1", "y")], [I.astype(np.uint16), I[0].astype(np.uint16)], {}),
    "BitShift": ([qdq._node("BitShift", "x0 x1", "y", direction="RIGHT")], [I.astype(np.uint32), np.abs(I[0]).astype(np.uint32)], {}),
    "Add of int64": ([qdq._node("Add", "x0 x1", "y")], [I, I[0]], {}),
    "MatMul of int32": ([qdq._node("MatMul", "x0 x1", "y")], [I.astype(np.int32), I[0].T.copy().astype(np.int32)], {}),
    "ReduceLogSumExp": ([qdq._node("ReduceLogSumExp", "x0 c", "y")], [F], {"c": i64(1)}),
    "ReduceMin of int8": ([qdq._node("ReduceMin", "x0 c", "y")], [I.astype(np.int8)], {"c": i64(0, 2)}),
    "ArgMax": ([qdq._node("ArgMax", "x0", "y", axis=1, keepdims=0, select_last_index=1)], [I.astype(np.int32)], {}),
    "Where": ([qdq._node("Where", "x0 x1 c", "y")], [I > 0, F], {"c": np.array([1, 2, 3, 4, 5], np.float32)}),
    "CumSum": ([qdq._node("CumSum", "x0 c", "y", exclusive=1, reverse=1)], [I], {"c": np.array(1)}),
    "Gather": ([qdq._node("Gather", "x0 x1", "y", axis=1)], [F, WHERE[0, :2]], {}),
    "GatherElements": ([qdq._node("GatherElements", "x0 x1", "y", axis=1)], [F, WHERE], {}),
    "GatherND": ([qdq._node("GatherND", "x0 x1", "y", batch_dims=1)], [F, np.clip(WHERE[:, :, :2], -4, 3)], {}),
    "ScatterElements": ([qdq._node("ScatterElements", "x0 x1 x2", "y", axis=1, reduction="max")], [F, np.argsort(F, 1), -F], {}),
    "ScatterND": ([qdq._node("ScatterND", "x0 x1 x2", "y", reduction="add")], [I, np.abs(WHERE[0, :, :2]) // 2, I[:2].reshape(4, 10)[:, :5].copy()], {}),
    "TopK": ([helper.make_node("TopK", ["x0", "c"], ["y", "z"], axis=1, largest=0)], [F], {"c": i64(3)}),
    "Pad of int32": ([qdq._node("Pad", "x0 c", "y")], [I.astype(np.int32)], {"c": i64(0, 1, 0, 2, 0, 0)}),
    "Cast to uint16": ([qdq._node("Cast", "x0", "y", to=TensorProto.UINT16)], [np.abs(F * 9)], {}),
    "no elements": ([qdq._node("Reshape", "x0 c", "y", allowzero=1)], [F[:0]], {"c": i64(4, 0, 5)}),
    "quantized integers": (
        [qdq._node("QuantizeLinear", "x0 s z", "q"), qdq._node("ReduceMax", "q c", "y")], [F],
        {"s": np.array(0.01, np.float32), "z": np.array(-20, np.int8), "c": i64(1)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPED)
def test_typed_operator(name: str) -> None:
    """Integers, truths, indices: what these operators compute is exact."""
    nodes, inputs, constants = TYPED[name]
    model = edgeai.load(typed(nodes, inputs, constants))
    data, _ = exported(model)
    named = {f"x{i}": value for i, value in enumerate(inputs)}
    found, again = edgeai.Session(model).run(named), edgeai.Session(edgeai.load(data)).run(named)
    for y, e, z in zip(found, qdq.peer(data, *inputs), again, strict=True):
        assert y.dtype == e.dtype == z.dtype
        assert y.shape == e.shape == z.shape
        np.testing.assert_allclose(y, e, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(z, y)


@pytest.mark.parametrize("name", TINY)
def test_tflite(name: str, test_data: Path) -> None:
    """MLPerf Tiny's networks, from TFLite to ONNX Runtime."""
    content = (test_data / f"models/mlperf-tiny/{name}.tflite").read_bytes()
    model = edgeai.load(content)
    data, proto = exported(model)
    assert operators(proto)["Transpose"] <= 1
    session, peer = edgeai.Session(model), qdq.peer_session(data)
    same = []
    for x in Peer(content).inputs(60):
        found, expected = session.run(x)[0], peer.run(None, {peer.get_inputs()[0].name: x})[0]
        assert found.dtype == expected.dtype
        same.append(found.argmax() == expected.argmax())
        if found.dtype == np.float32:
            assert relative_error(found, expected) < 1e-5
    # TFLite's averages round ties away from zero, ONNX's to even: noise is decided by less.
    assert np.mean(same) >= 0.98


def top_1(model: edgeai.Model, images: list[Array]) -> float:
    """The share of images for which ONNX Runtime gives the exported model's answer."""
    data, _ = exported(model)
    peer = qdq.peer_session(data, fused=True)
    name = peer.get_inputs()[0].name
    with edgeai.Session(model, threads=2, batch=1) as session:
        same = [session(x).argmax() == peer.run(None, {name: x})[0].argmax() for x in images]
    return float(np.mean(same))


@pytest.mark.parametrize("name", MOBILENETS)
def test_tflite_mobilenet_on_photos(name: str, test_data: Path) -> None:
    model = edgeai.load(test_data / f"models/mobilenet/{name}.tflite")
    size = MOBILENETS[name]
    pictures = []
    for file in sorted((test_data / PHOTOS).glob("*.jpg")):
        picture = Image.open(file).convert("RGB")
        left, top = ((side - 224) // 2 for side in picture.size)
        picture = picture.crop((left, top, left + 224, top + 224)).resize((size, size), Image.Resampling.BILINEAR)
        pictures.append(np.asarray(picture, np.uint8)[None])
    share = top_1(model, pictures)
    print(f"{name}: top-1 agrees on {share:.1%}")
    assert share >= 0.99


@pytest.mark.parametrize("precision", ["float", "int8"])
def test_efficientnet_on_photos(precision: str, test_data: Path) -> None:
    if not LONG:
        pytest.skip("slow: run by make test-long")
    images = load_photos(test_data)[0]
    model = edgeai.load(test_data / NETWORK)
    if precision == "int8":
        model = edgeai.quantize(model, images[::4][:48]).model
    share = top_1(model, list(images[:, None]))
    print(f"EfficientNet-Lite0 {precision}: top-1 agrees on {share:.1%}")
    assert share >= (1 if precision == "float" else 0.99)


def test_refusals() -> None:
    """All operators that ONNX has no form for, at once."""
    products = [qdq._node("CumProd", "x0 c", "a"), qdq._node("CumProd", "a c", "y")]
    model = edgeai.load(typed(products, [F], {"c": np.array(1)}, opset=26))
    with pytest.raises(edgeai.UnsupportedOpError, match="no form for 2 operators.*running products"):
        model.to_onnx()
    nodes = [
        qdq._node("PRelu", "x slope", "a"),
        qdq._node("Relu", "a", "b"),
        qdq._node("PRelu", "b slope", "y"),
    ]
    good = edgeai.load(qdq.network(nodes, ["n", 3, 4], {"slope": qdq.random(3, 1)}))
    exported(good)
    unsupported = edgeai.load(qdq.network([qdq._node("RandomNormalLike", "x", "y")], ["n", 3, 3], {}), allow_unsupported=True)
    with pytest.raises(edgeai.UnsupportedOpError, match="RandomNormalLike"):
        unsupported.to_onnx()
    training = edgeai.load(ROOT / "Tests/golden/edgeai/training.edgeai")
    with pytest.raises(edgeai.UnsupportedOpError, match="no form for 9 operators.*belongs to training"):
        training.to_onnx()
    with pytest.raises(edgeai.FileError):
        good.save("/nonexistent/folder/model.onnx")
