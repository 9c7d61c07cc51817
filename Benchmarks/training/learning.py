"""What the cases share: a training with one rate that falls on a cosine, and the error on the test images at its end.

The last step's network counts, always: no test image chooses anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import data
import numpy as np

import edgeai
from edgeai import train

THREADS = 2
#: Figures come from one run with this seed.
SEED = 1


class Moved:
    """Batches of images in the shape that a model takes."""

    def __init__(self, images: data.Images, batch: int, seed: int, shape: Sequence[int], move: int, mirrored: bool) -> None:
        augment = data.moved(images, move, mirrored) if move else None
        self._batches = train.batches(images.train, images.train_labels, batch, seed=seed, augment=augment)
        self._shape = tuple(shape)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for x, y in self._batches:
            yield x.reshape(len(x), *self._shape), y


def learn(
    model: edgeai.Model,
    images: data.Images,
    *,
    epochs: int,
    rate: float,
    batch: int = 128,
    decay: float = 1e-4,
    clip: float = 0.0,
    warm_up: int = 0,
    move: int = 1,
    mirrored: bool = False,
    adam: bool = False,
    methods: Any = (),
    seed: int = SEED,
    what: str = "",
) -> train.Trainer:
    """`methods`: a list, or what makes one from the number of steps in an epoch."""
    source = Moved(images, batch, seed, [size for size in model.inputs[0].shape[1:] if size is not None], move, mirrored)
    trainer = train.Trainer(
        model,
        optimizer=train.Adam(rate) if adam else train.SGD(rate, 0.9, nesterov=True),
        schedule=train.Cosine(epochs * len(source)),
        warm_up=warm_up,
        methods=methods(len(source)) if callable(methods) else methods,
        batch=batch,
        threads=THREADS,
        weight_decay=decay,
        clip_norm=clip,
        seed=seed,
    )
    begin = time.monotonic()
    history = trainer.fit(source, epochs=epochs, progress=False, callbacks=_epoch)
    seconds = time.monotonic() - begin
    print(
        f"  {images.name}: {what or model.name}: {epochs} epochs, {trainer.steps} steps, {seconds:.0f} s, "
        f"{1000 * seconds / trainer.steps:.2f} ms a step, loss {history[-1]['loss']:.4f}",
        flush=True,
    )
    return trainer


def _epoch(figures: dict[str, float]) -> None:
    print(
        f"  epoch {figures['epoch']:2} loss {figures['loss']:.4f} accuracy {100 * figures['accuracy']:.2f} % in {figures['seconds']:.1f} s",
        flush=True,
    )


def scores(model: edgeai.Model, x: np.ndarray, batch: int = 1000, **options: Any) -> np.ndarray:
    shape = [size for size in model.inputs[0].shape[1:] if size is not None]
    with edgeai.Session(model, threads=THREADS, **options) as session:
        return np.concatenate([session(x[i : i + batch].reshape(-1, *shape)) for i in range(0, len(x), batch)])


def error(model: edgeai.Model, images: data.Images) -> float:
    """Percent of the test images that an ordinary session of the model gets wrong."""
    wrong = np.count_nonzero(scores(model, images.test).argmax(1) != images.test_labels)
    return 100 * wrong / len(images.test)


def numbers(model: edgeai.Model) -> dict[str, np.ndarray]:
    """The constants that are weights, biases or factors, by name."""
    return {
        tensor.name: model.tensor_data(index)
        for index, tensor in enumerate(model.tensors)
        if tensor.constant and tensor.dtype == "float32"
    }


def row(case: str, value: float, unit: str, how: str) -> dict[str, Any]:
    return {"case": case, "value": round(float(value), 4), "unit": unit, "seed": SEED, "how": how}
