"""Every operator the importer knows, alone in a small model, against onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnxruntime
import pytest
from conftest import relative_error, small_model
from onnx import helper

import edgeai

Shape = tuple[Any, ...]


@dataclass
class Case:
    """One model: a node, or several, from inputs and constants to "y" ("y0", "y1" ... with `results`)."""

    op: str
    shapes: list[Shape]
    attributes: dict[str, Any] = field(default_factory=dict)
    constants: list[Any] = field(default_factory=list)
    opsets: tuple[int, ...] = (13, 17)
    results: int = 1
    low: float = -2.0
    high: float = 2.0
    tolerance: float = 1e-5
    label: str = ""

    def model(self, opset: int) -> tuple[bytes, list[str]]:
        inputs = {f"x{i}": shape for i, shape in enumerate(self.shapes)}
        constants = {f"c{i}": value for i, value in enumerate(self.constants) if value is not None}
        names = [*inputs, *("" if value is None else f"c{i}" for i, value in enumerate(self.constants))]
        outputs = ["y"] if self.results == 1 else [f"y{i}" for i in range(self.results)]
        node = helper.make_node(self.op, names, outputs, name="node", **self.attributes)
        return small_model([node], inputs, outputs, constants, opset), outputs


def f32(*shape: int, seed: int = 3, low: float = -1, high: float = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def scalar(value: float) -> np.ndarray:
    return np.array(value, np.float32)


IMAGE: Shape = ("n", 3, 9, 11)
ROW: Shape = ("n", 7)
cases: list[Case] = []


def case(op: str, shapes: Shape | list[Shape], *constants: Any, **rest: Any) -> None:
    known = {"opsets", "results", "low", "high", "tolerance", "label"}
    options = {k: rest.pop(k) for k in list(rest) if k in known}
    cases.append(Case(op, shapes if isinstance(shapes, list) else [shapes], rest, list(constants), **options))


# Convolution.
case("Conv", IMAGE, f32(5, 3, 3, 3), opsets=(7, 11, 17, 22))
case("Conv", IMAGE, f32(5, 3, 3, 2), f32(5), pads=[1, 0, 2, 1], strides=[2, 3], label="asymmetric pads")
case("Conv", IMAGE, f32(5, 3, 3, 3), dilations=[2, 3], pads=[2, 3, 2, 3], label="dilated")
case("Conv", ("n", 6, 9, 11), f32(8, 3, 3, 3), f32(8), group=2, label="groups")
case("Conv", ("n", 6, 9, 11), f32(6, 1, 5, 5), f32(6), group=6, pads=[2, 2, 2, 2], strides=[2, 2], label="depthwise")
case("Conv", ("n", 6, 9, 11), f32(12, 1, 3, 3), group=6, label="depthwise, multiplier 2")
case("Conv", ("n", 70, 5, 5), f32(33, 70, 1, 1), label="pointwise")
case("Conv", IMAGE, f32(4, 3, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2], label="same upper")
case("Conv", IMAGE, f32(4, 3, 2, 4), auto_pad="SAME_LOWER", label="same lower")
case("Conv", IMAGE, f32(4, 3, 3, 3), auto_pad="VALID", label="valid")
case("Conv", ("n", 3, 20), f32(5, 3, 4), f32(5), strides=[2], pads=[1, 2], label="one dimension")
case("ConvTranspose", ("n", 4, 5, 6), f32(4, 3, 3, 3), f32(3), opsets=(7, 11, 22))
case("ConvTranspose", ("n", 4, 5, 6), f32(4, 3, 3, 2), strides=[2, 3], pads=[1, 0, 0, 1], output_padding=[1, 2], label="stride")
case("ConvTranspose", ("n", 4, 5, 6), f32(4, 3, 4, 4), strides=[2, 2], auto_pad="SAME_UPPER", label="same upper")
case("ConvTranspose", ("n", 4, 5, 6), f32(4, 2, 3, 3), group=2, dilations=[2, 1], label="groups")
case("ConvTranspose", ("n", 4, 5, 6), f32(4, 3, 3, 3), strides=[2, 2], output_shape=[10, 12], label="output shape")

# Matrices.
case("Gemm", ROW, f32(7, 5), f32(5), opsets=(7, 9, 11, 13))
case("Gemm", ROW, f32(5, 7), f32(1, 5), transB=1, alpha=0.5, beta=2.0, label="transposed, scaled")
case("Gemm", ROW, f32(7, 5), opsets=(11, 13), label="no bias")
case("Gemm", (7, 4), f32(7, 5), f32(5), transA=1, label="transposed input")
case("MatMul", ROW, f32(7, 5), opsets=(7, 9, 13))
case("MatMul", ("n", 3, 7), f32(7, 5), label="three dimensions")
case("MatMul", [("n", 3, 4, 5), ("n", 3, 5, 6)], label="two activations")
case("MatMul", [("n", 3, 4, 5), ("n", 1, 5, 6)], label="broadcast")

# Normalization.
case("BatchNormalization", IMAGE, f32(3), f32(3), f32(3), f32(3, low=0.5, high=2), epsilon=1e-3, opsets=(7, 9, 14, 15))
case("BatchNormalization", ROW, f32(7), f32(7), f32(7), f32(7, low=0.5, high=2), label="row")
case("LRN", IMAGE, size=3, alpha=0.1, beta=0.6, bias=1.5, opsets=(7, 13))
case("LRN", ("n", 8, 4, 4), size=5, label="defaults")

# Activations.
for name, options in {
    "Relu": {}, "LeakyRelu": {"alpha": 0.2}, "Sigmoid": {}, "Tanh": {}, "HardSigmoid": {"alpha": 0.3, "beta": 0.4}, "Elu": {"alpha": 0.7},
    "Selu": {}, "Celu": {"alpha": 1.5}, "Softplus": {}, "Softsign": {}, "ThresholdedRelu": {"alpha": 0.8}, "Erf": {}, "Exp": {}, "Abs": {},
    "Neg": {}, "Floor": {}, "Ceil": {}, "Round": {}, "Sign": {}, "Identity": {},
}.items():  # fmt: skip
    case(name, IMAGE, **options, low=-6, high=6)
case("HardSwish", IMAGE, opsets=(14, 17), low=-6, high=6)
case("Mish", IMAGE, opsets=(18,), low=-6, high=6)
case("Gelu", IMAGE, opsets=(20,), low=-6, high=6)
case("Gelu", IMAGE, approximate="tanh", opsets=(20,), low=-6, high=6, label="tanh")
for name in ("Log", "Sqrt", "Reciprocal"):
    case(name, IMAGE, low=0.1, high=9)
case("PRelu", IMAGE, f32(3, 1, 1), opsets=(7, 9, 16))
case("PRelu", ROW, f32(1), label="one slope")
case("Clip", IMAGE, min=-0.5, max=0.75, opsets=(7, 10))
case("Clip", IMAGE, scalar(-0.5), scalar(0.75), opsets=(11, 13))
case("Clip", IMAGE, None, scalar(0.75), label="no minimum")
for name in ("Softmax", "LogSoftmax"):
    case(name, ("n", 4, 5), axis=1, opsets=(7, 11), label="flattening")
    case(name, ("n", 4, 5), axis=1)
    case(name, ("n", 4, 5), axis=-1, label="last axis")
    case(name, IMAGE, axis=1, label="channels")
case("Dropout", IMAGE, opsets=(7, 12, 13))

# Arithmetic.
for name in ("Add", "Sub", "Mul", "Div"):
    case(name, [IMAGE, IMAGE], opsets=(7, 13, 14), low=0.5)
    case(name, IMAGE, f32(3, 1, 1, low=0.5), label="per channel")
    case(name, IMAGE, f32(1, low=0.5), label="scalar")
    case(name, IMAGE, f32(9, 1, low=0.5), label="per row")
    case(name, [("n", 3, 4, 5), ("n", 3, 1, 1)], low=0.5, label="broadcast activation")
for name in ("Min", "Max", "Sum", "Mean"):
    case(name, [IMAGE, IMAGE, IMAGE], opsets=(8, 13))
    case(name, [("n", 3, 4, 5), ("n", 3, 1, 5)], opsets=(8, 13), label="broadcast")
for exponent in (2.0, 3.0, 0.5, -1.0, 1.7):
    case("Pow", IMAGE, scalar(exponent), low=0.2, opsets=(7, 13, 15), label=str(exponent))

# Pooling.
for name in ("MaxPool", "AveragePool"):
    case(name, IMAGE, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1], opsets=(8, 11, 12))
    case(name, IMAGE, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, opsets=(11, 12), label="ceil")
    case(name, IMAGE, kernel_shape=[3, 3], strides=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1, opsets=(11, 12), label="ceil and pads")
    case(name, IMAGE, kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2], label="same upper")
    case(name, IMAGE, kernel_shape=[2, 2], auto_pad="SAME_LOWER", label="same lower")
    case(name, ("n", 3, 20), kernel_shape=[4], strides=[3], label="one dimension")
case("AveragePool", IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1, opsets=(7, 11), label="counting pads")
case("AveragePool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1, ceil_mode=1, opsets=(19,),
     label="counting pads, ceil")  # fmt: skip
case("MaxPool", IMAGE, kernel_shape=[2, 3], dilations=[2, 2], opsets=(11,), label="dilated")
case("MaxPool", IMAGE, kernel_shape=[2, 2], dilations=[3, 3], strides=[4, 4], ceil_mode=1, opsets=(11,), label="dilated beyond the end")
case("LpPool", IMAGE, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1], p=3, opsets=(11, 18))
case("GlobalLpPool", IMAGE, p=1)
case("GlobalAveragePool", IMAGE, opsets=(7, 13))
case("GlobalMaxPool", IMAGE, opsets=(7, 13))

# Reductions.
for name in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"):
    case(name, IMAGE, axes=[2, 3], keepdims=1, opsets=(7, 13), label="spatial")
    case(name, IMAGE, axes=[1], keepdims=0, opsets=(13,), label="channels")
    case(name, IMAGE, i64(-1), keepdims=0, opsets=(18,), label="last axis")
case("ReduceSum", IMAGE, axes=[2, 3], opsets=(11,))
case("ReduceSum", IMAGE, i64(1, 2), keepdims=0, opsets=(13,))

# Moving data.
case("Reshape", IMAGE, i64(0, -1), opsets=(7, 13))
case("Reshape", IMAGE, i64(0, 9, 33), label="three dimensions")
case("Flatten", IMAGE, axis=1, opsets=(7, 13))
case("Squeeze", ("n", 1, 7, 1), axes=[1, 3], opsets=(7, 11))
case("Squeeze", ("n", 1, 7, 1), i64(1, -1))
case("Unsqueeze", ROW, axes=[1], opsets=(7, 11))
case("Unsqueeze", ROW, i64(1, -1))
case("Transpose", IMAGE, perm=[0, 2, 3, 1], opsets=(7, 13))
case("Transpose", ("n", 5, 7), perm=[0, 2, 1], label="matrix")
case("Concat", [IMAGE, IMAGE], axis=1, opsets=(7, 13))
case("Concat", [("n", 2, 5, 3), ("n", 4, 5, 3), ("n", 1, 5, 3)], axis=-3, label="negative axis")
case("Concat", [("n", 4, 5), ("n", 4, 2)], axis=2, label="last axis")
case("Split", ("n", 6, 5, 4), axis=1, split=[1, 2, 3], results=3, opsets=(7, 11))
case("Split", ("n", 6, 5, 4), i64(4, 2), axis=1, results=2)
case("Split", ("n", 6, 5, 4), axis=-1, results=2, opsets=(13,), label="even")
case("Split", ("n", 7, 5), axis=1, num_outputs=3, results=3, opsets=(18,), label="uneven")
case("Slice", IMAGE, starts=[1, 2], ends=[3, 9], axes=[1, 3], opsets=(7,))
case("Slice", IMAGE, i64(1, -6), i64(3, 2**31), i64(2, 3), opsets=(10, 13))
case("Slice", IMAGE, i64(0, 10), i64(9, -(2**31)), i64(2, 3), i64(2, -3), label="steps")
case("Pad", IMAGE, pads=[0, 0, 1, 2, 0, 0, 3, 0], value=0.5, opsets=(7,))
case("Pad", IMAGE, i64(0, 1, 1, 2, 0, 0, 3, 0), scalar(-1.5))
case("Pad", IMAGE, i64(0, 0, 1, 2, 0, 0, 3, 4), mode="reflect", label="reflect")
case("Pad", IMAGE, i64(0, 0, 1, 2, 0, 0, 3, 4), mode="edge", label="edge")
case("Pad", IMAGE, i64(0, 0, -1, 0, 0, 0, -2, -3), label="cropping")
case("Expand", ("n", 3, 1, 5), i64(1, 3, 4, 5), opsets=(8, 13))
case("Gather", IMAGE, i64(2, 0), axis=1, opsets=(7, 13))
case("Gather", ("n", 5, 6), np.array(-1, np.int64), axis=2, label="one index")
case("DepthToSpace", ("n", 12, 3, 4), blocksize=2, opsets=(7, 11))
case("DepthToSpace", ("n", 12, 3, 4), blocksize=2, mode="CRD", label="CRD")
case("SpaceToDepth", ("n", 3, 4, 6), blocksize=2, opsets=(7, 13))

# Resizing.
up = np.array([1, 1, 2, 3], np.float32)
case("Upsample", IMAGE, up, mode="nearest", opsets=(9,))
case("Upsample", IMAGE, up, mode="linear", opsets=(9,), label="linear")
empty = np.array([], np.float32)
for coordinates in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
    case("Resize", (1, 3, 9, 11), empty, empty, i64(1, 3, 14, 8), mode="linear", coordinate_transformation_mode=coordinates,
         opsets=(11, 13, 19), label=f"linear {coordinates}")  # fmt: skip
for nearest in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
    case("Resize", IMAGE, empty, up, mode="nearest", nearest_mode=nearest, coordinate_transformation_mode="asymmetric",
         opsets=(11, 13), label=f"nearest {nearest}")  # fmt: skip
case("Resize", IMAGE, empty, np.array([1, 1, 1.6, 0.7], np.float32), mode="cubic", opsets=(11, 13), label="cubic")
case("Resize", IMAGE, up, mode="nearest", opsets=(10,))


PARAMETERS = [
    pytest.param(c, opset, id=f"{c.op}-{opset}" + (f"-{c.label.replace(' ', '_')}" if c.label else "")) for c in cases for opset in c.opsets
]


@pytest.mark.parametrize(("case", "opset"), PARAMETERS)
def test_operator(case: Case, opset: int) -> None:
    contents, names = case.model(opset)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    peer = onnxruntime.InferenceSession(contents, options)
    model = edgeai.load(contents)
    free = any("n" in shape for shape in case.shapes)
    for batch in (1, 3) if free else (1,):
        feed = {
            f"x{i}": f32(*(batch if d == "n" else d for d in shape), seed=20 + i, low=case.low, high=case.high)
            for i, shape in enumerate(case.shapes)
        }
        expected = peer.run(names, feed)
        for isa in (edgeai.instruction_sets()[0], "reference"):
            found = edgeai.Session(model, isa=isa).run(feed)
            assert len(found) == len(expected)
            for y, e in zip(found, expected, strict=True):
                assert y.shape == e.shape
                assert np.isfinite(y).all()
                assert relative_error(y, e) < case.tolerance, f"batch {batch}, {isa}"


def test_shape_arithmetic_is_folded_away() -> None:
    """How exporters write x.view(x.size(0), -1): Shape, Gather, Unsqueeze, Concat, Reshape."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"], axis=0),
        helper.make_node("Unsqueeze", ["n", "axis"], ["u"]),
        helper.make_node("Concat", ["u", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["y"]),
    ]
    constants = {"zero": np.array(0, np.int64), "axis": i64(0), "rest": i64(-1)}
    model = edgeai.load(small_model(nodes, {"x": IMAGE}, ["y"], constants))
    assert {op.type for op in model.ops} <= {"Reshape"}
    x = f32(2, 3, 9, 11)
    assert np.array_equal(edgeai.Session(model)(x), x.reshape(2, -1))


