"""Quantization-aware training of LeNet-5 with weights of 4 and 2 bits, beside rounding alone; what the error grows by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import data
import learning
import surgery

from edgeai import train

#: Bits: epochs, learning rate.
RECIPES = {4: (2, 0.01), 2: (3, 0.02)}


def cases(images: str, prefix: str) -> Iterator[dict[str, Any]]:
    pictures = data.load(images)
    network = surgery.dense("lenet5", images)
    before = learning.error(network, pictures)
    for bits, (epochs, rate) in RECIPES.items():
        rounded = min(
            learning.error(train.Trainer(network, methods=[train.QuantizationAware(bits, learn_step=learnt)]).export(), pictures)
            for learnt in (False, True)
        )
        yield learning.row(
            f"{prefix}ptq{bits}_drop", rounded - before, "points",
            f"LeNet-5's weights rounded to {bits} bits without training, steps from the largest or the mean magnitude, the better one",
        )  # fmt: skip
        trainer = learning.learn(
            network, pictures, epochs=epochs, rate=rate, batch=64,
            methods=[train.QuantizationAware(bits, learn_step=True)], what=f"{bits}-bit lenet5",
        )  # fmt: skip
        after = learning.error(trainer.export(), pictures)
        yield learning.row(
            f"{prefix}qat{bits}_drop", after - before, "points",
            f"all weights of LeNet-5 with {bits} bits, activations with 8 in training: {after:.2f} % after {epochs} epochs from float's "
            f"{before:.2f} %",
        )  # fmt: skip
