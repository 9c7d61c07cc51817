"""Networks with random weights for channel pruning, made without torch: three that the onnx package carries, and MobileNet-v2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
NETWORKS = ("mobilenet_v2", "resnet50", "densenet121", "shufflenet")


def network(name: str, side: int = 224) -> bytes:
    """An ONNX file of one of NETWORKS for an image of ``side`` x ``side`` pixels, a multiple of 32; the same at every call."""
    model = _mobilenet_v2(side) if name == "mobilenet_v2" else _light(name, side)
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
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    del graph.value_info[:]
    return model


def _mobilenet_v2(side: int) -> onnx.ModelProto:
    """Sandler et al. 2018, with the batch normalizations folded as exporters do."""
    rng = np.random.default_rng(5)
    nodes: list[onnx.NodeProto] = []
    constants = [numpy_helper.from_array(np.float32(0), "zero"), numpy_helper.from_array(np.float32(6), "six")]

    def conv(x: str, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, clip: bool = True) -> str:
        name = f"conv{len(nodes)}"
        weights = _weights(rng, (outputs, inputs // groups, kernel, kernel))
        bias = rng.normal(0, 0.1, outputs).astype(np.float32)
        constants.extend([numpy_helper.from_array(weights, name + ".w"), numpy_helper.from_array(bias, name + ".b")])
        attributes = {"strides": [stride] * 2, "pads": [kernel // 2] * 4, "group": groups, "kernel_shape": [kernel] * 2}
        nodes.append(helper.make_node("Conv", [x, name + ".w", name + ".b"], [name], name=name, **attributes))
        if not clip:
            return name
        nodes.append(helper.make_node("Clip", [name, "zero", "six"], [name + ".clip"]))
        return name + ".clip"

    y, width = conv("image", 3, 32, 3, 2), 32
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for expansion, outputs, repeats, first in stages:
        for index in range(repeats):
            stride, hidden = (first if index == 0 else 1), expansion * width
            z = conv(y, width, hidden) if expansion > 1 else y
            z = conv(conv(z, hidden, hidden, 3, stride, hidden), hidden, outputs, clip=False)
            if index > 0:
                nodes.append(helper.make_node("Add", [y, z], [z + ".sum"]))
                z += ".sum"
            y, width = z, outputs
    y = conv(y, width, 1280)
    constants.append(numpy_helper.from_array(_weights(rng, (1000, 1280)), "classes"))
    nodes.append(helper.make_node("GlobalAveragePool", [y], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", "classes"], ["logits"], name="classify", transB=1))
    ends = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, side, side])]
    results = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1000])]
    graph = helper.make_graph(nodes, "mobilenet_v2", ends, results, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
