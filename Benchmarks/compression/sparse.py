"""What leaving out zero weights saves: layers of MobileNet-v1 and ResNet-50 on one thread, pruned against unpruned.

    .venv/bin/python Benchmarks/compression/sparse.py [--isa avx2]

Each layer is a model of its own. The dense time is that of the same layer without zeros, with the kernel that the plan takes
for it, which for 3x3 layers in float32 may be Winograd's; both take turns, and the least time of the step counts. Blocks are
outputs by inputs, those with the least squares are pruned. Where the plan takes the dense kernel for the pruned layer too the
row says so: there the sparse one would lose.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import edgeai

# Side of the image, inputs, outputs, kernel, stride; 1x1 images are dense layers.
POINTWISE = [
    *[(112, 32, 64, 1, 1), (56, 64, 128, 1, 1), (56, 128, 128, 1, 1), (28, 128, 256, 1, 1), (28, 256, 256, 1, 1)],
    *[(14, 256, 512, 1, 1), (14, 512, 512, 1, 1), (7, 512, 1024, 1, 1), (7, 1024, 1024, 1, 1)],
    *[(56, 64, 64, 1, 1), (56, 64, 256, 1, 1), (56, 256, 64, 1, 1), (56, 256, 128, 1, 1), (28, 128, 512, 1, 1), (28, 512, 128, 1, 1)],
    *[(28, 512, 256, 1, 1), (14, 256, 1024, 1, 1), (14, 1024, 256, 1, 1), (14, 1024, 512, 1, 1), (7, 512, 2048, 1, 1)],
    *[(7, 2048, 512, 1, 1), (56, 256, 512, 1, 2), (28, 512, 1024, 1, 2), (14, 1024, 2048, 1, 2)],
]
OTHERS = [(1, 1024, 1000, 1, 1), (1, 2048, 1000, 1, 1), (56, 64, 64, 3, 1), (28, 128, 128, 3, 1), (14, 256, 256, 3, 1), (7, 512, 512, 3, 1)]

Layer = tuple[int, int, int, int, int]


def name(layer: Layer) -> str:
    side, inputs, outputs, kernel, stride = layer
    return f"{side}x{side}x{inputs}->{outputs} {kernel}x{kernel}" + (f"/{stride}" if stride > 1 else "")


def pruned(weights: np.ndarray, block: tuple[int, int], kept: float) -> np.ndarray:
    """[outputs, inputs, h, w] with so many of the blocks, the rest zero; inputs of a row are ordered h, w, input."""
    rows = weights.transpose(0, 2, 3, 1).reshape(len(weights), -1)
    high, wide = block
    padded = np.pad(rows, ((0, -rows.shape[0] % high), (0, -rows.shape[1] % wide)))
    blocks = padded.reshape(padded.shape[0] // high, high, padded.shape[1] // wide, wide)
    sizes = np.square(blocks).sum(axis=(1, 3))
    count = max(round(kept * sizes.size), 1)
    mask = sizes >= np.sort(sizes, axis=None)[-count]
    rows = (blocks * mask[:, None, :, None]).reshape(padded.shape)[: rows.shape[0], : rows.shape[1]]
    outputs, inputs, h, w = weights.shape
    return np.ascontiguousarray(rows.reshape(outputs, h, w, inputs).transpose(0, 3, 1, 2))


def model(layer: Layer, weights: np.ndarray) -> edgeai.Model:
    side, inputs, outputs, kernel, stride = layer
    pad = kernel // 2
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[pad] * 4, strides=[stride, stride], name="layer"),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    bias = np.random.default_rng(3).standard_normal(outputs).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", inputs, side, side])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    made: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return edgeai.load(made.SerializeToString())


class Timer:
    """Least times of a layer's step; sessions of both models take turns."""

    def __init__(self, layer: Layer, isa: str | None, is_integer: bool) -> None:
        random = np.random.default_rng(1)
        side, inputs, outputs, kernel, _ = layer
        self.layer, self.isa, self.is_integer = layer, isa, is_integer
        self.weights = random.standard_normal((outputs, inputs, kernel, kernel), dtype=np.float32) / np.float32(np.sqrt(inputs * kernel**2))
        self.x = random.standard_normal((1, inputs, side, side), dtype=np.float32)
        # No weight becomes 0 as a byte either.
        whole = np.where(np.abs(self.weights) < 0.05 * np.abs(self.weights).max(), 0.05 * np.abs(self.weights).max(), self.weights)
        self.dense = self.session(whole.astype(np.float32))

    def session(self, weights: np.ndarray) -> edgeai.Session:
        made = model(self.layer, weights)
        if self.is_integer:
            made = edgeai.quantize(made, [self.x], report_samples=0).model
        return edgeai.Session(made, batch=1, isa=self.isa)

    def step(self, session: edgeai.Session, runs: int) -> edgeai.ProfileEvent:
        return next(event for event in session.profile(self.x, runs=runs).events if "conv" in event.step.kernel)

    def measure(self, block: tuple[int, int], kept: float) -> tuple[float, str]:
        """How many times as fast the pruned layer is, and its kernel."""
        with self.session(pruned(self.weights, block, kept)) as sparse:
            kernel = self.step(sparse, 1).step.kernel
            least = {}
            for _ in range(4):
                for key, session in (("dense", self.dense), ("sparse", sparse)):
                    least[key] = min(least.get(key, np.inf), self.step(session, 6).least_us)
        return least["dense"] / least["sparse"], kernel


