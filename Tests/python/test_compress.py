"""Recipes, searches within a budget, and reports of stages, on small networks that are built here."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from fractions import Fraction
from typing import Any

import edgeai
import numpy as np
import onnx
import onnx.helper
import pytest
from edgeai.pipeline import METHODS, parse_recipe
from edgeai.plot import front

RANDOM = np.random.default_rng(5)
DATA = RANDOM.standard_normal((12, 3, 12, 12)).astype(np.float32)


def network() -> edgeai.Model:
    """Two convolutions, a pool and a dense layer with weights of bell shape."""
    random = np.random.default_rng(1)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        scale = (2 / np.prod(shape[1:])) ** 0.5
        return onnx.numpy_helper.from_array((scale * random.standard_normal(shape)).astype(np.float32), name)

    nodes = [
        onnx.helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="first", pads=[1, 1, 1, 1]),
        onnx.helper.make_node("Relu", ["c1"], ["r1"]),
        onnx.helper.make_node("Conv", ["r1", "w2"], ["c2"], name="second"),
        onnx.helper.make_node("Relu", ["c2"], ["r2"]),
        onnx.helper.make_node("GlobalAveragePool", ["r2"], ["p"]),
        onnx.helper.make_node("Flatten", ["p"], ["f"]),
        onnx.helper.make_node("Gemm", ["f", "w3"], ["y"], name="last", transB=1),
    ]
    tensors = [weights("w1", 32, 3, 3, 3), weights("b1", 32), weights("w2", 48, 32, 1, 1), weights("w3", 10, 48)]
    graph = onnx.helper.make_graph(
        nodes,
        "small",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3, 12, 12])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 10])],
        tensors,
    )
    return edgeai.load(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]).SerializeToString())


MODEL = network()
#: Of the original, coded.
WHOLE = len(MODEL.to_bytes(coding="adaptive"))


def constants(model: edgeai.Model) -> dict[str, np.ndarray[Any, Any]]:
    """Weights of convolutions and dense layers, by the layer's name."""
    return {op.name: model.tensor_data(op.inputs[1]) for op in model.ops if op.type in ("Convolution", "Dense")}


def test_a_recipe_is_its_methods_one_after_another() -> None:
    result = edgeai.compress(MODEL, DATA, recipe="prune:amount=0.5,first=true share:bits=3")
    step = edgeai.prune(MODEL, 0.5, first=True, data=DATA).model
    assert result.model.to_bytes() == edgeai.share(step, 3, data=DATA).model.to_bytes()


def test_the_report_says_what_each_stage_left() -> None:
    pruned = edgeai.prune(MODEL, 0.5, first=True).model
    shared = edgeai.share(pruned, 3).model
    report = edgeai.stage_report(MODEL, {"pruned": pruned, "shared": shared}, DATA)
    assert [stage.name for stage in report.stages] == ["original", "pruned", "shared"]
    for stage, model in zip(report.stages, (MODEL, pruned, shared), strict=True):
        assert stage.file_bytes == len(model.to_bytes(coding="adaptive"))
        assert [layer.name for layer in stage.layers] == ["first", "second", "last"]
        for layer, weights in zip(stage.layers, constants(model).values(), strict=True):
            assert layer.weights == weights.size
            assert layer.kept == np.count_nonzero(weights)
            values = len(np.unique(weights))
            assert layer.bits == max(int(np.ceil(np.log2(values))), 0)
            assert 0 < layer.bytes <= 4 * weights.size
    assert all(layer.sqnr_db is None for layer in report.stages[0].layers)
    for layer in range(3):
        errors = [stage.layers[layer].sqnr_db for stage in report.stages[1:]]
        assert errors[0] is not None and errors[1] is not None and np.isfinite(errors).all()
    parsed = json.loads(report.to_json())
    assert [stage["file_bytes"] for stage in parsed["stages"]] == [stage.file_bytes for stage in report.stages]
    assert "second" in report.stage_table()
    report.plot_stages()


def test_a_factorized_layer_is_followed() -> None:
    factorized = edgeai.factorize(MODEL, 4, rank="count").model
    report = edgeai.stage_report(MODEL, {"factorized": factorized}, DATA)
    before, after = (stage.layers for stage in report.stages)
    assert [layer.name for layer in after] == ["first", "second", "last"]
    changed = [b.name for b, a in zip(before, after, strict=True) if a.weights < b.weights]
    assert changed and all(a.weights > 0 for a in after)


@pytest.mark.parametrize("share", [0.2, 0.28])
def test_a_search_reaches_its_size(share: float) -> None:
    target = int(share * WHOLE)
    result = edgeai.compress(MODEL, DATA, target_bytes=target)
    assert len(result.model.to_bytes(coding="adaptive")) <= target
    # The budget is used: levels are finer than a third of the file.
    assert len(result.model.to_bytes(coding="adaptive")) > 0.7 * target
    assert result.report.sqnr_db > 5


