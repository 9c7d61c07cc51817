"""Recipes of :func:`edgeai.compress`: methods one after another, and the models of the steps that are done."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import operator
import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ._arrays import as_array
from ._checks import TWO_INTEGERS, names, path_bytes, refusal, two_integers
from ._disk import no_file
from .channels import prune_channels
from .errors import EdgeAIError
from .model import Model, load
from .pruning import Sensitivity, factorize, prune
from .quantization import quantize
from .sharing import binarize, quantize_weights, share

#: What a recipe may name. Each takes a model, some also data, and gives a result with a model.
METHODS: dict[str, Callable[..., Any]] = {
    "prune": prune,
    "prune_channels": prune_channels,
    "factorize": factorize,
    "share": share,
    "binarize": binarize,
    "quantize_weights": quantize_weights,
    "quantize": quantize,
}

#: Options with which a method cannot do without data.
_OF_DATA = (("prune", "sequential", True), ("prune_channels", "criterion", "activation"), ("quantize_weights", "goal", "noise"))

Step = str | tuple[str, Mapping[str, Any]]


def _truth(value: Any) -> bool:
    if isinstance(value, str):
        return {"true": True, "false": False}[value.lower()]
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError
    return bool(value)


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, str) else operator.index(value)


def _number(value: Any) -> Any:
    number = float(value)
    if not isinstance(value, str):
        return value
    # Whole numbers stay such, so that a report names a step as its recipe does.
    return int(value) if value.isdigit() else number


def _names(value: Any) -> str | list[str]:
    return value if isinstance(value, str) else names("names", value)


def _mapping(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError
    return value


def _sensitivity(value: Any) -> Any:
    if not isinstance(value, Sensitivity):
        raise TypeError
    return value


#: How an option is read, by the beginning of the type that its function declares, and what it must be.
_READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "bool": (_truth, "true or false"),
    "int": (_whole, "a whole number"),
    "SupportsIndex": (_whole, "a whole number"),
    "Literal[1, 2]": (_whole, "a whole number"),
    "float": (_number, "a number"),
    "tuple[int, int]": (two_integers, TWO_INTEGERS),
    "str | Sequence[str]": (_names, "a name or a list of names"),
    "Mapping": (_mapping, "a mapping, for which the step is written as a pair of its name and a dict"),
    "Sensitivity": (_sensitivity, "what sensitivity() gave, for which the step is written as a pair of its name and a dict"),
}


def _option(step: str, name: str, value: Any, declared: str) -> Any:
    """The value of an option of a step, from text or as it is."""
    if value is None and declared.endswith("| None"):
        return value
    for beginning, (read, what) in _READERS.items():
        if declared.startswith(beginning):
            try:
                return read(value)
            except (TypeError, ValueError, KeyError, OverflowError):
                raise refusal(f"{step}: {name} is {value!r}; it must be {what}") from None
    return value


def parse_recipe(recipe: str | Sequence[Step]) -> list[tuple[str, dict[str, Any]]]:
    """Methods and their options, from ``"prune:amount=0.8,block=16x1 quantize"`` or a sequence of such words or of pairs.

    Raises:
        ArgumentError: For a method or an option that there is not, and for an option of the wrong kind.
    """
    steps: list[tuple[str, dict[str, Any]]] = []
    for step in recipe.split() if isinstance(recipe, str) else recipe:
        if isinstance(step, str):
            name, _, texts = step.partition(":")
            options: dict[str, Any] = {}
            for text in filter(None, texts.split(",")):
                key, equals, value = text.partition("=")
                if not equals:
                    raise refusal(f"a recipe's options are KEY=VALUE, not {text!r}")
                if key in options:
                    raise refusal(f"{name}: {key} is given twice")
                options[key] = value
        elif isinstance(step, (tuple, list)) and len(step) == 2 and isinstance(step[1], Mapping):
            name, options = step[0], dict(step[1])
        else:
            raise refusal(f"a recipe's step is a word, or a pair of a name and a mapping of options, not {step!r}")
        if name not in METHODS:
            raise refusal(f"there is no method {name!r}; there are {sorted(METHODS)}")
        parameters = inspect.signature(METHODS[name]).parameters
        known = set(parameters) - {"model", "data", "progress"}
        unknown = sorted(set(options) - known)
        if unknown:
            raise refusal(f"{name} has no option {unknown[0]!r}; it has {sorted(known)}")
        steps.append((name, {key: _option(name, key, value, str(parameters[key].annotation)) for key, value in options.items()}))
    if not steps:
        raise refusal("the recipe is empty")
    return steps


def needs_data(name: str, options: Mapping[str, Any]) -> bool:
    """Whether a step cannot do without data."""
    data = inspect.signature(METHODS[name]).parameters.get("data")
    is_required = data is not None and data.default is data.empty
    return is_required or any(name == method and options.get(key) == value for method, key, value in _OF_DATA)


def step_text(name: str, options: Mapping[str, Any]) -> str:
    """A step for people; a table of sensitivities is only mentioned."""
    return name + (":" + ",".join(key if key == "sensitivity" else f"{key}={value}" for key, value in options.items()) if options else "")


def _add(digest: Any, value: Any, place: str) -> None:
    """Adds exactly what a value holds to a digest, with its kind and length in front so that no two values give the same bytes."""

    def add(kind: str, contents: bytes = b"") -> None:
        digest.update(f"{kind}:{len(contents)}:".encode())
        digest.update(contents)

    if not isinstance(value, np.generic):
        value = as_array(value)
    if value is None or isinstance(value, (bool, int, float, complex)):
        add(type(value).__name__, repr(value).encode())
    elif isinstance(value, str):
        add("str", value.encode("utf-8", "surrogatepass"))
    elif isinstance(value, (bytes, bytearray, memoryview)):
        add("bytes", bytes(value))
    elif isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.hasobject:
            raise refusal(f"a checkpoint cannot tell what {place} holds: an array of objects")
        add("array", f"{value.dtype!r} {value.shape}".encode())
        add("elements", value.tobytes())
    elif isinstance(value, Model):
        add("model", value.to_bytes())
    elif isinstance(value, Mapping):
        add(f"mapping {len(value)}")
        for key, item in value.items():
            _add(digest, key, place)
            _add(digest, item, place)
    elif isinstance(value, (tuple, list, range)):
        add(f"sequence {len(value)}")
        for item in value:
            _add(digest, item, place)
    elif isinstance(value, Sensitivity):
        add("sensitivity")
        _add(digest, value.rows, place)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        add(type(value).__qualname__)
        _add(digest, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, place)
    else:
        raise refusal(f"a checkpoint cannot tell what {place} holds: a {type(value).__name__}")


class Checkpoint:
    """Models of the steps of a recipe that are done, in a folder. A step belongs to the model, the steps up to it with all that their
    options hold, and the data."""

    def __init__(self, folder: str | os.PathLike[str] | None, model: Model, batches: Sequence[Any] | None) -> None:
        self._folder = pathlib.Path(os.fsdecode(path_bytes(folder))) if folder is not None else None
        self._digest = hashlib.sha256()
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                # Before the work: it shows whether there is a place for what the work gives.
                tempfile.TemporaryFile(dir=self._folder).close()
            except OSError as error:
                raise no_file(self._folder, error) from error
            _add(self._digest, model, "the model")
            _add(self._digest, batches, "the data")

    def step(self, number: int, name: str, options: Mapping[str, Any], make: Callable[[], Model]) -> Model:
        """The model of a step: from the folder, or else made and put there."""
        if self._folder is None:
            return make()
        _add(self._digest, name, name)
        for key in sorted(options):
            _add(self._digest, key, key)
            _add(self._digest, options[key], f"{name}'s option {key}")
        path = self._folder / f"{number:02d}-{self._digest.hexdigest()[:16]}.edgeai"
        if path.exists():
            try:
                return load(path)
            except EdgeAIError as error:
                # The caller has named a folder; of the files in it this is one.
                error.message = f"{path}: {error.message}"
                raise
        model = make()
        # A half written file must not look like a finished step.
        partial = path.with_suffix(".partial")
        model.save(partial)
        partial.replace(path)
        return model
