"""Making models small."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _core
from ._checks import int32, names, refusal
from ._samples import batches, samples_of_a_run
from ._text import bytes_text
from .model import Model, core_of
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
    ignore: str | Sequence[str] = (),
    ignore_types: str | Sequence[str] = (),
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
            arrays, or mappings by input name). A model that fixes how many samples it takes is given as many at a time: their
            number must be a multiple. About 100 samples are enough.
        recipe: ``"int8"`` is the one there is.
        calibrator: How the range of an activation follows from what was seen.
        per_channel: A weight scale for each output channel; False: one for each layer.
        ignore: Names of operators that stay in float, or one name.
        ignore_types: The same by operator type, such as ``"softmax"``; one that no operator has is an error.
        strict: An operator that would stay in float without being listed is an error.
        percentile: For that calibrator: share of the values inside the range, in percent.
        momentum: For the moving average: weight of the past.
        ranges: Least and greatest value of tensors that are known, by name, in place of what the calibrator finds: those that
            quantization-aware training has learnt (:meth:`edgeai.train.Trainer.ranges`). A name must be that of one tensor.
        report_samples: How many samples the report is measured on; 0 measures nothing.
        threads: For running the model.
        progress: True shows a tqdm bar; a callable is called as ``progress(stage, done, total)``. Ctrl-C cancels.

    Returns:
        The model and its report. The same inputs give the same bytes.
    """
    if recipe != "int8" or calibrator not in _CALIBRATORS:
        message = f"unknown recipe {recipe!r}" if recipe != "int8" else f"unknown calibrator {calibrator!r}; there are {list(_CALIBRATORS)}"
        raise refusal(message)
    core = core_of(model)
    types = names("ignore_types", ignore_types)
    known = sorted({op.type for op in model.ops}) if types else []
    unknown = [name for name in types if name.lower() not in map(str.lower, known)]
    if unknown:
        raise refusal(f"ignore_types has {unknown[0]!r}; the model's operators are of the types {', '.join(known)}")
    calibration = _core.open_calibration(
        core,
        _CALIBRATORS[calibrator],
        per_channel,
        strict,
        int32("threads", threads),
        int32("report_samples", report_samples),
        percentile,
        momentum,
        names("ignore", ignore),
        types,
        [(name, low, high) for name, (low, high) in (ranges or {}).items()],
        progress if callable(progress) else None,
    )
    total = len(data) // samples_of_a_run(model.inputs) if isinstance(data, np.ndarray) and data.ndim > 0 else None
    with _bar(progress is True, total) as update:
        for batch in batches(model, data):
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
    return Report(_core.compare(core_of(model), core_of(other), batches(model, data)))
