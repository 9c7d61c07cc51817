"""bfloat16: a precision that the caller chooses, with the same results whatever computes it."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import small_model
from onnx import helper

import edgeai

EMULATING = [name for name in edgeai.instruction_sets() if name != "avx512bf16"]
HAS_BFLOAT16 = "avx512bf16" in edgeai.instruction_sets()


def rounded(x: np.ndarray) -> np.ndarray:
    """To the nearest bfloat16, half to even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


@pytest.fixture(scope="module")
def layers() -> tuple[edgeai.Model, np.ndarray]:
    """A picture's three channels, an odd number of channels, groups, a dilation, a residual sum, dense layers."""
    rng = np.random.default_rng(5)

    def weights(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], pads=[1, 1, 1, 1], strides=[2, 2], name="image"),
        helper.make_node("Relu", ["c0"], ["r0"]),
        helper.make_node("Conv", ["r0", "w1"], ["c1"], pads=[2, 2, 2, 2], dilations=[2, 2], name="dilated"),
        helper.make_node("Add", ["c1", "r0"], ["a1"]),
        helper.make_node("Conv", ["a1", "w2"], ["c2"], name="pointwise"),
        helper.make_node("Conv", ["c2", "w3"], ["c3"], group=2, pads=[1, 1, 1, 1], name="grouped"),
        helper.make_node("Conv", ["c3", "w4"], ["c4"], pads=[1, 1, 1, 1], name="square"),
        helper.make_node("GlobalMaxPool", ["c4"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w5", "b5"], ["y"], transB=1, name="dense"),
    ]
    constants = {
        "w0": weights(15, 3, 3, 3),
        "b0": weights(15, 4)[:, 0].copy(),
        "w1": weights(15, 15, 3, 3),
        "w2": weights(34, 15, 1, 1),
        "w3": weights(64, 17, 3, 3),
        "w4": weights(30, 64, 3, 3),
        "w5": weights(150, 30),
        "b5": weights(150, 4)[:, 0].copy(),
    }
    model = edgeai.load(small_model(nodes, {"x": ("n", 3, 61, 47)}, ["y"], constants))
    return model, rng.standard_normal((2, 3, 61, 47)).astype(np.float32)


@pytest.mark.parametrize("threads", [1, 3])
def test_every_instruction_set_has_the_same_bits(layers: tuple[edgeai.Model, np.ndarray], threads: int) -> None:
    model, x = layers
    (expected,) = edgeai.Session(model, isa="reference", precision="bfloat16").run(x)
    for isa in edgeai.instruction_sets():
        (found,) = edgeai.Session(model, isa=isa, precision="bfloat16", compact=True, threads=threads).run(x)
        assert found.tobytes() == expected.tobytes(), isa


def test_results_are_those_of_rounded_operands() -> None:
    rng = np.random.default_rng(9)
    weights = rng.standard_normal((40, 33)).astype(np.float32)
    model = edgeai.load(small_model([helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)], {"x": (5, 33)}, ["y"], {"w": weights}))
    x = rng.standard_normal((5, 33)).astype(np.float32)
    (found,) = edgeai.Session(model, precision="bfloat16").run(x)
    exact = rounded(x).astype(np.float64) @ rounded(weights).astype(np.float64).T
    assert np.abs(found - exact).max() < 1e-5  # the rounding of 33 additions in float32
    assert np.abs(found - x.astype(np.float64) @ weights.astype(np.float64).T).max() > 1e-3  # and not those of float32


def test_it_is_near_float32_and_chosen_by_the_caller_alone(layers: tuple[edgeai.Model, np.ndarray]) -> None:
    model, x = layers
    plain, paired = edgeai.Session(model), edgeai.Session(model, precision="bfloat16")
    assert not any("bf16" in step.kernel or "bfloat16" in step.note for step in plain.plan)
    (expected,), (found,) = plain.run(x), paired.run(x)
    assert 0 < np.abs(found - expected).max() < 0.03 * np.abs(expected).max()


@pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor has no bfloat16 instructions")
def test_the_plan_names_the_kernels_and_weights_take_half_the_memory(layers: tuple[edgeai.Model, np.ndarray]) -> None:
    model, _ = layers
    session = edgeai.Session(model, precision="bfloat16", strict=True, compact=True)
    kernels = {step.name: step.kernel for step in session.plan}
    for name in ("image", "dilated", "pointwise", "grouped", "square", "dense"):
        assert kernels[name] == "conv_bf16_avx512bf16_14x32", name
    dense = edgeai.load(
        small_model([helper.make_node("Gemm", ["x", "w"], ["y"])], {"x": (1, 512)}, ["y"], {"w": np.ones((512, 256), np.float32)})
    )
    packed = {p: edgeai.Session(dense, precision=p).memory.packed_weights for p in ("float32", "bfloat16")}
    assert packed["bfloat16"] < 0.51 * packed["float32"]


