#!/usr/bin/env python3
"""Quantizes the bundled Fashion-MNIST classifier and compares float with int8, and Python with C.

`make demo` runs this. Everything is measured here and now: accuracy on 1,000 pictures, bytes, latency of one picture
with one thread. Then the C program `classify` runs the file that was written, and its scores are compared bit by bit.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import edgeai

HERE = Path(__file__).resolve().parent
CALIBRATION_IMAGES = 256


def prepare(pixels: np.ndarray, model: edgeai.Model) -> np.ndarray:
    """Pixels [N, 28, 28] as the network wants them, [N, 1, 28, 28], by what its metadata says."""
    mean, std = (float(model.metadata[f"input.{name}"]) for name in ("mean", "std"))
    return ((pixels[:, None] / 255.0 - mean) / std).astype(np.float32)


def read_pgm(path: Path) -> np.ndarray:
    """The pixels [1, height, width] of a binary PGM without comments."""
    kind, width, height, depth, pixels = path.read_bytes().split(maxsplit=4)
    if kind != b"P5" or depth != b"255":
        raise SystemExit(f"{path}: not a binary PGM with 8 bits")
    return np.frombuffer(pixels, np.uint8).reshape(1, int(height), int(width))


def latencies(sessions: list[edgeai.Session], x: np.ndarray, rounds: int = 30, runs: int = 20) -> list[float]:
    """Median microseconds of one run of each session, taken in turns so that all meet the same machine."""
    times: list[list[float]] = [[] for _ in sessions]
    for _ in range(rounds):
        for session, seen in zip(sessions, times, strict=True):
            session(x)
            start = time.perf_counter()
            for _ in range(runs):
                session(x)
            seen.append((time.perf_counter() - start) / runs * 1e6)
    return [statistics.median(seen) for seen in times]


def comparison(models: dict[str, edgeai.Model], images: np.ndarray, labels: np.ndarray) -> Table:
    """Accuracy, sizes and latency, a column for each model."""
    sessions = [edgeai.Session(model, batch=1) for model in models.values()]
    hits = [np.mean(np.concatenate([s(images[i : i + 1]) for i in range(len(images))]).argmax(1) == labels) for s in sessions]
    table = Table(title=f"Fashion-MNIST, {len(images)} test images", title_justify="left")
    table.add_column("")
    for name in models:
        table.add_column(name, justify="right")
    table.add_row("accuracy", *(f"{100 * hit:.1f} %" for hit in hits))
    table.add_row("file", *(f"{len(model.to_bytes()):,} bytes" for model in models.values()))
    table.add_row("arena (activations)", *(f"{s.memory.activations:,} bytes" for s in sessions))
    table.add_row("memory in all", *(f"{s.memory.total:,} bytes" for s in sessions))
    table.add_row("latency, 1 thread", *(f"{t:.1f} µs" for t in latencies(sessions, images[:1])))
    return table


def worst_layers(report: edgeai.Report, count: int) -> Table:
    table = Table(title=f"The layers int8 hurts most (on {report.samples} samples)", title_justify="left")
    for heading in ("layer", "operator", "computes in"):
        table.add_column(heading)
    for heading in ("bytes", "SQNR", "cosine"):
        table.add_column(heading, justify="right")
    for layer in report.worst(count):
        table.add_row(
            layer.name, layer.op, layer.dtype, f"{layer.bytes_before:,} → {layer.bytes_after:,}", f"{layer.sqnr_db:.1f} dB", f"{layer.cosine:.5f}"
        )  # fmt: skip
    return table


def agree(classify: Path, file: Path, picture: Path, console: Console) -> bool:
    """Whether the C program's scores of a picture are Python's, bit for bit."""
    subprocess.run([classify, file, picture], check=True)
    printed = subprocess.run([classify, "--raw", file, picture], check=True, capture_output=True, text=True).stdout
    in_c = np.array([int(line, 16) for line in printed.split()], np.uint32)
    model = edgeai.load(file)
    in_python = edgeai.Session(model)(prepare(read_pgm(picture), model))[0].view(np.uint32)
    same = np.array_equal(in_c, in_python)
    console.print("C      ", *(f"{bits:08x}" for bits in in_c), highlight=False)
    console.print("Python ", *(f"{bits:08x}" for bits in in_python), highlight=False)
    console.print("[green]C and Python agree bit for bit[/]" if same else "[red]C and Python differ[/]")
    return same


def main() -> int:
    parser = argparse.ArgumentParser(description="Quantize the bundled classifier and compare.")
    parser.add_argument("--out", type=Path, default=HERE.parent / "build/demo", help="folder to write to")
    parser.add_argument("--classify", type=Path, default=HERE.parent / "build/examples/classify", help="the C program")
    parser.add_argument("--calibrator", default="min-max", choices=["min-max", "moving-average", "percentile", "entropy", "mse"])
    options = parser.parse_args()
    console = Console(width=110)

    console.print(edgeai.build_info(), highlight=False)
    model = edgeai.load(HERE / "models/fashion_mnist.onnx")
    data = np.load(HERE / "data/fashion_mnist_subset.npz")
    calibration = prepare(data["calibration"][:CALIBRATION_IMAGES], model)
    start = time.perf_counter()
    result = edgeai.quantize(model, calibration, calibrator=options.calibrator, progress=sys.stderr.isatty())
    seconds = time.perf_counter() - start
    console.print(f"quantized with {len(calibration)} images in {seconds:.1f} s, calibrator {options.calibrator}: {result!r}", highlight=False)
    console.print(comparison({"float": model, "int8": result.model}, prepare(data["images"], model), data["labels"]))
    console.print(worst_layers(result.report, 5))

    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "fashion_mnist.edgeai"
    result.save(file)
    console.print(f"wrote {file}\n\nThe C program on that file and {HERE / 'data/fashion_sample.pgm'}:", highlight=False, soft_wrap=True)
    return 0 if agree(options.classify, file, HERE / "data/fashion_sample.pgm", console) else 1


if __name__ == "__main__":
    sys.exit(main())
