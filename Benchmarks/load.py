#!/usr/bin/env python3
"""Load time and peak memory against ONNX Runtime and LiteRT, for the same files.

    make bench                                                   with EDGEAI_TEST_DATA for the published models
    .venv/bin/python Benchmarks/load.py [FILE.onnx FILE.tflite ...]

Every measurement is a process of its own, with one thread; the contenders take turns, and the least of all rounds
counts. The file is in the page cache.

- load: milliseconds of processor time from opening the file to a session that is ready to run, without starting Python
  and importing. Nothing waits for a disk here, so this is the time on a machine that does nothing else.
- first: the same until the first run has ended.
- peak: the greatest resident memory of a process that loads and runs once, less that of one that only imports, in
  megabytes. Pages of the file that a library maps and reads count too.

"C" is this library without Python. Prints a table and writes Benchmarks/out/load.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "Benchmarks/out"
TINY = ("ad01_fp32", "ad01_int8", "pretrainedResnet", "pretrainedResnet_quant", "kws_ref_model_float32", "kws_ref_model", "vww_96_float", "vww_96_int8")
MOBILENETS = ("mobilenet_v1_0.25_128_quant", "mobilenet_v1_0.5_160_quant")
PEERS = {".onnx": "onnxruntime", ".tflite": "ai_edge_litert"}
NAMES = {"edgeai": "edgeai", "saved": "edgeai, .edgeai", "c": "edgeai, C", "c saved": "edgeai, C, .edgeai", "onnxruntime": "ONNX Runtime", "ai_edge_litert": "LiteRT"}


# One measurement, in the process that is measured.


def peak_kilobytes() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def worker(engine: str, path: str) -> None:
    """Prints milliseconds of the first run, milliseconds to load and kilobytes at most; "-" loads nothing."""
    import numpy as np

    run: Any
    if engine == "edgeai":
        import edgeai

        def load() -> Any:
            session = edgeai.Session(edgeai.load(path), batch=1, threads=1)
            inputs = {i.name: np.zeros([1 if d is None else d for d in i.shape], i.dtype) for i in session.inputs}
            return lambda: session.run(inputs)
    elif engine == "onnxruntime":
        import onnxruntime

        def load() -> Any:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 3
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            kinds = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}
            feed = {i.name: np.zeros([d if isinstance(d, int) else 1 for d in i.shape], kinds[i.type]) for i in session.get_inputs()}
            return lambda: session.run(None, feed)
    else:
        from ai_edge_litert.interpreter import Interpreter

        def load() -> Any:
            interpreter = Interpreter(path, num_threads=1)
            interpreter.allocate_tensors()
            return interpreter.invoke

    start = ready = end = time.process_time()
    if path != "-":
        run = load()
        ready = time.process_time()
        run()
        end = time.process_time()
    print(f"{1e3 * (end - ready):.4f} {1e3 * (ready - start):.4f} {peak_kilobytes()}")


# All of them.


def measure(command: list[str]) -> tuple[float, float, int]:
    """Milliseconds to load, until the first run has ended, and kilobytes."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip().splitlines()[-1] if result.stderr.strip() else result.returncode}")
    ran, elapsed, kilobytes = result.stdout.split()[-3:]
    return float(elapsed), float(elapsed) + float(ran), int(kilobytes)


def compare(contenders: dict[str, list[str]], rounds: int) -> dict[str, dict[str, float]]:
    """Least milliseconds, and megabytes beyond the same command with "-" for its file."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    firsts: dict[str, list[float]] = {name: [] for name in contenders}
    peaks: dict[str, list[int]] = {name: [] for name in contenders}
    idle: dict[str, list[int]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name, command in contenders.items():
            if turn < 3:
                idle[name].append(measure([*command[:-1], "-"])[2])
            elapsed, first, kilobytes = measure(command)
            times[name].append(elapsed)
            firsts[name].append(first)
            peaks[name].append(kilobytes)
    return {
        name: {"load_ms": min(times[name]), "first_ms": min(firsts[name]), "peak_mb": (min(peaks[name]) - min(idle[name])) / 1024}
        for name in contenders
    }


def c_program(folder: Path) -> Path | None:
    """load.c with the library of this tree, its path inside."""
    library = ROOT / "build"
    if not (library / "libedgeai.so").exists():
        print("skip  C: build/libedgeai.so is not there; make library builds it")
        return None
    binary = folder / "load"
    subprocess.check_call(
        ["cc", "-O2", f"-I{ROOT / 'Include'}", str(ROOT / "Benchmarks/load.c"), f"-L{library}", "-ledgeai", f"-Wl,-rpath,{library}", "-o", str(binary)]
    )
    return binary


def standard_files(folder: Path) -> list[Path]:
    """The bundled classifier; ResNet-50 with the constant weights of the onnx package's test network, written out; and
    published models, MobileNet v1 also as the ONNX file that `Model.save` makes of it."""
    import edgeai

    files = [ROOT / "Examples/models/fashion_mnist.onnx"]
    try:
        import onnx

        resnet = folder / "resnet50.onnx"
        edgeai.load(Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx").save(resnet)
        files.append(resnet)
    except (ImportError, edgeai.FileError) as error:
        print(f"skip  resnet50: {error}")
    data = Path(os.environ.get("EDGEAI_TEST_DATA", "/nonexistent"))
    published = [data / "models/efficientnet_lite0_imagenet.onnx"]
    published += [data / f"models/mlperf-tiny/{name}.tflite" for name in TINY] + [data / f"models/mobilenet/{name}.tflite" for name in MOBILENETS]
    for path in published:
        if not path.exists():
            print(f"skip  {path.name}: not in the folder EDGEAI_TEST_DATA names")
            continue
        files.append(path)
        if path.stem in MOBILENETS:
            files.append(folder / f"{path.stem}.onnx")
            edgeai.load(path).save(files[-1])
    return sorted(files, key=lambda path: path.suffix)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", nargs=2, metavar=("ENGINE", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(*options.worker)
        return 0

    import edgeai

    OUT.mkdir(parents=True, exist_ok=True)
    for suffix, module in PEERS.items():
        if importlib.util.find_spec(module) is None:
            print(f"skip  {NAMES[module]}, for {suffix} files: it is not installed")
    print(f"edgeai {edgeai.__version__}, {edgeai.build_info()}")
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        program = c_program(folder)
        for path in options.files or standard_files(folder):
            saved = folder / f"{path.stem}.edgeai"
            edgeai.load(path).save(saved)
            python = [sys.executable, str(Path(__file__).resolve()), "--worker"]
            contenders = {"edgeai": [*python, "edgeai", str(path)], "saved": [*python, "edgeai", str(saved)]}
            if program:
                contenders |= {"c": [str(program), str(path)], "c saved": [str(program), str(saved)]}
            peer = PEERS.get(path.suffix)
            if peer and importlib.util.find_spec(peer):
                contenders[peer] = [*python, peer, str(path)]
            found = compare(contenders, options.rounds)
            size = path.stat().st_size / 2**20
            print(f"{path.name} ({size:.2f} MB)")
            for name, numbers in found.items():
                print(f"  {NAMES[name]:20} load {numbers['load_ms']:9.2f} ms, first {numbers['first_ms']:9.2f} ms, peak {numbers['peak_mb']:8.2f} MB")
            sys.stdout.flush()
            rows.append({"file": path.name, "size_mb": size, **{f"{n}_{k}": v for n, m in found.items() for k, v in m.items()}})
    (OUT / "load.json").write_text(json.dumps(rows, indent=1) + "\n")
    print(f"wrote {(OUT / 'load.json').relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
