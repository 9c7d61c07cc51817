"""Sizes beside nncodec's (ISO/IEC 15938-17), at equal integers and at equal top-1: EfficientNet-Lite0 and a MobileNet.

    EDGEAI_TEST_DATA=... EDGEAI_NNCODEC_PYTHON=/somewhere/bin/python make bench-compression OPTIONS="--only peer"

where that interpreter has nncodec: `python3 -m venv /somewhere && /somewhere/bin/pip install nncodec onnx "numpy<2"`. The only MobileNet whose weights
are released for every tool is one in uint8: its numbers are those weights, and the float32 network is made of what they stand
for, without the rounding of activations.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from PIL import Image
from sharing import PRICES, cheapest, right

import edgeai

WORKER = pathlib.Path(__file__).with_name("nncodec_worker.py")
EFFICIENTNET = "models/efficientnet_lite0_imagenet.onnx"
MOBILENET = "models/mobilenet/mobilenet_v1_0.5_160_quant.tflite"


def crops(data: pathlib.Path) -> Iterator[tuple[Image.Image, int]]:
    """The middle of each photo, 224 pixels wide, and its class."""
    for file in sorted((data / "images/imagenet200").glob("*.jpg")):
        picture = Image.open(file).convert("RGB")
        left, top = ((side - 224) // 2 for side in picture.size)
        yield picture.crop((left, top, left + 224, top + 224)), int(file.name.split("_")[0])


def efficientnet_photos(data: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    images, classes = zip(*((np.asarray(picture, np.float32), number) for picture, number in crops(data)))
    return np.ascontiguousarray((np.stack(images).transpose(0, 3, 1, 2) - 127) / 128, np.float32), np.array(classes)


def mobilenet_photos(data: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """160 pixels wide; class 0 of this network is nothing."""
    small = ((picture.resize((160, 160), Image.Resampling.BILINEAR), number) for picture, number in crops(data))
    images, classes = zip(*((np.asarray(picture, np.float32), number + 1) for picture, number in small))
    return np.ascontiguousarray((np.stack(images) - 128) / 128, np.float32), np.array(classes)


def in_floats(model: edgeai.Model) -> bytes:
    """A quantized network as ONNX in float32, of any number of samples: weights are what their integers stand for, activations are
    not rounded."""
    proto = onnx.load_from_string(model.to_onnx())
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    same: dict[str, str] = {}
    floats: dict[str, np.ndarray] = {}
    nodes = []
    for node in proto.graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            integers, scale, zero = (constants[name] for name in node.input)
            name = f"c{len(floats)}"
            floats[name] = ((integers.astype(np.int32) - zero.astype(np.int32)) * scale).astype(np.float32)
            same[node.output[0]] = name
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            same[node.output[0]] = node.input[0]
        else:
            nodes.append(node)
    graph = proto.graph
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    shapes = {node.input[1] for node in nodes if node.op_type == "Reshape"}
    for tensor in kept:
        if tensor.name in shapes:
            tensor.CopyFrom(numpy_helper.from_array(np.array([-1, *constants[tensor.name][1:]]), tensor.name))
    graph.ClearField("node")
    graph.node.extend(nodes)
    graph.ClearField("initializer")
    graph.initializer.extend(kept + [numpy_helper.from_array(array, name) for name, array in floats.items()])
    graph.ClearField("value_info")
    for tensor in (*graph.input, *graph.output):
        tensor.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        tensor.type.tensor_type.shape.dim[0].dim_param = "N"
    graph.output[0].name = same.get(graph.output[0].name, graph.output[0].name)
    return proto.SerializeToString()


def nncodec(contents: bytes, suffix: str, *options: str) -> bytes:
    """What the worker says of a file, by an interpreter that EDGEAI_NNCODEC_PYTHON names or this one."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / f"in{suffix}"
        file.write_bytes(contents)
        python = os.environ.get("EDGEAI_NNCODEC_PYTHON", sys.executable)
        return subprocess.run([python, WORKER, file, *options], stdout=subprocess.PIPE, check=True).stdout


