"""ONNX operators on every element type, against the reference evaluator of the onnx package."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import edgeai

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
SHAPE = (3, 5, 4)


def data(dtype: str, shape: tuple[int, ...] = SHAPE, seed: int = 1, low: int = -9, high: int = 9) -> np.ndarray:
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    if np.dtype(dtype).kind == "u":
        low = max(low, 0)
    if np.dtype(dtype).kind == "f":
        return random.uniform(low, high, shape).astype(dtype)
    return random.integers(low, high + 1, shape).astype(dtype)


def compare(op: str, arrays: list[Any], constants: dict[int, np.ndarray] | None = None, opset: int = 18, results: int = 1, **attributes: Any) -> None:
    """One node: `arrays` are its inputs (None: absent), `constants` takes some of them as initializers instead."""
    constants = constants or {}
    names = ["" if a is None else f"x{i}" for i, a in enumerate(arrays)]
    feeds = {f"x{i}": a for i, a in enumerate(arrays) if a is not None and i not in constants}
    outputs = [f"y{i}" for i in range(results)]

    def info(name: str, array: np.ndarray | None) -> Any:
        kind = TensorProto.FLOAT if array is None else helper.np_dtype_to_tensor_dtype(array.dtype)
        return helper.make_tensor_value_info(name, kind, None if array is None else array.shape)

    graph = helper.make_graph(
        [helper.make_node(op, names, outputs, name="node", **attributes)], "types",
        [info(n, a) for n, a in feeds.items()], [info(n, None) for n in outputs],
        [numpy_helper.from_array(arrays[i], f"x{i}") for i in constants],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    expected = ReferenceEvaluator(model).run(None, feeds)
    found = edgeai.Session(edgeai.load(model.SerializeToString()), check_finite=False).run(feeds)
    for want, have in zip(expected, found, strict=True):
        want = np.asarray(want)
        assert have.dtype == want.dtype and have.shape == want.shape
        if want.dtype.kind == "f":
            np.testing.assert_allclose(have, want, rtol=2e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize("dtype", [*INTEGERS, "float32"])
@pytest.mark.parametrize("op", ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"])
def test_comparisons(op: str, dtype: str) -> None:
    compare(op, [data(dtype), data(dtype, (5, 1), seed=2)])


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Max", "Min", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Mod"])
def test_integer_arithmetic(op: str, dtype: str) -> None:
    b = data(dtype, (1, 5, 4), seed=2)
    if op == "Mod":
        b[b == 0] = 3
    compare(op, [data(dtype), b])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers_wrap_and_divide_towards_zero(dtype: str) -> None:
    big = np.array([np.iinfo(dtype).max, np.iinfo(dtype).min, -7, 7], dtype)
    node = edgeai.Session(edgeai.load(two_inputs("Div", dtype)))
    assert node.run([big, np.array([1, 1, 2, -2], dtype)])[0].tolist() == [big[0], big[1], -3, -3]
    node = edgeai.Session(edgeai.load(two_inputs("Add", dtype)))
    assert node.run([big, np.array([1, -1, 0, 0], dtype)])[0].tolist() == [big[1], big[0], -7, 7]


def two_inputs(op: str, dtype: str) -> bytes:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    infos = [helper.make_tensor_value_info(n, kind, [4]) for n in ("a", "b", "y")]
    graph = helper.make_graph([helper.make_node(op, ["a", "b"], ["y"])], "two", infos[:2], infos[2:])
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=10).SerializeToString())


@pytest.mark.parametrize("op", ["And", "Or", "Xor"])
def test_logic(op: str) -> None:
    compare(op, [data("bool"), data("bool", seed=2)])
    compare("Not", [data("bool")])
    compare("BitwiseNot", [data("int16")])
    compare("BitwiseNot", [data("uint32")])


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool", "float32"])
@pytest.mark.parametrize("to", [*INTEGERS, "bool", "float32"])
def test_cast(dtype: str, to: str) -> None:
    x = data(dtype, low=0 if np.dtype(to).kind == "u" else -9)
    compare("Cast", [x], to=int(helper.np_dtype_to_tensor_dtype(np.dtype(to))))
    compare("CastLike", [x, data(to)])


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool", "float32"])
def test_moving_and_choosing(dtype: str) -> None:
    x = data(dtype)
    compare("Where", [data("bool", seed=3), x, data(dtype, (1, 1, 4), seed=4)])
    compare("Transpose", [x], perm=[2, 0, 1])
    compare("Concat", [x, data(dtype, (3, 2, 4))], axis=1)
    compare("Slice", [x, np.array([4, 0]), np.array([-9, 3]), np.array([1, 2]), np.array([-2, 2])], {1: x, 2: x, 3: x, 4: x})
    compare("Expand", [data(dtype, (5, 1)), np.array([2, 5, 3])], {1: x})
    compare("Tile", [x, np.array([2, 1, 3])], {1: x})
    compare("Gather", [x, np.array([[0, -1], [2, 1]])], axis=1)
    compare("GatherElements", [x, np.array([[[3, 0, -1, 2]] * 5] * 3)], axis=2)
    compare("GatherND", [x, np.array([[[0, 3]], [[-1, 1]], [[2, 2]]])], batch_dims=1)
    compare("ScatterElements", [x, np.array([[[4, 0, -2, 1]]]), data(dtype, (1, 1, 4), seed=8)], axis=1)
    compare("ScatterND", [x, np.array([[0, 4], [2, 1]]), data(dtype, (2, 4), seed=9)])
    compare("Trilu", [x, np.array(1)], {1: x}, upper=0)
    compare("ReverseSequence", [x, np.array([2, 5, 0])], time_axis=1, batch_axis=0)
    if dtype != "bool":  # the evaluator subtracts the two values
        compare("OneHot", [np.array([[1, -3], [7, 0]]), np.array(6), np.array([3, 1]).astype(dtype)], {1: x}, axis=1)


@pytest.mark.parametrize("reduction", ["add", "mul", "min", "max"])
def test_scatter_reductions(reduction: str) -> None:
    for dtype in ("float32", "int64", "uint8"):
        x = data(dtype)
        compare("ScatterElements", [x, np.array([[[1, 1, -2, 1], [1, 0, 1, 1]]]), data(dtype, (1, 2, 4), seed=8)], axis=1, reduction=reduction)
        compare("ScatterND", [x, np.array([[0, 4], [0, 4]]), data(dtype, (2, 4), seed=9)], reduction=reduction)


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_reductions_of_nothing(dtype: str, constant: bool) -> None:
    """Without axes each element is reduced by itself."""
    x = data(dtype, low=1) * data(dtype, seed=2)
    if dtype == "float32":
        x += np.where(x == 0, np.float32(1), 0)
    expected = {
        "ReduceSum": x, "ReduceMax": x, "ReduceMin": x, "ReduceProd": x, "ReduceMean": x, "ReduceL1": np.abs(x), "ReduceL2": np.abs(x), "ReduceSumSquare": x * x,
    }  # fmt: skip
    if dtype == "float32":
        expected |= {"ReduceLogSumExp": x, "ReduceLogSum": np.log(x, where=x > 0, out=np.full_like(x, np.nan))}
    for op, want in expected.items():
        for axes in (True, False):
            for keepdims in (0, 1):
                names = ["x", "axes"] if axes else ["x"]
                node = helper.make_node(op, names, ["y"], noop_with_empty_axes=1, keepdims=keepdims)
                # A known vector of integers is folded.
                kept = [numpy_helper.from_array(x.ravel(), "x")] if constant else []
                kept += [numpy_helper.from_array(np.zeros(0, np.int64), "axes")] if axes else []
                kind = helper.np_dtype_to_tensor_dtype(x.dtype)
                inputs = [helper.make_tensor_value_info("z", kind, [60])] if constant else [helper.make_tensor_value_info("x", kind, SHAPE)]
                nodes = [node, helper.make_node("Add", ["y", "z"], ["sum"])] if constant else [node]
                graph = helper.make_graph(nodes, "reductions", inputs, [helper.make_empty_tensor_value_info("sum" if constant else "y")], kept)
                model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
                session = edgeai.Session(edgeai.load(model.SerializeToString()), check_finite=False)
                (found,) = session.run([np.zeros(60, x.dtype) if constant else x])
                np.testing.assert_allclose(found, want.ravel() if constant else want, rtol=2e-6, err_msg=op)


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "uint64"])
def test_reductions(dtype: str) -> None:
    x = data(dtype)
    squares = () if dtype == "int32" else ("ReduceSumSquare",)  # the evaluator gives int64
    for op in ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", *squares):
        compare(op, [x, np.array([0, 2])], {1: x})
        compare(op, [x], keepdims=0)
    for op in ("ArgMax", "ArgMin"):
        compare(op, [x], axis=1)
        compare(op, [x], axis=-1, keepdims=0, select_last_index=1)
    for options in ({}, {"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1}):
        compare("CumSum", [x, np.array(1)], {1: x}, **options)
    compare("TopK", [x, np.array([3])], {1: x}, results=2, axis=1)
    compare("TopK", [x, np.array([2])], {1: x}, results=2, largest=0)


def test_float_functions() -> None:
    x = data("float32", low=-1, high=1)
    for op in ("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Atanh"):
        compare(op, [x])
    compare("Acosh", [x + 2.5])
    compare("IsNaN", [np.where(x > 0, np.float32("nan"), x)])
    compare("IsInf", [np.where(x > 0, np.float32("inf"), np.where(x < -0.5, np.float32("-inf"), x))], detect_negative=0, opset=20)
    compare("Mod", [x * 9, data("float32", seed=5)], fmod=1)
    compare("Shrink", [x], lambd=0.3, bias=0.1)
    for dtype in ("int32", "int8", "int64"):
        compare("Shrink", [data(dtype)], lambd=2.5, bias=0.75)
        compare("Shrink", [data(dtype)], lambd=3.0, bias=2.0)
    compare("Hardmax", [x], axis=1)
    compare("ReduceLogSum", [x + 2, np.array([1])], {1: x})
    compare("ReduceLogSumExp", [x * 300, np.array([1])], {1: x})
    compare("Pow", [x + 2, data("int32", low=-3, high=3)])


def test_integer_products() -> None:
    compare("MatMul", [data("int32", (2, 3, 300)), data("int32", (300, 4))])
    compare("MatMul", [data("int64", (5,)), data("int64", (5, 4))])
    compare("MatMulInteger", [data("uint8", (3, 5), high=255), data("int8", (5, 4), low=-128), np.array(7, np.uint8), np.array([1, -2, 3, 4], np.int8)])
    for equation in ("ij,jk->ik", "bij,bjk", "...ij,...kj->...ik", "ij->j", "ij->ji", "i,j->ij", "ij,j->"):
        factors = equation.split("->")[0].split(",")
        shapes = [tuple({"b": 2, "i": 3, "j": 4, "k": 5}[c] for c in f.replace("...", "b")) for f in factors]
        compare("Einsum", [data("float32", s, seed=i, low=-1, high=1) for i, s in enumerate(shapes)], equation=equation)
    compare("Einsum", [data("float32", (2, 3, 3))], equation="bii->bi")
    compare("Einsum", [data("float32", s, low=-1, high=1) for s in ((2, 3), (3, 4), (4, 5))], equation="ij,jk,kl->il")


def f32(*shape: int, seed: int = 1) -> np.ndarray:
    return data("float32", shape, seed, -1, 1)


def test_normalizations() -> None:
    x = f32(2, 6, 5, 4)
    compare("LayerNormalization", [x, f32(5, 4), f32(5, 4, seed=2)], axis=2, opset=17)
    compare("RMSNormalization", [x, f32(4)], epsilon=1e-3, opset=23)
    compare("InstanceNormalization", [x, f32(6), f32(6, seed=2)])
    compare("GroupNormalization", [x, f32(6), f32(6, seed=2)], num_groups=3, opset=21)
    compare("LpNormalization", [np.abs(x)], axis=1, p=1)  # of negative numbers the evaluator takes no magnitude
    compare("LpNormalization", [x], p=2)
    compare("BatchNormalization", [x, f32(6), f32(6, seed=2), f32(6, seed=3), f32(6, seed=4) + 2])
    compare("LpPool", [x], kernel_shape=[3, 2], strides=[2, 1], p=3)  # padding: the evaluator divides by too few


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignored", [None, 2, -7])
def test_losses(reduction: str, weighted: bool, ignored: int | None) -> None:
    scores, labels = f32(3, 5, 4), data("int64", (3, 4), low=0, high=4)
    if ignored == -7:
        labels[0, 1] = -7
    options = {"reduction": reduction} | ({} if ignored is None else {"ignore_index": ignored})
    weights = [np.abs(f32(5, seed=2))] if weighted else []
    compare("NegativeLogLikelihoodLoss", [scores, labels, *weights], **options)
    compare("SoftmaxCrossEntropyLoss", [scores, labels, *weights], results=2, **options)


def test_wide_integers_round_once() -> None:
    x = np.array([2**60 + 2**36 + 1, 2**60 + 2**36, -(2**60) - 2**36 - 1, 2**63 - 1], np.int64)
    want = np.array([2**60 + 2**37, 2**60, -(2**60) - 2**37, 2**63], np.float32)
    for constant in (False, True):
        node = helper.make_node("Cast", ["x"], ["c"], to=TensorProto.FLOAT)
        last = helper.make_node("Add", ["c", "z"], ["y"])
        inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, [4])]
        inputs += [] if constant else [helper.make_tensor_value_info("x", TensorProto.INT64, [4])]
        graph = helper.make_graph(
            [node, last], "wide", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])], [numpy_helper.from_array(x, "x")] if constant else [],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        found = edgeai.Session(edgeai.load(model.SerializeToString())).run({"z": np.zeros(4, np.float32)} | ({} if constant else {"x": x}))
        np.testing.assert_array_equal(found[0], want)


@pytest.mark.parametrize("op", ["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"])
def test_constants_that_are_no_numbers_compare_false(op: str) -> None:
    values = [np.array([1, np.nan, 2, np.nan], np.float32), np.array([np.nan, 1, 2, np.nan], np.float32)]
    nodes = [helper.make_node(op, ["a", "b"], ["c"]), helper.make_node("Or", ["c", "z"], ["y"])]
    graph = helper.make_graph(
        nodes, "nan", [helper.make_tensor_value_info("z", TensorProto.BOOL, [4])], [helper.make_tensor_value_info("y", TensorProto.BOOL, [4])],
        [numpy_helper.from_array(value, name) for name, value in zip("ab", values, strict=True)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    (found,) = edgeai.Session(edgeai.load(model.SerializeToString())).run([np.zeros(4, bool)])
    assert found.tolist() == [False, False, op in ("LessOrEqual", "GreaterOrEqual", "Equal"), False]


def test_a_past_needs_keys_and_values() -> None:
    q, past = f32(2, 2, 3, 8), f32(2, 2, 2, 8, seed=5)
    for names in (["q", "k", "v", "", "p"], ["q", "k", "v", "", "", "p"]):
        node = helper.make_node("Attention", names, ["y"], name="node")
        inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, past.shape if n == "p" else q.shape) for n in "qkvp"]
        graph = helper.make_graph([node], "past", inputs, [helper.make_empty_tensor_value_info("y")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
        with pytest.raises(edgeai.ModelError, match="only one of past_key and past_value is given") as caught:
            edgeai.load(model.SerializeToString())
        assert caught.value.node == "node"


def test_a_mask_of_one_entry_is_for_every_key() -> None:
    """It broadcasts, where a shorter one is for the first keys. (onnxruntime refuses it; onnx.reference shuts out the other keys.)"""
    q, k, v = f32(2, 2, 3, 8), f32(2, 2, 5, 8, seed=2), f32(2, 2, 5, 6, seed=3)
    found = []
    for mask in (np.float32([[0.5], [-1], [-np.inf]]), np.repeat(np.float32([[0.5], [-1], [-np.inf]]), 5, axis=1)):
        inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape) for n, a in zip("qkv", (q, k, v), strict=True)]
        graph = helper.make_graph(
            [helper.make_node("Attention", ["q", "k", "v", "m"], ["y"])], "mask", inputs, [helper.make_empty_tensor_value_info("y")],
            [numpy_helper.from_array(mask, "m")],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
        found += edgeai.Session(edgeai.load(model.SerializeToString())).run([q, k, v])
    np.testing.assert_array_equal(found[0], found[1])
    assert not found[0][:, :, 2].any()


def test_attention() -> None:
    q, k, v = f32(2, 4, 3, 8), f32(2, 2, 5, 8, seed=2), f32(2, 2, 5, 6, seed=3)
    compare("Attention", [q, k, v], opset=23)
    compare("Attention", [q, k, v, data("bool", (3, 5))], opset=23)
    compare("Attention", [q, k, v, f32(2, 1, 3, 5, seed=4)], is_causal=1, scale=0.4, softcap=2.0, opset=23)
    past = [f32(2, 2, 2, 8, seed=5), f32(2, 2, 2, 6, seed=6)]
    compare("Attention", [q, k, v, None, *past], is_causal=1, results=3, opset=23)
    compare("Attention", [f32(2, 3, 32), f32(2, 5, 16, seed=2), f32(2, 5, 12, seed=3)], q_num_heads=4, kv_num_heads=2, opset=23)
    compare("Attention", [q, k, v, None, None, None, np.array([5, 3])], is_causal=1, opset=24)
    for interleaved in (0, 1):
        positions = np.array([[1, 0, 3], [2, 2, 4]])
        compare("RotaryEmbedding", [f32(2, 3, 32), f32(6, 3), f32(6, 3, seed=2), positions], num_heads=4, rotary_embedding_dim=6,
                interleaved=interleaved, opset=23)  # fmt: skip
        compare("RotaryEmbedding", [q, f32(2, 3, 4), f32(2, 3, 4, seed=2)], interleaved=interleaved, opset=23)


def test_regions_and_patterns() -> None:
    x = f32(2, 3, 7, 4)
    compare("CenterCropPad", [x, np.array([4, 9])], {1: x}, axes=[2, 3])
    compare("Col2Im", [f32(2, 12, 12), np.array([4, 5]), np.array([2, 2])], {1: x, 2: x})
    compare("Col2Im", [f32(1, 8, 9), np.array([4, 4]), np.array([2, 2])], {1: x, 2: x}, pads=[1, 1, 1, 1], strides=[2, 2])
    compare("EyeLike", [data("int32", (4, 6))], k=-1, dtype=TensorProto.FLOAT)
    for op in ("HannWindow", "HammingWindow", "BlackmanWindow"):
        compare(op, [np.array(9)], {0: x}, periodic=0)
    compare("Dropout", [x], results=2)
    compare("TensorScatter", [f32(2, 6, 3), f32(2, 2, 3, seed=2), np.array([4, 1])], opset=24)
    compare("TensorScatter", [f32(2, 6, 3), f32(2, 2, 3, seed=2), np.array([5, 1])], mode="circular", opset=24)


def test_nothing() -> None:
    empty = np.zeros((2, 0, 3), np.float32)
    compare("Exp", [empty])
    compare("Concat", [empty, f32(2, 4, 3)], axis=1)
    compare("ReduceSum", [empty, np.array([1])], {1: empty})
    compare("ReduceMax", [empty, np.array([1])], {1: empty}, keepdims=0, opset=20)
    compare("Transpose", [empty], perm=[2, 1, 0])
    compare("Reshape", [empty, np.array([0, 7])], {1: empty}, allowzero=1)


def test_indices_outside_stay_inside() -> None:
    """A run has no errors: an index beyond the tensor reads or writes the nearest element, never foreign memory."""
    x = np.arange(6, dtype=np.float32)
    infos = [helper.make_tensor_value_info(n, k, [s]) for n, k, s in (("x", 1, 6), ("i", 7, 4), ("y", 1, 4))]
    graph = helper.make_graph([helper.make_node("Gather", ["x", "i"], ["y"])], "stray", infos[:2], infos[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=10)
    found = edgeai.Session(edgeai.load(model.SerializeToString())).run([x, np.array([6, -7, 2**62, -(2**63)])])[0]
    assert found.tolist() == [5, 0, 5, 0]


def test_volumes_and_bytes() -> None:
    x = f32(2, 3, 6, 7, 5)
    for pads in ([0] * 6, [1, 0, 1, 0, 1, 1]):
        compare("MaxPool", [x], kernel_shape=[3, 2, 2], strides=[2, 1, 2], pads=pads)
        compare("AveragePool", [x], kernel_shape=[3, 2, 2], strides=[2, 1, 2], pads=pads, opset=19)
        compare("AveragePool", [x], kernel_shape=[3, 2, 2], pads=pads, count_include_pad=1, opset=19)
    for dtype in ("uint8", "int8"):
        compare("MaxPool", [data(dtype, (1, 3, 6, 5), low=-128, high=127)], kernel_shape=[3, 2], strides=[2, 1])
    compare("BitCast", [x], to=TensorProto.INT32, opset=26)
    compare("BitCast", [data("int16")], to=TensorProto.UINT16, opset=26)
    compare("Pad", [x, np.array([0, 0, 2, 0, 9, 1, 0, 0, 4, 1])], {1: x}, mode="wrap", opset=19)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("aligned", [0, 1])
def test_sampling(mode: str, padding: str, aligned: int) -> None:
    options = {"mode": mode, "padding_mode": padding, "align_corners": aligned}
    compare("GridSample", [f32(2, 3, 5, 4), f32(2, 6, 7, 2, seed=2) * np.float32(1.7)], opset=20, **options)
    if mode != "cubic":
        compare("GridSample", [f32(1, 2, 3, 5, 4), f32(1, 2, 3, 4, 3, seed=2) * np.float32(1.3)], opset=20, **options)
    theta = f32(2, 2, 3)
    compare("AffineGrid", [theta, np.array([2, 1, 4, 5])], {1: theta}, opset=20, align_corners=aligned)


def test_spectra() -> None:
    x = f32(2, 9, 4, 1)
    pairs = f32(2, 9, 4, 2)
    for axis in (1, 2, -2):
        compare("DFT", [x, None, np.array(axis)], {2: x}, opset=20)
        compare("DFT", [pairs, None, np.array(axis)], {2: x}, opset=20)
        compare("DFT", [pairs, None, np.array(axis)], {2: x}, opset=20, inverse=1)
    compare("DFT", [x, np.array(6), np.array(1)], {1: x, 2: x}, opset=20, onesided=1)
    compare("DFT", [x, np.array(12), np.array(1)], {1: x, 2: x}, opset=20, onesided=1)
    compare("DFT", [pairs, np.array(16), np.array(1)], {1: x, 2: x}, opset=20, inverse=1, onesided=1)
    signal, window = f32(2, 40, 1), np.abs(f32(8))
    compare("STFT", [signal, np.array(5), window, np.array(8)], {1: x, 3: x}, opset=17)
    compare("STFT", [signal, np.array(5), window], {1: x}, opset=17, onesided=0)
