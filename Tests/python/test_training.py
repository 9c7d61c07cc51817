"""Training from Python: what it learns, that it is the same each time, and what it says when something is wrong."""

from __future__ import annotations

import gc
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import small_model
from onnx import helper

import edgeai
from edgeai import architectures, train

Data = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="session")
def pictures(subset: dict[str, np.ndarray]) -> tuple[Data, Data]:
    """The bundled pictures as rows of 784 numbers: 800 to learn from, 200 to judge with."""
    x = subset["images"].reshape(1000, 784)
    return (x[:800], subset["labels"][:800]), (x[800:], subset["labels"][800:])


def points(count: int = 96, seed: int = 0) -> Data:
    """Points around three corners, with the corner as label."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    x = random.normal(0, 0.5, (count, 6)).astype(np.float32)
    x[np.arange(count), labels] += 2
    return x, labels


def small(**options: Any) -> edgeai.Model:
    return architectures.mlp([6, 16, 12, 3], **options)


def constants(model: edgeai.Model) -> dict[str, np.ndarray]:
    tensors = model._core.tensors()
    return {t["name"]: model._core.tensor_data(i).copy() for i, t in enumerate(tensors) if t["constant"]}


def weights(model: edgeai.Model) -> dict[str, np.ndarray]:
    """Weights of the layers, one row for each output."""
    return {name: value for name, value in constants(model).items() if name.endswith("/weights")}


# ---- Learning


def test_learns_the_bundled_pictures(pictures: tuple[Data, Data]) -> None:
    training, test = pictures
    model = architectures.mlp([784, 64, 10])
    before = train.Trainer(model).evaluate(*test).accuracy
    trainer = train.Trainer(model, optimizer=train.Adam(1e-3), batch=40, threads=2)
    history = trainer.fit(train.batches(*training, 40), epochs=8, validation=test, progress=False)
    assert before < 0.35
    assert history[-1]["validation_accuracy"] > 0.75
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert [row["epoch"] for row in history] == list(range(1, 9))
    assert [row["steps"] for row in history] == [20 * epoch for epoch in range(1, 9)]
    assert set(history.to_dict()) == {
        "epoch", "steps", "loss", "accuracy", "learning_rate", "seconds", "validation_loss", "validation_accuracy",
    }  # fmt: skip
    assert trainer.history is history
    assert trainer.steps == 160


def test_trains_convolutions_and_normalizations(pictures: tuple[Data, Data]) -> None:
    (x, y), _ = pictures
    model = architectures.resnet8(resolution=28, channels=1)
    trainer = train.Trainer(model, optimizer=train.SGD(0.05, nesterov=True), batch=20, threads=2)
    first = trainer.step(x[:20].reshape(20, 28, 28, 1), y[:20])
    for _ in range(9):
        last = trainer.step(x[:20].reshape(20, 28, 28, 1), y[:20])
    assert last.loss < first.loss / 2
    # The statistics of the batch that the network has seen ten times are in the exported model.
    assert trainer.evaluate(x[:20].reshape(20, 28, 28, 1), y[:20]).samples == 20


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("nesterov", [False, True])
def test_steps_are_those_of_numpy(nesterov: bool) -> None:
    """A dense layer under the cross-entropy with smoothing, decay, clipping and warm-up, in double precision."""
    x, labels = points(32)
    model = architectures.mlp([6, 3], seed=4)
    trainer = train.Trainer(
        model, optimizer=train.SGD(0.2, 0.8, nesterov), batch=32, label_smoothing=0.1, weight_decay=0.01, clip_norm=0.3, warm_up=4
    )
    before = constants(model)
    (w,) = (v.astype(np.float64) for n, v in before.items() if n.endswith("weights"))
    (b,) = (v.astype(np.float64) for n, v in before.items() if n.endswith("bias"))
    target = 0.9 * np.eye(3)[labels] + 0.1 / 3
    vw, vb = np.zeros_like(w), np.zeros_like(b)
    for step in range(6):
        rate = 0.2 * min((step + 1) / 4, 1)
        assert trainer.learning_rate == pytest.approx(rate, rel=1e-6)
        p = softmax(x @ w.T + b)
        found = trainer.step(x, labels)
        assert found.loss == pytest.approx(-(target * np.log(p)).sum(1).mean(), rel=1e-5)
        assert found.accuracy == np.mean(p.argmax(1) == labels)
        gw, gb = (p - target).T @ x / 32, (p - target).mean(0)
        norm = np.sqrt((gw**2).sum() + (gb**2).sum())
        gw, gb = gw * min(1, 0.3 / norm) + 0.01 * w, gb * min(1, 0.3 / norm)
        vw, vb = 0.8 * vw + gw, 0.8 * vb + gb
        w -= rate * (gw + 0.8 * vw if nesterov else vw)
        b -= rate * (gb + 0.8 * vb if nesterov else vb)
    after = constants(trainer.export(trainable=True))
    (found_w,) = (v for n, v in after.items() if n.endswith("weights"))
    (found_b,) = (v for n, v in after.items() if n.endswith("bias"))
    np.testing.assert_allclose(found_w, w, rtol=0, atol=1e-5 * np.abs(w).max())
    np.testing.assert_allclose(found_b, b, rtol=0, atol=1e-5 * np.abs(w).max())


def test_evaluation_is_what_the_exported_model_does() -> None:
    x, labels = points(101)
    trainer = train.Trainer(small(batch_norm=True), batch=32)
    trainer.fit(train.batches(x, labels, 32), epochs=2, progress=False)
    scores = edgeai.Session(trainer.export())(x)
    found = trainer.evaluate(x, labels)
    assert found.samples == 101
    assert found.accuracy == pytest.approx(np.mean(scores.argmax(1) == labels))
    assert found.loss == pytest.approx(-np.log(softmax(scores.astype(np.float64))[np.arange(101), labels]).mean(), rel=1e-5)
    # The form for training computes the same.
    again = edgeai.Session(trainer.export(trainable=True))(x)
    np.testing.assert_allclose(again, scores, rtol=0, atol=1e-5 * np.abs(scores).max())


def test_labels_are_targets() -> None:
    x, labels = points(32)
    by_labels, by_targets = train.Trainer(small(), batch=32), train.Trainer(small(), batch=32)
    for dtype in (np.int64, np.uint8, np.int16):
        assert by_labels.step(x, labels.astype(dtype)) == by_targets.step(x, np.eye(3)[labels])
    assert by_labels.to_bytes() == by_targets.to_bytes()
    for y, message in (([3] * 32, "label 0 is 3; there are 3 classes"), (["a"] * 32, "labels are whole numbers and targets numbers, not <U1")):
        for use in (by_labels.step, by_labels.evaluate):
            with pytest.raises(edgeai.ArgumentError, match=message):
                use(x, y)


def test_mean_squared_error() -> None:
    x, _ = points(32)
    wanted = x[:, :3] * 2 - x[:, 3:]
    trainer = train.Trainer(small(), loss="mean_squared_error", optimizer=train.Adam(0.01), batch=32)
    first = trainer.step(x, wanted)
    for _ in range(200):
        last = trainer.step(x, wanted)
    assert first.accuracy == last.accuracy == 0
    assert last.loss < first.loss / 20
    scores = edgeai.Session(trainer.export())(x)
    assert trainer.evaluate(x, wanted).loss == pytest.approx(((scores - wanted) ** 2).mean(), rel=1e-5)
    with pytest.raises(edgeai.ArgumentError, match="cross-entropy"):
        trainer.step(x, np.zeros(32, np.int64))


def test_a_teacher_is_followed() -> None:
    """With a share of 1 the labels do not matter: the student's classes become the teacher's."""
    x, labels = points(64)
    teacher = train.Trainer(small(seed=1), optimizer=train.Adam(0.01), batch=64)
    for _ in range(60):
        teacher.step(x, labels)
    known = edgeai.Session(teacher.export())(x).argmax(1)
    student = train.Trainer(
        architectures.mlp([6, 8, 3]), optimizer=train.Adam(0.01), batch=64, teacher=teacher.export(), teacher_share=1.0, temperature=2.0
    )
    for _ in range(200):
        student.step(x, (labels + 1) % 3)
    assert np.mean(edgeai.Session(student.export())(x).argmax(1) == known) > 0.9


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (train.Constant(), [1, 1, 1, 1, 1]),
        (train.Step(2, 0.5), [1, 1, 0.5, 0.5, 0.25]),
        (train.Cosine(4), [1, 0.85355339, 0.5, 0.14644661, 0]),
        (train.OneCycle(10), [0.04, 0.28, 0.76, 1, 0.9505]),
    ],
)
def test_schedules(schedule: train.Schedule, rates: list[float]) -> None:
    x, labels = points(32)
    trainer = train.Trainer(small(), optimizer=train.SGD(0.5), schedule=schedule, batch=32)
    found = []
    for _ in rates:
        found.append(trainer.learning_rate / 0.5)
        trainer.step(x, labels)
    np.testing.assert_allclose(found, rates, atol=2e-4)


@pytest.mark.parametrize("optimizer", [train.SGD(0.05), train.SGD(0.05, nesterov=True), train.Adam(0.01), train.AdamW(0.01), train.RMSprop(0.01)])
def test_optimizers_learn(optimizer: train.Optimizer) -> None:
    x, labels = points(64)
    trainer = train.Trainer(small(), optimizer=optimizer, batch=64, weight_decay=1e-4)
    first = trainer.step(x, labels)
    for _ in range(60):
        last = trainer.step(x, labels)
    assert last.loss < first.loss / 2


# ---- The same each time


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_bits_for_any_threads(threads: int) -> None:
    """Compared with three threads: dropout, normalization, surgery and clipping together."""
    x, labels = points(128)

    def trained(count: int) -> bytes:
        trainer = train.Trainer(
            small(batch_norm=True),
            optimizer=train.Adam(0.01),
            methods=[train.NetworkSurgery(kept=0.3, last=10)],
            batch=32, threads=count, dropout=0.2, clip_norm=1.0, label_smoothing=0.1, seed=5,
        )  # fmt: skip
        trainer.fit(train.batches(x, labels, 32, seed=3), epochs=4, progress=False)
        return trainer.to_bytes() + trainer.export().to_bytes()

    assert trained(threads) == trained(3)


def test_convolutions_the_same_bits_for_any_threads_and_recomputed() -> None:
    """Convolutions, normalizations and shortcuts; recomputing results for the gradient takes less memory and changes no bit."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(16, 16, 16, 3)).astype(np.float32), random.integers(0, 10, 16)
    states, memory = [], []
    for threads, recompute in ((1, False), (2, False), (2, True)):
        trainer = train.Trainer(architectures.resnet8(resolution=16), batch=16, threads=threads, recompute=recompute)
        for _ in range(3):
            trainer.step(x, y)
        states.append(trainer.export().to_bytes())
        memory.append(trainer.memory)
    assert states[0] == states[1] == states[2]
    assert memory[2] < 0.95 * memory[1]


