"""Training inside the library: a float model, labelled samples, and methods that make the network small while it learns.

>>> from edgeai import architectures, train
>>> trainer = train.Trainer(architectures.lenet5(), optimizer=train.Adam(1e-3), threads=2)
>>> history = trainer.fit(train.batches(images, labels, 64), epochs=3, validation=(test_images, test_labels))
>>> trainer.export().save("net.edgeai")

The same model, options and data give the same bits, with any number of threads.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, SupportsIndex

import numpy as np

from . import _core
from ._arrays import as_array
from ._checks import int32, path_bytes
from ._checks import names as _names, refusal as _error
from ._samples import pieces
from ._text import bytes_text
from .model import Model, core_of
from .optimizers import SGD, Adam, AdamW, Constant, Cosine, OneCycle, Optimizer, RMSprop, Schedule, Step
from .profile import Step as PlanStep
from .profile import _step
from .training_data import Array, Batches, History, Metrics, batches
from .training_methods import (
    BinaryWeights,
    EightBit,
    EntropyPenalty,
    MagnitudePruning,
    Method,
    NetworkSurgery,
    QuantizationAware,
    SharedWeights,
    Slimming,
)

__all__ = [
    "Adam",
    "AdamW",
    "Batches",
    "BinaryWeights",
    "Constant",
    "Cosine",
    "EightBit",
    "EntropyPenalty",
    "History",
    "MagnitudePruning",
    "Method",
    "Metrics",
    "NetworkSurgery",
    "OneCycle",
    "Optimizer",
    "QuantizationAware",
    "RMSprop",
    "SGD",
    "Schedule",
    "SharedWeights",
    "Slimming",
    "Step",
    "Trainer",
    "batches",
]

_LOSSES: dict[str, int] = {"cross_entropy": 0, "mean_squared_error": 1}


class Trainer:
    """A model that learns.

    Args:
        model: A float model with one float32 output. It is not changed. A softmax at its end is taken into the cross-entropy.
        loss: ``"cross_entropy"`` along the output's last axis, or ``"mean_squared_error"``.
        optimizer: :class:`SGD`, :class:`Adam`, :class:`AdamW` or :class:`RMSprop`, with the learning rate.
        schedule: The learning rate over time: :class:`Constant`, :class:`Step`, :class:`Cosine`, :class:`OneCycle`.
        warm_up: Steps in which the rate grows in equal parts, before the schedule begins.
        methods: What makes the network small: :class:`QuantizationAware`, :class:`NetworkSurgery` and so on, applied in their order.
        batch: Samples of a step, for models that leave their number open.
        threads: Working threads, the caller's included. They change no bit of the result.
        isa: Instruction set (see :func:`edgeai.instruction_sets`); None is the best this CPU has.
        weight_decay: Of weights; neither biases nor normalizations decay.
        clip_norm: Largest norm of all gradients together; 0 does not clip.
        recompute: Normalizations and elementwise results are computed again for the gradient instead of being kept: less memory, the
            same bits.
        dropout: Share of a dense layer's input that a step leaves out, the model's own inputs apart.
        label_smoothing: Share of a target that goes to all classes alike.
        normalization_momentum: Weight of the past in the running statistics of batch normalization.
        teacher: Distillation (Hinton et al. 2015): a model with the same inputs and output.
        teacher_share: Of the teacher's softened probabilities in the loss.
        temperature: Softens both; 1e-6 to 1e6.
        frozen: Operators whose parameters and statistics stay as they are, by name; a name may end in ``*``, and is that of all
            operators that have it. One that shares a constant with an operator that learns it is an error.
        seed: Of dropout and of methods that draw numbers.

    Threads that share a trainer wait for each other; the GIL is released while it works.

    Attributes:
        history: Of the last call of :meth:`fit`, also when that was interrupted.
    """

    def __init__(
        self,
        model: Model,
        *,
        loss: Literal["cross_entropy", "mean_squared_error"] = "cross_entropy",
        optimizer: Optimizer = SGD(),
        schedule: Schedule = Constant(),
        warm_up: SupportsIndex = 0,
        methods: Sequence[Method] = (),
        batch: SupportsIndex = 64,
        threads: SupportsIndex = 1,
        isa: str | None = None,
        weight_decay: float = 0.0,
        clip_norm: float = 0.0,
        recompute: bool = False,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        normalization_momentum: float = 0.9,
        teacher: Model | None = None,
        teacher_share: float = 0.5,
        temperature: float = 1.0,
        frozen: str | Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        if loss not in _LOSSES:
            raise _error(f"unknown loss {loss!r}; there are {list(_LOSSES)}")
        if not -(2**63) <= seed < 2**63:
            raise _error(f"seed is {seed}; it must fit in 64 bits")
        core = core_of(model)
        self._tensors = model.inputs
        self._inputs = [t.name for t in model.inputs]
        self._is_open = any(None in t.shape for t in model.inputs)
        self.batch = int32("batch", batch) if self._is_open else 1
        self.history = History()
        options: dict[str, float] = {
            "loss": _LOSSES[loss],
            "batch": int32("batch", batch),
            "threads": int32("threads", threads),
            "warm_up_steps": int32("warm_up", warm_up),
            "weight_decay": weight_decay,
            "clip_norm": clip_norm,
            "recompute": int(recompute),
            "dropout": dropout,
            "label_smoothing": label_smoothing,
            "normalization_momentum": normalization_momentum,
            "teacher_share": teacher_share,
            "temperature": temperature,
            "seed": seed,
            **optimizer._options(),
            **schedule._options(),
        }
        self._core = _core.open_trainer(
            core,
            options,
            isa,
            _names("frozen", frozen),
            None if teacher is None else core_of(teacher),
            [method._packed() for method in methods],
        )

    # ---- One step, one evaluation

    def _arrays(self, x: Any) -> tuple[Array, ...]:
        if isinstance(x, Mapping):
            if set(x) != set(self._inputs):
                raise _error(f"the model's inputs are {self._inputs}; arrays were given for {sorted(x)}")
            x = tuple(x[name] for name in self._inputs)
        arrays = x if isinstance(x, (tuple, list)) else (x,)
        return tuple(np.asarray(as_array(a), order="C") for a in arrays)

    @staticmethod
    def _targets(y: Any) -> tuple[Array, bool]:
        """Targets as float32, or labels as int32; whether they are labels."""
        array = np.asarray(as_array(y))
        if array.dtype.kind in "iub":
            # What does not fit in 32 bits is no class either, and the library says so.
            return np.ascontiguousarray(np.clip(array, -1, 2**31 - 1), dtype=np.int32), True
        if array.dtype.kind != "f":
            raise _error(f"labels are whole numbers and targets numbers, not {array.dtype}")
        return np.ascontiguousarray(array, dtype=np.float32), False

    def step(self, x: Any, y: Any) -> Metrics:
        """One step: gradients of the loss of a batch, and an update of all parameters.

        Args:
            x: Exactly :attr:`batch` samples: an array, a tuple of arrays in the order of the inputs, or a mapping by name, in the
                element types of the inputs.
            y: Labels (integers, one for each row of the output) or targets (floats, of the output's shape; with the cross-entropy
                probabilities).

        Raises:
            ShapeError, DTypeError: An array does not fit.
            ArgumentError: A label is no class; or the loss, the sum of the squares of all parameters after the step, or a moment or running
                statistic is not finite: the message says which parameter or statistic it is, or that the data or the learning rate are too
                large. Everything is then as before the step.
            Cancelled: By :meth:`cancel`; everything is as before.
        """
        return Metrics(*self._core.step(self._arrays(x), *self._targets(y)))

    def evaluate(self, x: Any, y: Any) -> Metrics:
        """How good the model that :meth:`export` would give is on any number of samples, a multiple of that which the model
        fixes if it does; changes nothing. Arguments as for :meth:`step`."""
        arrays = self._arrays(x)
        targets, are_labels = self._targets(y)
        if not self._is_open:
            return self._evaluate_fixed(arrays, targets, are_labels)
        if not arrays or arrays[0].ndim == 0 or len(arrays[0]) == 0 or any(len(a) != len(targets) for a in arrays):
            return Metrics(*self._core.evaluate(arrays, targets, are_labels))
        # In pieces, so that Ctrl-C is heard.
        piece = self.batch * max(1024 // self.batch, 1)
        found = [
            self._core.evaluate(tuple(a[i : i + piece] for a in arrays), targets[i : i + piece], are_labels)
            for i in range(0, len(targets), piece)
        ]
        return _mean(found)

    def _evaluate_fixed(self, arrays: tuple[Array, ...], targets: Array, are_labels: bool) -> Metrics:
        """The same of a model that fixes how many samples it takes: as many at a time."""
        runs = pieces(self._tensors, arrays)
        if len(runs) < 2:
            return Metrics(*self._core.evaluate(arrays, targets, are_labels))
        rows, rest = divmod(len(targets) if targets.ndim else 0, len(runs))
        if rest or not rows:
            raise _error(f"there are {targets.size} targets for {len(runs)} runs of the model's samples")
        found = [self._core.evaluate(run, targets[i * rows : (i + 1) * rows], are_labels) for i, run in enumerate(runs)]
        return _mean(found)

    # ---- Epochs

    def fit(
        self,
        batches: Iterable[tuple[Any, Any]] | Callable[[], Iterable[tuple[Any, Any]]],
        *,
        epochs: SupportsIndex = 1,
        validation: Any = None,
        patience: int | None = None,
        progress: bool = True,
        callbacks: Callable[[dict[str, float]], object] | Sequence[Callable[[dict[str, float]], object]] | None = None,
    ) -> History:
        """Trains for some epochs.

        Args:
            batches: Pairs of samples and labels or targets, as :meth:`step` takes them: something that can be iterated over once for
                each epoch, such as :func:`batches` or a list, or a callable that gives an iterable for each epoch. **A last batch with fewer
                than** :attr:`batch` **samples is left out**, since a step is planned for as many.
            epochs: At most.
            validation: Samples and labels that do not teach, ``(x, y)``, or batches as above, of any size; evaluated after each epoch.
            patience: Stops when the validation's loss has not become less in so many epochs. At the end the trainer goes back to the epoch
                with the least.
            progress: Shows a tqdm bar where tqdm is installed and somebody looks: in a terminal or a notebook.
            callbacks: Called after each epoch with its row of the history. One that returns True stops.

        Returns:
            A row for each epoch.

        Raises:
            ArgumentError: The loss is not finite; the message names the place. As for :meth:`step` otherwise.

        Ctrl-C ends it between two steps; the trainer can go on from there, and :attr:`history` has the epochs that were finished.
        """
        count = int32("epochs", epochs)
        if patience is not None and (validation is None or patience < 1):
            raise _error("patience needs a validation, and at least 1 epoch")
        hooks = [] if callbacks is None else [callbacks] if callable(callbacks) else list(callbacks)
        self.history = history = History()
        best, best_epoch, best_state = float("inf"), -1, b""
        for epoch in range(count):
            begin = time.monotonic()
            row = self._epoch(batches, epoch, count, progress)
            if validation is not None:
                found = self._validate(validation)
                row |= {"validation_loss": found.loss, "validation_accuracy": found.accuracy}
            row["seconds"] = time.monotonic() - begin
            history.append(row)
            if patience is not None:
                if best_epoch < 0 or row["validation_loss"] < best:
                    best, best_epoch, best_state = row["validation_loss"], epoch, self._core.to_bytes()
                elif epoch - best_epoch >= patience:
                    break
            if any([hook(row) is True for hook in hooks]):
                break
        if best_epoch >= 0 and best_epoch < len(history) - 1:
            self._core.load_bytes(best_state)
        return history

    def _epoch(self, batches: Any, epoch: int, epochs: int, progress: bool) -> dict[str, float]:
        loss = accuracy = 0.0
        steps = 0
        is_short = False
        source = batches() if callable(batches) else batches
        with _bar(progress, f"epoch {epoch + 1}/{epochs}", len(source) if hasattr(source, "__len__") else None) as show:
            for x, y in source:
                if is_short:
                    raise _error(f"a batch that is not the last one has fewer than {self.batch} samples")
                arrays = self._arrays(x)
                if self._is_open and arrays and arrays[0].ndim > 0 and len(arrays[0]) < self.batch:
                    is_short = True
                    continue
                found = self._core.step(arrays, *self._targets(y))
                loss += found[0]
                accuracy += found[1]
                steps += 1
                show(loss / steps, accuracy / steps)
        if steps == 0:
            message = f"there is no batch of {self.batch} samples in epoch {epoch + 1}"
            raise _error(message + ("" if epoch == 0 else "; an iterator is used up after the first one: give a list or a callable"))
        return {
            "epoch": epoch + 1,
            "steps": self.steps,
            "loss": loss / steps,
            "accuracy": accuracy / steps,
            "learning_rate": self.learning_rate,
        }

    def _validate(self, validation: Any) -> Metrics:
        if isinstance(validation, tuple) and len(validation) == 2:
            return self.evaluate(*validation)
        found = [self.evaluate(x, y) for x, y in (validation() if callable(validation) else validation)]
        if not found:
            raise _error("the validation has no samples")
        return _mean([(m.loss, m.accuracy, m.samples) for m in found])

    def cancel(self) -> None:
        """Makes a step that another thread is in raise :class:`edgeai.Cancelled`; the next one where none is going on."""
        self._core.cancel()

    # ---- What was learnt

    def export(self, *, trainable: bool = False) -> Model:
        """The model as it has been trained: weights as methods have the layers read them, running statistics in place; ready for
        :class:`edgeai.Session`, :func:`edgeai.quantize` and everything else.

        Args:
            trainable: Normalizations are still there, for another trainer or for :func:`edgeai.prune_channels` after
                :class:`Slimming`. Otherwise they are folded into the layers.
        """
        return Model(self._core.export(int(trainable)))

    def ranges(self) -> dict[str, tuple[float, float]]:
        """The ranges that :class:`QuantizationAware` has learnt of what layers read, by the names that these tensors have in the exported
        model: ``edgeai.quantize(trainer.export(), data, ranges=trainer.ranges())`` makes the int8 model round as training did where a
        layer reads what an operator has computed, or that moved (through a max pool, reshaped) for no other reader; where it is split,
        or something else reads it before it is moved, the range that calibration finds stays. Empty without the method, and before the
        first step; without tensors that, or whose first reader, have a name that others have."""
        return {tensor: (low, high) for tensor, low, high in self._core.ranges()}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a checkpoint, whole or not at all: everything that a trainer made of the same model, options and methods needs to go
        on to the same bits, with any number of threads."""
        self._core.save(path_bytes(path))

    def load(self, path: str | os.PathLike[str]) -> None:
        """Goes on from a checkpoint. After an error the trainer is as before.

        Raises:
            ShapeError: It is another trainer's; the tensor is named.
            ModelError, FileError, ArgumentError: It cannot be read, or is no checkpoint.
        """
        self._core.load(path_bytes(path))

    def to_bytes(self) -> bytes:
        """The checkpoint that :meth:`save` would write."""
        return self._core.to_bytes()

    def load_bytes(self, checkpoint: bytes | bytearray | memoryview) -> None:
        """As :meth:`load`, from memory."""
        self._core.load_bytes(checkpoint)

    @property
    def steps(self) -> int:
        """Steps taken, those before a checkpoint included."""
        return self._core.steps()

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return self._core.learning_rate()

    @property
    def memory(self) -> int:
        """Bytes that steps work in: parameters, moments, results kept for gradients, scratch, masks and what they were before a step."""
        return self._core.memory()

    @property
    def plan(self) -> tuple[PlanStep, ...]:
        """The kernel calls of a step."""
        return tuple(_step(fields) for fields in self._core.plan())

    def __repr__(self) -> str:
        return f"<edgeai.train.Trainer step {self.steps}, batches of {self.batch}, {bytes_text(self.memory)}>"


def _mean(found: Sequence[tuple[float, float, int]]) -> Metrics:
    samples = sum(count for _, _, count in found)
    return Metrics(
        sum(loss * count for loss, _, count in found) / samples, sum(accuracy * count for _, accuracy, count in found) / samples, samples
    )


def _is_watched() -> bool:
    """Standard error is a terminal, or this runs in a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel") or (sys.stderr is not None and sys.stderr.isatty())


class _bar:
    """A tqdm bar with live figures, where it is wanted, installed and seen."""

    def __init__(self, wanted: bool, title: str, total: int | None) -> None:
        self._bar: Any = None
        if wanted and _is_watched():
            try:
                from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]
            except ImportError:
                return
            self._bar = tqdm(desc=title, total=total, unit="step")

    def __enter__(self) -> Callable[[float, float], None]:
        return self._show

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def _show(self, loss: float, accuracy: float) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {loss:.4f}, accuracy {100 * accuracy:.2f} %", refresh=False)
            self._bar.update()
