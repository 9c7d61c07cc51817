"""The networks that are compared, and the arrays they are measured, calibrated and checked with."""

from __future__ import annotations

import pathlib
from typing import Any, Literal, get_args

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
Precision = Literal["fp32", "int8", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
Array = np.ndarray[Any, Any]

IMAGE = (1, 3, 224, 224)
# Names of Tests/python/architectures.py, which makes them, and the shape of the one input; here so that the command
# needs no torch to know them.
NETWORKS: dict[str, tuple[int, ...]] = {
    "mobilenet_v1": IMAGE,
    "mobilenet_v2": IMAGE,
    "squeezenet1_1": IMAGE,
    "resnet18": IMAGE,
    "resnet50": IMAGE,
    "alexnet": IMAGE,
    "vgg16": IMAGE,
    "minilm6": (1, 128, 384),
    "dscnn_kws": (1, 1, 49, 10),
    "lenet5": (1, 1, 28, 28),
}
SAMPLES = 8


def example(network: str) -> Array:
    """What every contender computes while it is measured."""
    return np.random.default_rng(7).standard_normal(NETWORKS[network], dtype=np.float32)


def calibration(network: str) -> Array:
    """What every contender is quantized with: SAMPLES inputs, one after the other in the first dimension."""
    shape = NETWORKS[network]
    return np.random.default_rng(2).standard_normal((SAMPLES, *shape[1:]), dtype=np.float32)


def channels_last(x: Array) -> Array:
    """Pictures as the runtimes take them that come from TensorFlow; anything else as it is."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if x.ndim == 4 else x


def cosine(found: Array, expected: Array) -> float:
    """1 where the directions agree; 0 for an output that is empty, not finite or of another size."""
    a, b = found.ravel().astype(np.float64), expected.ravel().astype(np.float64)
    if a.size != b.size or not np.isfinite(a).all():
        return 0.0
    length = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / length if length else 0.0
