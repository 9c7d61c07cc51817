"""Pruning, its repair, sensitivities and layers of low rank, on the shipped library."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CLASSIFIER, small_model
from onnx import helper
from test_accuracy import load_photos, one_by_one

import edgeai
from edgeai.cli import main


def weights(model: edgeai.Model) -> dict[str, np.ndarray]:
    """Weights of convolutions and dense layers, by the layer's name."""
    return {op.name: model.tensor_data(op.inputs[1]) for op in model.ops if op.type in ("Convolution", "Dense")}


def zeros(array: np.ndarray) -> int:
    return int((array == 0).sum())


@pytest.fixture(scope="module")
def samples(subset: dict[str, np.ndarray]) -> np.ndarray:
    return subset["calibration"][:128]


def accuracy(model: edgeai.Model, subset: dict[str, np.ndarray]) -> float:
    return float(np.mean(edgeai.Session(model)(subset["images"]).argmax(1) == subset["labels"]))


def test_shares_and_report(classifier: edgeai.Model) -> None:
    result = edgeai.prune(classifier, 0.7, first=True, depthwise=True)
    before, after = weights(classifier), weights(result.model)
    layers = {layer.name: layer for layer in result.report.layers}
    for name, w in before.items():
        assert zeros(after[name]) == round(0.7 * w.size)
        kept = after[name] != 0
        assert np.array_equal(after[name][kept], w[kept])
        assert layers[name].weights == w.size
        assert layers[name].kept == w.size - zeros(after[name])
    assert result.report.kept == pytest.approx(0.3, abs=0.01)
    assert result.report.samples == 0
    assert "dB" not in repr(result)
    assert [op.name for op in result.model.ops] == [op.name for op in classifier.ops]


def test_patterns_and_blocks(classifier: edgeai.Model) -> None:
    pattern = weights(edgeai.prune(classifier, pattern=(2, 4)).model)
    block = weights(edgeai.prune(classifier, 0.5, block=(1, 4)).model)
    seen = 0
    for name, w in weights(classifier).items():
        if w.shape[-1] % 4 or zeros(pattern[name]) == zeros(w):
            continue
        seen += 1
        assert ((pattern[name].reshape(-1, 4) != 0).sum(1) == 2).all()
        assert set((block[name].reshape(-1, 4) != 0).sum(1).tolist()) == {0, 4}
    assert seen > 2


def test_repair_wins_back_accuracy(classifier: edgeai.Model, subset: dict[str, np.ndarray], samples: np.ndarray) -> None:
    whole = accuracy(classifier, subset)
    found = {}
    for settings in ({"amount": 0.8}, {"pattern": (1, 4)}):
        for repair in ("none", "bias", "least-squares"):
            result = edgeai.prune(classifier, data=samples, repair=repair, **settings)  # type: ignore[arg-type]
            assert result.report.samples == 8
            found[repair] = accuracy(result.model, subset)
        found["sequential"] = accuracy(edgeai.prune(classifier, data=samples, sequential=True, **settings).model, subset)  # type: ignore[arg-type]
        print(f"{settings}: whole {whole:.3f}, {found}")
        assert found["least-squares"] > max(found["none"], found["bias"]) + 0.1
        assert found["sequential"] > found["least-squares"]
        # One picture is a tenth of a point; one in thirty is what the removal of three weights in four may cost.
        assert found["sequential"] > whole - 0.033


def test_same_bytes_again_and_with_threads(classifier: edgeai.Model, samples: np.ndarray) -> None:
    made = {edgeai.prune(classifier, data=samples[:16], threads=threads).model.to_bytes() for threads in (1, 1, 3)}
    assert len(made) == 1
    made = {edgeai.prune(classifier, data=samples[:16], threads=threads, sequential=True).model.to_bytes() for threads in (1, 3)}
    assert len(made) == 1


