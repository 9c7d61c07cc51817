"""Bytes of saved models and the rate at which they are decoded: both codings of `.edgeai` 2 on released and on synthetic networks.

No value changes: every file that is measured was loaded again and compared with the model it was saved from.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import edgeai

ROOT = Path(__file__).resolve().parents[2]

# Deep Compression (arXiv 1510.00149), tables 4 and 5: weights, share kept, bits of a code and of a gap with Huffman coding;
# bits of a code and of a gap without.
ALEXNET = [
    ("conv1", (96, 363), 0.84, 6.3, 8, 4), ("conv2", (256, 1200), 0.38, 5.5, 8, 4), ("conv3", (384, 2304), 0.35, 5.1, 8, 4),
    ("conv4", (384, 1728), 0.37, 5.2, 8, 4), ("conv5", (256, 1728), 0.37, 5.6, 8, 4), ("fc6", (4096, 9216), 0.09, 3.9, 5, 4),
    ("fc7", (4096, 4096), 0.09, 3.6, 5, 4), ("fc8", (1000, 4096), 0.25, 4.0, 5, 4),
]  # fmt: skip
VGG16 = [
    ("conv1_1", (64, 27), 0.58, 6.8, 8, 5), ("conv1_2", (64, 576), 0.22, 6.5, 8, 5), ("conv2_1", (128, 576), 0.34, 5.6, 8, 5),
    ("conv2_2", (128, 1152), 0.36, 5.9, 8, 5), ("conv3_1", (256, 1152), 0.53, 4.8, 8, 5), ("conv3_2", (256, 2304), 0.24, 4.6, 8, 5),
    ("conv3_3", (256, 2304), 0.42, 4.6, 8, 5), ("conv4_1", (512, 2304), 0.32, 4.6, 8, 5), ("conv4_2", (512, 4608), 0.27, 4.2, 8, 5),
    ("conv4_3", (512, 4608), 0.34, 4.4, 8, 5), ("conv5_1", (512, 4608), 0.35, 4.7, 8, 5), ("conv5_2", (512, 4608), 0.29, 4.6, 8, 5),
    ("conv5_3", (512, 4608), 0.36, 4.6, 8, 5), ("fc6", (4096, 25088), 0.04, 3.6, 5, 5), ("fc7", (4096, 4096), 0.04, 4.0, 5, 5),
    ("fc8", (1000, 4096), 0.23, 4.0, 5, 5),
]  # fmt: skip


def _releases() -> ModuleType:
    """Tests/python/releases.py: the readers of the authors' files."""
    spec = importlib.util.spec_from_file_location("releases", ROOT / "Tests/python/releases.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["releases"] = module  # its data classes look themselves up
    spec.loader.exec_module(module)
    return module


def coded(model: edgeai.Model, coding: str) -> bytes:
    """The file; loaded again it is the same model."""
    data = model.to_bytes(coding=coding)
    if edgeai.load(data).to_bytes() != model.to_bytes():
        raise AssertionError(f"{model!r}: coding {coding} changed the model")
    return data


def shared(weights: np.ndarray, count: int) -> np.ndarray:
    """Weights other than zero replaced by `count` centres: k-means that begins with equal distances (Deep Compression)."""
    kept = weights[weights != 0].astype(np.float64)
    centres = np.linspace(kept.min(), kept.max(), count)
    for _ in range(50):
        nearest = np.abs(kept[:, None] - centres).argmin(1)
        moved = np.array([kept[nearest == i].mean() if (nearest == i).any() else c for i, c in enumerate(centres)])
        if np.array_equal(moved, centres):
            break
        centres = moved
    result = np.zeros_like(weights)
    result[weights != 0] = centres.astype(np.float32)[np.abs(kept[:, None] - centres).argmin(1)]
    return result


def with_shared_weights(proto: bytes, count: int) -> edgeai.Model:
    """The model with k-means over each layer's weights; pruned ones become +0."""
    model = onnx.load_from_string(proto)
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if tensor.name.endswith(".weight"):
            value = shared(value, count)
        tensor.CopyFrom(numpy_helper.from_array(value + np.float32(0), tensor.name))
    return edgeai.load(model.SerializeToString())


def dense_layer(name: str, weights: np.ndarray) -> edgeai.Model:
    outputs, inputs = weights.shape
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", name], ["y"], name, transB=1)], name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", outputs])],
        [numpy_helper.from_array(weights, name)],
    )  # fmt: skip
    return edgeai.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())


