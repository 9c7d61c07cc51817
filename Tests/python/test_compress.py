"""Recipes, searches within a budget, and reports of stages, on small networks that are built here."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
from fractions import Fraction
from typing import Any, Literal

import edgeai
import numpy as np
import onnx
import onnx.helper
import pytest
from edgeai.pipeline import METHODS, parse_recipe
from edgeai.plot import front

RANDOM = np.random.default_rng(5)
DATA = RANDOM.standard_normal((12, 3, 12, 12)).astype(np.float32)


def network(bad: float | None = None) -> edgeai.Model:
    """Two convolutions, a pool and a dense layer with weights of bell shape; `bad`: one of the second layer's."""
    random = np.random.default_rng(1)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        scale = (2 / np.prod(shape[1:])) ** 0.5
        array = (scale * random.standard_normal(shape)).astype(np.float32)
        if bad is not None and name == "w2":
            array[0, 5] = bad
        return onnx.numpy_helper.from_array(array, name)

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
    return loaded(nodes, tensors, [3, 12, 12])


def loaded(nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto], shape: list[int]) -> edgeai.Model:
    graph = onnx.helper.make_graph(
        nodes,
        "small",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", *shape])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 10])],
        tensors,
    )
    return edgeai.load(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]).SerializeToString())


def dense(bad: float | None = None) -> edgeai.Model:
    """A dense layer alone, which is a first and a last one."""
    weights = np.random.default_rng(2).standard_normal((10, 16)).astype(np.float32)
    if bad is not None:
        weights[3, 7] = bad
    node = onnx.helper.make_node("Gemm", ["x", "w"], ["y"], name="only", transB=1)
    return loaded([node], [onnx.numpy_helper.from_array(weights, "w")], [16])


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


def test_a_recipe_takes_threads_and_nothing_of_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []

    def step(model: edgeai.Model, threads: int = 1) -> edgeai.Result:
        used.append(threads)
        return edgeai.prune(model, threads=threads)

    monkeypatch.setitem(METHODS, "step", step)
    edgeai.compress(MODEL, DATA, recipe="step step:threads=3 prune_channels", threads=2)
    assert used == [2, 3]
    for name, value in (
        ("method", "nope"), ("block", (4, 1)), ("labels", [99]), ("quality", 3), ("scan_samples", -5), ("threads", -7)
    ):  # fmt: skip
        with pytest.raises(edgeai.ArgumentError, match=f"^{name} is"):
            edgeai.compress(MODEL, DATA, recipe="step", **{name: value})  # type: ignore[arg-type]


def test_a_recipe_can_do_without_data() -> None:
    result = edgeai.compress(MODEL, None, recipe="prune:amount=0.5 share:bits=3 prune_channels:fraction=0.1")
    steps = edgeai.share(edgeai.prune(MODEL, 0.5).model, 3).model
    assert result.model.to_bytes() == edgeai.prune_channels(steps, 0.1).model.to_bytes()
    report, known = result.report, edgeai.stage_report(MODEL, {"s": steps}, DATA)
    assert report.samples == 0 and np.isnan([report.sqnr_db, report.cosine]).all()
    assert report.stages[2].file_bytes == known.stages[1].file_bytes
    assert [layer.kept for layer in report.stages[2].layers] == [layer.kept for layer in known.stages[1].layers]
    assert {layer.sqnr_db for stage in report.stages for layer in stage.layers} == {None}
    assert {(layer.sqnr_db, layer.cosine) for layer in report.layers} == {(None, None)} and report.worst() == ()
    told, alone = report.to_dict(), edgeai.prune(MODEL).report.to_dict()
    assert [told[key] for key in ("samples", "outputs", "worst_first")] == [alone[key] for key in ("samples", "outputs", "worst_first")]
    errors = [key for key in alone["layers"][0] if key not in ("bytes_after", "kept", "op", "shape")]
    assert [told["layers"][0][key] for key in errors] == [alone["layers"][0][key] for key in errors]


