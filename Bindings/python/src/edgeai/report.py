"""What a compression cost, layer by layer."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from . import _core
from ._text import bytes_text, html_table, shape_text, text_table


@dataclass(frozen=True)
class Layer:
    """One layer of a report. ``sqnr_db`` and ``cosine`` are None where nothing was measured, -inf and 0 where a number is not finite in
    one of the models alone."""

    name: str
    op: str
    tensor: str
    dtype: str
    shape: tuple[int | None, ...]
    bytes_before: int
    bytes_after: int
    sqnr_db: float | None
    cosine: float | None
    #: Why it stayed in float, or "".
    reason: str
    #: Weights of a convolution or dense layer, 0 for other operators; and those of its counterpart that are not zero (-0 is zero), of
    #: all factors where it was factorized.
    weights: int
    kept: int


@dataclass(frozen=True)
class StageLayer:
    """What a stage of compression left of a layer with weights."""

    name: str
    weights: int
    #: Weights that are not +0: unlike in :class:`Layer`, a -0 counts, which is a value of its own for the coder.
    kept: int
    #: That tell the weights' values apart; 32 for more than 4096 values.
    bits: int
    #: The weights' part of the file with adaptive coding.
    bytes: int
    #: The least time of its steps in a run of one sample.
    us: float
    #: Of its result against the original's; None where nothing was measured.
    sqnr_db: float | None

    @property
    def kept_fraction(self) -> float:
        return self.kept / self.weights if self.weights else 0.0


@dataclass(frozen=True)
class Stage:
    """A model on its way from the original to the compressed one."""

    name: str
    #: Of its file with adaptive coding.
    file_bytes: int
    #: The least time of a run of one sample.
    us: float
    layers: tuple[StageLayer, ...]


def _stage_layer(fields: dict[str, Any]) -> StageLayer:
    return StageLayer(us=fields["ns"] / 1e3, **{key: value for key, value in fields.items() if key != "ns"})


#: What a report has for errors that were not measured.
_NO_ERRORS: dict[str, Any] = {
    "samples": 0, "compared": 0, "not_finite": 0, "outputs": [], "worst_first": [],
    "sqnr_db": None, "cosine": None, "max_error": None, "mean_error": None, "mean": None,
}  # fmt: skip


def _without_errors(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_errors(item) for item in value]
    if isinstance(value, dict):
        return {key: _NO_ERRORS[key] if key in _NO_ERRORS else _without_errors(item) for key, item in value.items()}
    return value


class Report:
    """Figures measured with the deployed kernels.

    Attributes:
        layers: In the order of the model.
        bytes_before, bytes_after: Of the two models' ``.edgeai`` files.
        samples: How many samples were measured.
        sqnr_db, cosine: Of the worst output; NaN where nothing was measured.
        stages: The original and what became of it step by step, where the report follows stages.
    """

    def __init__(self, core: _core.Report, *, measured: bool = True) -> None:
        # Errors on a sample that only stands in for the data there were not say nothing, and are left out.
        self._core, self._measured = core, measured
        about = core.describe()
        layers, stages = core.layers(), core.stages()
        if not measured:
            layers, stages = _without_errors(layers), _without_errors(stages)
        self.layers = tuple(Layer(**{**layer, "shape": tuple(layer["shape"])}) for layer in layers)
        self.bytes_before: int = about["bytes_before"]
        self.bytes_after: int = about["bytes_after"]
        self.samples: int = about["samples"] if measured else 0
        self.sqnr_db: float = about["sqnr_db"] if measured else math.nan
        self.cosine: float = about["cosine"] if measured else math.nan
        self.stages = tuple(
            Stage(stage["name"], stage["file_bytes"], stage["ns"] / 1e3, tuple(_stage_layer(layer) for layer in stage["layers"]))
            for stage in stages
        )

    @property
    def kept(self) -> float:
        """Share of the weights that are still there, and not zero."""
        weights = sum(layer.weights for layer in self.layers)
        return sum(layer.kept for layer in self.layers) / weights if weights else 1.0

    def worst(self, count: int = 5) -> tuple[Layer, ...]:
        """The measured layers with the least signal-to-noise ratio, worst first."""
        measured = [layer for layer in self.layers if layer.sqnr_db is not None]
        return tuple(sorted(measured, key=lambda layer: layer.sqnr_db if layer.sqnr_db is not None else math.inf)[:count])

    @property
    def skipped(self) -> tuple[Layer, ...]:
        """Layers that stayed in float; ``reason`` says why."""
        return tuple(layer for layer in self.layers if layer.reason)

    @property
    def suggestions(self) -> tuple[str, ...]:
        """What to try when too much accuracy was lost."""
        texts = [
            f"layer {layer.name!r} has {layer.sqnr_db:.1f} dB: keep it in float with ignore=[{layer.name!r}]"
            for layer in self.worst(3)
            if layer.sqnr_db is not None and layer.sqnr_db < 20
        ]
        if texts:
            texts.append("try calibrator='mse' or 'percentile', and more calibration samples")
        return tuple(texts)

    def to_json(self) -> str:
        """The report as one JSON object; figures that are not finite are null."""
        return self._core.json() if self._measured else json.dumps(_without_errors(json.loads(self._core.json())))

    def to_dict(self) -> dict[str, Any]:
        """The same, parsed."""
        result: dict[str, Any] = json.loads(self.to_json())
        return result

    def to_pandas(self) -> Any:
        """The layers as a pandas DataFrame (pandas must be installed)."""
        import pandas  # type: ignore[import-untyped, import-not-found, unused-ignore]

        return pandas.DataFrame([vars(layer) for layer in self.layers])

    def plot(self) -> Any:
        """Signal-to-noise ratio of every layer as a bar chart (matplotlib must be installed); gives the axes."""
        from matplotlib import pyplot

        layers = [layer for layer in self.layers if layer.sqnr_db is not None and math.isfinite(layer.sqnr_db)]
        _, axes = pyplot.subplots(figsize=(max(6.0, 0.25 * len(layers)), 4))
        axes.bar(range(len(layers)), [layer.sqnr_db or 0.0 for layer in layers])
        axes.set_xticks(range(len(layers)), [layer.name for layer in layers], rotation=90, fontsize=7)
        axes.set_ylabel("SQNR (dB)")
        pyplot.tight_layout()
        return axes

    def plot_stages(self) -> Any:
        """Coded bytes of every layer, stacked, for each stage (matplotlib must be installed); gives the axes."""
        from matplotlib import pyplot

        if not self.stages:
            raise ValueError("the report follows no stages")
        _, axes = pyplot.subplots(figsize=(max(6.0, 1.2 * len(self.stages)), 5))
        places = range(len(self.stages))
        below = [0] * len(self.stages)
        for index, layer in enumerate(self.stages[0].layers):
            sizes = [stage.layers[index].bytes for stage in self.stages]
            axes.bar(places, sizes, bottom=below, label=layer.name if len(self.stages[0].layers) <= 12 else None)
            below = [b + size for b, size in zip(below, sizes, strict=True)]
        axes.bar(places, [s.file_bytes - b for s, b in zip(self.stages, below, strict=True)], bottom=below, color="lightgray", label="the rest")
        axes.set_xticks(places, [stage.name for stage in self.stages], rotation=20, ha="right", fontsize=8)
        axes.set_ylabel("bytes of the file")
        axes.legend(fontsize=7)
        pyplot.tight_layout()
        return axes

    def stage_table(self) -> str:
        """Every layer at every stage as text: kept weights, bits, bytes, time and error."""
        header = ("layer", "stage", "kept", "bits", "bytes", "us", "SQNR dB")
        rows = [
            (
                layer.name if place == 0 else "",
                stage.name,
                f"{100 * stage.layers[index].kept_fraction:.1f} %",
                str(stage.layers[index].bits),
                str(stage.layers[index].bytes),
                f"{stage.layers[index].us:.1f}",
                "" if stage.layers[index].sqnr_db is None else f"{stage.layers[index].sqnr_db:.1f}",
            )
            for index, layer in enumerate(self.stages[0].layers if self.stages else ())
            for place, stage in enumerate(self.stages)
        ]
        rows += [("the file", stage.name, "", "", str(stage.file_bytes), f"{stage.us:.1f}", "") for stage in self.stages]
        return text_table(header, rows)

    _HEADER = ("layer", "operator", "dtype", "shape", "bytes", "kept", "SQNR dB", "cosine", "note")

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                layer.name,
                layer.op,
                layer.dtype,
                shape_text(layer.shape),
                bytes_text(layer.bytes_after),
                f"{100 * layer.kept / layer.weights:.1f} %" if layer.weights else "",
                "" if layer.sqnr_db is None else f"{layer.sqnr_db:.1f}",
                "" if layer.cosine is None else f"{layer.cosine:.5f}",
                layer.reason,
            )
            for layer in self.layers
        ]

    def __str__(self) -> str:
        return text_table(self._HEADER, self._rows())

    def __repr__(self) -> str:
        return (
            f"<edgeai.Report {len(self.layers)} layers, {bytes_text(self.bytes_before)} -> {bytes_text(self.bytes_after)}, "
            f"{self.sqnr_db:.1f} dB on {self.samples} samples>"
        )

    def _repr_html_(self) -> str:
        return html_table(repr(self), self._HEADER, self._rows())
