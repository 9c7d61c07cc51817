"""Models and sessions shared by threads, and changed in the middle of something else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import edgeai

WAIT = 30.0


@pytest.fixture
def sensor() -> edgeai.Model:
    """A model of its own for each test, which may change it."""
    return edgeai.load(ROOT / "Examples/models/sensor.edgeai")


def zeros(model: edgeai.Model) -> tuple[np.ndarray, ...]:
    return tuple(np.zeros([n or 1 for n in t.shape], np.float32) for t in model.inputs)


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_metadata_waits_for_calls_that_read_the_model(sensor: edgeai.Model) -> None:
    """A comparison stands in its data; the change made meanwhile happens after it."""
    reading, go_on, order = threading.Event(), threading.Event(), []

    def data() -> Iterator[tuple[np.ndarray, ...]]:
        reading.set()
        assert go_on.wait(WAIT)
        yield zeros(sensor)

    def read() -> None:
        edgeai.compare(sensor, sensor, data())
        order.append("read")

    def change() -> None:
        sensor.set_metadata("key", "value")
        order.append("changed")

    reader = in_thread(read)
    assert reading.wait(WAIT)
    writer = in_thread(change)
    time.sleep(0.1)
    assert writer.is_alive()
    assert "key" not in sensor.metadata
    go_on.set()
    reader.join(WAIT)
    writer.join(WAIT)
    assert sorted(order) == ["changed", "read"]
    assert sensor.metadata["key"] == "value"


def test_a_callback_cannot_change_the_model_in_use(sensor: edgeai.Model) -> None:
    """It would wait for itself; another model, and reading this one, are fine."""
    other = edgeai.load(ROOT / "Examples/models/sensor.edgeai")

    def data() -> Iterator[tuple[np.ndarray, ...]]:
        other.set_metadata("key", "other")
        sensor.to_bytes()
        edgeai.Session(sensor).close()
        sensor.set_metadata("key", "value")
        yield zeros(sensor)

    with pytest.raises(edgeai.ArgumentError, match="in use"):
        edgeai.compare(sensor, sensor, data())
    assert other.metadata["key"] == "other"
    assert "key" not in sensor.metadata
    sensor.set_metadata("key", "value")
    assert sensor.metadata["key"] == "value"


def test_metadata_changes_while_others_read(sensor: edgeai.Model, tmp_path: Path) -> None:
    """Saving and opening sessions, over and over, beside a thread that changes the text."""
    stop, failures = threading.Event(), []

    def repeat(work: Callable[[], object]) -> None:
        try:
            while not stop.is_set():
                work()
        except edgeai.EdgeAIError as error:
            failures.append(error)

    workers = [in_thread(lambda i=i: repeat(lambda: sensor.save(tmp_path / f"{i}.edgeai"))) for i in range(2)]  # type: ignore[misc]
    workers.append(in_thread(lambda: repeat(lambda: edgeai.Session(sensor).close())))
    end = time.monotonic() + 1
    changes = 0
    while time.monotonic() < end:
        sensor.set_metadata("key", "v" * (changes % 50))
        changes += 1
    stop.set()
    for worker in workers:
        worker.join(WAIT)
    assert not failures
    assert changes > 10
    for i in range(2):
        assert set(edgeai.load(tmp_path / f"{i}.edgeai").metadata["key"]) <= {"v"}


@pytest.mark.parametrize("tell", ["plan", "plan_text", "memory", "input_array", "reset_times"])
def test_telling_about_a_session_waits_for_its_run(tell: str, classifier: edgeai.Model) -> None:
    """A run in one thread and a question in another: the answer comes when the run is over."""
    session = edgeai._core.open_session(classifier._core, 64, 1, -1, False, -1, 0, False, True, "reference", -1, 0, False, None, True, None)
    arguments = (0,) if tell == "input_array" else ()
    started, over = threading.Event(), []

    def run() -> None:
        started.set()
        session.run_bound()
        over.append(time.perf_counter())

    runner = in_thread(run)
    assert started.wait(WAIT)
    time.sleep(0.05)
    assert not over, "the run is too short for this test"
    getattr(session, tell)(*arguments)
    asked = time.perf_counter()
    runner.join(WAIT)
    assert asked >= over[0] - 0.02
    session.close()
    with pytest.raises(edgeai.ArgumentError, match="closed"):
        getattr(session, tell)(*arguments)


def test_threads_share_a_calibration(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    """Every sample fed by four threads at once is counted, and the progress callback cannot come in between."""
    refused = []

    def progress(stage: str, done: int, total: int) -> None:
        try:
            calibration.samples()
        except edgeai.ArgumentError as error:
            refused.append(error)

    calibration = edgeai._core.open_calibration(classifier._core, 0, True, False, 1, 0, 99.99, 0.9, [], [], [], progress)
    workers = [in_thread(lambda: [calibration.feed((subset["images"][i : i + 1],)) for i in range(25)]) for _ in range(4)]
    for worker in workers:
        worker.join(WAIT)
    assert calibration.samples() == 100
    calibration.finish()
    calibration.quantize()
    assert refused
    assert all("progress callback" in str(error) for error in refused)


def test_bound_arrays_survive_runs_of_other_sizes(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    images = subset["images"]
    with edgeai.Session(classifier) as session:
        (x,), (y,) = session.bind()
        for count in range(2, 14):  # more sizes than plans are kept
            session.run(images[:count])
            x[:] = images[count : count + 1]
            session.run_bound()
            assert np.array_equal(y, edgeai.Session(classifier)(images[count : count + 1]))


def test_cancel_reaches_the_run_in_progress(classifier: edgeai.Model) -> None:
    """Not only the plan used last."""
    session = edgeai.Session(classifier, isa="reference")
    large, small = (np.zeros((n, 1, 28, 28), np.float32) for n in (400, 1))
    caught = []

    def run() -> None:
        try:
            session.run(large)
        except edgeai.Cancelled as error:
            caught.append(error)

    runner = in_thread(run)
    end = time.monotonic() + WAIT
    while not session._running and time.monotonic() < end:
        time.sleep(0.001)
    time.sleep(0.05)
    session.run(small)
    assert runner.is_alive(), "the run is too short for this test"
    session.cancel()
    runner.join(WAIT)
    assert len(caught) == 1
    session.run(small)  # nothing is left of the request
