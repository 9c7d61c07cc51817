"""Training is the same each time: bits, checkpoints, and what it does not touch."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import small_model
from onnx import helper
from training_tasks import constants, points, small

import edgeai
from edgeai import architectures, train


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
