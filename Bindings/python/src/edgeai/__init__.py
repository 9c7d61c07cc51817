"""edgeai: compress trained neural networks and run them on constrained devices.

>>> import edgeai
>>> model = edgeai.load("net.onnx")
>>> result = edgeai.quantize(model, samples)
>>> result.save("net.edgeai")
>>> session = edgeai.Session(result.model, threads=2)
>>> logits = session(x)
"""

from . import _core, architectures, plot, train
from .channels import ChannelLayer, ChannelResult, prune_channels
from .quantization import Result, compare, quantize
from .errors import (
    ArenaTooSmall,
    ArgumentError,
    Cancelled,
    DTypeError,
    EdgeAIError,
    FileError,
    FreeShapeError,
    LimitError,
    ModelError,
    ShapeError,
    TuningError,
    UnsupportedOpError,
)
from .model import CheckResult, Limits, Model, Op, Tensor, UnsupportedOp, check, load
from .pipeline import compress, stage_report
from .profile import Profile, ProfileEvent, Step
from .pruning import Sensitivity, SensitivityRow, factorize, prune, prune_schedule, sensitivity
from .report import Layer, Report, Stage, StageLayer
from .session import Memory, Session
from .sharing import binarize, quantize_weights, share

__version__: str = _core.version()
abi_version: int = _core.abi_version
build_info = _core.build_info
instruction_sets = _core.instruction_sets

__all__ = [
    "ArenaTooSmall",
    "ArgumentError",
    "Cancelled",
    "ChannelLayer",
    "ChannelResult",
    "CheckResult",
    "DTypeError",
    "EdgeAIError",
    "FileError",
    "FreeShapeError",
    "Layer",
    "LimitError",
    "Limits",
    "Memory",
    "Model",
    "ModelError",
    "Op",
    "Profile",
    "ProfileEvent",
    "Report",
    "Result",
    "Sensitivity",
    "SensitivityRow",
    "Session",
    "ShapeError",
    "Stage",
    "StageLayer",
    "Step",
    "Tensor",
    "TuningError",
    "UnsupportedOp",
    "UnsupportedOpError",
    "__version__",
    "abi_version",
    "architectures",
    "binarize",
    "build_info",
    "check",
    "compare",
    "compress",
    "factorize",
    "instruction_sets",
    "load",
    "plot",
    "prune",
    "prune_channels",
    "prune_schedule",
    "quantize",
    "quantize_weights",
    "sensitivity",
    "stage_report",
    "share",
    "train",
]
