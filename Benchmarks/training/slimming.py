"""Network Slimming (Liu et al. 2017) of the perceptron 784-500-300-10: share of the weights that go with whole neurons, and the error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import data
import learning

import edgeai
from edgeai import architectures, train

EPOCHS, TUNING, RATE, PENALTY = 15, 15, 0.1, 1e-4
WIDTHS, KEPT = (784, 500, 300, 10), (100, 60)


def _weights(model: edgeai.Model) -> int:
    return sum(values.size for values in learning.numbers(model).values() if values.ndim == 2)


def cases(images: str, prefix: str) -> Iterator[dict[str, Any]]:
    pictures = data.load(images)
    wide = architectures.mlp(WIDTHS, batch_norm=True, gamma=0.5, seed=learning.SEED)
    trainer = learning.learn(
        wide, pictures, epochs=EPOCHS, rate=RATE, batch=256, methods=[train.Slimming(PENALTY)], what="wide perceptron"
    )
    before = learning.error(trainer.export(), pictures)
    yield learning.row(f"{prefix}dense_mlp_error", before, "%", f"784-500-300-10 before channels go: {EPOCHS} epochs, batches of 256")
    shares = {f"fc{layer + 1}": 1 - kept / WIDTHS[layer + 1] for layer, kept in enumerate(KEPT)}
    narrow = edgeai.prune_channels(trainer.export(trainable=True), criterion="scale", layers=shares).model
    tuned = learning.learn(narrow, pictures, epochs=TUNING, rate=RATE, batch=256, what="narrow perceptron").export()
    widths = "-".join(str(width) for width in (WIDTHS[0], *KEPT, WIDTHS[-1]))
    yield learning.row(
        f"{prefix}slimming_pruned", 100 - 100 * _weights(tuned) / _weights(wide), "%",
        f"{_weights(wide):,} weights, {_weights(tuned):,} after the neurons with the smallest factors: {widths}",
    )  # fmt: skip
    yield learning.row(
        f"{prefix}slimming_error", learning.error(tuned, pictures), "%", f"that network after {TUNING} epochs of tuning"
    )
