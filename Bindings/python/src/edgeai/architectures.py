"""Published networks with new weights, to train.

>>> from edgeai import architectures
>>> model = architectures.mobilenet_v1(width=0.25, resolution=96, classes=2)
>>> print(model.summary())

Every function gives a float :class:`edgeai.Model` with one input, ``input``, and one output, ``logits``: the scores of the classes
before any softmax. Images are [samples, height, width, channels]. The same arguments give the same weights on every machine.
Normalizations and activations are operators of their own; what is made for inference folds them.

``seed`` chooses the weights (0 up to 2**64 - 1); ``gamma`` is what the scales of batch normalizations begin with. Wrong arguments
raise :class:`edgeai.ArgumentError`, images too small for the network :class:`edgeai.ShapeError`, and more than a gigabyte of weights
:class:`edgeai.LimitError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, SupportsIndex

from . import _core
from ._checks import int32, refusal
from .model import Model

__all__ = [
    "binary_lenet5",
    "binary_mlp",
    "dscnn",
    "lenet300",
    "lenet5",
    "mlp",
    "mobilenet_v1",
    "resnet20",
    "resnet8",
    "squeezenet",
]


def _create(
    architecture: int,
    seed: int,
    *,
    width: float = 1.0,
    gamma: float = 1.0,
    resolution: SupportsIndex | None = None,
    channels: SupportsIndex | None = None,
    classes: SupportsIndex | None = None,
    batch_norm: bool = False,
    bypass: bool = False,
    widths: Sequence[SupportsIndex] = (),
) -> Model:
    if not 0 <= seed < 2**64:
        raise refusal(f"seed is {seed}; it must be 0 up to 2**64 - 1")

    def count(name: str, size: SupportsIndex | None) -> int:
        # 0 is how the library is told to take the publication's number; here that is None.
        return 0 if size is None else int32(name, size, least=1)

    core = _core.create_model(
        architecture,
        seed,
        width,
        gamma,
        count("resolution", resolution),
        count("channels", channels),
        count("classes", classes),
        batch_norm,
        bypass,
        [count("a width", size) for size in widths],
    )
    return Model(core)


def lenet300(*, classes: SupportsIndex = 10, seed: int = 0) -> Model:
    """LeNet-300-100 (LeCun et al. 1998): dense layers of 300 and 100 units on 784 numbers; 266,610 parameters."""
    return _create(0, seed, classes=classes)


def lenet5(
    widths: Sequence[SupportsIndex] = (20, 50, 500),
    *,
    resolution: SupportsIndex = 28,
    channels: SupportsIndex = 1,
    classes: SupportsIndex = 10,
    seed: int = 0,
) -> Model:
    """LeNet-5 as it came with Caffe: two convolutions and a dense layer of ``widths``, and the last layer; 431,080 parameters."""
    return _create(1, seed, widths=widths, resolution=resolution, channels=channels, classes=classes)


def mlp(widths: Sequence[SupportsIndex], *, batch_norm: bool = False, gamma: float = 1.0, seed: int = 0) -> Model:
    """Dense layers with ReLU between them.

    Args:
        widths: Inputs, hidden layers, classes.
        batch_norm: Batch normalization before each ReLU, in place of biases. Network Slimming (Liu et al. 2017) prunes
            ``mlp([784, 500, 300, 10], batch_norm=True, gamma=0.5)``.
        gamma: What the scales of the normalizations begin with.
        seed: Of the weights.
    """
    return _create(2, seed, widths=widths, batch_norm=batch_norm, gamma=gamma)


def mobilenet_v1(
    *,
    width: float = 1.0,
    resolution: SupportsIndex = 224,
    channels: SupportsIndex = 3,
    classes: SupportsIndex = 1000,
    gamma: float = 1.0,
    seed: int = 0,
) -> Model:
    """MobileNet (Howard et al. 2017).

    Args:
        width: Factor of the numbers of channels: 1, 0.75, 0.5 and 0.25 in the paper. A layer has at least 8.
        resolution: Height and width of the images: 224, 192, 160 and 128 in the paper.
        channels: Of the images.
        classes: Of the result.
        gamma: What the scales of the normalizations begin with.
        seed: Of the weights.
    """
    return _create(3, seed, width=width, resolution=resolution, channels=channels, classes=classes, gamma=gamma)


def squeezenet(
    version: Literal["1.0", "1.1"] = "1.0",
    *,
    bypass: bool = False,
    resolution: SupportsIndex = 224,
    channels: SupportsIndex = 3,
    classes: SupportsIndex = 1000,
    seed: int = 0,
) -> Model:
    """SqueezeNet (Iandola et al. 2016); 1,248,424 parameters.

    Args:
        version: ``"1.1"`` has 0.43 times the multiply-adds, for as many parameters or a few less.
        bypass: Additions around the fire modules with as many input as output channels, the paper's "simple bypass".
        resolution: Height and width of the images.
        channels: Of the images.
        classes: Of the result.
        seed: Of the weights.
    """
    if version not in ("1.0", "1.1"):
        raise refusal(f"unknown version {version!r}")
    architecture = 4 if version == "1.0" else 5
    return _create(architecture, seed, bypass=bypass, resolution=resolution, channels=channels, classes=classes)


def resnet8(
    *, resolution: SupportsIndex = 32, channels: SupportsIndex = 3, classes: SupportsIndex = 10, gamma: float = 1.0, seed: int = 0
) -> Model:
    """The image classifier of MLPerf Tiny (Banbury et al. 2021): three residual blocks of 16, 32 and 64 channels."""
    return _create(6, seed, resolution=resolution, channels=channels, classes=classes, gamma=gamma)


def resnet20(
    *, resolution: SupportsIndex = 32, channels: SupportsIndex = 3, classes: SupportsIndex = 10, gamma: float = 1.0, seed: int = 0
) -> Model:
    """ResNet-20 for CIFAR (He et al. 2016), with shortcuts without weights; 269,722 parameters apart from statistics."""
    return _create(7, seed, resolution=resolution, channels=channels, classes=classes, gamma=gamma)


def dscnn(*, classes: SupportsIndex = 12, gamma: float = 1.0, seed: int = 0) -> Model:
    """The keyword spotter of MLPerf Tiny, a depthwise separable network (Zhang et al. 2017) on [samples, 49, 10, 1]: 49 steps of
    10 coefficients."""
    return _create(8, seed, classes=classes, gamma=gamma)


def binary_mlp(widths: Sequence[SupportsIndex] = (784, 2048, 2048, 2048, 10), *, gamma: float = 1.0, seed: int = 0) -> Model:
    """Dense layers of which all but the first and the last one multiply signs: normalization, sign, layer, as in XNOR-Net
    (Rastegari et al. 2016). Their weights are floats until training or :func:`edgeai.binarize` makes them binary.

    Args:
        widths: Inputs, two or more hidden layers, classes. The default is the smaller one of BinaryNet (Courbariaux et al. 2016).
        gamma: What the scales of the normalizations begin with.
        seed: Of the weights.
    """
    return _create(9, seed, widths=widths, gamma=gamma)


def binary_lenet5(
    widths: Sequence[SupportsIndex] = (20, 50, 500),
    *,
    resolution: SupportsIndex = 28,
    channels: SupportsIndex = 1,
    classes: SupportsIndex = 10,
    gamma: float = 1.0,
    seed: int = 0,
) -> Model:
    """LeNet-5 of which the second convolution and the first dense layer multiply signs, in the order of XNOR-Net: normalization,
    sign, layer, pooling. ``widths`` as for :func:`lenet5`."""
    return _create(10, seed, widths=widths, resolution=resolution, channels=channels, classes=classes, gamma=gamma)
