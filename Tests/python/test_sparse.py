"""Networks whose weights are mostly zero: the plan leaves zeros out where that is faster, and results stay those of the plain kernels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from conftest import small_model
from onnx import helper

import edgeai

SPARSE = [isa for isa in edgeai.instruction_sets() if isa in ("avx2", "avx512vnni", "avx512bf16", "neon", "neondot")]


def pruned(rng: np.random.Generator, shape: tuple[int, ...], block: tuple[int, int], kept: float) -> np.ndarray:
    """Random weights [outputs, inputs, ...] of which some blocks, outputs by inputs, are not zero."""
    weights = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) * kept)
    mask = rng.random((-(-shape[0] // block[0]), -(-shape[1] // block[1]))) < kept
    mask = mask.repeat(block[0], 0).repeat(block[1], 1)[: shape[0], : shape[1]]
    return (weights * mask.reshape(*mask.shape, *[1] * (len(shape) - 2))).astype(np.float32)


def network(block: tuple[int, int], kept: float) -> tuple[edgeai.Model, np.ndarray]:
    """A bottleneck with a sum around it, a strided 1x1 layer, ragged channels and a dense layer."""
    rng = np.random.default_rng(7)
    constants = {
        "w0": pruned(rng, (256, 64, 1, 1), block, kept),
        "w1": pruned(rng, (64, 64, 3, 3), block, kept),
        "w2": pruned(rng, (256, 64, 1, 1), block, kept),
        "w3": pruned(rng, (201, 256, 1, 1), block, kept),
        "w4": pruned(rng, (150, 201), block, kept),
        "b0": rng.standard_normal(256).astype(np.float32),
        "b4": rng.standard_normal(150).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], name="wide"),
        helper.make_node("Relu", ["c0"], ["r0"]),
        helper.make_node("Conv", ["x", "w1"], ["c1"], pads=[1, 1, 1, 1], name="square"),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], name="sum"),
        helper.make_node("Add", ["c2", "r0"], ["a2"]),
        helper.make_node("Relu", ["a2"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3"], ["c3"], strides=[2, 2], name="strided"),
        helper.make_node("GlobalAveragePool", ["c3"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["y"], transB=1, name="dense"),
    ]
    model = edgeai.load(small_model(nodes, {"x": ("n", 64, 23, 19)}, ["y"], constants))
    return model, rng.standard_normal((2, 64, 23, 19)).astype(np.float32)


BLOCKS = [((16, 1), "outputs"), ((16, 4), "outputs"), ((1, 1), "pixels"), ((1, 8), "pixels"), ((4, 1), None)]


@pytest.mark.parametrize("isa", SPARSE)
@pytest.mark.parametrize(("block", "lanes"), BLOCKS)
@pytest.mark.parametrize("threads", [1, 3])
def test_floats_are_those_of_the_reference(isa: str, block: tuple[int, int], lanes: str | None, threads: int) -> None:
    model, x = network(block, 0.1)
    expected = edgeai.Session(model, isa="reference").run(x)[0]
    session = edgeai.Session(model, isa=isa, threads=threads)
    found = session.run(x)[0]
    # Two sums of the same products, five layers one behind the other.
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
    notes = [step.note for step in session.plan if "conv_sparse_f32" in step.kernel]
    assert notes and all("% of the weights are left" in note for note in notes)
    if lanes:
        assert f"lanes are {lanes}" in notes[0]
    assert edgeai.Session(model, isa=isa).run(x)[0].tobytes() == found.tobytes()


@pytest.mark.parametrize("isa", SPARSE)
@pytest.mark.parametrize(("block", "lanes"), [*BLOCKS, ((1, 4), "pixels")])
@pytest.mark.parametrize("threads", [1, 3])
def test_bytes_are_those_of_the_reference(isa: str, block: tuple[int, int], lanes: str | None, threads: int) -> None:
    model, x = network(block, 0.1)
    quantized = edgeai.quantize(model, x, report_samples=0).model
    session = edgeai.Session(quantized, isa=isa, threads=threads)
    assert session.run(x)[0].tobytes() == edgeai.Session(quantized, isa="reference").run(x)[0].tobytes()
    if block in ((16, 4), (16, 1)) and isa != "neondot":
        assert any("conv_sparse_u8" in step.kernel for step in session.plan)


def test_an_unpruned_network_has_none() -> None:
    model, x = network((1, 1), 1)
    assert not any("sparse" in step.kernel for step in edgeai.Session(model, batch=1).plan)
    quantized = edgeai.quantize(model, x, report_samples=0).model
    assert not any("sparse" in step.kernel for step in edgeai.Session(quantized, batch=1).plan)


@pytest.mark.skipif(not SPARSE, reason="this processor has no sparse kernels")
def test_memory_is_what_is_left(aligned: Callable[[int], np.ndarray]) -> None:
    """Packed weights shrink with the weights, and the block's size stays exact."""
    sizes = [edgeai.Session(network((16, 1), kept)[0], batch=1, isa=SPARSE[-1]).memory.packed_weights for kept in (0.05, 0.3, 1)]
    assert sizes[0] < sizes[1] < sizes[2]
    model, x = network((16, 1), 0.1)
    memory = edgeai.Session.memory_required(model, batch=2)
    with edgeai.Session(model, batch=2, memory=aligned(memory)) as given:
        assert given.run(x)[0].tobytes() == edgeai.Session(model, batch=2).run(x)[0].tobytes()
    with pytest.raises(edgeai.EdgeAIError):
        edgeai.Session(model, batch=2, memory=aligned(memory - 1))


def test_a_tuned_session_comes_back() -> None:
    model, x = network((16, 1), 0.1)
    tuned = edgeai.Session(model, batch=2, tune=True)
    again = edgeai.Session(model, batch=2, tuning=tuned.tuning)
    assert [step.kernel for step in again.plan] == [step.kernel for step in tuned.plan]
    assert again.run(x)[0].tobytes() == tuned.run(x)[0].tobytes()
    # Weights without zeros cannot be computed the same way.
    if any("sparse" in step.kernel for step in tuned.plan):
        with pytest.raises(edgeai.TuningError, match="tuning"):
            edgeai.Session(network((16, 1), 1)[0], batch=2, tuning=tuned.tuning)
