"""Compression as a whole: a recipe of methods one after another, or a search within a budget."""

from __future__ import annotations

import contextlib
import inspect
import math
import operator
import os
import pathlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from . import _core
from ._arrays import as_array, as_type
from ._checks import int32, pair, path_bytes
from ._checks import refusal as _error
from ._disk import no_file
from ._samples import Arrays, batches as _batches, pieces, samples_of_a_run
from .errors import EdgeAIError
from .quantization import Result
from .model import Model, core_of, load
from .pruning import Progress, _reporting
from .recipes import METHODS as METHODS, Checkpoint, Step, needs_data, parse_recipe as parse_recipe, step_text
from .report import Report
from .session import Session


def _follow(
    model: Model, recipe: str | Sequence[Step], batches: list[Arrays] | None, threads: int, checkpoint: Any, progress: Progress
) -> Result:
    steps = parse_recipe(recipe)
    for name, options in steps:
        if batches is None and needs_data(name, options):
            raise _error(f"{step_text(name, options)} needs data")
    kept = Checkpoint(checkpoint, model, batches)
    models: list[Model] = []
    names: list[str] = []
    current = model
    for number, (name, options) in enumerate(steps, 1):
        if callable(progress):
            progress(name, number - 1, len(steps))
        method, parameters = METHODS[name], inspect.signature(METHODS[name]).parameters
        arguments: dict[str, Any] = dict(options)
        if "data" in parameters:
            arguments["data"] = batches
        if "progress" in parameters:
            arguments["progress"] = progress
        if "threads" in parameters:
            arguments.setdefault("threads", threads)
        source = current

        def make(method: Callable[..., Any] = method, source: Model = source, arguments: dict[str, Any] = arguments) -> Model:
            result: Model = method(source, **arguments).model
            return result

        try:
            current = kept.step(number, name, options, make)
        except EdgeAIError as error:
            error.message = f"{step_text(name, options)}: {error.message}"
            raise
        models.append(current)
        names.append(step_text(name, options))
    return Result(current, stage_report(model, dict(zip(_unique(names), models, strict=True)), batches))


def _unique(names: Sequence[str]) -> list[str]:
    """The names, with numbers where one repeats."""
    return [name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})" for i, name in enumerate(names)]


def stage_report(model: Model, stages: Mapping[str, Model], data: Any = None) -> Report:
    """What stages of compression left of every layer: weights kept, bits, coded bytes, time, and error on ``data``.

    Args:
        model: The original.
        stages: The models it became, by name and in order; each with the original's inputs and outputs.
        data: Samples, as for :func:`edgeai.quantize`. Without any the report has no errors.
    """
    core, cores = core_of(model), [core_of(stage) for stage in stages.values()]
    # The library does not go through the stages without a sample.
    feed = iter([_zeros(model)]) if data is None else _batches(model, data)
    return Report(_core.stage_report(core, cores, list(stages), feed), measured=data is not None)


def _zeros(model: Model) -> Arrays:
    """Inputs of one run, all zero."""
    return tuple(as_type(np.zeros([1 if dim is None else dim for dim in t.shape], np.float32), t.dtype) for t in model.inputs)


def _top1(labels: Any, model: Model, batches: Sequence[Arrays], threads: int) -> Callable[[Model], float]:
    """Percent of the judging samples whose label is the greatest element of the first output: those of every second run."""
    rows = samples_of_a_run(model.inputs)
    runs = [piece for batch in batches for piece in pieces(model.inputs, batch)]
    try:
        given = np.asarray(as_array(labels))
    except ValueError:
        raise _error("labels are rows of different lengths; give one whole number for each sample") from None
    if given.size != rows * len(runs):
        raise _error(f"there are {given.size} labels for {rows * len(runs)} samples")
    classes = math.prod(dim or 1 for dim in model.outputs[0].shape) // rows
    for label in given.reshape(-1).tolist():
        # A class that no sample can have is wrong before and after, and any drop of accuracy would be met.
        if not (isinstance(label, (int, float)) and 0 <= label < classes and label == int(label)):
            raise _error(f"labels has {label!r}; it must have whole numbers from 0 up to {classes - 1}")
    expected = given.reshape(len(runs), rows)
    judges = slice(1, None, 2) if len(runs) > 1 else slice(None)

    def quality(model: Model) -> float:
        with Session(model, threads=threads) as session:
            found = [np.reshape(session.run(run)[0], (rows, -1)).argmax(1) for run in runs[judges]]
        return 100.0 * float(np.mean(np.equal(found, expected[judges])))

    return quality


@contextlib.contextmanager
def _partial(file: pathlib.Path) -> Iterator[pathlib.Path]:
    """Where a file is written before it takes the place of the old one: whole or not at all."""
    partial = file.with_name(f"{file.name}.partial")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _state(path: str | os.PathLike[str] | None, size: int) -> Iterator[bytearray]:
    """Memory of a search, read from a file and written back to it, also when the search ends early."""
    if path is None:
        yield bytearray()
        return
    state = bytearray(size)
    found = b""
    try:
        # A link stays one: what it leads to is replaced.
        file = pathlib.Path(os.fsdecode(path_bytes(path))).resolve()
        if file.exists():
            if not file.is_file():
                raise _error(f"the checkpoint of a search is a file; {path} is none")
            found = file.read_bytes()
            if len(found) > size:
                raise _error(f"{path} is the state of another search")
            state[: len(found)] = found
        # Before the work: it shows whether there is a place for what the work gives.
        with _partial(file) as partial:
            partial.write_bytes(state)
    except OSError as error:
        raise no_file(path, error) from error
    try:
        yield state
    finally:
        # Without the room that nothing has taken: it is zeros.
        made = state.rstrip(b"\0")
        try:
            # A file that was refused stays as it is.
            if made != found.rstrip(b"\0"):
                with _partial(file) as partial:
                    partial.write_bytes(made)
                    partial.replace(file)
        except OSError as error:
            # A result must not be lost for want of what would only make it again sooner.
            warnings.warn(f"{no_file(path, error)}; what the search made is not kept", RuntimeWarning, stacklevel=4)


