"""Files of arrays that the ``edgeai`` command reads and writes."""

from __future__ import annotations

import os
import pathlib
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ._checks import int32
from ._disk import file_error
from ._samples import pieces, samples_of_a_run
from .model import Model

Array = np.ndarray[Any, Any]


def read_array(text: str) -> Array:
    """FILE.npy, or FILE.npz:KEY."""
    path, _, key = text.partition(":")
    try:
        loaded = np.load(path)
        found = loaded if isinstance(loaded, np.ndarray) else None
        if found is None and (key or len(loaded.files) == 1):
            found = loaded[key or loaded.files[0]]
    except Exception as error:  # numpy and zipfile raise errors of many kinds on a damaged file
        raise ValueError(f"cannot read {text}: {error or type(error).__name__}") from error
    if found is None:
        raise ValueError(f"{path} holds {loaded.files}; name one as {path}:KEY")
    if not isinstance(found, np.ndarray):
        raise ValueError(f"cannot read {text}: it is no array")
    return found


def read_inputs(model: Model, files: Sequence[str]) -> dict[str, Array]:
    """Arrays for the inputs, in their order or as NAME=FILE."""
    names = [t.name for t in model.inputs]
    feed: dict[str, Array] = {}
    for position, text in enumerate(files):
        name, equals, path = text.partition("=")
        if not equals or name not in names:
            if position >= len(names):
                raise ValueError(f"the model has {len(names)} inputs: {', '.join(names)}")
            if equals and not os.path.exists(text.partition(":")[0]):
                raise ValueError(f"the model has no input {name}; it has {', '.join(names)}")
            name, path = names[position], text
        if name in feed:
            raise ValueError(f"the input {name} is given twice")
        feed[name] = np.asarray(read_array(path), order="C")
    return feed


def read_samples(model: Model, files: Sequence[str] | None, count: int | None) -> Any:
    """Typical inputs for compression from the files of --data, the first ``count`` of them; None without any file."""
    if count is not None:
        int32("--samples", count, least=1)
    if not files:
        if count is not None:
            raise ValueError("--samples needs --data")
        return None
    feed = read_inputs(model, files)
    missing = [t.name for t in model.inputs if t.name not in feed]
    if missing:
        raise ValueError(f"there is no file for the input {missing[0]}")
    arrays = [feed[t.name] for t in model.inputs]
    # Whole first: files with different numbers of samples are a mistake, whichever of them are used.
    runs = pieces(model.inputs, arrays)
    if count is None:
        return arrays[0] if len(arrays) == 1 else runs
    step = samples_of_a_run(model.inputs)
    if count % step:
        raise ValueError(f"--samples is {count}; the model takes {step} samples at once")
    return runs[: count // step]


def write_arrays(path: str, arrays: Mapping[str, Array]) -> None:
    """A file in numpy's .npz format, of just this name: numpy.savez adds an ending, and has no room for arrays with the names of its
    own parameters."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def check_folder(path: str) -> None:
    """Refuses a file that could not be written, before the work whose result it is to hold."""
    target = pathlib.Path(path)
    if target.is_dir():
        raise file_error(f"{path} is a folder")
    if not target.parent.is_dir():
        raise file_error(f"cannot write {path}: there is no folder {target.parent}")
