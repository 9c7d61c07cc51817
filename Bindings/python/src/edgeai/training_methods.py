"""Methods of :mod:`edgeai.train` that make a network small while it learns. Their fields are those of ``edgeai_training_method`` in
edgeai_train.h."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar, Literal

from ._checks import amounts, refusal

_BINARY: dict[str, int] = {"binary": 0, "xnor": 1, "ternary": 2}
Layers = list[tuple[str, float]]


class Method:
    """A way to train a network so that it can be made small. Methods are applied in their order and can be combined; each finds
    the weights as the one before left them. ``layers`` gives layers numbers of their own in place of the first field: a name
    may end in ``*``, and the last that fits counts."""

    _kind: ClassVar[int]

    def _packed(self) -> tuple[int, dict[str, float], Layers, Layers, Layers]:
        """What the extension takes: kind, numbers, and the numbers of layers."""
        numbers: dict[str, float] = {}
        lists: dict[str, Layers] = {"layers": [], "c_layers": [], "bias_layers": []}
        for entry in fields(self):  # type: ignore[arg-type]
            value = getattr(self, entry.name)
            if entry.name in lists:
                lists[entry.name] = amounts(entry.name, value)
            elif isinstance(value, str):
                if value not in _BINARY:
                    raise refusal(f"unknown {entry.name} {value!r}; there are {list(_BINARY)}")
                numbers[entry.name] = _BINARY[value]
            else:
                numbers[entry.name] = value
        return self._kind, numbers, lists["layers"], lists["c_layers"], lists["bias_layers"]


@dataclass(frozen=True)
class MagnitudePruning(Method):
    """Between the steps ``first`` and ``last``, every so many steps, more and more of the smallest weights become zero for good (Han et
    al. 2015), on a cubic schedule (Zhu and Gupta 2017).

    Attributes:
        sparsity: Share of a layer's weights that is zero at the end.
        across_layers: The share is one of all layers together.
        layers: Shares of single layers by name; 0 leaves a layer as it is.
    """

    sparsity: float = 0.9
    first: int = 0
    last: int = 1000
    every: int = 100
    across_layers: bool = False
    layers: Mapping[str, float] = field(default_factory=dict)

    _kind: ClassVar[int] = 0


@dataclass(frozen=True)
class NetworkSurgery(Method):
    """Dynamic network surgery (Guo et al. 2016): layers read the weights times a mask, all weights learn, and one that grows comes
    back. Masks change between the steps ``first`` and ``last``.

    Attributes:
        kept: Share of a layer's weights to keep: the threshold t leaves so many, from all of them on a cubic schedule, and the masks of
            step ``last`` keep exactly so many and stay. 0: t = mean + c deviations of the magnitudes of the layer's first weights, as
            in the paper.
        kept_biases: The same of its biases, where ``kept`` is not 0.
        c: Of the threshold, where ``kept`` is 0.
        every: Steps from one turn of the masks to the next.
        gamma, power: At its turn a mask changes with the probability ``(1 + gamma * step) ** -power``.
        margin: Weights leave below ``(1 - margin) * t`` and return from ``(1 + margin) * t`` on.
        biases: Biases are masked as well.
        layers: Shares to keep of single layers by name.
        c_layers: ``c`` of single layers by name.
        bias_layers: ``kept_biases`` of single layers by name.
    """

    kept: float = 0.0
    kept_biases: float = 1.0
    c: float = 1.0
    every: int = 1
    gamma: float = 1e-4
    power: int = 1
    margin: float = 0.1
    first: int = 0
    last: int = 10000
    biases: bool = True
    layers: Mapping[str, float] = field(default_factory=dict)
    c_layers: Mapping[str, float] = field(default_factory=dict)
    bias_layers: Mapping[str, float] = field(default_factory=dict)

    _kind: ClassVar[int] = 1


@dataclass(frozen=True)
class SharedWeights(Method):
    """Weights of a layer that are equal stay equal and learn as one, and zeros stay zero (Han, Mao, Dally 2016): for a model that
    :func:`edgeai.share` made.

    Attributes:
        most: A layer with more different weights learns each for itself.
    """

    most: int = 256

    _kind: ClassVar[int] = 2


@dataclass(frozen=True)
class Slimming(Method):
    """A penalty on the factors of batch normalization (Liu et al. 2017). Afterwards ``export(trainable=True)`` and
    :func:`edgeai.prune_channels` with ``criterion="scale"`` make the narrow network, which another trainer tunes.

    Attributes:
        penalty: Loss for each unit of a factor's magnitude.
    """

    penalty: float = 1e-4

    _kind: ClassVar[int] = 3


@dataclass(frozen=True)
class EntropyPenalty(Method):
    """A penalty on the bits that the file's coder will spend on weights.

    Attributes:
        penalty: Loss for each bit of a weight.
        width: From which magnitude on a weight's bits grow slowly, as a share of the root mean square of the layer's first weights.
        layers: Penalties of single layers by name.
    """

    penalty: float = 1e-6
    width: float = 0.5
    layers: Mapping[str, float] = field(default_factory=dict)

    _kind: ClassVar[int] = 4


@dataclass(frozen=True)
class QuantizationAware(Method):
    """Layers read weights and activations rounded to few bits, and learn through the rounding (Jacob et al. 2018). The exported
    model has float weights on their grids, which :func:`edgeai.quantize` finds again; the ranges of activations are handed to it
    (:meth:`Trainer.ranges`).

    Attributes:
        bits: Of a layer's weights, 2 to 8; 0 leaves them.
        activation_bits: Of what layers read, 2 to 8; 0 leaves it.
        learn_step: The step between weights is learnt (Esser et al. 2020) instead of following from the largest weight.
        delay: Steps before activations are rounded.
        momentum: Weight of the past in the ranges of activations.
        fold_normalization: A convolution that a batch normalization alone reads rounds its weights as they will be folded
            (Krishnamoorthi 2018); not with ``learn_step``.
        freeze: From this step on folded normalizations use the running statistics.
        layers: Bits of single layers by name.
    """

    bits: float = 8
    activation_bits: int = 8
    learn_step: bool = False
    delay: int = 100
    momentum: float = 0.99
    fold_normalization: bool = True
    freeze: int = 2**62
    layers: Mapping[str, float] = field(default_factory=dict)

    _kind: ClassVar[int] = 5


@dataclass(frozen=True)
class BinaryWeights(Method):
    """Layers read a sign for each weight times a scale for each output channel. Depthwise layers stay float.

    Attributes:
        values: ``"binary"``: the scale is the mean magnitude (Rastegari et al. 2016). ``"xnor"``: the same, and what these layers
            read becomes signs too, in place of a ReLU there, also in the exported model. ``"ternary"``: zero below 0.7 times the mean
            magnitude (Li et al. 2016).
        include_first, include_last: Also the first and the last layer that learn.
    """

    values: Literal["binary", "xnor", "ternary"] = "binary"
    include_first: bool = False
    include_last: bool = False

    _kind: ClassVar[int] = 6


@dataclass(frozen=True)
class EightBit(Method):
    """Weights, activations and the gradients below layers have 8 bits (Banner et al. 2018), computed in float: it shows what 8-bit
    hardware would learn.

    Attributes:
        range_normalization: Batch normalization divides by the range of values in place of their deviation.
    """

    range_normalization: bool = True

    _kind: ClassVar[int] = 7


