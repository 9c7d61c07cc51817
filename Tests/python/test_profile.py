"""Profiles and traces: what they say, and that the JSON is what trace viewers take."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from conftest import CLASSIFIER, small_model
from onnx import helper

import edgeai

matplotlib.use("Agg")


@pytest.fixture(params=["float32", "int8"])
def session(request: pytest.FixtureRequest, classifier: edgeai.Model, quantized: edgeai.Result) -> edgeai.Session:
    return edgeai.Session(classifier if request.param == "float32" else quantized.model, batch=4, threads=2)


@pytest.fixture
def x(subset: dict[str, np.ndarray]) -> np.ndarray:
    return subset["images"][:4]


def test_rates(session: edgeai.Session, x: np.ndarray) -> None:
    profile = session.profile(x, runs=5)
    assert [e.step for e in profile.events] == list(session.plan)
    for event in profile.events:
        assert 0 < event.least_us <= event.mean_us <= event.most_us
        assert event.least_us <= event.last_us <= event.most_us
        assert math.isclose(event.gops, 2 * event.step.macs / event.least_us / 1e3)
        assert math.isclose(event.gbytes, event.step.bytes / event.least_us / 1e3)
        if event.step.macs:
            assert event.peak_share is not None and 0 < event.peak_share < 16
            assert math.isclose(event.peak_share, event.gops / event.peak_gops)
        else:
            assert event.peak_share is None
    # Two threads have twice the peak of one; int8 has another one than float32.
    peaks = {(e.step.dtype, min(e.step.parts, 2)): e.peak_gops for e in profile.events}
    for dtype in {e.step.dtype for e in profile.events}:
        if (dtype, 1) in peaks and (dtype, 2) in peaks:
            assert math.isclose(peaks[dtype, 2], 2 * peaks[dtype, 1])
    assert math.isclose(sum(profile.by_op().values()), profile.mean_us)
    # The share of the whole weighs those of the steps by their times.
    shares = sum(e.peak_share * e.least_us for e in profile.events if e.peak_share is not None)
    assert profile.peak_share is not None
    assert math.isclose(profile.peak_share, shares / sum(e.least_us for e in profile.events))
    assert f"{100 * profile.peak_share:.0f} % of the peak" in repr(profile)


def test_nothing_multiplied_has_no_peak() -> None:
    model = edgeai.load(small_model([helper.make_node("Relu", ["x"], ["y"])], {"x": (1, 4)}, ["y"]))
    profile = edgeai.Session(model).profile(np.zeros((1, 4), np.float32), runs=2)
    assert profile.peak_share is None and "peak" not in repr(profile).splitlines()[0]


def test_texts_and_json(session: edgeai.Session, x: np.ndarray) -> None:
    profile = session.profile(x, runs=3, trace_runs=0)
    lines = str(profile).splitlines()
    assert len(lines) == 2 + len(profile.events)
    for column in ("kernel", "GOP/s", "of peak", "GB/s"):
        assert column in lines[0]
    assert repr(profile).startswith("<edgeai.Profile ") and repr(profile).endswith(str(profile))
    parsed = json.loads(profile.to_json())
    assert parsed == json.loads(json.dumps(profile.to_dict()))
    assert parsed["runs"] == 3
    assert [s["name"] for s in parsed["steps"]] == [s.name for s in session.plan]
    for step, event in zip(parsed["steps"], profile.events, strict=True):
        assert step["gops"] == event.gops and step["peak_share"] == event.peak_share and step["macs"] == event.step.macs
    axes = profile.plot()
    assert len(axes.patches) == len(profile.events)
    matplotlib.pyplot.close("all")
    with pytest.raises(edgeai.ArgumentError, match="trace_runs"):
        profile.to_trace("never.json")


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_trace(classifier: edgeai.Model, x: np.ndarray, tmp_path: Path, threads: int) -> None:
    session = edgeai.Session(classifier, batch=4, threads=threads)
    threads = min(threads, len(os.sched_getaffinity(0)))  # no more take part
    profile = session.profile(x, runs=6, trace_runs=3)
    profile.to_trace(tmp_path / "trace.json")
    with pytest.raises(edgeai.FileError, match=r"none/trace\.json': No such file"):
        profile.to_trace(tmp_path / "none/trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))
    assert set(trace) == {"displayTimeUnit", "traceEvents"}
    events = trace["traceEvents"]
    names = [e for e in events if e["ph"] == "M"]
    assert [e["args"]["name"] for e in names] == [f"thread {t}" for t in range(threads)]
    complete = [e for e in events if e["ph"] == "X"]
    assert len(names) + len(complete) == len(events)
    for event in complete:
        assert {"name", "cat", "ph", "ts", "dur", "pid", "tid"} <= set(event)
        assert event["ts"] >= 0 and event["dur"] >= 0 and 0 <= event["tid"] < threads

    plan = session.plan
    steps = [e for e in complete if e["cat"] == "step"]
    assert [e["args"]["step"] for e in steps] == 3 * list(range(len(plan)))
    # One run that is not measured, then six: the last three are kept.
    assert [e["args"]["run"] for e in steps] == [run for run in (4, 5, 6) for _ in plan]
    end = 0.0
    for event in steps:
        step, about = plan[event["args"]["step"]], event["args"]
        assert event["tid"] == 0 and event["ts"] >= end - 1e-3
        end = event["ts"] + event["dur"]
        assert event["name"] == step.name and about["op"] == step.op and about["kernel"] == step.kernel
        assert about["dtype"] == step.dtype and json.loads(about["shape"]) == list(step.shape)
        assert about["bytes"] == step.bytes and about["parts"] == step.parts
        if event["dur"] > 0:
            assert math.isclose(about["gops"], 2 * step.macs / event["dur"] / 1e3, rel_tol=1e-6)
            assert math.isclose(about["gbytes"], step.bytes / event["dur"] / 1e3, rel_tol=1e-6)
        assert (about["peak_share"] > 0) == (step.macs > 0)

    # What a thread did of a step lies inside the step, and everything that is shared was done by somebody.
    shares = [e for e in complete if e["cat"] == "share"]
    assert bool(shares) == (threads > 1)
    position = 0
    by_step: dict[int, set[int]] = {}
    for event in complete:
        if event["cat"] == "step":
            position, current = position + 1, event
        else:
            assert current["ts"] - 1e-3 <= event["ts"]
            assert event["ts"] + event["dur"] <= current["ts"] + current["dur"] + 1e-3
            assert event["name"] == current["name"]
            by_step.setdefault(position, set()).add(event["tid"])
    shared = sum(1 for step in plan if step.parts > 1)
    assert len(by_step) == (3 * shared if threads > 1 else 0)


def test_trace_of_a_loop(tmp_path: Path) -> None:
    """Every iteration is there; the ring has room for as many steps as a run has without loops."""
    import onnx
    from onnx import TensorProto, helper

    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["again"]), helper.make_node("Mul", ["a", "a"], ["b"], name="square")], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("a", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("again", TensorProto.BOOL, []), helper.make_tensor_value_info("b", TensorProto.FLOAT, [4])],
    )  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)], "loop",
        [helper.make_tensor_value_info("n", TensorProto.INT64, []), helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    session = edgeai.Session(model.SerializeToString())
    feed = {"n": np.array(5), "x": np.ones(4, np.float32)}
    session.profile(feed, runs=1, trace_runs=9).to_trace(tmp_path / "trace.json")
    steps = [e for e in json.loads((tmp_path / "trace.json").read_text())["traceEvents"] if e["ph"] == "X"]
    assert sum(e["name"] == "square" for e in steps) == 5
    session.profile(feed, runs=3, trace_runs=1).to_trace(tmp_path / "trace.json")
    steps = [e for e in json.loads((tmp_path / "trace.json").read_text())["traceEvents"] if e["ph"] == "X"]
    assert len(steps) == len(session.plan)
    assert {e["args"]["run"] for e in steps} == {3}


def test_escaped_names(classifier: edgeai.Model, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(CLASSIFIER)
    model.graph.node[0].name = 'a "quoted"\\\n\tname'
    session = edgeai.Session(model.SerializeToString())
    session.profile(np.zeros((1, 1, 28, 28), np.float32), runs=1).to_trace(tmp_path / "trace.json")
    names = {e["name"] for e in json.loads((tmp_path / "trace.json").read_text())["traceEvents"]}
    assert 'a "quoted"\\\n\tname' in names


def test_wrong_arguments(classifier: edgeai.Model) -> None:
    session = edgeai.Session(classifier)
    x = np.zeros((1, 1, 28, 28), np.float32)
    with pytest.raises(edgeai.ArgumentError, match="trace_runs"):
        session.profile(x, trace_runs=-1)
    with pytest.raises(edgeai.ArgumentError):
        session.profile(x, trace_runs=1 << 40)
