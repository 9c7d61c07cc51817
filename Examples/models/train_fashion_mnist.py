#!/usr/bin/env python3
"""Train the float Fashion-MNIST classifier of the examples and export it to ONNX.

    apt-get install dataset-fashion-mnist
    pip install torch numpy onnx onnxruntime
    python train_fashion_mnist.py

The network is small on purpose, yet holds what a compiler for small devices has to get right: batch normalization that
is still to be folded, ReLU6, a depthwise-separable block, a residual addition, max and global average pooling.
The schedule is fixed and the last epoch's weights are written: the test images choose nothing, they only measure.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "data"))
from make_subset import DATASET, LABELS, read_split  # noqa: E402  (lives in the folder next door)

MEAN, STD = 0.2860, 0.3530  # of the training pixels divided by 255
OPSET = 13


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A bias-free convolution that keeps the size (before stride), and its batch normalization."""
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class FashionNet(nn.Module):
    """Classifier f32 [N, 1, 28, 28] -> logits f32 [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_bn(1, 32, 3), nn.ReLU6(), nn.MaxPool2d(2))  # 14 x 14
        self.widen = nn.Sequential(*conv_bn(32, 48, 3), nn.ReLU6())
        self.separable = nn.Sequential(  # 7 x 7
            *conv_bn(48, 48, 3, stride=2, groups=48), nn.ReLU6(), *conv_bn(48, 80, 1), nn.ReLU6()
        )
        self.residual = nn.Sequential(*conv_bn(80, 80, 3), nn.ReLU6(), *conv_bn(80, 80, 3))
        self.join = nn.ReLU6()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classify = nn.Linear(80, len(LABELS))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.separable(self.widen(self.stem(image)))
        features = self.join(features + self.residual(features))
        return self.classify(torch.flatten(self.pool(features), 1))


def normalize(images: np.ndarray) -> torch.Tensor:
    """u8 [N, 28, 28] -> f32 [N, 1, 28, 28], as the exported model expects its input."""
    return torch.from_numpy((images.astype(np.float32)[:, None] / 255.0 - MEAN) / STD)


def augment(batch: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Mirror half of the pictures and shift each batch by up to two pixels."""
    mirrored = torch.rand(len(batch), generator=random) < 0.5
    batch = torch.where(mirrored[:, None, None, None], batch.flip(3), batch)
    down, right = (int(v) for v in torch.randint(0, 5, (2,), generator=random))
    background = -MEAN / STD
    return nn.functional.pad(batch, (2, 2, 2, 2), value=background)[:, :, down : down + 28, right : right + 28]


def accuracy(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    network.eval()
    with torch.no_grad():
        right = sum(
            int((network(x).argmax(1) == y).sum()) for x, y in zip(images.split(500), labels.split(500), strict=True)
        )
    return right / len(labels)


def train(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, epochs: int, batch: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    steps = epochs * (len(labels) // batch)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.2, total_steps=steps, pct_start=0.25)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
    for epoch in range(epochs):
        network.train()
        started, total = time.perf_counter(), 0.0
        order = torch.randperm(len(labels), generator=random)
        chunks = order[: len(order) // batch * batch].split(batch)
        for chosen in chunks:
            optimizer.zero_grad()
            loss = loss_of(network(augment(images[chosen], random)), labels[chosen])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        seconds = time.perf_counter() - started
        print(f"epoch {epoch + 1}/{epochs}  loss {total / len(chunks):.4f}  {seconds:.0f} s", flush=True)


def export(network: nn.Module, path: Path) -> None:
    """Write ONNX with a free batch dimension and the batch normalizations left as nodes of their own."""
    with warnings.catch_warnings():
        # The tracing exporter is announced as old; it is the one that can leave batch normalizations unfolded.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.eval(),
            (torch.zeros(1, 1, 28, 28),),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
        )
    model = onnx.load(str(path))
    model.doc_string = "Fashion-MNIST classifier of the edgeai examples"
    onnx.helper.set_model_props(
        model,
        {
            "input.normalization": f"(pixel / 255 - {MEAN:.4f}) / {STD:.4f}",
            "input.mean": f"{MEAN:.4f}",
            "input.std": f"{STD:.4f}",
            "input.layout": "NCHW, grey, white object on black",
            "labels": ",".join(LABELS),
        },
    )
    # The exporter notes where each node stood in this script; the committed file keeps no such paths.
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def accuracy_of_file(path: Path, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Accuracy of the written file under ONNX Runtime, so that the printed figure is the file's own."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    right = 0
    for x, y in zip(images.split(500), labels.split(500), strict=True):
        logits = session.run(["logits"], {"image": x.numpy()})[0]
        right += int((logits.argmax(1) == y.numpy()).sum())
    return right / len(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train and export the example classifier.")
    parser.add_argument("--dataset", type=Path, default=DATASET, help="folder with the four IDX files")
    parser.add_argument("--out", type=Path, default=HERE / "fashion_mnist.onnx")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(arguments.threads)
    train_images, train_labels = read_split("train", arguments.dataset)
    test_images, test_labels = read_split("t10k", arguments.dataset)
    images, labels = normalize(train_images), torch.from_numpy(train_labels.astype(np.int64))
    network = FashionNet().to(memory_format=torch.channels_last)
    print(f"{sum(p.numel() for p in network.parameters())} parameters")
    train(network, images, labels, arguments.epochs, arguments.batch, arguments.seed)

    network = network.to(memory_format=torch.contiguous_format)
    held_out, answers = normalize(test_images), torch.from_numpy(test_labels.astype(np.int64))
    print(f"test accuracy, torch: {accuracy(network, held_out, answers):.4f}")
    export(network, arguments.out)
    print(f"test accuracy, {arguments.out.name}: {accuracy_of_file(arguments.out, held_out, answers):.4f}")
    print(f"{arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
