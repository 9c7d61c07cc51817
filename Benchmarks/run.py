#!/usr/bin/env python3
"""Speed of this library against the machine's peak and, where it is installed, against ONNX Runtime.

    make bench
    .venv/bin/python Benchmarks/run.py [--rounds N] [--threads N] [MODEL.onnx ...]

First matrix products, one thread, as a share of what one core can do at most (Benchmarks/peak.c). Then networks, one
picture at a time: float and int8 of both libraries, in turns, so that all meet the same machine. ONNX Runtime's int8
model is made by its own static quantizer (QDQ, uint8 activations, int8 weights per channel) from the same samples.

Without arguments: the bundled classifier; and where EDGEAI_TEST_DATA is set, EfficientNet-Lite0; and where torch is
installed, MobileNet-v2 and ResNet-50 with random weights.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import edgeai

ROOT = Path(__file__).resolve().parents[1]
Run = Callable[[], object]


def in_turns(runs: dict[str, Run], rounds: int, seconds: float = 0.05) -> dict[str, float]:
    """Median milliseconds of one run of each. A round gives every contestant about `seconds`."""
    counts = {}
    for name, run in runs.items():
        run()
        start = time.perf_counter()
        run()
        counts[name] = max(1, int(seconds / max(time.perf_counter() - start, 1e-7)))
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            for _ in range(counts[name]):
                run()
            times[name].append((time.perf_counter() - start) / counts[name] * 1e3)
    return {name: statistics.median(seen) for name, seen in times.items()}


def build_peak(folder: Path) -> Path | None:
    """The program of Benchmarks/peak.c, which measures what one core can do at most; None where that cannot be."""
    try:
        subprocess.run(["cc", "-O2", ROOT / "Benchmarks/peak.c", "-o", folder / "peak"], check=True)
        subprocess.run([folder / "peak"], check=True, capture_output=True)
        return folder / "peak"
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no peak on this machine: {error}")
        return None


def measure_peak(program: Path) -> dict[str, Any]:
    return dict(json.loads(subprocess.run([program], check=True, capture_output=True, text=True).stdout))


def matrix_product(size: int) -> bytes:
    """y = x w, both [size, size]; x is the input."""
    weights = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [size, size])],
        [numpy_helper.from_array(weights, "w")],
    )
    contents: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()
    return contents


def step_time(model: edgeai.Model, x: np.ndarray, runs: int) -> float:
    """Nanoseconds of the fastest run of the step "product" alone, without the conversions around it."""
    profile = edgeai.Session(model).profile(x, runs=runs)
    return next(event.least_us for event in profile.events if event.step.name == "product") * 1e3


def products(folder: Path, rounds: int) -> None:
    """The peak is measured before and after each product; a share above 1 would show that one of the two is wrong."""
    program = build_peak(folder)
    for size in (256, 512, 1024):
        model = edgeai.load(matrix_product(size))
        x = np.random.default_rng(1).standard_normal((size, size)).astype(np.float32)
        in_int8 = edgeai.quantize(model, [x], report_samples=0).model
        for kind, subject, key in (("fp32", model, "fp32_gflops"), ("int8", in_int8, "int8_gops")):
            before = measure_peak(program)[key] if program else 0.0
            speed = 2 * size**3 / step_time(subject, x, 5 * rounds)
            row = f"product {size}^3, 1 thread, {kind}: {speed:.0f} GOP/s"
            if program:
                most = max(before, measure_peak(program)[key])
                row += f", {100 * speed / most:.0f} % of the peak of {most:.0f}"
                row += "  (more than the peak: a disturbed measurement, or peak.c is wrong)" if speed > 1.02 * most else ""
            print(row, flush=True)


def peer_sessions(path: Path, name: str, samples: np.ndarray, threads: int, folder: Path) -> dict[str, Run]:
    """ONNX Runtime in float and int8, where it is installed."""
    try:
        import onnxruntime
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    except ImportError:
        print("onnxruntime is not installed: no comparison")
        return {}

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest = [{name: samples[i : i + 1]} for i in range(len(samples))]

        def get_next(self) -> dict[str, np.ndarray] | None:
            return self.rest.pop(0) if self.rest else None

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    quantized = folder / "peer_int8.onnx"
    runs: dict[str, Run] = {}
    x = {name: samples[:1]}
    floating = onnxruntime.InferenceSession(path, options)
    runs["onnxruntime fp32"] = lambda: floating.run(None, x)
    try:
        quantize_static(
            path, quantized, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )  # fmt: skip
        integer = onnxruntime.InferenceSession(quantized, options)
        runs["onnxruntime int8"] = lambda: integer.run(None, x)
    except Exception as error:  # its quantizer does not take every model
        print(f"onnxruntime does not quantize {path.name}: {error}")
    return runs


def network(path: Path, rounds: int, threads: int, folder: Path) -> None:
    model = edgeai.load(path)
    entry = model.inputs[0]
    shape = tuple(1 if dim is None else dim for dim in entry.shape)
    samples = np.random.default_rng(7).standard_normal((8, *shape[1:])).astype(np.float32)
    result = edgeai.quantize(model, samples, report_samples=0)
    floating = edgeai.Session(model, threads=threads)
    integer = edgeai.Session(result.model, threads=threads)
    x = samples[:1]
    runs: dict[str, Run] = {"edgeai fp32": lambda: floating(x), "edgeai int8": lambda: integer(x)}
    runs |= peer_sessions(path, entry.name, samples, threads, folder)
    times = in_turns(runs, rounds)
    for precision in ("fp32", "int8"):
        ours, theirs = times[f"edgeai {precision}"], times.get(f"onnxruntime {precision}")
        against = f"  onnxruntime {theirs:9.3f} ms  ratio {ours / theirs:.2f}" if theirs else ""
        speed = 2 * model.macs / ours / 1e6
        print(f"{path.stem:28} {precision}  edgeai {ours:9.3f} ms {speed:7.1f} GOP/s{against}", flush=True)


def default_networks() -> list[Path]:
    paths = [ROOT / "Examples/models/fashion_mnist.onnx"]
    if data := os.environ.get("EDGEAI_TEST_DATA"):
        paths.append(Path(data) / "models/efficientnet_lite0_imagenet.onnx")
    try:
        sys.path.insert(0, str(ROOT / "Tests/python"))
        import architectures
    except ImportError:
        print("torch is not installed: no MobileNet-v2 and ResNet-50 (pip install -r Tests/requirements-long.txt)")
        return paths
    return paths + [architectures.cached(name) for name in ("mobilenet_v2", "resnet50")]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure speed.")
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL.onnx", help="float networks with one input")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of the comparison (default 10)")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    print(f"{edgeai.build_info()}; {options.threads} threads; onnx {onnx.__version__}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        products(folder, options.rounds)
        for path in options.models or default_networks():
            network(path, options.rounds, options.threads, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
