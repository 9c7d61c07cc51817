#!/usr/bin/env python3
"""What profiling costs, and what tuning gains, in one interleaved run.

    .venv/bin/python Benchmarks/profiling.py [FILE.onnx ...] [--threads 1,2] [--seconds 4]

Of each model the least time of a plain session, of one that takes times, of one that also keeps a trace, and of a tuned one
take turns; the plain one stands there twice, which shows what differences mean nothing. --int8 measures the quantized models.
"""

from __future__ import annotations

import argparse
import pathlib
import time

import numpy as np

import edgeai

ROOT = pathlib.Path(__file__).resolve().parents[1]


def compare(model: edgeai.Model, threads: int, seconds: float) -> dict[str, float]:
    shapes = [tuple(1 if dim is None else dim for dim in t.shape) for t in model.inputs]
    random = np.random.default_rng(0)
    inputs = [
        random.standard_normal(shape).astype(t.dtype) if "float" in t.dtype else random.integers(0, 100, shape).astype(t.dtype)
        for shape, t in zip(shapes, model.inputs, strict=True)
    ]
    plain = edgeai.Session(model, batch=1 if any(None in t.shape for t in model.inputs) else None, threads=threads)
    batch = plain.inputs[0].shape[0] if any(None in t.shape for t in model.inputs) else None
    options = {"batch": batch, "threads": threads}
    begin = time.perf_counter()
    tuned = edgeai.Session(model, tune=True, **options)
    tuning_seconds = time.perf_counter() - begin
    opened = {
        "plain": plain._current.core,
        "again": edgeai.Session(model, **options)._current.core,
        # Sessions of the extension, because the public ones are profiled apart from their runs.
        "profile": plain._open(model, batch or 1, profile=True),
        "trace": plain._open(model, batch or 1, profile=True, trace_runs=1),
        "tuned": tuned._current.core,
    }
    for core in opened.values():
        for i, array in enumerate(inputs):
            core.input_array(i)[...] = array
    least = dict.fromkeys(opened, float("inf"))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, core in opened.items():
            core.run_bound()
            for _ in range(5):
                start = time.perf_counter_ns()
                core.run_bound()
                least[name] = min(least[name], (time.perf_counter_ns() - start) / 1e3)
    return {**least, "tuning_seconds": tuning_seconds}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="*", type=pathlib.Path, default=[ROOT / "Examples/models/fashion_mnist.onnx"])
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--int8", action="store_true")
    options = parser.parse_args()
    print(f"{'model':34} threads  plain us   again  profile   trace   tuned  tuning s")
    for path in options.models:
        model = edgeai.load(path)
        if options.int8:
            shape = tuple(1 if dim is None else dim for dim in model.inputs[0].shape)
            data = np.random.default_rng(1).standard_normal((4, *shape[1:])).astype(np.float32)
            model = edgeai.quantize(model, data, report_samples=0).model
        for threads in map(int, options.threads.split(",")):
            t = compare(model, threads, options.seconds)
            ratios = "  ".join(f"{t[name] / t['plain']:6.3f}" for name in ("again", "profile", "trace", "tuned"))
            name = path.parent.parent.name if path.stem == "model" else path.stem
            print(f"{name:34} {threads:7}  {t['plain']:8.1f}  {ratios}  {t['tuning_seconds']:8.1f}", flush=True)


if __name__ == "__main__":
    main()
