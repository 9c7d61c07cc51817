"""Trains the motion classifier of Examples/c/sensor_node.c and writes it as ONNX.

    python train_sensor.py sensor.onnx samples.raw

samples.raw gets 128 windows to calibrate on, float32 one after another; make_sensor_model.sh does the rest.
Windows of 64 samples of a three-axis accelerometer become one of three classes: still, walking, shaking. The
data is made here, by the generator that sensor_node.c has in C: triangle waves of a class's period and amplitude
on every axis, plus noise, in 1/256 g.
"""

import sys

import numpy as np
import onnx
import torch
from torch import nn

WINDOW = 64
LABELS = "still,walking,shaking"
# Period in samples (range), amplitude in 1/256 g (range), for each class.
CLASSES = [((40, 80), (0, 12)), ((22, 34), (100, 220)), ((5, 9), (260, 520))]


def triangle(phase, period):
    """A wave between -1 and 1."""
    return 4 * np.abs(phase / period - np.floor(phase / period + 0.5)) - 1


def windows(count, rng):
    x = np.zeros((count, 3, WINDOW, 1), np.float32)
    y = rng.integers(0, 3, count)
    for index, label in enumerate(y):
        (low, high), (least, most) = CLASSES[label]
        period = rng.uniform(low, high)
        for axis in range(3):
            wave = rng.uniform(least, most) * triangle(np.arange(WINDOW) + rng.uniform(0, period), period)
            x[index, axis, :, 0] = (wave + rng.integers(-16, 17, WINDOW) + (256 if axis == 2 else 0)) / 256
    return torch.from_numpy(x), torch.from_numpy(y)


def main(path, samples):
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    net = nn.Sequential(
        nn.Conv2d(3, 8, (5, 1), stride=(2, 1), padding=(2, 0)), nn.ReLU(),
        nn.Conv2d(8, 16, (5, 1), stride=(2, 1), padding=(2, 0)), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(300):
        x, y = windows(128, rng)
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    x, y = windows(2000, np.random.default_rng(2))
    windows(128, np.random.default_rng(3))[0].numpy().tofile(samples)
    print(f"accuracy {(net(x).argmax(1) == y).float().mean():.4f}, {sum(p.numel() for p in net.parameters())} parameters")
    torch.onnx.export(
        net.eval(), torch.zeros(1, 3, WINDOW, 1), path, input_names=["window"], output_names=["scores"], opset_version=17,
        dynamic_axes={"window": {0: "batch"}, "scores": {0: "batch"}}, dynamo=False)
    model = onnx.load(path)
    model.graph.name = "motion"
    for node in model.graph.node:
        del node.metadata_props[:]
    onnx.helper.set_model_props(model, {"labels": LABELS})
    onnx.checker.check_model(model)
    onnx.save(model, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
