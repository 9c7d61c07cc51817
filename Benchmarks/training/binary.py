"""LeNet-5 whose second convolution and first dense layer multiply signs (XNOR-Net, Rastegari et al. 2016), or have binary or ternary
weights (Rastegari et al. 2016; Li et al. 2016) on float activations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import data
import learning
import numpy as np

import edgeai
from edgeai import architectures, train

EPOCHS, RATE = 8, 1e-3


def same_predictions(trainer: train.Trainer, model: edgeai.Model, pictures: data.Images) -> str:
    """How many predictions of the exported model are those of the model as it was trained, which multiplies floats throughout."""
    trained = learning.scores(trainer.export(trainable=True), pictures.test).argmax(1)
    same = int(np.count_nonzero(learning.scores(model, pictures.test).argmax(1) == trained))
    return f"{same:,} of {len(trained):,} predictions are those of the trained graph"


def cases(images: str, prefix: str) -> Iterator[dict[str, Any]]:
    pictures = data.load(images)
    settings: dict[str, Any] = {"epochs": EPOCHS, "rate": RATE, "batch": 64, "decay": 0.0, "adam": True}
    trainer = learning.learn(
        architectures.binary_lenet5(seed=learning.SEED), pictures, **settings, methods=[train.BinaryWeights("xnor")], what="binary lenet5"
    )
    model = trainer.export()
    with edgeai.Session(model, batch=1000) as session:
        kernels = sorted({step.kernel for step in session.plan if step.kernel.startswith("conv_binary")})
    if len(kernels) == 0:
        raise SystemExit("no binary kernel runs the binary network")
    yield learning.row(
        f"{prefix}xnor_error", learning.error(model, pictures), "%",
        f"conv2 and ip1 binary, {EPOCHS} epochs; run by {', '.join(kernels)}; {same_predictions(trainer, model, pictures)}",
    )  # fmt: skip
    for values, case in (("binary", "bwn"), ("ternary", "ternary")):
        trainer = learning.learn(
            architectures.lenet5(seed=learning.SEED), pictures, **settings, methods=[train.BinaryWeights(values)], what=f"{values} weights"
        )
        model = trainer.export()
        yield learning.row(
            f"{prefix}{case}_error", learning.error(model, pictures), "%",
            f"{values} weights in conv2 and ip1 of LeNet-5, {EPOCHS} epochs; {same_predictions(trainer, model, pictures)}",
        )  # fmt: skip