@pytest.mark.parametrize("step", ["quantize", "quantize_weights:goal=noise", "prune_channels:criterion=activation", "prune:sequential=True"])
def test_a_step_that_needs_data_is_named_before_the_work(step: str) -> None:
    def begun(stage: str, done: int, total: int) -> None:
        raise AssertionError(stage)

    with pytest.raises(edgeai.ArgumentError, match=f"^{step} needs data"):
        edgeai.compress(MODEL, None, recipe=f"prune {step}", progress=begun)
    with pytest.raises(edgeai.ArgumentError, match="a search needs data"):
        edgeai.compress(MODEL, None, target_bytes=WHOLE // 3)


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
    assert edgeai.compress(MODEL, DATA, max_drop=0.0, labels=np.float64(labels)).model.to_bytes() == result.model.to_bytes()


@pytest.mark.parametrize("wrong", [10, -1, 2.5, float("nan"), float("inf"), "a", None, 10**30])
def test_labels_that_are_no_classes(wrong: Any) -> None:
    with pytest.raises(edgeai.ArgumentError, match=f"labels has {re.escape(repr(wrong))}; .* up to 9"):
        edgeai.compress(MODEL, DATA, max_drop=1.0, labels=[wrong] * len(DATA))
    with pytest.raises(edgeai.ArgumentError, match="labels are rows of different lengths"):
        edgeai.compress(MODEL, DATA, max_drop=1.0, labels=[[0], [1, 2]])


def test_searches_are_reproducible_and_threads_change_nothing() -> None:
    first = edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3)
    second = edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, threads=2)
    assert first.model.to_bytes() == second.model.to_bytes()


def numbers_of(state: pathlib.Path, layers: int = 3, levels: int = 14) -> Any:
    """Noises and bytes of each layer at each level."""
    return np.frombuffer(state.read_bytes(), np.float64, 2 * layers * levels, 24).reshape(2, layers, levels)


@pytest.mark.parametrize("method", ["grid", "blocks"])
@pytest.mark.parametrize("stage,at", [("preparing levels", 2), ("preparing levels", 5), ("measuring layers", 10), ("searching", 0)])
def test_a_search_goes_on_where_it_was_stopped(tmp_path: pathlib.Path, method: Literal["grid", "blocks"], stage: str, at: int) -> None:
    """Nothing that was made or measured is so again, and the result has the same bytes."""
    state = tmp_path / "state"
    goal: dict[str, Any] = {"target_bytes": WHOLE * 2 // 3, "method": method}
    whole: list[tuple[str, int]] = []
    first: list[tuple[str, int]] = []
    second: list[tuple[str, int]] = []

    def stop(current: str, done: int, total: int) -> None:
        if (current, done) == (stage, at):
            raise RuntimeError("enough for today")
        first.append((current, done))

    expected = edgeai.compress(MODEL, DATA, progress=lambda current, done, _: whole.append((current, done)), **goal).model
    with pytest.raises(RuntimeError, match="enough"):
        edgeai.compress(MODEL, DATA, checkpoint=state, progress=stop, **goal)
    kept = numbers_of(state, levels=14 if method == "grid" else 7)
    resumed = edgeai.compress(MODEL, DATA, checkpoint=state, progress=lambda current, done, _: second.append((current, done)), **goal)
    assert resumed.model.to_bytes() == expected.to_bytes()
    levels = [entry for entry in whole if entry[0] == "preparing levels"]
    assert levels == [entry for entry in first + second if entry[0] == "preparing levels"]
    if stage != "preparing levels":
        assert not [entry for entry in second if entry[0] in ("preparing levels", "statistics")]
    after = numbers_of(state, levels=kept.shape[2])
    assert np.array_equal(kept[kept != -1], after[kept != -1])
    if (method, stage) == ("grid", "measuring layers"):
        assert (kept[0].ravel() != -1).tolist() == [cell < 10 for cell in range(3 * 14)]
    noises, sizes = after
    assert (noises[:, 0] == 0).all() and (sizes > 0).all()
    if method == "grid":
        assert (noises[:, 1:] > 0).all() and (sizes[:, 0] > sizes[:, 3]).all()


def test_a_state_belongs_to_its_search_and_is_whole(tmp_path: pathlib.Path) -> None:
    state = tmp_path / "state"
    edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, checkpoint=state)
    whole = state.read_bytes()
    # Small layers: half of the bytes are biases and numbers.
    assert len(whole) < 3 * 4 * MODEL.parameters
    for changed in ({"data": DATA[:5]}, {"scan_samples": 2}, {"method": "blocks"}, {"model": network(bad=0.5)}):
        arguments: dict[str, Any] = {"model": MODEL, "data": DATA, "target_bytes": WHOLE // 3, "checkpoint": state, **changed}
        with pytest.raises(edgeai.ArgumentError, match="another"):
            edgeai.compress(**arguments)
        assert state.read_bytes() == whole
    # Both checksums, where the levels end, a number, a length, a level.
    for place in (4, 8, 11, 16, 24, 30, 24 + 8 * 42, 24 + 16 * 42 + 4, 24 + 16 * 42 + 40, len(whole) - 1):
        state.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(edgeai.ArgumentError, match="damaged"):
            edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, checkpoint=state)
    for length in (9, 23, 24 + 16 * 42, len(whole) // 2, len(whole) - 1):
        state.write_bytes(whole[:length])
        with pytest.raises(edgeai.ArgumentError, match="damaged"):
            edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, checkpoint=state)
        assert state.read_bytes() == whole[:length]
    # Some other file, with zeros at its end, stays what it is.
    for other in (b"mine" + bytes(100), whole + bytes(100_000) + b"x"):
        state.write_bytes(other)
        with pytest.raises(edgeai.ArgumentError, match="another"):
            edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, checkpoint=state)
        assert state.read_bytes() == other
    # What follows what is kept is zeros, which need not be there.
    state.write_bytes(whole + bytes(100))
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


