#!/usr/bin/env python3
"""Write the Fashion-MNIST files that the examples bundle.

Reads the full data set of the Debian package ``dataset-fashion-mnist`` and writes, next to this script,

* ``fashion_mnist_subset.npz``: ``images`` u8 [1000, 28, 28] and ``labels`` u8 [1000], the first 1,000 test images;
  ``calibration`` u8 [256, 28, 28], the first 256 training images (the two never overlap);
* ``fashion_sample.pgm``: one of those test images as binary PGM (P5);
* ``fashion_labels.txt``: the ten class names, line N (from 0) naming label N.

Fashion-MNIST: Copyright (c) 2017 Zalando SE, MIT licence.
"""

from __future__ import annotations

import argparse
import gzip
import struct
from pathlib import Path

import numpy as np

DATASET = Path("/usr/share/datasets/fashion-mnist")
HERE = Path(__file__).resolve().parent

LABELS = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)
TEST_IMAGES = 1000
CALIBRATION_IMAGES = 256
SAMPLE = 0  # index, within the test images, of the picture written as PGM


def read_idx(path: Path) -> np.ndarray:
    """Read one gzipped IDX file of unsigned bytes; raises ``ValueError`` when it is anything else."""
    raw = gzip.decompress(path.read_bytes())
    zero, kind, rank = struct.unpack_from(">HBB", raw)
    if zero != 0 or kind != 0x08:
        raise ValueError(f"{path}: not an IDX file of unsigned bytes")
    shape = struct.unpack_from(f">{rank}I", raw, 4)
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * rank)
    return values.reshape(shape)


def read_split(split: str, folder: Path = DATASET) -> tuple[np.ndarray, np.ndarray]:
    """Return images u8 [N, 28, 28] and labels u8 [N] of ``split``, which is ``"train"`` or ``"t10k"``."""
    if not folder.is_dir():
        raise SystemExit(f"{folder} is missing: apt-get install dataset-fashion-mnist")
    images = read_idx(folder / f"{split}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{split}-labels-idx1-ubyte.gz")
    return images, labels


def write_pgm(path: Path, image: np.ndarray) -> None:
    """Write one u8 [height, width] picture as binary PGM."""
    height, width = image.shape
    path.write_bytes(b"P5\n%d %d\n255\n" % (width, height) + image.tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the bundled Fashion-MNIST subset.")
    parser.add_argument("--dataset", type=Path, default=DATASET, help="folder with the four IDX files")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    arguments = parser.parse_args()

    test_images, test_labels = read_split("t10k", arguments.dataset)
    train_images, _ = read_split("train", arguments.dataset)
    subset = arguments.out / "fashion_mnist_subset.npz"
    np.savez_compressed(
        subset,
        images=test_images[:TEST_IMAGES],
        labels=test_labels[:TEST_IMAGES],
        calibration=train_images[:CALIBRATION_IMAGES],
    )
    write_pgm(arguments.out / "fashion_sample.pgm", test_images[SAMPLE])
    (arguments.out / "fashion_labels.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    print(f"{subset.name}: {subset.stat().st_size} bytes")
    print(f"fashion_sample.pgm: label {test_labels[SAMPLE]} ({LABELS[test_labels[SAMPLE]]})")


if __name__ == "__main__":
    main()
