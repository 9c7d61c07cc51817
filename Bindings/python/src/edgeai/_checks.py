"""Checks of arguments before they reach the extension."""

from __future__ import annotations

import operator
from typing import SupportsIndex

from .errors import ArgumentError


def int32(name: str, value: SupportsIndex) -> int:
    """The integer, which must fit in the 32 bits the library has for it."""
    number = operator.index(value)
    if not -(2**31) <= number < 2**31:
        raise ArgumentError(100, "EDGEAI_ERROR_INVALID_ARGUMENT", f"{name} does not fit in 32 bits: {number}")
    return number
