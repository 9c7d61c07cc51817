"""What a search that was stopped takes when it goes on, in seconds of a processor: `.venv/bin/python Benchmarks/compression/resuming.py`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import edgeai

EXAMPLES = Path(__file__).resolve().parents[2] / "Examples"
Progress = Callable[[str, int, int], None]


class Enough(Exception):
    """Ends a search."""


def search(model: edgeai.Model, samples: np.ndarray, progress: Progress, checkpoint: Path | None = None) -> tuple[float, bytes]:
    """The seconds, and the model that was found."""
    begin = time.process_time()
    result = edgeai.compress(model, samples, target_bytes=20_000, progress=progress, checkpoint=checkpoint)
    return time.process_time() - begin, result.model.to_bytes()


def main() -> None:
    model = edgeai.load(EXAMPLES / "models/fashion_mnist.onnx")
    pixels = np.load(EXAMPLES / "data/fashion_mnist_subset.npz")["calibration"][:128]
    samples = ((pixels[:, None].astype(np.float32) / 255 - 0.2860) / 0.3530).astype(np.float32)
    start, calls = time.process_time(), []
    whole, expected = search(model, samples, lambda stage, done, total: calls.append((time.process_time() - start, stage)))
    for share in (0.3, 0.6, 0.9):
        at = next(number for number, (seconds, _) in enumerate(calls) if seconds >= share * whole)
        count, begin = iter(range(len(calls))), time.process_time()

        def stop(stage: str, done: int, total: int) -> None:
            if next(count) == at:
                raise Enough

        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder) / "state"
            try:
                search(model, samples, stop, state)
            except Enough:
                pass
            spent = time.process_time() - begin
            resumed, image = search(model, samples, lambda stage, done, total: None, state)
            if image != expected:
                raise AssertionError("the search that went on found another model")
            print(f"stopped after {spent:.2f} of {whole:.2f} s in {calls[at][1]!r}: {resumed:.2f} s more, {state.stat().st_size} bytes")


if __name__ == "__main__":
    main()