def test_int8_after_repair(classifier: edgeai.Model, subset: dict[str, np.ndarray], samples: np.ndarray) -> None:
    pruned = edgeai.prune(classifier, 0.5, data=samples).model
    quantized = edgeai.quantize(pruned, samples)
    assert accuracy(quantized.model, subset) >= accuracy(pruned, subset) - 0.01
    # Zeros stay zeros.
    assert quantized.report.kept <= 1.0
    before, after = weights(pruned), weights(quantized.model)
    assert all((after[name][w == 0] == 0).all() for name, w in before.items())


def test_sensitivity_and_balance(classifier: edgeai.Model, samples: np.ndarray) -> None:
    calls: list[str] = []
    table = edgeai.sensitivity(classifier, samples[:8], (0.5, 0.9, 0.97), progress=lambda stage, done, total: calls.append(stage))
    assert len(table.rows) == 3 * len(table.layers) == len(calls)
    assert table.layers == tuple(dict.fromkeys(calls))
    for row in table.rows:
        assert row.samples == 8
        assert 0 <= row.agreement <= 1
        assert row.weights - row.kept == round(row.fraction * row.weights)
        assert row.sqnr_db == pytest.approx(-10 * math.log10(row.noise))
    one = edgeai.prune(classifier, 0.9, names=[table.layers[0]], data=samples[:8], repair="none")
    assert one.report.sqnr_db == pytest.approx(table.rows[1].sqnr_db, abs=1e-3)
    balanced = edgeai.prune(classifier, 0.8, sensitivity=table, data=samples[:8], repair="none")
    plain = edgeai.prune(classifier, 0.8, data=samples[:8], repair="none")
    removed = sum(row.weights for row in table.rows[::3]) * 0.8
    found = sum(layer.weights - layer.kept for layer in balanced.report.layers if layer.name in table.layers)
    assert found == pytest.approx(removed, rel=0.01)
    print(f"0.8 of the weights: the same share of each {plain.report.sqnr_db:.1f} dB; alike by sensitivity {balanced.report.sqnr_db:.1f} dB")
    assert balanced.report.sqnr_db > plain.report.sqnr_db
    assert "SQNR dB" in str(table) and "<table>" in table._repr_html_()
    # The noise of an infinite error.
    rows = [edgeai.SensitivityRow(name, 0.9, sys.float_info.max, 0, 0, 0, 1) for name in table.layers]
    alike = edgeai.prune(classifier, 0.3, sensitivity=edgeai.Sensitivity(rows), repair="none")
    found = sum(layer.weights - layer.kept for layer in alike.report.layers if layer.name in table.layers)
    assert found == pytest.approx(removed * 0.3 / 0.8, rel=0.01)


def test_schedule() -> None:
    assert edgeai.prune_schedule(0.8, 4) == pytest.approx([0.8 * (1 - (1 - k / 4) ** 3) for k in (1, 2, 3, 4)])
    assert edgeai.prune_schedule(0.8, 1, initial=0.3) == (0.8,)
    for wrong in ((0.5, 0), (1.5, 3), (math.nan, 3), (0.5, 3, -0.1)):
        with pytest.raises(edgeai.ArgumentError, match="must be"):
            edgeai.prune_schedule(*wrong)


@pytest.mark.parametrize(
    "settings",
    [
        {"amount": 1.5}, {"amount": math.nan}, {"block": (0, 4)}, {"norm": 3}, {"pattern": (4, 4)}, {"pattern": (2, 4), "block": (2, 1)},
        {"names": ["nobody"]}, {"layers": {"nobody": 0.5}}, {"method": "magic"}, {"repair": "magic"}, {"rounds": 0}, {"damping": 0.0},
        {"windows": 0}, {"threads": 0}, {"report_samples": -1}, {"data": np.zeros((0, 1, 28, 28), np.float32)},
        {"data": np.full((1, 1, 28, 28), np.nan, np.float32)},
        {"sequential": True}, {"sequential": True, "repair": "none", "data": np.zeros((1, 1, 28, 28), np.float32)},
        {"sensitivity": edgeai.Sensitivity([])}, {"sensitivity": edgeai.Sensitivity([edgeai.SensitivityRow("x", 0.1, 1.0, 0, 0, 0, 1)])},
    ],
)  # fmt: skip
def test_wrong_arguments(settings: dict[str, Any], classifier: edgeai.Model) -> None:
    if settings.get("sensitivity") and not settings["sensitivity"].rows:
        # No rows are no sensitivities: the shares are equal.
        edgeai.prune(classifier, **settings)
        return
    with pytest.raises(edgeai.ArgumentError):
        edgeai.prune(classifier, **settings)