def test_another_seed_drops_other_units() -> None:
    x, labels = points(32)
    states = set()
    for seed in (0, 1):
        trainer = train.Trainer(small(), batch=32, dropout=0.5, seed=seed)
        trainer.step(x, labels)
        states.add(trainer.to_bytes())
    assert len(states) == 2


def test_a_checkpoint_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    x, labels = points(96)

    def made() -> train.Trainer:
        methods = [train.MagnitudePruning(0.5, first=2, last=8, every=2), train.QuantizationAware(4, delay=3)]
        return train.Trainer(small(), optimizer=train.Adam(0.01), methods=methods, batch=32, dropout=0.1, threads=2)

    whole, data = made(), train.batches(x, labels, 32)
    whole.fit(data, epochs=2, progress=False)
    whole.save(tmp_path / "half.checkpoint")
    whole.fit(data, epochs=2, progress=False)

    resumed, data = made(), train.batches(x, labels, 32)
    resumed.load(tmp_path / "half.checkpoint")
    data.epoch = 2
    assert resumed.steps == 6
    resumed.fit(data, epochs=2, progress=False)
    assert resumed.to_bytes() == whole.to_bytes()
    assert resumed.export().to_bytes() == whole.export().to_bytes()
    # And back, in the same trainer.
    whole.load(tmp_path / "half.checkpoint")
    assert whole.steps == 6


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    x, labels = points(32)
    trainer = train.Trainer(small(), batch=32)
    trainer.step(x, labels)
    before = trainer.to_bytes()
    with pytest.raises(edgeai.ShapeError, match="checkpoint"):
        trainer.load_bytes(train.Trainer(architectures.mlp([6, 5, 3])).to_bytes())
    with pytest.raises(edgeai.ShapeError, match="'adam'.*'sgd'"):
        trainer.load_bytes(train.Trainer(small(), optimizer=train.Adam()).to_bytes())
    masked = train.Trainer(small(), batch=32, methods=[train.MagnitudePruning(0.5)])
    with pytest.raises(edgeai.ShapeError, match="'fc1/weights/mask' is none of the trainer's") as error:
        trainer.load_bytes(masked.to_bytes())
    assert error.value.tensor == "fc1/weights/mask"
    with pytest.raises(edgeai.ShapeError, match="has no 'fc1/weights/mask'"):
        masked.load_bytes(before)
    with pytest.raises(edgeai.ArgumentError, match="no.* checkpoint"):
        trainer.load_bytes(small().to_bytes())
    with pytest.raises(edgeai.FileError):
        trainer.load(tmp_path / "missing")
    for length in range(0, len(before), 97):
        with pytest.raises(edgeai.EdgeAIError):
            trainer.load_bytes(before[:length])
    assert trainer.to_bytes() == before


