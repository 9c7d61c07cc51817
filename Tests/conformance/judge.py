"""Runs one case and says how it went."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import edgeai
from edgeai import onnx_backend

from cases import Case

#: Verdicts. Refused: the engine said that it does not support something. Failed: anything else that is not right.
VERDICTS = ("passed", "refused", "failed", "crashed", "hung")


def judge(case: Case) -> dict[str, Any]:
    """Verdict, reason, the steps of the plan and the time."""
    started = time.perf_counter()
    steps: list[list[str]] = []
    bound: tuple[str, ...] = ()
    verdict, reason = "passed", ""
    try:
        representation = onnx_backend.prepare(case.model())
        for inputs, expected in case.data_sets():
            outputs = representation.run(inputs)
            steps = [[s.op, s.kernel, s.isa] for s in representation.plan]
            bound = representation.bound
            compare(expected, outputs, case)
    except edgeai.EdgeAIError as error:
        verdict, reason = ("refused" if 400 <= error.code < 500 else "failed"), f"{type(error).__name__}: {error}"
    except AssertionError as error:
        verdict, reason = "failed", " ".join(str(error).split())
    except Exception as error:  # the binding's own faults are faults too
        verdict, reason = "failed", f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - started
    return {"verdict": verdict, "reason": reason[:400], "steps": steps, "bound": list(bound), "seconds": round(seconds, 4)}


def compare(expected: list[Any], outputs: tuple[Any, ...], case: Case) -> None:
    """As the suite's own runner compares: numbers, shapes and element types, with the case's tolerances."""
    assert len(expected) == len(outputs), f"{len(outputs)} outputs instead of {len(expected)}"
    for index, (want, have) in enumerate(zip(expected, outputs, strict=True)):
        want = np.asarray(want)
        assert have.shape == want.shape, f"output {index} has shape {have.shape} instead of {want.shape}"
        assert have.dtype == want.dtype, f"output {index} has element type {have.dtype} instead of {want.dtype}"
        rtol = case.rtol
        if have.dtype.name == "bfloat16":
            # The suite's runner grants two units in the last place, and numpy compares in float32.
            rtol, have, want = max(rtol, 2.0**-6), have.astype(np.float32), want.astype(np.float32)
        np.testing.assert_allclose(have, want, rtol=rtol, atol=case.atol, err_msg=f"output {index}")
