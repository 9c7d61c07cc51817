#!/usr/bin/env python3
"""Well-known network architectures with seeded random weights, exported to ONNX for the import and runtime tests.

    python architectures.py OUTDIR [NAME ...] [--size 97x131] [--batch N] [--no-fold] [--opset N]

The weights are random, but every activation has a sane range: convolutions start from He's initialization, and each
batch normalization gets the statistics of what really reaches it. So a wrong operator changes the output visibly,
instead of drowning in zeros, infinities or denormals.

Needs ``torch`` and ``torchvision`` (the latter's compiled operators are not needed, so any torch version serves),
``onnx``, and ``onnxruntime`` for ``check``.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import math
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  (torch's own convention)


def _import_torchvision_models():
    """Import ``torchvision.models`` also where its compiled operators do not fit the installed torch.

    On import torchvision registers shape functions for its own operators; that fails when the library defining them
    could not be loaded. Declaring the names is enough, as no network here calls them.
    """
    library = None
    if not hasattr(torch.ops.torchvision, "nms"):
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    from torchvision import models

    return models, library


zoo, _declared_operators = _import_torchvision_models()


# Networks that torchvision does not have.


def conv_unit(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, activation: type[nn.Module] | None = nn.ReLU6
) -> list[nn.Module]:
    """Convolution, batch normalization and, unless None, an activation."""
    unit: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return unit if activation is None else [*unit, activation()]


def lenet5() -> nn.Module:
    """LeCun's network of 1998 in its usual modern form: padding instead of 32 x 32 images, maxima, rectifiers."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def lenet_300_100() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10), nn.LogSoftmax(1)
    )


def mlp() -> nn.Module:
    """Five layers, each with another activation, the first with batch normalization over features."""
    return nn.Sequential(
        nn.Linear(40, 64), nn.BatchNorm1d(64), nn.LeakyReLU(0.1), nn.Linear(64, 48), nn.ELU(), nn.Linear(48, 48, bias=False),
        nn.SiLU(), nn.Linear(48, 32), nn.PReLU(), nn.Linear(32, 24), nn.GELU(), nn.Dropout(), nn.Linear(24, 6), nn.Softmax(-1),
    )  # fmt: skip


def autoencoder() -> nn.Module:
    """Fully connected, in the shape used for machine-sound anomaly detection: 640 -> 8 -> 640."""
    widths = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128]
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 640))


class ConvAutoencoder(nn.Module):
    """Every way up: transposed convolutions (with output padding, with groups), nearest, bilinear, and to a given size."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(
            *conv_unit(3, 16, 3, 2), *conv_unit(16, 24, 3, 2), *conv_unit(24, 32, 3, 2, activation=nn.Hardswish)
        )
        self.up = nn.Sequential(
            nn.ConvTranspose2d(32, 24, 3, 2, 1, output_padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
            nn.ConvTranspose2d(24, 24, 4, 2, 1, groups=4), nn.Tanh(),
            nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(24, 16, 3, padding=2, dilation=2), nn.LeakyReLU(0.2),
            nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nn.Conv2d(16, 8, 3, padding=1), nn.Softplus(),
        )  # fmt: skip
        self.paint = nn.Conv2d(8, 3, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        grown = self.up(self.down(image))
        fitted = F.interpolate(grown, size=image.shape[2:], mode="bilinear", align_corners=False)
        return torch.sigmoid(self.paint(fitted))


class MobileNetV1(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers, width = conv_unit(3, 32, stride=2, activation=nn.ReLU), 32
        for outputs, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]:
            layers += conv_unit(width, width, 3, stride, width, nn.ReLU) + conv_unit(width, outputs, 1, activation=nn.ReLU)
            width = outputs
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(width, 1000)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.classify(F.adaptive_avg_pool2d(self.features(image), 1).flatten(1))


class InvertedResidual(nn.Module):
    """Expand, depthwise, project: EfficientNet-Lite's block, which has no squeeze-and-excitation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        grow = conv_unit(inputs, hidden, 1) if expansion != 1 else []
        depthwise = conv_unit(hidden, hidden, kernel, stride, hidden)
        self.body = nn.Sequential(*grow, *depthwise, *conv_unit(hidden, outputs, 1, activation=None))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.residual else self.body(x)