def compress(
    model: Model,
    data: Any,
    *,
    recipe: str | Sequence[Step] | None = None,
    target_bytes: int | None = None,
    target_latency: float | None = None,
    max_drop: float | None = None,
    method: Literal["grid", "blocks"] = "grid",
    block: tuple[int, int] | str = (16, 1),
    labels: Any = None,
    quality: Callable[[Model], float] | None = None,
    scan_samples: int = 8,
    threads: int = 1,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress = False,
) -> Result:
    """Compresses a model by a recipe, or as far as a budget asks.

    Exactly one of ``recipe``, ``target_bytes``, ``target_latency`` and ``max_drop`` must be given. ``method``, ``block``, ``labels``,
    ``quality`` and ``scan_samples`` are of searches, and refused with a recipe.

    Args:
        model: A float model.
        data: Samples, as for :func:`edgeai.quantize`. A search fits weights to every second one, from the first on, and measures
            and judges on the others: fitted weights look better on the samples they were fitted to. None for a recipe whose steps
            can do without; its report then has no errors.
        recipe: Methods one after another: ``"prune:amount=0.8,block=16x1 share:bits=5"``, or pairs of a name and options.
            Names are those of the functions: :data:`METHODS`.
        target_bytes: The coded file (``save(path, coding="adaptive")``) has at most so many bytes, with the least error.
        target_latency: A run of one sample takes at most so many seconds here and now, with the least error.
        max_drop: ``quality`` falls by at most so much; the file ("grid") or the run ("blocks") becomes as small as that allows.
        method: What a search does to layers: "grid" makes their numbers coarser (small files); "blocks" removes blocks of
            numbers (short runs where sparse kernels are faster; for the same bytes it loses far more than "grid").
        block: For "blocks": output and input channels of a block.
        labels: The right class of each sample, a whole number from 0 up: quality is then the top-1 accuracy in percent.
        quality: Judges a model, on data of its own; larger is better. Without it and ``labels``: percent of the judging samples
            whose top-1 stays the same.
        scan_samples: So many of the judging samples measure the noise that each layer brings at each level.
        threads: For running models; a recipe's steps may have their own.
        checkpoint: A search keeps what it made and measured in this file, up to twice the weights as float32; a recipe the models
            of its stages in this folder. The same call goes on from there after Ctrl-C, a search with another target too.
        progress: True shows a tqdm bar; a callable is called as ``progress(stage, done, total)``. Ctrl-C cancels.

    Returns:
        The model and a report whose ``stages`` say what each method left of every layer.
    """
    core = core_of(model)
    goals = {"recipe": recipe, "target_bytes": target_bytes, "target_latency": target_latency, "max_drop": max_drop}
    given = [name for name, goal in goals.items() if goal is not None]
    if len(given) != 1:
        raise _error(f"give one of {list(goals)}; {len(given)} are given")
    # What the library is given 0 or less for is no goal at all to it.
    if target_bytes is not None and not 1 <= target_bytes < 2**64:
        raise _error(f"target_bytes is {target_bytes}; it must be 1 up to 2**64 - 1")
    if target_latency is not None and not 0 < target_latency < 2**64 / 1e9:
        raise _error(f"target_latency is {target_latency} s; it must be above 0 and less than {2**64 / 1e9:.3g}")
    if max_drop is not None and not 0 <= max_drop < math.inf:
        raise _error(f"max_drop is {max_drop}; it must be at least 0 and finite")
    batches = None if data is None else list(_batches(model, data))
    if recipe is not None:
        for name, is_given in {
            "method": method != "grid",
            "block": pair("block", block) != (16, 1),
            "labels": labels is not None,
            "quality": quality is not None,
            "scan_samples": scan_samples != 8,
        }.items():
            if is_given:
                raise _error(f"{name} is of a search; with a recipe it has no effect. Options of its steps are written in the recipe")
        return _follow(model, recipe, batches, int32("threads", threads, least=1), checkpoint, progress)
    if batches is None:
        raise _error("a search needs data")
    if method not in ("grid", "blocks"):
        raise _error(f"there is no method {method!r}; there are 'grid' and 'blocks'")
    if labels is not None and quality is not None:
        raise _error("give labels or quality, not both")
    rows, columns = pair("block", block)
    if method == "grid" and (rows, columns) != (16, 1):
        raise _error("block is of the method 'blocks'; 'grid' removes none")
    judge = quality if labels is None else _top1(labels, model, batches, threads)
    if judge is not None and max_drop is None:
        raise _error("quality is judged for max_drop only")
    options = {
        "method": 0 if method == "grid" else 1,
        "target_bytes": 0 if target_bytes is None else operator.index(target_bytes),
        "target_nanoseconds": 0 if target_latency is None else max(round(target_latency * 1e9), 1),
        "max_drop": -1.0 if max_drop is None else float(max_drop),
        "block_rows": rows,
        "block_columns": columns,
        "scan_samples": int32("scan_samples", scan_samples),
        "threads": int32("threads", threads),
    }
    with _state(checkpoint, _core.compress_state_bytes(core, options)) as state, _reporting(progress) as callback:
        compressed, report = _core.compress(
            core,
            options,
            iter(batches),
            state,
            None if judge is None else lambda image: float(judge(load(image))),
            callback,
        )
    return Result(Model(compressed), Report(report))