@pytest.mark.parametrize(("kind", "other"), [(train.SGD, train.RMSprop), (train.Adam, train.AdamW)])
def test_a_checkpoint_is_of_its_optimizer(kind: Any, other: Any) -> None:
    """Those with as many moments do not mean the same by them."""
    first, second = (train.Trainer(small(), optimizer=optimizer(1e-3)) for optimizer in (kind, other))
    for trainer, foreign, names in ((first, second, (other, kind)), (second, first, (kind, other))):
        with pytest.raises(edgeai.ShapeError, match="(?i)'{}'.*'{}'".format(*(name.__name__ for name in names))):
            trainer.load_bytes(foreign.to_bytes())


def test_a_checkpoint_tells_equal_names_apart() -> None:
    x, labels = points(32)

    def taking(*names: str) -> bytes:
        """Layers whose weights have names that methods and optimizers give."""
        widths = [6, *[5] * (len(names) - 1), 3]
        tensors = {name: np.full((m, n), 0.1, np.float32) for name, n, m in zip(names, widths, widths[1:], strict=False)}
        values = ["x", *(f"h{i}" for i in range(len(names)))]
        nodes = [helper.make_node("Gemm", [a, w, ""], [b], transB=1) for a, w, b in zip(values, names, values[1:], strict=False)]
        return small_model(nodes, {"x": ("n", 6)}, values[-1:], tensors)

    def rounding(layer: str) -> train.QuantizationAware:
        return train.QuantizationAware(0, layers={layer: 8}, delay=1)

    cases: list[tuple[edgeai.Model, list[Any]]] = [
        (small(), [train.MagnitudePruning(0.5, last=1, every=1), train.NetworkSurgery(kept=0.5, last=1)]),
        (small(), [rounding("fc1"), rounding("fc3")]),
        (edgeai.load(taking("w", "w/mask", "w/moment 0", "number")), [train.MagnitudePruning(0.5, last=1, every=1)]),
        (edgeai.load(taking("w" * 4096, "v")), []),
    ]
    for model, methods in cases:
        trainer, again = (train.Trainer(model, optimizer=train.Adam(1e-2), batch=32, methods=methods) for _ in range(2))
        trainer.step(x, labels)
        again.load_bytes(trainer.to_bytes())
        assert again.step(x, labels) == trainer.step(x, labels)
        assert again.to_bytes() == trainer.to_bytes()