def byte_layer(weights: np.ndarray) -> edgeai.Model:
    """A network that gives out these int8 weights."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["y"])], "layer", [], [helper.make_tensor_value_info("y", TensorProto.INT8, weights.shape)],
        [numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    return edgeai.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())


def _entropy(p: np.ndarray) -> float:
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())


def code_distribution(bits: float, codes: int, kept: float, gap_bits: int) -> np.ndarray:
    """Probabilities of the codes of kept weights so that entries, the filling ones of the relative index with them, have an
    entropy of `bits`: a discrete normal distribution, its width found by bisection."""
    # A gap of g zeros has probability kept (1 - kept)^g and takes floor(g / 2^gap_bits) filling entries.
    more = (1 - kept) ** (1 << gap_bits)
    fillers = more / (1 - more)
    share = fillers / (1 + fillers)
    x = np.arange(1 - codes // 2, codes // 2) + 0.5
    low, high = 0.05, float(codes)
    for _ in range(60):
        width = (low + high) / 2
        p = np.exp(-0.5 * (x / width) ** 2)
        p /= p.sum()
        low, high = (width, high) if _entropy(np.append((1 - share) * p, share)) < bits else (low, width)
    return p


def synthetic(layer: tuple[Any, ...], random: np.random.Generator) -> np.ndarray:
    """Weights at the published density and bits of a code; places are independent."""
    _, shape, kept, bits, code_bits, gap_bits = layer
    p = code_distribution(bits, 1 << code_bits, kept, gap_bits)
    values = np.sort(random.normal(size=len(p))).astype(np.float32)
    weights = np.zeros(shape, np.float32)
    for row in weights:
        places = np.flatnonzero(random.random(len(row), dtype=np.float32) < kept)
        row[places] = values[np.minimum(np.searchsorted(np.cumsum(p), random.random(len(places))), len(p) - 1)]
    return weights


def synthetic_ratios(layers: list[tuple[Any, ...]]) -> dict[str, tuple[float, float]]:
    """For each coding: bytes of float32 weights for each byte of a file, one file for each layer, and seconds to encode."""
    random = np.random.default_rng(5)
    plain, sizes, seconds = 0, {"huffman": 0, "adaptive": 0}, {"huffman": 0.0, "adaptive": 0.0}
    for layer in layers:
        model = dense_layer(layer[0], synthetic(layer, random))
        plain += 4 * int(np.prod(layer[1]))
        for coding in sizes:
            begin = time.perf_counter()
            data = model.to_bytes(coding=coding)
            seconds[coding] += (time.perf_counter() - begin) / 2  # the bytes are coded twice, to know their number first
            sizes[coding] += len(data)
        if edgeai.load(data).to_bytes() != model.to_bytes():
            raise AssertionError(f"{layer[0]}: coding changed the layer")
    return {coding: (plain / size, seconds[coding]) for coding, size in sizes.items()}


def decode_seconds(data: bytes) -> float:
    """What loading a file takes on one thread: the fastest of many loads."""
    best = float("inf")
    for _ in range(30):
        begin = time.perf_counter()
        edgeai.load(data)
        best = min(best, time.perf_counter() - begin)
    return best


def cases(data: Path | None) -> Iterator[dict[str, Any]]:
    def row(case: str, value: float, unit: str, how: str) -> dict[str, Any]:
        return {"case": case, "value": value, "unit": unit, "how": how}

    if data:
        releases = _releases()
        net = edgeai.load(releases.squeezenet(data / "models/deep-compression/compressed_SqueezeNet.net"))
        where = "complete file of the released SqueezeNet (675,763 bytes) at exactly its weights"
        small = coded(net, "adaptive")
        yield row("squeezenet_lossless_bytes", len(small), "bytes", f"{where}, adaptive coding")
        yield row("squeezenet_huffman_bytes", len(coded(net, "huffman")), "bytes", f"{where}, relative indices and Huffman codes")
        yield row(
            "decode_rate", 4 * net.parameters / decode_seconds(small) / 1e6, "MB/s", "loading that adaptive file on one thread, in bytes of float32 weights"
        )
        for name, build, counts in (("lenet300", releases.lenet_300_100, (16, 8)), ("lenet5", releases.lenet_5, (16, 8))):
            file = data / f"models/dns/caffe_{name.replace('lenet300', 'lenet300100')}_sparse.caffemodel"
            for count in counts:
                model = with_shared_weights(build(file), count)
                for coding in ("huffman", "adaptive"):
                    suffix = "" if count == 16 else f"_{count}"
                    yield row(
                        f"dns_{name}_{coding}{suffix}_bytes", len(coded(model, coding)), "bytes",
                        f"complete file of the released model with {count} values a layer by k-means, {coding} coding",
                    )  # fmt: skip
        efficientnet = edgeai.load(data / "models/efficientnet_lite0_imagenet.onnx")
        batch = np.random.default_rng(0).normal(size=(4, 3, 224, 224)).astype(np.float32)
        small8 = edgeai.quantize(efficientnet, batch).model
        file8 = coded(small8, "adaptive")
        yield row("efficientnet_int8_adaptive_bytes", len(file8), "bytes", "complete int8 file, adaptive coding")
        seconds = decode_seconds(file8)
        yield row("decode_rate_int8", 4 * small8.parameters / seconds / 1e6, "MB/s", "loading that file on one thread, in bytes of float32 for its weights")
        own = sum(tensor.bytes for tensor in small8.tensors if tensor.constant)
        yield row("decode_rate_int8_own", own / seconds / 1e6, "MB/s", "the same, in bytes of its own constants, int8 weights and int32 biases")
        weights = [small8.tensor_data(i) for i, tensor in enumerate(small8.tensors) if tensor.constant and tensor.dtype == "int8" and tensor.bytes > 1 << 16]
        largest = max(weights, key=lambda array: array.size)
        layer = coded(byte_layer(largest), "adaptive")
        yield row("decode_rate_layer", largest.size / decode_seconds(layer) / 1e6, "MB/s", "loading its largest layer alone, in bytes of its int8 weights")
    for name, layers in (("alexnet", ALEXNET), ("vgg16", VGG16)):
        for coding, (ratio, seconds) in synthetic_ratios(layers).items():
            yield row(
                f"{name}_{coding}_ratio", ratio, "x",
                f"bytes of float32 weights for each byte of the files; synthetic weights at the published densities and bits; {seconds:.1f} s to encode",
            )  # fmt: skip
