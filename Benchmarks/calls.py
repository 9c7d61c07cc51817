#!/usr/bin/env python3
"""What a run costs besides its kernels: models of one and of eleven steps that do next to nothing, run from C and from Python.

    make library .venv/edgeai && .venv/bin/python Benchmarks/calls.py

Prints the microseconds of a run of the short model, what each further step adds, and what a call from Python takes in each of the
ways there are, of a model with a fixed batch, of one that leaves it open, and of one with two inputs. All are the least of many.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, helper

import edgeai

ROOT = Path(__file__).resolve().parents[1]
SIZE = 16
STEPS = 11


def small(nodes: Sequence[NodeProto], inputs: Sequence[str], output: str, batch: int | str = 1) -> bytes:
    """A model of a few numbers."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, SIZE]) for name in (*inputs, output)]
    graph = helper.make_graph(nodes, "small", ends[:-1], ends[-1:])
    data: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()
    return data


def chain(steps: int, batch: int | str = 1) -> bytes:
    """Reciprocals of a few numbers: nothing that a pass could merge."""
    names = [f"x{i}" for i in range(steps + 1)]
    nodes = [helper.make_node("Reciprocal", [before], [after]) for before, after in zip(names, names[1:], strict=False)]
    return small(nodes, names[:1], names[-1], batch)


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
    x, out = np.ones((1, SIZE), np.float32), [np.empty((1, SIZE), np.float32)]
    print(f"Python: a call of an empty function {least(lambda: None):.2f} us")
    add = [helper.make_node("Add", ["x0", "x1"], ["y"])]
    for name, data, one in (
        ("fixed batch", chain(1), True),
        ("open batch", chain(1, "N"), True),
        ("two inputs, open batch", small(add, ["x0", "x1"], "y", "N"), False),
    ):
        session = edgeai.Session(data)
        given, named = (x, {"x0": x}) if one else ([x, x], {"x0": x, "x1": x})
        calls: dict[str, Callable[[], object]] = {
            "session(x)": lambda: session(given),
            "run(x)": lambda: session.run(given),
            "run(x, out=[y])": lambda: session.run(given, out=out),
            "run({name: x})": lambda: session.run(named),
            "run_bound()": session.run_bound,
        }
        print(f"  {name}: " + ", ".join(f"{text} {least(call):.2f} us" for text, call in calls.items()))
    session, other = edgeai.Session(chain(1, "N")), np.ones((2, SIZE), np.float32)
    both = least(lambda: (session(x), session(other))) / 2
    print(f"  open batch, another size each time: session(x) {both:.2f} us")


if __name__ == "__main__":
    main()
