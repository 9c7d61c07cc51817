#!/usr/bin/env python3
"""What a run costs besides its kernels: models of one and of eleven steps that do next to nothing, run from C and from Python.

    make library .venv/edgeai && .venv/bin/python Benchmarks/calls.py

Prints the microseconds of a run of the short model, what each further step adds, and what a call from Python takes: as
``session.run(x)`` and ``session(x)``, which make a new array for the output, and with the arrays bound. All are the least
of many.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

import edgeai

ROOT = Path(__file__).resolve().parents[1]
SIZE = 16
STEPS = 11


def chain(steps: int) -> bytes:
    """Reciprocals of a few numbers: nothing that a pass could merge."""
    names = [f"x{i}" for i in range(steps + 1)]
    nodes = [helper.make_node("Reciprocal", [before], [after]) for before, after in zip(names, names[1:], strict=False)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, SIZE]) for name in (names[0], names[-1])]
    graph = helper.make_graph(nodes, "chain", [ends[0]], [ends[1]])
    data: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()
    return data


def least(call: Callable[[], object], rounds: int = 200, runs: int = 500) -> float:
    """Microseconds of a call."""
    found = 1e9
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(runs):
            call()
        found = min(found, (time.perf_counter() - start) / runs)
    return found * 1e6


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "calls")
        library = ROOT / "build"
        subprocess.check_call(
            ["cc", "-O2", f"-I{ROOT / 'Include'}", ROOT / "Benchmarks/calls.c", f"-L{library}", "-ledgeai", f"-Wl,-rpath,{library}", "-o", program]
        )
        times = {}
        for steps in (1, STEPS):
            path = Path(folder, f"{steps}.onnx")
            path.write_bytes(chain(steps))
            times[steps] = float(subprocess.check_output([program, path, "1"], text=True))
        print(f"C: a run of one step takes {times[1]:.3f} us, each further step {(times[STEPS] - times[1]) / (STEPS - 1):.3f} us")
        session = edgeai.Session(edgeai.load(Path(folder, "1.onnx")), batch=1)
    x = np.ones((1, SIZE), np.float32)
    print(f"Python: session.run(x) {least(lambda: session.run(x)):.2f} us, session(x) {least(lambda: session(x)):.2f} us", end="")
    session.bind()
    print(f", session.run_bound() {least(session.run_bound):.2f} us; a call of an empty function {least(lambda: None):.2f} us")


if __name__ == "__main__":
    main()