def test_options_that_would_be_dropped_or_rounded_are_refused(classifier: edgeai.Model) -> None:
    layer = next(iter(weights(classifier)))
    for settings, message in (
        ({"block": (1, 2, 3)}, r"block is \(1, 2, 3\); it must be two whole numbers"),
        ({"block": (1.5, 2)}, "block is"),
        ({"pattern": ()}, r"pattern is \(\)"),
        ({"pattern": "2:"}, "pattern is '2:'; it must be two whole numbers, such as 16x1 or 2:4"),
        ({"pattern": (2, 4), "amount": 0.9}, "amount has no effect with a pattern"),
        ({"pattern": (2, 4), "method": "global"}, "method has no effect with a pattern"),
        ({"pattern": (2, 4), "layers": {layer: 0.9}}, "layers has no effect with a pattern"),
    ):
        with pytest.raises(edgeai.ArgumentError, match=message):
            edgeai.prune(classifier, **settings)  # type: ignore[arg-type]
    with pytest.raises(edgeai.ArgumentError, match="block is '4'"):
        edgeai.sensitivity(classifier, np.zeros((1, 1, 28, 28), np.float32), block="4")
    with pytest.raises(edgeai.ArgumentError, match="amount is 2.9; a rank is a whole number"):
        edgeai.factorize(classifier, 2.9, rank="count")
    with pytest.raises(edgeai.ArgumentError, match=rf"layers\['{layer}'\] is 2.9; a rank"):
        edgeai.factorize(classifier, 2, rank="count", layers={layer: 2.9})
    left = edgeai.prune(classifier, pattern="2:4", block="1x1", layers={layer: 0}).model
    assert np.array_equal(weights(left)[layer], weights(classifier)[layer])
    assert left.to_bytes() == edgeai.prune(classifier, pattern=(2, 4), layers={layer: 0}).model.to_bytes()


def test_a_result_in_the_place_of_its_model_is_told(classifier: edgeai.Model, samples: np.ndarray) -> None:
    x = samples[:1]
    for result in (edgeai.prune(classifier), edgeai.prune_channels(classifier)):
        for use in (
            edgeai.prune, edgeai.factorize, edgeai.share, edgeai.binarize, edgeai.quantize_weights, edgeai.prune_channels, edgeai.load,
            edgeai.Session, edgeai.Session.memory_required, edgeai.train.Trainer, lambda m: edgeai.quantize(m, x, ignore_types="conv"),
            lambda m: edgeai.sensitivity(m, x), lambda m: edgeai.compare(m, classifier, x), lambda m: edgeai.compare(classifier, m, x),
            lambda m: edgeai.compress(m, x, recipe="share"), lambda m: edgeai.stage_report(classifier, {"s": m}, x),
            lambda m: edgeai.stage_report(m, {"s": classifier}), lambda m: edgeai.train.Trainer(classifier, teacher=m),
        ):  # fmt: skip
            with pytest.raises(edgeai.ArgumentError, match=f"^a {type(result).__name__} is given, not a Model; its .model is one"):
                use(result)  # type: ignore[arg-type]
    with pytest.raises(edgeai.ArgumentError, match="a str is given, not a Model$"):
        edgeai.prune(str(CLASSIFIER))  # type: ignore[arg-type]


def test_shapes_of_data_are_checked(classifier: edgeai.Model) -> None:
    with pytest.raises(edgeai.ShapeError):
        edgeai.prune(classifier, data=np.zeros((2, 1, 28, 27), np.float32))
    with pytest.raises(edgeai.ShapeError):
        edgeai.factorize(classifier, data=np.zeros((2, 1, 28, 27), np.float32))


