"""The table of contenders, and how each loads a file and runs it. Whatever is in ``run`` is measured.

To add one: a class with ``load`` and ``run``, a function in conversions.py for each kind of file it reads, and a row in PEERS.
"""

from __future__ import annotations

import functools
import pathlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from networks import Array, Precision, calibration, channels_last, example


class RefusedError(Exception):
    """What was asked for would measure something else; the text says what."""


class Engine(ABC):
    """One network, ready to run."""

    @abstractmethod
    def load(self, path: pathlib.Path, network: str, precision: Precision, threads: int) -> None: ...

    @abstractmethod
    def run(self, x: Array) -> Array: ...

    def prepare(self, x: Array) -> Array:
        """The input as the file wants it; not measured, as an application has its data in that form."""
        return x

    def real(self, y: Array) -> Array:
        """The output as real numbers; not measured."""
        return y


@functools.lru_cache(maxsize=1)
def quantized_by_edgeai(path: pathlib.Path, network: str) -> Any:
    """Kept for the next number of threads; not in the cache of files, as the library changes without a new version."""
    import edgeai

    return edgeai.quantize(edgeai.load(path), [sample[None] for sample in calibration(network)], report_samples=0).model


class EdgeAI(Engine):
    def load(self, path: pathlib.Path, network: str, precision: Precision, threads: int) -> None:
        import edgeai

        model = quantized_by_edgeai(path, network) if precision == "int8" else edgeai.load(path)
        # strict refuses to emulate bfloat16.
        chosen: Any = {"precision": "bfloat16", "strict": True} if precision == "bf16" else {}
        self.session: Any = edgeai.Session(model, batch=1, threads=threads, **chosen)

    def run(self, x: Array) -> Array:
        y: Array = self.session.run(x)[0]
        return y