def test_a_checkpoint_that_cannot_be_is_told_before_the_work(tmp_path: pathlib.Path) -> None:
    def begun(stage: str, done: int, total: int) -> None:
        raise AssertionError(stage)

    (tmp_path / "file").write_bytes(b"mine")
    for goal, path, message in (
        ({"target_bytes": WHOLE // 3}, tmp_path / "none" / "state", "none/state"),
        ({"target_bytes": WHOLE // 3}, tmp_path, "a file; .* is none"),
        ({"target_bytes": WHOLE // 3}, "x\0y", "zero byte"),
        ({"recipe": "share"}, tmp_path / "file", "/file': File exists"),
        ({"recipe": "share"}, tmp_path / "file" / "folder", "file/folder"),
    ):
        with pytest.raises(edgeai.EdgeAIError, match=message):
            edgeai.compress(MODEL, DATA, checkpoint=path, progress=begun, **goal)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_checkpoint_that_cannot_be_written_any_more_costs_no_result(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    link = tmp_path / "link"
    link.symlink_to(folder / "state")

    def remove(stage: str, done: int, total: int) -> None:
        if folder.exists():
            folder.rmdir()

    with pytest.warns(RuntimeWarning, match="/link': No such file or directory; what the search made is not kept"):
        result = edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, checkpoint=link, progress=remove)
    assert len(result.model.to_bytes(coding="adaptive")) <= WHOLE // 3
    assert link.is_symlink()


@pytest.mark.parametrize("written", [0, 1])
def test_a_state_is_written_whole_or_not_at_all(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, written: int) -> None:
    """A disk that is full when the work begins is an error, and later a warning beside the result; what there was stays."""
    state = tmp_path / "state"

    def stop(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("preparing levels", 20):
            raise RuntimeError("enough for today")

    with pytest.raises(RuntimeError, match="enough"):
        edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, checkpoint=state, progress=stop)
    before, write, calls = state.read_bytes(), pathlib.Path.write_bytes, []

    def full(file: pathlib.Path, contents: bytes) -> int:
        calls.append(file)
        if len(calls) <= written:
            return write(file, contents)
        with file.open("wb") as stream:
            stream.write(contents[:9])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    if written:
        with pytest.warns(RuntimeWarning, match="/state': No space left on device; what the search made is not kept"):
            assert edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, checkpoint=state).report
    else:
        with pytest.raises(edgeai.FileError, match="/state': No space left"):
            edgeai.compress(MODEL, DATA, target_bytes=WHOLE // 3, checkpoint=state)
    assert len(calls) == written + 1
    assert state.read_bytes() == before and list(tmp_path.iterdir()) == [state]


def test_a_damaged_stage_is_named(tmp_path: pathlib.Path) -> None:
    edgeai.compress(MODEL, DATA, recipe="share", checkpoint=tmp_path)
    (stage,) = tmp_path.iterdir()
    stage.write_bytes(stage.read_bytes()[:1000])
    with pytest.raises(edgeai.ModelError, match=f"{stage.name}: the file has 1000 of its"):
        edgeai.compress(MODEL, DATA, recipe="share", checkpoint=tmp_path)


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


def test_blocks_are_of_the_method_blocks() -> None:
    with pytest.raises(edgeai.ArgumentError, match="^block is of the method 'blocks'"):
        edgeai.compress(MODEL, DATA, target_bytes=1000, block=(4, 1))


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
    with pytest.raises(edgeai.ArgumentError, match="block is"):
        edgeai.compress(MODEL, DATA, max_drop=1.0, block=(1, 2, 3))  # type: ignore[arg-type]


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
    assert main(["compress", str(model), "-o", str(output), "--recipe", "binarize"]) == 0
    assert edgeai.load(output).to_bytes() == edgeai.binarize(edgeai.load(model)).model.to_bytes()
    assert "dB;" not in capsys.readouterr().out


def test_the_front_leaves_out_what_is_beaten() -> None:
    assert front({"a": (1, 1), "b": (2, 3), "c": (3, 2), "d": (2, 2), "e": (4, 4)}) == ["a", "b", "e"]


METHODS_ON_WEIGHTS = [edgeai.prune, edgeai.factorize, edgeai.share, edgeai.binarize, edgeai.quantize_weights]


def scan(model: edgeai.Model) -> object:
    return edgeai.sensitivity(model, np.zeros((2, *(d or 1 for d in model.inputs[0].shape[1:])), np.float32))


@pytest.mark.parametrize("method", [*METHODS_ON_WEIGHTS, scan], ids=lambda method: method.__name__)
def test_a_model_without_layers_for_a_method_is_refused(method: Any) -> None:
    with pytest.raises(edgeai.UnsupportedOpError, match="the model has no layers with float32 weights"):
        method(edgeai.quantize(MODEL, DATA).model)
    if method in (edgeai.prune, edgeai.binarize, scan):
        with pytest.raises(edgeai.ArgumentError, match="the options leave out all layers"):
            method(dense())
    else:
        assert method(dense()).model


def test_layers_named_in_full_and_amounts_of_nothing_are_no_error() -> None:
    for method in (edgeai.prune, edgeai.binarize):
        assert method(dense(), names=["only"]).model.to_bytes() != dense().to_bytes()  # type: ignore[operator]
    for method in (edgeai.prune, edgeai.share, edgeai.quantize_weights, edgeai.factorize):
        assert method(dense(), layers={"only": 0}).model.to_bytes() == dense().to_bytes()  # type: ignore[operator]


@pytest.mark.parametrize("settings", [{"max_drop": 1.0}, {"max_drop": 1.0, "method": "blocks"}])
def test_a_search_without_layers_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(edgeai.UnsupportedOpError, match="the model has no layers with float32 weights"):
        edgeai.compress(edgeai.quantize(MODEL, DATA).model, DATA, **settings)


def test_errors_name_the_step_of_a_recipe() -> None:
    with pytest.raises(edgeai.UnsupportedOpError, match=r"^prune:amount=0\.6: the model has no layers with float32 weights$"):
        edgeai.compress(MODEL, DATA, recipe="quantize prune:amount=0.6")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(bad: float) -> None:
    model = network(bad)
    calls = [
        *METHODS_ON_WEIGHTS,
        scan,
        lambda model: edgeai.prune(model, 0.5, method="global"),
        lambda model: edgeai.prune(model, 0.5, method="threshold"),
        lambda model: edgeai.prune(model, data=DATA),
        lambda model: edgeai.factorize(model, data=DATA),
        lambda model: edgeai.compress(model, DATA, max_drop=1.0, method="blocks"),
        edgeai.prune_channels,
        lambda model: edgeai.prune_channels(model, criterion="scale"),
        lambda model: edgeai.prune_channels(model, criterion="activation", data=DATA),
    ]
    for call in calls:
        with pytest.raises(edgeai.ModelError, match="weight 5 is not finite") as caught:
            call(model)
        assert caught.value.node == "second"
    # A layer that stays as it is may be so, and the very channel may be removed.
    assert np.count_nonzero(constants(edgeai.prune(model, names=["last"]).model)["last"]) == 240
    assert np.isfinite(constants(edgeai.prune_channels(model, channels={"second": [0]}).model)["second"]).all()
    # Such a layer stays in float, and the report says why.
    report = edgeai.quantize(model, DATA).report
    assert {layer.name: layer.reason for layer in report.skipped}["second"] == "its weights are not all finite"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_results_that_are_not_finite_in_one_model_alone_are_an_infinite_error(bad: float) -> None:
    x = np.random.default_rng(3).standard_normal((8, 16)).astype(np.float32)
    for pair in ((dense(), dense(bad)), (dense(bad), dense())):
        report = edgeai.compare(*pair, x)
        assert report.sqnr_db == -np.inf and report.cosine == 0
        assert report.layers[0].sqnr_db == -np.inf and report.layers[0].cosine == 0
        assert report.to_dict()["outputs"][0]["not_finite"] == 8
    assert edgeai.compare(dense(bad), dense(bad), x).sqnr_db == np.inf


def test_a_threshold_has_a_rule_of_its_own() -> None:
    with pytest.raises(edgeai.ArgumentError, match="the threshold must be finite and not negative"):
        edgeai.prune(MODEL, -1, method="threshold")
    with pytest.raises(edgeai.ArgumentError, match="the share of weights to remove must be 0 to 1"):
        edgeai.prune(MODEL, -1)
