"""Running models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _core
from ._arrays import as_array
from ._checks import int32
from ._text import bytes_text, count_text, html_table, shape_text, text_table
from .errors import ArgumentError, ShapeError
from .model import Model, Tensor, _tensor


#: Batch sizes a session stays planned for.
_PLANS_KEPT = 8


@dataclass(frozen=True)
class Step:
    """One step of a plan: a kernel and what it works on."""

    name: str
    op: str
    kernel: str
    isa: str
    dtype: str
    shape: tuple[int, ...]
    note: str
    #: Bytes of the result.
    result_bytes: int
    #: Bytes of everything it reads and writes, weights included.
    bytes: int
    #: Multiply-adds of one run.
    macs: int
    #: Pieces handed out to the threads.
    parts: int


@dataclass(frozen=True)
class Memory:
    """Where the bytes of a session's one block go."""

    total: int
    activations: int
    packed_weights: int
    scratch: int
    other: int


@dataclass(frozen=True)
class ProfileEvent:
    """Times of one step over the runs of a profile, in microseconds."""

    step: Step
    mean_us: float
    least_us: float
    most_us: float

    @property
    def gops(self) -> float:
        """Billions of operations a second (two for each multiply-add) in the fastest run."""
        return 2 * self.step.macs / self.least_us / 1e3 if self.least_us > 0 else 0.0


class Profile:
    """What each step of a model took."""

    def __init__(self, events: Sequence[ProfileEvent], runs: int) -> None:
        self.events = tuple(events)
        self.runs = runs

    def by_op(self) -> dict[str, float]:
        """Mean microseconds of a run, summed by operator type, most first."""
        sums: dict[str, float] = {}
        for event in self.events:
            sums[event.step.op] = sums.get(event.step.op, 0.0) + event.mean_us
        return dict(sorted(sums.items(), key=lambda item: -item[1]))

    def _rows(self) -> list[tuple[str, ...]]:
        total = sum(e.mean_us for e in self.events) or 1.0
        return [
            (e.step.name, e.step.op, e.step.kernel, f"{e.mean_us:.1f}", f"{100 * e.mean_us / total:.1f}", f"{e.gops:.1f}")
            for e in self.events
        ]

    _HEADER = ("step", "operator", "kernel", "mean us", "%", "GOP/s")

    def __str__(self) -> str:
        return text_table(self._HEADER, self._rows())

    def _repr_html_(self) -> str:
        return html_table(f"{self.runs} runs", self._HEADER, self._rows())


