"""Operators that are imported as compositions of others, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from conftest import relative_error, small_model
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import edgeai


def f32(*shape: int, seed: int = 3, low: float = -1, high: float = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def build(op: str, arrays: list[Any], constants: tuple[int, ...], opset: int, domain: str, results: int, attributes: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """One node: `arrays` are its inputs (None: absent), those listed in `constants` as initializers."""
    names = ["" if a is None else f"x{i}" for i, a in enumerate(arrays)]
    feeds = {f"x{i}": a for i, a in enumerate(arrays) if a is not None and i not in constants}
    outputs = [f"y{i}" for i in range(results)]
    graph = helper.make_graph(
        [helper.make_node(op, names, outputs, name="node", domain=domain, **attributes)], "compositions",
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in feeds.items()],
        [helper.make_empty_tensor_value_info(n) for n in outputs], [numpy_helper.from_array(arrays[i], f"x{i}") for i in constants],
    )  # fmt: skip
    imports = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=imports, ir_version=10).SerializeToString(), feeds


def compare(
    op: str, arrays: list[Any], constants: tuple[int, ...] = (), opset: int = 18, domain: str = "", results: int = 1,
    tolerance: float = 1e-5, peer: str = "onnxruntime", **attributes: Any,
) -> None:  # fmt: skip
    content, feeds = build(op, arrays, constants, opset, domain, results, attributes)
    if peer == "onnxruntime":
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        expected = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]).run(None, feeds)
    else:
        expected = ReferenceEvaluator(content).run(None, feeds)
    for isa in (edgeai.instruction_sets()[0], "reference"):
        found = edgeai.Session(edgeai.load(content), isa=isa).run(feeds)
        for want, have in zip(expected, found, strict=True):
            assert have.shape == want.shape and have.dtype == want.dtype
            if want.dtype.kind == "f":
                np.testing.assert_allclose(have, want, rtol=tolerance, atol=tolerance * max(1, np.abs(want).max(initial=0)), err_msg=isa)
            else:
                np.testing.assert_array_equal(have, want, err_msg=isa)


# Volumes.

VOLUME_CONVOLUTIONS: list[dict[str, Any]] = [
    {},
    {"strides": [2, 1, 3]},
    {"dilations": [2, 1, 2], "pads": [1, 0, 2, 3, 1, 0]},
    {"group": 2, "strides": [2, 2, 1], "pads": [1, 1, 1, 1, 1, 1]},
    {"group": 4, "dilations": [1, 2, 1]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2, 2]},
    {"auto_pad": "SAME_LOWER"},
]


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("options", VOLUME_CONVOLUTIONS, ids=str)
def test_volume_convolution(options: dict[str, Any], has_bias: bool) -> None:
    arrays = [f32(2, 4, 7, 6, 8), f32(8, 4 // options.get("group", 1), 3, 2, 3), *([f32(8)] if has_bias else [])]
    compare("Conv", arrays, tuple(range(1, len(arrays))), **options)


def test_volume_convolution_with_computed_weights() -> None:
    compare("Conv", [f32(1, 3, 5, 6, 7), f32(4, 3, 3, 3, 3), f32(4)], pads=[1, 1, 1, 1, 1, 1])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strides": [2, 3, 2], "output_padding": [1, 2, 0]},
        {"dilations": [2, 1, 2], "pads": [1, 0, 2, 2, 1, 1]},
        {"group": 2, "strides": [3, 1, 2], "pads": [2, 1, 1, 3, 0, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2, 2]},
        {"strides": [2, 2, 2], "output_shape": [7, 10, 7]},
    ],
    ids=str,
)
def test_volume_transposed_convolution(options: dict[str, Any]) -> None:
    compare("ConvTranspose", [f32(2, 4, 4, 5, 3), f32(4, 3, 3, 2, 4), f32(3 * options.get("group", 1))], (1, 2), **options)


def test_open_batch_of_volumes() -> None:
    """Slices join the batch, which must be a number then: it comes with the arrays, or when the file is opened."""
    weights = f32(4, 3, 2, 2, 2)
    content = small_model([helper.make_node("Conv", ["x", "w"], ["y"], name="volume")], {"x": ("n", 3, 4, 5, 6)}, ["y"], {"w": weights})
    with pytest.raises(edgeai.FreeShapeError, match="open batch") as caught:
        edgeai.load(content)
    assert caught.value.node == "volume"
    session = edgeai.Session(content)
    peer = onnxruntime.InferenceSession(content)
    for batch in (1, 3):
        x = f32(batch, 3, 4, 5, 6)
        assert relative_error(session(x), peer.run(None, {"x": x})[0]) < 1e-5


def test_volume_normalization_and_pool() -> None:
    compare("BatchNormalization", [f32(2, 3, 4, 5, 6), f32(3), f32(3), f32(3), f32(3, low=0.5, high=2)], (1, 2, 3, 4))
    compare("LpPool", [f32(2, 3, 6, 5, 7)], kernel_shape=[2, 3, 2], strides=[2, 1, 2], pads=[0, 1, 1, 1, 1, 0], p=3)


# Pools with places.


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 3, 11), {"kernel_shape": [3], "strides": [2]}),
        ((2, 3, 9, 11), {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}),
        ((2, 3, 9, 11), {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1}),
        ((2, 3, 9, 11), {"kernel_shape": [2, 3], "strides": [2, 1], "auto_pad": "SAME_LOWER"}),
        ((2, 3, 9, 11), {"kernel_shape": [2, 3], "storage_order": 1}),
        ((2, 2, 5, 6, 7), {"kernel_shape": [2, 3, 2], "strides": [1, 2, 2], "pads": [1, 1, 0, 0, 1, 1]}),
        ((1, 2, 4, 5, 6), {"kernel_shape": [2, 2, 2], "storage_order": 1}),
    ],
    ids=str,
)
def test_places_of_maxima(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    compare("MaxPool", [f32(*shape)], results=2, opset=12, **options)


def test_places_of_maxima_of_integers() -> None:
    image = np.random.default_rng(1).integers(0, 9, (1, 2, 7, 7)).astype(np.uint8)
    compare("MaxPool", [image], results=2, opset=12, kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def test_unpooling() -> None:
    places = i64(*np.random.default_rng(2).permutation(2 * 3 * 6 * 8)[: 2 * 3 * 3 * 4]).reshape(2, 3, 3, 4)
    compare("MaxUnpool", [f32(2, 3, 3, 4), places], kernel_shape=[2, 2], strides=[2, 2])
    arrays = [f32(2, 3, 3, 4), places, i64(2, 3, 7, 8)]
    compare("MaxUnpool", arrays, (2,), peer="reference", kernel_shape=[2, 2], strides=[2, 2])


# Resize.

EMPTY = np.array([], np.float32)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
def test_resize_of_volumes(mode: str, coordinates: str) -> None:
    for sizes in ((2, 3, 9, 4, 11), (2, 3, 5, 6, 3)):
        arrays = [f32(2, 3, 5, 6, 7), None, None, i64(*sizes)]
        rounding = {"nearest_mode": "floor"} if mode == "nearest" else {}
        compare("Resize", arrays, (3,), mode=mode, coordinate_transformation_mode=coordinates, **rounding)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("region", [(0.2, 0.1, 0.8, 0.7), (-0.25, 0.5, 1.25, 0.75), (0.9, 0.8, 0.1, 0.2)])
def test_resize_of_a_region(mode: str, region: tuple[float, ...]) -> None:
    roi = np.array([0, 0, *region[:2], 1, 1, *region[2:]], np.float32)
    arrays = [f32(1, 2, 7, 9), roi, None, i64(1, 2, 5, 12)]
    compare("Resize", arrays, (1, 3), mode=mode, coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=2.5)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "align_corners"])
def test_resize_with_antialiasing(mode: str, coordinates: str) -> None:
    # onnxruntime always leaves out what lies beyond the border, as `exclude_outside` asks for.
    for sizes in ((3, 4), (5, 13), (14, 2)):
        arrays = [f32(1, 2, 11, 9), None, None, i64(1, 2, *sizes)]
        attributes = {"mode": mode, "coordinate_transformation_mode": coordinates, "antialias": 1, "exclude_outside": 1}
        compare("Resize", arrays, (3,), peer="reference", **attributes)
        if coordinates == "half_pixel" and max(sizes) < 9:
            compare("Resize", arrays, (3,), **attributes)


def test_resize_keeps_the_middle() -> None:
    for scales in ((0.6, 1.3), (1.7, 2.2)):
        arrays = [f32(1, 2, 7, 9), None, np.array([1, 1, *scales], np.float32)]
        compare("Resize", arrays, (2,), mode="linear", coordinate_transformation_mode="half_pixel_symmetric", opset=19)


def test_resize_of_other_axes_and_ranks() -> None:
    compare("Resize", [f32(5, 6), None, np.array([1.5, 2], np.float32)], (2,), mode="linear")
    compare("Resize", [f32(2, 3, 4, 5), None, np.array([2, 1.5, 1, 1], np.float32)], (2,), mode="nearest")
    compare("Resize", [f32(2, 4, 6, 3), None, np.array([2, 1.5], np.float32)], (2,), mode="linear", axes=[1, 2], peer="reference")


# Sampling at computed positions.


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "output_half_pixel"])
@pytest.mark.parametrize(("samples", "size"), [(1, (3, 3)), (2, (2, 4)), (3, (1, 5))])
def test_roi_align(mode: str, coordinates: str, samples: int, size: tuple[int, int]) -> None:
    regions = np.array([[0, 0, 9, 9], [3.3, 2.1, 30.7, 25.2], [-8, -4, 6, 7], [12, 14, 12.1, 14.2]], np.float32)
    attributes = {"output_height": size[0], "output_width": size[1], "sampling_ratio": samples, "spatial_scale": 0.4}
    compare(
        "RoiAlign", [f32(2, 3, 10, 12), regions, i64(0, 1, 1, 0)], mode=mode, coordinate_transformation_mode=coordinates,
        opset=16, tolerance=2e-5, **attributes,
    )  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strides": [2, 1], "pads": [1, 0, 1, 2]},
        {"dilations": [2, 1], "pads": [2, 1, 2, 1], "group": 2},
        {"offset_group": 2, "pads": [1, 1, 1, 1]},
        {"offset_group": 4, "group": 2, "strides": [1, 2]},
    ],
    ids=str,
)
@pytest.mark.parametrize("has_mask", [False, True])
def test_deformable_convolution(options: dict[str, Any], has_mask: bool) -> None:
    pads, strides, dilations = options.get("pads", [0] * 4), options.get("strides", [1, 1]), options.get("dilations", [1, 1])
    out = [(n + pads[i] + pads[i + 2] - dilations[i] * 2 - 1) // strides[i] + 1 for i, n in enumerate((7, 8))]
    taps = 9 * options.get("offset_group", 1)
    offset = f32(2, 2 * taps, *out, low=-2, high=2)
    mask = [f32(2, taps, *out, low=0, seed=5)] if has_mask else []
    weights = f32(6, 4 // options.get("group", 1), 3, 3)
    compare("DeformConv", [f32(2, 4, 7, 8), weights, offset, f32(6), *mask], (1, 3), opset=19, **options)


# Memory of the past.


@pytest.mark.parametrize("rule", ["linear", "gated", "delta", "gated_delta"])
@pytest.mark.parametrize(("tokens", "heads", "shared"), [(1, 2, 2), (5, 4, 2), (3, 4, 1)])
def test_linear_attention(rule: str, tokens: int, heads: int, shared: int) -> None:
    keys = [f32(2, tokens, heads * 4), f32(2, tokens, shared * 4, seed=5), f32(2, tokens, shared * 3, seed=6)]
    state = f32(2, shared, 4, 3, seed=7)
    gate = f32(2, tokens, shared * (4 if rule == "gated" else 1), low=-1, high=0) if "gated" in rule else None
    rate = f32(2, tokens, shared, low=0, seed=8) if "delta" in rule else None
    arrays = [*keys, state, gate, rate]
    while arrays[-1] is None:
        arrays.pop()
    compare("LinearAttention", arrays, opset=27, results=2, update_rule=rule, q_num_heads=heads, kv_num_heads=shared)


@pytest.mark.parametrize("taps", [1, 2, 4])
@pytest.mark.parametrize("has_past", [False, True])
def test_causal_convolution(taps: int, has_past: bool) -> None:
    arrays = [f32(2, 3, 5), f32(3, 1, taps), f32(3), *([f32(2, 3, taps - 1)] if has_past else [])]
    compare("CausalConvWithState", arrays, (1, 2), opset=27, results=2, activation="silu")


# com.microsoft.


def contributed(op: str, arrays: list[Any], constants: tuple[int, ...] = (), **rest: Any) -> None:
    compare(op, arrays, constants, domain="com.microsoft", **rest)


def test_contributed_products() -> None:
    contributed("FusedMatMul", [f32(2, 5, 3), f32(2, 5, 4)], transA=1, alpha=0.25)
    contributed("FusedMatMul", [f32(2, 3, 5), f32(4, 5)], (1,), transB=1)


def test_contributed_activations() -> None:
    contributed("Gelu", [f32(2, 7, low=-4, high=4)])
    contributed("BiasGelu", [f32(2, 3, 7, low=-4, high=4), f32(7)], (1,))
    contributed("FastGelu", [f32(2, 3, 7, low=-4, high=4), f32(7)], (1,), tolerance=2e-5)
    contributed("FastGelu", [f32(2, 3, 7, low=-4, high=4)], tolerance=2e-5)
    contributed("QuickGelu", [f32(2, 3, 7, low=-4, high=4)], alpha=1.5)


@pytest.mark.parametrize(
    ("activation", "parameters"),
    [("Relu", None), ("Tanh", None), ("Sigmoid", None), ("LeakyRelu", [0.2]), ("Clip", [-0.5, 0.75]), ("HardSigmoid", [0.3, 0.4])],
)
def test_contributed_convolution(activation: str, parameters: list[float] | None) -> None:
    options: dict[str, Any] = {"activation": activation, **({"activation_params": parameters} if parameters else {})}
    contributed("FusedConv", [f32(2, 3, 6, 7), f32(4, 3, 3, 3), f32(4)], (1, 2), pads=[1, 1, 1, 1], **options)
    if activation == "Relu":
        contributed("FusedConv", [f32(2, 3, 6, 7), f32(4, 3, 3, 3), f32(4), f32(2, 4, 4, 5)], (1, 2), **options)


def test_layer_normalizations() -> None:
    row = f32(2, 3, 8)
    compare("LayerNormalization", [row, f32(8), f32(8)], (1, 2), axis=-1)
    compare("LayerNormalization", [row, f32(8)], (1,), axis=2, epsilon=0.5)
    compare("LayerNormalization", [row, f32(8), f32(8)], (), axis=-1)
    # What the operator of the graph does not do is made of others.
    compare("LayerNormalization", [row, f32(3, 8), f32(3, 8)], (1, 2), axis=1)
    compare("LayerNormalization", [row, f32(1)], (1,), axis=-1, peer="reference")
    compare("LayerNormalization", [row, f32(8), f32(8)], (1, 2), results=3, axis=-1)


def test_contributed_normalizations() -> None:
    row, skip = f32(2, 3, 8), f32(2, 3, 8, seed=4)
    contributed("SkipLayerNormalization", [row, skip, f32(8), f32(8), f32(8)], (2, 3, 4), epsilon=1e-5)
    contributed("SkipLayerNormalization", [row, skip, f32(8)], (2,))
    contributed("SkipSimplifiedLayerNormalization", [row, skip, f32(8), f32(8)], (2, 3), epsilon=1e-5)
    compare("SimplifiedLayerNormalization", [row, f32(8)], (1,), axis=-1, epsilon=1e-6)


def test_contributed_embedding() -> None:
    words = np.array([[3, 0, 9, 1], [5, 5, 2, 7]], np.int32)
    segments = np.array([[0, 0, 1, 1], [0, 1, 1, 1]], np.int32)
    mask = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], np.int32)
    tables = [f32(10, 6), f32(4, 6), f32(2, 6), f32(6), f32(6)]
    contributed("EmbedLayerNormalization", [words, segments, *tables, mask], (2, 3, 4, 5, 6), results=2, epsilon=1e-5)
    contributed("EmbedLayerNormalization", [words, None, *tables[:2], None, *tables[3:]], (2, 3, 5, 6), results=2)


@pytest.mark.parametrize("unidirectional", [0, 1])
@pytest.mark.parametrize("mask", [None, np.array([3, 5], np.int32), np.array([[1, 1, 0, 1, 0], [1] * 5], np.int32)], ids=["none", "lengths", "flags"])
def test_contributed_attention(mask: np.ndarray | None, unidirectional: int) -> None:
    arrays = [f32(2, 5, 8), f32(8, 24), f32(24), *([] if mask is None else [mask])]
    contributed("Attention", arrays, (1, 2), num_heads=2, unidirectional=unidirectional)


def test_contributed_attention_of_other_sizes() -> None:
    arrays = [f32(2, 5, 8), f32(8, 20), f32(20), None, None, f32(2, 2, 5, 5)]
    contributed("Attention", arrays, (1, 2), num_heads=2, qkv_hidden_sizes=[8, 8, 4], scale=0.3)


def test_contributed_multi_head_attention() -> None:
    query, key, value = f32(2, 3, 8), f32(2, 5, 8, seed=4), f32(2, 5, 6, seed=5)
    contributed("MultiHeadAttention", [query, key, value], num_heads=2)
    contributed("MultiHeadAttention", [query, key, value, f32(22)], (3,), num_heads=2, scale=0.4)
    flags = np.array([[1, 1, 0, 1, 0], [1] * 5], np.int32)
    contributed("MultiHeadAttention", [query, key, value, None, flags], num_heads=2)
    contributed("MultiHeadAttention", [query, key, value, None, None, f32(1, 2, 3, 5)], num_heads=2)
    same = [f32(2, 3, 8), f32(2, 3, 8, seed=4), f32(2, 3, 8, seed=5)]
    past = [f32(2, 2, 4, 4), f32(2, 2, 4, 4, seed=8)]
    contributed("MultiHeadAttention", [*same, None, None, None, *past], num_heads=2, results=3)
    contributed("MultiHeadAttention", same, num_heads=2, unidirectional=1)


# Refusals say what is missing.


@pytest.mark.parametrize(
    ("op", "arrays", "constants", "attributes", "reason"),
    [
        ("RoiAlign", [f32(1, 1, 4, 4), f32(1, 4), i64(0)], (), {}, "sampling_ratio"),
        ("DeformConv", [f32(1, 1, 4, 4, 4), f32(1, 1, 2, 2, 2), f32(1, 24, 3, 3, 3)], (1,), {"kernel_shape": [2, 2, 2]}, "only images"),
        ("MaxPool", [f32(1, 1, 4, 4)], (), {"kernel_shape": [1, 1], "pads": [1, 1, 1, 1]}, "no pixel"),
    ],
)
def test_refusals(op: str, arrays: list[Any], constants: tuple[int, ...], attributes: dict[str, Any], reason: str) -> None:
    content, _ = build(op, arrays, constants, 19, "", 2 if op == "MaxPool" else 1, attributes)
    with pytest.raises(edgeai.UnsupportedOpError, match=reason):
        edgeai.load(content)


def test_optional_inputs_are_tensors() -> None:
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, [2])
    graph = helper.make_graph(
        [helper.make_node("OptionalHasElement", ["x"], ["has"]), helper.make_node("OptionalGetElement", ["x"], ["y"])], "optional",
        [helper.make_value_info("x", helper.make_optional_type_proto(tensor))],
        [helper.make_empty_tensor_value_info("has"), helper.make_empty_tensor_value_info("y")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    has, y = edgeai.Session(edgeai.load(model.SerializeToString())).run([np.array([1, 2], np.float32)])
    assert has.item() is True and y.tolist() == [1, 2]


def test_the_scale_of_attention_goes_into_a_layer() -> None:
    """Through the product and the movements in front of it; there is nothing left to divide."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["layer"]), helper.make_node("Reshape", ["layer", "heads"], ["split"]),
        helper.make_node("Transpose", ["split"], ["q"], perm=[0, 2, 1, 3]), helper.make_node("MatMul", ["q", "k"], ["scores"]),
        helper.make_node("Div", ["scores", "root"], ["y"]),
    ]  # fmt: skip
    constants = {"w": f32(8, 8), "root": np.float32(5.656854), "heads": i64(2, 6, 2, 4)}
    graph = helper.make_graph(
        nodes, "attention", [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [2, 6, 8]), ("k", [2, 2, 4, 6]))],
        [helper.make_empty_tensor_value_info("y")], [numpy_helper.from_array(a, n) for n, a in constants.items()],
    )  # fmt: skip
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    feeds = {"x": f32(2, 6, 8, seed=1), "k": f32(2, 2, 4, 6, seed=2)}
    session = edgeai.Session(content)
    expected = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, feeds)[0]
    np.testing.assert_allclose(session.run(feeds)[0], expected, rtol=1e-5, atol=1e-6)
    assert [step.op for step in session.plan if step.macs or step.op == "Divide"] == ["Dense", "MatMul"]
