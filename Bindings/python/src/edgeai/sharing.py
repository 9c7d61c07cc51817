"""Few different weights: shared, binary and ternary ones, and weights on a grid that cost few bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from . import _core
from ._checks import amounts, int32, names as _names, refusal
from ._samples import batches
from .quantization import Result
from .model import Model, core_of
from .pruning import Progress, _choice, _reporting
from .report import Report

_STARTS: dict[str, int] = {"linear": 0, "density": 1, "random": 2}
_VALUES: dict[str, int] = {"binary": 0, "ternary": 1}
_GOALS: dict[str, int] = {"price": 0, "bits": 1, "noise": 2}


def share(
    model: Model,
    bits: int = 5,
    *,
    start: Literal["linear", "density", "random"] = "linear",
    iterations: int = 100,
    seed: int = 0,
    names: str | Sequence[str] = (),
    layers: Mapping[str, int] | None = None,
    data: Any = None,
    windows: int = 256,
    report_samples: int = 8,
    threads: int = 1,
    progress: Progress = False,
) -> Result:
    """Gives each layer at most ``2 ** bits`` different weights, by k-means; zeros stay zeros (Han, Mao, Dally 2016).

    Args:
        model: A float model.
        bits: 1 to 8. Zero is one of the weights where the layer has zeros.
        start: Where the clusters begin: evenly between the least and the greatest weight, with as many weights each, or at
            weights drawn by ``seed``.
        iterations: Of k-means, at most.
        seed: For ``"random"``.
        names: The layers to share; a name may end in ``*``, and one name needs no list. Default: all.
        layers: Bits of single layers by name; 0 leaves a layer as it is.
        data: Typical inputs as for :func:`edgeai.quantize`. With them a weight counts as much as its input varies, biases take
            the mean of the error, and the report is measured.
        windows: Windows of each sample that a convolution's inputs are measured on, at most.
        report_samples: How many samples the report is measured on.
        threads: For running the model.
        progress: True shows a tqdm bar; a callable is called as ``progress(stage, done, total)``. Ctrl-C cancels.

    Returns:
        The model and its report. The same inputs give the same bytes, with any number of threads.
    """
    if not 0 <= seed < 2**64:
        raise refusal(f"seed is {seed}; it must be 0 up to 2**64 - 1")
    numbers = (
        int32("bits", bits),
        _choice("start", start, _STARTS),
        int32("iterations", iterations),
        seed,
        int32("windows", windows),
        int32("threads", threads),
        int32("report_samples", report_samples),
    )
    values = amounts("layers", layers)
    feed = None if data is None else batches(model, data)
    with _reporting(progress) as report:
        shared, figures = _core.share(core_of(model), numbers, _names("names", names), values, feed, report)
    return Result(Model(shared), Report(figures))


def binarize(
    model: Model,
    values: Literal["binary", "ternary"] = "binary",
    *,
    threshold: float = 0.7,
    names: str | Sequence[str] = (),
    first: bool = False,
    last: bool = False,
    depthwise: bool = False,
    data: Any = None,
    windows: int = 256,
    report_samples: int = 8,
    threads: int = 1,
    progress: Progress = False,
) -> Result:
    """Gives each filter weights of -a and a, or of -a, 0 and a, as float32 numbers.

    Args:
        model: A float model. Without training after it few networks stand this in all layers.
        values: ``"binary"``: a is the mean magnitude of the filter (BWN, Rastegari et al. 2016). ``"ternary"``: weights above
            ``threshold`` times the mean magnitude stay, and a is the mean of their magnitudes (TWN, Li et al. 2016).
        threshold: For ``"ternary"``.
        names: The layers to change; a name may end in ``*``, and one name needs no list. Default: all but the three kinds
            below. A layer that is named in full is changed whatever its kind.
        first: Also layers that inputs reach through no other layer with weights.
        last: Also layers that reach outputs through no other.
        depthwise: Also depthwise layers.
        data: Typical inputs as for :func:`edgeai.quantize`. With them biases take the mean of the error, and the report is
            measured.
        windows: Windows of each sample that a convolution's inputs are measured on, at most.
        report_samples: How many samples the report is measured on.
        threads: For running the model.
        progress: As for :func:`share`.

    Returns:
        The model and its report.
    """
    numbers = (
        _choice("values", values, _VALUES),
        float(threshold),
        first,
        last,
        depthwise,
        int32("windows", windows),
        int32("threads", threads),
        int32("report_samples", report_samples),
    )
    feed = None if data is None else batches(model, data)
    with _reporting(progress) as report:
        made, figures = _core.binarize(core_of(model), numbers, _names("names", names), feed, report)
    return Result(Model(made), Report(figures))


def quantize_weights(
    model: Model,
    amount: float = 0.002,
    *,
    goal: Literal["price", "bits", "noise"] = "price",
    keep_zeros: bool = True,
    biases: bool = True,
    damping: float = 0.01,
    sensitivity_samples: int = 16,
    names: str | Sequence[str] = (),
    layers: Mapping[str, float] | None = None,
    data: Any = None,
    windows: int = 256,
    report_samples: int = 8,
    threads: int = 1,
    progress: Progress = False,
) -> Result:
    """Makes each weight a whole number times a step of its layer, chosen for the least of error + price * bits.

    The model stays a float model; its file, coded adaptively, becomes small. With data the error is that of each layer's result:
    weights make up for the errors of those before them, biases take the mean, and layers whose errors the outputs feel more
    are rounded less.

    Args:
        model: A float model.
        amount: What the goal says.
        goal: ``"price"``: ``amount`` is the share of its result's power that a layer may lose in errors for each bit saved, times
            the number of weights that are not zero. ``"bits"``: at most so many bits for a weight on average, as estimated.
            ``"noise"``: the power of the outputs' error relative to their own is at most so much; 0.001 is 30 dB. Needs data.
        keep_zeros: Weights that are zero stay zero.
        biases: Biases are put on grids too.
        damping: The less, the more errors make up for each other: so many times the mean variance of a layer's inputs is added
            to each.
        sensitivity_samples: Each layer is rounded alone first, to see what its errors do to the outputs on so many samples; 0
            counts all layers the same.
        names: The layers to round; a name may end in ``*``, and one name needs no list. Default: all.
        layers: Prices of single layers by name, times the common one; 0 leaves a layer as it is.
        data: Typical inputs as for :func:`edgeai.quantize`.
        windows: Windows of each sample that a convolution's inputs are measured on, at most.
        report_samples: How many samples the report is measured on.
        threads: For running the model.
        progress: As for :func:`share`.

    Returns:
        The model and its report. The same inputs give the same bytes, with any number of threads.
    """
    numbers = (
        _choice("goal", goal, _GOALS),
        float(amount),
        float(damping),
        keep_zeros,
        biases,
        int32("sensitivity_samples", sensitivity_samples),
        int32("windows", windows),
        int32("threads", threads),
        int32("report_samples", report_samples),
    )
    values = amounts("layers", layers)
    feed = None if data is None else batches(model, data)
    with _reporting(progress) as report:
        made, figures = _core.quantize_weights(core_of(model), numbers, _names("names", names), values, feed, report)
    return Result(Model(made), Report(figures))
