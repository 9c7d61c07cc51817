"""int8 convolutions that lowering computes as others: transposed ones by the phases of their stride, groups of few channels together.

The scalar kernels compute what the graph says: every other way has to give their bytes.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import qdq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

import edgeai

SETS = [isa for isa in edgeai.instruction_sets() if isa != "reference"]


def layer(
    op: str, weights: np.ndarray, image: list[int], *, zero_point: int = 0, per_channel: bool = True, axis: int = 0, relu: bool = False, **attributes: Any
) -> edgeai.Model:
    """A convolution in integers between two quantizations, with random scales and biases."""
    rng = np.random.default_rng(weights.size)
    outputs = weights.shape[0] if op == "Conv" else weights.shape[1] * attributes["group"]
    scales = rng.uniform(0.005, 0.02, weights.shape[axis] if per_channel else ()).astype(np.float32)
    constants = {
        "xs": np.array(0.03, np.float32), "xz": np.array(rng.integers(0, 256), np.uint8),
        "w": weights, "ws": scales, "wz": np.full(scales.shape, zero_point, np.int8),
        "b": rng.integers(-2000, 2000, outputs).astype(np.int32), "bs": np.array(0.03 * 0.01, np.float32), "bz": np.array(0, np.int32),
        "ys": np.array(0.1, np.float32), "yz": np.array(rng.integers(60, 200), np.uint8),
    }
    if per_channel and op == "Conv":
        constants["bs"], constants["bz"] = np.float32(0.03) * scales, np.zeros(outputs, np.int32)
    elif not per_channel:
        constants["bs"] = np.float32(0.03) * scales
    else:
        del constants["b"]
    has_bias = "b" in constants
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xf"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"], **({"axis": axis} if per_channel else {})),
        *([helper.make_node("DequantizeLinear", ["b", "bs", "bz"], ["bf"], **({"axis": 0} if constants["bs"].shape else {}))] if has_bias else []),
        helper.make_node(op, ["xf", "wf", *(["bf"] if has_bias else [])], ["c"], **attributes),
        *([helper.make_node("Relu", ["c"], ["r"])] if relu else []),
        helper.make_node("QuantizeLinear", ["r" if relu else "c", "ys", "yz"], ["yq"]),
        helper.make_node("DequantizeLinear", ["yq", "ys", "yz"], ["y"]),
    ]
    return edgeai.load(qdq.network(nodes, ["n", *image], constants))


def check(model: edgeai.Model, x: np.ndarray) -> None:
    expected = edgeai.Session(model, isa="reference")(x)
    for isa in SETS:
        for threads in (1, 3):
            with edgeai.Session(model, isa=isa, threads=threads) as session:
                assert np.array_equal(session(x), expected), (isa, threads)


@st.composite
def transposed(draw: st.DrawFn) -> tuple[edgeai.Model, np.ndarray]:
    dims = draw(st.integers(1, 2))
    small = lambda low, high: draw(st.lists(st.integers(low, high), min_size=dims, max_size=dims))  # noqa: E731
    image, kernel, strides, dilations = small(1, 7), small(1, 6), small(1, 5), small(1, 3)
    if draw(st.booleans()):
        dilations = [1] * dims
    group = draw(st.sampled_from([1, 1, 1, 2, 3, 8]))
    inputs, outputs = draw(st.sampled_from([(1, 1), (1, 1), (1, 3), (4, 5), (3, 17), (8, 33)]))
    lengths = [(i - 1) * s + (k - 1) * d + 1 for i, k, s, d in zip(image, kernel, strides, dilations, strict=True)]
    extra = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(strides, dilations, strict=True)]
    before = [draw(st.integers(0, min(3, length - 1))) for length in lengths]
    behind = [draw(st.integers(0, min(3, length + e - b - 1))) for length, e, b in zip(lengths, extra, before, strict=True)]
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    weights = rng.integers(-127, 128, (group * inputs, outputs, *kernel)).astype(np.int8)
    per_channel = group == 1 and draw(st.booleans())
    model = layer(
        "ConvTranspose", weights, [group * inputs, *image], axis=1, per_channel=per_channel, relu=draw(st.booleans()),
        zero_point=draw(st.sampled_from([0, 0, -5, 127])) if not per_channel else 0,
        group=group, strides=strides, dilations=dilations, pads=before + behind, output_padding=extra,
    )
    return model, rng.standard_normal((draw(st.integers(1, 3)), group * inputs, *image)).astype(np.float32) * 2


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(transposed())
def test_transposed_convolutions_are_convolutions_of_phases(case: tuple[edgeai.Model, np.ndarray]) -> None:
    check(*case)


@st.composite
def grouped(draw: st.DrawFn) -> tuple[edgeai.Model, np.ndarray]:
    group = draw(st.sampled_from([2, 3, 4, 6, 8, 32]))
    inputs, outputs = draw(st.sampled_from([(1, 2), (1, 4), (2, 2), (3, 5), (4, 4), (8, 8), (8, 3)]))
    kernel, strides, dilations = (draw(st.lists(st.integers(1, 3), min_size=2, max_size=2)) for _ in range(3))
    image = [draw(st.integers((k - 1) * d + 1, 12)) for k, d in zip(kernel, dilations, strict=True)]
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    weights = rng.integers(-127, 128, (group * outputs, inputs, *kernel)).astype(np.int8)
    per_channel = draw(st.booleans())
    model = layer(
        "Conv", weights, [group * inputs, *image], per_channel=per_channel, relu=draw(st.booleans()),
        zero_point=draw(st.sampled_from([0, 0, -5, 127])) if not per_channel else 0,
        group=group, strides=strides, dilations=dilations, pads=draw(st.lists(st.integers(0, 2), min_size=4, max_size=4)),
    )
    return model, rng.standard_normal((draw(st.integers(1, 3)), group * inputs, *image)).astype(np.float32) * 2


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(grouped())
def test_merged_groups_have_the_bytes_of_groups_alone(case: tuple[edgeai.Model, np.ndarray]) -> None:
    check(*case)


@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize(
    "options, kernel, copies",
    [
        ({"kernel": (4, 4), "strides": [2, 2], "pads": [1, 1, 1, 1]}, "conv_u8", 4),
        ({"kernel": (2, 2), "strides": [2, 2]}, "conv_u8", 1),
        ({"kernel": (8,), "strides": [4]}, "conv_u8", 0),
        ({"kernel": (4, 4), "strides": [2, 2], "pads": [1, 1, 1, 1], "group": 32}, "depthwise_u8", 4),
        ({"kernel": (3, 3), "strides": [1, 1], "pads": [1, 1, 1, 1]}, "conv_", 0),
    ],
)
def test_no_transposed_convolution_is_scalar(isa: str, options: dict[str, Any], kernel: str, copies: int) -> None:
    group = options.get("group", 1)
    attributes = {"group": group, **{name: value for name, value in options.items() if name not in ("kernel", "group")}}
    rng = np.random.default_rng(3)
    weights = rng.integers(-127, 128, (32, 32 // group, *options["kernel"])).astype(np.int8)
    size = [9] * len(options["kernel"])
    model = layer("ConvTranspose", weights, [32, *size], axis=1, per_channel=False, **attributes)
    session = edgeai.Session(model, isa=isa, strict=True)
    steps = [step for step in session.plan if step.op == "TransposedConvolution"]
    assert [step.kernel for step in steps if step.kernel.startswith(kernel)]
    assert not [step.kernel for step in steps if re.search("reference|transpose", step.kernel)]
    assert sum("copy" in step.kernel for step in steps) == copies
    x = rng.standard_normal((2, 32, *size)).astype(np.float32)
    assert len(np.unique(edgeai.Session(model, isa="reference")(x))) > 50
    check(model, x)
