"""What counts as an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def as_array(x: Any) -> Any:
    """Arrays and buffers as they are; anything else that speaks DLPack, without a copy. bfloat16, which numpy has from the
    package ml_dtypes, becomes its bits."""
    if not isinstance(x, np.ndarray) and hasattr(x, "__dlpack__"):
        x = np.from_dlpack(x)
    if isinstance(x, np.ndarray) and x.dtype.name == "bfloat16":
        return x.view(np.uint16)
    return x


def declared(outputs: tuple[np.ndarray[Any, Any], ...], dtypes: Sequence[str]) -> tuple[np.ndarray[Any, Any], ...]:
    """Outputs in the element types that the model names: bits of bfloat16 as such where ml_dtypes is installed."""
    try:
        from ml_dtypes import bfloat16
    except ImportError:
        return outputs
    return tuple(o.view(bfloat16) if d == "bfloat16" else o for o, d in zip(outputs, dtypes, strict=True))
