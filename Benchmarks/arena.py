#!/usr/bin/env python3
"""Working memory of one run, against LiteRT, both from the same .tflite files.

    make bench-arena                                    networks of bench-peers, float32 and int8
    make bench-arena OPTIONS="--models resnet50"

Ours is what a session with one thread holds beside packed weights: activations and scratch. LiteRT's is its arena: from
the first byte to the last of the tensors it computes and of its kernels' temporaries, with its own kernels (those of its
XNNPACK delegate keep a workspace that it does not tell). Prints a table and writes Benchmarks/out/arena.md.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from typing import Any

import edgeai

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Benchmarks/peers"))

from conversions import UnavailableError, artifact  # noqa: E402
from networks import NETWORKS  # noqa: E402


def litert(path: pathlib.Path) -> int:
    """Bytes of LiteRT's arena."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter: Any = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, num_threads=1)
    interpreter.allocate_tensors()
    operators = interpreter._get_ops_details()
    computed = {tensor["index"] for tensor in interpreter.get_input_details()}
    computed |= {int(i) for operator in operators for i in operator["outputs"]}
    of_file = 1 + max([*computed, *(int(i) for operator in operators for i in operator["inputs"])])
    first, last = [], []
    for tensor in interpreter.get_tensor_details():
        # Tensors behind those of the file are temporaries of kernels.
        if tensor["index"] in computed or tensor["index"] >= of_file:
            array = interpreter.tensor(tensor["index"])()
            first.append(array.__array_interface__["data"][0])
            last.append(first[-1] + array.nbytes)
    return int(max(last) - min(first))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(NETWORKS))
    names = parser.parse_args().models.split(",")
    lines = ["| | | activations KB | scratch KB | together | LiteRT KB | ratio |", "|---|---|---|---|---|---|---|"]
    for precision, kind in (("float32", "litert"), ("int8", "litert_int8")):
        for name in names:
            try:
                path = artifact(kind, name)
            except UnavailableError as error:
                print(f"skip  {name} {precision}: {error}")
                continue
            with edgeai.Session(edgeai.load(path), batch=1, threads=1) as session:
                memory = session.memory
            ours, theirs = memory.activations + memory.scratch, litert(path)
            sizes = (memory.activations, memory.scratch, ours, theirs)
            lines.append(f"| {name} | {precision} | " + " | ".join(f"{size / 1024:.0f}" for size in sizes) + f" | {ours / theirs:.2f} |")
            print(lines[-1], flush=True)
    (ROOT / "Benchmarks/out/arena.md").write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