def test_progress_cancels(classifier: edgeai.Model, samples: np.ndarray) -> None:
    class Enough(Exception):
        pass

    def stop(stage: str, done: int, total: int) -> None:
        raise Enough

    for work in (
        lambda: edgeai.prune(classifier, data=samples[:4], progress=stop),
        lambda: edgeai.prune(classifier, progress=stop),
        lambda: edgeai.sensitivity(classifier, samples[:4], progress=stop),
        lambda: edgeai.factorize(classifier, progress=stop),
    ):
        with pytest.raises(Enough):
            work()


def test_a_decomposition_can_be_cancelled_on_its_way() -> None:
    model = edgeai.architectures.mlp([200, 160])
    calls: list[str] = []
    edgeai.factorize(model, 8, rank="count", progress=lambda stage, done, total: calls.append(f"{stage} {done} of {total}"))
    assert set(calls) == {"factorizing 0 of 1"} and len(calls) > 10

    def stop(stage: str, done: int, total: int) -> None:
        calls.pop()
        if len(calls) < 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        edgeai.factorize(model, 8, rank="count", progress=stop)
    assert len(calls) == 3


def test_factors(classifier: edgeai.Model, subset: dict[str, np.ndarray], samples: np.ndarray) -> None:
    whole = accuracy(classifier, subset)
    result = edgeai.factorize(classifier, 0.1, data=samples)
    assert result.model.parameters < classifier.parameters
    assert result.after < result.before
    assert accuracy(result.model, subset) > whole - 0.02
    names = {op.name for op in result.model.ops}
    first = [name for name in names if name.endswith("/factor")]
    assert first and all(name.removesuffix("/factor") in names for name in first)
    for layer in result.report.layers:
        if f"{layer.name}/factor" in names:
            assert layer.kept < layer.weights


def test_a_matrix_of_rank_three(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    w = (random.standard_normal((40, 3)) @ random.standard_normal((3, 30))).astype(np.float32)
    model = edgeai.load(small_model([helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)], {"x": ("n", 30)}, ["y"], {"w": w}))
    result = edgeai.factorize(model, 1e-3)
    assert [layer.kept for layer in result.report.layers] == [3 * 70]
    x = random.standard_normal((5, 30)).astype(np.float32)
    assert np.allclose(edgeai.Session(result.model)(x), x @ w.T, atol=1e-4)
    # It survives files, ours and ONNX's.
    for name in ("a.edgeai", "a.onnx"):
        result.model.save(tmp_path / name)
        assert np.allclose(edgeai.Session(edgeai.load(tmp_path / name))(x), x @ w.T, atol=1e-4)


def test_factors_of_factors_have_names_of_their_own() -> None:
    model = edgeai.architectures.mlp([64, 64, 10])
    once = edgeai.factorize(model, 8, rank="count", names=["fc1"]).model
    result = edgeai.factorize(once, 4, rank="count", names=["fc1*"])
    assert [op.name for op in result.model.ops][:4] == ["fc1/factor/factor", "fc1/factor", "fc1/factor/2", "fc1"]
    named = [tensor.name for tensor in result.model.tensors]
    assert len(set(named)) == len(named)
    # Each layer's numbers are those of its two parts.
    assert [layer.kept for layer in result.report.layers if layer.kept] == [4 * (64 + 8), 4 * (8 + 64), 640]
    x, labels = np.ones((4, 64), np.float32), np.arange(4)
    trainer, again = (edgeai.train.Trainer(result.model, batch=4) for _ in range(2))
    trainer.step(x, labels)
    again.load_bytes(trainer.to_bytes())
    assert again.step(x, labels) == trainer.step(x, labels)


