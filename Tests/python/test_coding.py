"""Saving with coded constants: smaller files, the same model."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import releases
from conftest import CLASSIFIER, ROOT, small_model
from onnx import helper
from test_cli import run

import edgeai

CODINGS = ("huffman", "adaptive")


def dense(weights: np.ndarray, bias: np.ndarray | None = None) -> edgeai.Model:
    constants = {"w": weights} if bias is None else {"w": weights, "b": bias}
    node = helper.make_node("Gemm", ["x", *constants], ["y"], transB=1)
    return edgeai.load(small_model([node], {"x": (2, weights.shape[1])}, ["y"], constants))


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("which", ["float", "int8"])
def test_coded_models_are_the_same(
    coding: str, which: str, classifier: edgeai.Model, quantized: edgeai.Result, subset: dict[str, np.ndarray], tmp_path: Path
) -> None:
    model = classifier if which == "float" else quantized.model
    model.save(tmp_path / "m.edgeai", coding=coding)
    contents = (tmp_path / "m.edgeai").read_bytes()
    assert contents == model.to_bytes(coding=coding)
    assert len(contents) < len(model.to_bytes())
    for source in (tmp_path / "m.edgeai", contents):
        again = edgeai.load(source)
        assert again.to_bytes() == model.to_bytes()
        assert again.to_bytes(coding=coding) == contents
        assert again.source == "edgeai"
    x = subset["images"][:4]
    assert np.array_equal(edgeai.Session(again)(x), edgeai.Session(model)(x))


def test_no_coding_is_version_1(classifier: edgeai.Model) -> None:
    assert classifier.to_bytes(coding="none") == classifier.to_bytes()


@pytest.mark.parametrize("coding", CODINGS)
def test_pruned_and_shared_weights_become_small(coding: str) -> None:
    random = np.random.default_rng(1)
    values = np.array([-0.5, -0.2, 0.3, 0.7], np.float32)
    kept = random.random((300, 400)) < 0.05
    weights = np.where(kept, random.choice(values, kept.shape), np.float32(0))
    model = dense(weights)
    # Places of independent weights have an entropy of 0.286 bits an element, values of 2 bits a weight.
    entropy = (0.2864 * weights.size + 2 * kept.sum()) / 8
    size = len(model.to_bytes(coding=coding))
    assert entropy < size < (1.15 if coding == "huffman" else 1.03) * entropy + 150


def test_scales_of_rows_are_found() -> None:
    """Ternary weights with a scale for each output cost 1.6 bits and not a palette of 400 numbers."""
    random = np.random.default_rng(2)
    scales = random.random((200, 1), np.float32) + np.float32(0.1)
    weights = (random.integers(-1, 2, (200, 500)) * scales + 0).astype(np.float32)
    assert len(dense(weights).to_bytes(coding="adaptive")) < 1.02 * (1.585 * weights.size / 8) + 4 * 200 + 150


def test_wrong_codings(classifier: edgeai.Model, tmp_path: Path) -> None:
    with pytest.raises(edgeai.ArgumentError, match="'zip', not one of none, huffman, adaptive"):
        classifier.save(tmp_path / "m.edgeai", coding="zip")
    with pytest.raises(edgeai.ArgumentError, match="'zip'"):
        classifier.to_bytes(coding="zip")
    with pytest.raises(edgeai.ArgumentError, match="an ONNX file has no coding"):
        classifier.save(tmp_path / "m.onnx", coding="adaptive")
    with pytest.raises(edgeai.ArgumentError, match="coding is 7"):
        classifier._core.to_coded_bytes(7)
    with pytest.raises(edgeai.ArgumentError, match="coding is -1"):
        classifier._core.save_coded(os.fsencode(tmp_path / "m.edgeai"), -1)
    assert not list(tmp_path.iterdir())


def test_limits_of_coded_files() -> None:
    """A short file of many zeros is refused before memory is taken for them."""
    contents = dense(np.zeros((1000, 1000), np.float32)).to_bytes(coding="adaptive")
    assert len(contents) < 200
    with pytest.raises(edgeai.LimitError):
        edgeai.load(contents, limits=edgeai.Limits(max_tensor_bytes=1 << 20))
    with pytest.raises(edgeai.LimitError):
        edgeai.load(contents, limits=edgeai.Limits(max_file_bytes=1 << 20))


def test_command_line(tmp_path: Path) -> None:
    plain, coded, back = tmp_path / "plain.edgeai", tmp_path / "coded.edgeai", tmp_path / "back.edgeai"
    run("convert", CLASSIFIER, "-o", plain)
    run("convert", plain, "-o", coded, "--coding", "adaptive")
    run("convert", coded, "-o", back)
    assert back.read_bytes() == plain.read_bytes()
    assert coded.stat().st_size < plain.stat().st_size
    run("convert", plain, "-o", tmp_path / "net.c", "--coding", "huffman", "--name", "net")
    assert "net" in (tmp_path / "net.c").read_text()
    assert "no coding" in run("convert", plain, "-o", tmp_path / "net.onnx", "--coding", "huffman", status=2)


def test_released_squeezenet_is_smaller_at_the_same_weights(test_data: Path) -> None:
    """The authors' file has 675,763 bytes and no network around its weights."""
    model = edgeai.load(releases.squeezenet(test_data / "models/deep-compression/compressed_SqueezeNet.net"))
    adaptive, huffman = model.to_bytes(coding="adaptive"), model.to_bytes(coding="huffman")
    print(f"SqueezeNet of Deep Compression: {len(adaptive)} bytes, {len(huffman)} with Huffman codes")
    assert edgeai.load(adaptive).to_bytes() == model.to_bytes()
    assert edgeai.load(huffman).to_bytes() == model.to_bytes()
    assert len(adaptive) < 530_000
    assert len(huffman) < 557_000


