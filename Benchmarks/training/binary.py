"""XNOR-Net (Rastegari et al. 2016): LeNet-5 whose second convolution and first dense layer multiply signs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import data
import learning
import numpy as np

import edgeai
from edgeai import architectures, train

EPOCHS, RATE = 8, 1e-3


def cases(images: str, prefix: str) -> Iterator[dict[str, Any]]:
    pictures = data.load(images)
    trainer = learning.learn(
        architectures.binary_lenet5(seed=learning.SEED), pictures, epochs=EPOCHS, rate=RATE, batch=64, decay=0.0, adam=True,
        methods=[train.BinaryWeights("xnor")], what="binary lenet5",
    )  # fmt: skip
    model = trainer.export()
    with edgeai.Session(model, batch=1000) as session:
        kernels = sorted({step.kernel for step in session.plan if step.kernel.startswith("conv_binary")})
    if len(kernels) == 0:
        raise SystemExit("no binary kernel runs the binary network")
    # The export computes with bits; the model as it was trained multiplies floats.
    trained = learning.scores(trainer.export(trainable=True), pictures.test).argmax(1)
    same = int(np.count_nonzero(learning.scores(model, pictures.test).argmax(1) == trained))
    yield learning.row(
        f"{prefix}xnor_error", learning.error(model, pictures), "%",
        f"conv2 and ip1 binary, {EPOCHS} epochs; run by {', '.join(kernels)}; {same:,} of 10,000 predictions are those of the trained graph",
    )  # fmt: skip
