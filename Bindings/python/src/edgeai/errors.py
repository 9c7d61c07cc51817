"""Exceptions of the library. Every one carries the status code and, where there is one, the place of the fault."""

from __future__ import annotations

from . import _core


class EdgeAIError(Exception):
    """Any failure of the library.

    Attributes:
        message: The sentence, without the place.
        code: Status number, as in edgeai.h.
        status: Its name, such as ``"EDGEAI_ERROR_IO"``.
        node: Name of the operator concerned, or "".
        node_index: Its index in the model, or -1.
        tensor: Name of the tensor concerned, or "".
        offset: Byte offset in the model file, or -1.
    """

    def __init__(
        self, code: int, status: str, message: str, node: str = "", node_index: int = -1, tensor: str = "", offset: int = -1
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.node = node
        self.node_index = node_index
        self.tensor = tensor
        self.offset = offset

    def __str__(self) -> str:
        place = []
        if self.node or self.node_index >= 0:
            place.append(f"node {self.node!r}" if self.node else f"node #{self.node_index}")
        if self.tensor:
            place.append(f"tensor {self.tensor!r}")
        if self.offset >= 0:
            place.append(f"byte {self.offset}")
        return f"{self.message} [{', '.join(place)}]" if place else self.message

    def __reduce__(self) -> tuple[object, ...]:
        arguments = (self.code, self.status, self.message, self.node, self.node_index, self.tensor, self.offset)
        return type(self), arguments


class ModelError(EdgeAIError):
    """A model file is truncated, damaged, malformed or from a newer version."""


class UnsupportedOpError(EdgeAIError):
    """The model uses operators this build cannot run; the message lists all of them."""


class LimitError(EdgeAIError):
    """A model asks for more than the limits allow, or a run for more iterations or entries than its session does."""


class ShapeError(EdgeAIError, ValueError):
    """An array has the wrong shape."""


class FreeShapeError(ShapeError):
    """A model leaves the shape of an input open, and none was given; the message lists the free dimensions."""


class DTypeError(EdgeAIError, TypeError):
    """An array has the wrong element type."""


class ArgumentError(EdgeAIError, ValueError):
    """An argument is wrong."""


class TuningError(ArgumentError):
    """A session's tuning is damaged, or of another model, batch, number of threads, instruction set or precision."""


class ArenaTooSmall(EdgeAIError):
    """The memory given to a session is smaller than it needs."""


class Cancelled(EdgeAIError):
    """The work was stopped on request."""


class FileError(EdgeAIError):
    """A file could not be read or written."""


_CLASSES: dict[int, type[EdgeAIError]] = {
    100: ArgumentError,
    101: ShapeError,
    102: DTypeError,
    103: ArenaTooSmall,
    105: FreeShapeError,
    106: TuningError,
    301: LimitError,
    600: Cancelled,
}
_FAMILIES: dict[int, type[EdgeAIError]] = {1: ArgumentError, 2: ModelError, 4: UnsupportedOpError, 5: FileError}


def _make(code: int, status: str, message: str, node: str, node_index: int, tensor: str, offset: int) -> EdgeAIError:
    cls = _CLASSES.get(code) or _FAMILIES.get(code // 100) or EdgeAIError
    return cls(code, status, message, node, node_index, tensor, offset)


_core.set_error_factory(_make)
