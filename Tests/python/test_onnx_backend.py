"""ONNX's backend interface: as the suite's own runner uses it, and by itself."""

from __future__ import annotations

import unittest

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.backend.test import BackendTest

import edgeai
from edgeai import onnx_backend


def _model(nodes, inputs, outputs, opset=17):
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def _value(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


@pytest.fixture(scope="module")
def reshape():
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    return _model([node], [_value("x", ["a", "b"]), _value("shape", [2], TensorProto.INT64)], [_value("y", ["c", "d"])])


def test_suite_of_the_package():
    tests = BackendTest(onnx_backend, __name__)
    tests.include(r"^test_(relu|conv_with_strides_padding|reshape_negative_dim|sequence_insert_at_front|single_relu_model)_(cpu|cuda)$")
    result = unittest.TestResult()
    tests.test_suite.run(result)
    assert not result.failures, result.failures
    # Sequences are refused: an error that says so, no wrong answer.
    assert [case.id().rsplit(".", 1)[1] for case, _ in result.errors] == ["test_sequence_insert_at_front_cpu"]
    assert "UnsupportedOpError" in result.errors[0][1]
    assert any("CUDA" in reason for _, reason in result.skipped)


def test_values_and_shapes_become_part_of_the_plan(reshape):
    representation = onnx_backend.prepare(reshape)
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    for shape in ([4, 3], [2, 6], [-1, 1]):
        (y,) = representation.run([x, np.array(shape, np.int64)])
        np.testing.assert_array_equal(y, x.reshape(shape))
        assert representation.bound == ("shape",)
    (y,) = representation.run({"shape": np.array([5, 2], np.int64), "x": np.ones((2, 5), np.float32)})
    assert y.shape == (5, 2)


def test_output_names():
    model = _model([helper.make_node("Relu", ["x"], ["y"])], [_value("x", [2])], [_value("y", [2])])
    outputs = onnx_backend.run_model(model, np.array([-1, 1], np.float32))
    np.testing.assert_array_equal(outputs.y, [0, 1])
    np.testing.assert_array_equal(outputs["y"], [0, 1])


def test_run_node():
    node = helper.make_node("Add", ["a", "b"], ["c"])
    (c,) = onnx_backend.run_node(node, [np.float32([1, 2]), np.float32([3, 4])])
    np.testing.assert_array_equal(c, [4, 6])
    shape = helper.make_node("Shape", ["x"], ["y"])
    (y,) = onnx_backend.run_node(shape, [np.zeros((2, 3), np.float32)], outputs_info=[(np.dtype(np.int64), (2,))], opset_version=13)
    np.testing.assert_array_equal(y, [2, 3])


def test_devices_and_compatibility():
    assert onnx_backend.supports_device("CPU") and not onnx_backend.supports_device("CUDA")
    relu = _model([helper.make_node("Relu", ["x"], ["y"])], [_value("x", [2])], [_value("y", [2])])
    assert onnx_backend.is_compatible(relu)
    assert not onnx_backend.is_compatible(relu, "CUDA")
    with pytest.raises(edgeai.ArgumentError, match="no device 'CUDA'"):
        onnx_backend.prepare(relu, "CUDA")
    text = _model([helper.make_node("StringNormalizer", ["x"], ["y"])], [_value("x", [2], TensorProto.STRING)], [_value("y", [2], TensorProto.STRING)])
    assert not onnx_backend.is_compatible(text)
    scale, zero = helper.make_tensor("s", TensorProto.FLOAT, [], [0.5]), helper.make_tensor("z", TensorProto.UINT8, [], [3])
    quantize = _model([helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])], [_value("x", [2])], [_value("y", [2], TensorProto.UINT8)])
    quantize.graph.initializer.extend([scale, zero])
    assert onnx_backend.is_compatible(quantize)


def test_wrong_inputs(reshape):
    representation = onnx_backend.prepare(reshape)
    x = np.zeros((2, 2), np.float32)
    with pytest.raises(edgeai.ArgumentError, match="inputs are"):
        representation.run([x])
    with pytest.raises(edgeai.ArgumentError, match="3 arrays"):
        representation.run([x, x, x])
    with pytest.raises(edgeai.UnsupportedOpError, match="element type object, which is not supported"):
        representation.run([np.array(["a"], object), np.array([1], np.int64)])
    with pytest.raises(onnx.checker.ValidationError):
        onnx_backend.prepare(_model([helper.make_node("Relu", ["x"], ["y"])], [], []))