class OnnxRuntime(Engine):
    def load(self, path: pathlib.Path, network: str, precision: Precision, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name

    def run(self, x: Array) -> Array:
        y: Array = self.session.run(None, {self.name: x})[0]
        return y


class OpenVINO(Engine):
    """Pinned to float32 where a network is not in eight bits: left alone, it computes in bfloat16 on CPUs that can."""

    hint: Mapping[str, str] = {"INFERENCE_PRECISION_HINT": "f32"}

    def load(self, path: pathlib.Path, network: str, precision: Precision, threads: int) -> None:
        import openvino

        settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", **self.hint}
        self.model: Any = openvino.Core().compile_model(path, "CPU", settings)
        self.request = self.model.create_infer_request()
        self.output = self.model.output(0)

    def run(self, x: Array) -> Array:
        y: Array = self.request.infer([x], share_inputs=True, share_outputs=True)[self.output]
        return y


class OpenVINODefault(OpenVINO):
    hint: Mapping[str, str] = {}

    def load(self, path: pathlib.Path, network: str, precision: Precision, threads: int) -> None:
        super().load(path, network, precision, threads)
        kind = self.model.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if kind != "bf16":
            raise RefusedError(f"its default on this CPU is {kind}, the same as pinned")


class Ncnn(Engine):
    """Pinned to float32 where that is asked for: left alone, it keeps the weights of dense layers as float16 and reads half as
    much, with errors of a thousandth."""

    def load(self, path: pathlib.Path, network: str, precision: Precision, threads: int) -> None:
        import ncnn

        self.ncnn: Any = ncnn
        self.net = ncnn.Net()
        self.net.opt.num_threads = threads
        self.net.opt.use_fp16_storage = self.net.opt.use_fp16_packed = self.net.opt.use_fp16_arithmetic = False
        self.net.opt.use_bf16_storage = self.net.opt.use_bf16_packed = precision == "bf16"
        if self.net.load_param(str(path)) or self.net.load_model(str(path.with_suffix(".bin"))):
            raise RuntimeError("the file does not load")

    def run(self, x: Array) -> Array:
        extractor = self.net.create_extractor()
        extractor.input("in0", self.ncnn.Mat(x[0]))
        return np.array(extractor.extract("out0")[1])


class MNN(Engine):
    def load(self, path: pathlib.Path, network: str, precision: Precision, threads: int) -> None:
        import MNN as library  # noqa: N811

        # Low memory is what lets it compute in eight bits with weights of eight bits; else it makes them float first.
        memory = {"memory": "low", "precision": "low"} if precision == "int8" else {"precision": "high"}
        self.library: Any = library
        self.interpreter = library.Interpreter(str(path))
        self.session = self.interpreter.createSession({"backend": "CPU", "numThread": threads, **memory})
        self.input = self.interpreter.getSessionInput(self.session)
        self.output = self.interpreter.getSessionOutput(self.session)
        self.host = self.tensor(np.zeros(self.output.getShape(), np.float32))

    def tensor(self, x: Array) -> Any:
        return self.library.Tensor(x.shape, self.library.Halide_Type_Float, x, self.library.Tensor_DimensionType_Caffe)

    def run(self, x: Array) -> Array:
        self.input.copyFrom(self.tensor(x))
        self.interpreter.runSession(self.session)
        self.output.copyToHostTensor(self.host)
        y: Array = self.host.getNumpyData()
        return y


class LiteRT(Engine):
    def load(self, path: pathlib.Path, network: str, precision: Precision, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(str(path), num_threads=threads)
        self.interpreter.allocate_tensors()
        self.input, self.output = self.interpreter.get_input_details()[0], self.interpreter.get_output_details()[0]

    def prepare(self, x: Array) -> Array:
        x = channels_last(x)
        if self.input["dtype"] == np.float32:
            return x
        scale, zero = self.input["quantization"]
        quantized: Array = np.clip(np.round(x / scale + zero), -128, 127).astype(self.input["dtype"])
        return quantized

    def run(self, x: Array) -> Array:
        self.interpreter.set_tensor(self.input["index"], x)
        self.interpreter.invoke()
        y: Array = self.interpreter.get_tensor(self.output["index"])
        return y

    def real(self, y: Array) -> Array:
        scale, zero = self.output["quantization"]
        return y if y.dtype == np.float32 else (y.astype(np.float32) - zero) * scale


class ExecuTorch(Engine):
    def load(self, path: pathlib.Path, network: str, precision: Precision, threads: int) -> None:
        import torch
        from executorch.extension.pybindings import portable_lib

        torch.set_num_threads(1)
        portable_lib._unsafe_reset_threadpool(threads)
        self.module = portable_lib._load_for_executorch(str(path))
        self.x = (torch.from_numpy(example(network)),)

    def run(self, x: Array) -> Array:
        y: Array = self.module.forward(self.x)[0].numpy()
        return y


@dataclass(frozen=True)
class Peer:
    """``files`` says for each precision what conversions.py must make; ``absent`` says why there is nothing to make."""

    engine: Callable[[], Engine]
    module: str
    package: str
    files: Mapping[Precision, str]
    absent: Mapping[Precision, str] = field(default_factory=dict)


NO_BF16 = "no way is known here to make it compute in bfloat16 on this CPU"
PEERS: dict[str, Peer] = {
    "edgeai": Peer(EdgeAI, "edgeai", "edgeai", {"fp32": "onnx", "int8": "onnx", "bf16": "onnx"}),
    "onnxruntime": Peer(OnnxRuntime, "onnxruntime", "onnxruntime", {"fp32": "onnx", "int8": "onnxruntime_int8"}, {"bf16": NO_BF16}),
    "openvino": Peer(OpenVINO, "openvino", "openvino", {"fp32": "onnx", "int8": "openvino_int8"}, {"bf16": "openvino_default is that"}),
    "openvino_default": Peer(
        OpenVINODefault, "openvino", "openvino", {"bf16": "onnx", "int8": "openvino_int8"}, {"fp32": "its default on this CPU is bfloat16, if not the same as openvino"}
    ),
    "ncnn": Peer(Ncnn, "ncnn", "ncnn", {"fp32": "ncnn", "bf16": "ncnn"}, {"int8": "its quantizer is not in its Python package"}),
    "mnn": Peer(MNN, "MNN", "MNN", {"fp32": "mnn", "int8": "mnn_int8"}, {"bf16": NO_BF16}),
    "litert": Peer(LiteRT, "ai_edge_litert", "ai-edge-litert", {"fp32": "litert", "int8": "litert_int8"}, {"bf16": NO_BF16}),
    "executorch": Peer(ExecuTorch, "executorch", "executorch", {"fp32": "executorch", "int8": "executorch_int8"}, {"bf16": NO_BF16}),
}  # fmt: skip
