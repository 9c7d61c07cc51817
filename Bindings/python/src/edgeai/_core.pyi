"""The extension module: a typed layer over the C ABI. Private; use the package's names."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
abi_version: int

def build_info() -> str: ...
def version() -> str: ...
def instruction_sets() -> list[str]: ...
def set_error_factory(factory: Callable[[int, str, str, str, int, str, int], Exception]) -> None: ...

class Model:
    def inputs(self) -> list[dict[str, Any]]: ...
    def outputs(self) -> list[dict[str, Any]]: ...
    def tensors(self) -> list[dict[str, Any]]: ...
    def ops(self) -> list[dict[str, Any]]: ...
    def unsupported(self) -> list[dict[str, Any]]: ...
    def metadata(self) -> dict[str, str]: ...
    def set_metadata(self, key: str, value: str | None, /) -> None: ...
    def describe(self) -> dict[str, Any]: ...
    def save(self, path: bytes, /) -> None: ...
    def save_coded(self, path: bytes, coding: int, /) -> None: ...
    def to_coded_bytes(self, coding: int, /) -> bytes: ...
    def export_onnx(self, path: bytes, /) -> None: ...
    def to_onnx(self) -> bytes: ...
    def to_bytes(self) -> bytes: ...
    def tensor_data(self, index: int, /) -> Array: ...
    def tensor_scales(self, index: int, /) -> tuple[NDArray[np.float32], NDArray[np.int32]]: ...

def open_model(
    source: object,
    allow_unsupported: bool,
    on_demand: bool,
    max_file_bytes: int,
    max_tensor_bytes: int,
    max_operators: int,
    max_tensors: int,
    max_name_bytes: int,
    bindings: list[tuple[str | None, tuple[int | None, ...], str | None, bytes | None]],
    /,
) -> Model: ...

class Session:
    def run(self, inputs: tuple[Array, ...], outputs: tuple[Array, ...] | None = None, /) -> tuple[Array, ...]: ...
    def run_alike(self, x: object, outputs: object, /) -> tuple[Array, ...] | None: ...
    def run_bound(self) -> None: ...
    def input_array(self, index: int, /) -> Array: ...
    def output_array(self, index: int, /) -> Array: ...
    def output_shape(self, index: int, /) -> tuple[int, ...]: ...
    def inputs(self) -> list[dict[str, Any]]: ...
    def outputs(self) -> list[dict[str, Any]]: ...
    def plan(self) -> list[dict[str, Any]]: ...
    def plan_text(self) -> str: ...
    def memory(self) -> dict[str, int]: ...
    def reset_times(self) -> None: ...
    def cancel(self) -> None: ...
    def reset(self) -> None: ...
    def measure_peak(self) -> None: ...
    def trace(self) -> str: ...
    def tuning(self) -> bytes: ...
    def close(self) -> None: ...

def open_session(
    model: Model,
    batch: int,
    threads: int,
    spin: int,
    strict: bool,
    iterations: int,
    precision: int,
    compact: bool,
    profile: bool,
    isa: str | None,
    max_extent: int,
    trace_runs: int,
    tune: bool,
    tuning: bytes | None,
    check_finite: bool,
    memory: object,
    /,
) -> Session: ...
def memory_required(
    model: Model,
    batch: int,
    threads: int,
    spin: int,
    strict: bool,
    iterations: int,
    precision: int,
    compact: bool,
    profile: bool,
    isa: str | None,
    max_extent: int,
    trace_runs: int,
    tune: bool,
    tuning: bytes | None,
    /,
) -> tuple[int, int]: ...

class Calibration:
    def feed(self, inputs: tuple[Array, ...], /) -> None: ...
    def finish(self) -> None: ...
    def samples(self) -> int: ...
    def quantize(self) -> tuple[Model, Report]: ...

def open_calibration(
    model: Model,
    calibrator: int,
    per_channel: bool,
    strict: bool,
    threads: int,
    report_samples: int,
    percentile: float,
    momentum: float,
    float_names: list[str],
    float_types: list[str],
    ranges: list[tuple[str, float, float]],
    progress: Callable[[str, int, int], object] | None,
    /,
) -> Calibration: ...
def compare(model: Model, other: Model, data: Iterator[tuple[Array, ...]], /) -> Report: ...

def prune_channels(
    model: Model,
    criterion: int,
    fraction: float,
    scope_is_global: bool,
    masked: bool,
    minimum: int,
    multiple: int,
    layers: list[tuple[str, float]],
    channels: list[tuple[str, list[int]]],
    data: Iterator[tuple[Array, ...]] | None,
    /,
) -> tuple[Model, list[dict[str, Any]]]: ...
def prune(
    model: Model,
    numbers: tuple[int, float, int, int, int, int, int, bool, bool, int, int, int, bool, int, int, float],
    names: list[str],
    layers: list[tuple[str, float]],
    sensitivity: list[tuple[str, float, float]],
    data: Iterator[tuple[Array, ...]] | None,
    progress: Callable[[str, int, int], object] | None,
    /,
) -> tuple[Model, Report]: ...
def sensitivity(
    model: Model,
    numbers: tuple[int, float, int, int, int, int, int, bool, bool, int, int, int, bool, int, int, float],
    names: list[str],
    fractions: list[float],
    data: Iterator[tuple[Array, ...]],
    progress: Callable[[str, int, int], object] | None,
    /,
) -> list[tuple[str, float, float, int, int, int, int]]: ...
def factorize(
    model: Model,
    rank: int,
    amount: float,
    spatial: bool,
    windows: int,
    threads: int,
    report_samples: int,
    names: list[str],
    layers: list[tuple[str, float]],
    data: Iterator[tuple[Array, ...]] | None,
    progress: Callable[[str, int, int], object] | None,
    /,
) -> tuple[Model, Report]: ...
def prune_schedule(initial: float, target: float, step: int, steps: int, /) -> float: ...

def share(
    model: Model,
    numbers: tuple[int, int, int, int, int, int, int],
    names: list[str],
    layers: list[tuple[str, float]],
    data: Iterator[tuple[Array, ...]] | None,
    progress: Callable[[str, int, int], object] | None,
    /,
) -> tuple[Model, Report]: ...
def binarize(
    model: Model,
    numbers: tuple[int, float, bool, bool, bool, int, int, int],
    names: list[str],
    data: Iterator[tuple[Array, ...]] | None,
    progress: Callable[[str, int, int], object] | None,
    /,
) -> tuple[Model, Report]: ...
def quantize_weights(
    model: Model,
    numbers: tuple[int, float, float, bool, bool, int, int, int, int],
    names: list[str],
    layers: list[tuple[str, float]],
    data: Iterator[tuple[Array, ...]] | None,
    progress: Callable[[str, int, int], object] | None,
    /,
) -> tuple[Model, Report]: ...

def compress_state_bytes(model: Model, options: dict[str, Any], /) -> int: ...
def compress(
    model: Model,
    options: dict[str, Any],
    data: Iterator[tuple[Array, ...]],
    state: bytearray,
    quality: Callable[[bytes], float] | None,
    progress: Callable[[str, int, int], object] | None,
    /,
) -> tuple[Model, Report]: ...
def stage_report(
    model: Model, stages: list[Model], names: list[str], data: Iterator[tuple[Array, ...]], /
) -> Report: ...

def create_model(
    architecture: int,
    seed: int,
    width: float,
    gamma: float,
    resolution: int,
    channels: int,
    classes: int,
    batch_norm: bool,
    bypass: bool,
    widths: list[int],
    /,
) -> Model: ...

class Trainer:
    def step(self, inputs: tuple[Array, ...], targets: Array, are_labels: bool, /) -> tuple[float, float, int]: ...
    def evaluate(self, inputs: tuple[Array, ...], targets: Array, are_labels: bool, /) -> tuple[float, float, int]: ...
    def cancel(self) -> None: ...
    def export(self, form: int, /) -> Model: ...
    def to_bytes(self) -> bytes: ...
    def load_bytes(self, checkpoint: bytes | bytearray | memoryview, /) -> None: ...
    def save(self, path: bytes, /) -> None: ...
    def load(self, path: bytes, /) -> None: ...
    def ranges(self) -> list[tuple[str, float, float]]: ...
    def steps(self) -> int: ...
    def learning_rate(self) -> float: ...
    def memory(self) -> int: ...
    def plan(self) -> list[dict[str, Any]]: ...

def open_trainer(
    model: Model,
    options: dict[str, float],
    isa: str | None,
    frozen: list[str],
    teacher: Model | None,
    methods: list[tuple[int, dict[str, float], list[tuple[str, float]], list[tuple[str, float]], list[tuple[str, float]]]],
    /,
) -> Trainer: ...

class Report:
    def describe(self) -> dict[str, Any]: ...
    def layers(self) -> list[dict[str, Any]]: ...
    def stages(self) -> list[dict[str, Any]]: ...
    def json(self) -> str: ...
