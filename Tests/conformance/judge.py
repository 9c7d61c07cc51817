"""Runs one case and says how it went."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import edgeai
from edgeai import onnx_backend

import float64
from cases import Case

#: Verdicts. Refused: the engine said that it does not support something. Disputed: the numbers stored with the case are
#: further than its tolerance from what the operators give in float64, and the engine's are not. Failed: anything else
#: that is not right.
VERDICTS = ("passed", "refused", "disputed", "failed", "crashed", "hung")


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
            try:
                compare(expected, outputs, case)
            except AssertionError as error:
                if not _is_disputed(inputs, expected, outputs, case):
                    raise
                verdict, reason = "disputed", " ".join(str(error).split())
    except edgeai.EdgeAIError as error:
        verdict, reason = ("refused" if 400 <= error.code < 500 else "failed"), f"{type(error).__name__}: {error}"
    except AssertionError as error:
        verdict, reason = "failed", " ".join(str(error).split())
    except Exception as error:  # the binding's own faults are faults too
        verdict, reason = "failed", f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - started
    return {"verdict": verdict, "reason": reason[:400], "steps": steps, "bound": list(bound), "seconds": round(seconds, 4)}


def _is_disputed(inputs: list[Any], expected: list[Any], outputs: tuple[Any, ...], case: Case) -> bool:
    """Whether the engine's numbers meet those of float64 and the stored ones do not."""
    try:
        exact = [np.asarray(e).astype(np.asarray(w).dtype) for e, w in zip(float64.outputs(case.model(), inputs), expected, strict=True)]
        compare(exact, outputs, case)
    except Exception:  # the evaluator does not have every operator
        return False
    try:
        compare(exact, tuple(np.asarray(w) for w in expected), case)
    except AssertionError:
        return True
    return False


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
