"""8-bit training (Banner et al. 2018): what the error grows by against float32 at the same budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import data
import learning

from edgeai import architectures, train


def _pair(images: str, what: str, model: Any, **options: Any) -> tuple[float, float]:
    """Errors in float32 and in 8 bits."""
    pictures = data.load(images)
    found = [
        learning.error(learning.learn(model, pictures, methods=methods, what=f"{name} {what}", **options).export(), pictures)
        for name, methods in (("float32", []), ("8-bit", [train.EightBit()]))
    ]
    return found[0], found[1]


def cases(images: str, prefix: str) -> Iterator[dict[str, Any]]:
    model = architectures.lenet5(seed=learning.SEED)
    before, after = _pair(images, "lenet5", model, epochs=4, rate=0.03, batch=64, warm_up=200)
    yield learning.row(
        f"{prefix}int8_training_drop", after - before, "points", f"LeNet-5, 4 epochs each: {before:.2f} % in float32, {after:.2f} % in 8 bits"
    )
    if prefix:
        return
    if not data.has("cifar10"):
        print("CIFAR-10 is not here: ResNet-8 is left out")
        return
    network = architectures.resnet8(seed=learning.SEED)
    before, after = _pair("cifar10", "resnet8", network, epochs=5, rate=0.1, batch=64, warm_up=200, move=2, mirrored=True, decay=5e-4)
    yield learning.row("resnet8_error", before, "%", "ResNet-8 on CIFAR-10 in float32, 5 epochs")
    yield learning.row(
        "int8_training_resnet8_drop", after - before, "points", f"the same in 8 bits with Range BN: {after:.2f} %"
    )
