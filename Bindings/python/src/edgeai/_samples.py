"""Samples in the batches that a model takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._arrays import as_array
from ._checks import refusal
from .errors import ShapeError

if TYPE_CHECKING:
    from .model import Model, Tensor

Arrays = tuple[np.ndarray[Any, Any], ...]


def _steps(inputs: Sequence[Tensor]) -> list[int | None]:
    """For each input how many samples, along the first axis, one run takes: one where their number is open, else what the model fixes.
    None for an input that has no samples: a scalar, one without elements, or one of fixed shape beside others that are open."""
    is_open = any(None in t.shape for t in inputs)
    return [1 if None in t.shape else None if is_open or not t.shape else t.shape[0] or None for t in inputs]


def samples_of_a_run(inputs: Sequence[Tensor]) -> int:
    """How many samples a run takes at least: the number that the model fixes, else 1."""
    return next((step for step in _steps(inputs) if step is not None), 1)


def pieces(inputs: Sequence[Tensor], arrays: Sequence[np.ndarray[Any, Any]]) -> list[Arrays]:
    """Arrays of any number of samples, one for each input, in pieces of one sample, or of as many as the model fixes. Inputs without
    samples are whole in every piece. So are arrays of another rank than the model's, or of another number than its inputs, of which the
    library says what is wrong.

    Raises:
        ShapeError: A number of samples is no multiple of the model's, or the arrays have different numbers.
    """
    if len(arrays) != len(inputs):
        return [tuple(arrays)]
    steps = [step if array.ndim == len(t.shape) else None for t, array, step in zip(inputs, arrays, _steps(inputs), strict=True)]
    sizes = {t.name: (len(array), step) for t, array, step in zip(inputs, arrays, steps, strict=True) if step is not None}
    for name, (size, step) in sizes.items():
        if size % step:
            message = f"the model takes {step} samples at once; the array for tensor {name!r} has {size}, which is no multiple"
            raise ShapeError(101, "EDGEAI_ERROR_SHAPE_MISMATCH", message, tensor=name)
    counts = {size // step for size, step in sizes.values()}
    if len(counts) > 1:
        found = ", ".join(f"{size} for {name!r}" for name, (size, _) in sizes.items())
        raise ShapeError(101, "EDGEAI_ERROR_SHAPE_MISMATCH", f"the inputs have different numbers of samples: {found}")
    return [
        tuple(
            np.asarray(array if step is None else array[index * step : (index + 1) * step], order="C")
            for array, step in zip(arrays, steps, strict=True)
        )
        for index in range(next(iter(counts), 1))
    ]


def batches(model: Model, data: Any) -> Iterator[Arrays]:
    """Batches of contiguous arrays in the order of the model's inputs, from all samples at once (one array, a mapping by name, or a
    tuple of an array for each of several inputs) or any iterable of batches. What a model with a fixed number of samples is given is
    cut into batches of as many."""
    names = [t.name for t in model.inputs]
    is_tuple = isinstance(data, tuple) and len(data) == len(names) > 1
    if isinstance(data, Mapping) or is_tuple and not any(isinstance(array, (tuple, list, Mapping)) for array in data):
        for batch in batches(model, [data]):
            yield from pieces(model.inputs, batch)
        return
    data = as_array(data)
    if isinstance(data, np.ndarray):
        if len(names) != 1:
            message = f"the model has {len(names)} inputs; give an iterable of tuples or mappings"
            raise refusal(message)
        # Sample by sample, so that progress moves and Ctrl-C is heard.
        yield from pieces(model.inputs, (data,))
        return
    is_open = any(None in t.shape for t in model.inputs)
    for item in data:
        if isinstance(item, Mapping):
            missing = [name for name in names if name not in item]
            if missing:
                raise refusal(f"a batch has no array for input {missing[0]!r}", tensor=missing[0])
            unknown = [name for name in item if name not in names]
            if unknown:
                raise refusal(f"a batch has an array for {unknown[0]!r}; the model has no such input")
            item = tuple(item[name] for name in names)
        arrays = tuple(np.asarray(as_array(a), order="C") for a in (item if isinstance(item, (tuple, list)) else (item,)))
        if is_open:
            yield arrays
        else:
            yield from pieces(model.inputs, arrays)