class Session:
    """A model made ready to run.

    Args:
        model: What to run.
        batch: Samples in one run. None: whatever the arrays have; the session is planned anew for a size it has not
            seen, and remembers the last eight plans.
        threads: Working threads, the caller's included.
        spin_us: How long idle workers look for work before they sleep; None is the library's default.
        strict: Refuse a quantized model of which some operator would run in float.
        isa: Instruction set (see :func:`edgeai.instruction_sets`); None is the best this CPU has.
        check_finite: Refuse arrays with NaN or infinity, which integers cannot stand for.
        memory: A writable buffer, aligned to 64 bytes, for the session to live in; needs a fixed ``batch``.

    Runs are serialized: threads that share a session wait for each other. The GIL is released while running.
    """

    def __init__(
        self,
        model: Model,
        *,
        batch: int | None = None,
        threads: int = 1,
        spin_us: int | None = None,
        strict: bool = False,
        isa: str | None = None,
        check_finite: bool = True,
        memory: Any = None,
    ) -> None:
        self.model = model
        self._symbolic = any(None in t.shape for t in model.inputs)
        if memory is not None and batch is None and self._symbolic:
            raise ArgumentError(100, "EDGEAI_ERROR_INVALID_ARGUMENT", "a session in given memory needs a batch size")
        if batch is not None and not self._symbolic:
            dims = {t.shape[0] for t in model.inputs if t.shape}
            if batch not in dims:
                message = f"the model has a fixed batch of {', '.join(map(str, dims))}; it cannot run {batch} samples at once"
                raise ArgumentError(100, "EDGEAI_ERROR_INVALID_ARGUMENT", message)
        self._fixed_batch = batch
        self._options = (int32("threads", threads), _spin(spin_us), strict)
        self._isa = isa
        self._check_finite = check_finite
        self._closed = False
        self._plans: dict[int, _core.Session] = {}
        self._bound: _core.Session | None = None  # the plan whose arrays bind() gave out last
        self._running: list[_core.Session] = []  # one entry for each thread in a run
        self._current = self._plan_for(1 if batch is None else batch, memory)
        if batch is None:
            self._plans[1] = self._current

    @staticmethod
    def memory_required(
        model: Model, *, batch: int = 1, threads: int = 1, spin_us: int | None = None, strict: bool = False, isa: str | None = None
    ) -> int:
        """Exact bytes of the block a session needs; one byte less is refused."""
        options = (int32("batch", batch), int32("threads", threads), _spin(spin_us), strict)
        return _core.memory_required(model._core, *options, False, isa)[0]

    def _plan_for(self, batch: int, memory: Any = None, profile: bool = False) -> _core.Session:
        threads, spin, strict = self._options
        return _core.open_session(
            self.model._core, int32("batch", batch), threads, spin, strict, profile, self._isa, self._check_finite, memory
        )

    def _session(self, arrays: tuple[Any, ...]) -> _core.Session:
        """The plan for these arrays' batch size."""
        if self._closed:
            raise ArgumentError(100, "EDGEAI_ERROR_INVALID_ARGUMENT", "the session is closed")
        if self._fixed_batch is not None or not self._symbolic:
            return self._current
        batch = next((_batch_of(a, t) for a, t in zip(arrays, self.model.inputs, strict=False) if None in t.shape), 1)
        session = self._plans.pop(batch, None) or self._plan_for(batch)
        self._plans[batch] = self._current = session
        # Those used longest ago go; a run in one of them ends undisturbed. The bound one stays.
        for size, plan in list(self._plans.items())[: max(len(self._plans) - _PLANS_KEPT, 0)]:
            if plan is not self._bound:
                self._plans.pop(size, None)
        return session

    def _arrays(self, x: Any) -> tuple[Any, ...]:
        if isinstance(x, Mapping):
            names = [t.name for t in self.model.inputs]
            if set(x) != set(names):
                message = f"the model's inputs are {names}; arrays were given for {sorted(x)}"
                raise ArgumentError(100, "EDGEAI_ERROR_INVALID_ARGUMENT", message)
            return tuple(as_array(x[name]) for name in names)
        if isinstance(x, (tuple, list)):
            return tuple(as_array(a) for a in x)
        return (as_array(x),)

    def run(self, x: Any, *, out: Sequence[np.ndarray[Any, Any]] | None = None) -> tuple[np.ndarray[Any, Any], ...]:
        """Computes the outputs.

        Args:
            x: One array, a sequence of arrays in the order of ``model.inputs``, or a mapping by name. Arrays are used
                in place: C-contiguous, of the input's element type and shape. Objects with ``__dlpack__`` are taken too.
            out: Arrays to write to; None makes new ones.

        Returns:
            One array for each output.
        """
        arrays = self._arrays(x)
        session = self._session(arrays)
        self._running.append(session)
        try:
            return session.run(arrays, None if out is None else tuple(out))
        finally:
            self._running.remove(session)

    def __call__(self, x: Any) -> np.ndarray[Any, Any] | tuple[np.ndarray[Any, Any], ...]:
        """Like :meth:`run`, but gives a single output without its tuple."""
        outputs = self.run(x)
        return outputs[0] if len(outputs) == 1 else outputs

    def bind(self) -> tuple[tuple[np.ndarray[Any, Any], ...], tuple[np.ndarray[Any, Any], ...]]:
        """The session's own input and output arrays: fill the inputs, call :meth:`run_bound`, read the outputs.

        They have the current plan's batch size and stay bound when :meth:`run` is called with another size.
        """
        session = self._bound = self._current
        return (
            tuple(session.input_array(i) for i in range(len(self.model.inputs))),
            tuple(session.output_array(i) for i in range(len(self.model.outputs))),
        )

    def run_bound(self) -> None:
        """Runs on the arrays :meth:`bind` gave last, without looking for NaN in them."""
        session = self._bound or self._current
        self._running.append(session)
        try:
            session.run_bound()
        finally:
            self._running.remove(session)

    def cancel(self) -> None:
        """Asks the runs in other threads to stop soon; when there are none, the next run of the current plan."""
        for session in self._running[:] or [self._current]:
            session.cancel()

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Inputs with the current plan's batch size."""
        return tuple(_tensor(t) for t in self._current.inputs())

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Outputs with the current plan's batch size."""
        return tuple(_tensor(t) for t in self._current.outputs())

    @property
    def plan(self) -> tuple[Step, ...]:
        """The steps a run takes."""
        return tuple(_step(s) for s in self._current.plan())

    @property
    def plan_text(self) -> str:
        """The plan as a table, and where its memory goes."""
        return self._current.plan_text()

    @property
    def memory(self) -> Memory:
        """Where the session's bytes go."""
        return Memory(**self._current.memory())

    def profile(self, x: Any, *, runs: int = 20) -> Profile:
        """Runs a second session that takes the time of every step."""
        arrays = self._arrays(x)
        batch = self._fixed_batch or next((_batch_of(a, t) for a, t in zip(arrays, self.model.inputs, strict=False)), 1)
        session = self._plan_for(batch, profile=True)
        try:
            session.run(arrays)
            session.reset_times()
            for _ in range(runs):
                session.run(arrays)
            events = [
                ProfileEvent(_step(s), s["total_ns"] / max(s["runs"], 1) / 1e3, s["least_ns"] / 1e3, s["most_ns"] / 1e3)
                for s in session.plan()
            ]
        finally:
            session.close()
        return Profile(events, runs)

    def close(self) -> None:
        """Stops the session and gives its memory back, at once or, when :meth:`bind` gave arrays out, with the last of them."""
        self._closed = True
        for session in {id(s): s for s in (*self._plans.values(), self._current, self._bound) if s is not None}.values():
            session.close()
        self._plans.clear()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._closed:
            return "<edgeai.Session closed>"
        steps = self.plan
        return f"<edgeai.Session of {self.model.name!r}, {len(steps)} steps, {bytes_text(self.memory.total)}>"

    def _repr_html_(self) -> str:
        rows = [
            (s.name, s.op, s.kernel, s.dtype, shape_text(s.shape), count_text(s.macs), s.note) for s in self.plan
        ]
        return html_table(repr(self), ("step", "operator", "kernel", "dtype", "shape", "multiply-adds", "note"), rows)


def _spin(spin_us: int | None) -> int:
    return -1 if spin_us is None else int32("spin_us", spin_us)


def _step(fields: dict[str, Any]) -> Step:
    return Step(**{k: fields[k] for k in Step.__dataclass_fields__ if k != "shape"}, shape=tuple(fields["shape"]))


def _batch_of(array: Any, tensor: Tensor) -> int:
    shape = getattr(array, "shape", None)
    axis = tensor.shape.index(None) if None in tensor.shape else -1
    if shape is None or len(shape) != len(tensor.shape) or axis < 0:
        return 1  # the library says what is wrong with it
    batch = int(shape[axis])
    if batch < 1:
        message = f"tensor {tensor.name!r} needs at least one sample"
        raise ShapeError(101, "EDGEAI_ERROR_SHAPE_MISMATCH", message, tensor=tensor.name)
    return batch
