"""What authors released of their compressed networks, read with numpy alone: arrays, and an ONNX model of the whole network.

- Dynamic Network Surgery (Guo, Yao, Chen 2016): LeNet-300-100 and LeNet-5, before and after, as Caffe models. A pruned weight
  is stored as zero: the masks are applied already.
- Deep Compression (Han, Mao, Dally 2016): SqueezeNet 1.0 in 675,763 bytes, in a format of its own.

Networks are as Caffe has them: channels first; a dense layer reads its input in the order channel, row, column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

# ---- Caffe ---------------------------------------------------------------------------------------------


def fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The fields of a protobuf message: number, value of an integer (else 0), bytes of what has a length (else none)."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    while place < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint(), b""
            continue
        length = {1: 8, 5: 4}.get(key & 7) or varint()
        if key & 7 not in (1, 2, 5) or place + length > len(data):
            raise ValueError(f"byte {place} does not belong to a protobuf message")
        yield key >> 3, 0, data[place : place + length]
        place += length


def integers(packed: bytes) -> list[int]:
    """Packed varints."""
    values, value, shift = [], 0, 0
    for byte in packed:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            values.append(value)
            value = shift = 0
    return values


def caffe_arrays(file: Path) -> dict[str, list[np.ndarray]]:
    """The arrays of each layer that has some: weights, bias. NetParameter.layer is field 100, LayerParameter has its name in 1
    and blobs in 7, BlobProto its shape in 7 (dimensions in 1) and its floats in 5."""
    layers: dict[str, list[np.ndarray]] = {}
    for number, _, layer in fields(file.read_bytes()):
        if number != 100:
            continue
        name, arrays = "", []
        for field, _, content in fields(layer):
            if field == 1:
                name = content.decode()
            elif field == 7:
                blob = {key: value for key, _, value in fields(content)}
                shape = next(value for key, _, value in fields(blob[7]) if key == 1)
                arrays.append(np.frombuffer(blob[5], "<f4").reshape(integers(shape)))
        if arrays:
            layers[name] = arrays
    return layers


# ---- Deep Compression ----------------------------------------------------------------------------------


@dataclass
class SharedLayer:
    """A layer of a `.net` file as it is stored: each entry lies gap + 1 behind the one before it, and is codebook[code]; code 0
    is zero and bridges gaps of more than 16."""

    name: str
    shape: tuple[int, int, int, int]
    codebook: np.ndarray
    bias: np.ndarray
    codes: np.ndarray
    gaps: np.ndarray

    @property
    def positions(self) -> np.ndarray:
        return np.cumsum(self.gaps.astype(np.int64) + 1) - 1

    @property
    def weights(self) -> np.ndarray:
        flat = np.zeros(int(np.prod(self.shape)), np.float32)
        flat[self.positions] = self.codebook[self.codes]
        return flat.reshape(self.shape)


FIRES = ((2, 16, 64), (3, 16, 64), (4, 32, 128), (5, 32, 128), (6, 48, 192), (7, 48, 192), (8, 64, 256), (9, 64, 256))


def squeezenet_shapes() -> list[tuple[str, tuple[int, int, int, int]]]:
    """Name and shape (outputs, inputs, height, width) of the 26 convolutions, in the order of the file."""
    shapes: list[tuple[str, tuple[int, int, int, int]]] = [("conv1", (96, 3, 7, 7))]
    channels = 96
    for fire, narrow, wide in FIRES:
        shapes.append((f"fire{fire}/conv1x1_1", (narrow, channels, 1, 1)))
        shapes.append((f"fire{fire}/conv1x1_2", (wide, narrow, 1, 1)))
        shapes.append((f"fire{fire}/conv3x3_2", (wide, narrow, 3, 3)))
        channels = 2 * wide
    return [*shapes, ("conv_final", (1000, channels, 1, 1))]


def shared_layers(file: Path) -> tuple[list[SharedLayer], int]:
    """The layers of compressed_SqueezeNet.net, and how many bytes of the file they take."""
    data = file.read_bytes()
    shapes = squeezenet_shapes()
    counts = np.frombuffer(data, "<u4", len(shapes))
    place = 4 * len(shapes)
    layers = []
    for (name, shape), entries in zip(shapes, counts.tolist(), strict=True):
        codebook = np.frombuffer(data, "<f4", 256, place)
        bias = np.frombuffer(data, "<f4", shape[0], place + 1024)
        place += 1024 + 4 * shape[0]
        codes = np.frombuffer(data, np.uint8, entries, place)
        place += entries
        pairs = np.frombuffer(data, np.uint8, (entries + 1) // 2, place)
        place += len(pairs)
        gaps = np.stack([pairs & 15, pairs >> 4], 1).reshape(-1)[:entries]
        layers.append(SharedLayer(name, shape, codebook, bias, codes, gaps))
    return layers, place


# ---- ONNX ----------------------------------------------------------------------------------------------


def onnx_model(
    nodes: list[onnx.NodeProto], shape: tuple[int, ...], classes: int, constants: dict[str, np.ndarray], name: str
) -> bytes:
    """input "data" [N, *shape], output "scores" [N, classes]."""
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", classes])],
        [numpy_helper.from_array(np.ascontiguousarray(value), key) for key, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def lenet_300_100(file: Path) -> bytes:
    """LeNet-300-100 of a Caffe model, without the softmax. Input: MNIST's pixels / 256, [N, 1, 28, 28]."""
    arrays = caffe_arrays(file)
    nodes, constants, value = [helper.make_node("Flatten", ["data"], ["flat"])], {}, "flat"
    for layer in ("ip1", "ip2", "ip3"):
        constants[f"{layer}.weight"], constants[f"{layer}.bias"] = arrays[layer]
        result = "scores" if layer == "ip3" else layer
        nodes.append(helper.make_node("Gemm", [value, f"{layer}.weight", f"{layer}.bias"], [result], layer, transB=1))
        value = result
        if layer != "ip3":
            value = f"{layer}.relu"
            nodes.append(helper.make_node("Relu", [layer], [value]))
    return onnx_model(nodes, (1, 28, 28), 10, constants, "lenet_300_100")