def cases(data: Path | None = None, isa: str | None = None) -> Iterator[dict[str, Any]]:
    """Rows of the benchmark. `data` is not needed: weights are random, and which are pruned does not matter for the time."""
    # What is measured for all layers; the first of each type is what the issue asks for.
    patterns = {
        "fp32": [((16, 1), 0.1), ((16, 1), 0.2), ((1, 1), 0.1), ((4, 1), 0.1), ((1, 4), 0.1), ((1, 16), 0.1), ((1, 1), 0.3)],
        "int8": [((16, 4), 0.1), ((16, 4), 0.2), ((16, 1), 0.1), ((1, 4), 0.1), ((1, 8), 0.1), ((4, 1), 0.1), ((1, 1), 0.1)],
    }
    for kind, wanted in patterns.items():
        found: dict[str, list[tuple[float, str, str]]] = {}
        for layer in POINTWISE + OTHERS:
            timer = Timer(layer, isa, kind == "int8")
            for block, kept in wanted:
                speedup, kernel = timer.measure(block, kept)
                density = f"{100 - round(100 * kept)} %"
                pattern = f"{density} of {block[0]}x{block[1]} blocks" if block != (1, 1) else f"{density}, unstructured"
                if layer in POINTWISE:
                    found.setdefault(pattern, []).append((speedup, name(layer), kernel))
                yield {
                    "case": f"sparse {kind} {pattern} {name(layer)}",
                    "value": round(speedup, 2),
                    "unit": "times",
                    "how": f"{kernel} against the layer without zeros, one thread, least times of turns",
                }
            timer.dense.close()
        for index, (pattern, rows) in enumerate(found.items()):
            key = f"sparse{pattern[:2]}_{kind}" if index < 2 else f"sparse {kind} {pattern}"
            least = min(rows)
            kept_dense = sum("sparse" not in kernel for _, _, kernel in rows)
            about = f"zeros: {pattern}; {len(rows)} 1x1 layers of MobileNet-v1 and ResNet-50, one thread, against the same layers without zeros"
            yield {"case": f"{key}_speedup", "value": round(least[0], 2), "unit": "times", "how": f"{about}; the least, of {least[1]}"}
            mean = float(np.exp(np.mean([np.log(row[0]) for row in rows])))
            how = f"{about}; geometric mean, {kept_dense} of them left to the dense kernel"
            yield {"case": f"{key}_mean_speedup", "value": round(mean, 2), "unit": "times", "how": how}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", help="instruction set, such as avx2; the best this CPU has without it")
    options = parser.parse_args()
    for row in cases(isa=options.isa):
        print(f"{row['case']:60} {row['value']:7.2f} {row['unit']}  ({row['how']})", flush=True)


if __name__ == "__main__":
    main()
