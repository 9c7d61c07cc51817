"""Networks: opening, inspecting, saving."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from ._checks import path_bytes, refusal
from ._text import bytes_text, count_text, html_table, shape_text, text_table
from .errors import ArgumentError, DTypeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .report import Report


_CODINGS = {"none": 0, "huffman": 1, "adaptive": 2}


def _coding(name: str) -> int:
    """The number of a coding of constants."""
    try:
        return _CODINGS[name]
    except KeyError:
        raise refusal(f"coding is {name!r}, not one of {', '.join(_CODINGS)}") from None


#: Endings of formats that :meth:`Model.save` does not write: a file that had one would be taken for what it is not.
_FOREIGN = (".c", ".h", ".h5", ".json", ".keras", ".npy", ".npz", ".ort", ".pb", ".pt", ".pth", ".safetensors", ".tflite")


def save_target(path: str | os.PathLike[str], coding: str) -> tuple[bytes, int]:
    """A file to save to and the number of its coding, once nothing about them is wrong."""
    target, code = path_bytes(path), _coding(coding)
    name = os.fsdecode(target)
    foreign = next((ending for ending in _FOREIGN if name.lower().endswith(ending)), None)
    if foreign is not None:
        hint = "; edgeai convert writes C" if foreign in (".c", ".h") else ""
        raise refusal(f"models are saved as .edgeai or .onnx files, not as {foreign}{hint}: {name}")
    if name.lower().endswith(".onnx") and code:
        raise refusal(f"an ONNX file has no coding; it must be 'none', not {coding!r}")
    return target, code


@dataclass(frozen=True)
class Limits:
    """What :func:`load` accepts, each below 2**64; 0 stands for the library's default."""

    max_file_bytes: int = 0
    max_tensor_bytes: int = 0
    max_operators: int = 0
    max_tensors: int = 0
    max_name_bytes: int = 0


