"""What counts as an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def as_array(x: Any) -> Any:
    """Arrays and buffers as they are; anything else that speaks DLPack, without a copy. bfloat16, which numpy has from the
    package ml_dtypes, becomes its bits."""
    if not isinstance(x, np.ndarray):
        if not hasattr(x, "__dlpack__"):
            return x
        x = np.from_dlpack(x)
    # Asking for a name takes a microsecond; its kind is that of no usual type.
    return x.view(np.uint16) if x.dtype.kind == "V" and x.dtype.name == "bfloat16" else x


def declared(arrays: tuple[np.ndarray[Any, Any], ...], dtypes: Sequence[str]) -> tuple[np.ndarray[Any, Any], ...]:
    """Arrays in the element types that the model names: bits of bfloat16 as such where ml_dtypes is installed."""
    if "bfloat16" not in dtypes:
        return arrays
    try:
        from ml_dtypes import bfloat16
    except ImportError:
        return arrays
    return tuple(a.view(bfloat16) if d == "bfloat16" else a for a, d in zip(arrays, dtypes, strict=True))


def as_type(array: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """Finite numbers in the element type that a model names; bfloat16 as its bits, rounded half to even."""
    if dtype != "bfloat16":
        return array.astype(dtype)
    bits = array.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