def test_a_named_layer_that_has_no_factors_is_refused() -> None:
    weights = np.random.default_rng(5).standard_normal((8, 1, 3, 3)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="depthwise", group=8)
    model = edgeai.load(small_model([node], {"x": ("n", 8, 9, 9)}, ["y"], {"w": weights}))
    with pytest.raises(edgeai.UnsupportedOpError, match="without groups can be factorized") as caught:
        edgeai.factorize(model, names="depthwise")
    assert caught.value.node == "depthwise"


def test_a_layer_counts_with_all_its_factors() -> None:
    model = edgeai.architectures.mlp([64, 64, 10])
    x = np.ones((2, 64), np.float32)
    twice = edgeai.factorize(model, 8, rank="count", names="fc1").model
    for names, count in (("fc1", 8 * 64 + 4 * (8 + 64)), ("fc1*", 4 * (64 + 8) + 4 * (8 + 64))):
        again = edgeai.factorize(twice, 4, rank="count", names=names).model
        report = edgeai.compare(model, again, x)
        assert [layer.kept for layer in report.layers if layer.kept] == [count, 640]
        assert [layer.bytes_after for layer in report.layers if layer.kept] == [4 * count + 4 * 64, 4 * 640 + 4 * 10]
        stage = edgeai.stage_report(model, {"twice": again}, x).stages[1]
        assert [layer.weights for layer in stage.layers] == [count, 640]


def test_names_that_are_nearly_too_long_can_be_saved(tmp_path: Path) -> None:
    """Readers take names of 4096 bytes; what methods add to a name leaves characters whole."""
    weights = np.random.default_rng(2).standard_normal((2, 64, 64)).astype(np.float32)
    name = "é" * 2045
    nodes = [helper.make_node("Gemm", ["x", "v"], [name], name=name), helper.make_node("Gemm", [name, name[:-1] + "zz"], ["y"], name="last")]
    model = edgeai.load(small_model(nodes, {"x": ("n", 64)}, ["y"], {"v": weights[0], name[:-1] + "zz": weights[1]}))
    x = np.random.default_rng(3).standard_normal((8, 64)).astype(np.float32)
    once, int8 = edgeai.factorize(model, 8, rank="count"), edgeai.quantize(model, x)
    twice = edgeai.factorize(once.model, 4, rank="count").model
    assert [layer.kept for layer in once.report.layers] == [8 * 128] * 2
    assert [layer.kept for layer in edgeai.compare(model, twice, x).layers] == [4 * (64 + 8) + 4 * (8 + 64)] * 2
    for number, found in enumerate((once.model, twice, int8.model)):
        found.save(tmp_path / f"{number}.edgeai")
        opened = edgeai.load(tmp_path / f"{number}.edgeai")
        assert np.array_equal(edgeai.Session(opened)(x), edgeai.Session(found)(x))
        for named in (opened.ops, opened.tensors):
            assert len({item.name for item in named}) == len(named)
        assert {op.name for op in model.ops} <= {op.name for op in opened.ops}


def test_the_longest_names_of_a_file_can_be_saved() -> None:
    random = np.random.default_rng(0)
    sizes = {"w": (4, 3, 3, 3), **dict.fromkeys("abcd", (4,)), "g": (36, 8)}
    constants = {4096 * name: 1 + random.random(size).astype(np.float32) for name, size in sizes.items()}
    nodes = [
        helper.make_node(op, [4096 * name for name in inputs], [4096 * output], name=4096 * op[0])
        for op, inputs, output in (("Conv", "xw", "h"), ("Softmax", "h", "s"), ("BatchNormalization", "sabcd", "t"),
                                   ("Flatten", "t", "f"), ("MatMul", "fg", "y"))
    ]  # fmt: skip
    model = edgeai.load(small_model(nodes, {4096 * "x": ("n", 3, 5, 5)}, [4096 * "y", 4096 * "h"], constants))
    x = random.standard_normal((8, 3, 5, 5)).astype(np.float32)
    for found in (model, edgeai.quantize(model, x).model, edgeai.factorize(model, 1, rank="count").model):
        opened = edgeai.load(found.to_bytes())
        assert {op.name for op in model.ops} <= {op.name for op in opened.ops}
        assert len({tensor.name for tensor in opened.tensors}) == len(opened.tensors)


