"""edgeai against the runtimes that are installed, on the same networks, in one interleaved run.

    make bench-peers                                              everything; makes .venv-peers first
    .venv-peers/bin/python Benchmarks/peers --models resnet50 --precisions int8 --peers edgeai,openvino

Each contender lives in a process of its own and only one computes at a time; they take turns in slices, in an order that
rotates. Each loads what its own tools made of the network (conversions.py), and what it computes is compared with ONNX
Runtime in float32: what is wrong, fails or is not installed is listed with the reason. Prints a line for each
comparison; writes peers.json, peers.md and peers.png in Benchmarks/out. On a shared machine only ratios mean anything.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import os
import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import report
from contenders import PEERS
from conversions import UnavailableError, artifact
from networks import NETWORKS, PRECISIONS, ROOT, Precision
from quiet import silence
from report import LeftOut, Row
from workers import Worker, WorkerError

OUT = ROOT / "Benchmarks/out"
TURNS = 10
PAUSE = 0.3  # seconds between contenders where they have several threads, which may spin after a run; OpenMP's do for 0.2

# Below these an output is wrong rather than rounded. Weights are random, which is hard on eight bits: ONNX Runtime's
# own int8 has 0.976 on MobileNet v1.
LEAST_COSINE: dict[Precision, float] = {"fp32": 0.9999, "int8": 0.9, "bf16": 0.95}


@dataclass
class Bench:
    """All that one command measures."""

    peers: list[str]
    seconds: float
    workers: dict[str, Worker] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def worker(self, name: str) -> Worker:
        if name not in self.workers or not self.workers[name].alive:
            self.workers[name] = Worker(name)
        return self.workers[name]

    def leave_out(self, peer: str, precision: Precision, network: str | None, reason: str, threads: int | None = None) -> None:
        item = LeftOut(peer, precision, network, reason, threads)
        if item not in self.left_out:
            self.left_out.append(item)

    def files(self, networks: Iterable[str], precisions: list[Precision]) -> Iterator[tuple[str, Precision, dict[str, pathlib.Path]]]:
        """What each contender loads for each network and precision; conversions are done here, before anything is measured."""
        for network in networks:
            for precision in precisions:
                found: dict[str, pathlib.Path] = {}
                for name in self.peers:
                    kind = PEERS[name].files.get(precision)
                    try:
                        if kind:
                            found[name] = artifact(kind, network)
                        else:
                            self.leave_out(name, precision, None, PEERS[name].absent[precision])
                    except UnavailableError as error:
                        self.leave_out(name, precision, network, str(error))
                yield network, precision, found

    def compare(self, network: str, precision: Precision, threads: int, files: dict[str, pathlib.Path]) -> None:
        """One network in one precision with one number of threads: a row for each contender that does it right."""
        reference = artifact("onnx", network).with_name("reference.npy")
        cosines: dict[str, float] = {}
        times: dict[str, list[float]] = {}

        def attempt(name: str, action: Callable[[Worker], None]) -> None:
            try:
                action(self.worker(name))
                if cosines.get(name, 1.0) < LEAST_COSINE[precision]:
                    raise WorkerError(f"its output is wrong: cosine {cosines[name]:.4f} with ONNX Runtime in float32")
            except WorkerError as error:
                times.pop(name, None)
                self.leave_out(name, precision, network, str(error), threads)

        def check(name: str, worker: Worker) -> None:
            cosines[name] = min(cosines.get(name, 1.0), worker.ask("check")["cosine"])

        def load(name: str, worker: Worker) -> None:
            worker.ask("load", file=str(files[name]), reference=str(reference), network=network, precision=precision, threads=threads)
            check(name, worker)
            times[name] = []

        def take_turn(name: str, worker: Worker) -> None:
            times[name] += worker.ask("run", seconds=self.seconds / TURNS)["times"]

        for name in files:
            attempt(name, lambda worker, name=name: load(name, worker))  # type: ignore[misc]
        for turn in range(TURNS):
            order = list(times)
            first = turn % max(len(order), 1)
            for name in order[first:] + order[:first]:
                time.sleep(PAUSE if threads > 1 else 0)
                attempt(name, lambda worker, name=name: take_turn(name, worker))  # type: ignore[misc]
        for name in list(times):
            attempt(name, lambda worker, name=name: check(name, worker))  # type: ignore[misc]
        for name in files:
            with contextlib.suppress(WorkerError):  # who has ended holds nothing
                self.workers[name].ask("unload")
        self.rows += [
            Row(network, precision, threads, name, min(found), statistics.median(found), cosines[name]) for name, found in times.items()
        ]

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()


def chosen(text: str, known: Iterable[str], what: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no such {what}: {', '.join(unknown)}; there are {', '.join(known)}")
    return names


def installed(names: list[str]) -> tuple[dict[str, str], list[LeftOut]]:
    """Versions of those that are there, and the others."""
    versions, absent = {}, []
    for name in names:
        peer = PEERS[name]
        if importlib.util.find_spec(peer.module):
            versions[name] = importlib.metadata.version(peer.package)
        else:
            absent.append(LeftOut(name, None, None, f"{peer.package} is not installed"))
    return versions, absent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(NETWORKS), help="of %(default)s")
    parser.add_argument("--precisions", default=",".join(PRECISIONS), help="of %(default)s")
    parser.add_argument("--threads", default="1,2", help="numbers, separated by commas")
    parser.add_argument("--peers", default=",".join(PEERS), help="of %(default)s")
    parser.add_argument("--seconds", type=float, default=1.0, help="of measuring for each contender in each comparison")
    options = parser.parse_args()
    networks = chosen(options.models, NETWORKS, "model")
    precisions = [p for p in PRECISIONS if p in chosen(options.precisions, PRECISIONS, "precision")]
    threads = [int(n) for n in options.threads.split(",")]
    silence()
    versions, absent = installed(chosen(options.peers, PEERS, "peer"))
    setting = ", ".join(f"{name} {version}" for name, version in versions.items()) + "."
    print(setting, flush=True)
    bench = Bench(list(versions), options.seconds, left_out=absent)
    OUT.mkdir(parents=True, exist_ok=True)
    try:
        plan = list(bench.files(networks, precisions))
        began = f"The machine's load average was {os.getloadavg()[0]:.1f} when it began"
        print(began, flush=True)
        for network, precision, files in plan:
            for count in threads:
                bench.compare(network, precision, count, files)
                print(report.line(bench.rows, network, precision, count), flush=True)
        setting += f" {began}, {os.getloadavg()[0]:.1f} at the end."
    finally:
        bench.close()
    if not bench.rows:
        print("nothing was measured", file=sys.stderr)
    report.write(OUT, bench.rows, bench.left_out, setting)
    return 0 if bench.rows else 1


if __name__ == "__main__":
    sys.exit(main())