# ---- What stays


def test_frozen_layers_do_not_move() -> None:
    x, labels = points(64)
    model = small(batch_norm=True)
    trainer = train.Trainer(model, batch=64, frozen=["fc1*", "fc3"])
    for _ in range(5):
        trainer.step(x, labels)
    before, after = constants(model), constants(trainer.export(trainable=True))
    assert {name.split("/")[0] for name in before} == {"fc1", "fc2", "fc3"}
    assert set(before) == set(after)
    for name, value in before.items():
        assert np.array_equal(value, after[name]) == (not name.startswith("fc2")), name


def test_the_source_does_not_change() -> None:
    x, labels = points(32)
    model = small()
    before = model.to_bytes()
    trainer = train.Trainer(model, batch=32)
    trainer.step(x, labels)
    trainer.export()
    assert model.to_bytes() == before


def test_models_opened_from_memory_stay_while_they_are_needed() -> None:
    """Constants that were not trained lie in the bytes the model was opened from."""
    x, labels = points(32)
    trained = []
    for frozen in ([], ["fc1"]):
        source = edgeai.load(bytearray(small().to_bytes()))
        trainer = train.Trainer(source, batch=32, frozen=frozen)
        del source
        gc.collect()
        trainer.step(x, labels)
        trained.append(trainer.export())
        del trainer
        gc.collect()
    for model in trained:
        assert np.isfinite(edgeai.Session(model)(x)).all()


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


# ---- Methods


def test_pruning_leaves_the_share() -> None:
    x, labels = points(64)
    trainer = train.Trainer(small(), methods=[train.MagnitudePruning(0.75, first=2, last=10, every=4)], batch=64)
    for _ in range(12):
        trainer.step(x, labels)
    for value in weights(trainer.export()).values():
        assert np.count_nonzero(value == 0) == int(value.size * 0.75)
    last = list(weights(small()))[-1]
    layer = last.removesuffix("/weights")
    trainer = train.Trainer(small(), methods=[train.MagnitudePruning(0.5, last=5, every=5, layers={layer: 0})], batch=64)
    for _ in range(7):
        trainer.step(x, labels)
    found = weights(trainer.export())
    assert np.count_nonzero(found.pop(last) == 0) == 0
    assert all((value == 0).mean() == pytest.approx(0.5, abs=0.01) for value in found.values())