def lenet_5(file: Path) -> bytes:
    """Caffe's LeNet-5 of a Caffe model, without the softmax. Input: MNIST's pixels / 256, [N, 1, 28, 28]."""
    arrays = caffe_arrays(file)
    constants = {}
    for layer in ("conv1", "conv2", "ip1", "ip2"):
        constants[f"{layer}.weight"], constants[f"{layer}.bias"] = arrays[layer]
    nodes, value = [], "data"
    for number in (1, 2):
        conv, pool = f"conv{number}", f"pool{number}"
        nodes.append(helper.make_node("Conv", [value, f"{conv}.weight", f"{conv}.bias"], [conv], conv))
        nodes.append(helper.make_node("MaxPool", [conv], [pool], pool, kernel_shape=[2, 2], strides=[2, 2]))
        value = pool
    nodes.append(helper.make_node("Flatten", [value], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", "ip1.weight", "ip1.bias"], ["ip1"], "ip1", transB=1))
    nodes.append(helper.make_node("Relu", ["ip1"], ["ip1.relu"]))
    nodes.append(helper.make_node("Gemm", ["ip1.relu", "ip2.weight", "ip2.bias"], ["scores"], "ip2", transB=1))
    return onnx_model(nodes, (1, 28, 28), 10, constants, "lenet_5")


def squeezenet(file: Path) -> bytes:
    """SqueezeNet 1.0 of the `.net` file, without the softmax. Input: as `squeezenet_photos` gives it."""
    layers = {layer.name: layer for layer in shared_layers(file)[0]}
    constants, nodes = {}, []

    def convolution(name: str, value: str, **attributes: object) -> str:
        constants[f"{name}.weight"], constants[f"{name}.bias"] = layers[name].weights, layers[name].bias
        nodes.append(helper.make_node("Conv", [value, f"{name}.weight", f"{name}.bias"], [name], name, **attributes))
        nodes.append(helper.make_node("Relu", [name], [f"{name}.relu"]))
        return f"{name}.relu"

    def pool(name: str, value: str) -> str:
        # Caffe rounds the size of a pool's result up; at 227 x 227 nothing is left over.
        nodes.append(helper.make_node("MaxPool", [value], [name], name, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1))
        return name

    value = pool("pool1", convolution("conv1", "data", strides=[2, 2]))
    for fire, _, _ in FIRES:
        narrow = convolution(f"fire{fire}/conv1x1_1", value)
        parts = [convolution(f"fire{fire}/conv1x1_2", narrow), convolution(f"fire{fire}/conv3x3_2", narrow, pads=[1, 1, 1, 1])]
        value = f"fire{fire}/concat"
        nodes.append(helper.make_node("Concat", parts, [value], value, axis=1))
        if fire in (4, 8):
            value = pool(f"pool{fire}", value)
    value = convolution("conv_final", value, pads=[1, 1, 1, 1])
    nodes.append(helper.make_node("GlobalAveragePool", [value], ["pool_final"], "pool_final"))
    nodes.append(helper.make_node("Flatten", ["pool_final"], ["scores"]))
    return onnx_model(nodes, (3, 227, 227), 1000, constants, "squeezenet_1_0")


# ---- Data ----------------------------------------------------------------------------------------------


def mnist(file: Path, part: str = "test") -> tuple[np.ndarray, np.ndarray]:
    """Pixels / 256 as [N, 1, 28, 28], and labels; part: test (10,000) or train (60,000)."""
    with np.load(file) as arrays:
        return arrays[f"x_{part}"].astype(np.float32)[:, None] / np.float32(256), arrays[f"y_{part}"].astype(np.int64)


def squeezenet_photos(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Photos whose names begin with their class, and the classes: the middle 227 x 227 (the short side is 256), blue, green, red,
    less the means 104, 117, 123; [N, 3, 227, 227]."""
    images, classes = [], []
    for file in sorted(folder.glob("*.jpg")):
        picture = Image.open(file).convert("RGB")
        left, top = ((side - 227) // 2 for side in picture.size)
        images.append(np.asarray(picture.crop((left, top, left + 227, top + 227)), np.float32)[:, :, ::-1])
        classes.append(int(re.match(r"\d+", file.name)[0]))  # type: ignore[index]
    prepared = np.stack(images) - np.array([104, 117, 123], np.float32)
    return np.ascontiguousarray(prepared.transpose(0, 3, 1, 2)), np.array(classes)