def test_a_bias_that_is_added_has_a_name_of_its_own() -> None:
    weights = np.random.default_rng(2).standard_normal((2, 64, 64)).astype(np.float32)
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h"]), helper.make_node("Gemm", ["h", "w/bias"], ["y"])]
    model = edgeai.load(small_model(nodes, {"x": ("n", 64)}, ["y"], {"w": weights[0], "w/bias": weights[1]}))
    x = np.random.default_rng(3).standard_normal((8, 64)).astype(np.float32)
    named = [tensor.name for tensor in edgeai.prune(model, 0.5, first=True, data=1 + x, repair="bias").model.tensors]
    assert "w/bias/2" in named and len(set(named)) == len(named)


def test_a_layer_called_like_a_factor_counts_for_itself() -> None:
    weights = np.random.default_rng(2).standard_normal((2, 64, 64)).astype(np.float32)
    nodes = [helper.make_node("Gemm", ["x", "v"], ["h"], name="a"), helper.make_node("Gemm", ["h", "w"], ["y"], name="a/factor")]
    model = edgeai.load(small_model(nodes, {"x": ("n", 64)}, ["y"], {"v": weights[0], "w": weights[1]}))
    pruned = edgeai.prune(model, 0.5, first=True, names="a").report
    assert [layer.kept for layer in pruned.layers] == [2048, 4096]
    factorized = edgeai.factorize(model, 4, rank="count", names="a")
    assert [layer.kept for layer in factorized.report.layers] == [4 * (64 + 64), 4096]
    stages = edgeai.stage_report(model, {"factorized": factorized.model}, np.ones((2, 64), np.float32)).stages
    assert [[layer.weights for layer in stage.layers] for stage in stages] == [[4096, 4096], [4 * (64 + 64), 4096]]


def test_command_line(tmp_path: Path, samples: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", samples[:8])
    output = str(tmp_path / "small.edgeai")
    assert main(["prune", str(CLASSIFIER), "-o", output, "-a", "0.6", "--scan", "0.5,0.9", "-d", str(tmp_path / "x.npy")]) == 0
    assert "of the weights kept; output" in capsys.readouterr().out
    assert 0.3 < sum(zeros(w) for w in weights(edgeai.load(output)).values()) / sum(w.size for w in weights(edgeai.load(output)).values())
    assert main(["prune", str(CLASSIFIER), "-o", output, "--pattern", "2:4"]) == 0
    assert main(["factorize", str(CLASSIFIER), "-o", output, "-a", "0.3", "--report", str(tmp_path / "r.json")]) == 0
    assert '"kept"' in (tmp_path / "r.json").read_text()
    assert edgeai.load(output).parameters < edgeai.load(CLASSIFIER).parameters
    for wrong in (["--block", "4"], ["--pattern", ""], ["--layer", "x"], ["--scan", "0.5"]):
        capsys.readouterr()
        assert main(["prune", str(CLASSIFIER), "-o", output, *wrong]) == 2
        assert wrong[0] in capsys.readouterr().err


@pytest.mark.parametrize("settings", [{"amount": 0.5}, {"pattern": (2, 4)}])
def test_efficientnet_is_repaired(settings: dict[str, Any], test_data: Path) -> None:
    """Calibrated with every second photo, judged on the others. One photo is a point."""
    images, classes = load_photos(test_data)
    network = edgeai.load(test_data / "models/efficientnet_lite0_imagenet.onnx")
    found = {}
    for repair, data in (("none", None), ("least-squares", images[::2])):
        model = edgeai.prune(network, data=data, report_samples=0, threads=2, **settings).model
        found[repair] = float(np.mean(one_by_one(model, images[1::2]).argmax(1) == classes[1::2]))
    print(f"{settings}: {found}")
    assert found["least-squares"] >= found["none"] + 0.1
