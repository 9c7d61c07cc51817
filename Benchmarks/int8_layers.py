#!/usr/bin/env python3
"""What convolutions in groups and transposed convolutions take in int8 and in float32, on each instruction set.

    make library .venv/edgeai && taskset -c 1 .venv/bin/python Benchmarks/int8_layers.py

Prints microseconds of the layer, all its steps together, each the least of many, with one thread; models take turns.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import edgeai

# Name, operator, inputs, outputs, groups, image, kernel, stride.
LAYERS = [
    ("depth multiplier 2", "Conv", 32, 64, 32, (56, 56), 3, 1),
    ("depth multiplier 4, stride 2", "Conv", 16, 64, 16, (56, 56), 3, 2),
    ("depth multiplier 2, 5x5", "Conv", 32, 64, 32, (28, 28), 5, 1),
    ("groups of 2", "Conv", 64, 64, 32, (56, 56), 3, 1),
    ("groups of 4 (ResNeXt)", "Conv", 128, 128, 32, (56, 56), 3, 1),
    ("groups of 4, 1x1", "Conv", 128, 128, 32, (28, 28), 1, 1),
    ("groups of 8", "Conv", 64, 64, 8, (56, 56), 3, 1),
    ("groups of 8, small image", "Conv", 256, 256, 32, (14, 14), 3, 1),
    ("groups of 16", "Conv", 64, 64, 4, (56, 56), 3, 1),
    ("transposed 4x4, stride 2", "ConvTranspose", 64, 64, 1, (32, 32), 4, 2),
    ("transposed 2x2, stride 2", "ConvTranspose", 64, 32, 1, (32, 32), 2, 2),
    ("transposed 3x3, stride 2", "ConvTranspose", 128, 64, 1, (16, 16), 3, 2),
    ("transposed 3x3, stride 1", "ConvTranspose", 64, 64, 1, (32, 32), 3, 1),
    ("transposed 16x16, stride 8", "ConvTranspose", 21, 21, 1, (28, 28), 16, 8),
    ("transposed 8, stride 4", "ConvTranspose", 64, 32, 1, (1000,), 8, 4),
    ("transposed depthwise 4x4, stride 2", "ConvTranspose", 64, 64, 64, (28, 28), 4, 2),
    ("transposed, groups of 8, 4x4, stride 2", "ConvTranspose", 64, 64, 8, (32, 32), 4, 2),
]


def microseconds(op: str, inputs: int, outputs: int, groups: int, image: tuple[int, ...], kernel: int, stride: int, isa: str) -> list[float]:
    """Of float32 and int8."""
    rng = np.random.default_rng(0)
    dims = len(image)
    filters = (outputs, inputs // groups) if op == "Conv" else (inputs, outputs // groups)
    constants = {
        # A layer before it, so that its input is quantized.
        "before": np.eye(inputs, dtype=np.float32).reshape(inputs, inputs, *[1] * dims),
        "w": (rng.standard_normal((*filters, *[kernel] * dims)) * 0.05).astype(np.float32),
    }
    attributes = {"group": groups, "strides": [stride] * dims, "pads": [(kernel - 1) // 2] * 2 * dims}
    nodes = [helper.make_node("Conv", ["x", "before"], ["a"]), helper.make_node(op, ["a", "w"], ["y"], name="layer", **attributes)]
    x = rng.standard_normal((1, inputs, *image)).astype(np.float32)
    graph = helper.make_graph(
        nodes, "layer", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = edgeai.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString())
    sessions = [edgeai.Session(model, isa=isa), edgeai.Session(edgeai.quantize(model, [x]).model, isa=isa)]
    least = [float("inf")] * 2
    for _ in range(5):
        for index, session in enumerate(sessions):
            events = [event for event in session.profile(x, runs=7).events if event.step.op in ("Convolution", "TransposedConvolution")]
            least[index] = min(least[index], sum(event.least_us for event in events if event.step.name == events[-1].step.name))
    return least


def main() -> None:
    sets = [isa for isa in edgeai.instruction_sets() if isa not in ("reference", "avx512bf16")]
    print("| | " + " | ".join(f"{isa}, float32 | int8 | ratio" for isa in sets) + " |")
    print("|---" * (1 + 3 * len(sets)) + "|")
    for name, *layer in LAYERS:
        cells = []
        for isa in sets:
            single, integer = microseconds(*layer, isa)  # type: ignore[arg-type]
            cells += [f"{single:.0f}", f"{integer:.0f}", f"{integer / single:.2f}"]
        print("| " + " | ".join([name, *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
