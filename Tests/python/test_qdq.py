"""Quantized ONNX models run in integers, and as ONNX Runtime runs them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
import qdq
from conftest import CLASSIFIER
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantFormat
from test_accuracy import NETWORK, load_photos

import edgeai

LONG = os.environ.get("EDGEAI_TEST_LONG") == "1"

NETWORKS: dict[str, tuple[Callable[[], bytes], tuple[int, ...]]] = {
    "residual": (qdq.residual_network, (3, 12, 12)),
    "branching": (qdq.branching_network, (4, 8, 8)),
    "flatten": (qdq.flatten_network, (2, 9, 9)),
}
FORMS: dict[str, dict[str, Any]] = {
    "u8s8": {},
    "s8s8": {"signed": True},
    "one scale": {"per_channel": False},
    "symmetric": {"signed": True, "extra_options": {"ActivationSymmetric": True}},
    "a pair for each reader": {"extra_options": {"DedicatedQDQPair": True}},
    "float weights behind a pair": {"extra_options": {"AddQDQPairToWeight": True}},
    "QOperator u8s8": {"quant_format": QuantFormat.QOperator},
    "QOperator s8s8": {"quant_format": QuantFormat.QOperator, "signed": True},
}


def output_step(model: bytes) -> float:
    """The scale of the last DequantizeLinear."""
    graph = onnx.load_from_string(model).graph
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    last = next(n for n in graph.node if graph.output[0].name in n.output)
    assert last.op_type == "DequantizeLinear"
    return float(constants[last.input[1]])


def float_steps(session: edgeai.Session) -> list[str]:
    """Steps that compute in float, or convert, after the first quantize and before the last dequantize."""
    steps = list(session.plan)
    assert "quantize" in steps[0].kernel and "dequantize" in steps[-1].kernel
    return [f"{s.name}: {s.kernel}" for s in steps[1:-1] if "f32" in s.kernel or "quantize" in s.kernel]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NETWORKS)
def test_static_quantization(name: str, form: str) -> None:
    build, shape = NETWORKS[name]
    x = np.random.default_rng(1).standard_normal((64, *shape)).astype(np.float32)
    model = qdq.quantized(build(), x, **FORMS[form])
    expected = qdq.peer(model, x)[0]
    with edgeai.Session(edgeai.load(model), batch=None) as session:
        found = session(x)
        assert float_steps(session) == []
    # The same integers, but where a float average falls between two of them: then a neighbour, which the layers
    # behind the pool can turn into two steps.
    assert np.abs(found - expected).max() / output_step(model) <= (2.01 if name == "branching" else 0.01)
    assert (found.argmax(-1) == expected.argmax(-1)).mean() >= 0.99


@pytest.mark.parametrize("form", FORMS)
def test_classifier(form: str, subset: dict[str, np.ndarray]) -> None:
    model = qdq.quantized(CLASSIFIER.read_bytes(), subset["calibration"][:64], **FORMS[form])
    expected = qdq.peer(model, subset["images"])[0]
    with edgeai.Session(edgeai.load(model), batch=None) as session:
        found = session(subset["images"])
        assert float_steps(session) == []
    assert np.abs(found - expected).max() / output_step(model) <= 1.01
    assert (found.argmax(-1) == expected.argmax(-1)).mean() >= 0.99


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18"])
@pytest.mark.parametrize("form", ["u8s8", "s8s8"])
def test_architecture(name: str, form: str) -> None:
    if not LONG:
        pytest.skip("slow: run by make test-long")
    pytest.importorskip("torch", reason="torch is not installed: pip install -r Tests/requirements-long.txt")
    import architectures

    x = np.random.default_rng(2).standard_normal((50, 3, 96, 128)).astype(np.float32)
    model = qdq.quantized(architectures.cached(name, size=(96, 128)).read_bytes(), x[:8], **FORMS[form])
    expected, fused = qdq.peer(model, x)[0], qdq.peer(model, x, fused=True)[0]
    with edgeai.Session(edgeai.load(model), batch=None, threads=2) as session:
        found = session(x)
        assert float_steps(session) == []
    # These answer noise at random, so that a tie in an early layer decides many steps at the end: ONNX Runtime itself is
    # as far from the file's float arithmetic when it computes in integers.
    ours, theirs = (np.abs(y - expected).mean() / output_step(model) for y in (found, fused))
    print(f"{name} {form}: mean {ours:.2f} steps from float arithmetic, ONNX Runtime's integers {theirs:.2f}")
    assert ours <= 2 * theirs
    assert abs((found - expected).mean()) / output_step(model) < 0.1


@pytest.mark.parametrize("form", ["u8s8", "s8s8"])
def test_efficientnet(form: str, test_data: Path) -> None:
    """A trained network on photos: the same answers as ONNX Runtime."""
    if not LONG:
        pytest.skip("slow: run by make test-long")
    images, labels = load_photos(test_data)
    model = qdq.quantized((test_data / NETWORK).read_bytes(), images[::4][:48], **FORMS[form])
    session = qdq.peer_session(model)
    expected = np.concatenate([session.run(None, {session.get_inputs()[0].name: image[None]})[0] for image in images])
    with edgeai.Session(edgeai.load(model), batch=1, threads=2) as ours:
        found = np.concatenate([ours(image[None]) for image in images])
        assert float_steps(ours) == []
    agreement = (found.argmax(-1) == expected.argmax(-1)).mean()
    print(f"{form}: top-1 agrees on {agreement:.1%}, is right on {(found.argmax(-1) == labels).mean():.1%}")
    assert agreement >= 0.99
    assert np.abs(found - expected).max() / output_step(model) <= 6.01


# One operator between conversions, of every type that integer kernels have.

X_SCALE, Y_SCALE = np.array(0.03, np.float32), np.array(0.0213, np.float32)
ONE: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "Relu": ([], {}), "LeakyRelu": ([], {"alpha": 0.2}), "Sigmoid": ([], {}), "Tanh": ([], {}), "HardSwish": ([], {}), "Erf": ([], {}),
    "Clip": ([np.array(-0.5, np.float32), np.array(1, np.float32)], {}), "Softmax": ([], {"axis": 1}), "Abs": ([], {}), "Exp": ([], {}),
    "MaxPool": ([], {"kernel_shape": [3, 2], "strides": [2, 2]}), "GlobalAveragePool": ([], {}), "GlobalMaxPool": ([], {}),
    "ReduceMean": ([], {"axes": [1, 3]}), "Transpose": ([], {"perm": [0, 3, 1, 2]}), "Flatten": ([], {}),
    "Slice": ([np.array([1]), np.array([3]), np.array([2])], {}), "Pad": ([np.array([0, 0, 1, 2, 0, 0, 0, 1])], {}),
    "Resize": ([None, np.array([1, 1, 2, 1.5], np.float32)], {"mode": "linear"}), "DepthToSpace": ([], {"blocksize": 2}),
}  # fmt: skip


def pair(name: str, source: str, scale: str, zero: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("QuantizeLinear", [source, scale, zero], [name + "_q"], name=name + "_q"),
        helper.make_node("DequantizeLinear", [name + "_q", scale, zero], [name], name=name),
    ]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("op", ONE)
def test_operator(op: str, signed: bool) -> None:
    inputs, attributes = ONE[op]
    dtype, zero = (np.int8, -9) if signed else (np.uint8, 119)
    constants = {"xs": X_SCALE, "ys": X_SCALE if op in {"Transpose", "Flatten", "Slice", "DepthToSpace"} else Y_SCALE}
    constants |= {"xz": np.array(zero, dtype), "yz": np.array(zero, dtype)}
    constants |= {f"c{i}": value for i, value in enumerate(inputs) if value is not None}
    names = ["xd", *("" if value is None else f"c{i}" for i, value in enumerate(inputs))]
    nodes = [*pair("xd", "x", "xs", "xz"), helper.make_node(op, names, ["o"], name="op", **attributes), *pair("y", "o", "ys", "yz")]
    model = qdq.network(nodes, ["n", 4, 6, 5], constants)
    x = np.random.default_rng(3).uniform(-3, 3, (5, 4, 6, 5)).astype(np.float32)
    expected = qdq.peer(model, x)[0]
    with edgeai.Session(edgeai.load(model), batch=None) as session:
        found = session(x)
        assert float_steps(session) == []
    steps = np.abs(found - expected) / constants["ys"]
    # Equal but for ties: float arithmetic puts an exact half on either side.
    assert steps.max() <= 1.01
    assert (steps < 0.01).mean() > 0.95


@pytest.mark.parametrize("op", ["Add", "Mul", "Sub", "MatMul", "Concat"])
def test_operator_of_two(op: str) -> None:
    constants = {
        "as": np.array(0.03, np.float32), "az": np.array(120, np.uint8), "bs": np.array(0.02, np.float32), "bz": np.array(3, np.int8),
        "ys": np.array(0.05, np.float32), "yz": np.array(100, np.uint8),
    }  # fmt: skip
    attributes = {"axis": 1} if op == "Concat" else {}
    nodes = [
        *pair("a", "x", "as", "az"),
        *pair("b", "x", "bs", "bz"),
        helper.make_node(op, ["a", "b"], ["o"], name="op", **attributes),
        *pair("y", "o", "ys", "yz"),
    ]
    model = qdq.network(nodes, ["n", 4, 5, 5], constants)
    x = np.random.default_rng(3).uniform(-2, 2, (5, 4, 5, 5)).astype(np.float32)
    expected = qdq.peer(model, x)[0]
    with edgeai.Session(edgeai.load(model), batch=None) as session:
        steps = np.abs(session(x) - expected) / constants["ys"]
        assert not [s.kernel for s in session.plan if "f32" in s.kernel]
    assert steps.max() <= 1.01
    assert (steps < 0.01).mean() > 0.95


# Weights as files hold them.


def convolution(weights: list[onnx.NodeProto], constants: dict[str, np.ndarray], opset: int = 21) -> bytes:
    nodes = [
        *pair("xd", "x", "xs", "xz"),
        *weights,
        helper.make_node("Conv", ["xd", "wf"], ["o"], name="conv"),
        *pair("y", "o", "xs", "xz"),
    ]
    constants = {"xs": np.array(0.05, np.float32), "xz": np.array(128, np.uint8), **constants}
    return qdq.network(nodes, ["n", 4, 5, 5], constants, opset)


def dequantize(**attributes: Any) -> onnx.NodeProto:
    return helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"], name="weights", **attributes)


Q = np.random.default_rng(8).integers(-8, 8, (6, 4, 3, 3))
SCALES = np.linspace(0.0101, 0.0617, 6).astype(np.float32)


@pytest.mark.parametrize(
    ("q", "scale", "zero", "attributes", "is_integer"),
    [
        (Q.astype(np.int8) * 9, SCALES, np.zeros(6, np.int8), {"axis": 0}, True),
        (Q.astype(np.int8) * 16, SCALES, np.zeros(6, np.int8), {"axis": -4}, True),  # -128 too
        ((Q + 128).astype(np.uint8), SCALES, np.full(6, 128, np.uint8), {"axis": 0}, True),
        ((Q + 100).astype(np.uint8), SCALES[0], np.array(100, np.uint8), {}, True),
        (Q.astype(np.int8), SCALES, np.arange(6, dtype=np.int8), {"axis": 0}, False),
        (Q.astype(np.int8), SCALES[:4], np.zeros(4, np.int8), {"axis": 1}, False),
        (Q.astype(np.int16) * 99, SCALES[0] / 99, np.array(7, np.int16), {}, False),
        ((Q + 999).astype(np.uint16), SCALES[0], np.array(999, np.uint16), {}, False),
        (Q.astype(np.int8), np.stack([SCALES] * 2, 1).reshape(6, 2, 1, 1) * np.ones((1, 1, 3, 3), np.float32),
         np.zeros((6, 2, 3, 3), np.int8), {"axis": 1, "block_size": 2}, False),
    ],
)  # fmt: skip
def test_weights(q: np.ndarray, scale: np.ndarray, zero: np.ndarray, attributes: dict[str, Any], is_integer: bool) -> None:
    constants = {"w": q, "ws": np.asarray(scale, np.float32), "wz": zero}
    check_weights(convolution([dequantize(**attributes)], constants), is_integer)


def check_weights(model: bytes, is_integer: bool) -> None:
    x = np.random.default_rng(3).uniform(-5, 5, (3, 4, 5, 5)).astype(np.float32)
    expected = qdq.peer(model, x)[0]
    with edgeai.Session(edgeai.load(model), batch=None) as session:
        found = session(x)
        assert any("f32" in s.kernel for s in session.plan) != is_integer
    assert np.abs(found - expected).max() <= 0.0501
    assert (np.abs(found - expected) < 1e-6).mean() > 0.99


def test_weights_quantized_in_the_file() -> None:
    """Training exports leave float weights in the file, behind QuantizeLinear and DequantizeLinear."""
    weights = [helper.make_node("QuantizeLinear", ["f", "ws", "wz"], ["w"], axis=0), dequantize(axis=0)]
    constants = {"f": qdq.random(6, 4, 3, 3, scale=1), "ws": SCALES, "wz": np.zeros(6, np.int8)}
    check_weights(convolution(weights, constants), True)


def test_weights_of_four_bits() -> None:
    model = onnx.load_from_string(convolution([dequantize(axis=0)], {"ws": SCALES, "w": Q.astype(np.int8), "wz": np.zeros(6, np.int8)}))
    for tensor in model.graph.initializer:
        if tensor.name in ("w", "wz"):
            values = Q if tensor.name == "w" else np.zeros(6, np.int64)
            tensor.CopyFrom(helper.make_tensor(tensor.name, TensorProto.INT4, values.shape, values.flatten().tolist()))
    check_weights(model.SerializeToString(), True)


def test_integer_borders() -> None:
    """A model that takes and gives uint8 or int8."""
    for dtype, zero in ((np.uint8, 120), (np.int8, -8)):
        element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        nodes = [
            helper.make_node("DequantizeLinear", ["x", "s", "z"], ["xd"]),
            helper.make_node("Conv", ["xd", "w"], ["c"], name="conv"),
            helper.make_node("QuantizeLinear", ["c", "s", "z"], ["y"]),
        ]
        graph = helper.make_graph(
            nodes, "borders", [helper.make_tensor_value_info("x", element, ["n", 2, 5, 5])],
            [helper.make_tensor_value_info("y", element, None)],
            [numpy_helper.from_array(v, n) for n, v in {
                "s": np.array(0.05, np.float32), "z": np.array(zero, dtype), "w": qdq.random(3, 2, 3, 3)}.items()],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
        low = np.iinfo(dtype).min
        x = np.random.default_rng(4).integers(low, low + 256, (3, 2, 5, 5)).astype(dtype)
        expected = qdq.peer(model, x)[0]
        with edgeai.Session(edgeai.load(model), batch=None) as session:
            found = session(x)
        assert found.dtype == dtype
        assert np.abs(found.astype(int) - expected).max() <= 1


# What is wrong or not supported.


def broken(constants: dict[str, np.ndarray], nodes: list[onnx.NodeProto] | None = None) -> bytes:
    base = {"s": np.array(0.1, np.float32), "z": np.array(3, np.uint8)}
    return qdq.network(nodes or pair("y", "x", "s", "z"), ["n", 4, 5, 5], base | constants, 21)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_scale(scale: float) -> None:
    with pytest.raises(edgeai.ModelError, match="scale .* is not a positive number") as failure:
        edgeai.load(broken({"s": np.array(scale, np.float32)}))
    assert failure.value.tensor == "s"
    with pytest.raises(edgeai.ModelError, match="scale .* is not a positive number"):
        edgeai.load(convolution([dequantize()], {"w": Q.astype(np.int8), "ws": np.array(scale, np.float32), "wz": np.array(0, np.int8)}))


@pytest.mark.parametrize(
    ("constants", "attributes", "message"),
    [
        ({"ws": SCALES, "wz": np.zeros(6, np.int8)}, {"axis": 4}, "axis 4 does not exist"),
        ({"ws": SCALES, "wz": np.zeros(6, np.int8)}, {"axis": 1}, "6 scales for axis 1"),
        ({"ws": SCALES, "wz": np.zeros(5, np.int8)}, {"axis": 0}, "the zero point has shape"),
        ({"ws": SCALES.reshape(2, 3), "wz": np.zeros((2, 3), np.int8)}, {"axis": 0}, "the scale has shape"),
        ({"ws": SCALES[0], "wz": np.array(0, np.uint8)}, {}, "the zero point is uint8, the tensor int8"),
        ({"ws": np.zeros(0, np.float32), "wz": np.zeros(0, np.int8)}, {}, "the scale has shape"),
        ({"ws": SCALES.reshape(6, 1, 1, 1), "wz": np.zeros((6, 1, 1, 1), np.int8)}, {"axis": 1, "block_size": 2}, "for blocks of 2"),
        ({"ws": SCALES, "wz": np.zeros(6, np.int8)}, {"axis": 0, "block_size": -1}, "'block_size' is -1"),
    ],
)
def test_bad_parameters(constants: dict[str, np.ndarray], attributes: dict[str, Any], message: str) -> None:
    model = onnx.load_from_string(convolution([dequantize(axis=0)], {"w": Q.astype(np.int8), "ws": SCALES, "wz": np.zeros(6, np.int8)}))
    node = next(n for n in model.graph.node if n.name == "weights")
    del node.attribute[:]
    node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
    for tensor in model.graph.initializer:
        if tensor.name in constants:
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(constants[tensor.name]), tensor.name))
    with pytest.raises(edgeai.EdgeAIError, match=message) as failure:
        edgeai.load(model.SerializeToString())
    assert failure.value.node == "weights"


STEPS: dict[str, tuple[dict[str, np.ndarray], list[onnx.NodeProto]]] = {
    "uint16": ({"z": np.array(3, np.uint16)}, pair("y", "x", "s", "z")),
    "int4": (
        {"z": np.array(3, ml_dtypes.int4), "s": np.array(0.5, np.float32)},
        pair("y", "x", "s", "z"),
    ),
    "scales along an axis": ({"s": np.linspace(0.1, 0.2, 4, dtype=np.float32), "z": np.arange(4, dtype=np.int8)}, pair("y", "x", "s", "z")),
    "another scale": (
        {"t": np.array(0.2, np.float32)},
        [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]), helper.make_node("DequantizeLinear", ["q", "t", "z"], ["y"])],
    ),
    "integers that are computed on": (
        {"z": np.array(-3, np.int8), "s": np.array(0.01, np.float32)},
        [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]), helper.make_node("Cast", ["q"], ["y"], to=1)],
    ),
    "scale of the data": (
        {},
        [
            helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"]),
            helper.make_node("DequantizeLinear", ["q", "qs", "qz"], ["y"]),
        ],
    ),
    "dynamic product": (
        {"w": np.arange(-60, 60, 8, dtype=np.int8).reshape(5, 3), "wz": np.array(7, np.int8)},
        [
            helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"]),
            helper.make_node("MatMulInteger", ["q", "w", "qz", "wz"], ["p"]),
            helper.make_node("Cast", ["p"], ["f"], to=1),
            helper.make_node("Mul", ["f", "qs"], ["y"]),
        ],
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_step_by_step(name: str) -> None:
    """What no quantized value of the graph can express is computed on plain integers: exactly as ONNX Runtime does."""
    constants, nodes = STEPS[name]
    graph = onnx.load_from_string(broken(constants, nodes))
    # One image: the scale of the data is that of them all.
    graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    model = graph.SerializeToString()
    x = np.random.default_rng(3).uniform(-2, 2, (1, 4, 5, 5)).astype(np.float32)
    assert np.array_equal(edgeai.Session(edgeai.load(model))(x), qdq.peer(model, x)[0])


@pytest.mark.parametrize("channels", [3, 40, 300])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_convolution_of_integers(channels: int, dtype: type) -> None:
    """Sums are exact however many elements a window has, at the ends of the range too."""
    range_ = np.iinfo(dtype)
    rng = np.random.default_rng(4)
    w = rng.choice([range_.min, range_.max], (5, channels, 3, 3)).astype(dtype)
    nodes = [helper.make_node("ConvInteger", ["x", "w", "xz", "wz"], ["y"], pads=[1, 1, 0, 1], strides=[2, 1])]
    zeros = {"xz": np.array(range_.max, dtype), "wz": np.array(range_.min, dtype)}
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), ["n", channels, 6, 7])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, None)],
        [numpy_helper.from_array(value, name) for name, value in {"w": w, **zeros}.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    x = rng.choice([range_.min, range_.max], (2, channels, 6, 7)).astype(dtype)
    centered = np.pad(x.astype(np.int64) - int(zeros["xz"]), ((0, 0), (0, 0), (1, 0), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(centered, (3, 3), (2, 3))[:, :, ::2]
    expected = np.einsum("nchwij,ocij->nohw", windows, w.astype(np.int64) - int(zeros["wz"]))
    assert np.array_equal(edgeai.Session(edgeai.load(model))(x), expected)


def test_zero_point_may_be_missing() -> None:
    nodes = [helper.make_node("QuantizeLinear", ["x", "s"], ["q"]), helper.make_node("DequantizeLinear", ["q", "s"], ["y"])]
    model = broken({}, nodes)
    x = np.random.default_rng(3).uniform(-5, 30, (3, 4, 5, 5)).astype(np.float32)
    assert np.abs(edgeai.Session(edgeai.load(model))(x) - qdq.peer(model, x)[0]).max() < 1e-6


def test_float_between_conversions_is_seen() -> None:
    """An operator without integer kernel stays float, and the plan says so."""
    nodes = [*pair("xd", "x", "s", "z"), helper.make_node("LRN", ["xd"], ["o"], name="lrn", size=3), *pair("y", "o", "s", "z")]
    with edgeai.Session(edgeai.load(broken({}, nodes)), batch=1) as session:
        assert [s.name for s in session.plan if "f32" in s.kernel] == ["lrn"]
    with pytest.raises(edgeai.UnsupportedOpError):
        edgeai.Session(edgeai.load(broken({}, nodes)), batch=1, strict=True)
