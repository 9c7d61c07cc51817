"""Corners of ONNX operators: repeated labels, axes of one element, other element types, the open batch, sizes of tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from conftest import small_model
from onnx import TensorProto, helper, numpy_helper
from test_onnx_compositions import build, compare, f32, i64

import edgeai


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ii", [(3, 3)]),
        ("iij", [(3, 3, 2)]),
        ("iji", [(3, 2, 3)]),
        ("...ii", [(2, 4, 3, 3)]),
        ("iijj", [(3, 3, 2, 2)]),
        ("iij,jk", [(3, 3, 2), (2, 4)]),
        ("ba", [(2, 3)]),
    ],
)
def test_sums_without_a_named_result(equation: str, shapes: list[tuple[int, ...]]) -> None:
    compare("Einsum", [f32(*shape, seed=i) for i, shape in enumerate(shapes)], opset=12, equation=equation)


def test_long_equation() -> None:
    """Spaces count for nothing, and there may be many."""
    compare("Einsum", [f32(2, 3), f32(3, 4)], opset=12, equation=f"i{' ' * 80}j, jk -> ik")


@pytest.mark.parametrize("equation", ["ij,jk->ik", "jk,ij->ik", "aij,jk->aik", "ij,jk->i"])
def test_sum_over_an_open_batch_of_one_factor(equation: str) -> None:
    factors, _, _ = equation.partition("->")
    sizes = {"a": 2, "i": 3, "j": 4, "k": 5}
    words = factors.split(",")
    open_label = "a" if "a" in equation else "i"
    shapes = {f"x{k}": tuple("n" if c == open_label else sizes[c] for c in word) for k, word in enumerate(words)}
    content = small_model([helper.make_node("Einsum", list(shapes), ["y"], equation=equation)], shapes, ["y"])
    session, peer = edgeai.Session(edgeai.load(content)), onnxruntime.InferenceSession(content)
    for batch in (1, 3):
        feeds = {name: f32(*(batch if d == "n" else d for d in shape), seed=len(name + str(shape))) for name, shape in shapes.items()}
        np.testing.assert_allclose(session.run(feeds)[0], peer.run(None, feeds)[0], rtol=1e-5, atol=1e-6)


def test_two_open_batches_in_a_product() -> None:
    content = small_model([helper.make_node("Einsum", ["x", "x"], ["y"], equation="ai,bi->ab", name="node")], {"x": ("n", 3)}, ["y"])
    with pytest.raises(edgeai.FreeShapeError, match="open batch") as caught:
        edgeai.load(content)
    assert caught.value.node == "node"


def test_reflection_in_an_axis_of_one_element() -> None:
    for shape in ((1, 2, 1, 4), (1, 2, 3, 1), (1, 2, 1, 1)):
        grid = f32(1, 3, 3, 2, low=-1, high=1)
        compare("GridSample", [f32(*shape), grid], opset=16, mode="bilinear", padding_mode="reflection", align_corners=1)


def test_normalization_with_computed_parameters() -> None:
    """Parameters that follow from constants too large to be computed when the file is read."""
    channels = 5000
    wide = {"s": f32(channels), "b": f32(channels), "m": f32(channels), "v": f32(channels, low=0.5, high=2)}
    nodes = [helper.make_node("Sin", ["s"], ["t"]), helper.make_node("BatchNormalization", ["x", "t", "b", "m", "v"], ["y"])]
    content = small_model(nodes, {"x": (2, channels, 2)}, ["y"], wide)
    x = f32(2, channels, 2)
    expected = onnxruntime.InferenceSession(content).run(None, {"x": x})[0]
    np.testing.assert_allclose(edgeai.Session(edgeai.load(content)).run([x])[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "bool"])
def test_padding_of_integers(dtype: str) -> None:
    x = np.random.default_rng(1).integers(0, 2, (2, 3)).astype(dtype)
    fill = np.array(1 if dtype == "bool" else 101 if dtype == "uint8" else -77).astype(dtype)
    peer = "reference" if dtype in ("int8", "uint8") else "onnxruntime"
    compare("Pad", [x, i64(1, 0, 2, 1), fill], (1, 2), peer=peer)


def test_padding_with_a_long_integer() -> None:
    with pytest.raises(edgeai.UnsupportedOpError, match="24 bits"):
        compare("Pad", [i64(1, 2), i64(1, 1), i64((1 << 24) + 1)[0]], (1, 2))


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("spatial", [(9,), (6, 7), (4, 5, 6)])
def test_maxima_of_bytes(dtype: str, spatial: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).integers(0, 100, (2, 3, *spatial)).astype(dtype)
    options: dict[str, Any] = {"kernel_shape": [2] * len(spatial), "strides": [2] * len(spatial)}
    compare("MaxPool", [x], opset=12, **options)
    if len(spatial) < 3:
        graph = helper.make_graph(
            [helper.make_node("MaxPool", ["x"], ["y"], **options)], "open",
            [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), ["n", 3, *spatial])],
            [helper.make_empty_tensor_value_info("y")],
        )  # fmt: skip
        content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8).SerializeToString()
        expected = onnxruntime.InferenceSession(content).run(None, {"x": x})[0]
        np.testing.assert_array_equal(edgeai.Session(edgeai.load(content)).run([x])[0], expected)


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
def test_global_pools_of_volumes(op: str) -> None:
    compare(op, [f32(2, 3, 4, 5, 6)])


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_determinants(size: int) -> None:
    compare("Det", [f32(2, 3, size, size)], opset=11)
    compare("Det", [f32(size, size)], opset=11)


def indexed(op: str) -> bytes:
    """A node that goes along the open batch."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])]
    names, outputs, constants = ["x", "i"], ["y"], []
    if op == "TopK":
        constants = [numpy_helper.from_array(i64(2), "i")]
        outputs = ["y", "z"]
    else:
        inputs.append(helper.make_tensor_value_info("i", TensorProto.INT64, [2] if op == "Gather" else ["n", 4]))
    if op == "ScatterElements":
        names.append("x")
    graph = helper.make_graph(
        [helper.make_node(op, names, outputs, name="node", axis=0)], "indexed", inputs, [helper.make_empty_tensor_value_info(o) for o in outputs], constants
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString()


@pytest.mark.parametrize("op", ["TopK", "Gather", "GatherElements", "ScatterElements"])
def test_indices_along_the_open_batch(op: str) -> None:
    """The model is right, but the batch must be a number."""
    with pytest.raises(edgeai.FreeShapeError, match="open batch") as caught:
        edgeai.load(indexed(op))
    assert caught.value.node == "node"
    edgeai.load(indexed(op), shapes={"x": (3, 4), **({} if op == "TopK" else {"i": (2,) if op == "Gather" else (3, 4)})})


def repeated(op: str, count: int, inputs: dict[str, tuple[int, ...]], names: list[str], constants: dict[str, np.ndarray], opset: int, **attributes: Any) -> bytes:
    nodes = [helper.make_node(op, names, [f"y{k}"], name=f"node{k}", **attributes) for k in range(count)]
    return small_model(nodes, inputs, [f"y{k}" for k in range(count)], constants, opset)


@pytest.mark.parametrize(
    "content",
    [
        repeated("DFT", 12, {"x": (1, 4096, 1)}, ["x"], {}, 17, axis=1),
        repeated("AffineGrid", 30, {"x": (1, 2, 3)}, ["x", "s"], {"s": i64(1, 1, 2048, 2048)}, 20),
        repeated("HannWindow", 12, {}, ["s"], {"s": np.array(1 << 22)}, 17),
        repeated("Pad", 30, {"x": (1,)}, ["x", "p"], {"p": i64(0, (1 << 22) - 1)}, 19, mode="wrap"),
        repeated("STFT", 200, {"x": (1, 1 << 19, 1)}, ["x", "s", "", "l"], {"s": np.array(1), "l": np.array(4)}, 17),
        repeated("OneHot", 12, {"x": (1,)}, ["x", "d", "v"], {"d": np.array(1 << 22), "v": f32(2)}, 11),
    ],
    ids=["DFT", "AffineGrid", "HannWindow", "Pad", "STFT", "OneHot"],
)
def test_small_files_cannot_ask_for_endless_tables(content: bytes) -> None:
    """Each node is within bounds, all of them together are not."""
    assert len(content) < 20_000
    with pytest.raises(edgeai.EdgeAIError, match="the tables of this node and those before it") as caught:
        edgeai.load(content)
    assert caught.value.node.startswith("node")


def against_onnxruntime(nodes: list[Any], inputs: dict[str, np.ndarray], constants: dict[str, np.ndarray]) -> None:
    content = small_model(nodes, {name: x.shape for name, x in inputs.items()}, ["y"], constants)
    expected = onnxruntime.InferenceSession(content).run(None, inputs)[0]
    for isa in (edgeai.instruction_sets()[0], "reference"):
        found = edgeai.Session(edgeai.load(content), isa=isa).run(inputs)[0]
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=isa)


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_parts_of_one_channel_are_joined_along_any_axis(axis: int) -> None:
    """Only channels may be written between the channels of others."""
    nodes = [helper.make_node("Conv", ["x", f"w{i}"], [f"c{i}"], name=f"part{i}") for i in range(2)]
    nodes.append(helper.make_node("Concat", ["c0", "c1"], ["y"], axis=axis))
    against_onnxruntime(nodes, {"x": f32(1, 3, 4, 5)}, {f"w{i}": f32(1, 3, 1, 1) for i in range(2)})


