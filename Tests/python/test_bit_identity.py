"""int8 results are the same bytes for every instruction set, number of threads and batch split."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import small_model
from onnx import helper

import edgeai


@pytest.fixture(scope="module")
def awkward() -> tuple[edgeai.Model, np.ndarray]:
    """A quantized network of sizes that fill no vector: every kind of operator that computes in integers."""
    rng = np.random.default_rng(11)

    def weights(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], pads=[1, 2, 0, 1], strides=[2, 1], name="conv"),
        helper.make_node("Clip", ["c0", "low", "high"], ["r0"]),
        helper.make_node("Conv", ["r0", "w1"], ["c1"], group=17, pads=[1, 1, 1, 1], name="depthwise"),
        helper.make_node("HardSwish", ["c1"], ["h1"]),
        helper.make_node("Conv", ["h1", "w2"], ["c2"], name="pointwise"),
        helper.make_node("Add", ["c2", "r0"], ["a2"], name="residual"),
        helper.make_node("AveragePool", ["a2"], ["p2"], kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1], name="average"),
        helper.make_node("MaxPool", ["a2"], ["q2"], kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1], name="maximum"),
        helper.make_node("Concat", ["p2", "q2"], ["j2"], axis=1, name="both"),
        helper.make_node("Conv", ["j2", "w3"], ["c3"], group=2, dilations=[2, 1], pads=[2, 1, 2, 1], name="grouped"),
        helper.make_node("Sigmoid", ["c3"], ["s3"]),
        helper.make_node("Mul", ["c3", "s3"], ["m3"], name="gate"),
        helper.make_node("ConvTranspose", ["m3", "w4"], ["t4"], strides=[2, 2], name="upwards"),
        helper.make_node("GlobalAveragePool", ["t4"], ["g4"]),
        helper.make_node("Flatten", ["g4"], ["f4"]),
        helper.make_node("Gemm", ["f4", "w5", "b5"], ["y"], transB=1, name="dense"),
    ]
    constants = {
        "w0": weights(17, 3, 3, 4),
        "b0": weights(17, 4)[:, 0].copy(),
        "low": np.float32(0).reshape(()),
        "high": np.float32(6).reshape(()),
        "w1": weights(17, 1, 3, 3),
        "w2": weights(17, 17, 1, 1),
        "w3": weights(22, 17, 3, 3),
        "w4": weights(22, 13, 3, 3),
        "w5": weights(37, 13),
        "b5": weights(37, 4)[:, 0].copy(),
    }
    model = edgeai.load(small_model(nodes, {"x": ("n", 3, 19, 23)}, ["y"], constants))
    x = rng.standard_normal((12, 3, 19, 23)).astype(np.float32)
    result = edgeai.quantize(model, x)
    assert result.report.sqnr_db > 20
    return result.model, x


@pytest.fixture(params=["classifier", "awkward"])
def case(
    request: pytest.FixtureRequest, quantized: edgeai.Result, subset: dict[str, np.ndarray], awkward: tuple[edgeai.Model, np.ndarray]
) -> tuple[edgeai.Model, np.ndarray]:
    return awkward if request.param == "awkward" else (quantized.model, subset["images"][:12])


@pytest.fixture
def reference(case: tuple[edgeai.Model, np.ndarray]) -> np.ndarray:
    model, x = case
    return edgeai.Session(model, isa="reference")(x)  # type: ignore[return-value]


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
@pytest.mark.parametrize("isa", edgeai.instruction_sets())
def test_int8(isa: str, threads: int, case: tuple[edgeai.Model, np.ndarray], reference: np.ndarray) -> None:
    model, x = case
    with edgeai.Session(model, isa=isa, threads=threads) as session:
        for size in (1, 2, 3, 5, 12):
            found = np.concatenate([session(x[i : i + size]) for i in range(0, 12, size)])
            assert found.tobytes() == reference.tobytes(), f"batches of {size}"


def test_int8_classifier_on_everything(quantized: edgeai.Result, subset: dict[str, np.ndarray]) -> None:
    """All thousand pictures, so that values at the ends of the ranges occur."""
    images = subset["images"]
    expected = edgeai.Session(quantized.model, isa="reference", threads=2)(images)
    for isa in edgeai.instruction_sets():
        assert np.array_equal(edgeai.Session(quantized.model, isa=isa)(images), expected)


@pytest.mark.parametrize("isa", edgeai.instruction_sets())
def test_float_does_not_depend_on_threads(isa: str, classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    images = subset["images"][:10]
    expected = edgeai.Session(classifier, isa=isa)(images)
    for threads in (2, 3, 4):
        with edgeai.Session(classifier, isa=isa, threads=threads) as session:
            for _ in range(3):
                assert session(images).tobytes() == expected.tobytes()  # type: ignore[union-attr]


def test_runs_repeat(quantized: edgeai.Result, classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    for model in (quantized.model, classifier):
        session = edgeai.Session(model, threads=4)
        first = session(subset["images"][:3])
        for _ in range(50):
            assert np.array_equal(session(subset["images"][:3]), first)


def test_environment_chooses_the_instruction_set(quantized: edgeai.Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEAI_ISA", "reference")
    assert {step.isa for step in edgeai.Session(quantized.model).plan} == {"reference"}
    best = next(isa for isa in edgeai.instruction_sets() if isa != "avx512bf16")  # which has nothing of its own for integers
    assert best in {step.isa for step in edgeai.Session(quantized.model, isa=best).plan}
    monkeypatch.setenv("EDGEAI_ISA", "z80")
    with pytest.raises(edgeai.EdgeAIError, match="z80"):
        edgeai.Session(quantized.model)


@pytest.mark.parametrize("isa, tile", [("avx2", "6x16"), ("avx512vnni", "14x32")])
def test_winograds_form_gives_the_bytes_of_the_plain_one(isa: str, tile: str) -> None:
    if isa not in edgeai.instruction_sets():
        pytest.skip(f"this processor has no {isa}")
    rng = np.random.default_rng(5)
    weights = {"w0": rng.standard_normal((64, 32, 3, 3)), "w1": rng.standard_normal((96, 64, 3, 3)), "w2": rng.standard_normal((64, 96, 3, 3))}
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["c0"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["r0"]),
        helper.make_node("Conv", ["r0", "w1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["c1", "w2"], ["c2"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c2", "r0"], ["y"]),
    ]
    constants = {name: (array / 20).astype(np.float32) for name, array in weights.items()}
    model = edgeai.load(small_model(nodes, {"x": ("n", 32, 37, 42)}, ["y"], constants))
    x = rng.standard_normal((4, 32, 37, 42)).astype(np.float32)
    quantized = edgeai.quantize(model, x).model
    session = edgeai.Session(quantized, isa=isa)
    kernels = [step.kernel for step in session.plan if "conv" in step.kernel]
    assert kernels == [f"conv_winograd_u8_{isa}_{tile}"] * 3
    assert np.array_equal(session(x), edgeai.Session(quantized, isa="reference")(x))
    compact = edgeai.Session(quantized, isa=isa, compact=True)
    assert not any("winograd" in step.kernel for step in compact.plan)
    assert compact.memory.packed_weights < session.memory.packed_weights / 3
    assert edgeai.Session.memory_required(quantized, isa=isa, compact=True) == compact.memory.total
    assert np.array_equal(session(x), compact(x))
    fixed = edgeai.Session(quantized, isa=isa, batch=4)
    with pytest.raises(edgeai.TuningError):
        edgeai.Session(quantized, isa=isa, batch=4, compact=True, tuning=fixed.tuning)
    floats = [edgeai.Session(model, isa=isa, compact=compact, tune=tune) for compact, tune in ((False, False), (True, False), (True, True))]
    assert [any("winograd" in step.kernel for step in s.plan) for s in floats] == [True, False, False]