def test_constant_subgraph_is_folded_away() -> None:
    nodes = [
        helper.make_node("Constant", [], ["a"], value_floats=[1.0, 2.0, 3.0]),
        helper.make_node("Mul", ["a", "a"], ["b"]),
        helper.make_node("Unsqueeze", ["b", "axes"], ["c"]),
        helper.make_node("Cast", ["c"], ["d"], to=1),
        helper.make_node("Add", ["x", "d"], ["y"]),
    ]
    model = edgeai.load(small_model(nodes, {"x": IMAGE}, ["y"], {"axes": i64(1, 2)}))
    assert len(model.ops) <= 3
    x = f32(2, 3, 9, 11)
    expected = x + np.array([1, 4, 9], np.float32)[:, None, None]
    assert relative_error(edgeai.Session(model)(x), expected) < 1e-6


def test_external_weights(tmp_path) -> None:  # type: ignore[no-untyped-def]
    import onnx

    contents = small_model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ("n", 64)}, ["y"], {"w": f32(64, 32)})
    onnx.save_model(
        onnx.load_from_string(contents), tmp_path / "m.onnx", save_as_external_data=True, location="m.bin", size_threshold=0
    )
    assert (tmp_path / "m.bin").stat().st_size == 64 * 32 * 4
    x = f32(3, 64)
    model = edgeai.load(tmp_path / "m.onnx")
    assert relative_error(edgeai.Session(model)(x), x @ f32(64, 32)) < 1e-5
    (tmp_path / "m.bin").unlink()
    with pytest.raises(edgeai.FileError, match=r"m\.bin"):
        edgeai.load(tmp_path / "m.onnx")
    with pytest.raises(edgeai.EdgeAIError):
        edgeai.load((tmp_path / "m.onnx").read_bytes())