def test_columns_are_joined_as_rows() -> None:
    nodes = [helper.make_node("Gemm", ["x", f"w{i}"], [f"c{i}"]) for i in range(2)]
    nodes.append(helper.make_node("Concat", ["c0", "c1"], ["y"], axis=0))
    against_onnxruntime(nodes, {"x": f32(4, 6)}, {f"w{i}": f32(6, 1) for i in range(2)})


@pytest.mark.parametrize("order", [[0, 2, 1, 3, 4], [2, 1, 0, 3, 4], [1, 0, 2, 3, 4], [0, 1, 2, 4, 3], [3, 0, 1, 2, 4]])
def test_products_before_transposes_of_many_matrices(order: list[int]) -> None:
    """A product writes through a transpose only where two strides lead from matrix to matrix."""
    nodes = [helper.make_node("MatMul", ["a", "b"], ["m"]), helper.make_node("Transpose", ["m"], ["y"], perm=order)]
    against_onnxruntime(nodes, {"a": f32(2, 3, 4, 5, 6), "b": f32(2, 3, 4, 6, 7)}, {})


def test_layer_normalization_keeps_its_inputs_apart() -> None:
    """Three inputs, two of which have the same shape: a scale is no bias."""
    against_onnxruntime(
        [helper.make_node("LayerNormalization", ["x", "s", "b"], ["y"])], {"x": f32(3, 8)}, {"s": f32(8, low=0.5, high=2), "b": f32(8)}
    )


