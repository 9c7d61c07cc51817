"""What the tests of TFLite models share: LiteRT as the peer, networks of one layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from conftest import relative_error
from tflite_writer import Network

import edgeai

Array = np.ndarray[Any, Any]
#: Activations of the quantized cases: scale and zero point of int8; uint8 has the zero point 128 higher.
SCALE, ZERO = 0.05, -7


def litert(content: bytes, inputs: list[Array]) -> list[Array]:
    """What LiteRT's standard interpreter (with XNNPACK) gives."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    details = interpreter.get_input_details()
    for detail, x in zip(details, inputs, strict=True):
        if list(detail["shape"]) != list(x.shape):
            interpreter.resize_tensor_input(detail["index"], x.shape)
    interpreter.allocate_tensors()
    for detail, x in zip(details, inputs, strict=True):
        interpreter.set_tensor(detail["index"], x)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def ours(content: bytes, inputs: list[Array], **options: Any) -> list[Array]:
    batch = {"batch": inputs[0].shape[0]} if inputs[0].ndim else {}
    return list(edgeai.Session(edgeai.load(content), **batch, **options).run(inputs))


def check(found: Array, expected: Array, equal: float = 0.99, tolerance: float = 1e-5) -> None:
    """Floats to 1e-5 of the largest; integers within a step, and as many as `equal` of them the same."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    if expected.dtype == np.float32:
        assert relative_error(found, expected) <= tolerance
        return
    steps = np.abs(found.astype(np.int64) - expected.astype(np.int64))
    assert steps.max() <= 1
    assert np.mean(steps == 0) >= equal


def random(shape: Any, kind: str, seed: int = 0, low: float = -2, high: float = 2) -> Array:
    rng = np.random.default_rng(seed)
    if kind == "float32":
        return rng.uniform(low, high, shape).astype(np.float32)
    limits = np.iinfo(kind)
    return rng.integers(limits.min, limits.max + 1, shape).astype(kind)
#: Shape of the images that most cases take.
IMAGE = (1, 9, 11, 6)


def i32(*values: int) -> Array:
    return np.array(values, np.int32)


def activation(net: Network, name: str, shape: Any, kind: str, scale: float = SCALE, zero: int = ZERO, **rest: Any) -> int:
    if kind == "float32":
        return net.tensor(name, shape, kind, **rest)
    return net.tensor(name, shape, kind, scale=scale, zero=zero + (128 if kind == "uint8" else 0), **rest)


def layer(op: str, kind: str, groups: int = 1, padding: int = 0, stride: int = 1, dilation: int = 1, fused: int = 0, weights: str = "") -> bytes:
    """A layer with weights: float, int8 with int8 weights for each channel, or uint8 with asymmetric ones."""
    rng = np.random.default_rng(7)
    net = Network()
    x = activation(net, "x", (1, 10) if op == "FULLY_CONNECTED" else IMAGE, kind)
    shape = {"FULLY_CONNECTED": (9, 10), "DEPTHWISE_CONV_2D": (1, 3, 3, 12 if groups < 0 else 6), "TRANSPOSE_CONV": (9, 3, 3, 6)}.get(
        op, (9 if groups == 1 else 8, 3, 3, 6 // groups)
    )
    channels = shape[3] if op == "DEPTHWISE_CONV_2D" else shape[0]
    axis = 3 if op == "DEPTHWISE_CONV_2D" else 0
    weights = weights or kind
    if weights == "float32" or weights == "float16":
        w = net.tensor("w", shape, weights, rng.uniform(-1, 1, shape).astype(weights).tobytes())
        if weights == "float16":
            plain = net.tensor("w32", shape)
            net.operator("DEQUANTIZE", [w], [plain])
            w = plain
        bias = net.tensor("b", (channels,), "float32", rng.uniform(-1, 1, channels).astype(np.float32).tobytes())
    else:
        data = rng.integers(-127, 128, shape).astype(np.int8) if weights == "int8" else rng.integers(0, 256, shape).astype(np.uint8)
        per_channel = weights == "int8" and op != "TRANSPOSE_CONV"
        scales: Any = [float(s) for s in rng.uniform(0.002, 0.01, channels)] if per_channel else 0.004
        w = net.tensor("w", shape, weights, data.tobytes(), scales, [0] * channels if per_channel else 0 if weights == "int8" else 101, axis)
        biases = [s * SCALE for s in scales] if per_channel else scales * SCALE
        if kind == "float32":
            bias = net.tensor("b", (channels,), "float32", rng.uniform(-1, 1, channels).astype(np.float32).tobytes())
        else:
            bias = net.tensor("b", (channels,), "int32", rng.integers(-4000, 4000, channels).astype(np.int32).tobytes(), biases)
    if op == "FULLY_CONNECTED":
        y = activation(net, "y", (1, channels), kind, 0.11, 4)
        net.operator(op, [x, w, bias], [y], "FullyConnected", activation=fused)
    elif op == "TRANSPOSE_CONV":
        size = [1, 9 * stride, 11 * stride, channels] if padding == 0 else [1, 8 * stride + 3, 10 * stride + 3, channels]
        y = activation(net, "y", size, kind, 0.15, 4)
        target = net.tensor("shape", (4,), "int32", i32(*size).tobytes())
        net.operator(op, [target, w, x, bias], [y], "TransposeConv", padding=padding, stride_w=stride, stride_h=stride, activation=fused)
    else:
        reach = 2 * dilation + 1
        size = [-(-9 // stride), -(-11 // stride)] if padding == 0 else [-(-(10 - reach) // stride), -(-(12 - reach) // stride)]
        y = activation(net, "y", (1, *size, channels), kind, 0.15, 4)
        depthwise = {"multiplier": 2 if groups < 0 else 1} if op == "DEPTHWISE_CONV_2D" else {}
        net.operator(
            op, [x, w, bias], [y], "DepthwiseConv2D" if depthwise else "Conv2D", padding=padding, stride_w=stride, stride_h=stride,
            dilation_w=dilation, dilation_h=dilation, activation=fused, **depthwise,
        )
    return net.file([x], [y])
