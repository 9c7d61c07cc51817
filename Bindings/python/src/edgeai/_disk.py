"""Whole files, with the library's errors."""

from __future__ import annotations

import os
import pathlib

from ._checks import path_bytes
from .errors import FileError


def file_error(message: str) -> FileError:
    """An error that says what is wrong with a file."""
    return FileError(500, "EDGEAI_ERROR_IO", message)


def no_file(path: str | os.PathLike[str], error: OSError) -> FileError:
    """An error that says which file or folder could not be read or written, and why."""
    return file_error(f"cannot read or write {os.fspath(path)!r}: {error.strerror or error}")


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file. Raises FileError, in the words the library has for its own files, and ArgumentError."""
    name = os.fsdecode(path_bytes(path))
    try:
        return pathlib.Path(name).read_bytes()
    except OSError as error:
        raise file_error(f"could not read '{name}': {error.strerror or error}") from error


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file. Raises what :func:`read_file` raises."""
    name = os.fsdecode(path_bytes(path))
    try:
        pathlib.Path(name).write_bytes(data)
    except OSError as error:
        raise file_error(f"could not write '{name}': {error.strerror or error}") from error