def test_a_bias_without_a_scale_is_no_scale() -> None:
    """ONNX wants a scale; a file that leaves it out is normalized and moved, not scaled by its bias."""
    x, bias = f32(3, 8), f32(8)
    content = small_model([helper.make_node("LayerNormalization", ["x", "", "b"], ["y"])], {"x": x.shape}, ["y"], {"b": bias})
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) + bias
    np.testing.assert_allclose(edgeai.Session(edgeai.load(content)).run([x])[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("includes", [0, 1])
@pytest.mark.parametrize(("size", "kernel", "stride", "pads"), [(2, 3, 2, (0, 0)), (2, 4, 3, (0, 0)), (1, 3, 3, (0, 0)), (2, 5, 3, (1, 0)), (1, 4, 3, (1, 0))])
def test_pool_whose_window_is_larger_than_the_image(size: int, kernel: int, stride: int, pads: tuple[int, int], includes: int) -> None:
    """Rounded up, the size is one: less than a step is missing."""
    x = f32(2, 17, size, 5)
    window: dict[str, Any] = {"kernel_shape": [kernel, 2], "strides": [stride, 1], "pads": [pads[0], 0, pads[1], 1], "ceil_mode": 1}
    for isa in edgeai.instruction_sets():
        for op, extra in (("MaxPool", {}), ("AveragePool", {"count_include_pad": includes})):
            content, feeds = build(op, [x], (), 18, "", 1, {**window, **extra})
            want = onnxruntime.InferenceSession(content).run(None, feeds)[0]
            have = edgeai.Session(edgeai.load(content), isa=isa).run(feeds)[0]
            np.testing.assert_allclose(have, want, rtol=1e-6, atol=1e-7, err_msg=f"{op} {isa}")
            # The same on bytes: half a step for the result's rounding.
            nodes = [
                helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]), helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
                helper.make_node(op, ["d"], ["p"], **window, **extra), helper.make_node("QuantizeLinear", ["p", "s", "z"], ["r"]),
                helper.make_node("DequantizeLinear", ["r", "s", "z"], ["y"]),
            ]  # fmt: skip
            constants = {"s": np.float32(1 / 128), "z": np.uint8(128)}
            session = edgeai.Session(edgeai.load(small_model(nodes, {"x": x.shape}, ["y"], constants)), isa=isa)
            assert next(s for s in session.plan if "Pool" in s.op).dtype == "uint8"
            steps = np.clip(np.rint(x * 128), -128, 127).astype(np.float32) / 128
            exact = onnxruntime.InferenceSession(content).run(None, {"x0": steps})[0]
            np.testing.assert_allclose(session.run({"x": x})[0], exact, rtol=0, atol=0.5001 / 128, err_msg=f"{op} {isa}")
    content, feeds = build("MaxPool", [x], (), 18, "", 2, window)
    for have, want in zip(edgeai.Session(edgeai.load(content)).run(feeds), onnxruntime.InferenceSession(content).run(None, feeds), strict=True):
        np.testing.assert_array_equal(have, want)


