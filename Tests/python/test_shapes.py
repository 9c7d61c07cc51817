"""Free dimensions, values of inputs, tensors without elements, old and new operator sets; numbers against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgeai

FLOAT = TensorProto.FLOAT
INT64 = TensorProto.INT64


def _value(name, shape, dtype=FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def _model(nodes, inputs, outputs, constants=(), opset=17):
    graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(v, k) for k, v in dict(constants).items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()


def _peer(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]).run(None, feeds)


@pytest.fixture(scope="module")
def image_net():
    """A convolutional net whose height and width are free, and shape arithmetic at its end."""
    rng = np.random.default_rng(3)
    constants = {
        "w": rng.standard_normal((8, 3, 3, 3)).astype(np.float32) / 5,
        "v": rng.standard_normal((4, 8, 1, 1)).astype(np.float32) / 3,
        "one": np.array([1], np.int64),
        "rest": np.array([-1], np.int64),
        "zero": np.array([0], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["c"]),
        helper.make_node("Shape", ["c"], ["s"]),
        helper.make_node("Slice", ["s", "zero", "one"], ["n"]),
        helper.make_node("Concat", ["n", "rest"], ["t"], axis=0),
        helper.make_node("Reshape", ["c", "t"], ["y"]),
    ]
    return _model(nodes, [_value("x", ["n", 3, "h", "w_"])], [_value("y", ["n", "m"])], constants)


# Shapes.


def test_free_dimensions_are_listed(image_net):
    with pytest.raises(edgeai.FreeShapeError, match=r"'h' at axis 2 of 'x', 'w_' at axis 3 of 'x'") as caught:
        edgeai.load(image_net)
    assert caught.value.status == "EDGEAI_ERROR_FREE_SHAPE"
    with pytest.raises(edgeai.FreeShapeError):
        edgeai.check(image_net)
    assert edgeai.check(image_net, shapes={"x": (1, 3, 9, 9)})


@pytest.mark.parametrize("size", [(97, 131), (8, 8), (1, 1)])
def test_a_shape_is_given(image_net, size):
    x = np.random.default_rng(0).standard_normal((2, 3, *size)).astype(np.float32)
    model = edgeai.load(image_net, shapes={"x": x.shape})
    assert model.inputs[0].shape == x.shape
    (expected,) = _peer(image_net, {"x": x})
    np.testing.assert_allclose(edgeai.Session(model)(x), expected, rtol=1e-4, atol=1e-5)


def test_the_batch_may_stay_open(image_net):
    model = edgeai.load(image_net, shapes=[(None, 3, 12, 10)])
    assert model.inputs[0].shape == (None, 3, 12, 10)
    session = edgeai.Session(model)
    for batch in (1, 3):
        x = np.random.default_rng(batch).standard_normal((batch, 3, 12, 10)).astype(np.float32)
        np.testing.assert_allclose(session(x), _peer(image_net, {"x": x})[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shapes", "error", "text"),
    [
        ({"z": (1, 3, 8, 8)}, edgeai.ArgumentError, "no input 'z'; it has 'x'"),
        ({"x": (1, 3, 8)}, edgeai.ShapeError, r"has 4 dimensions; \[1, 3, 8\] was given"),
        ({"x": (1, 4, 8, 8)}, edgeai.ShapeError, "has dimension 3 at axis 1"),
        ({"x": (1, 3, -2, 8)}, edgeai.ArgumentError, "given the dimension -2 at axis 2"),
        ({"x": (1, 3, None, 8)}, edgeai.ArgumentError, "given the dimension -1 at axis 2"),
        ({"x": (1, 3, 2**31, 8)}, edgeai.LimitError, "at axis 2"),
        ({"x": (1, 3, 2**20, 2**20)}, edgeai.LimitError, "more than"),
        ({"x": (1,) * 9}, edgeai.ArgumentError, "9 dimensions"),
        ([(1, 3, 8, 8), (1,)], edgeai.ArgumentError, "more inputs are given"),
    ],
)
def test_wrong_shapes(image_net, shapes, error, text):
    with pytest.raises(error, match=text):
        edgeai.load(image_net, shapes=shapes)


def test_a_name_has_one_size():
    model = _model(
        [helper.make_node("Add", ["a", "b"], ["c"])], [_value("a", [1, "k"]), _value("b", ["k"])], [_value("c", [1, "k"])]
    )
    loaded = edgeai.load(model, shapes={"a": (1, 5)})
    assert [t.shape for t in loaded.inputs] == [(1, 5), (5,)]
    with pytest.raises(edgeai.ShapeError, match="input 'b' makes dimension 'k' 6; input 'a' makes it 5"):
        edgeai.load(model, shapes={"a": (1, 5), "b": (6,)})


def test_unknown_operators_come_before_free_shapes():
    model = _model([helper.make_node("Nonsense", ["x"], ["y"])], [_value("x", [1, "k"])], [_value("y", [1])])
    with pytest.raises(edgeai.UnsupportedOpError, match="Nonsense"):
        edgeai.load(model)


# Values.


@pytest.fixture(scope="module")
def reshaped():
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    return _model([node], [_value("x", ["a", "b"]), _value("shape", ["r"], INT64)], [_value("y", ["c", "d"])])


def test_values_become_constants(reshaped):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    model = edgeai.load(reshaped, shapes={"x": (3, 4)}, values={"shape": np.array([2, 6])})
    assert [t.name for t in model.inputs] == ["x"]
    np.testing.assert_array_equal(edgeai.Session(model)(x), x.reshape(2, 6))


@pytest.mark.parametrize(
    ("values", "error", "text"),
    [
        ({"shape": np.array([2, 6], np.int32)}, edgeai.DTypeError, "'shape' is int64; the value given is int32"),
        ({"shape": np.array(["2"])}, edgeai.DTypeError, "not numbers"),
        ({"shape": np.array([[2, 6]])}, edgeai.ShapeError, "has 1 dimensions"),
        ({"shapes": np.array([2, 6])}, edgeai.ArgumentError, "no input 'shapes'"),
        ({"x": np.zeros((3, 4), np.float32), "shape": np.array([2, 6])}, edgeai.ArgumentError, "a shape and a value"),
    ],
)
def test_wrong_values(reshaped, values, error, text):
    with pytest.raises(error, match=text):
        edgeai.load(reshaped, shapes={"x": (3, 4)}, values=values)


def test_only_onnx_has_free_shapes(reshaped):
    model = edgeai.load(reshaped, shapes={"x": (3, 4)}, values={"shape": np.array([2, 6])})
    with pytest.raises(edgeai.UnsupportedOpError, match="ONNX models only"):
        edgeai.load(model.to_bytes(), shapes={"x": (3, 4)})


# Sessions that follow the arrays.


def test_a_session_follows_the_shapes(image_net, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(image_net)
    session = edgeai.Session(path, cache=2)
    with pytest.raises(edgeai.FreeShapeError):
        session.plan  # noqa: B018
    session.cancel()  # nothing to stop, and nothing is left of it
    assert "open shapes" in repr(session)
    for size in (8, 16, 8, 24, 16):
        x = np.random.default_rng(size).standard_normal((1, 3, size, size)).astype(np.float32)
        (expected,) = _peer(image_net, {"x": x})
        np.testing.assert_allclose(session(x), expected, rtol=1e-4, atol=1e-5)
        (named,) = session.run({"x": x})
        np.testing.assert_array_equal(named, session(x))
        assert session.inputs[0].shape == x.shape
        assert len(session._plans) <= 2
    assert session.profile(x, runs=2).events
    with pytest.raises(edgeai.ShapeError, match="dimension 3 at axis 1"):
        session(np.zeros((1, 4, 8, 8), np.float32))
    np.testing.assert_allclose(session(x), expected, rtol=1e-4, atol=1e-5)
    session.close()


def test_names_in_any_order():
    model = _model(
        [helper.make_node("Sub", ["a", "b"], ["c"])], [_value("a", [1, "k"]), _value("b", [1, "k"])], [_value("c", [1, "k"])]
    )
    session = edgeai.Session(model)
    a, b = np.float32([[1, 2, 3]]), np.float32([[5, 5, 5]])
    for _ in range(2):
        np.testing.assert_array_equal(session.run({"b": b, "a": a})[0], a - b)
        np.testing.assert_array_equal(session([a, b]), a - b)


def test_files_with_fixed_shapes_run_as_well(reshaped):
    session = edgeai.Session(reshaped, values={"shape": np.array([-1])})
    np.testing.assert_array_equal(session(np.float32([[1, 2], [3, 4]])), [1, 2, 3, 4])
    with pytest.raises(edgeai.ArgumentError, match="fixed shapes"):
        edgeai.Session(reshaped, values={"shape": np.array([-1])}, batch=1)
    with pytest.raises(edgeai.ArgumentError, match="belong to a file"):
        edgeai.Session(edgeai.load(reshaped, shapes=[(1, 2)], values={"shape": np.array([-1])}), values={})
    with pytest.raises(edgeai.ArgumentError, match="cache"):
        edgeai.Session(reshaped, values={"shape": np.array([-1])}, cache=0)


# Tensors without elements.


@pytest.mark.parametrize(
    ("nodes", "shapes", "constants"),
    [
        ([helper.make_node("Relu", ["x"], ["y"])], [(0, 3)], {}),
        ([helper.make_node("Concat", ["x", "x2"], ["y"], axis=0)], [(0, 3), (2, 3)], {}),
        ([helper.make_node("Concat", ["x", "x2"], ["y"], axis=1)], [(0, 3), (0, 2)], {}),
        ([helper.make_node("ReduceSum", ["x", "axes"], ["y"])], [(2, 0, 4)], {"axes": np.array([1])}),
        ([helper.make_node("ReduceMax", ["x"], ["y"], axes=[1])], [(2, 0)], {}),
        ([helper.make_node("ReduceProd", ["x"], ["y"], axes=[0])], [(0, 3)], {}),
        ([helper.make_node("MatMul", ["x", "x2"], ["y"])], [(2, 0), (0, 3)], {}),
        ([helper.make_node("Transpose", ["x"], ["y"], perm=[1, 0])], [(0, 3)], {}),
        ([helper.make_node("Split", ["x", "sizes"], ["y", "z"], axis=0)], [(2, 3)], {"sizes": np.array([2, 0])}),
        ([helper.make_node("Slice", ["x", "a", "b"], ["y"])], [(4, 3)], {"a": np.array([2, 0]), "b": np.array([2, 3])}),
        ([helper.make_node("Reshape", ["x", "s"], ["y"], allowzero=1)], [(0, 3)], {"s": np.array([3, 0])}),
    ],
    ids=lambda v: v[0].op_type if isinstance(v, list) and hasattr(v[0], "op_type") else None,
)
def test_empty_tensors(nodes, shapes, constants):
    names = ["x", "x2"][: len(shapes)]
    outputs = [_value(o, None) for o in nodes[-1].output]
    model = _model(nodes, [_value(n, s) for n, s in zip(names, shapes)], outputs, constants)
    feeds = {n: np.random.default_rng(1).standard_normal(s).astype(np.float32) for n, s in zip(names, shapes)}
    if nodes[0].op_type in ("ReduceMax",):
        expected = [feeds["x"].max(1, initial=-np.inf, keepdims=True)]  # ONNX Runtime refuses it
    else:
        expected = _peer(model, feeds)
    found = edgeai.Session(edgeai.load(model)).run(feeds)
    for have, want in zip(found, expected, strict=True):
        assert have.shape == want.shape
        np.testing.assert_array_equal(have, want)


# Old and new operator sets.


@pytest.mark.parametrize("axis", [None, 0, 1, 2, -2])
def test_broadcast_of_operator_set_6(axis):
    b_shape = {None: (4, 5), 0: (2, 3), 1: (3,), 2: (4, 5), -2: (4,)}[axis]
    rng = np.random.default_rng(2)
    b = rng.standard_normal(b_shape).astype(np.float32)
    attributes = {"broadcast": 1} if axis is None else {"broadcast": 1, "axis": axis}
    node = helper.make_node("Mul", ["x", "b"], ["y"], **attributes)
    x = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    for constants, inputs in (({"b": b}, ["x"]), ({}, ["x", "b"])):
        values = {"x": x, "b": b}
        model = _model([node], [_value(n, values[n].shape) for n in inputs], [_value("y", x.shape)], constants, opset=6)
        place = x.ndim - b.ndim if axis is None else axis % x.ndim
        wide = b.reshape(b.shape + (1,) * (x.ndim - b.ndim - place))
        np.testing.assert_array_equal(edgeai.Session(edgeai.load(model))([values[n] for n in inputs]), x * wide)


@pytest.mark.parametrize("axis", [3, -5, 2**63 - 1, -(2**63)])
def test_broadcast_that_does_not_fit(axis):
    node = helper.make_node("Mul", ["x", "b"], ["y"], broadcast=1, axis=axis)
    model = _model([node], [_value("x", (2, 3, 4, 5)), _value("b", (4, 5))], [_value("y", (2, 3, 4, 5))], opset=6)
    with pytest.raises(edgeai.ModelError, match="cannot stand at axis"):
        edgeai.load(model)


def test_newest_operator_sets():
    model = _model([helper.make_node("Relu", ["x"], ["y"])], [_value("x", [2])], [_value("y", [2])], opset=28)
    np.testing.assert_array_equal(edgeai.Session(edgeai.load(model))(np.float32([-1, 1])), [0, 1])
    for opset, error in ((29, edgeai.ModelError), (4, edgeai.UnsupportedOpError)):
        model = _model([helper.make_node("Relu", ["x"], ["y"])], [_value("x", [2])], [_value("y", [2])], opset=opset)
        with pytest.raises(error, match=f"operator set {opset} is too"):
            edgeai.load(model)
