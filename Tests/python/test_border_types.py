"""Networks whose inputs and outputs are not float32: they keep the file's element type."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import edgeai
from edgeai import cli, onnx_backend

bfloat16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = [np.dtype(np.float16), bfloat16, np.dtype(np.float64)]
INTEGERS = [np.dtype(t) for t in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")]
#: One unit in the last place; of float64 what float32 leaves of it.
STEP = {np.dtype(np.float16): 2.0**-10, bfloat16: 2.0**-7, np.dtype(np.float64): 2.0**-20}


def network(
    nodes: list[Any], inputs: dict[str, np.ndarray], outputs: dict[str, np.dtype], constants: dict[str, np.ndarray] | None = None, opset: int = 19
) -> ModelProto:
    def info(name: str, dtype: np.dtype, shape: Any) -> Any:
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)

    graph = helper.make_graph(
        nodes, "border", [info(n, a.dtype, a.shape) for n, a in inputs.items()], [info(n, t, None) for n, t in outputs.items()],
        [numpy_helper.from_array(a, n) for n, a in (constants or {}).items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def load(model: ModelProto, **options: Any) -> edgeai.Model:
    return edgeai.load(model.SerializeToString(), **options)


def random(shape: tuple[int, ...], dtype: np.dtype, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


def convolutional(dtype: np.dtype) -> tuple[ModelProto, np.ndarray]:
    """Convolution, Relu, pooling, dense."""
    x = random((2, 3, 8, 8), dtype)
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["g"], name="pool"),
        helper.make_node("Flatten", ["g"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "d"], ["y"], name="dense"),
    ]
    constants = {"w": random((6, 3, 3, 3), dtype, 2), "b": random((6,), dtype, 3), "d": random((6, 5), dtype, 4)}
    return network(nodes, {"x": x}, {"y": dtype}, constants), x


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_network(dtype: np.dtype) -> None:
    model, x = convolutional(dtype)
    ours = load(model)
    assert [t.dtype for t in (*ours.inputs, *ours.outputs)] == [dtype.name] * 2
    (found,) = edgeai.Session(ours).run(x)
    assert found.dtype == dtype and found.shape == (2, 5)
    if dtype == np.float16:
        (expected,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    else:  # ONNX Runtime has no such convolution on CPUs
        (expected,) = ReferenceEvaluator(convolutional(np.dtype(np.float64))[0]).run(None, {"x": x.astype(np.float64)})
    np.testing.assert_allclose(found.astype(np.float64), expected.astype(np.float64), rtol=4 * STEP[dtype], atol=4 * STEP[dtype])


@pytest.mark.parametrize("dtype", [np.dtype(np.float16), np.dtype(np.float64)], ids=str)
def test_matrix_product_against_onnx_runtime(dtype: np.dtype) -> None:
    x, w = random((4, 7), dtype), random((7, 5), dtype, 2)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Tanh", ["m"], ["y"])]
    model = network(nodes, {"x": x}, {"y": dtype, "m": dtype}, {"w": w})
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    for found, want in zip(edgeai.Session(load(model)).run(x), expected, strict=True):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, want, rtol=2 * STEP[dtype], atol=2 * STEP[dtype])


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS], ids=str)
def test_what_only_passes_through_stays_as_it_is(dtype: np.dtype) -> None:
    if dtype.itemsize == 2 and dtype in FLOATS:
        x = np.arange(65536).astype(np.uint16).view(dtype)
        x = x[~np.isnan(x.astype(np.float32))]
    elif dtype == np.float64:
        x = np.array([1 / 3, 1e300, -1e-300, 5e-324, np.inf, -0.0, 2.0**53 + 2])
    elif dtype == bool:
        x = np.array([True, False])
    else:
        x = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max, 5], dtype)
    model = load(network([helper.make_node("Identity", ["x"], ["y"])], {"x": x}, {"y": dtype}))
    assert [t.dtype for t in (*model.inputs, *model.outputs)] == [dtype.name] * 2
    (found,) = edgeai.Session(model, check_finite=False).run(x)
    assert found.dtype == dtype
    assert found.tobytes() == x.tobytes()


@pytest.mark.parametrize("to", [*FLOATS, np.dtype(np.float32)], ids=str)
@pytest.mark.parametrize("dtype", [*FLOATS, np.dtype(np.float32), np.dtype(np.int32), np.dtype(np.bool_)], ids=str)
def test_casts_round_once(dtype: np.dtype, to: np.dtype) -> None:
    numbers = np.random.default_rng(3).standard_normal(4000) * 10.0 ** np.random.default_rng(4).integers(-9, 9, 4000)
    with np.errstate(over="ignore", invalid="ignore"):
        x = np.clip(numbers, -(2**31), 2**31 - 1).astype(dtype) if dtype.kind in "ib" else numbers.astype(dtype)
        expected = x.astype(to)
    model = network([helper.make_node("Cast", ["x"], ["y"], to=int(helper.np_dtype_to_tensor_dtype(to)))], {"x": x}, {"y": to})
    (found,) = edgeai.Session(load(model), check_finite=False).run(x)
    assert found.dtype == to
    assert found.tobytes() == expected.tobytes()


def test_doubles_stay_doubles_in_arithmetic() -> None:
    x, y = np.array([1e200, 1 / 3, -2.5, 2.0**53]), np.array([3e-50, 1e-17, 7.0, 1.0])
    for op, expected in (("Add", x + y), ("Sub", x - y), ("Mul", x * y), ("Div", x / y), ("Max", np.maximum(x, y)), ("Min", np.minimum(x, y)),
                         ("Mod", np.fmod(x, y)), ("Less", x < y), ("Equal", x == y)):  # fmt: skip
        options = {"fmod": 1} if op == "Mod" else {}
        model = network([helper.make_node(op, ["x", "y"], ["z"], **options)], {"x": x, "y": y}, {"z": expected.dtype})
        (found,) = edgeai.Session(load(model)).run([x, y])
        np.testing.assert_array_equal(found, expected)
        constant = network([helper.make_node(op, ["x", "y"], ["z"], **options)], {"x": x}, {"z": expected.dtype}, {"y": y})
        np.testing.assert_array_equal(edgeai.Session(load(constant)).run(x)[0], expected)
    # Other functions are float32's.
    model = network([helper.make_node("Exp", ["x"], ["y"])], {"x": y}, {"y": np.dtype(np.float64)})
    (found,) = edgeai.Session(load(model)).run(y)
    np.testing.assert_array_equal(found, found.astype(np.float32))
    np.testing.assert_allclose(found, np.exp(y), rtol=2e-7)
    chain = [helper.make_node("Add", ["x", "x"], ["a"]), helper.make_node("Cast", ["a"], ["y"], to=TensorProto.INT64)]
    model = network(chain, {"x": np.array([2.0**52 + 1])}, {"y": np.dtype(np.int64)})
    assert edgeai.Session(load(model)).run(np.array([2.0**52 + 1]))[0].tolist() == [2**53 + 2]


def test_outputs_that_are_borders_too() -> None:
    """One tensor under several names and types, an input that is an output, a constant output."""
    x = random((3,), np.dtype(np.float16))
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Identity", ["a"], ["b"]),
        helper.make_node("Cast", ["a"], ["c"], to=TensorProto.FLOAT), helper.make_node("Identity", ["k"], ["d"]),
        helper.make_node("Identity", ["x"], ["e"]), helper.make_node("Identity", ["x"], ["f"]),
    ]  # fmt: skip
    half = np.dtype(np.float16)
    k = random((2,), half, 5)
    model = network(nodes, {"x": x}, {"a": half, "b": half, "c": np.dtype(np.float32), "d": half, "e": half, "f": half}, {"k": k})
    found = edgeai.Session(load(model)).run(x)
    positive = np.maximum(x, 0)
    for have, want in zip(found, (positive, positive, positive.astype(np.float32), k, x, x), strict=True):
        assert have.dtype == want.dtype
        np.testing.assert_array_equal(have, want)


def test_bits() -> None:
    for dtype, to in (("float16", "int16"), ("int16", "float16"), ("float64", "int64"), ("uint64", "float64"), ("uint16", "float16")):
        x = np.arange(1, 12).astype(dtype)
        kind = int(helper.np_dtype_to_tensor_dtype(np.dtype(to)))
        model = network([helper.make_node("BitCast", ["x"], ["y"], to=kind)], {"x": x}, {"y": np.dtype(to)}, opset=26)
        (found,) = edgeai.Session(load(model)).run(x)
        assert found.dtype == to and found.tobytes() == x.tobytes()
    nodes = [helper.make_node("Exp", ["x"], ["e"]), helper.make_node("BitCast", ["e"], ["y"], to=TensorProto.INT16)]
    computed = network(nodes, {"x": np.ones(2, np.float16)}, {"y": np.dtype(np.int16)}, opset=26)
    assert "bits of computed floats" in edgeai.check(computed.SerializeToString()).unsupported[0].reason


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_the_wrong_type_is_named(dtype: np.dtype) -> None:
    model, x = convolutional(dtype)
    session = edgeai.Session(load(model))
    with pytest.raises(edgeai.DTypeError, match=f"'x' is {dtype.name}; the array's element type is float32") as info:
        session.run(x.astype(np.float32))
    assert info.value.tensor == "x"
    with pytest.raises(edgeai.DTypeError, match=f"'y' is {dtype.name}; the array's element type is float32"):
        session.run(x, out=[np.zeros((2, 5), np.float32)])
    with pytest.raises(edgeai.DTypeError, match=f"{dtype.name}.*float32"):
        edgeai.quantize(load(model), x.astype(np.float32))
    bad = x.copy()
    bad[1, 1, 1, 1] = np.inf
    with pytest.raises(edgeai.ArgumentError, match="NaN or infinity"):
        edgeai.quantize(load(model), bad)
    bad[1, 1, 1, 1] = np.nan
    with pytest.raises(edgeai.ArgumentError, match="NaN or infinity"):
        edgeai.quantize(load(model), bad)
    with pytest.raises(edgeai.DTypeError, match=f"'x' is {dtype.name}; the value given is float32"):
        load(model, values={"x": x.astype(np.float32)})


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS], ids=str)
def test_values_of_inputs(dtype: np.dtype) -> None:
    a, b = (np.array([0, 1, 1]).astype(dtype), np.array([1, 1, 0]).astype(dtype))
    model = network([helper.make_node("Equal", ["a", "b"], ["y"])], {"a": a, "b": b}, {"y": np.dtype(np.bool_)})
    assert edgeai.Session(load(model, values={"b": b})).run(a)[0].tolist() == [False, True, False]


def test_arrays_of_the_session() -> None:
    model, x = convolutional(bfloat16)
    session = edgeai.Session(load(model))
    (inside,), (outside,) = session.bind()
    assert inside.dtype == outside.dtype == bfloat16
    inside[:] = x
    session.run_bound()
    np.testing.assert_array_equal(outside, session.run(x.view(np.uint16))[0])
    out = np.zeros((2, 5), bfloat16)
    session.run({"x": x}, out=[out])
    np.testing.assert_array_equal(out, outside)


def test_without_ml_dtypes_bfloat16_is_its_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = convolutional(bfloat16)
    session = edgeai.Session(load(model))
    (expected,) = session.run(x)
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    (found,) = session.run(x.view(np.uint16))
    assert found.dtype == np.uint16
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_compression_and_files(dtype: np.dtype, tmp_path: Path) -> None:
    model, _ = convolutional(dtype)
    ours = load(model)
    data = random((16, 3, 8, 8), dtype, 9)
    batches = [data[i : i + 2] for i in range(0, 16, 2)]
    result = edgeai.quantize(ours, batches, strict=True)
    result.save(tmp_path / "small.edgeai")
    ours.save(tmp_path / "float.edgeai")
    for path, reference in (("small.edgeai", result.model), ("float.edgeai", ours)):
        again = edgeai.load(tmp_path / path)
        assert [t.dtype for t in (*again.inputs, *again.outputs)] == [dtype.name] * 2
        np.testing.assert_array_equal(edgeai.Session(again).run(batches[0])[0], edgeai.Session(reference).run(batches[0])[0])
    # The conversions at the borders are no operators that stay in float, and none that lack a kernel.
    with edgeai.Session(result.model, strict=True) as session:
        assert [s.dtype for s in session.plan if s.op == "Cast"] == ["float32", dtype.name]
        assert "uint8" in {s.dtype for s in session.plan}
    assert result.report.sqnr_db > 25
    assert edgeai.compare(ours, result.model, batches).sqnr_db == pytest.approx(result.report.sqnr_db, abs=3)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_command_line(dtype: np.dtype, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, x = convolutional(dtype)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    stored = x.view(np.uint16) if dtype == bfloat16 else x
    np.save(tmp_path / "x.npy", stored)
    path = str(tmp_path / "net.onnx")
    assert cli.main(["info", path]) == 0
    assert f"input x: {dtype.name} " in capsys.readouterr().out
    assert cli.main(["run", path, str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npz")]) == 0
    y = np.load(tmp_path / "y.npz")["y"]
    assert y.tobytes() == edgeai.Session(load(model)).run(x)[0].tobytes()
    assert cli.main(["bench", path, "--seconds", "0.01"]) == 0
    assert cli.main(["quantize", path, "-d", str(tmp_path / "x.npy"), "-o", str(tmp_path / "small.edgeai")]) == 0
    np.save(tmp_path / "wrong.npy", x.astype(np.float32))
    capsys.readouterr()
    assert cli.main(["run", path, str(tmp_path / "wrong.npy")]) == 2
    assert f"'x' is {dtype.name}; the array's element type is float32" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_backend_infers_the_type_of_a_result(dtype: np.dtype) -> None:
    x = random((3, 4), dtype)
    (found,) = onnx_backend.run_node(helper.make_node("Relu", ["x"], ["y"]), [x])
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.maximum(x.astype(np.float32), 0).astype(dtype))