@dataclass(frozen=True)
class Tensor:
    """A tensor of a model. ``shape`` has None where the number of samples stands."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    bytes: int
    constant: bool
    scale: float
    zero_point: int
    scale_count: int
    axis: int | None
    #: The axis whose size depends on data; ``shape`` has the most it can be. None when all sizes are fixed.
    bounded_axis: int | None = None

    @property
    def shape_text(self) -> str:
        """The shape for people: "N×3×224", with "0..100" for a size that depends on data."""
        return shape_text(self.shape, self.bounded_axis)

    @property
    def quantized(self) -> bool:
        """Whether its integers stand for real numbers: ``real = (q - zero_point) * scale``."""
        return self.scale_count > 0


@dataclass(frozen=True)
class Op:
    """An operator of a model; ``inputs`` and ``outputs`` are indices of :attr:`Model.tensors` (-1: absent)."""

    name: str
    type: str
    parameters: int
    macs: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class UnsupportedOp:
    """An operator of a model file that this build cannot run."""

    node: str
    index: int
    type: str
    reason: str


@dataclass(frozen=True)
class CheckResult:
    """What :func:`check` found: whether the file can run, and the operators that stand in the way."""

    ok: bool
    unsupported: tuple[UnsupportedOp, ...]

    def __bool__(self) -> bool:
        return self.ok


def _wants_model(value: object) -> ArgumentError:
    """The error for something else in the place of a model: most often the result that holds one."""
    held = getattr(value, "__dict__", {}).get("model")
    hint = "; its .model is one" if isinstance(held, Model) else ""
    return refusal(f"a {type(value).__name__} is given, not a Model{hint}")


def core_of(model: object) -> _core.Model:
    """A model for the extension.

    Raises:
        ArgumentError: It is none; the message says what it is.
    """
    if not isinstance(model, Model):
        raise _wants_model(model)
    return model._core


def _tensor(fields: dict[str, Any]) -> Tensor:
    return Tensor(**{**fields, "shape": tuple(fields["shape"])})


class Model:
    """A network. Made by :func:`load`, :func:`edgeai.quantize` and others; never changed but for its metadata."""

    def __init__(self, core: _core.Model) -> None:
        self._core = core
        self.inputs: tuple[Tensor, ...] = tuple(_tensor(t) for t in core.inputs())
        self.outputs: tuple[Tensor, ...] = tuple(_tensor(t) for t in core.outputs())
        about = core.describe()
        self.name: str = about["name"]
        #: "onnx", "tflite", "edgeai", or "memory" for a model made by this library.
        self.source: str = about["source"]
        #: Number of weights.
        self.parameters: int = about["parameters"]
        #: Bytes of all constants.
        self.size_bytes: int = about["constant_bytes"]
        #: Multiply-adds of one sample.
        self.macs: int = about["macs"]

    @property
    def ops(self) -> tuple[Op, ...]:
        """Operators, each after those it depends on."""
        return tuple(
            Op(o["name"], o["type"], o["parameters"], o["macs"], tuple(o["inputs"]), tuple(o["outputs"]))
            for o in self._core.ops()
        )

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors: inputs, constants, results."""
        return tuple(_tensor(t) for t in self._core.tensors())

    def tensor_data(self, index: int) -> _core.Array:
        """Contents of a constant tensor as a read-only array, without a copy."""
        return self._core.tensor_data(index)

    def tensor_scales(self, index: int) -> tuple[_core.Array, _core.Array]:
        """Scales and zero points of a quantized tensor."""
        return self._core.tensor_scales(index)

    @property
    def unsupported(self) -> tuple[UnsupportedOp, ...]:
        """Operators that cannot run; not empty only after ``load(..., allow_unsupported=True)``."""
        return tuple(UnsupportedOp(**u) for u in self._core.unsupported())

    @property
    def metadata(self) -> dict[str, str]:
        """Free text the file carries (a copy; see :meth:`set_metadata`)."""
        return self._core.metadata()

    def set_metadata(self, key: str, value: str | None) -> None:
        """Sets or, with None, removes an entry.

        Raises:
            LimitError: A key of more than 4096 bytes, or a value of more than 1 GiB: no file would open with it.
        """
        self._core.set_metadata(key, value)

    @property
    def quantized(self) -> bool:
        """Whether any operator computes in integers."""
        return any(t.quantized for t in self.tensors)

    def save(self, path: str | os.PathLike[str], *, coding: str = "none") -> None:
        """Writes an ``.edgeai`` file or, to a path that ends in ``.onnx``, an ONNX one; whole or not at all.

        ``coding`` says how an ``.edgeai`` file has its constants, always exactly: ``"none"`` as they are in memory, to be
        used in place; ``"adaptive"`` by adaptive arithmetic coding, the smallest; ``"huffman"`` by relative indices and Huffman
        codes as in Deep Compression, which ``"adaptive"`` takes too where the file is smaller so. Coded files are small where
        weights are pruned or have few distinct values; loading one decodes its weights, for which ``"adaptive"`` plans 5 ns for each byte of the
        constants or 20 ms, whichever is more, as one core of a Zen 4 takes them. Long names, many scales, plain float32 weights
        (neither quantized nor shared) and constants that would grow by more than a byte for 32 ns can take longer.

        ONNX files are for other tools: quantized operators stand between QuantizeLinear and DequantizeLinear, images
        are NCHW. Tensors keep their names. State becomes the last inputs and outputs, for the caller to carry over.
        :class:`UnsupportedOpError` names the operators that ONNX has no form for.

        A path with the ending of another format, such as ``.tflite``, is refused.
        """
        target, code = save_target(path, coding)
        if target.lower().endswith(b".onnx"):
            self._core.export_onnx(target)
        elif code:
            self._core.save_coded(target, code)
        else:
            self._core.save(target)

    def to_bytes(self, *, coding: str = "none") -> bytes:
        """The ``.edgeai`` file as bytes; ``coding`` as in :meth:`save`."""
        code = _coding(coding)
        return self._core.to_coded_bytes(code) if code else self._core.to_bytes()

    def to_onnx(self) -> bytes:
        """The ONNX file that :meth:`save` would write, as bytes."""
        return self._core.to_onnx()

    def compare(self, other: Model, data: Iterable[Any]) -> Report:
        """How far ``other`` is from this model on data, layer by layer; see :func:`edgeai.compare`."""
        from .quantization import compare

        return compare(self, other, data)

    def summary(self) -> str:
        """A table of the operators."""
        rows = [(op.name, op.type, self._result_text(op), count_text(op.parameters), count_text(op.macs)) for op in self.ops]
        head = f"{self!r}\n"
        return head + text_table(("operator", "type", "result", "parameters", "multiply-adds"), rows)

    def to_dot(self) -> str:
        """The graph in Graphviz's language."""
        tensors = self.tensors
        lines = ["digraph model {", "  node [shape=box, fontname=monospace];"]
        source: dict[int, str] = {}
        for t, tensor in enumerate(tensors):
            if any(tensor.name == i.name for i in self.inputs) and not tensor.constant:
                source[t] = f"input{t}"
                lines.append(f'  input{t} [label="{_quoted(tensor.name)}\\n{tensor.shape_text}", shape=ellipse];')
        for o, op in enumerate(self.ops):
            lines.append(f'  op{o} [label="{_quoted(op.name)}\\n{_quoted(op.type)}\\n{self._result_text(op, tensors)}"];')
            for t in op.inputs:
                if t in source:
                    lines.append(f"  {source[t]} -> op{o};")
            for t in op.outputs:
                source[t] = f"op{o}"
        return "\n".join([*lines, "}"])

    def _result_text(self, op: Op, tensors: tuple[Tensor, ...] | None = None) -> str:
        if not op.outputs:
            return ""
        tensor = (tensors or self.tensors)[op.outputs[0]]
        return f"{tensor.dtype} {tensor.shape_text}"

    def __repr__(self) -> str:
        ends = ", ".join(f"{t.name}: {t.dtype} {t.shape_text}" for t in self.inputs)
        outs = ", ".join(f"{t.name}: {t.dtype} {t.shape_text}" for t in self.outputs)
        return (
            f"<edgeai.Model {self.name!r} ({ends}) -> ({outs}), {count_text(self.parameters)} parameters, "
            f"{bytes_text(self.size_bytes)}, {count_text(self.macs)} multiply-adds>"
        )

    def _repr_html_(self) -> str:
        tensors = self.tensors
        rows = [
            (op.name, op.type, self._result_text(op, tensors), count_text(op.parameters), count_text(op.macs)) for op in self.ops
        ]
        return html_table(repr(self), ("operator", "type", "result", "parameters", "multiply-adds"), rows)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


