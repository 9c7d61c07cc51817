"""A process for each contender, and the driver's end of it.

Nothing of one contender - threads that spin, memory, environment - is in the process of another, and a crash ends one
process only. The driver lets one of them run at a time.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

import numpy as np
from contenders import PEERS, Engine
from networks import cosine, example
from quiet import silence


PATIENCE = 600.0  # seconds for one answer; a process that takes longer hangs


class WorkerError(Exception):
    """The contender could not do what was asked; the text is what it said."""


# In the worker.


class Measured:
    """One network in one contender, with its input and what ought to come out."""

    def __init__(self, name: str, request: dict[str, Any]) -> None:
        self.engine: Engine = PEERS[name].engine()
        self.engine.load(pathlib.Path(request["file"]), request["network"], request["precision"], request["threads"])
        self.x = self.engine.prepare(example(request["network"]))
        self.expected = np.load(request["reference"])

    def check(self) -> float:
        return cosine(self.engine.real(self.engine.run(self.x)), self.expected)

    def times(self, seconds: float) -> list[float]:
        """Milliseconds of each run in a slice, one at least; a run before them warms the caches after the others."""
        run, x, clock = self.engine.run, self.x, time.perf_counter
        found: list[float] = []
        run(x)
        end = clock() + seconds
        while not found or clock() < end:
            start = clock()
            run(x)
            found.append((clock() - start) * 1e3)
        return found


def serve(name: str) -> None:
    """Answers requests, a line of JSON each, until there are no more."""
    silence()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print
    measured: Measured | None = None
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            if request["do"] == "load":
                measured = Measured(name, request)
            elif request["do"] == "unload":
                measured = None
                gc.collect()
                ctypes.CDLL(None).malloc_trim(0)  # several contenders hold the largest network at once
            elif measured is None:
                raise RuntimeError("nothing is loaded")
            elif request["do"] == "check":
                answer["cosine"] = measured.check()
            else:
                answer["times"] = measured.times(request["seconds"])
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


# In the driver.


class Worker:
    def __init__(self, name: str) -> None:
        self.hung = False
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  (as long as the process)
        self.process = subprocess.Popen(
            [sys.executable, __file__, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True
        )

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        alarm = threading.Timer(PATIENCE, self.give_up)
        alarm.start()
        try:
            self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            alarm.cancel()
        if not line:
            raise WorkerError(self.last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(" ".join(answer["error"].split())[:300])
        return answer

    def give_up(self) -> None:
        self.hung = True
        self.process.kill()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def last_words(self) -> str:
        code = self.process.wait()
        if self.hung:
            return f"it did not answer for {PATIENCE:g} seconds"
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        ended = f"signal {-code}" if code < 0 else f"code {code}"
        return f"its process ended with {ended}: {lines[-1] if lines else 'it said nothing'}"[:300]

    def close(self) -> None:
        assert self.process.stdin
        try:
            self.process.stdin.close()
            self.process.wait(10)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


if __name__ == "__main__":
    serve(sys.argv[1])
