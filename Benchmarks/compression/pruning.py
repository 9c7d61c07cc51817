"""Pruning and low rank of EfficientNet-Lite0 on the 200 photos of EDGEAI_TEST_DATA.

Top-1 with calibration is cross-validated: what is calibrated with one half of the photos is judged on the other, both ways, so
no photo is judged by a model that has seen it. Labels are never used for calibration. One photo is half a point.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import edgeai

#: The ways to prune, by the name of the case.
METHODS: dict[str, dict[str, Any]] = {"50": {"amount": 0.5}, "24": {"pattern": (2, 4)}, "block1x4_50": {"amount": 0.5, "block": (1, 4)}}


def photos(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Photos [200, 3, 224, 224], centre crop, (x - 127) / 128; and their classes."""
    images, classes = [], []
    for file in sorted((data / "images/imagenet200").glob("*.jpg")):
        picture = Image.open(file).convert("RGB")
        left, top = ((side - 224) // 2 for side in picture.size)
        images.append(np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32))
        classes.append(int(file.name.split("_")[0]) if re.match(r"\d+_", file.name) else -1)
    return np.ascontiguousarray((np.stack(images).transpose(0, 3, 1, 2) - 127) / 128, np.float32), np.array(classes)


def right(model: edgeai.Model, images: np.ndarray, classes: np.ndarray) -> int:
    with edgeai.Session(model) as session:
        return int(sum(session(images[i : i + 1]).argmax() == classes[i] for i in range(len(images))))


def halves(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(0, count, 2), np.arange(1, count, 2)


def cases(data: Path | None) -> Iterator[dict[str, Any]]:
    """Rows as they are measured; none without data."""
    if data is None:
        return
    model = edgeai.load(data / "models/efficientnet_lite0_imagenet.onnx")
    images, classes = photos(data)
    both = halves(len(images))

    def percent(count: int) -> float:
        return round(100 * count / len(images), 2)

    yield {
        "case": "efficientnet_top1", "value": percent(right(model, images, classes)), "unit": "%",
        "how": "EfficientNet-Lite0, float32, nothing removed",
    }  # fmt: skip
    for name, settings in METHODS.items():
        result = edgeai.prune(model, **settings)
        what = f"edgeai.prune({', '.join(f'{key}={value}' for key, value in settings.items())})"
        yield {
            "case": f"efficientnet_{name}_top1", "value": percent(right(result.model, images, classes)), "unit": "%",
            "how": f"{what}, {100 * result.report.kept:.1f} % of all weights kept, no data: by magnitude alone",
        }  # fmt: skip
        for mode, sequential in (("repaired", False), ("sequential", True)):
            count, seconds = 0, 0.0
            for calibration, judged in zip(both, reversed(both), strict=True):
                start = time.perf_counter()
                repaired = edgeai.prune(model, data=images[calibration], sequential=sequential, report_samples=0, **settings).model
                seconds += time.perf_counter() - start
                count += right(repaired, images[judged], classes[judged])
            yield {
                "case": f"efficientnet_{name}_{mode}_top1", "value": percent(count), "unit": "%",
                "how": f"the same with data= and sequential={sequential}, judged on the photos it was not calibrated with; "
                       f"{seconds / 2:.0f} s on one thread",
            }  # fmt: skip
    for limit in (0.1, 0.2):
        count, parameters = 0, 0
        for calibration, judged in zip(both, reversed(both), strict=True):
            result = edgeai.factorize(model, limit, data=images[calibration], report_samples=0)
            parameters += result.model.parameters
            count += right(result.model, images[judged], classes[judged])
        yield {
            "case": f"efficientnet_lowrank_{limit}_top1", "value": percent(count), "unit": "%",
            "how": f"edgeai.factorize(amount={limit}, data=), judged on the photos it was not calibrated with; "
                   f"{50 * parameters / model.parameters:.1f} % of the parameters kept",
        }  # fmt: skip


if __name__ == "__main__":
    import json
    import sys

    for row in cases(Path(sys.argv[1])):
        print(json.dumps(row), flush=True)
