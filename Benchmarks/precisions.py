#!/usr/bin/env python3
"""int8 against float32, both of this library, with one instruction set: whole networks and kinds of layers.

    .venv/bin/python Benchmarks/precisions.py --isa avx2 NETWORK.onnx ...

Both take turns in one run, and the least time of each step counts. The ratio is float32's time divided by int8's. Files that
`make bench-peers` has made are in Benchmarks/out/peers-cache/NETWORK/onnx/model.onnx.
"""

from __future__ import annotations

import argparse
import pathlib
from collections import defaultdict

import numpy as np

import edgeai


def kind(event: edgeai.ProfileEvent, is_winograd: bool) -> str:
    if event.step.kernel.startswith("depthwise"):
        return "depthwise"
    if not event.step.kernel.startswith("conv"):
        return "others"
    return "in Winograd's form" if is_winograd else "convolutions, dense"


def compare(path: pathlib.Path, isa: str | None, rounds: int) -> None:
    model = edgeai.load(path)
    shape = tuple(1 if dim is None else dim for dim in model.inputs[0].shape)
    data = np.random.default_rng(2).standard_normal((8, *shape), dtype=np.float32)
    quantized = edgeai.quantize(model, list(data), report_samples=0).model
    least: dict[str, dict[str, edgeai.ProfileEvent]] = {"float32": {}, "int8": {}}
    for _ in range(rounds):
        for precision, chosen in (("float32", model), ("int8", quantized)):
            with edgeai.Session(chosen, batch=1, isa=isa) as session:
                events = session.profile(data[0], runs=10).events
            for number, event in enumerate(events):
                key = f"{event.step.name} {number if event.step.macs == 0 else ''}"
                if key not in least[precision] or event.least_us < least[precision][key].least_us:
                    least[precision][key] = event
    winograd = {name for name, event in least["float32"].items() if "winograd" in event.step.kernel}
    sums: dict[str, dict[str, float]] = defaultdict(lambda: {"float32": 0.0, "int8": 0.0})
    for precision, steps in least.items():
        for name, event in steps.items():
            for row in (kind(event, name in winograd), "whole network"):
                sums[row][precision] += event.least_us
    for row, times in sorted(sums.items()):
        ratio = f"{times['float32'] / times['int8']:.2f}" if times["int8"] else "-"
        print(f"{path.parent.parent.name:16} {row:24} float32 {times['float32'] / 1e3:8.3f} ms, int8 {times['int8'] / 1e3:8.3f} ms, ratio {ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--isa", help="instruction set, such as avx2; the best this CPU has without it")
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    for path in options.models:
        compare(path, options.isa, options.rounds)


if __name__ == "__main__":
    main()