def test_pool_whose_window_does_not_fit() -> None:
    for options in ({"strides": [2]}, {"strides": [4]}, {"strides": [2], "ceil_mode": 1}):
        content, _ = build("MaxPool", [f32(1, 2, 1)], (), 18, "", 1, {"kernel_shape": [3], **options})
        with pytest.raises(edgeai.ShapeError, match="the window spans 3, the padded image only 1"):
            edgeai.load(content)


@pytest.mark.parametrize("mask", [[[0, 1, 1, 1]], [[0, 0, 1, 1]], [[1, 0, 1, 1]]])
def test_masked_keys_of_causal_attention(mask: list[list[int]]) -> None:
    """Where every key that is not later is masked, the masked ones share the weight and later ones get none."""
    q = f32(1, 4, 8)
    compare(
        "MultiHeadAttention", [q, f32(1, 4, 8, seed=4), f32(1, 4, 8, seed=5), None, np.array(mask, np.int32)], (), domain="com.microsoft", num_heads=2,
        unidirectional=1,
    )  # fmt: skip
    compare(
        "Attention", [q, f32(8, 24), f32(24), np.array(mask, np.int32)], (1, 2), domain="com.microsoft", num_heads=2, unidirectional=1,
        mask_filter_value=-5000.0, tolerance=2e-5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shapes", "options", "tensor"),
    [
        ([(2, 4, 5, 8), (1, 2, 6, 8), (1, 2, 6, 8)], {}, "x1"),
        ([(2, 4, 5, 8), (2, 2, 6, 8), (1, 2, 6, 8)], {}, "x1"),
        ([(2, 4, 5, 8), (2, 4, 6, 8), (2, 1, 6, 8)], {}, "x1"),
        ([(2, 4, 5, 8), (2, 2, 6, 7), (2, 2, 6, 8)], {}, ""),
        ([(2, 4, 5, 8), (2, 2, 6, 8), (2, 2, 7, 8)], {}, ""),
        ([(2, 5, 32), (2, 2, 6, 8), (2, 2, 6, 8)], {"q_num_heads": 4, "kv_num_heads": 2}, "x1"),
        ([(2, 4, 5, 8), (2, 2, 6, 8), (2, 2, 6, 8), (1, 1, 1, 5, 6)], {}, "x3"),
    ],
)
def test_attention_of_shapes_that_do_not_fit(shapes: list[tuple[int, ...]], options: dict[str, int], tensor: str) -> None:
    content, _ = build("Attention", [f32(*shape) for shape in shapes], (), 23, "", 1, options)
    with pytest.raises(edgeai.ShapeError) as caught:
        edgeai.load(content)
    assert caught.value.node == "node" and caught.value.tensor == tensor


@pytest.mark.parametrize("side", ["left", "right"])
def test_attention_window_of_negative_width(side: str) -> None:
    arrays = [f32(2, 4, 5, 8), f32(2, 2, 6, 8), f32(2, 2, 6, 8)]
    with pytest.raises(edgeai.ModelError, match="a window of .*-5") as caught:
        edgeai.load(build("Attention", arrays, (), 25, "", 1, {f"{side}_window_size": -5})[0])
    assert caught.value.node == "node"
    edgeai.load(build("Attention", arrays, (), 25, "", 1, {f"{side}_window_size": -1})[0])


