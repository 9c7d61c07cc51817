"""What the tests share: the bundled classifier and its data, and small models built on the spot."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgeai

ROOT = Path(__file__).resolve().parents[2]
CLASSIFIER = ROOT / "Examples/models/fashion_mnist.onnx"
SUBSET = ROOT / "Examples/data/fashion_mnist_subset.npz"


def prepared(pixels: np.ndarray) -> np.ndarray:
    """Pixels as the classifier of Examples/models wants them, [N, 1, 28, 28]."""
    return ((pixels[:, None].astype(np.float32) / 255 - np.float32(0.2860)) / np.float32(0.3530)).astype(np.float32)


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """The greatest difference, relative to the greatest magnitude expected."""
    largest = float(np.abs(expected).max())
    return float(np.abs(found.astype(np.float64) - expected).max()) / (largest if largest > 0 else 1.0)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def classifier() -> edgeai.Model:
    return edgeai.load(CLASSIFIER)


@pytest.fixture(scope="session")
def subset() -> dict[str, np.ndarray]:
    """images [1000, 1, 28, 28], labels [1000], calibration [256, 1, 28, 28]."""
    loaded = np.load(SUBSET)
    return {
        "images": prepared(loaded["images"]),
        "labels": loaded["labels"],
        "calibration": prepared(loaded["calibration"]),
    }


@pytest.fixture(scope="session")
def pictures(subset: dict[str, np.ndarray]) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The bundled pictures as rows of 784 numbers with their labels: 800 to learn from, 200 to judge with."""
    x = subset["images"].reshape(1000, 784)
    return (x[:800], subset["labels"][:800]), (x[800:], subset["labels"][800:])


@pytest.fixture(scope="session")
def quantized(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> edgeai.Result:
    return edgeai.quantize(classifier, subset["calibration"])


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder EDGEAI_TEST_DATA names."""
    folder = os.environ.get("EDGEAI_TEST_DATA")
    if not folder:
        pytest.skip("EDGEAI_TEST_DATA is not set: no real photos and models here")
    return Path(folder)


def small_model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[object, ...]],
    outputs: list[str],
    constants: dict[str, np.ndarray] | None = None,
    opset: int = 17,
) -> bytes:
    """A float32 ONNX model; a dimension may be the name of a free one."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    # The IR version onnxruntime and opset agree on; newer onnx packages write one it may not know.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return model.SerializeToString()


@pytest.fixture(scope="session")
def two_inputs() -> edgeai.Model:
    """sum = a + b [N, 3]; product = a * b [N, 3]."""
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Mul", ["a", "b"], ["product"])]
    return edgeai.load(small_model(nodes, {"a": ("n", 3), "b": ("n", 3)}, ["sum", "product"]))


@pytest.fixture(scope="session")
def fixed_batch() -> edgeai.Model:
    """y = relu(x) [2, 5]: no symbolic batch."""
    return edgeai.load(small_model([helper.make_node("Relu", ["x"], ["y"])], {"x": (2, 5)}, ["y"]))


@pytest.fixture
def aligned() -> Callable[[int], np.ndarray]:
    """Makes byte arrays that begin at a multiple of 64."""

    def make(size: int) -> np.ndarray:
        raw = np.zeros(size + 64, np.uint8)
        start = -raw.ctypes.data % 64
        return raw[start : start + size]

    return make