def test_pruning_across_layers() -> None:
    x, labels = points(64)
    trainer = train.Trainer(small(), methods=[train.MagnitudePruning(0.5, last=1, every=1, across_layers=True)], batch=64)
    for _ in range(3):
        trainer.step(x, labels)
    found = np.concatenate([value.ravel() for value in weights(trainer.export()).values()])
    assert np.count_nonzero(found == 0) == found.size // 2


def test_surgery_keeps_the_share() -> None:
    x, labels = points(64)
    trainer = train.Trainer(small(), methods=[train.NetworkSurgery(kept=0.25, last=10)], batch=64)
    for _ in range(15):
        trainer.step(x, labels)
    for value in weights(trainer.export()).values():
        assert np.count_nonzero(value) <= np.ceil(value.size * 0.25)
        assert np.count_nonzero(value) > 0


def test_shared_weights_stay_shared() -> None:
    x, labels = points(64)
    shared = edgeai.share(small(), 2).model
    before = {name: len(np.unique(value)) for name, value in weights(shared).items()}
    trainer = train.Trainer(shared, methods=[train.SharedWeights()], batch=64)
    first = trainer.step(x, labels)
    for _ in range(40):
        last = trainer.step(x, labels)
    assert last.loss < first.loss
    after = weights(trainer.export())
    for name, count in before.items():
        assert count <= 4
        assert len(np.unique(after[name])) <= count
        # The same weights are equal as before.
        assert len(np.unique(np.stack([weights(shared)[name].ravel(), after[name].ravel()]), axis=1).T) == count


@pytest.mark.parametrize(("bits", "learn_step"), [(8, False), (4, False), (2, False), (4, True), (2, True)])
def test_quantization_aware_weights_are_on_a_grid(bits: int, learn_step: bool) -> None:
    x, labels = points(64)
    trainer = train.Trainer(small(), methods=[train.QuantizationAware(bits, learn_step=learn_step, delay=5)], batch=64)
    for _ in range(12):
        trainer.step(x, labels)
    for value in weights(trainer.export()).values():
        for row in value:
            assert len(np.unique(row)) <= 2**bits


def test_learnt_ranges_give_the_integers_of_training(pictures: tuple[Data, Data]) -> None:
    """LeNet-5 as numpy computes it in float64 with the roundings of training, against the int8 network: the same bytes but for ties
    and biases, which are integers there."""
    (x, labels), (test, _) = pictures
    x, test = x.reshape(-1, 28, 28, 1), test[:50].reshape(-1, 28, 28, 1)
    trainer = train.Trainer(architectures.lenet5(), methods=[train.QuantizationAware(delay=10)], batch=40, clip_norm=1.0, threads=2)
    assert trainer.ranges() == {}
    trainer.fit(train.batches(x, labels, 40), epochs=2, progress=False)
    model, ranges = trainer.export(), trainer.ranges()
    assert list(ranges) == [model.tensors[op.inputs[0]].name for op in model.ops if op.type in ("Convolution", "Dense")]
    known = constants(model)

    def rounded(values: np.ndarray, name: str) -> np.ndarray:
        low, high = ranges[name]
        step = np.float32((max(high, 0) - min(low, 0)) / 255).astype(np.float64)
        zero = np.rint(-min(low, 0) / step)
        return (np.clip(np.rint(values / step) + zero, 0, 255) - zero) * step

    def layer(values: np.ndarray, name: str) -> np.ndarray:
        w, b = known[f"{name}/weights"].astype(np.float64), known[f"{name}/bias"].astype(np.float64)
        if w.ndim == 2:
            return values.reshape(len(values), -1) @ w.T + b
        windows = np.lib.stride_tricks.sliding_window_view(values, w.shape[1:3], axis=(1, 2))
        return np.einsum("nyxcij,oijc->nyxo", windows, w, optimize=True) + b

    y = test.astype(np.float64)
    for number, (name, tensor) in enumerate(zip(["conv1", "conv2", "ip1", "ip2"], ranges, strict=True)):
        y = layer(rounded(y, tensor), name)
        if number < 2:
            y = np.maximum.reduce([y[:, i::2, j::2] for i in (0, 1) for j in (0, 1)])
        elif number == 2:
            y = np.maximum(y, 0)

    def differences(**options: Any) -> np.ndarray:
        quantized = edgeai.quantize(model, x[:50], **options).model
        (scale,), (zero,) = quantized.tensor_scales(quantized.ops[-1].inputs[0])
        outputs = edgeai.Session(quantized)(test)
        return np.rint(outputs / scale) - np.clip(np.rint(y / np.float64(scale)), -zero, 255 - zero)

    exact = differences(ranges=ranges)
    assert np.abs(exact).max() <= 1
    assert np.mean(exact != 0) < 0.02
    assert np.mean(differences() != 0) > 0.1