def test_a_larger_budget_loses_less() -> None:
    errors = [edgeai.compress(MODEL, DATA, target_bytes=int(share * WHOLE)).report.sqnr_db for share in (0.17, 0.22, 0.28)]
    assert errors == sorted(errors) and errors[0] < errors[2]


def test_targets_out_of_reach_are_errors_that_say_what_is() -> None:
    with pytest.raises(edgeai.LimitError, match="the least this method reaches is"):
        edgeai.compress(MODEL, DATA, target_bytes=200)
    with pytest.raises(edgeai.LimitError, match="the least this method reaches is"):
        edgeai.compress(MODEL, DATA, target_latency=1e-9, method="blocks")


def test_a_drop_is_kept_and_asks_the_callers_judge() -> None:
    asked: list[int] = []

    def quality(model: edgeai.Model) -> float:
        asked.append(model.parameters)
        with edgeai.Session(MODEL) as exact, edgeai.Session(model) as other:
            errors = [np.abs(exact(x[None]) - other(x[None])).max() for x in DATA]
        return -float(max(errors))

    result = edgeai.compress(MODEL, DATA, max_drop=0.2, quality=quality)
    assert quality(result.model) >= -0.2
    assert len(asked) > 3
    assert result.report.stages[1].file_bytes < WHOLE


def test_a_drop_leaves_a_file_as_small_as_it_allows(
    classifier: edgeai.Model, subset: dict[str, np.ndarray[Any, Any]], tmp_path: pathlib.Path
) -> None:
    def right(model: edgeai.Model) -> float:
        return 100 * float(np.mean(edgeai.Session(model)(subset["images"]).argmax(1) == subset["labels"]))

    data, whole, sizes = subset["calibration"][:128], right(classifier), []
    for drop in (0, 1, 5):
        model = edgeai.compress(classifier, data, max_drop=drop, quality=right, checkpoint=tmp_path / "state").model
        sizes.append(len(model.to_bytes(coding="adaptive")))
        print(f"max_drop {drop}: {sizes[-1]} bytes, {right(model):.1f} % of {whole:.1f}")
        assert right(model) >= whole - drop
    # One call of quantize_weights gives 18,329 bytes at a loss of half a point.
    assert sizes[0] > sizes[1] > sizes[2] and sizes[2] < 18_329
    model = edgeai.compress(classifier, data, target_bytes=10_000, checkpoint=tmp_path / "state").model
    assert len(model.to_bytes(coding="adaptive")) <= 10_000
    # Layers that were fitted alone leave a guess.
    blocks = edgeai.compress(classifier, data, target_bytes=60_000, method="blocks").model
    print(f"blocks in {len(blocks.to_bytes(coding='adaptive'))} bytes: {right(blocks):.1f} %")
    assert len(blocks.to_bytes(coding="adaptive")) <= 60_000 and right(blocks) > 60


def test_labels_judge_by_accuracy() -> None:
    with edgeai.Session(MODEL) as session:
        labels = [int(np.argmax(session(x[None]))) for x in DATA]
    result = edgeai.compress(MODEL, DATA, max_drop=0.0, labels=labels)
    with edgeai.Session(result.model) as session:
        assert [int(np.argmax(session(x[None]))) for x in DATA[1::2]] == labels[1::2]
    assert result.report.stages[1].file_bytes < WHOLE / 2
    with pytest.raises(edgeai.ArgumentError, match="labels"):
        edgeai.compress(MODEL, DATA, max_drop=0.0, labels=labels[:-1])


def test_searches_are_reproducible_and_threads_change_nothing() -> None:
    first = edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3)
    second = edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, threads=2)
    assert first.model.to_bytes() == second.model.to_bytes()


