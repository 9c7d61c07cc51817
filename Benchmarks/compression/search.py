"""Searches within a budget, on EfficientNet-Lite0 and 200 photos."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import edgeai
import numpy as np


def cases(data: pathlib.Path | None) -> Iterator[dict[str, Any]]:
    if data is None:
        return
    from peer import efficientnet_photos

    model = edgeai.load(data / "models" / "efficientnet_lite0_imagenet.onnx")
    photos, labels = efficientnet_photos(data)

    def right(candidate: edgeai.Model) -> int:
        with edgeai.Session(candidate) as session:
            return int(sum(np.argmax(session(x[None])) == label for x, label in zip(photos, labels, strict=True)))

    # Every second photo is for the search, the others judge.
    own, held = slice(0, None, 2), slice(1, None, 2)
    result = edgeai.compress(model, photos[own], max_drop=1.0, labels=labels[own], scan_samples=4)
    photos, labels = photos[held], labels[held]
    how = "EfficientNet-Lite0 by edgeai.compress(max_drop=1, labels) on 100 photos, judged on 100 others"
    size = len(result.model.to_bytes(coding="adaptive"))
    yield {"case": "search_efficientnet_bytes", "value": size, "unit": "bytes", "how": "complete coded file; " + how}
    yield {"case": "search_efficientnet_top1", "value": right(result.model), "unit": "%", "how": how}
    yield {"case": "search_efficientnet_float_top1", "value": right(model), "unit": "%", "how": "the float model on the same photos"}
