"""Making models small."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _core
from ._arrays import as_array
from ._checks import int32
from ._text import bytes_text
from .errors import ArgumentError
from .model import Model
from .report import Report

if TYPE_CHECKING:
    import os

Calibrator = Literal["min-max", "moving-average", "percentile", "entropy", "mse"]
_CALIBRATORS: dict[str, int] = {"min-max": 0, "moving-average": 1, "percentile": 2, "entropy": 3, "mse": 4}


@dataclass(frozen=True)
class Result:
    """A compressed model and what it cost."""

    model: Model
    report: Report

    @property
    def before(self) -> int:
        """Bytes of the ``.edgeai`` file before."""
        return self.report.bytes_before

    @property
    def after(self) -> int:
        """Bytes of the ``.edgeai`` file after."""
        return self.report.bytes_after

    def save(self, path: str | os.PathLike[str], *, coding: str = "none") -> None:
        """Writes the model as an ``.edgeai`` file; ``coding`` as in :meth:`Model.save`."""
        self.model.save(path, coding=coding)

    def __repr__(self) -> str:
        measured = f", {self.report.sqnr_db:.1f} dB" if self.report.samples else ""
        return f"<edgeai.Result {bytes_text(self.before)} -> {bytes_text(self.after)}{measured}>"

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


def _batches(model: Model, data: Any) -> Iterator[tuple[np.ndarray[Any, Any], ...]]:
    """Batches of contiguous arrays in the order of the model's inputs, from one array or any iterable of batches."""
    names = [t.name for t in model.inputs]
    data = as_array(data)
    if isinstance(data, np.ndarray):
        if len(names) != 1:
            message = f"the model has {len(names)} inputs; give an iterable of tuples or mappings"
            raise ArgumentError(100, "EDGEAI_ERROR_INVALID_ARGUMENT", message)
        # Sample by sample, so that progress moves and Ctrl-C is heard.
        step = 1 if None in model.inputs[0].shape else len(data)
        data = [data[i : i + step] for i in range(0, len(data), max(step, 1))]
    for item in data:
        if isinstance(item, Mapping):
            missing = [name for name in names if name not in item]
            if missing:
                message = f"a batch has no array for input {missing[0]!r}"
                raise ArgumentError(100, "EDGEAI_ERROR_INVALID_ARGUMENT", message, tensor=missing[0])
            item = tuple(item[name] for name in names)
        arrays = item if isinstance(item, (tuple, list)) else (item,)
        yield tuple(np.asarray(as_array(a), order="C") for a in arrays)


@contextlib.contextmanager
def _bar(show: bool, total: int | None) -> Iterator[Callable[[int], object]]:
    """A tqdm progress bar, where it is wanted and installed."""
    if not show:
        yield lambda samples: None
        return
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        yield lambda samples: None
        return
    with tqdm(total=total, desc="calibrating", unit="sample") as bar:
        yield bar.update


def quantize(
    model: Model,
    data: Any,
    *,
    recipe: Literal["int8"] = "int8",
    calibrator: Calibrator = "min-max",
    per_channel: bool = True,
    ignore: Sequence[str] = (),
    ignore_types: Sequence[str] = (),
    strict: bool = False,
    percentile: float = 99.99,
    momentum: float = 0.9,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    report_samples: int = 8,
    threads: int = 1,
    progress: bool | Callable[[str, int, int], object] = False,
) -> Result:
    """Quantizes a float model after training: int8 weights, uint8 activations, int32 biases.

    Args:
        model: A float model.
        data: Typical inputs, prepared as for running: one array of samples, or an iterable of batches (arrays, tuples of
            arrays, or mappings by input name). About 100 samples are enough.
        recipe: ``"int8"`` is the one there is.
        calibrator: How the range of an activation follows from what was seen.
        per_channel: A weight scale for each output channel; False: one for each layer.
        ignore: Names of operators that stay in float.
        ignore_types: The same by operator type, such as ``"softmax"``.
        strict: An operator that would stay in float without being listed is an error.
        percentile: For that calibrator: share of the values inside the range, in percent.
        momentum: For the moving average: weight of the past.
        ranges: Least and greatest value of tensors that are known, by name, in place of what the calibrator finds: those that
            quantization-aware training has learnt (:meth:`edgeai.train.Trainer.ranges`).
        report_samples: How many samples the report is measured on; 0 measures nothing.
        threads: For running the model.
        progress: True shows a tqdm bar; a callable is called as ``progress(stage, done, total)``. Ctrl-C cancels.

    Returns:
        The model and its report. The same inputs give the same bytes.
    """
    if recipe != "int8" or calibrator not in _CALIBRATORS:
        message = f"unknown recipe {recipe!r}" if recipe != "int8" else f"unknown calibrator {calibrator!r}; there are {list(_CALIBRATORS)}"
        raise ArgumentError(100, "EDGEAI_ERROR_INVALID_ARGUMENT", message)
    calibration = _core.open_calibration(
        model._core,
        _CALIBRATORS[calibrator],
        per_channel,
        strict,
        int32("threads", threads),
        int32("report_samples", report_samples),
        percentile,
        momentum,
        list(ignore),
        list(ignore_types),
        [(name, low, high) for name, (low, high) in (ranges or {}).items()],
        progress if callable(progress) else None,
    )
    total = len(data) if isinstance(data, np.ndarray) else None
    with _bar(progress is True, total) as update:
        for batch in _batches(model, data):
            before = calibration.samples()
            calibration.feed(batch)
            update(calibration.samples() - before)
    calibration.finish()
    quantized, report = calibration.quantize()
    return Result(Model(quantized), Report(report))


def compare(model: Model, other: Model, data: Iterable[Any]) -> Report:
    """Runs two models with the same inputs and outputs side by side and measures how far ``other`` is from ``model``.

    Each runs with its deployed kernels; results are matched by name. ``data`` is as for :func:`quantize`.
    """
    return Report(_core.compare(model._core, other._core, _batches(model, data)))