def test_a_search_goes_on_where_it_was_stopped(tmp_path: pathlib.Path) -> None:
    state = tmp_path / "state"
    steps: list[tuple[str, int]] = []

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "measuring layers":
            steps.append((stage, done))
            if done == 10:
                raise RuntimeError("enough for today")

    with pytest.raises(RuntimeError, match="enough"):
        edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, checkpoint=state, progress=stop)
    assert len(steps) == 11
    cells = 3 * 14
    numbers = np.frombuffer(state.read_bytes(), offset=8)
    assert (numbers[:10] >= 0).all() and (numbers[10:] == -1).all() and numbers.size == 2 * cells
    resumed = edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, checkpoint=state)
    assert resumed.model.to_bytes() == edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3).model.to_bytes()
    noises, sizes = np.frombuffer(state.read_bytes(), offset=8).reshape(2, 3, 14)
    assert (noises[:, 0] == 0).all() and (noises[:, 1:] > 0).all()
    assert (sizes[:, 0] > sizes[:, 3]).all() and (sizes > 0).all()
    with pytest.raises(edgeai.ArgumentError, match="another"):
        edgeai.compress(MODEL, DATA[:5], target_bytes=WHOLE // 3, checkpoint=state)
    with pytest.raises(edgeai.ArgumentError, match="another"):
        edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, checkpoint=state, scan_samples=2)
    whole = state.read_bytes()
    for place in (4, 8, 30, 8 + 8 * cells, len(whole) - 1):
        state.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(edgeai.ArgumentError, match="damaged"):
            edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, checkpoint=state)
    # What earlier versions left: eight levels, and the noises alone.
    state.write_bytes(whole[: 8 + 8 * 3 * 8])
    with pytest.raises(edgeai.ArgumentError, match="state of another search"):
        edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, checkpoint=state)


def test_levels_are_what_quantize_weights_makes_of_half_the_samples_and_these_run_once() -> None:
    stages: list[tuple[str, int, int]] = []
    smallest = edgeai.compress(MODEL, DATA, max_drop=1e9, quality=lambda model: 0.0, progress=lambda *stage: stages.append(stage))
    alone = edgeai.quantize_weights(MODEL, 1.2, data=DATA[::2], sensitivity_samples=0)
    exact, made = constants(alone.model), constants(smallest.model)
    assert all(np.array_equal(exact[name], made[name]) for name in exact)
    assert [done for stage, done, _ in stages if stage == "statistics"].count(0) <= 2 + len(DATA) // 2
    assert [(done, total) for stage, done, total in stages if stage == "preparing levels"] == [(i, 39) for i in range(39)]


