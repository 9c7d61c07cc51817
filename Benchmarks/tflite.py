#!/usr/bin/env python3
"""How TFLite files compare with LiteRT: .venv/bin/python Benchmarks/tflite.py FILE.tflite ...

For each file, over 60 seeded inputs, one thread: the greatest relative error of a float result, or the greatest
difference in steps and the share of equal elements of an integer one; what two kinds of LiteRT (its own kernels and
XNNPACK's) differ in; the least time to load and plan the model and to run it, in milliseconds, with LiteRT's after a
slash. A model whose result is the label of a photo also takes --photos FOLDER and says for how many both agree.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from PIL import Image

import edgeai


def least(run: Callable[[], object], count: int) -> float:
    times = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


class Peer:
    def __init__(self, path: Path, plain: bool = False) -> None:
        resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if plain else OpResolverType.AUTO
        self.interpreter = Interpreter(str(path), num_threads=1, experimental_op_resolver_type=resolver)
        self.interpreter.allocate_tensors()
        self.input, self.output = self.interpreter.get_input_details()[0], self.interpreter.get_output_details()[0]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.interpreter.set_tensor(self.input["index"], x)
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.output["index"])


def inputs(peer: Peer, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(11)
    shape, kind = peer.input["shape"], peer.input["dtype"]
    if kind == np.float32:
        return [rng.uniform(0, 1, shape).astype(np.float32) for _ in range(count)]
    limits = np.iinfo(kind)
    return [rng.integers(limits.min, limits.max + 1, shape).astype(kind) for _ in range(count)]


def difference(found: list[np.ndarray], expected: list[np.ndarray]) -> str:
    a, b = np.stack(found).astype(np.float64), np.stack(expected).astype(np.float64)
    if expected[0].dtype == np.float32:
        return f"{max(np.abs(x - y).max() / np.abs(y).max() for x, y in zip(a, b, strict=True)):.1e}"
    return f"{int(np.abs(a - b).max())} steps, {100 * np.mean(a == b):.2f} % equal"


def photos(folder: Path, shape: tuple[int, ...]) -> list[np.ndarray]:
    side = shape[1]
    pictures = []
    for file in sorted(folder.glob("*.jpg")):
        picture = Image.open(file).convert("RGB")
        left, top = ((size - 224) // 2 for size in picture.size)
        picture = picture.crop((left, top, left + 224, top + 224)).resize((side, side), Image.Resampling.BILINEAR)
        pictures.append(np.asarray(picture, np.uint8)[None])
    return pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--photos", type=Path)
    arguments = parser.parse_args()
    for path in arguments.files:
        peer, plain = Peer(path), Peer(path, plain=True)
        session = edgeai.Session(edgeai.load(path))
        samples = inputs(peer, 60)
        expected = [peer(x).copy() for x in samples]
        found = [session.run(x)[0] for x in samples]
        load = least(lambda p=path: edgeai.Session(edgeai.load(p)), 7), least(lambda p=path: Peer(p), 7)
        run = least(lambda: session.run(samples[0]), 100), least(lambda: peer(samples[0]), 100)
        line = f"{path.name}: {difference(found, expected)} (LiteRT's own kernels: {difference([plain(x).copy() for x in samples], expected)}), "
        line += f"load {load[0]:.2f} / {load[1]:.2f}, run {run[0]:.3f} / {run[1]:.3f}"
        if arguments.photos and peer.input["dtype"] == np.uint8:
            pictures = photos(arguments.photos, tuple(peer.input["shape"]))
            same = sum(int(session.run(x)[0].argmax() == peer(x).argmax()) for x in pictures)
            line += f", label equal for {same} of {len(pictures)} photos"
        print(line)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
