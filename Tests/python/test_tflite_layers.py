"""TFLite models: layers with weights in each element type, conversions, types at the borders of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tflite_checks import IMAGE, ZERO, activation, check, i32, layer, litert, ours, random
from tflite_writer import Network

import edgeai

QUANTIZED = ("float32", "int8", "uint8")

LAYERS: list[tuple[str, dict[str, Any]]] = [
    ("CONV_2D", {}),
    ("CONV_2D", {"padding": 1, "stride": 2, "fused": 1}),
    ("CONV_2D", {"stride": 2, "fused": 3}),
    ("CONV_2D", {"dilation": 2}),
    ("CONV_2D", {"groups": 2}),
    ("DEPTHWISE_CONV_2D", {}),
    ("DEPTHWISE_CONV_2D", {"padding": 1, "stride": 2, "fused": 3}),
    ("DEPTHWISE_CONV_2D", {"groups": -1}),
    ("DEPTHWISE_CONV_2D", {"dilation": 2, "padding": 1}),
    ("FULLY_CONNECTED", {}),
    ("FULLY_CONNECTED", {"fused": 1}),
    ("TRANSPOSE_CONV", {"stride": 2}),
    ("TRANSPOSE_CONV", {"stride": 2, "padding": 1}),
]


@pytest.mark.parametrize("kind", QUANTIZED)
@pytest.mark.parametrize(("op", "options"), LAYERS, ids=lambda v: v if isinstance(v, str) else "-".join(f"{k}{x}" for k, x in v.items()))
def test_layer(op: str, options: dict[str, Any], kind: str) -> None:
    content = layer(op, kind, **options)
    x = random((1, 10) if op == "FULLY_CONNECTED" else IMAGE, kind, 3)
    expected = litert(content, [x])[0]
    for isa in edgeai.instruction_sets():
        check(ours(content, [x], isa=isa)[0], expected)


@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_float16_weights(op: str) -> None:
    content = layer(op, "float32", weights="float16")
    x = random((1, 10) if op == "FULLY_CONNECTED" else IMAGE, "float32", 3)
    check(ours(content, [x])[0], litert(content, [x])[0])


@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
@pytest.mark.parametrize("weights", ["int8", "uint8"])
def test_hybrid_weights_are_real_numbers(op: str, weights: str) -> None:
    """LiteRT rounds the activations of hybrid layers to 8 bits; what the library computes is the layer in float."""
    content = layer(op, "float32", weights=weights)
    rng = np.random.default_rng(7)
    x = random((1, 10) if op == "FULLY_CONNECTED" else IMAGE, "float32", 3)
    shape = {"FULLY_CONNECTED": (9, 10), "DEPTHWISE_CONV_2D": (1, 3, 3, 6)}.get(op, (9, 3, 3, 6))
    channels = shape[-1] if op == "DEPTHWISE_CONV_2D" else shape[0]
    if weights == "int8":
        data = rng.integers(-127, 128, shape).astype(np.int8).astype(np.float32)
        scales = rng.uniform(0.002, 0.01, channels).astype(np.float32)
    else:
        data = rng.integers(0, 256, shape).astype(np.float32) - 101
        scales = np.full(channels, 0.004, np.float32)
    real = (data * (scales if op == "DEPTHWISE_CONV_2D" else scales.reshape(-1, *[1] * (len(shape) - 1)))).astype(np.float32)
    bias = rng.uniform(-1, 1, channels).astype(np.float32)
    net = Network()
    a, w = net.tensor("x", x.shape), net.tensor("w", shape, "float32", real.tobytes())
    b = net.tensor("b", (channels,), "float32", bias.tobytes())
    y = net.tensor("y", (1, channels) if op == "FULLY_CONNECTED" else (1, 9, 11, channels))
    options = {"FULLY_CONNECTED": "FullyConnected", "CONV_2D": "Conv2D"}.get(op, "DepthwiseConv2D")
    strides = {} if op == "FULLY_CONNECTED" else {"stride_w": 1, "stride_h": 1}
    net.operator(op, [a, w, b], [y], options, **strides, **({"multiplier": 1} if op == "DEPTHWISE_CONV_2D" else {}))
    check(ours(content, [x])[0], litert(net.file([a], [y]), [x])[0])


def test_quantize_and_dequantize() -> None:
    net = Network()
    x = net.tensor("x", (3, 40))
    q = net.tensor("q", (3, 40), "int8", scale=0.031, zero=-5)
    r = net.tensor("r", (3, 40), "uint8", scale=0.017, zero=99)
    y = net.tensor("y", (3, 40))
    net.operator("QUANTIZE", [x], [q])
    net.operator("QUANTIZE", [q], [r])
    net.operator("DEQUANTIZE", [r], [y])
    content = net.file([x], [q, r, y])
    inputs = [random((3, 40), "float32", 1, -6, 6)]
    for found, expected in zip(ours(content, inputs), litert(content, inputs), strict=True):
        check(found, expected)


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_borders_keep_the_file_s_type(kind: str) -> None:
    """An input that is an output, moved or not, and a result that is both an output and read on."""
    net = Network()
    x = activation(net, "x", (2, 3), kind)
    turned = activation(net, "turned", (3, 2), kind)
    y = activation(net, "y", (3, 2), kind)
    axes = net.tensor("axes", (2,), "int32", i32(1, 0).tobytes())
    net.operator("TRANSPOSE", [x, axes], [turned])
    net.operator("RELU", [turned], [y])
    content = net.file([x], [x, turned, y])
    model = edgeai.load(content)
    assert [t.dtype for t in [*model.inputs, *model.outputs]] == [kind] * 4
    assert [t.name for t in model.outputs] == ["x", "turned", "y"]
    value = random((2, 3), kind)
    found = edgeai.Session(model).run(value)
    zero = ZERO + (128 if kind == "uint8" else 0)
    assert np.array_equal(found[0], value)
    assert np.array_equal(found[1], value.T)
    assert np.array_equal(found[2], np.maximum(value.T, zero))


def test_concatenation_of_scales() -> None:
    net = Network()
    a, b = net.tensor("a", (1, 50), "int8", scale=0.1, zero=3), net.tensor("b", (1, 60), "int8", scale=0.033, zero=-90)
    y = net.tensor("y", (1, 110), "int8", scale=0.097, zero=1)
    net.operator("CONCATENATION", [a, b], [y], "Concatenation", axis=1)
    content = net.file([a, b], [y])
    inputs = [random((1, 50), "int8", 1), random((1, 60), "int8", 2)]
    # LiteRT takes only equal scales: the formula is the peer.
    reals = [(inputs[0].astype(np.float64) - 3) * 0.1, (inputs[1].astype(np.float64) + 90) * 0.033]
    expected = np.clip(np.rint(np.concatenate(reals, 1) / 0.097) + 1, -128, 127).astype(np.int8)
    check(ours(content, inputs)[0], expected)