def same_on_demand(model: edgeai.Model, *inputs: np.ndarray, **options: object) -> None:
    """Sessions of the coded file compute the same with the same kernels, decoded at once or on demand."""
    contents = model.to_bytes(coding="adaptive")
    lazy = edgeai.load(contents, on_demand=True)
    with edgeai.Session(model, **options) as plain, edgeai.Session(lazy, **options) as session:
        expected, found = plain(*inputs), session(*inputs)
        for one, other in zip(expected if isinstance(expected, tuple) else (expected,), found if isinstance(found, tuple) else (found,)):
            assert np.array_equal(one, other)
        assert [step.kernel for step in session.plan] == [step.kernel for step in plain.plan]
    assert lazy.to_bytes() == model.to_bytes()
    assert lazy.to_bytes(coding="adaptive") == contents


@pytest.mark.parametrize("isa", [None, "reference", "sse2"])
@pytest.mark.parametrize("which", ["float", "int8"])
def test_constants_on_demand(
    which: str, isa: str | None, classifier: edgeai.Model, quantized: edgeai.Result, subset: dict[str, np.ndarray]
) -> None:
    model = classifier if which == "float" else quantized.model
    same_on_demand(model, subset["images"][:2], isa=isa)
    same_on_demand(model, subset["images"][:2], isa=isa, threads=2, precision="bfloat16" if which == "float" else "float32")


def test_looked_at_weights_on_demand() -> None:
    """Planning looks at weights of pruned layers and of layers of signs."""
    random = np.random.default_rng(3)
    weights = random.normal(size=(64, 256)).astype(np.float32)
    blocks = np.repeat(random.random((4, 256)) < 0.1, 16, 0)
    x = random.normal(size=(2, 256)).astype(np.float32)
    same_on_demand(dense(np.where(blocks, weights, np.float32(0))), x)
    signs = helper.make_node("Where", ["p", "one", "minus"], ["s"])
    nodes = [helper.make_node("GreaterOrEqual", ["x", "zero"], ["p"]), signs, helper.make_node("Gemm", ["s", "w"], ["y"], transB=1)]
    constants = {"zero": np.float32(0), "one": np.float32(1), "minus": np.float32(-1), "w": np.sign(weights) * np.float32(0.3)}
    model = edgeai.load(small_model(nodes, {"x": (2, 256)}, ["y"], {k: np.asarray(v) for k, v in constants.items()}))
    same_on_demand(model, x)


def test_constants_that_runs_read_on_demand() -> None:
    """Constants as operands, outputs and tables, one of them read twice and out of order."""
    random = np.random.default_rng(4)
    table, other = (random.normal(size=(300, 80)).astype(np.float32) for _ in range(2))
    nodes = [
        helper.make_node("MatMul", ["x", "other"], ["a"]),
        helper.make_node("Add", ["a", "bias"], ["b"]),
        helper.make_node("MatMul", ["x", "table"], ["c"]),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("MatMul", ["x", "other"], ["e"]),
        helper.make_node("Mul", ["d", "e"], ["y"]),
        helper.make_node("Identity", ["table"], ["z"]),
    ]
    constants = {"table": table, "bias": random.normal(size=80).astype(np.float32), "other": other}
    model = edgeai.load(small_model(nodes, {"x": (5, 300)}, ["y", "z"], constants))
    same_on_demand(model, random.normal(size=(5, 300)).astype(np.float32))


def test_compression_of_a_model_on_demand(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    lazy = edgeai.load(classifier.to_bytes(coding="adaptive"), on_demand=True)
    batch = subset["images"][:8]
    assert edgeai.quantize(lazy, batch).model.to_bytes() == edgeai.quantize(classifier, batch).model.to_bytes()
    assert lazy.summary() == edgeai.load(classifier.to_bytes()).summary()
    index = next(i for i, tensor in enumerate(lazy.tensors) if tensor.constant)
    assert np.array_equal(lazy.tensor_data(index), edgeai.load(classifier.to_bytes()).tensor_data(index))


def test_on_demand_changes_nothing_of_other_files(classifier: edgeai.Model) -> None:
    assert edgeai.load(CLASSIFIER, on_demand=True).to_bytes() == classifier.to_bytes()
    assert edgeai.load(classifier.to_bytes(), on_demand=True).to_bytes() == classifier.to_bytes()


@pytest.mark.parametrize("path", sorted((ROOT / "Tests/golden/edgeai").glob("*.edgeai")), ids=lambda p: p.stem)
def test_golden_networks_on_demand(path: Path) -> None:
    """Every operator: branches and loops, states and their first contents, gradients. Two runs, because of states."""
    model = edgeai.load(path)
    lazy = edgeai.load(model.to_bytes(coding="adaptive"), on_demand=True)
    random = np.random.default_rng(6)
    inputs = []
    for tensor in model.inputs:
        shape = [size or 1 for size in tensor.shape]
        kind = np.dtype(np.uint16 if tensor.dtype == "bfloat16" else tensor.dtype)
        inputs.append(random.integers(0, 2, shape).astype(kind) if kind.kind in "biu" else random.random(shape).astype(kind))
    results = []
    for one in (model, lazy):
        try:
            with edgeai.Session(one) as session:
                results.append([session.run(inputs if len(inputs) > 1 else inputs[0]) for _ in range(2)])
        except edgeai.EdgeAIError as error:
            results.append([str(error)])
    for expected, found in zip(*results):
        if isinstance(expected, str):
            assert expected == found
            continue
        for a, b in zip(expected, found):
            assert a.tobytes() == b.tobytes()
