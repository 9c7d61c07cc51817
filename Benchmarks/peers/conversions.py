#!/usr/bin/env python3
"""What each peer's own tools make of a network: converted and quantized files, kept in Benchmarks/out/peers-cache.

    .venv-peers/bin/python Benchmarks/peers/conversions.py onnx resnet18    makes one and prints its path

A tool may crash, hang or print what it likes, so each conversion is a process of its own. A file is made again when the
function that makes it, the networks' definition or a package it uses has changed; a failure is remembered the same way.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from networks import ROOT, SAMPLES, calibration, channels_last, example
from quiet import silence

CACHE = ROOT / "Benchmarks/out/peers-cache"
ARCHITECTURES = ROOT / "Tests/python/architectures.py"
MINUTES = 20


class UnavailableError(Exception):
    """There is no such file, and the text says why."""


# One function for each kind of file: it fills an empty folder.


def make_onnx(network: str, folder: pathlib.Path) -> None:
    """The float network that everything is made of, batch normalization folded, and what it computes."""
    import onnxruntime

    architectures().export(network, folder / "model.onnx", 13, 1)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    np.save(folder / "reference.npy", session.run(None, {"input": example(network)})[0])


def make_onnxruntime_int8(network: str, folder: pathlib.Path) -> None:
    sys.path.append(str(ROOT / "Benchmarks"))
    import run

    made = run.ort_quantized(artifact("onnx", network), calibration(network), folder)
    made.replace(folder / "model.onnx")
    (folder / "model.prepared.onnx").unlink()


def make_openvino_int8(network: str, folder: pathlib.Path) -> None:
    import nncf
    import openvino

    model = openvino.Core().read_model(artifact("onnx", network))
    data = nncf.Dataset([sample[None] for sample in calibration(network)])
    kind = {"model_type": nncf.ModelType.TRANSFORMER} if network == "minilm6" else {}
    openvino.serialize(nncf.quantize(model, data, subset_size=SAMPLES, **kind), folder / "model.xml")


def make_ncnn(network: str, folder: pathlib.Path) -> None:
    import pnnx

    # pnnx writes beside its input, and by default rounds weights to float16.
    source = folder / "network.onnx"
    source.symlink_to(artifact("onnx", network))
    subprocess.check_call([pnnx.EXEC_PATH, source, "fp16=0"], cwd=folder)
    for suffix in ("param", "bin"):
        (folder / f"network.ncnn.{suffix}").replace(folder / f"model.{suffix}")
    for path in folder.glob("network*"):
        path.unlink()


def convert_mnn(network: str, folder: pathlib.Path, *options: str) -> None:
    import _tools  # what MNN's command calls; see quiet.py

    source, target = str(artifact("onnx", network)), str(folder / "model.mnn")
    _tools.mnnconvert(["mnnconvert", "-f", "ONNX", "--modelFile", source, "--MNNModel", target, "--bizCode", "edgeai", *options])


def make_mnn(network: str, folder: pathlib.Path) -> None:
    convert_mnn(network, folder)


def make_mnn_int8(network: str, folder: pathlib.Path) -> None:
    """Weights in eight bits; activations are quantized while it runs. Its static quantizer crashes in this package."""
    convert_mnn(network, folder, "--weightQuantBits", "8")


def make_litert(network: str, folder: pathlib.Path) -> None:
    """From torch rather than from ONNX: same weights, and far quicker than the way through TensorFlow."""
    import litert_torch
    import torch

    module, shape = architectures().build(network)
    if len(shape) == 4:
        module = litert_torch.to_channel_last_io(module, args=[0]).eval()
    x = torch.from_numpy(channels_last(example(network)))
    litert_torch.convert(module, (x,)).export(str(folder / "model.tflite"))


def make_litert_int8(network: str, folder: pathlib.Path) -> None:
    """Weights for each channel, activations, inputs and outputs in eight bits."""
    from ai_edge_quantizer import quantizer, recipe

    tool = quantizer.Quantizer(str(artifact("litert", network)), recipe.static_wi8_ai8())
    samples = [{"args_0": channels_last(sample[None])} for sample in calibration(network)]
    tool.quantize(tool.calibrate({"serving_default": samples})).export_model(str(folder / "model.tflite"))


def lower_executorch(module: Any, x: Any, folder: pathlib.Path) -> None:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = to_edge_transform_and_lower(torch.export.export(module, (x,)), partitioner=[XnnpackPartitioner()])
    (folder / "model.pte").write_bytes(program.to_executorch().buffer)


def make_executorch(network: str, folder: pathlib.Path) -> None:
    import torch

    with torch.no_grad():
        lower_executorch(architectures().build(network)[0], torch.from_numpy(example(network)), folder)


def make_executorch_int8(network: str, folder: pathlib.Path) -> None:
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    with torch.no_grad():
        x = torch.from_numpy(example(network))
        quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
        module = prepare_pt2e(torch.export.export(architectures().build(network)[0], (x,)).module(), quantizer)
        for sample in calibration(network):
            module(torch.from_numpy(sample[None]))
        lower_executorch(convert_pt2e(module), x, folder)


def architectures() -> Any:
    sys.path.insert(0, str(ARCHITECTURES.parent))
    import architectures as found

    return found


@dataclass(frozen=True)
class Conversion:
    """``file`` is the one in the folder that is loaded; ``packages`` are those that decide what is in it."""

    make: Callable[[str, pathlib.Path], None]
    file: str
    packages: tuple[str, ...]


CONVERSIONS: dict[str, Conversion] = {
    "onnx": Conversion(make_onnx, "model.onnx", ("torch",)),
    "onnxruntime_int8": Conversion(make_onnxruntime_int8, "model.onnx", ("torch", "onnxruntime")),
    "openvino_int8": Conversion(make_openvino_int8, "model.xml", ("torch", "openvino", "nncf")),
    "ncnn": Conversion(make_ncnn, "model.param", ("torch", "pnnx")),
    "mnn": Conversion(make_mnn, "model.mnn", ("torch", "MNN")),
    "mnn_int8": Conversion(make_mnn_int8, "model.mnn", ("torch", "MNN")),
    "litert": Conversion(make_litert, "model.tflite", ("torch", "litert-torch")),
    "litert_int8": Conversion(make_litert_int8, "model.tflite", ("torch", "litert-torch", "ai-edge-quantizer")),
    "executorch": Conversion(make_executorch, "model.pte", ("torch", "executorch")),
    "executorch_int8": Conversion(make_executorch_int8, "model.pte", ("torch", "executorch", "torchao")),
}


# The cache.


def parts(conversion: Conversion) -> Iterator[bytes]:
    yield ARCHITECTURES.read_bytes() + bytes([SAMPLES])
    for function in (calibration, example, channels_last, convert_mnn, lower_executorch, conversion.make):
        yield inspect.getsource(function).encode()
    for package in conversion.packages:
        try:
            yield f"{package} {importlib.metadata.version(package)}".encode()
        except importlib.metadata.PackageNotFoundError:
            raise UnavailableError(f"its converter needs {package}, which is not installed") from None


def artifact(kind: str, network: str) -> pathlib.Path:
    """The file of ``kind`` for ``network``, which is made if it must be; raises ``UnavailableError`` with the reason."""
    conversion = CONVERSIONS[kind]
    folder = CACHE / network / kind
    target, failure, note = folder / conversion.file, folder / "failure", folder / "key"
    key = hashlib.sha256(b"\0".join(parts(conversion))).hexdigest()
    if not (note.is_file() and note.read_text() == key):
        print(f"making {network} for {kind} ...", file=sys.stderr, flush=True)
        partial = folder.with_name(f"{kind}.{os.getpid()}.partial")  # so that what is interrupted leaves no half file
        partial.mkdir(parents=True)
        reason = convert(kind, network, partial)
        if not reason and not (partial / conversion.file).is_file():
            reason = "its converter wrote nothing"
        if reason:
            (partial / "failure").write_text(reason)
        (partial / "key").write_text(key)
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    if failure.is_file():
        raise UnavailableError(failure.read_text())
    return target


def convert(kind: str, network: str, folder: pathlib.Path) -> str:
    """Runs one conversion; returns why it failed, or nothing."""
    command = [sys.executable, __file__, kind, network, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=MINUTES * 60, check=False)
    except subprocess.TimeoutExpired:
        return f"its converter took more than {MINUTES} minutes"
    if done.returncode == 0:
        return ""
    (folder / "log").write_text(done.stdout + done.stderr)
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    ended = f"signal {-done.returncode}" if done.returncode < 0 else f"code {done.returncode}"
    return f"its converter ended with {ended}: {lines[-1] if lines else 'it said nothing'}"[:300]


if __name__ == "__main__":
    silence()
    if len(sys.argv) == 4:
        CONVERSIONS[sys.argv[1]].make(sys.argv[2], pathlib.Path(sys.argv[3]))
    else:
        print(artifact(sys.argv[1], sys.argv[2]))
