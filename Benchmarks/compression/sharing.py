"""Weights on a grid: bytes of released and trained networks, complete files, at the accuracy they had.

Top-1 on the photos is cross-validated: what is calibrated with one half of the photos is judged on the other, both ways, and the
larger file counts. Labels are never used for calibration. One photo is half a point.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import releases

import edgeai

NET = "models/deep-compression/compressed_SqueezeNet.net"
#: Prices to try, dear bits first; each about a fifth more or less than the next.
PRICES = [0.02, 0.016, 0.0128, 0.01, 0.008, 0.0064, 0.005, 0.004, 0.0032, 0.0025, 0.002, 0.0016, 0.0012, 0.001, 0.0008, 0.0006, 0.0005]


def scores(model: edgeai.Model, images: np.ndarray, batch: int = 1) -> np.ndarray:
    with edgeai.Session(model) as session:
        return np.concatenate([session(images[i : i + batch]) for i in range(0, len(images), batch)])


def right(model: edgeai.Model, images: np.ndarray, classes: np.ndarray, batch: int = 1) -> int:
    return int(np.count_nonzero(scores(model, images, batch).argmax(1) == classes))


def size(model: edgeai.Model) -> int:
    """Bytes of the whole file: graph, names, steps, biases, weights."""
    return len(model.to_bytes(coding="adaptive"))


def crossed(model: edgeai.Model, images: np.ndarray, classes: np.ndarray, price: float) -> tuple[int, int]:
    """The larger file of two, and the photos both get right together, each of the half it was not calibrated with."""
    bytes_, correct = 0, 0
    for half in (0, 1):
        made = edgeai.quantize_weights(model, price, data=images[half::2][::2], sensitivity_samples=12, report_samples=0).model
        bytes_ = max(bytes_, size(made))
        correct += right(made, images[1 - half :: 2], classes[1 - half :: 2])
    return bytes_, correct


def cheapest(model: edgeai.Model, images: np.ndarray, classes: np.ndarray, least: int, prices: list[float]) -> tuple[float, int, int]:
    """The first of the prices at which so many photos are right: price, bytes, photos."""
    for price in prices:
        bytes_, correct = crossed(model, images, classes, price)
        if correct >= least:
            return price, bytes_, correct
    raise SystemExit(f"no price keeps {least} photos")


def squeezenet(data: pathlib.Path) -> Iterator[dict[str, Any]]:
    images, classes = releases.squeezenet_photos(data / "images/imagenet200")
    model = edgeai.load(releases.squeezenet(data / NET))
    before = right(model, images, classes)
    share = 100 / len(images)
    yield {
        "case": "squeezenet_top1", "value": before * share, "unit": "%",
        "how": f"Deep Compression's released SqueezeNet on {len(images)} photos, in float32",
    }  # fmt: skip
    price, bytes_, correct = cheapest(model, images, classes, before - 2, PRICES[6:])
    yield {
        "case": "squeezenet_near_bytes", "value": bytes_, "unit": "bytes",
        "how": f"the same network's file after quantize_weights at price {price:g}, adaptive coding; the paper's 6-bit file: 468,302",
    }  # fmt: skip
    yield {
        "case": "squeezenet_near_top1", "value": correct * share, "unit": "%",
        "how": "that file, each photo judged by a model calibrated with other photos",
    }  # fmt: skip


def surgery(data: pathlib.Path, name: str, case: str, make: Callable[[pathlib.Path], bytes]) -> Iterator[dict[str, Any]]:
    model = edgeai.load(make(data / f"models/dns/caffe_{name}_sparse.caffemodel"))
    digits, _ = releases.mnist(data / "datasets/mnist.npz", "train")
    images, labels = releases.mnist(data / "datasets/mnist.npz")
    before = len(images) - right(model, images, labels, 1000)
    for price in [0.01, 0.008, 0.0064, 0.005, 0.004, 0.0032, 0.0025, 0.002, 0.0016, 0.0012, 0.001, 0.0008, 0.0006, 0.0004]:
        made = edgeai.quantize_weights(model, price, data=digits[:2000], sensitivity_samples=500, report_samples=0).model
        wrong = len(images) - right(made, images, labels, 1000)
        if wrong <= before + 10:
            break
    yield {
        "case": f"dns_{case}_bytes", "value": size(made), "unit": "bytes",
        "how": f"file of the released pruned network after quantize_weights at price {price:g}, calibrated with 2,000 training digits",
    }  # fmt: skip
    yield {
        "case": f"dns_{case}_error", "value": wrong / 100, "unit": "%",
        "how": f"of 10,000 test digits; the released network has {before / 100:.2f} %; the price is the first within 0.1 point",
    }  # fmt: skip


def cases(data: pathlib.Path | None) -> Iterator[dict[str, Any]]:
    if data is None:
        return
    yield from surgery(data, "lenet300100", "lenet300", releases.lenet_300_100)
    yield from surgery(data, "lenet5", "lenet5", releases.lenet_5)
    yield from squeezenet(data)
