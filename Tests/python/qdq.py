"""Quantized ONNX models for the tests, made as users make them: onnxruntime.quantization over small float networks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class Samples(CalibrationDataReader):  # type: ignore[misc]
    """Feeds batches of one input to the calibration."""

    def __init__(self, name: str, samples: np.ndarray, batch: int = 1) -> None:
        self.batches: Iterator[dict[str, np.ndarray]] = iter(
            [{name: samples[i : i + batch]} for i in range(0, len(samples), batch)]
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


def quantized(model: bytes, samples: np.ndarray, *, signed: bool = False, batch: int = 1, **options: Any) -> bytes:
    """A QDQ (or, with `quant_format`, QOperator) model with 8-bit activations and int8 weights."""
    proto = onnx.load_from_string(model)
    options = {
        "quant_format": QuantFormat.QDQ,
        "activation_type": QuantType.QInt8 if signed else QuantType.QUInt8,
        "weight_type": QuantType.QInt8,
        "per_channel": True,
        **options,
    }
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, target = (Path(folder) / name for name in ("float.onnx", "prepared.onnx", "quantized.onnx"))
        onnx.save(proto, source)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(prepared, target, Samples(proto.graph.input[0].name, samples, batch), **options)
        return target.read_bytes()


def peer_session(model: bytes, fused: bool = False) -> onnxruntime.InferenceSession:
    """ONNX Runtime computing every operator as the file says or, `fused`, in integers where it can."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if not fused:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def peer(model: bytes, *inputs: np.ndarray, fused: bool = False) -> list[np.ndarray]:
    session = peer_session(model, fused)
    return list(session.run(None, dict(zip([i.name for i in session.get_inputs()], inputs, strict=True))))


def random(*shape: int, seed: int = 5, scale: float = 0.3) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def network(nodes: list[onnx.NodeProto], shape: list[Any], constants: dict[str, np.ndarray], opset: int = 17) -> bytes:
    """A float model from "x" to "y"."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model).SerializeToString()


def _node(op: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], name=output, **attributes)


def residual_network() -> bytes:
    """Convolutions, a depthwise one, a residual addition, pools and a dense layer."""
    return network(
        [
            _node("Conv", "x w0 b0", "c0", pads=[1, 1, 1, 1]),
            _node("Relu", "c0", "r0"),
            _node("Conv", "r0 w1 b1", "c1", pads=[1, 1, 1, 1], group=8),
            _node("Clip", "c1 low high", "r1"),
            _node("Conv", "r1 w2 b2", "c2"),
            _node("Add", "c2 r0", "a"),
            _node("Relu", "a", "r2"),
            _node("MaxPool", "r2", "m", kernel_shape=[2, 2], strides=[2, 2]),
            _node("Conv", "m w3 b3", "c3", strides=[2, 2], pads=[1, 1, 1, 1]),
            _node("GlobalAveragePool", "c3", "g"),
            _node("Flatten", "g", "f"),
            _node("Gemm", "f w4 b4", "y", transB=1),
        ],
        ["n", 3, 12, 12],
        {
            "w0": random(8, 3, 3, 3), "b0": random(8, seed=6), "w1": random(8, 1, 3, 3, seed=7), "b1": random(8, seed=8),
            "w2": random(8, 8, 1, 1, seed=9), "b2": random(8, seed=10), "w3": random(16, 8, 3, 3, seed=11), "b3": random(16, seed=12),
            "w4": random(10, 16, seed=13), "b4": random(10, seed=14), "low": np.array(0, np.float32), "high": np.array(6, np.float32),
        },
    )  # fmt: skip


def branching_network() -> bytes:
    """Concat, resizing, an average pool, a sigmoid gate and layout changes."""
    return network(
        [
            _node("Conv", "x w0 b0", "c0", pads=[1, 1, 1, 1]),
            _node("Conv", "x w1 b1", "c1"),
            _node("Concat", "c0 c1", "cat", axis=1),
            _node("AveragePool", "cat", "p", kernel_shape=[2, 2], strides=[2, 2]),
            _node("Resize", "p none scales", "u", mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
            _node("Sigmoid", "u", "s"),
            _node("Mul", "cat s", "gated"),
            _node("Transpose", "gated", "t", perm=[0, 2, 3, 1]),
            _node("Reshape", "t rows", "rows_t"),
            _node("MatMul", "rows_t w2", "y"),
        ],
        ["n", 4, 8, 8],
        {
            "w0": random(6, 4, 3, 3), "b0": random(6, seed=6), "w1": random(4, 4, 1, 1, seed=7), "b1": random(4, seed=8),
            "w2": random(10, 7, seed=9), "none": np.array([], np.float32), "scales": np.array([1, 1, 2, 2], np.float32),
            "rows": np.array([0, 64, 10], np.int64),
        },
    )  # fmt: skip


def flatten_network() -> bytes:
    """A flattened image of several pixels into a dense layer: NCHW order matters."""
    return network(
        [
            _node("Conv", "x w0 b0", "c0", strides=[2, 2]),
            _node("Relu", "c0", "r0"),
            _node("Flatten", "r0", "f"),
            _node("Gemm", "f w1 b1", "h", transB=1),
            _node("Relu", "h", "hr"),
            _node("MatMul", "hr w2", "m"),
            _node("Add", "m b2", "y"),
        ],
        ["n", 2, 9, 9],
        {
            "w0": random(5, 2, 3, 3), "b0": random(5, seed=6), "w1": random(12, 80, seed=7, scale=0.1), "b1": random(12, seed=8),
            "w2": random(12, 6, seed=9), "b2": random(6, seed=10),
        },
    )  # fmt: skip
