"""Accuracy on real pictures: float equal to onnxruntime, int8 near float."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from conftest import CLASSIFIER, relative_error
from PIL import Image

import edgeai


def test_classifier_in_float_equals_onnxruntime(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    images = subset["images"]
    assert len(images) == 1000
    expected = onnxruntime.InferenceSession(CLASSIFIER).run(None, {"image": images})[0]
    session = edgeai.Session(classifier, threads=2)
    for size in (1000, 125, 1):
        found = np.concatenate([session(images[i : i + size]) for i in range(0, 1000, size)])
        assert relative_error(found, expected) < 1e-4
        assert np.array_equal(found.argmax(1), expected.argmax(1))
    assert np.mean(expected.argmax(1) == subset["labels"]) > 0.9


PHOTOS = "images/imagenet200"
NETWORK = "models/efficientnet_lite0_imagenet.onnx"


@pytest.fixture(scope="module")
def photos(test_data: Path) -> tuple[np.ndarray, np.ndarray]:
    return load_photos(test_data)


def load_photos(test_data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Photos [200, 3, 224, 224], short side 256, centre crop, (x - 127) / 128; and their classes."""
    files = sorted((test_data / PHOTOS).glob("*.jpg"))
    assert len(files) == 200
    images, classes = [], []
    for file in files:
        picture = Image.open(file).convert("RGB")
        left, top = ((side - 224) // 2 for side in picture.size)
        images.append(np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32))
        classes.append(int(re.match(r"\d+", file.name)[0]))  # type: ignore[index]
    prepared = (np.stack(images).transpose(0, 3, 1, 2) - 127) / 128
    return np.ascontiguousarray(prepared, np.float32), np.array(classes)


@pytest.fixture(scope="module")
def network(test_data: Path) -> edgeai.Model:
    return edgeai.load(test_data / NETWORK)


@pytest.fixture(scope="module")
def logits(network: edgeai.Model, photos: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return one_by_one(network, photos[0])


def one_by_one(model: edgeai.Model, images: np.ndarray) -> np.ndarray:
    with edgeai.Session(model, threads=2) as session:
        return np.concatenate([session(images[i : i + 1]) for i in range(len(images))])


def test_efficientnet_in_float_equals_onnxruntime(
    test_data: Path, photos: tuple[np.ndarray, np.ndarray], logits: np.ndarray
) -> None:
    images, _ = photos
    session = onnxruntime.InferenceSession(test_data / NETWORK)
    name = session.get_inputs()[0].name
    expected = np.concatenate([session.run(None, {name: images[i : i + 1]})[0] for i in range(len(images))])
    assert relative_error(logits, expected) < 1e-4
    assert np.array_equal(logits.argmax(1), expected.argmax(1))


@pytest.mark.parametrize("calibrator", ["min-max", "moving-average", "percentile", "entropy", "mse"])
def test_efficientnet_in_int8(
    calibrator: Any, network: edgeai.Model, photos: tuple[np.ndarray, np.ndarray], logits: np.ndarray
) -> None:
    """Calibrated with 64 of the 200 photos, as there are no others: that flatters int8. One photo is half a point."""
    images, classes = photos
    calibration = images[:: len(images) // 64][:64]
    result = edgeai.quantize(network, calibration, calibrator=calibrator, threads=2)
    assert result.report.skipped == ()
    in_int8 = np.mean(one_by_one(result.model, images).argmax(1) == classes)
    in_float = np.mean(logits.argmax(1) == classes)
    print(f"{calibrator}: float {in_float:.3f}, int8 {in_int8:.3f}, {result}")
    assert in_int8 >= in_float - 0.015 - 1e-9
