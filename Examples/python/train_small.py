#!/usr/bin/env python3
"""Train LeNet-5 on the bundled pictures, then again and again into a smaller file.

    python train_small.py [--out FOLDER] [--epochs N] [--threads N]

Needs numpy and the edgeai package. 800 pictures are few to learn from: the point is what each step does to size and accuracy. The
200 pictures that measure choose nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import edgeai
from edgeai import architectures, train

HERE = Path(__file__).resolve().parent
BATCH = 40


def shifted(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A batch moved by up to a pixel each way."""
    down, right = random.integers(-1, 2, 2)
    return np.roll(x, (down, right), axis=(1, 2))


def learn(model: edgeai.Model, data: train.Batches, epochs: int, rate: float, threads: int, **options: object) -> edgeai.Model:
    trainer = train.Trainer(
        model, optimizer=train.Adam(rate), schedule=train.Cosine(epochs * len(data)), batch=BATCH, threads=threads, **options
    )
    trainer.fit(data, epochs=epochs)
    return trainer.export()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train and shrink LeNet-5.")
    parser.add_argument("--out", type=Path, default=Path("."))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    epochs, threads = arguments.epochs, arguments.threads

    loaded = np.load(HERE.parent / "data/fashion_mnist_subset.npz")
    x = ((loaded["images"][..., None] / 255.0 - 0.2860) / 0.3530).astype(np.float32)
    y = loaded["labels"]
    data = train.batches(x[:800], y[:800], BATCH, augment=shifted)
    steps = epochs * len(data)

    dense = learn(architectures.lenet5(), data, epochs, 1e-3, threads, label_smoothing=0.05)
    surgery = train.NetworkSurgery(kept=0.04, layers={"conv*": 0.3, "ip2": 0.3}, last=steps // 2)
    pruned = learn(dense, data, epochs, 5e-4, threads, methods=[surgery], teacher=dense, temperature=2.0)
    clustered = edgeai.share(pruned, 4).model
    shared = learn(clustered, data, max(epochs // 3, 1), 1e-4, threads, methods=[train.SharedWeights()], teacher=dense)

    print(f"{'':10} {'accuracy':>8} {'weights':>9} {'bytes':>9}")
    for name, model in (("dense", dense), ("pruned", pruned), ("shared", shared)):
        path = arguments.out / f"lenet5-{name}.edgeai"
        model.save(path, coding="adaptive")
        scores = edgeai.Session(edgeai.load(path), threads=threads)(x[800:])
        kept = sum(layer.kept for layer in edgeai.compare(dense, model, [x[800:801]]).layers)
        print(f"{name:10} {100 * np.mean(scores.argmax(1) == y[800:]):6.1f} % {kept:9,} {path.stat().st_size:9,}")


if __name__ == "__main__":
    main()