@pytest.fixture(scope="module")
def block() -> edgeai.Model:
    """An inverted residual block between two convolutions."""
    rng = np.random.default_rng(6)

    def weights(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["c0"], pads=[1, 1, 1, 1], name="first"),
        helper.make_node("Conv", ["c0", "w1"], ["c1"], name="wide"),
        helper.make_node("Conv", ["c1", "w2"], ["c2"], group=36, pads=[1, 1, 1, 1], name="depthwise"),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3"], ["c3"], name="narrow"),
        helper.make_node("Add", ["c3", "c0"], ["a3"]),
        helper.make_node("Conv", ["a3", "w4"], ["y"], name="last"),
    ]
    constants = {
        "w0": weights(12, 3, 3, 3),
        "w1": weights(36, 12, 1, 1),
        "w2": weights(36, 1, 3, 3),
        "w3": weights(12, 36, 1, 1),
        "w4": weights(5, 12, 1, 1),
    }
    return edgeai.load(small_model(nodes, {"x": ("n", 3, 21, 18)}, ["y"], constants))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_what_only_rounding_layers_read_is_rounded_before(block: edgeai.Model, threads: int) -> None:
    x = np.random.default_rng(7).standard_normal((2, 3, 21, 18)).astype(np.float32)
    session = edgeai.Session(block, batch=2, precision="bfloat16", threads=threads)
    (found,) = session.run(x)
    # "reference" does not fuse the sums of depthwise layers.
    for isa in set(EMULATING) & {"avx2", "avx512vnni"}:
        (expected,) = edgeai.Session(block, batch=2, isa=isa, precision="bfloat16").run(x)
        assert found.tobytes() == expected.tobytes(), isa
    said = {step.name: step.note for step in session.plan if "bfloat16" in step.note}
    if HAS_BFLOAT16:
        # What is added to, and what a depthwise layer reads, stays float32.
        assert said == {"depthwise": "writes bfloat16", "narrow": "reads bfloat16; writes bfloat16", "last": "reads bfloat16"}
        plain = {step.name: step.bytes for step in edgeai.Session(block, batch=2, threads=threads).plan}
        assert {step.name: step.bytes for step in session.plan}["depthwise"] == plain["depthwise"] - 2 * 21 * 18 * 36 * 2
    else:
        assert not any("writes" in note for note in said.values())


@pytest.mark.parametrize("isa", EMULATING)
def test_emulation_is_said_and_strict_refuses_it(layers: tuple[edgeai.Model, np.ndarray], isa: str) -> None:
    model, _ = layers
    notes = {step.name: step.note for step in edgeai.Session(model, isa=isa, precision="bfloat16").plan if "conv" in step.kernel}
    assert notes["image"] == notes["dense"] == "bfloat16, emulated"
    with pytest.raises(edgeai.EdgeAIError, match="strict: Convolution would emulate bfloat16"):
        edgeai.Session(model, isa=isa, precision="bfloat16", strict=True)


@pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor has no bfloat16 instructions")
def test_a_layer_that_winograd_computes_sooner_stays_in_float32() -> None:
    weights = np.random.default_rng(2).standard_normal((64, 64, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])]
    kernels = {}
    for size in (4, 28):
        model = edgeai.load(small_model(nodes, {"x": (1, 64, size, size)}, ["y"], {"w": weights}))
        for precision in ("float32", "bfloat16"):
            (kernel,) = (s.kernel for s in edgeai.Session(model, precision=precision).plan if "conv" in s.kernel)
            kernels[size, precision] = kernel
    assert kernels[28, "float32"] == kernels[28, "bfloat16"] == "conv_winograd_f32_avx512_14x32"
    assert kernels[4, "bfloat16"] == "conv_bf16_avx512bf16_14x32"


def test_integers_are_not_concerned(quantized: edgeai.Result) -> None:
    plain, paired = edgeai.Session(quantized.model), edgeai.Session(quantized.model, precision="bfloat16")
    x = np.random.default_rng(1).standard_normal((8, *quantized.model.inputs[0].shape[1:])).astype(np.float32)
    assert all(np.array_equal(a, b) for a, b in zip(paired.run(x), plain.run(x), strict=True))


def test_memory_is_known(layers: tuple[edgeai.Model, np.ndarray]) -> None:
    model, _ = layers
    for isa in edgeai.instruction_sets():
        session = edgeai.Session(model, batch=2, isa=isa, precision="bfloat16")
        assert edgeai.Session.memory_required(model, batch=2, isa=isa, precision="bfloat16") == session.memory.total


def test_an_unknown_precision_is_refused(classifier: edgeai.Model) -> None:
    with pytest.raises(edgeai.ArgumentError, match="precision is 'float16'"):
        edgeai.Session(classifier, precision="float16")
