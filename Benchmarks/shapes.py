"""What a session pays for a shape it has not seen: a ResNet-18 of 11 M random weights with free height and width.

    .venv/bin/python Benchmarks/shapes.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import edgeai


def network() -> onnx.ModelProto:
    random = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def node(op: str, *inputs: str, **attributes: object) -> str:
        nodes.append(helper.make_node(op, list(inputs), [f"t{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    def conv(x: str, channels: int, out: int, kernel: int, stride: int) -> str:
        data = random.standard_normal((out, channels, kernel, kernel)) / np.sqrt(channels * kernel**2)
        weights.append(numpy_helper.from_array(data.astype(np.float32), f"w{len(weights)}"))
        return node("Conv", x, weights[-1].name, pads=[kernel // 2] * 4, strides=[stride, stride])

    x, channels = node("Relu", conv("x", 3, 64, 7, 2)), 64
    for stage, out in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            y = conv(node("Relu", conv(x, channels, out, 3, stride)), out, out, 3, 1)
            side = conv(x, channels, out, 1, stride) if stride > 1 else x
            x, channels = node("Relu", node("Add", y, side)), out
    node("GlobalAveragePool", x)
    graph = helper.make_graph(
        nodes,
        "resnet18",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "height", "width"])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, ["n", 512, 1, 1])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def least(action: Callable[[], object], times: int = 9) -> float:
    """Milliseconds of the fastest."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        found.append((time.perf_counter() - start) * 1e3)
    return min(found)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        onnx.save(network(), path)
        x = np.zeros((1, 3, 224, 224), np.float32)
        session = edgeai.Session(path)
        session(x)
        new = least(lambda: edgeai.Session(edgeai.load(path, shapes=[x.shape])).close())
        run = least(lambda: session(x))
        memory = session.memory.total + session.model.size_bytes
        print(f"a new shape {new:.0f} ms, a run {run:.0f} ms, ratio {new / run:.2f}; memory {memory / path.stat().st_size:.1f} times the file")
        try:
            import onnxruntime
        except ImportError:
            return
        peer = least(lambda: onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]))
        print(f"a session of ONNX Runtime {peer:.0f} ms, ratio {new / peer:.2f}")


if __name__ == "__main__":
    main()
