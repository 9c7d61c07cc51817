"""Structured pruning: removing whole channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex

from . import _core
from ._checks import amounts, int32, refusal
from ._samples import batches
from ._text import count_text, html_table, text_table
from .model import Model, core_of

if TYPE_CHECKING:
    import os

ChannelCriterion = Literal["l1", "l2", "scale", "activation"]
_CRITERIA: dict[str, int] = {"l1": 0, "l2": 1, "scale": 2, "activation": 3}


@dataclass(frozen=True)
class ChannelLayer:
    """What became of the output channels of a layer."""

    name: str
    #: Channels of the old model.
    before: int
    #: Indices of those that stay, ascending.
    kept: tuple[int, ...]
    #: How many of the old ones could not have gone, and why the first of them could not.
    fixed: int
    reason: str

    @property
    def after(self) -> int:
        """Channels that stay."""
        return len(self.kept)


@dataclass(frozen=True)
class ChannelResult:
    """A model with fewer channels, and what became of each layer."""

    model: Model
    layers: tuple[ChannelLayer, ...]
    parameters_before: int
    macs_before: int

    @property
    def parameters_after(self) -> int:
        """Number of weights of the new model."""
        return self.model.parameters

    @property
    def macs_after(self) -> int:
        """Multiply-adds of one sample in the new model."""
        return self.model.macs

    @property
    def fraction(self) -> float:
        """Share of the channels that went, of all layers together."""
        before = sum(layer.before for layer in self.layers)
        return 1 - sum(layer.after for layer in self.layers) / before if before else 0.0

    def save(self, path: str | os.PathLike[str], *, coding: str = "none") -> None:
        """Writes the model; ``coding`` as in :meth:`Model.save`."""
        self.model.save(path, coding=coding)

    _HEADER = ("layer", "channels", "kept", "fixed", "reason")

    def _rows(self) -> list[tuple[object, ...]]:
        return [(layer.name, layer.before, layer.after, layer.fixed, layer.reason) for layer in self.layers]

    def __str__(self) -> str:
        return text_table(self._HEADER, self._rows())

    def __repr__(self) -> str:
        return (
            f"<edgeai.ChannelResult {100 * self.fraction:.1f} % of the channels, "
            f"{count_text(self.parameters_before)} -> {count_text(self.parameters_after)} parameters, "
            f"{count_text(self.macs_before)} -> {count_text(self.macs_after)} multiply-adds>"
        )

    def _repr_html_(self) -> str:
        return html_table(repr(self), self._HEADER, self._rows())


def prune_channels(
    model: Model,
    fraction: float = 0.3,
    *,
    criterion: ChannelCriterion = "l1",
    data: Any = None,
    scope: Literal["layer", "global"] = "layer",
    minimum: SupportsIndex = 1,
    multiple: SupportsIndex = 1,
    layers: Mapping[str, float] | None = None,
    channels: Mapping[str, Sequence[SupportsIndex]] | None = None,
    masked: bool = False,
) -> ChannelResult:
    """Removes whole channels of a float model, so that every layer around them shrinks.

    Channels that additions, products, concatenations, groups or shuffles tie together go together. The result computes
    what ``model`` does with zeros for the weights and biases that make those channels, and for constants added along them.
    Channels stay where such a zero would not reach the next layer as zero, as behind a sigmoid, and where an operator needs
    all; :attr:`ChannelLayer.reason` says why.

    Args:
        model: A float model.
        fraction: Share of the channels that go, 0 up to 1.
        criterion: What says how much a channel matters, relative to the mean of its layer: the magnitude of the weights
            that make it (``"l1"``, Li et al. 2017, or ``"l2"``), the factor of batch normalization where one is left in
            the graph (``"scale"``, Liu et al. 2017), or its mean magnitude on ``data`` (``"activation"``).
        data: Samples for ``"activation"``, as for :func:`edgeai.quantize`.
        scope: ``"layer"``: the share is one of each layer's channels. ``"global"``: of all, so that layers that matter less
            lose more.
        minimum: No layer keeps fewer channels.
        multiple: A layer keeps a multiple of this, or all. 8 or 16 keep the kernels' registers full.
        layers: Shares of single layers instead of ``fraction``: names, or beginnings of names followed by ``*``. The
            first that fits holds.
        channels: Exactly these output channels go, by layer, with all that depend on them. ``fraction`` and what goes
            with it are ignored.
        masked: The result keeps its shapes and has zeros where channels would go.

    Returns:
        The model and what became of each layer. The same inputs give the same bytes.

    Raises:
        ArgumentError: An option, a name that no layer has, or a chosen channel that cannot go; the message says why.
        ModelError: A weight is not finite, except where ``channels`` says what goes.
    """
    if criterion not in _CRITERIA or scope not in ("layer", "global"):
        message = f"unknown criterion {criterion!r}" if criterion not in _CRITERIA else f"unknown scope {scope!r}"
        raise refusal(message)
    counts = {"minimum": int32("minimum", minimum), "multiple": int32("multiple", multiple)}
    chosen = {name: [int32("channels", c) for c in indices] for name, indices in (channels or {}).items()}
    for name, numbers in {**{k: [v] for k, v in counts.items()}, **chosen}.items():
        if any(number < 0 for number in numbers):
            raise refusal(f"{name}: a number is negative")
    core, rows = _core.prune_channels(
        core_of(model),
        _CRITERIA[criterion],
        fraction,
        scope == "global",
        masked,
        counts["minimum"],
        counts["multiple"],
        amounts("layers", layers),
        list(chosen.items()),
        None if data is None else batches(model, data),
    )
    summary = tuple(ChannelLayer(r["name"], r["before"], tuple(r["kept"]), r["fixed"], r["reason"]) for r in rows)
    return ChannelResult(Model(core), summary, model.parameters, model.macs)
