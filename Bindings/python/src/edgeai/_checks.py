"""Checks of arguments before they reach the extension."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping, Sequence
from typing import Any, SupportsIndex

from .errors import ArgumentError


def refusal(message: str, tensor: str = "") -> ArgumentError:
    """An error that says what is wrong with an argument, or with a tensor that was given."""
    return ArgumentError(100, "EDGEAI_ERROR_INVALID_ARGUMENT", message, tensor=tensor)


def int32(name: str, value: SupportsIndex, least: int | None = None) -> int:
    """The integer, which must fit in the 32 bits the library has for it and be no less than ``least``."""
    number = operator.index(value)
    if not -(2**31) <= number < 2**31:
        raise refusal(f"{name} does not fit in 32 bits: {number}")
    if least is not None and number < least:
        raise refusal(f"{name} is {number}; it must be at least {least}")
    return number


def two_integers(value: Any) -> tuple[int, int]:
    """Two whole numbers, from a pair or from text such as 16x1 or 2:4. TypeError or ValueError for anything else."""
    first, second = map(int, value.replace(":", "x").split("x")) if isinstance(value, str) else map(operator.index, value)
    return first, second


#: What :func:`two_integers` takes.
TWO_INTEGERS = "two whole numbers, such as 16x1 or 2:4"


def pair(name: str, value: tuple[int, int] | str) -> tuple[int, int]:
    """The two integers of an option, each of which must fit in 32 bits."""
    try:
        first, second = two_integers(value)
    except (TypeError, ValueError):
        raise refusal(f"{name} is {value!r}; it must be {TWO_INTEGERS}") from None
    return int32(name, first), int32(name, second)


def names(option: str, value: str | Sequence[str]) -> list[str]:
    """Names as a list; a string is one name."""
    found = [value] if isinstance(value, str) else list(value)
    for name in found:
        if not isinstance(name, str):
            raise refusal(f"{option} has {name!r}, which is no name")
    return found


def amounts(option: str, value: Mapping[str, float] | None) -> list[tuple[str, float]]:
    """Numbers of single layers as pairs."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise refusal(f"{option} is {value!r}; it must be a mapping from names to numbers")
    return [(name, float(amount)) for name, amount in value.items()]


def path_bytes(path: str | os.PathLike[str]) -> bytes:
    """A path as the system has it. In one with a zero byte C would see another, shorter path."""
    found = os.fsencode(path)
    if b"\0" in found:
        raise refusal(f"a path has a zero byte: {found!r}")
    return found
