"""Fewer weights: pruning, what it costs each layer, and layers of low rank."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from . import _core
from ._checks import amounts, int32, names as _names, pair, refusal
from ._samples import batches
from ._text import html_table, text_table
from .quantization import Result
from .model import Model, core_of
from .report import Report

PruneMethod = Literal["layerwise", "global", "threshold"]
Repair = Literal["none", "bias", "least-squares"]
Rank = Literal["error", "energy", "count"]
_METHODS: dict[str, int] = {"layerwise": 0, "global": 1, "threshold": 2}
_PATTERN = 3
_REPAIRS: dict[str, int] = {"none": 0, "bias": 1, "least-squares": 2}
_RANKS: dict[str, int] = {"error": 0, "energy": 1, "count": 2}

Progress = bool | Callable[[str, int, int], object]


@dataclass(frozen=True)
class SensitivityRow:
    """What pruning one layer alone does to the outputs."""

    layer: str
    #: Share of the layer's weights that was to go.
    fraction: float
    #: Power of the worst output's error, relative to the output's own: 1 / SQNR. 0 when nothing changed.
    noise: float
    #: Weights of the layer, and those of them that are not zero afterwards (-0 is zero).
    weights: int
    kept: int
    #: Samples for which the first output that is a vector still ranks the same element first.
    same_top1: int
    samples: int

    @property
    def sqnr_db(self) -> float:
        """The noise in decibels; infinite when nothing changed."""
        return -10 * math.log10(self.noise) if self.noise > 0 else math.inf

    @property
    def agreement(self) -> float:
        """Share of the samples with the same first element."""
        return self.same_top1 / self.samples


class Sensitivity:
    """What :func:`sensitivity` measured; :func:`prune` takes it to let all layers lose alike.

    Attributes:
        rows: Layer by layer, in the order of the shares.
    """

    def __init__(self, rows: Sequence[SensitivityRow]) -> None:
        self.rows = tuple(rows)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in the order of the model."""
        return tuple(dict.fromkeys(row.layer for row in self.rows))

    def to_pandas(self) -> Any:
        """The rows as a pandas DataFrame (pandas must be installed)."""
        import pandas  # type: ignore[import-untyped, import-not-found, unused-ignore]

        return pandas.DataFrame([{**vars(row), "sqnr_db": row.sqnr_db} for row in self.rows])

    _HEADER = ("layer", "weights", "pruned", "SQNR dB", "same first")

    def _cells(self) -> list[tuple[str, ...]]:
        return [
            (row.layer, str(row.weights), f"{100 * row.fraction:.1f} %", f"{row.sqnr_db:.1f}", f"{100 * row.agreement:.1f} %")
            for row in self.rows
        ]

    def __str__(self) -> str:
        return text_table(self._HEADER, self._cells())

    def __repr__(self) -> str:
        return f"<edgeai.Sensitivity {len(self.layers)} layers, {len(self.rows)} rows>"

    def _repr_html_(self) -> str:
        return html_table(repr(self), self._HEADER, self._cells())


def _choice(name: str, value: str, table: dict[str, int]) -> int:
    if value not in table:
        raise refusal(f"unknown {name} {value!r}; there are {list(table)}")
    return table[value]


@contextlib.contextmanager
def _reporting(progress: Progress) -> Iterator[Callable[[str, int, int], object] | None]:
    """The caller's callable, or one that moves a tqdm bar where that is installed."""
    if callable(progress) or not progress:
        yield progress if callable(progress) else None
        return
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        yield None
        return
    with tqdm() as bar:

        def move(stage: str, done: int, total: int) -> None:
            bar.set_description(stage, refresh=False)
            if total:
                bar.total, bar.n = total, done
            else:
                bar.n += 1
            bar.refresh()

        yield move


