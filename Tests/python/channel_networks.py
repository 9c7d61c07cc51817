"""Networks with random weights for channel pruning, made without torch: three that the onnx package carries, MobileNet-v2 and ShuffleNet-v2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
NETWORKS = ("mobilenet_v2", "resnet50", "densenet121", "shufflenet", "shufflenet_v2")


def network(name: str, side: int = 224) -> bytes:
    """An ONNX file of one of NETWORKS for an image of ``side`` x ``side`` pixels, a multiple of 32; the same at every call."""
    makers = {"mobilenet_v2": _mobilenet_v2, "shufflenet_v2": _shufflenet_v2}
    model = makers[name](side) if name in makers else _light(name, side)
    return model.SerializeToString()


def _weights(rng: np.random.Generator, shape) -> np.ndarray:
    """Of layers normally distributed so that activations keep their size; of vectors anything positive, as variances are."""
    numbers = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape) if len(shape) > 1 else rng.uniform(0.5, 1.5, shape)
    return numbers.astype(np.float32)


def _light(name: str, side: int) -> onnx.ModelProto:
    """The weights of these files are all the same, made by ConstantOfShape."""
    model = onnx.load(LIGHT / f"light_{name}.onnx")
    graph = model.graph
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    rng = np.random.default_rng(5)
    kept = []
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            weights = _weights(rng, constants[node.input[0]])
            graph.initializer.append(numpy_helper.from_array(weights, node.output[0]))
            continue
        if node.op_type == "Reshape" and len(constants[node.input[1]]) >= 4:
            # Of a shuffle: height and width are in the file.
            shape = constants[node.input[1]].copy()
            shape[-2:] = shape[-2:] * side // 224
            node.input[1] = node.output[0] + ".shape"
            graph.initializer.append(numpy_helper.from_array(shape, node.input[1]))
        for attribute in node.attribute:
            # Over the whole image at the end of the network.
            if node.op_type == "AveragePool" and attribute.name == "kernel_shape" and list(attribute.ints) == [7, 7]:
                attribute.ints[:] = [side // 32] * 2
        kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    images = next(i for i in graph.input if i.name not in constants and len(i.type.tensor_type.shape.dim) == 4)
    for dim in images.type.tensor_type.shape.dim[2:]:
        dim.dim_value = side
    if graph.node[-1].op_type == "Softmax":
        # Of random weights it would leave one class.
        graph.output[0].name = graph.node.pop().input[0]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    del graph.value_info[:]
    return model


class _Builder:
    """Layers with random weights, batch normalizations folded as exporters do."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(5)
        self.nodes: list[onnx.NodeProto] = []
        self.constants = [numpy_helper.from_array(np.float32(0), "zero"), numpy_helper.from_array(np.float32(6), "six")]

    def add(self, op: str, inputs: list[str], outputs: int = 1, **attributes) -> list[str]:
        name = f"{op.lower()}{len(self.nodes)}"
        names = [f"{name}_{i}" for i in range(outputs)] if outputs > 1 else [name]
        self.nodes.append(helper.make_node(op, inputs, names, name=name, **attributes))
        return names

    def constant(self, array: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(array, f"c{len(self.constants)}"))
        return self.constants[-1].name

    def conv(self, x: str, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, activation: str = "Clip") -> str:
        weights = self.constant(_weights(self.rng, (outputs, inputs // groups, kernel, kernel)))
        bias = self.constant(self.rng.normal(0, 0.1, outputs).astype(np.float32))
        attributes = {"strides": [stride] * 2, "pads": [kernel // 2] * 4, "group": groups, "kernel_shape": [kernel] * 2}
        (y,) = self.add("Conv", [x, weights, bias], **attributes)
        if activation:
            (y,) = self.add(activation, [y, "zero", "six"] if activation == "Clip" else [y])
        return y

    def classifier(self, x: str, width: int, name: str, side: int) -> onnx.ModelProto:
        (pooled,) = self.add("GlobalAveragePool", [x])
        (flat,) = self.add("Flatten", [pooled])
        (logits,) = self.add("Gemm", [flat, self.constant(_weights(self.rng, (1000, width)))], transB=1)
        ends = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, side, side])]
        results = [helper.make_tensor_value_info(logits, TensorProto.FLOAT, [1, 1000])]
        graph = helper.make_graph(self.nodes, name, ends, results, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _mobilenet_v2(side: int) -> onnx.ModelProto:
    """Sandler et al. 2018."""
    b = _Builder()
    y, width = b.conv("image", 3, 32, 3, 2), 32
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for expansion, outputs, repeats, first in stages:
        for index in range(repeats):
            stride, hidden = (first if index == 0 else 1), expansion * width
            z = b.conv(y, width, hidden) if expansion > 1 else y
            z = b.conv(b.conv(z, hidden, hidden, 3, stride, hidden), hidden, outputs, activation="")
            y, width = b.add("Add", [y, z])[0] if index > 0 else z, outputs
    return b.classifier(b.conv(y, width, 1280), 1280, "mobilenet_v2", side)


def _shufflenet_v2(side: int) -> onnx.ModelProto:
    """Ma et al. 2018: half of the channels go through a unit, then both halves are shuffled."""
    b = _Builder()
    y, width, size = b.conv("image", 3, 24, 3, 2, activation="Relu"), 24, side // 4
    (y,) = b.add("MaxPool", [y], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for outputs, repeats in ((116, 4), (232, 8), (464, 4)):
        half = outputs // 2
        size //= 2
        for index in range(repeats):
            stride = 2 if index == 0 else 1
            if stride == 2:
                left = b.conv(b.conv(y, width, width, 3, 2, width, ""), width, half, activation="Relu")
                right, inputs = y, width
            else:
                left, right = b.add("Split", [y, b.constant(np.array([half, half]))], 2, axis=1)
                inputs = half
            right = b.conv(b.conv(b.conv(right, inputs, half, activation="Relu"), half, half, 3, stride, half, ""), half, half, activation="Relu")
            (y,) = b.add("Concat", [left, right], axis=1)
            (y,) = b.add("Reshape", [y, b.constant(np.array([1, 2, half, size, size]))])
            (y,) = b.add("Transpose", [y], perm=[0, 2, 1, 3, 4])
            (y,) = b.add("Reshape", [y, b.constant(np.array([1, outputs, size, size]))])
            width = outputs
    return b.classifier(b.conv(y, width, 1024, activation="Relu"), 1024, "shufflenet_v2", side)
