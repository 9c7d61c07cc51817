#!/usr/bin/env python3
"""Time of one training step, ours and torch's, in one interleaved run.

    make bench-training                               # two threads; OPTIONS="--threads 1"

LeNet-5 (Caffe's), ResNet-8 (CIFAR-10) and MobileNet-v1 0.25 at batch 64: forward, gradient and an update by SGD with Nesterov momentum,
in float32. Each contender runs a few steps in turn; the least time of each counts. Memory is what a process of its own grows by, at most, from
before the network is made until after three steps. Prints the table and writes Benchmarks/out/training.json.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

import numpy as np
import torch
from torch import nn

from edgeai import architectures, train

OUT = pathlib.Path(__file__).resolve().parents[1] / "out"


class LeNet(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(800, 500), nn.ReLU(),
            nn.Linear(500, 10))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet8():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def mobilenet(width, classes):
    def layer(inputs, outputs, kernel, stride, groups=1):
        return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    channels = [int(c * width) for c in (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)]
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    layers = layer(3, channels[0], 3, 2)
    for before, after, stride in zip(channels, channels[1:], strides):
        layers += layer(before, before, 3, stride, groups=before) + layer(before, after, 1, 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], classes))


def torch_step(net, x, y):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)
    loss = nn.CrossEntropyLoss()
    x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1))).contiguous(memory_format=torch.channels_last)
    net = net.to(memory_format=torch.channels_last)
    y = torch.from_numpy(y.astype(np.int64))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(net(x), y).backward()
        optimizer.step()

    return step


CASES = {
    "lenet5": (architectures.lenet5, LeNet, (28, 28, 1)),
    "resnet8": (architectures.resnet8, resnet8, (32, 32, 3)),
    "mobilenet_v1_025_96": (
        lambda: architectures.mobilenet_v1(width=0.25, resolution=96, classes=10), lambda: mobilenet(0.25, 10), (96, 96, 3)),
}


def contenders(name, batch, threads):
    """For each contender a function that makes its step, and for ours the trainer."""
    model, peer, shape = CASES[name]
    random = np.random.default_rng(0)
    x = random.standard_normal((batch, *shape), np.float32)
    y = random.integers(0, 10, batch).astype(np.int32)

    def ours():
        trainer = train.Trainer(
            model(), optimizer=train.SGD(0.01, momentum=0.9, nesterov=True), weight_decay=1e-4, batch=batch, threads=threads)
        return lambda: trainer.step(x, y)

    return {"edgeai": ours, "torch": lambda: torch_step(peer(), x, y)}


def peak():
    """The most resident memory so far. A process's own, other than ru_maxrss, which begins with its parent's."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def memory(name, contender, arguments):
    """Bytes that a process of its own grows by."""
    command = [sys.executable, __file__, "--memory-of", name, contender, "--batch", str(arguments.batch), "--threads", str(arguments.threads)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10, help="for each network")
    parser.add_argument("--only", default="", help="networks with this in their name")
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        name, contender = arguments.memory_of
        before = peak()
        step = contenders(name, arguments.batch, arguments.threads)[contender]()
        for _ in range(3):
            step()
        print(peak() - before)
        return
    rows = []
    print(f"{'':22}{'edgeai':>12}{'torch':>12}{'ratio':>8}{'memory':>12}{'torch':>12}")
    for name in CASES:
        if arguments.only not in name:
            continue
        steps = {contender: make() for contender, make in contenders(name, arguments.batch, arguments.threads).items()}
        least = dict.fromkeys(steps, float("inf"))
        end = time.perf_counter() + arguments.seconds
        while time.perf_counter() < end:
            for contender, step in steps.items():
                for _ in range(4):
                    start = time.perf_counter()
                    step()
                    least[contender] = min(least[contender], time.perf_counter() - start)
        used = {contender: memory(name, contender, arguments) for contender in steps}
        print(
            f"{name:22}{least['edgeai'] * 1e3:9.2f} ms{least['torch'] * 1e3:9.2f} ms{least['edgeai'] / least['torch']:8.2f}"
            f"{used['edgeai'] / 1e6:9.1f} MB{used['torch'] / 1e6:9.1f} MB", flush=True)
        for contender in steps:
            rows.append({
                "model": name, "peer": contender, "threads": arguments.threads, "batch": arguments.batch, "min_ms": least[contender] * 1e3,
                "memory_bytes": used[contender]})
    OUT.mkdir(exist_ok=True)
    (OUT / "training.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