@pytest.mark.parametrize("shape", [(1, 3, 7, 9), (2, 7, 9), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resize_of_bytes(mode: str, dtype: Any, shape: tuple[int, ...]) -> None:
    """What lies between is cut. Where it is a whole number but for the rounding of float32, it may be cut to the next one."""
    info = np.iinfo(dtype)
    x = np.random.default_rng(1).integers(info.min, info.max + 1, shape).astype(dtype)
    for transformation, scale in (("asymmetric", 2), ("asymmetric", 1.6), ("half_pixel", 2), ("half_pixel", 0.6), ("align_corners", 2)):
        scales = np.float32([1] * (len(shape) - 1) + [scale] if len(shape) == 3 else [1] * (len(shape) - 2) + [scale, 2])
        options = {"mode": mode, "coordinate_transformation_mode": transformation}
        content, feeds = build("Resize", [x, None, scales], (2,), 18, "", 1, options)
        want = onnxruntime.InferenceSession(content).run(None, feeds)[0]
        floats, _ = build("Resize", [x.astype(np.float32), None, scales], (2,), 18, "", 1, options)
        between = onnxruntime.InferenceSession(floats).run(None, {"x0": x.astype(np.float32)})[0]
        slack = np.abs(between - np.rint(between)) < 1e-4 if mode == "linear" else np.zeros(want.shape, bool)
        for isa in (edgeai.instruction_sets()[0], "reference"):
            have = edgeai.Session(edgeai.load(content), isa=isa).run(feeds)[0]
            assert have.dtype == want.dtype and have.shape == want.shape
            assert (np.abs(have.astype(int) - want) <= slack).all(), (transformation, scale, isa)


def test_cubic_resize_of_bytes_is_refused() -> None:
    content, _ = build("Resize", [np.zeros((1, 1, 4, 4), np.uint8), None, np.float32([1, 1, 2, 2])], (2,), 18, "", 1, {"mode": "cubic"})
    with pytest.raises(edgeai.UnsupportedOpError, match="uint8"):
        edgeai.load(content)


def test_linear_resize_between_quantized_layers() -> None:
    """As onnxruntime's quantizer writes it in QOperator form: on the integers of a QLinearConv."""
    w = np.random.default_rng(2).integers(-100, 100, (4, 3, 3, 3)).astype(np.int8)
    constants = {
        "xs": np.float32(1 / 128), "xz": np.uint8(128), "w": w, "ws": np.float32(0.002), "wz": np.int8(0), "ys": np.float32(0.02), "yz": np.uint8(110),
        "scales": np.float32([1, 1, 2, 2]),
    }  # fmt: skip
    for mode in ("nearest", "linear"):
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["q"]),
            helper.make_node("QLinearConv", ["q", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["c"]),
            helper.make_node("Resize", ["c", "", "scales"], ["r"], mode=mode),
            helper.make_node("DequantizeLinear", ["r", "ys", "yz"], ["y"]),
        ]
        content = small_model(nodes, {"x": (1, 3, 8, 9)}, ["y"], constants)
        feeds = {"x": f32(1, 3, 8, 9)}
        want = onnxruntime.InferenceSession(content).run(None, feeds)[0]
        np.testing.assert_allclose(edgeai.Session(edgeai.load(content)).run(feeds)[0], want, rtol=0, atol=1e-6)


def test_errors_name_what_the_file_has() -> None:
    """Shapes in the file's layout; tensors by the file's names, none where an operator's part has none."""
    with pytest.raises(edgeai.ShapeError, match=r"weights \[4, 5, 3, 3\] do not fit an input of shape \[1, 6, 9, 9\] in 1 groups") as caught:
        edgeai.load(build("Conv", [f32(1, 6, 9, 9), f32(4, 5, 3, 3)], (1,), 18, "", 1, {})[0])
    assert caught.value.tensor == "x1"
    with pytest.raises(edgeai.LimitError) as limit:
        edgeai.load(build("Conv", [f32(1, 6, 9, 9), f32(4, 6, 3, 3)], (1,), 18, "", 1, {"pads": [100000] * 4})[0])
    assert limit.value.tensor == "" and limit.value.node == "node"
    with pytest.raises(edgeai.ShapeError) as shape:
        edgeai.load(build("ConvTranspose", [f32(1, 6, 9, 9), f32(6, 4, 3, 3)], (1,), 18, "", 1, {"pads": [9] * 4})[0])
    assert shape.value.tensor == "x0"
    with pytest.raises(edgeai.ShapeError) as part:
        edgeai.load(build("MultiHeadAttention", [f32(1, 3, 8), f32(1, 4, 8), f32(1, 5, 8)], (), 18, "com.microsoft", 1, {"num_heads": 2})[0])
    assert part.value.tensor == "" and part.value.node == "node"
