"""Dynamic network surgery (Guo, Yao, Chen 2016) of LeNet-300-100 and LeNet-5: how many times fewer parameters, and at what error.

The dense network learns first. Then masks close on a cubic schedule while all weights go on learning, and the last epochs tune what
is left. The number of weights that each layer keeps is fixed beforehand, near the one of the authors' released networks.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import data
import learning
import numpy as np

import edgeai
from edgeai import architectures, train


@dataclass(frozen=True)
class Recipe:
    parameters: int
    batch: int
    #: Of the dense network.
    epochs: int
    rate: float
    #: Of the surgery: epochs in which masks close, epochs after them, learning rate and decay of weights.
    closing: int
    tuning: int
    surgery_rate: float
    surgery_decay: float
    #: Largest norm of all gradients together; 0 does not clip.
    clip: float
    #: Weights that stay, of how many; and the share of biases.
    kept: dict[str, tuple[int, int]]
    kept_biases: float


RECIPES = {
    "lenet300": Recipe(
        266_610, 128, 10, 0.1, 40, 15, 0.05, 5e-4, 0.0, {"ip1": (3680, 235_200), "ip2": (700, 30_000), "ip3": (250, 1000)}, 0.2
    ),
    "lenet5": Recipe(
        431_080, 64, 5, 0.03, 16, 8, 0.015, 1e-3, 2.0,
        {"conv1": (120, 500), "conv2": (880, 25_000), "ip1": (2600, 400_000), "ip2": (250, 5000)}, 0.1,
    ),
}  # fmt: skip


@functools.cache
def dense(name: str, images: str) -> edgeai.Model:
    """The network before surgery, to go on training."""
    recipe = RECIPES[name]
    model = architectures.lenet300(seed=learning.SEED) if name == "lenet300" else architectures.lenet5(seed=learning.SEED)
    trainer = learning.learn(
        model, data.load(images), epochs=recipe.epochs, rate=recipe.rate, batch=recipe.batch, warm_up=200, what=f"dense {name}"
    )
    return trainer.export(trainable=True)


@functools.cache
def sparse(name: str, images: str) -> edgeai.Model:
    recipe = RECIPES[name]

    def methods(steps: int) -> list[Any]:
        return [
            train.NetworkSurgery(
                kept=1.0,
                kept_biases=recipe.kept_biases,
                layers={layer: kept / count for layer, (kept, count) in recipe.kept.items()},
                gamma=0.0,
                every=20,
                last=recipe.closing * steps,
            )
        ]

    trainer = learning.learn(
        dense(name, images), data.load(images), epochs=recipe.closing + recipe.tuning, rate=recipe.surgery_rate, batch=recipe.batch,
        decay=recipe.surgery_decay, clip=recipe.clip, methods=methods, what=f"surgery of {name}",
    )  # fmt: skip
    return trainer.export()


def cases(images: str, prefix: str) -> Iterator[dict[str, Any]]:
    pictures = data.load(images)
    for name, recipe in RECIPES.items():
        yield learning.row(
            f"{prefix}dense_{name}_error", learning.error(dense(name, images), pictures), "%",
            f"before surgery: {recipe.epochs} epochs, batches of {recipe.batch}, Nesterov's momentum 0.9, rate {recipe.rate:g} on a cosine, "
            f"images moved by up to 1 pixel",
        )  # fmt: skip
        left = sum(int(np.count_nonzero(values)) for values in learning.numbers(sparse(name, images)).values())
        yield learning.row(
            f"{prefix}dns_{name}_ratio", recipe.parameters / left, "x",
            f"{recipe.parameters:,} parameters, {left:,} of them not zero; {recipe.closing} epochs of surgery and {recipe.tuning} of tuning",
        )  # fmt: skip
        yield learning.row(
            f"{prefix}dns_{name}_error", learning.error(sparse(name, images), pictures), "%", "that network, of the 10,000 test images"
        )
