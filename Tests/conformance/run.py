"""Runs ONNX's official conformance suite: every case in a worker process that may crash or hang without harm.

    python Tests/conformance/run.py            all cases; compares with expected.txt; Benchmarks/out/conformance.json
    python Tests/conformance/run.py --update   rewrites expected.txt and Documentation/operators.md from the run
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from cases import KINDS, Case, load_cases
from document import write_document
from judge import VERDICTS, judge

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXPECTED = HERE / "expected.txt"
#: Seconds that a case may take; the slowest takes a fiftieth.
TIME_LIMIT = 60.0


class Worker:
    """A process that judges one case at a time."""

    def __init__(self, cases: list[Case]) -> None:
        self.link, inner = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=_serve, args=(cases, inner, self.link), daemon=True)
        self.process.start()
        inner.close()
        self.index = -1
        self.deadline = 0.0

    def start(self, index: int) -> None:
        self.index = index
        self.deadline = time.monotonic() + TIME_LIMIT
        self.link.send(index)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.link.close()


def _serve(cases: list[Case], link: Connection, other: Connection) -> None:
    other.close()
    while True:
        try:
            index = link.recv()
        except EOFError:
            return
        link.send(judge(cases[index]))


def run(cases: list[Case], jobs: int) -> list[dict[str, Any]]:
    """One verdict for each case."""
    results: list[dict[str, Any]] = [{} for _ in cases]
    waiting = list(range(len(cases)))[::-1]
    workers = [Worker(cases) for _ in range(min(jobs, len(cases)))]
    for worker in workers:
        if waiting:
            worker.start(waiting.pop())
    done = 0
    while done < len(cases):
        busy = [w for w in workers if w.index >= 0]
        ready = wait([w.link for w in busy], timeout=max(min(w.deadline for w in busy) - time.monotonic(), 0.0))
        for place, worker in enumerate(workers):
            if worker.index < 0:
                continue
            late = time.monotonic() > worker.deadline
            if worker.link in ready:
                try:
                    results[worker.index] = worker.link.recv()
                except EOFError:
                    worker.process.join()
                    results[worker.index] = _gone("crashed", f"the process ended with code {worker.process.exitcode}")
            elif late:
                results[worker.index] = _gone("hung", f"no answer within {TIME_LIMIT:.0f} s")
            else:
                continue
            done += 1
            if results[worker.index]["verdict"] in ("crashed", "hung"):
                worker.stop()
                worker = workers[place] = Worker(cases)
            worker.index = -1
            if waiting:
                worker.start(waiting.pop())
    for worker in workers:
        worker.stop()
    return results


def _gone(verdict: str, reason: str) -> dict[str, Any]:
    return {"verdict": verdict, "reason": reason, "steps": [], "bound": [], "seconds": 0.0}


def read_expected() -> set[str]:
    return set(EXPECTED.read_text().split()) if EXPECTED.exists() else set()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="rewrite the list of passing cases and the documentation")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--verbose", action="store_true", help="print every case that does not pass")
    options = parser.parse_args()

    started = time.monotonic()
    expected = read_expected()
    cases = [c for c in load_cases() if options.only in c.key]
    results = run(cases, options.jobs)
    whole = not options.only

    counts = {kind: {v: 0 for v in VERDICTS} for kind in KINDS}
    for case, result in zip(cases, results, strict=True):
        counts[case.kind][result["verdict"]] += 1
        if options.verbose and result["verdict"] != "passed":
            print(f"{result['verdict']}  {case.key}: {result['reason']}")
    for kind in KINDS:
        if any(counts[kind].values()):
            print(f"conformance  {kind:18}" + "".join(f"  {counts[kind][v]:5} {v}" for v in VERDICTS))
    print(f"conformance  {len(cases)} cases in {time.monotonic() - started:.0f} s")

    passed = {c.key for c, r in zip(cases, results, strict=True) if r["verdict"] == "passed"}
    ran = {c.key: r for c, r in zip(cases, results, strict=True)}
    lost = sorted((expected & ran.keys()) - passed)
    gone = sorted(expected - ran.keys()) if whole else []
    broken = sorted(k for k, r in ran.items() if r["verdict"] in ("crashed", "hung"))
    new = sorted(passed - expected)

    if whole:
        out = ROOT / "Benchmarks" / "out" / "conformance.json"
        out.parent.mkdir(parents=True, exist_ok=True)
        table = {c.key: r for c, r in zip(cases, results, strict=True)}
        out.write_text(json.dumps({"counts": counts, "cases": table}, indent=1) + "\n")
        if options.update:
            EXPECTED.write_text("".join(f"{key}\n" for key in sorted(passed)))
            write_document(ROOT / "Documentation" / "operators.md", cases, results)
            print(f"conformance  wrote {EXPECTED.relative_to(ROOT)} and Documentation/operators.md")
    for key in broken:
        print(f"FAILED  {key} {ran[key]['verdict']}: {ran[key]['reason']}")
    if options.update and whole:
        return 1 if broken else 0
    for key in lost:
        print(f"FAILED  {key} passed before: {ran[key]['reason']}")
    for key in gone:
        print(f"FAILED  {key} passed before and is no longer part of the suite")
    if new:
        print(f"conformance  {len(new)} cases pass that did not before; take them into the list with --update:")
        for key in new[:20]:
            print(f"  {key}")
    return 1 if lost or gone or broken else 0


if __name__ == "__main__":
    sys.exit(main())