def parted(reader: str) -> edgeai.Model:
    """A layer whose result, a hundred times larger in its second half, is split: the halves are read by two dense layers, or by one and a
    concatenation; or a convolution that a max pool and an average pool read."""
    random = np.random.default_rng(7)

    def normal(*shape: int) -> np.ndarray:
        return (random.normal(0, 1, shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    first = normal(16, 8)
    first[8:] *= 100
    split = [
        helper.make_node("Gemm", ["x", "w"], ["y"], transB=1),
        helper.make_node("Relu", ["y"], ["z"]),
        helper.make_node("Split", ["z"], ["a", "b"], axis=1),
        helper.make_node("Gemm", ["a", "wa"], ["c"], transB=1),
    ]
    pools = [
        helper.make_node("Reshape", ["x", "shape"], ["image"]),
        helper.make_node("Conv", ["image", "wi"], ["h"]),
        helper.make_node("MaxPool", ["h"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p", "wp"], ["c"]),
        helper.make_node("AveragePool", ["h"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Add", ["c", "m"], ["out"]),
    ]
    nodes = {
        "concatenation": [*split, helper.make_node("Concat", ["c", "b"], ["out"], axis=1)],
        "layer": [*split, helper.make_node("Gemm", ["b", "wb"], ["d"], transB=1), helper.make_node("Add", ["c", "d"], ["out"])],
        "pool": pools,
    }[reader]
    every = {
        "w": first, "wa": normal(8, 8), "wb": normal(8, 8), "wi": normal(6, 1, 1, 1), "wp": normal(6, 6, 1, 1),
        "shape": np.array([-1, 1, 4, 2]),
    }
    used = {name: value for name, value in every.items() if any(name in node.input for node in nodes)}
    return edgeai.load(small_model(nodes, {"x": ("n", 8)}, ["out"], used))


@pytest.mark.parametrize("reader", ["concatenation", "layer", "pool"])
def test_learnt_ranges_saturate_nothing_for_other_readers(reader: str) -> None:
    x = np.random.default_rng(8).normal(0, 1, (64, 8)).astype(np.float32)
    model = parted(reader)
    trainer = train.Trainer(
        model, optimizer=train.SGD(1e-9), methods=[train.QuantizationAware(delay=2)], loss="mean_squared_error", batch=64
    )
    for _ in range(4):
        trainer.step(x, edgeai.Session(model)(x))
    trained, ranges = trainer.export(), trainer.ranges()
    assert len(ranges) == (3 if reader == "layer" else 2)
    calibrated, given = (edgeai.quantize(trained, x, report_samples=64, ranges=known).report.sqnr_db for known in (None, ranges))
    assert calibrated > 30
    assert given > calibrated - 1


def test_ranges_are_those_of_what_is_not_dropped() -> None:
    x, labels = points(64)

    def ranges(dropout: float) -> list[tuple[float, float]]:
        trainer = train.Trainer(small(), optimizer=train.SGD(1e-9), methods=[train.QuantizationAware(delay=1)], batch=64, dropout=dropout)
        for _ in range(3):
            trainer.step(x, labels)
        return list(trainer.ranges().values())

    # The first layer's input is not dropped, so what the second reads is the same with dropout as without.
    assert ranges(0.5)[:2] == [pytest.approx(pair, rel=1e-5) for pair in ranges(0)[:2]]


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"no such tensor": (0, 1)}, "no such tensor"),
        ({"fc1/weights": (0, 1)}, "fc1/weights"),
        ({"input": (1, 0)}, "input"),
        ({"input": (0, float("nan"))}, "input"),
        ({"input": (-float("inf"), 1)}, "input"),
    ],
)
def test_ranges_that_are_none(ranges: dict[str, tuple[float, float]], message: str) -> None:
    with pytest.raises(edgeai.ArgumentError, match=message):
        edgeai.quantize(small(), points(8)[0], ranges=ranges)


@pytest.mark.parametrize("values", ["binary", "xnor", "ternary"])
def test_binary_weights(values: str) -> None:
    x, labels = points(64)
    trainer = train.Trainer(small(batch_norm=True), methods=[train.BinaryWeights(values)], batch=64)  # type: ignore[arg-type]
    for _ in range(8):
        trainer.step(x, labels)
    model = trainer.export(trainable=True)
    first, middle, last = weights(model).values()
    for row in middle:
        magnitudes = np.unique(np.abs(row[row != 0]))
        assert len(magnitudes) == 1
        assert values == "ternary" or (row != 0).all()
    assert len(np.unique(np.abs(first[0]))) > 2
    assert len(np.unique(np.abs(last[0]))) > 2
    assert any(op.type == "Binarize" for op in model.ops) == (values == "xnor")


def test_what_binary_weights_add_has_names_of_its_own() -> None:
    random = np.random.default_rng(0)
    sizes = {"w0": (6, 8), "w1": (8, 8), "w2": (8, 8), "first/clamp": (8, 3)}
    w = {name: random.standard_normal(size).astype(np.float32) for name, size in sizes.items()}
    nodes = [helper.make_node("Gemm", ["x", "w0"], ["h"], name="first"), helper.make_node("Relu", ["h"], ["r"]),
             helper.make_node("Gemm", ["r", "w1"], ["m"], name="mid"), helper.make_node("Add", ["m", "r"], ["s"]),
             helper.make_node("Gemm", ["s", "w2"], ["mid/signs"], name="mid/signs"),
             helper.make_node("Gemm", ["mid/signs", "first/clamp"], ["y"], name="first/clamp")]  # fmt: skip
    model = edgeai.load(small_model(nodes, {"x": ("n", 6)}, ["y"], w))
    exported = train.Trainer(model, methods=[train.BinaryWeights("xnor")], batch=4).export(trainable=True)
    named = [op.name for op in exported.ops]
    assert {"mid/signs/2", "mid/signs/signs", "first/clamp/2"} <= set(named)
    assert len(set(named)) == len(named)
    assert len({tensor.name for tensor in exported.tensors}) == len(exported.tensors)
    # A report tells the layers from what belongs to them.
    stages = edgeai.stage_report(model, {"binary": exported}, np.ones((4, 6), np.float32)).stages
    assert [layer.weights for layer in stages[1].layers] == [48, 64, 64, 24]


def test_penalties_pull_towards_zero() -> None:
    x, labels = points(64)

    def size(methods: list[train.Method], of: str) -> float:
        trainer = train.Trainer(small(batch_norm=True), methods=methods, batch=64)
        for _ in range(60):
            trainer.step(x, labels)
        found = constants(trainer.export(trainable=True))
        return sum(float(np.abs(value).sum()) for name, value in found.items() if name.endswith(of))

    assert size([train.Slimming(0.05)], "/gamma") < 0.9 * size([], "/gamma")
    assert size([train.EntropyPenalty(0.005)], "/weights") < 0.9 * size([], "/weights")


def test_eight_bits_learn() -> None:
    x, labels = points(64)
    trainer = train.Trainer(small(batch_norm=True), methods=[train.EightBit()], batch=64, optimizer=train.SGD(0.05))
    first = trainer.step(x, labels)
    for _ in range(60):
        last = trainer.step(x, labels)
    assert last.loss < first.loss / 2


def test_slimming_to_a_narrow_network() -> None:
    """The whole road: penalty, pruning of channels by their factors, and another trainer."""
    x, labels = points(96)
    wide = train.Trainer(small(batch_norm=True, gamma=0.5), methods=[train.Slimming(1e-3)], batch=32, optimizer=train.SGD(0.05))
    wide.fit(train.batches(x, labels, 32), epochs=10, progress=False)
    narrow = edgeai.prune_channels(wide.export(trainable=True), 0.5, criterion="scale").model
    assert narrow.parameters < 0.7 * wide.export(trainable=True).parameters
    tuned = train.Trainer(narrow, batch=32, optimizer=train.SGD(0.05))
    tuned.fit(train.batches(x, labels, 32), epochs=10, progress=False)
    assert tuned.evaluate(x, labels).accuracy > 0.9


# ---- What it says


def test_facts() -> None:
    trainer = train.Trainer(small(), batch=32, threads=2)
    assert trainer.steps == 0
    assert trainer.learning_rate == pytest.approx(0.01)
    assert trainer.memory > 4 * small().parameters
    assert len(trainer.plan) > 10
    assert all(step.kernel and step.isa for step in trainer.plan)
    assert repr(trainer).startswith("<edgeai.train.Trainer step 0, batches of 32, ")


def test_history_as_text_and_picture() -> None:
    x, labels = points(64)
    history = train.Trainer(small(), batch=32).fit(train.batches(x, labels, 32), epochs=2, validation=(x, labels), progress=False)
    assert str(history).splitlines()[0].split()[:3] == ["epoch", "steps", "loss"]
    assert len(str(history).splitlines()) == 4
    assert train.History().to_dict() == {}
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    loss, accuracy = history.plot()
    assert [len(axes.lines) for axes in (loss, accuracy)] == [2, 2]
    assert list(loss.lines[1].get_ydata()) == history.to_dict()["validation_loss"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hinge"}, "unknown loss 'hinge'"),
        ({"batch": 0}, "batch"),
        ({"threads": 0}, "threads is 0"),
        ({"optimizer": train.SGD(-1.0)}, "learning rate"),
        ({"schedule": train.Cosine(0)}, "total number of steps"),
        ({"schedule": train.Step(0)}, "period"),
        ({"dropout": 1.0}, "dropout"),
        ({"label_smoothing": 1.5}, "label smoothing"),
        ({"frozen": ["no such layer"]}, "no operator is named no such layer"),
        ({"methods": [train.MagnitudePruning(1.5)]}, "sparsity"),
        ({"methods": [train.MagnitudePruning(layers={"no such layer": 0.5})]}, "no such layer"),
        ({"methods": [train.Slimming()]}, "batch normalization"),
        ({"methods": [train.BinaryWeights("quaternary")]}, "unknown values 'quaternary'"),  # type: ignore[arg-type]
        ({"methods": [train.QuantizationAware(9)]}, "bits"),
        ({"seed": 2**63}, "seed"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(edgeai.ArgumentError, match=message):
        train.Trainer(small(), **options)


def test_what_cannot_be_trained(quantized: edgeai.Result, two_inputs: edgeai.Model) -> None:
    with pytest.raises(edgeai.UnsupportedOpError, match="quantized"):
        train.Trainer(quantized.model)
    with pytest.raises(edgeai.UnsupportedOpError, match="2 outputs"):
        train.Trainer(two_inputs)


def test_a_trained_onnx_model_goes_on_learning(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    """The bundled classifier, with transposes, residuals, depthwise layers and ReLU6, is tuned on its own test pictures."""
    x, y = subset["images"][:32], subset["labels"][:32]
    trainer = train.Trainer(classifier, optimizer=train.SGD(1e-3), batch=32, threads=2)
    before = trainer.evaluate(x, y)
    for _ in range(5):
        trainer.step(x, y)
    assert trainer.evaluate(x, y).loss < before.loss


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda t, x, y: t.step(x[:31], y[:31]), edgeai.ShapeError, "32 samples"),
        (lambda t, x, y: t.step(x, y[:31]), edgeai.ShapeError, "labels"),
        (lambda t, x, y: t.step(x[:, :5], y), edgeai.ShapeError, "shape"),
        (lambda t, x, y: t.step(x.astype(np.float64), y), edgeai.DTypeError, "float32"),
        (lambda t, x, y: t.step((x, x), y), edgeai.ShapeError, "1 inputs"),
        (lambda t, x, y: t.step({"other": x}, y), edgeai.ArgumentError, "inputs are"),
        (lambda t, x, y: t.step(x, np.where(y == 2, 3, y)), edgeai.ArgumentError, "there are 3 classes"),
        (lambda t, x, y: t.step(x, y - 2**40), edgeai.ArgumentError, "label 0 is -1"),
        (lambda t, x, y: t.step(x, np.zeros((32, 4))), edgeai.ShapeError, "targets"),
        (lambda t, x, y: t.step(x, np.zeros(32)), edgeai.ShapeError, "targets"),
        (lambda t, x, y: t.evaluate(x[:0], y[:0]), edgeai.ShapeError, "sample"),
        (lambda t, x, y: t.evaluate(x, y[:5]), edgeai.ShapeError, "labels"),
    ],
)
def test_wrong_arrays(call: Callable[[train.Trainer, np.ndarray, np.ndarray], object], kind: type[Exception], message: str) -> None:
    x, labels = points(32)
    trainer = train.Trainer(small(), batch=32)
    before = trainer.to_bytes()
    with pytest.raises(kind, match=message):
        call(trainer, x, labels)
    assert trainer.to_bytes() == before