class EfficientNetLite0(nn.Module):
    STAGES = (  # repeats, channels, kernel, stride of the first, expansion
        (1, 16, 3, 1, 1), (2, 24, 3, 2, 6), (2, 40, 5, 2, 6), (3, 80, 3, 2, 6), (3, 112, 5, 1, 6), (4, 192, 5, 2, 6), (1, 320, 3, 1, 6),
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        layers, width = conv_unit(3, 32, stride=2), 32
        for repeats, outputs, kernel, stride, expansion in self.STAGES:
            for index in range(repeats):
                layers.append(InvertedResidual(width, outputs, kernel, stride if index == 0 else 1, expansion))
                width = outputs
        self.features = nn.Sequential(*layers, *conv_unit(width, 1280, 1))
        self.classify = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.classify(self.features(image).mean((2, 3)))


class DepthwiseKeywordSpotter(nn.Module):
    """DS-CNN on 49 x 10 MFCC features; the first layer pads 4 above and 5 below, so a Pad node stands before it."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ZeroPad2d((1, 1, 4, 5)), nn.Conv2d(1, 64, (10, 4), 2), nn.BatchNorm2d(64), nn.ReLU()]
        for _ in range(4):
            layers += conv_unit(64, 64, groups=64, activation=nn.ReLU) + conv_unit(64, 64, 1, activation=nn.ReLU)
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(64, 12)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        pooled = F.adaptive_avg_pool2d(self.features(features), 1).squeeze(-1).squeeze(-1)
        return F.softmax(self.classify(pooled), dim=1)


class EncoderLayer(nn.Module):
    """A layer of BERT's encoder, normalized after each half; every shape but the batch is a constant of the graph."""

    def __init__(self, length: int, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.length, self.width, self.heads = length, width, heads
        self.query, self.key, self.value, self.mix = (nn.Linear(width, width) for _ in range(4))
        self.grow, self.shrink = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(-1, self.length, self.heads, self.width // self.heads).permute(0, 2, 1, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        scores = query @ key.transpose(-1, -2) / math.sqrt(self.width // self.heads)
        seen = (torch.softmax(scores, -1) @ value).permute(0, 2, 1, 3).reshape(-1, self.length, self.width)
        x = self.norm_attention(x + self.mix(seen))
        return self.norm_mlp(x + self.shrink(F.gelu(self.grow(x))))


def minilm6() -> nn.Module:
    """The encoder of MiniLM-L6 on embeddings of 128 tokens: six layers, 384 wide, 12 heads, GELU by the error function."""
    return nn.Sequential(*[EncoderLayer(128, 384, 12, 1536) for _ in range(6)])


@dataclass(frozen=True)
class Architecture:
    """How to make one network, the shape of one input without the batch dimension, and the opset it is exported with."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    opset: int
    resizable: bool = False  # accepts other heights and widths than ``shape`` has


IMAGE = (3, 224, 224)
ARCHITECTURES: dict[str, Architecture] = {
    "lenet5": Architecture(lenet5, (1, 28, 28), 13),
    "lenet_300_100": Architecture(lenet_300_100, (1, 28, 28), 14),
    "alexnet": Architecture(zoo.alexnet, IMAGE, 13),
    "vgg11": Architecture(zoo.vgg11, IMAGE, 14),
    "vgg16": Architecture(zoo.vgg16, IMAGE, 13),
    "vgg16_bn": Architecture(zoo.vgg16_bn, IMAGE, 15),
    "resnet18": Architecture(zoo.resnet18, IMAGE, 13, True),
    "resnet50": Architecture(zoo.resnet50, IMAGE, 17, True),
    "squeezenet1_0": Architecture(zoo.squeezenet1_0, IMAGE, 13, True),
    "squeezenet1_1": Architecture(zoo.squeezenet1_1, IMAGE, 16, True),
    "mobilenet_v1": Architecture(MobileNetV1, IMAGE, 15, True),
    "mobilenet_v2": Architecture(zoo.mobilenet_v2, IMAGE, 13, True),
    "mobilenet_v3_small": Architecture(zoo.mobilenet_v3_small, IMAGE, 13, True),
    "mobilenet_v3_large": Architecture(zoo.mobilenet_v3_large, IMAGE, 17, True),
    "efficientnet_lite0": Architecture(EfficientNetLite0, IMAGE, 16, True),
    "dscnn_kws": Architecture(DepthwiseKeywordSpotter, (1, 49, 10), 13, True),
    "shufflenet_v2_x1_0": Architecture(zoo.shufflenet_v2_x1_0, IMAGE, 14, True),
    "densenet121": Architecture(zoo.densenet121, IMAGE, 15, True),
    "minilm6": Architecture(minilm6, (128, 384), 13),
    "mlp": Architecture(mlp, (40,), 17),
    "autoencoder": Architecture(autoencoder, (640,), 16),
    "conv_autoencoder": Architecture(ConvAutoencoder, (3, 64, 64), 13, True),
}


def _randomize(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.normal_(layer.bias, 0.0, 0.1)
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0.0, 0.25)


def _measure_statistics(module: nn.Module, sample: torch.Tensor) -> None:
    """Give each batch normalization the mean and variance of its own input, layer after layer in one forward pass."""

    def measure(layer: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        kept = [axis for axis in range(inputs[0].dim()) if axis != 1]
        variance, mean = torch.var_mean(inputs[0], dim=kept, unbiased=False)
        layer.running_mean.copy_(mean)
        layer.running_var.copy_(variance.clamp_min(1e-3))

    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    hooks = [layer.register_forward_pre_hook(measure) for layer in norms]
    with torch.no_grad():
        module(sample)
    for hook in hooks:
        hook.remove()


def build(name: str, size: tuple[int, int] | None = None) -> tuple[nn.Module, tuple[int, ...]]:
    """Make network ``name`` in eval mode, the same weights at every call; returns it and its input shape, batch 1.

    ``size`` asks for another (height, width); only where ``ARCHITECTURES[name].resizable``.
    """
    architecture = ARCHITECTURES[name]
    if size is not None and not architecture.resizable:
        raise ValueError(f"{name} takes {architecture.shape} only")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little"))
        module = architecture.make().eval()
        _randomize(module)
        # Statistics come from the standard size, so the weights do not depend on ``size``.
        if any(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) for layer in module.modules()):
            count = 4 if len(architecture.shape) == 3 else 64
            _measure_statistics(module, torch.randn(count, *architecture.shape))
    shape = architecture.shape if size is None else (architecture.shape[0], *size)
    return module, (1, *shape)


def example_input(shape: tuple[int, ...], seed: int = 7) -> np.ndarray:
    """Normally distributed f32 input of ``shape``, the same at every call."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def export(
    name: str,
    path: str | os.PathLike[str],
    opset: int | None = None,
    batch: int | None = None,
    *,
    size: tuple[int, int] | None = None,
    fold: bool = True,
) -> None:
    """Write network ``name`` as ONNX with the input "input" and the output "output".

    opset: None takes the one of ``ARCHITECTURES``. batch: a fixed batch, or None for a free dimension "batch".
    size: as in ``build``. fold: False keeps batch normalizations and constant subgraphs as nodes.
    """
    module, shape = build(name, size)
    free = {} if batch is not None else {"dynamic_axes": {"input": {0: "batch"}, "output": {0: "batch"}}}
    mode = torch.onnx.TrainingMode.EVAL if fold else torch.onnx.TrainingMode.PRESERVE
    with warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter is announced as old; it is the one whose graphs most models in the field have.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.zeros(batch or 1, *shape[1:]),),
            os.fspath(path),
            dynamo=False,
            opset_version=opset or ARCHITECTURES[name].opset,
            input_names=["input"],
            output_names=["output"],
            do_constant_folding=fold,
            training=mode,
            **free,
        )