def prune(
    model: Model,
    amount: float = 0.5,
    *,
    method: PruneMethod = "layerwise",
    pattern: tuple[int, int] | str | None = None,
    block: tuple[int, int] | str = (1, 1),
    norm: Literal[1, 2] = 2,
    names: str | Sequence[str] = (),
    layers: Mapping[str, float] | None = None,
    depthwise: bool = False,
    first: bool = False,
    sensitivity: Sensitivity | None = None,
    data: Any = None,
    repair: Repair = "least-squares",
    rounds: int = 4,
    damping: float = 0.1,
    windows: int = 256,
    sequential: bool = False,
    report_samples: int = 8,
    threads: int = 1,
    progress: Progress = False,
) -> Result:
    """Sets weights of convolutions and dense layers to zero. Shapes, operators and names stay.

    Args:
        model: A float model.
        amount: The share of weights to remove, or with ``"threshold"`` a number of standard deviations.
        method: ``"layerwise"`` removes the share of each layer, ``"global"`` of all layers together (scores are divided by
            their mean in the layer), ``"threshold"`` what is below so many standard deviations of its layer.
        pattern: ``(2, 4)`` or ``"2:4"`` keeps 2 of each 4 neighbouring input channels. It takes the place of ``amount`` and ``method``,
            which are refused with it; of ``layers`` only 0 is left.
        block: Weights go in blocks of so many output channels and input channels, inside one tap of the kernel: ``(16, 1)``, ``"16x1"``.
        norm: A block's score: the mean of ``|w|`` (1) or of ``w**2`` (2).
        names: The layers to prune; a name may end in ``*``, and one name needs no list. Default: all but depthwise and first ones.
        layers: Amounts of single layers by name, in place of ``amount``; 0 leaves a layer as it is.
        depthwise: Also prunes depthwise layers. A layer that is named in full is pruned whatever its kind.
        first: Also prunes the layers that inputs reach through no other layer with weights.
        sensitivity: What :func:`sensitivity` measured: all layers then lose alike, and the share ``amount`` of all weights
            goes. No layer loses more than was measured.
        data: Typical inputs as for :func:`edgeai.quantize`. With them what is left is repaired, and the report is measured.
        repair: ``"least-squares"`` chooses weights by what they contribute to the layer's result and fits those that stay
            again, and the bias; ``"bias"`` corrects the bias; ``"none"``.
        rounds: Weights go, and the rest is fitted again, in so many steps.
        damping: How strongly the fit holds on to the weights there were: so many times the mean variance of a layer's inputs
            is added to each variance, in the fit and in the choice.
        windows: Windows of each sample that a convolution is fitted on, at most.
        sequential: Layers also make up for the errors of those before them, which needs ``data`` and a ``repair``. The samples run
            anew for each layer, and more of them are needed.
        report_samples: How many samples the report is measured on.
        threads: For running the model.
        progress: True shows a tqdm bar; a callable is called as ``progress(stage, done, total)``. Ctrl-C cancels.

    Returns:
        The model and its report. The same inputs give the same bytes, with any number of threads.
    """
    kept, group = (2, 4) if pattern is None else pair("pattern", pattern)
    rows, columns = pair("block", block)
    code = _choice("method", method, _METHODS)
    values = amounts("layers", layers)
    if pattern is not None:
        unused = {"amount": amount != 0.5, "method": code != 0, "layers": any(value for _, value in values)}
        for name, is_given in unused.items():
            if is_given:
                raise refusal(f"{name} has no effect with a pattern, which says how many weights go")
    numbers = (
        code if pattern is None else _PATTERN,
        float(amount),
        rows,
        columns,
        int32("norm", norm),
        kept,
        group,
        depthwise,
        first,
        _choice("repair", repair, _REPAIRS),
        int32("rounds", rounds),
        int32("windows", windows),
        sequential,
        int32("threads", threads),
        int32("report_samples", report_samples),
        float(damping),
    )
    table = [(row.layer, row.fraction, row.noise) for row in sensitivity.rows] if sensitivity else []
    feed = None if data is None else batches(model, data)
    with _reporting(progress) as report:
        pruned, figures = _core.prune(core_of(model), numbers, _names("names", names), values, table, feed, report)
    return Result(Model(pruned), Report(figures))


