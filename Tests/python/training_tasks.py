"""What the tests of training train: points around corners; and how they look at weights."""

from __future__ import annotations

from typing import Any

import numpy as np

import edgeai
from edgeai import architectures

Data = tuple[np.ndarray, np.ndarray]


def points(count: int = 96, seed: int = 0) -> Data:
    """Points around three corners, with the corner as label."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    x = random.normal(0, 0.5, (count, 6)).astype(np.float32)
    x[np.arange(count), labels] += 2
    return x, labels


def small(**options: Any) -> edgeai.Model:
    return architectures.mlp([6, 16, 12, 3], **options)


def constants(model: edgeai.Model) -> dict[str, np.ndarray]:
    tensors = model._core.tensors()
    return {t["name"]: model._core.tensor_data(i).copy() for i, t in enumerate(tensors) if t["constant"]}


def weights(model: edgeai.Model) -> dict[str, np.ndarray]:
    """Weights of the layers, one row for each output."""
    return {name: value for name, value in constants(model).items() if name.endswith("/weights")}
