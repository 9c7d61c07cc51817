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
    """One layer of a report. ``sqnr_db`` and ``cosine`` are None where nothing was measured."""

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
    #: Weights of a convolution or dense layer, 0 for other operators; and those of its counterpart that are not zero.
    weights: int
    kept: int


class Report:
    """Figures measured with the deployed kernels.

    Attributes:
        layers: In the order of the model.
        bytes_before, bytes_after: Of the two models' ``.edgeai`` files.
        samples: How many samples were measured.
        sqnr_db, cosine: Of the worst output.
    """

    def __init__(self, core: _core.Report) -> None:
        self._core = core
        about = core.describe()
        self.layers = tuple(Layer(**{**layer, "shape": tuple(layer["shape"])}) for layer in core.layers())
        self.bytes_before: int = about["bytes_before"]
        self.bytes_after: int = about["bytes_after"]
        self.samples: int = about["samples"]
        self.sqnr_db: float = about["sqnr_db"]
        self.cosine: float = about["cosine"]

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
        return self._core.json()

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