def sensitivity(
    model: Model,
    data: Any,
    fractions: Sequence[float] = (0.3, 0.5, 0.7, 0.9),
    *,
    block: tuple[int, int] | str = (1, 1),
    norm: Literal[1, 2] = 2,
    names: str | Sequence[str] = (),
    depthwise: bool = False,
    first: bool = False,
    threads: int = 1,
    progress: Progress = False,
) -> Sensitivity:
    """Prunes each layer alone, by each of the shares, and measures what becomes of the outputs.

    ``data`` is as for :func:`edgeai.quantize`; the other arguments are those of :func:`prune`. ``progress`` is called as
    ``progress(layer, 0, 0)`` after each measurement.
    """
    numbers = (0, 0.0, *pair("block", block), int32("norm", norm), 2, 4, depthwise, first, 0, 1, 1, False,
               int32("threads", threads), 0, 1.0)  # fmt: skip
    with _reporting(progress) as report:
        rows = _core.sensitivity(core_of(model), numbers, _names("names", names), [float(f) for f in fractions], batches(model, data), report)
    return Sensitivity([SensitivityRow(*row) for row in rows])


def prune_schedule(target: float, steps: int, initial: float = 0.0) -> tuple[float, ...]:
    """The shares of weights to remove at each step of gradual pruning, quickly at first (Zhu and Gupta 2017):
    ``target + (initial - target) * (1 - step / steps) ** 3`` for the steps 1 to ``steps``. Shares are 0 to 1."""
    int32("steps", steps, least=1)
    for name, share in (("target", target), ("initial", initial)):
        if not 0 <= share <= 1:
            raise refusal(f"{name} is {share}; it must be 0 to 1")
    return tuple(_core.prune_schedule(initial, target, step, steps) for step in range(1, steps + 1))


def factorize(
    model: Model,
    amount: float = 0.1,
    *,
    rank: Rank = "error",
    spatial: bool = True,
    names: str | Sequence[str] = (),
    layers: Mapping[str, float] | None = None,
    data: Any = None,
    windows: int = 256,
    report_samples: int = 8,
    threads: int = 1,
    progress: Progress = False,
) -> Result:
    """Makes dense layers and convolutions without groups two layers of low rank, where that takes fewer weights.

    Args:
        model: A float model.
        amount: A limit of the relative error, a share of energy, or a rank, a whole number.
        rank: ``"error"``: the least rank whose error is at most ``amount``: of the weights, with data of the layer's result
            about its mean. ``"energy"``: the least rank that keeps the share ``amount`` of the energy, 1 - error ** 2.
            ``"count"``: ``amount`` itself.
        spatial: Kernels of k x k become k x 1 and 1 x k; otherwise k x k with fewer results, and 1 x 1.
        names: The layers to factorize; a name may end in ``*``, and one name needs no list. Default: all.
        layers: Amounts of single layers by name; 0 leaves a layer as it is.
        data: Typical inputs as for :func:`edgeai.quantize`. Biases then take the mean of the error, and the report is measured.
        windows, report_samples, threads, progress: As for :func:`prune`.

    Returns:
        The model and its report. The second of two layers has the name that the one had, the first ``NAME/factor``, or with
        ``/2`` and so on behind it where an operator of that name is there already.
    """
    code = _choice("rank", rank, _RANKS)
    feed = None if data is None else batches(model, data)
    values = amounts("layers", layers)
    if rank == "count":
        for name, value in (("amount", float(amount)), *((f"layers[{name!r}]", value) for name, value in values)):
            if not value.is_integer():
                raise refusal(f"{name} is {value}; a rank is a whole number")
    numbers = (int32("windows", windows), int32("threads", threads), int32("report_samples", report_samples))
    with _reporting(progress) as report:
        factorized, figures = _core.factorize(
            core_of(model), code, float(amount), spatial, *numbers, _names("names", names), values, feed, report
        )
    return Result(Model(factorized), Report(figures))
