"""Training from Python: what it learns, and what it says when something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from training_tasks import Data, constants, points, small

import edgeai
from edgeai import architectures, train


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
