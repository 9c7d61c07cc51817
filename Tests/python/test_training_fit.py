"""fit: when it ends, what it shows, and the batches it takes."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from training_tasks import Data, points, small

import edgeai
from edgeai import architectures, train


# ---- fit


def test_early_stop_goes_back_to_the_best(pictures: tuple[Data, Data]) -> None:
    """With few pictures and a high rate the validation soon gets worse."""
    (x, y), test = pictures
    trainer = train.Trainer(architectures.mlp([784, 64, 10]), optimizer=train.Adam(3e-3), batch=20)
    history = trainer.fit(train.batches(x[:100], y[:100], 20), epochs=60, validation=test, patience=3, progress=False)
    losses = [row["validation_loss"] for row in history]
    best = int(np.argmin(losses))
    assert len(history) == best + 4 < 60
    assert trainer.evaluate(*test).loss == losses[best]
    assert trainer.steps == history[best]["steps"]


def test_callbacks_stop() -> None:
    x, labels = points(64)
    seen: list[float] = []

    def stop(row: dict[str, float]) -> bool:
        seen.append(row["loss"])
        return len(seen) == 3

    trainer = train.Trainer(small(), batch=32)
    history = trainer.fit(train.batches(x, labels, 32), epochs=10, callbacks=[stop, lambda row: None], progress=False)
    assert seen == [row["loss"] for row in history]
    assert len(history) == 3
    # One alone need not stand in a list; what is true but not True does not stop.
    assert len(trainer.fit(train.batches(x, labels, 32), epochs=2, callbacks=lambda row: 1, progress=False)) == 2


def test_batches_may_be_lists_or_calls() -> None:
    x, labels = points(80)
    pieces = [(x[i : i + 32], labels[i : i + 32]) for i in range(0, 80, 32)]
    trainer = train.Trainer(small(), batch=32)
    # The last one has 16 samples and is left out.
    assert [row["steps"] for row in trainer.fit(pieces, epochs=2, progress=False)] == [2, 4]
    trainer.fit(lambda: iter(pieces), epochs=2, progress=False)
    assert trainer.steps == 8
    trainer.fit(({"input": a}, b) for a, b in pieces)
    assert trainer.steps == 10
    with pytest.raises(edgeai.ArgumentError, match="used up"):
        trainer.fit(iter(pieces), epochs=2, progress=False)
    with pytest.raises(edgeai.ArgumentError, match="not the last one"):
        trainer.fit(pieces[::-1], progress=False)
    with pytest.raises(edgeai.ArgumentError, match="no batch of 32"):
        trainer.fit([], progress=False)
    with pytest.raises(edgeai.ArgumentError, match="patience needs a validation"):
        trainer.fit(pieces, patience=2, progress=False)
    # Validation in batches of any size counts each sample once.
    row = trainer.fit(pieces, validation=pieces, progress=False)[0]
    assert row["validation_loss"] == pytest.approx(trainer.evaluate(x, labels).loss, rel=1e-9)


def test_interrupted_between_steps() -> None:
    x, labels = points(64)
    calls = 0

    def data() -> Iterator[Data]:
        nonlocal calls
        for i in (0, 32):
            calls += 1
            if calls == 4:
                raise KeyboardInterrupt
            yield x[i : i + 32], labels[i : i + 32]

    trainer, twin = train.Trainer(small(), batch=32), train.Trainer(small(), batch=32)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(data, epochs=5, progress=False)
    assert len(trainer.history) == 1
    assert trainer.steps == 3
    for i in (0, 32, 0):
        twin.step(x[i : i + 32], labels[i : i + 32])
    assert trainer.to_bytes() == twin.to_bytes()
    trainer.step(x[32:], labels[32:])


def test_cancelled_from_outside() -> None:
    x, labels = points(32)
    trainer = train.Trainer(small(), batch=32)
    before = trainer.to_bytes()
    trainer.cancel()
    with pytest.raises(edgeai.Cancelled):
        trainer.step(x, labels)
    assert trainer.to_bytes() == before
    trainer.step(x, labels)


def test_cancelled_by_another_thread() -> None:
    """While steps go on: the one that is stopped leaves the parameters, and the next one goes on from there."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(64, 28, 28, 1)).astype(np.float32), random.integers(0, 10, 64)
    trainer = train.Trainer(architectures.lenet5(), threads=2)
    stopper = threading.Timer(0.05, trainer.cancel)
    stopper.start()
    taken = 0
    with pytest.raises(edgeai.Cancelled):
        while taken < 100_000:
            trainer.step(x, y)
            taken += 1
    stopper.join()
    assert trainer.steps == taken
    trainer.step(x, y)
    assert trainer.steps == taken + 1


def test_a_loss_that_is_no_number_stops(pictures: tuple[Data, Data]) -> None:
    x, labels = points(64)
    trainer = train.Trainer(small(), batch=32)
    trainer.step(x[:32], labels[:32])
    before = trainer.to_bytes()
    x[40, 2] = np.nan
    with pytest.raises(edgeai.ArgumentError, match="loss of step 1 is .*finite"):
        trainer.fit([(x[32:], labels[32:])], progress=False)
    assert trainer.to_bytes() == before
    trainer.step(x[:32], labels[:32])
    # A rate that is far too large: the parameter that is no number any more is named.
    wild = train.Trainer(small(), optimizer=train.SGD(3e38), batch=32)
    with pytest.raises(edgeai.ArgumentError, match="after step 0 parameter 'fc./.*' .* at element"):
        wild.step(100 * x[:32], labels[:32])


def test_the_bar_needs_somebody_who_looks(capfd: pytest.CaptureFixture[str]) -> None:
    x, labels = points(64)
    train.Trainer(small(), batch=32).fit(train.batches(x, labels, 32))
    assert capfd.readouterr() == ("", "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_tells_loss_and_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    x, labels = points(64)
    train.Trainer(small(), batch=32).fit(train.batches(x, labels, 32), epochs=2)
    assert "epoch 2/2" in screen.getvalue()
    assert "accuracy" in screen.getvalue()


# ---- Batches


def test_orders_of_batches() -> None:
    x = np.arange(50, dtype=np.float32)[:, None]
    y = np.arange(50)
    data, same = train.batches(x, y, 8, seed=1), train.batches(x, y, 8, seed=1)
    assert len(data) == 6
    first, second = list(data), list(data)
    assert [b.tolist() for _, b in first] == [b.tolist() for _, b in same]
    assert [b.tolist() for _, b in first] != [b.tolist() for _, b in second]
    assert len({int(v) for _, b in first for v in b}) == 48
    for a, b in first + second:
        assert a.shape == (8, 1)
        assert (a[:, 0] == b).all()
    same.epoch = 1
    assert [b.tolist() for _, b in second] == [b.tolist() for _, b in same]
    assert [b.tolist() for _, b in train.batches(x, y, 25, shuffle=False)] == [list(range(25)), list(range(25, 50))]
    pairs = list(train.batches((x, -x), y, 25))
    assert isinstance(pairs[0][0], tuple)
    assert (pairs[0][0][0] == -pairs[0][0][1]).all()


def test_augmentation_draws_from_the_epochs_generator() -> None:
    x, y = np.zeros((20, 3), np.float32), np.arange(20)

    def shifted(batch: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return batch + random.normal(size=(len(batch), 1)).astype(np.float32)

    one = [a.tolist() for a, _ in train.batches(x, y, 10, augment=shifted)]
    two = [a.tolist() for a, _ in train.batches(x, y, 10, augment=shifted)]
    assert one == two
    assert one[0] != one[1]
    assert not x.any()