def test_a_recipe_goes_on_where_it_was_stopped(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = "prune:amount=0.5 share:bits=4"

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "share":
            raise RuntimeError("enough for today")

    with pytest.raises(RuntimeError, match="enough"):
        edgeai.compress(MODEL, DATA, recipe=recipe, checkpoint=tmp_path, progress=stop)
    assert len(list(tmp_path.glob("*.edgeai"))) == 1
    whole = edgeai.compress(MODEL, DATA, recipe=recipe).model.to_bytes()

    def fail(*arguments: Any, **options: Any) -> None:
        raise AssertionError("pruned again")

    fail.__signature__ = __import__("inspect").signature(METHODS["prune"])  # type: ignore[attr-defined]
    monkeypatch.setitem(METHODS, "prune", fail)
    assert edgeai.compress(MODEL, DATA, recipe=recipe, checkpoint=tmp_path).model.to_bytes() == whole


def test_a_recipe_goes_on_only_with_just_the_same_options(tmp_path: pathlib.Path) -> None:
    """The text of a table of shares rounds them."""
    names = ["first", "second", "last"]
    table = edgeai.sensitivity(MODEL, DATA[:2], (0.5, 0.9), names=names)
    rows = [dataclasses.replace(row, noise=row.noise * (1 + 1e-9)) for row in table.rows]

    def steps(**options: Any) -> int:
        edgeai.compress(MODEL, DATA[:2], recipe=[("prune", {"names": names, **options})], checkpoint=tmp_path)
        return len(list(tmp_path.glob("*.edgeai")))

    assert [steps(sensitivity=s) for s in (table, edgeai.Sensitivity(rows), table)] == [1, 2, 2]
    assert [steps(amount=a) for a in (0.5, np.float32(0.3), 0.5)] == [3, 4, 4]
    assert [steps(layers={"first": a}) for a in (0.25, np.nextafter(0.25, 1), 0.25)] == [5, 6, 6]
    with pytest.raises(edgeai.ArgumentError, match="cannot tell what prune's option amount holds"):
        steps(amount=Fraction(1, 2))


def test_a_recipe_tells_long_arrays_apart(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their text leaves the middle out."""

    def mask(model: edgeai.Model, kept: Any = None) -> edgeai.Result:
        return edgeai.prune(model, float(kept[1000]), names=["first"])

    monkeypatch.setitem(METHODS, "mask", mask)
    kept = np.full(2000, 0.25)
    other = kept.copy()
    other[1000] = 0.75
    found = [
        edgeai.compress(MODEL, DATA[:2], recipe=[("mask", {"kept": array})], checkpoint=tmp_path).report.stages[1].layers[0].kept
        for array in (kept, other, kept)
    ]
    assert found == [648, 216, 648]


def test_options_in_text_are_of_the_kinds_that_methods_take() -> None:
    assert parse_recipe("prune:first=False,depthwise=TRUE,pattern=2:4,norm=1,names=fc*") == [
        ("prune", {"first": False, "depthwise": True, "pattern": (2, 4), "norm": 1, "names": "fc*"})
    ]
    assert parse_recipe("share:start=random,seed=3 quantize_weights:amount=1e-3") == [
        ("share", {"start": "random", "seed": 3}), ("quantize_weights", {"amount": 1e-3})
    ]  # fmt: skip
    for wrong, message in (
        ("prune:first=no", "prune: first is 'no'; it must be true or false"),
        ("share:bits=2.5", "share: bits is '2.5'; it must be a whole number"),
        ("prune:amount=half", "prune: amount is 'half'; it must be a number"),
        ("prune:block=4", "prune: block is '4'; it must be two whole numbers"),
        ("share:layers=fc1", "share: layers is 'fc1'; it must be a mapping"),
        ("quantize:ranges=1", "quantize: ranges is '1'; it must be a mapping"),
        ("prune:sensitivity=x", "prune: sensitivity is 'x'; it must be what sensitivity"),
        ("prune:amount=0.5,amount=0.6", "prune: amount is given twice"),
        ([("prune", {"block": 4})], "prune: block is 4; it must be two whole numbers"),
        ([("share", {"bits": 2.5})], "share: bits is 2.5; it must be a whole number"),
        ([("share",)], "a recipe's step is a word, or a pair"),
    ):
        with pytest.raises(edgeai.ArgumentError, match=message):
            edgeai.compress(MODEL, DATA, recipe=wrong)  # type: ignore[arg-type]


def test_goals_that_are_none() -> None:
    for goal, value in (
        ("target_bytes", 0), ("target_bytes", -1), ("target_bytes", 10**23), ("target_latency", 0.0), ("target_latency", float("inf")),
        ("target_latency", float("nan")), ("max_drop", float("nan")), ("max_drop", -0.5), ("max_drop", float("inf")),
    ):  # fmt: skip
        with pytest.raises(edgeai.ArgumentError, match=f"{goal} is {value}"):
            edgeai.compress(MODEL, DATA, **{goal: value})  # type: ignore[arg-type]


def test_recipes_are_read_and_refused() -> None:
    assert parse_recipe("prune:amount=0.8,block=16x1 quantize") == [("prune", {"amount": 0.8, "block": (16, 1)}), ("quantize", {})]
    assert parse_recipe([("share", {"bits": 3}), "binarize:values=ternary"]) == [("share", {"bits": 3}), ("binarize", {"values": "ternary"})]
    for wrong, message in (
        ("", "empty"),
        ("squash", "no method 'squash'"),
        ("prune:fraction=0.5", "no option 'fraction'"),
        ("prune:amount", "KEY=VALUE"),
    ):
        with pytest.raises(edgeai.ArgumentError, match=message):
            edgeai.compress(MODEL, DATA, recipe=wrong)


def test_exactly_one_goal() -> None:
    with pytest.raises(edgeai.ArgumentError, match="0 are given"):
        edgeai.compress(MODEL, DATA)
    with pytest.raises(edgeai.ArgumentError, match="2 are given"):
        edgeai.compress(MODEL, DATA, target_bytes=100, max_drop=1.0)
    with pytest.raises(edgeai.ArgumentError, match="not both"):
        edgeai.compress(MODEL, DATA, max_drop=1.0, labels=[0], quality=lambda model: 0.0)
    with pytest.raises(edgeai.ArgumentError, match="no method"):
        edgeai.compress(MODEL, DATA, max_drop=1.0, method="magic")  # type: ignore[arg-type]


def test_a_quantized_recipe_runs_in_integers() -> None:
    result = edgeai.compress(MODEL, DATA, recipe="prune:amount=0.5 quantize")
    assert result.report.stages[2].layers[1].kept <= result.report.stages[1].layers[1].weights
    with edgeai.Session(result.model) as session:
        assert any(step.dtype == "uint8" for step in session.plan)


def test_the_command_line_compresses(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    from edgeai.cli import main

    model, data, output = tmp_path / "net.edgeai", tmp_path / "x.npy", tmp_path / "small.edgeai"
    MODEL.save(model)
    np.save(data, DATA)
    assert main(["compress", str(model), "-d", str(data), "-o", str(output), "--target-bytes", str(WHOLE // 3)]) == 0
    assert output.stat().st_size <= WHOLE // 3
    assert "the file" in capsys.readouterr().out
    assert main(["compress", str(model), "-d", str(data), "-o", str(output), "--recipe", "share:bits=2"]) == 0
    assert "share:bits=2" in capsys.readouterr().out


def test_the_front_leaves_out_what_is_beaten() -> None:
    assert front({"a": (1, 1), "b": (2, 3), "c": (3, 2), "d": (2, 2), "e": (4, 4)}) == ["a", "b", "e"]