def cached(
    name: str,
    folder: str | os.PathLike[str] | None = None,
    opset: int | None = None,
    batch: int | None = None,
    *,
    size: tuple[int, int] | None = None,
    fold: bool = True,
) -> Path:
    """Path of the exported network, which is written only when it is missing or this file or torch has changed.

    folder: None takes the environment's ``EDGEAI_MODEL_CACHE``, else ``~/.cache/edgeai/architectures``.
    """
    if folder is None:
        folder = os.environ.get("EDGEAI_MODEL_CACHE") or Path.home() / ".cache" / "edgeai" / "architectures"
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stem = name
    stem += f"_{size[0]}x{size[1]}" if size else ""
    stem += f"_batch{batch}" if batch is not None else ""
    stem += f"_opset{opset}" if opset is not None else ""
    stem += "" if fold else "_nofold"
    path, note = folder / f"{stem}.onnx", folder / f"{stem}.key"
    key = hashlib.sha256(Path(__file__).read_bytes() + torch.__version__.encode()).hexdigest()
    if not (path.is_file() and note.is_file() and note.read_text() == key):
        partial = folder / f"{stem}.{os.getpid()}.partial"  # so that an interrupted export leaves no half model
        export(name, partial, opset, batch, size=size, fold=fold)
        partial.replace(path)
        note.write_text(key)
    return path