#: Shapes of inputs: by name, or in the order of the file's inputs.
Shapes = Mapping[str, Sequence[int | None]] | Sequence[Sequence[int | None]]


def _bindings(
    shapes: Shapes | None, values: Mapping[str, Any] | None
) -> list[tuple[str | None, tuple[int | None, ...], str | None, bytes | None]]:
    """Shapes and values of inputs as the extension takes them."""
    result: list[tuple[str | None, tuple[int | None, ...], str | None, bytes | None]] = []
    named = shapes.items() if isinstance(shapes, Mapping) else ((None, shape) for shape in shapes or ())
    for name, shape in named:
        if name is not None and name in (values or ()):
            message = f"input {name!r} is given a shape and a value; the value's shape is enough"
            raise refusal(message, tensor=name)
        dims = tuple(None if d is None else operator.index(d) for d in shape)
        for axis, dim in enumerate(dims):
            if dim is not None and not -(2**63) <= dim < 2**63:
                where = "an input" if name is None else f"input {name!r}"
                raise refusal(f"{where} is given the dimension {dim} at axis {axis}, which does not fit in 64 bits")
        result.append((name, dims, None, None))
    for name, value in (values or {}).items():
        array = np.asarray(value)
        if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
            message = f"the value of input {name!r} is {array.dtype}, not numbers"
            raise DTypeError(102, "EDGEAI_ERROR_DTYPE_MISMATCH", message, tensor=name)
        native = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
        result.append((name, array.shape, array.dtype.name, native.tobytes()))
    return result


def _open(
    source: object,
    limits: Limits | Mapping[str, int] | None,
    allow_unsupported: bool,
    shapes: Shapes | None = None,
    values: Mapping[str, Any] | None = None,
    on_demand: bool = False,
) -> Model:
    if isinstance(getattr(source, "__dict__", {}).get("model"), Model):
        raise _wants_model(source)
    bounds = limits if isinstance(limits, Limits) else Limits(**(limits or {}))
    for field in fields(bounds):
        limit = operator.index(getattr(bounds, field.name))
        if not 0 <= limit < 2**64:
            raise refusal(f"{field.name} is {limit}; it must be 0 up to 2**64 - 1")
    # A path travels in a tuple so that a bytes object can mean contents.
    where = (path_bytes(source),) if isinstance(source, (str, os.PathLike)) else source
    core = _core.open_model(
        where,
        allow_unsupported,
        on_demand,
        bounds.max_file_bytes,
        bounds.max_tensor_bytes,
        bounds.max_operators,
        bounds.max_tensors,
        bounds.max_name_bytes,
        _bindings(shapes, values),
    )
    return Model(core)


def load(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    shapes: Shapes | None = None,
    values: Mapping[str, Any] | None = None,
    limits: Limits | Mapping[str, int] | None = None,
    allow_unsupported: bool = False,
    on_demand: bool = False,
) -> Model:
    """Opens an ``.onnx``, ``.tflite`` or ``.edgeai`` model; the contents decide which it is.

    Args:
        source: A path, or the file's contents. Contents are used in place: do not change them.
        shapes: Shapes of inputs, by name or in the file's order, where an ONNX file leaves dimensions open: ``{"x": (1, 3, 97, 131)}``. A
            dimension that the file calls by a name has the same size in every input. None in the first place leaves the
            number of samples to the session. The number of samples may be open without being given.
        values: Values of inputs, by name, of exactly the input's element type: ``{"shape": np.array([1, 8])}``. They
            become constants, and the model no longer has these inputs.
        limits: What to accept.
        allow_unsupported: Open a model with unsupported operators too, to look at it.
        on_demand: Leave coded constants of an ``.edgeai`` file where they are. A session then decodes them one after the other
            straight into its own memory; whatever else needs constants decodes them all. Damage in their code is found then.

    Raises:
        FreeShapeError: Dimensions are open that were not given; the message lists them.
        ArgumentError, ShapeError, DTypeError: A shape or value does not fit the file.
        FileError, ModelError, LimitError, UnsupportedOpError.
    """
    return _open(source, limits, allow_unsupported, shapes, values, on_demand)


def check(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    shapes: Shapes | None = None,
    values: Mapping[str, Any] | None = None,
    limits: Limits | Mapping[str, int] | None = None,
) -> CheckResult:
    """Whether a model could run here, for these shapes and values (see :func:`load`). Raises only when the file cannot be
    read as a model or leaves shapes open that were not given."""
    unsupported = _open(source, limits, True, shapes, values).unsupported
    return CheckResult(not unsupported, unsupported)
