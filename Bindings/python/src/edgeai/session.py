"""Running models."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _core
from ._arrays import as_array, declared
from ._checks import int32, refusal
from ._text import bytes_text, count_text, html_table, shape_text
from .errors import FreeShapeError, ShapeError
from .model import Limits, Model, Shapes, Tensor, _tensor, core_of, load
from .profile import Profile, Step, _event, _step


#: Shapes or batch sizes a session stays planned for.
_PLANS_KEPT = 8
_PRECISIONS = ("float32", "bfloat16")  # in the order of EDGEAI_PRECISION_*


@dataclass(frozen=True)
class Memory:
    """Where the bytes of a session's one block go."""

    total: int
    activations: int
    packed_weights: int
    scratch: int
    other: int


class _Plan:
    """A model for certain shapes, planned."""

    def __init__(self, model: Model, core: _core.Session, batch: int) -> None:
        self.model = model
        self.core = core
        self.batch = batch
        self.input_types = [t.dtype for t in model.inputs]
        self.output_types = [t.dtype for t in model.outputs]
        self.input_names = [t.name for t in model.inputs]
        self.input_shapes = [tuple(t["shape"]) for t in core.inputs()]


class Session:
    """A model made ready to run.

    Args:
        model: What to run: a :class:`Model`, or the path or contents of a file, which may then leave shapes open.
        batch: Samples in one run. None: whatever the arrays have; the session is planned anew for a size it has not
            seen, and remembers the last plans.
        threads: Working threads, the caller's included. The session is planned for no more than the processors that
            the process may use.
        spin_us: How long idle workers look for work before they sleep; None is the library's default. Below 10 they are
            woken for steps only that take longer than waking them: small networks run on the caller alone.
        strict: Refuse a model of which some operator would run on a reference kernel or, when it is quantized, in float.
        isa: Instruction set (see :func:`edgeai.instruction_sets`); None is the best this CPU has.
        max_extent: Most entries of a dimension whose size depends on data; None is the library's default, 65536. Memory is
            for as many as there can be, or for this many where that is less; a run that finds more raises LimitError.
        max_iterations: Iterations that all loops of the model may have together in one run; more end the run with a
            :class:`LimitError`. None is the library's default, a million.
        precision: "float32", or "bfloat16": convolutions (depthwise and transposed ones apart) and dense layers of float
            models round their operands to bfloat16 and sum in float32, a layer with the same results on every processor; one
            without such instructions emulates it, which is slower than float32 and refused when ``strict``. 3x3 and
            5x5 convolutions stay in float32 where the processor has Winograd's form and that takes less time; the plan tells.
        compact: Compute no convolution in Winograd's form, whose packed weights are 2 to 8 times as many: less memory, more
            time. Quantized models have the same results, floats differ in the last digits.
        tune: Run the model on zeros when it is planned, seven times or more with each of the ways to compute it, and take for
            every step the kernel and the number of parts that were fastest; every batch size or shape is tuned when it is
            first planned.
        tuning: What :attr:`tuning` of another session gave: the same plan, without measuring. It belongs to one model
            (operators and shapes; weights may differ, but not lose the zeros for which a step is sparse), batch, number of
            threads, instruction set, precision and ``compact``.
        check_finite: Refuse arrays with NaN or infinity, which integers cannot stand for.
        memory: A writable buffer without gaps, aligned to 64 bytes, for the session to live in; needs a fixed ``batch`` and shape.
        values: Of a file: values of inputs that become constants (see :func:`edgeai.load`).
        limits: Of a file: what to accept.
        cache: How many plans, for as many shapes or batch sizes, are remembered. Each has its own block of memory with
            its own packed weights; those used longest ago are given back first.

    Runs are serialized: threads that share a session wait for each other. The GIL is released while running.

    A file that leaves shapes open is opened and planned when arrays of a shape are first given: :attr:`model`, the plan
    and what else depends on the shape are known from then on, and are those of the shape used last.
    """

    def __init__(
        self,
        model: Model | str | os.PathLike[str] | bytes | bytearray | memoryview,
        *,
        batch: int | None = None,
        threads: int = 1,
        spin_us: int | None = None,
        strict: bool = False,
        isa: str | None = None,
        max_extent: int | None = None,
        max_iterations: int | None = None,
        precision: str = "float32",
        compact: bool = False,
        tune: bool = False,
        tuning: bytes | None = None,
        check_finite: bool = True,
        memory: Any = None,
        values: Mapping[str, Any] | None = None,
        limits: Limits | Mapping[str, int] | None = None,
        cache: int = _PLANS_KEPT,
    ) -> None:
        if cache < 1:
            raise refusal(f"cache is {cache}; it must be at least 1")
        self._source = model
        self._values = values
        self._limits = limits
        self._cache = cache
        self._fixed_batch = batch
        self._options = _working(threads, spin_us, strict, max_iterations, precision, compact)
        self._isa = isa
        self._max_extent = _extent(max_extent)
        self._tune = tune
        self._tuning = tuning
        self._check_finite = check_finite
        self._closed = False
        self._plans: dict[int | tuple[tuple[int, ...], ...], _Plan] = {}
        self._bound: _Plan | None = None  # the plan whose arrays bind() gave out last
        self._running: list[_core.Session] = []  # one entry for each thread in a run
        self._last: _Plan | None = None
        self._open_shape: FreeShapeError | None = None
        if isinstance(model, Model):
            if values is not None or limits is not None:
                message = "values and limits belong to a file; give them to load"
                raise refusal(message)
            fixed = model
        else:
            try:
                fixed = load(model, values=values, limits=limits)
            except FreeShapeError as error:
                if batch is not None or memory is not None or tuning is not None:
                    message = "a session with a fixed batch, a tuning or in given memory needs fixed shapes; give them to load"
                    raise refusal(message) from error
                # Whether the rest of the file can run shows when the shapes are known.
                self._open_shape = error
                self._symbolic = True
                return
        self._symbolic = any(None in t.shape for t in fixed.inputs)
        if memory is not None and batch is None and self._symbolic:
            raise refusal("a session in given memory needs a batch size")
        if tuning is not None and batch is None and self._symbolic:
            raise refusal("a tuning belongs to one batch size; give it as batch")
        if batch is not None and not self._symbolic:
            dims = {t.shape[0] for t in fixed.inputs if t.shape}
            if batch not in dims:
                message = f"the model has a fixed batch of {', '.join(map(str, dims))}; it cannot run {batch} samples at once"
                raise refusal(message)
        self._last = self._planned(fixed, 1 if batch is None else batch, memory)
        if batch is None:
            self._plans[1] = self._last

    @staticmethod
    def memory_required(
        model: Model,
        *,
        batch: int = 1,
        threads: int = 1,
        spin_us: int | None = None,
        strict: bool = False,
        isa: str | None = None,
        max_extent: int | None = None,
        max_iterations: int | None = None,
        precision: str = "float32",
        compact: bool = False,
        tuning: bytes | None = None,
    ) -> int:
        """Exact bytes of the block a session needs; one byte less is refused. That of a tuned session follows from its
        ``tuning``."""
        options = (int32("batch", batch), *_working(threads, spin_us, strict, max_iterations, precision, compact))
        return _core.memory_required(core_of(model), *options, False, isa, _extent(max_extent), 0, False, tuning)[0]

    @property
    def model(self) -> Model:
        """The model, of the shapes used last."""
        return self._current.model

    @property
    def _current(self) -> _Plan:
        """The plan used last. Raises FreeShapeError before the first run of a file that leaves shapes open."""
        if self._last is None:
            assert self._open_shape is not None
            raise self._open_shape
        return self._last

    def _planned(self, model: Model, batch: int, memory: Any = None) -> _Plan:
        return _Plan(model, self._open(model, batch, tune=self._tune, tuning=self._tuning, memory=memory), batch)

    def _open(
        self, model: Model, batch: int, *, profile: bool = False, trace_runs: int = 0, tune: bool = False,
        tuning: bytes | None = None, memory: Any = None,
    ) -> _core.Session:  # fmt: skip
        return _core.open_session(
            model._core, int32("batch", batch), *self._options, profile, self._isa, self._max_extent, trace_runs, tune, tuning,
            self._check_finite, memory,
        )  # fmt: skip

    def _specialised(self, x: Any, arrays: Sequence[Any]) -> Model:
        """The file, opened for the shapes of arrays."""
        shapes: Shapes = {n: np.shape(a) for n, a in x.items()} if isinstance(x, Mapping) else [np.shape(a) for a in arrays]
        return load(self._source, shapes=shapes, values=self._values, limits=self._limits)  # type: ignore[arg-type]

    def _batch(self, arrays: tuple[Any, ...]) -> int:
        inputs = self._current.model.inputs
        return next((_batch_of(a, t) for a, t in zip(arrays, inputs, strict=False) if None in t.shape), 1)

    def _plan_for(self, x: Any) -> tuple[_Plan, tuple[Any, ...]]:
        """The plan for the shapes of what is to be run, and its arrays in order."""
        if self._closed:
            raise refusal("the session is closed")
        arrays = self._arrays(x)
        last = self._last
        if last is not None and [getattr(a, "shape", None) for a in arrays] == last.input_shapes:
            return last, arrays
        if self._open_shape is None and (self._fixed_batch is not None or not self._symbolic):
            return self._current, arrays
        key: int | tuple[tuple[int, ...], ...]
        key = self._batch(arrays) if self._open_shape is None else tuple(np.shape(a) for a in arrays)
        plan = self._plans.pop(key, None)
        if plan is None and isinstance(key, int):
            plan = self._planned(self._current.model, key)
        elif plan is None:
            model = self._specialised(x, arrays)
            plan = self._planned(model, 1)
            if isinstance(x, Mapping) and self._last is None:
                # The order of names was not known.
                self._last = plan
                arrays = self._arrays(x)
                key = tuple(np.shape(a) for a in arrays)
        self._plans[key] = self._last = plan
        excess = len(self._plans) - self._cache
        if excess > 0:
            # Those used longest ago go; a run in one of them ends undisturbed. The bound one stays.
            for size, old in list(self._plans.items())[:excess]:
                if old is not self._bound:
                    self._plans.pop(size, None)
        return plan, arrays

    def _arrays(self, x: Any) -> tuple[Any, ...]:
        if isinstance(x, (tuple, list)):
            return tuple([as_array(a) for a in x])
        if isinstance(x, (dict, Mapping)):  # a dict is a Mapping, which takes longer to find out
            if self._last is None:
                return tuple([as_array(a) for a in x.values()])
            names = self._last.input_names
            if set(x) != set(names):
                message = f"the model's inputs are {names}; arrays were given for {sorted(x)}"
                raise refusal(message)
            return tuple([as_array(x[name]) for name in names])
        return (as_array(x),)

    def run(self, x: Any, *, out: Sequence[np.ndarray[Any, Any]] | None = None) -> tuple[np.ndarray[Any, Any], ...]:
        """Computes the outputs.

        Args:
            x: One array, a sequence of arrays in the order of ``model.inputs``, or a mapping by name. Arrays are used
                in place: C-contiguous, of the input's element type and shape. Objects with ``__dlpack__`` are taken too.
                bfloat16 is an array of ``ml_dtypes.bfloat16``, or of ``uint16`` that holds the bits.
            out: Arrays to write to; None makes new ones.

        Returns:
            One array for each output. Where a size depends on data it has the entries that this run found, as a view of
            an array for the most there can be; so have the views of ``out``. bfloat16 is of ``ml_dtypes.bfloat16`` where
            that package is installed (``onnx`` brings it), else of ``uint16`` with the bits.
        """
        running = self._running
        if self._last is not None:
            # Most runs are like the one before, which shows sooner than what a run needs in general.
            session = self._last.core
            running.append(session)
            try:
                alike = session.run_alike(x, out)
            finally:
                running.remove(session)
            if alike is not None:
                return alike
        plan, arrays = self._plan_for(x)
        session = plan.core
        running.append(session)
        try:
            outputs = session.run(arrays, None if out is None else tuple([as_array(a) for a in out]))
            return declared(outputs, plan.output_types)
        finally:
            running.remove(session)

    def __call__(self, x: Any) -> np.ndarray[Any, Any] | tuple[np.ndarray[Any, Any], ...]:
        """Like :meth:`run`, but gives a single output without its tuple."""
        outputs = self.run(x)
        return outputs[0] if len(outputs) == 1 else outputs

    def bind(self) -> tuple[tuple[np.ndarray[Any, Any], ...], tuple[np.ndarray[Any, Any], ...]]:
        """The session's own input and output arrays: fill the inputs, call :meth:`run_bound`, read the outputs.

        They have the current plan's batch size and stay bound when :meth:`run` is called with another size.
        """
        plan = self._bound = self._current
        inputs = tuple(plan.core.input_array(i) for i in range(len(plan.input_types)))
        outputs = tuple(plan.core.output_array(i) for i in range(len(plan.output_types)))
        return declared(inputs, plan.input_types), declared(outputs, plan.output_types)

    def run_bound(self) -> None:
        """Runs on the arrays :meth:`bind` gave last, without looking for NaN in them."""
        session = (self._bound or self._current).core
        self._running.append(session)
        try:
            session.run_bound()
        finally:
            self._running.remove(session)

    @property
    def output_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the outputs in the last run of the bound arrays, or else of the current plan: where a size depends on
        data, the number of entries the run found. They are the first ones along that axis of the array."""
        plan = self._bound or self._current
        return tuple(plan.core.output_shape(i) for i in range(len(plan.model.outputs)))

    def reset(self) -> None:
        """Makes the next run find the model's state (variables of a streaming model) as the first one did.

        State belongs to a plan: a session that is planned for several batch sizes has one for each, and all are reset.
        """
        for plan in {id(p): p for p in [*self._plans.values(), self._bound, self._last] if p is not None}.values():
            plan.core.reset()

    def cancel(self) -> None:
        """Asks the runs in other threads to stop soon; when there are none, the next run of the current plan. Does nothing before
        the first run of a file that leaves shapes open."""
        for session in self._running[:] or ([] if self._last is None else [self._last.core]):
            session.cancel()

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Inputs with the current plan's batch size."""
        return tuple(_tensor(t) for t in self._current.core.inputs())

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Outputs with the current plan's batch size."""
        return tuple(_tensor(t) for t in self._current.core.outputs())

    @property
    def plan(self) -> tuple[Step, ...]:
        """The steps a run takes."""
        return tuple(_step(s) for s in self._current.core.plan())

    @property
    def plan_text(self) -> str:
        """The plan as a table, and where its memory goes."""
        return self._current.core.plan_text()

    @property
    def memory(self) -> Memory:
        """Where the session's bytes go."""
        return Memory(**self._current.core.memory())

    @property
    def tuning(self) -> bytes:
        """The kernel and the number of parts of every step of the current plan, for ``tuning`` of another session."""
        return self._current.core.tuning()

    def profile(self, x: Any, *, runs: int = 20, trace_runs: int = 1) -> Profile:
        """Runs a second session, planned like this one, that takes the time of every step.

        Args:
            x: As for :meth:`run`.
            runs: How many runs are measured, after one that is not.
            trace_runs: The last so many are kept for :meth:`Profile.to_trace`, with each thread's share of a step. 0: none,
                and no readings of the clock by the threads that share a step.
        """
        runs, trace_runs = int32("runs", runs, least=1), int32("trace_runs", trace_runs, least=0)
        plan, arrays = self._plan_for(x)
        session = self._open(plan.model, plan.batch, profile=True, trace_runs=trace_runs, tuning=plan.core.tuning())
        try:
            session.run(arrays)
            session.measure_peak()
            session.reset_times()
            for _ in range(runs):
                session.run(arrays)
            events = [_event(s) for s in session.plan()]
            return Profile(events, runs, session.trace() if trace_runs > 0 else None)
        finally:
            session.close()

    def close(self) -> None:
        """Stops the session and gives its memory back, at once or, when :meth:`bind` gave arrays out, with the last of them."""
        self._closed = True
        for plan in {id(p): p for p in (*self._plans.values(), self._last, self._bound) if p is not None}.values():
            plan.core.close()
        self._plans.clear()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._closed:
            return "<edgeai.Session closed>"
        if self._last is None:
            return "<edgeai.Session of a file with open shapes>"
        steps = self.plan
        return f"<edgeai.Session of {self.model.name!r}, {len(steps)} steps, {bytes_text(self.memory.total)}>"

    def _repr_html_(self) -> str:
        rows = [
            (s.name, s.op, s.kernel, s.dtype, shape_text(s.shape), count_text(s.macs), s.note) for s in self.plan
        ]
        return html_table(repr(self), ("step", "operator", "kernel", "dtype", "shape", "multiply-adds", "note"), rows)


def _spin(spin_us: int | None) -> int:
    return -1 if spin_us is None else int32("spin_us", spin_us, least=0)


def _extent(max_extent: int | None) -> int:
    if max_extent is None:
        return -1
    if max_extent < 2:
        raise refusal(f"max_extent is {max_extent}; it must be at least 2")
    return min(max_extent, 2**63 - 1)


def _working(
    threads: int, spin_us: int | None, strict: bool, max_iterations: int | None, precision: str, compact: bool
) -> tuple[int, int, bool, int, int, bool]:
    return int32("threads", threads), _spin(spin_us), strict, _iterations(max_iterations), _precision(precision), compact


def _precision(precision: str) -> int:
    if precision not in _PRECISIONS:
        message = f"precision is {precision!r}; it must be {' or '.join(map(repr, _PRECISIONS))}"
        raise refusal(message)
    return _PRECISIONS.index(precision)


def _iterations(max_iterations: int | None) -> int:
    if max_iterations is None:
        return -1
    if not 1 <= max_iterations < 1 << 63:
        message = f"max_iterations is {max_iterations}; it must be at least 1"
        raise refusal(message)
    return max_iterations


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
