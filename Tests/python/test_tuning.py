"""Sessions that measure which kernels are fastest, and the bytes that bring their plans back."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from conftest import CLASSIFIER, relative_error

import edgeai


@pytest.mark.parametrize("threads", [1, 2])
def test_the_plan_comes_back(classifier: edgeai.Model, subset: dict[str, np.ndarray], threads: int, aligned) -> None:  # type: ignore[no-untyped-def]
    x = subset["images"][:4]
    expected = edgeai.Session(classifier, batch=4)(x)
    tuned = edgeai.Session(classifier, batch=4, threads=threads, tune=True)
    y = tuned(x)
    assert relative_error(y, expected) < 1e-5
    tuning = tuned.tuning
    assert isinstance(tuning, bytes)
    again = edgeai.Session(classifier, batch=4, threads=threads, tuning=tuning)
    assert again.plan_text == tuned.plan_text
    assert again.tuning == tuning
    assert np.array_equal(again(x), y)
    size = edgeai.Session.memory_required(classifier, batch=4, threads=threads, tuning=tuning)
    assert size == again.memory.total == tuned.memory.total
    with edgeai.Session(classifier, batch=4, threads=threads, tuning=tuning, memory=aligned(size)) as session:
        assert np.array_equal(session(x), y)
    # A profile is of the tuned plan.
    assert [e.step for e in tuned.profile(x, runs=2).events] == list(tuned.plan)


def test_an_integer_network_keeps_its_bytes(quantized: edgeai.Result, subset: dict[str, np.ndarray]) -> None:
    x = subset["images"][:2]
    expected = edgeai.Session(quantized.model, batch=2)(x)
    for threads in (1, 2):
        assert np.array_equal(edgeai.Session(quantized.model, batch=2, threads=threads, tune=True)(x), expected)


def test_every_batch_is_tuned(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    session = edgeai.Session(classifier, tune=True)
    for count in (1, 3):
        assert relative_error(session(subset["images"][:count]), edgeai.Session(classifier)(subset["images"][:count])) < 1e-5
        assert session.inputs[0].shape[0] == count
        assert edgeai.Session(classifier, batch=count, tuning=session.tuning).plan_text == session.plan_text


def test_the_tuning_of_a_session_that_was_not_tuned_is_its_plan(classifier: edgeai.Model) -> None:
    session = edgeai.Session(classifier, batch=1)
    assert edgeai.Session(classifier, batch=1, tuning=session.tuning).plan_text == session.plan_text


def test_of_something_else(classifier: edgeai.Model, quantized: edgeai.Result) -> None:
    tuning = edgeai.Session(classifier, batch=2, threads=2).tuning
    others = [{"batch": 1, "threads": 2}, {"batch": 2, "threads": 1}]
    others += [{"batch": 2, "threads": 2, "isa": isa} for isa in edgeai.instruction_sets()[1:]]
    for options in others:
        with pytest.raises(edgeai.TuningError) as caught:
            edgeai.Session(classifier, tuning=tuning, **options)  # type: ignore[arg-type]
        assert caught.value.status == "EDGEAI_ERROR_TUNING_MISMATCH"
    with pytest.raises(edgeai.TuningError):
        edgeai.Session(quantized.model, batch=2, threads=2, tuning=tuning)
    with pytest.raises(edgeai.TuningError):
        edgeai.Session.memory_required(quantized.model, batch=2, threads=2, tuning=tuning)


def test_damaged(classifier: edgeai.Model) -> None:
    tuning = edgeai.Session(classifier, batch=1).tuning
    source = random.Random(4)
    damaged = [tuning[:n] for n in range(len(tuning))] + [tuning + b"\0", tuning + bytes(8), bytes(len(tuning)), b"x" * 4096]
    for _ in range(200):
        blob = bytearray(tuning)
        blob[source.randrange(len(blob))] ^= 1 + source.randrange(255)
        damaged.append(bytes(blob))
    for blob in damaged:
        with pytest.raises(edgeai.TuningError):
            edgeai.Session(classifier, batch=1, tuning=blob)
    with pytest.raises(edgeai.TuningError):
        edgeai.Session.memory_required(classifier, tuning=b"")


def test_wrong_arguments(classifier: edgeai.Model, aligned) -> None:  # type: ignore[no-untyped-def]
    tuning = edgeai.Session(classifier, batch=1).tuning
    with pytest.raises(edgeai.ArgumentError, match="batch"):
        edgeai.Session(classifier, tuning=tuning)
    with pytest.raises(edgeai.ArgumentError, match="tune and tuning exclude each other"):
        edgeai.Session(classifier, batch=1, tuning=tuning, tune=True)
    with pytest.raises(edgeai.ArgumentError, match="tune"):
        edgeai.Session(classifier, batch=1, tune=True, memory=aligned(1 << 20))


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from edgeai.cli import main

    file = tmp_path / "tuning"
    assert main(["profile", str(CLASSIFIER), "--batch", "1", "--runs", "3", "--tune", "--tuning", str(file)]) == 0
    assert "of peak" in capsys.readouterr().out
    assert main(["bench", str(CLASSIFIER), "--batch", "1", "--seconds", "0.02", "--plan", "--tuning", str(file)]) == 0
    plan = capsys.readouterr().out
    session = edgeai.Session(CLASSIFIER, batch=1, tuning=file.read_bytes())
    assert session.plan_text in plan
    assert main(["bench", str(CLASSIFIER), "--batch", "2", "--seconds", "0.02", "--tuning", str(file)]) == 2
    assert "TUNING_MISMATCH" in capsys.readouterr().err
    trace, figures = tmp_path / "trace.json", tmp_path / "profile.json"
    assert main(["profile", str(CLASSIFIER), "--threads", "2", "--trace", str(trace), "--trace-runs", "2", "--json", str(figures)]) == 0
    assert trace.read_text().startswith('{"displayTimeUnit"')
    assert '"peak_share"' in figures.read_text()
