"""Images to train on: MNIST and CIFAR-10 from the folder that EDGEAI_TEST_DATA names, Fashion-MNIST from Debian's package."""

from __future__ import annotations

import functools
import gzip
import io
import lzma
import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Where `apt-get install dataset-fashion-mnist` puts it.
FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True)
class Images:
    """Pixels, mean 0 and deviation 1, as [N, height, width, channels]; labels; and the value of a black pixel in each channel."""

    name: str
    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    black: np.ndarray


def _images(name: str, train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray) -> Images:
    channels = train.reshape(-1, train.shape[-1])
    mean, deviation = channels.mean(0) / 255, channels.std(0) / 255

    def scaled(pixels: np.ndarray) -> np.ndarray:
        return ((pixels.astype(np.float32) / 255 - mean) / deviation).astype(np.float32)

    black = scaled(np.zeros(train.shape[-1], np.uint8))
    return Images(name, scaled(train), train_labels.astype(np.int32), scaled(test), test_labels.astype(np.int32), black)


def folder() -> pathlib.Path | None:
    path = os.environ.get("EDGEAI_TEST_DATA")
    return pathlib.Path(path) / "datasets" if path else None


def has(name: str) -> bool:
    """Whether the images are here."""
    if name == "fashion":
        return FASHION.is_dir()
    files = {"mnist": "mnist.npz", "cifar10": "cifar10_jpeg.npz.xz"}
    place = folder()
    return place is not None and (place / files[name]).exists()


@functools.cache
def load(name: str) -> Images:
    place = folder()
    if name == "fashion":
        parts = [_idx(FASHION / f"{part}.gz") for part in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")]
        parts += [_idx(FASHION / f"{part}.gz") for part in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")]
        return _images(name, parts[0][..., None], parts[1], parts[2][..., None], parts[3])
    if place is None:
        raise SystemExit("EDGEAI_TEST_DATA is not set")
    if name == "mnist":
        with np.load(place / "mnist.npz") as arrays:
            return _images(name, arrays["x_train"][..., None], arrays["y_train"], arrays["x_test"][..., None], arrays["y_test"])
    with np.load(io.BytesIO(lzma.open(place / "cifar10_jpeg.npz.xz").read())) as arrays:
        parts = [_photos(arrays, part) for part in ("train", "test")]
        return _images(name, parts[0], arrays["train_labels"], parts[1], arrays["test_labels"])


def _idx(file: pathlib.Path) -> np.ndarray:
    content = gzip.open(file).read()
    sizes = np.frombuffer(content, ">u4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(sizes)).reshape([int(size) for size in sizes])


def _photos(arrays: Any, part: str) -> np.ndarray:
    from PIL import Image

    content, offsets = arrays[f"{part}_jpeg"], arrays[f"{part}_offsets"]
    photos = [np.asarray(Image.open(io.BytesIO(content[a:b].tobytes())).convert("RGB")) for a, b in zip(offsets, offsets[1:], strict=False)]
    return np.stack(photos)


def moved(images: Images, most: int, mirrored: bool = False) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Moves each image by up to so many pixels both ways, black where nothing was, and `mirrored` turns every second one around."""

    def augment(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
        count, height, width, channels = x.shape
        larger = np.empty((count, height + 2 * most, width + 2 * most, channels), np.float32)
        larger[:] = images.black
        larger[:, most : most + height, most : most + width] = x
        windows = np.lib.stride_tricks.sliding_window_view(larger, (height, width), axis=(1, 2))
        rows, columns = random.integers(0, 2 * most + 1, (2, count))
        result = windows[np.arange(count), rows, columns].transpose(0, 2, 3, 1)
        if mirrored:
            result = np.where((random.random(count) < 0.5)[:, None, None, None], result[:, :, ::-1], result)
        return np.ascontiguousarray(result)

    return augment