def constants(arrays: list[np.ndarray]) -> edgeai.Model:
    """A network that gives these arrays out, and does nothing else."""
    nodes = [helper.make_node("Identity", [f"t{i}"], [f"y{i}"]) for i in range(len(arrays))]
    types = [helper.np_dtype_to_tensor_dtype(array.dtype) for array in arrays]
    outputs = [helper.make_tensor_value_info(f"y{i}", types[i], array.shape) for i, array in enumerate(arrays)]
    tensors = [numpy_helper.from_array(array, f"t{i}") for i, array in enumerate(arrays)]
    graph = helper.make_graph(nodes, "integers", [], outputs, tensors)
    return edgeai.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())


def integers(case: str, what: str, model: edgeai.Model) -> Iterator[dict[str, Any]]:
    """The weights and biases of an integer network."""
    arrays = [model.tensor_data(i) for i, tensor in enumerate(model.tensors) if tensor.constant and tensor.dtype in ("int8", "uint8", "int32")]
    with tempfile.TemporaryFile() as file:
        np.savez(file, **{f"t{i}": array for i, array in enumerate(arrays)})
        file.seek(0)
        out = nncodec(file.read(), ".npz")
    yield {
        "case": f"{case}_integers_nncodec_bytes", "value": json.loads(out)["bytes"], "unit": "bytes",
        "how": f"nncodec's bitstream of the weights and biases of {what}, as integers",
    }  # fmt: skip
    yield {
        "case": f"{case}_integers_ours_bytes", "value": len(constants(arrays).to_bytes(coding="adaptive")), "unit": "bytes",
        "how": "our file of the same integers",
    }  # fmt: skip
    yield {
        "case": f"{case}_file_bytes", "value": len(model.to_bytes(coding="adaptive")), "unit": "bytes",
        "how": "our complete file of the network, with its graph, names and scales",
    }  # fmt: skip


def floats(
    case: str, what: str, network: bytes, images: np.ndarray, classes: np.ndarray, qualities: list[int]
) -> Iterator[dict[str, Any]]:
    model = edgeai.load(network)
    before = right(model, images, classes)
    yield {
        "case": f"{case}_top1", "value": before * 100 / len(images), "unit": "%",
        "how": f"{what} in float32 on {len(images)} photos",
    }  # fmt: skip
    prefix = "" if case == "efficientnet" else f"{case}_"
    for quality in qualities:
        header, _, decoded = nncodec(network, ".onnx", str(quality)).partition(b"\n")
        theirs = right(edgeai.load(decoded), images, classes)
        # What is right by chance, because it was changed, need not be met.
        price, ours, correct = cheapest(model, images, classes, min(theirs, before), [*PRICES, 0.0004, 0.0003, 0.0002, 0.0001])
        yield {
            "case": f"{prefix}nncodec_qp{-quality}_bytes", "value": json.loads(header)["bytes"], "unit": "bytes",
            "how": f"nncodec {quality}, dependent quantization: {theirs} of {len(images)} photos right",
        }  # fmt: skip
        yield {
            "case": f"{prefix}nncodec_qp{-quality}_ours_bytes", "value": ours, "unit": "bytes",
            "how": f"our file at price {price:g}: {correct} right, cross-validated",
        }  # fmt: skip


def cases(data: pathlib.Path | None) -> Iterator[dict[str, Any]]:
    if data is None:
        return
    if "EDGEAI_NNCODEC_PYTHON" not in os.environ and importlib.util.find_spec("nncodec") is None:
        print("nncodec is not installed and EDGEAI_NNCODEC_PYTHON is not set: the comparison with it is left out")
        return
    mobilenet = edgeai.load(data / MOBILENET)
    efficientnet = (data / EFFICIENTNET).read_bytes()
    batch = np.random.default_rng(0).normal(size=(4, 3, 224, 224)).astype(np.float32)
    yield from integers("mobilenet", "MobileNet v1 0.5 160", mobilenet)
    yield from integers("efficientnet", "EfficientNet-Lite0 in int8", edgeai.quantize(edgeai.load(efficientnet), batch).model)
    yield from floats("mobilenet", "MobileNet v1 0.5 160", in_floats(mobilenet), *mobilenet_photos(data), [-40, -36, -32])
    yield from floats("efficientnet", "EfficientNet-Lite0", efficientnet, *efficientnet_photos(data), [-44, -40, -38])