def operators(path: str | os.PathLike[str]) -> dict[str, int]:
    """How often each operator type occurs in a model file, by name."""
    graph = onnx.load(os.fspath(path), load_external_data=False).graph
    return dict(sorted(collections.Counter(node.op_type for node in graph.node).items()))


def check(name: str, path: str | os.PathLike[str], batch: int | None = None, *, size: tuple[int, int] | None = None) -> float:
    """Run a file in ONNX Runtime and the network in torch; returns the worst error relative to the largest output.

    A free batch (None) is tried with 1 and 3. Raises ``ValueError`` for an output that is not finite.
    """
    import onnxruntime

    module, shape = build(name, size)
    session = onnxruntime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for count in (1, 3) if batch is None else (batch,):
        sample = example_input((count, *shape[1:]))
        found = session.run(None, {"input": sample})[0]
        with torch.no_grad():
            expected = module(torch.from_numpy(sample)).numpy()
        if not (np.isfinite(expected).all() and np.isfinite(found).all()):
            raise ValueError(f"{name}: output is not finite")
        worst = max(worst, float(np.abs(found - expected).max() / np.abs(expected).max()))
    return worst


def _size(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


def main() -> int:
    parser = argparse.ArgumentParser(description="Export architectures to ONNX and check them against torch.")
    parser.add_argument("outdir", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(ARCHITECTURES)}")
    parser.add_argument("--opset", type=int, help="default: one that varies by architecture, 13 to 17")
    parser.add_argument("--batch", type=int, help="fix the batch; default: a free dimension")
    parser.add_argument("--size", type=_size, help="another input size, as HEIGHTxWIDTH")
    parser.add_argument("--no-fold", action="store_true", help="keep batch normalizations and constant subgraphs")
    arguments = parser.parse_intermixed_args()
    unknown = [name for name in arguments.names if name not in ARCHITECTURES]
    if unknown:
        parser.error(f"no such architecture: {', '.join(unknown)}")

    failed = 0
    for name in arguments.names or ARCHITECTURES:
        if arguments.size and not ARCHITECTURES[name].resizable:
            print(f"{name}: skipped, it takes one size only")
            continue
        path = cached(name, arguments.outdir, arguments.opset, arguments.batch, size=arguments.size, fold=not arguments.no_fold)
        error = check(name, path, arguments.batch, size=arguments.size)
        good = error < 1e-4
        failed += not good
        counts = "  ".join(f"{kind} {count}" for kind, count in operators(path).items())
        print(f"{path.name}: {path.stat().st_size} bytes, error {error:.1e}{'' if good else ' TOO LARGE'}\n  {counts}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
