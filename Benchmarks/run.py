#!/usr/bin/env python3
"""Speed of the library against the machine's peak and against ONNX Runtime, in one interleaved run.

    make bench                                   everything there is a model for
    .venv/bin/python Benchmarks/run.py --models resnet50 --threads 2

Prints a table and writes Benchmarks/out/bench.json. On a shared machine only ratios mean anything: the contenders
take turns, many times, and the best time of each counts.

Models come from Tests/python/architectures.py, which needs torch (Tests/requirements-long.txt); without it the bundled
classifier is measured alone. int8 models are made by each library's own quantization, on the same random data.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

import edgeai

ROOT = pathlib.Path(__file__).resolve().parents[1]
OUT = ROOT / "Benchmarks/out"
Run = Callable[[], object]


def best_of(contenders: dict[str, Run], seconds: float) -> dict[str, float]:
    """Least milliseconds of each, taking turns in slices of a few runs."""
    least = {name: float("inf") for name in contenders}
    for run in contenders.values():
        run()
    end = time.perf_counter() + seconds * len(contenders)
    while time.perf_counter() < end:
        for name, run in contenders.items():
            run()  # warms the caches after the others
            for _ in range(3):
                start = time.perf_counter()
                run()
                least[name] = min(least[name], (time.perf_counter() - start) * 1e3)
    return least


def peak(folder: pathlib.Path) -> dict[str, Any]:
    """What one core can do at most; see peak.c."""
    binary = folder / "peak"
    subprocess.check_call(["cc", "-O2", str(ROOT / "Benchmarks/peak.c"), "-o", str(binary)])
    result: dict[str, Any] = json.loads(subprocess.check_output([str(binary)]))
    return result


def matrix_product(folder: pathlib.Path, n: int) -> pathlib.Path:
    """An ONNX model of one n x n x n matrix product with constant weights."""
    weights = np.random.default_rng(0).standard_normal((n, n)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", n])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", n])],
        [numpy_helper.from_array(weights, "w")],
    )
    path = folder / f"product{n}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def step_rate(model: edgeai.Model, x: np.ndarray[Any, Any], op: str) -> float:
    """Billions of operations a second of the one step of a kind, at its fastest."""
    with edgeai.Session(model) as session:
        return max(event.gops for event in session.profile(x, runs=200).events if event.step.op.lower() == op)


def roofline(folder: pathlib.Path, n: int = 512) -> list[dict[str, Any]]:
    x = np.random.default_rng(1).standard_normal((n, n)).astype(np.float32)
    model = edgeai.load(matrix_product(folder, n))
    quantized = edgeai.quantize(model, [x]).model
    # Peak and product alternate as well: the clock of a shared machine drifts.
    best = {"fp32": 0.0, "int8": 0.0, "fp32_peak": 0.0, "int8_peak": 0.0}
    isa = ""
    for _ in range(5):
        top = peak(folder)
        isa = top["isa"]
        best["fp32_peak"] = max(best["fp32_peak"], top["fp32_gflops"])
        best["int8_peak"] = max(best["int8_peak"], top["int8_gops"])
        best["fp32"] = max(best["fp32"], step_rate(model, x, "dense"))
        best["int8"] = max(best["int8"], step_rate(quantized, x, "dense"))
    rows = []
    for precision in ("fp32", "int8"):
        rows.append(
            {"case": f"product {n}", "precision": precision, "isa": isa, "gops": best[precision], "peak": best[precision + "_peak"]}
        )
        print(f"product {n}^3 {precision}: {best[precision]:.0f} of {best[precision + '_peak']:.0f} GOP/s, {best[precision] / best[precision + '_peak']:.2f} of peak ({isa})")
    return rows


def ort_session(path: pathlib.Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def ort_quantized(path: pathlib.Path, data: np.ndarray[Any, Any], folder: pathlib.Path) -> pathlib.Path:
    """ONNX Runtime's own static quantization, in the form that is fastest there: uint8 activations, int8 weights."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    name = onnx.load(path, load_external_data=False).graph.input[0].name

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.samples: Iterator[Any] = iter(data)

        def get_next(self) -> dict[str, Any] | None:
            sample = next(self.samples, None)
            return None if sample is None else {name: sample[None]}

    prepared, target = folder / f"{path.stem}.prepared.onnx", folder / f"{path.stem}.int8.onnx"
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared), str(target), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    return target


def compare_models(paths: dict[str, pathlib.Path], threads: int, seconds: float, folder: pathlib.Path) -> list[dict[str, Any]]:
    rows = []
    for name, path in paths.items():
        model = edgeai.load(path)
        shape = tuple(1 if dim is None else dim for dim in model.inputs[0].shape)
        data = np.random.default_rng(2).standard_normal((8, *shape[1:])).astype(np.float32)
        x = data[:1].copy()
        for precision in ("fp32", "int8"):
            ours = model if precision == "fp32" else edgeai.quantize(model, data, report_samples=0).model
            theirs = ort_session(path if precision == "fp32" else ort_quantized(path, data, folder), threads)
            feed = {theirs.get_inputs()[0].name: x}
            with edgeai.Session(ours, batch=1, threads=threads) as session:
                times = best_of({"edgeai": lambda: session.run(x), "ort": lambda: theirs.run(None, feed)}, seconds)  # noqa: B023
            ratio = times["edgeai"] / times["ort"]
            print(f"{name:20} {precision} {threads} threads: edgeai {times['edgeai']:8.3f} ms, ONNX Runtime {times['ort']:8.3f} ms, ratio {ratio:.2f}")
            rows.append({"case": name, "precision": precision, "threads": threads, **times, "ratio": ratio})
    return rows


def models(names: list[str]) -> dict[str, pathlib.Path]:
    found = {"fashion_mnist": ROOT / "Examples/models/fashion_mnist.onnx"}
    sys.path.insert(0, str(ROOT / "Tests/python"))
    try:
        import architectures

        for name in names:
            found[name] = pathlib.Path(architectures.cached(name))
    except ImportError as error:
        print(f"skip  {', '.join(names)}: {error}; install Tests/requirements-long.txt for them")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="mobilenet_v2,resnet50", help="names of Tests/python/architectures.py")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0, help="of measuring for each contender")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    print(f"edgeai {edgeai.__version__}, ONNX Runtime {ort.__version__}, {edgeai.build_info()}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        rows = roofline(folder)
        rows += compare_models(models([n for n in options.models.split(",") if n]), options.threads, options.seconds, folder)
    (OUT / "bench.json").write_text(json.dumps(rows, indent=1) + "\n")
    print(f"wrote {(OUT / 'bench.json').relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
