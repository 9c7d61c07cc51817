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
