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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, SupportsIndex

import numpy as np

from . import _core
from ._arrays import as_array
from ._checks import int32
from ._text import bytes_text, text_table
from .errors import ArgumentError
from .model import Model
from .profile import Step as PlanStep
from .profile import _step

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
    "Metrics",
    "NetworkSurgery",
    "OneCycle",
    "QuantizationAware",
    "RMSprop",
    "SGD",
    "SharedWeights",
    "Slimming",
    "Step",
    "Trainer",
    "batches",
]

Array = np.ndarray[Any, Any]
Layers = list[tuple[str, float]]
_LOSSES: dict[str, int] = {"cross_entropy": 0, "mean_squared_error": 1}
_BINARY: dict[str, int] = {"binary": 0, "xnor": 1, "ternary": 2}


def _error(message: str) -> ArgumentError:
    return ArgumentError(100, "EDGEAI_ERROR_INVALID_ARGUMENT", message)


# ---- Optimizers and schedules


@dataclass(frozen=True)
class SGD:
    """Gradient descent with momentum, Nesterov's where ``nesterov`` is set."""

    learning_rate: float = 0.01
    momentum: float = 0.9
    nesterov: bool = False

    def _options(self) -> dict[str, float]:
        return {"optimizer": int(self.nesterov), "learning_rate": self.learning_rate, "momentum": self.momentum}


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015). ``momentum`` and ``second_decay`` are its two decays."""

    learning_rate: float = 1e-3
    momentum: float = 0.9
    second_decay: float = 0.999
    epsilon: float = 1e-8

    _number: ClassVar[int] = 2

    def _options(self) -> dict[str, float]:
        return {"optimizer": self._number, **{f.name: getattr(self, f.name) for f in fields(self)}}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam whose weights decay apart from the gradient (Loshchilov and Hutter 2019); the decay is the trainer's ``weight_decay``."""

    _number: ClassVar[int] = 3


@dataclass(frozen=True)
class RMSprop:
    """RMSprop (Tieleman and Hinton 2012)."""

    learning_rate: float = 1e-3
    second_decay: float = 0.99
    epsilon: float = 1e-8

    def _options(self) -> dict[str, float]:
        return {"optimizer": 4, **{f.name: getattr(self, f.name) for f in fields(self)}}


Optimizer = SGD | Adam | RMSprop


@dataclass(frozen=True)
class Constant:
    """The learning rate stays."""

    def _options(self) -> dict[str, float]:
        return {"schedule": 0}


@dataclass(frozen=True)
class Step:
    """The learning rate is multiplied with ``decay`` after every ``period`` steps."""

    period: int
    decay: float = 0.1

    def _options(self) -> dict[str, float]:
        return {"schedule": 1, "period": self.period, "period_decay": self.decay}


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from the learning rate to 0 over ``steps``, those of the warm-up included (Loshchilov and Hutter 2017)."""

    steps: int

    def _options(self) -> dict[str, float]:
        return {"schedule": 2, "total_steps": self.steps}


@dataclass(frozen=True)
class OneCycle:
    """Half a cosine from 1/25 of the learning rate up to it in the first 30 % of ``steps``, then one down to 1/10000 of it (Smith and
    Topin 2018)."""

    steps: int

    def _options(self) -> dict[str, float]:
        return {"schedule": 3, "total_steps": self.steps}


Schedule = Constant | Step | Cosine | OneCycle


# ---- Methods


class Method:
    """A way to train a network so that it can be made small. Methods are applied in their order and can be combined; each finds
    the weights as the one before left them. ``layers`` gives layers numbers of their own in place of the first field: a name
    may end in ``*``, and the last that fits counts."""

    _kind: ClassVar[int]

    def _packed(self) -> tuple[int, dict[str, float], Layers, Layers, Layers]:
        """What the extension takes: kind, numbers, and the numbers of layers."""
        numbers: dict[str, float] = {}
        lists: dict[str, Layers] = {"layers": [], "c_layers": [], "bias_layers": []}
        for entry in fields(self):  # type: ignore[arg-type]
            value = getattr(self, entry.name)
            if entry.name in lists:
                lists[entry.name] = [(name, float(number)) for name, number in value.items()]
            elif isinstance(value, str):
                if value not in _BINARY:
                    raise _error(f"unknown {entry.name} {value!r}; there are {list(_BINARY)}")
                numbers[entry.name] = _BINARY[value]
            else:
                numbers[entry.name] = value
        return self._kind, numbers, lists["layers"], lists["c_layers"], lists["bias_layers"]


@dataclass(frozen=True)
class MagnitudePruning(Method):
    """Between the steps ``first`` and ``last``, every so many steps, more and more of the smallest weights become zero for good (Han et
    al. 2015), on a cubic schedule (Zhu and Gupta 2017).

    Attributes:
        sparsity: Share of a layer's weights that is zero at the end.
        across_layers: The share is one of all layers together.
        layers: Shares of single layers by name; 0 leaves a layer as it is.
    """

    sparsity: float = 0.9
    first: int = 0
    last: int = 1000
    every: int = 100
    across_layers: bool = False
    layers: Mapping[str, float] = field(default_factory=dict)

    _kind: ClassVar[int] = 0


@dataclass(frozen=True)
class NetworkSurgery(Method):
    """Dynamic network surgery (Guo et al. 2016): layers read the weights times a mask, all weights learn, and one that grows comes
    back. Masks change between the steps ``first`` and ``last``.

    Attributes:
        kept: Share of a layer's weights to keep: the threshold t leaves so many, from all of them on a cubic schedule, and the masks of
            step ``last`` keep exactly so many and stay. 0: t = mean + c deviations of the magnitudes of the layer's first weights, as
            in the paper.
        kept_biases: The same of its biases, where ``kept`` is not 0.
        c: Of the threshold, where ``kept`` is 0.
        every: Steps from one turn of the masks to the next.
        gamma, power: At its turn a mask changes with the probability ``(1 + gamma * step) ** -power``.
        margin: Weights leave below ``(1 - margin) * t`` and return from ``(1 + margin) * t`` on.
        biases: Biases are masked as well.
        layers: Shares to keep of single layers by name.
        c_layers: ``c`` of single layers by name.
        bias_layers: ``kept_biases`` of single layers by name.
    """

    kept: float = 0.0
    kept_biases: float = 1.0
    c: float = 1.0
    every: int = 1
    gamma: float = 1e-4
    power: int = 1
    margin: float = 0.1
    first: int = 0
    last: int = 10000
    biases: bool = True
    layers: Mapping[str, float] = field(default_factory=dict)
    c_layers: Mapping[str, float] = field(default_factory=dict)
    bias_layers: Mapping[str, float] = field(default_factory=dict)

    _kind: ClassVar[int] = 1


@dataclass(frozen=True)
class SharedWeights(Method):
    """Weights of a layer that are equal stay equal and learn as one, and zeros stay zero (Han, Mao, Dally 2016): for a model that
    :func:`edgeai.share` made.

    Attributes:
        most: A layer with more different weights learns each for itself.
    """

    most: int = 256

    _kind: ClassVar[int] = 2


@dataclass(frozen=True)
class Slimming(Method):
    """A penalty on the factors of batch normalization (Liu et al. 2017). Afterwards ``export(trainable=True)`` and
    :func:`edgeai.prune_channels` with ``criterion="scale"`` make the narrow network, which another trainer tunes.

    Attributes:
        penalty: Loss for each unit of a factor's magnitude.
    """

    penalty: float = 1e-4

    _kind: ClassVar[int] = 3


@dataclass(frozen=True)
class EntropyPenalty(Method):
    """A penalty on the bits that the file's coder will spend on weights.

    Attributes:
        penalty: Loss for each bit of a weight.
        width: From which magnitude on a weight's bits grow slowly, as a share of the root mean square of the layer's first weights.
        layers: Penalties of single layers by name.
    """

    penalty: float = 1e-6
    width: float = 0.5
    layers: Mapping[str, float] = field(default_factory=dict)

    _kind: ClassVar[int] = 4


@dataclass(frozen=True)
class QuantizationAware(Method):
    """Layers read weights and activations rounded to few bits, and learn through the rounding (Jacob et al. 2018). The exported
    model has float weights on their grids, which :func:`edgeai.quantize` finds again.

    Attributes:
        bits: Of a layer's weights, 2 to 8; 0 leaves them.
        activation_bits: Of what layers read, 2 to 8; 0 leaves it.
        learn_step: The step between weights is learnt (Esser et al. 2020) instead of following from the largest weight.
        delay: Steps before activations are rounded.
        momentum: Weight of the past in the ranges of activations.
        fold_normalization: A convolution that a batch normalization alone reads rounds its weights as they will be folded
            (Krishnamoorthi 2018); not with ``learn_step``.
        freeze: From this step on folded normalizations use the running statistics.
        layers: Bits of single layers by name.
    """

    bits: float = 8
    activation_bits: int = 8
    learn_step: bool = False
    delay: int = 100
    momentum: float = 0.99
    fold_normalization: bool = True
    freeze: int = 2**62
    layers: Mapping[str, float] = field(default_factory=dict)

    _kind: ClassVar[int] = 5


@dataclass(frozen=True)
class BinaryWeights(Method):
    """Layers read a sign for each weight times a scale for each output channel. Depthwise layers stay float.

    Attributes:
        values: ``"binary"``: the scale is the mean magnitude (Rastegari et al. 2016). ``"xnor"``: the same, and what these layers
            read becomes signs too, also in the exported model. ``"ternary"``: zero below 0.7 times the mean magnitude (Li et al. 2016).
        include_first, include_last: Also the first and the last layer that learn.
    """

    values: Literal["binary", "xnor", "ternary"] = "binary"
    include_first: bool = False
    include_last: bool = False

    _kind: ClassVar[int] = 6


@dataclass(frozen=True)
class EightBit(Method):
    """Weights, activations and the gradients below layers have 8 bits (Banner et al. 2018), computed in float: it shows what 8-bit
    hardware would learn.

    Attributes:
        range_normalization: Batch normalization divides by the range of values in place of their deviation.
    """

    range_normalization: bool = True

    _kind: ClassVar[int] = 7


# ---- Data and results


class Batches:
    """Whole batches of some samples, in another order each time they are iterated over; made by :func:`batches`.

    Attributes:
        epoch: How many times they were iterated over, on which the order depends. Set it to go on where another process stopped.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        batch: SupportsIndex,
        *,
        shuffle: bool,
        seed: int,
        augment: Callable[[Any, np.random.Generator], Any] | None,
    ) -> None:
        self._inputs = tuple(np.asarray(as_array(a)) for a in (x if isinstance(x, (tuple, list)) else (x,)))
        self._is_tuple = isinstance(x, (tuple, list))
        self._targets = np.asarray(as_array(y))
        self._batch = int32("batch", batch)
        self._shuffle = shuffle
        self._seed = seed
        self._augment = augment
        self.epoch = 0
        count = len(self._targets)
        if any(len(a) != count for a in self._inputs):
            raise _error(f"there are {count} targets for {[len(a) for a in self._inputs]} samples")
        if not 1 <= self._batch <= count:
            raise _error(f"batch is {self._batch}; there are {count} samples")

    def __len__(self) -> int:
        return len(self._targets) // self._batch

    def __iter__(self) -> Iterator[tuple[Any, Array]]:
        random = np.random.default_rng([self._seed, self.epoch])
        self.epoch += 1
        order = random.permutation(len(self._targets)) if self._shuffle else np.arange(len(self._targets))
        for index in range(len(self)):
            chosen = order[index * self._batch : (index + 1) * self._batch]
            x: Any = tuple(a[chosen] for a in self._inputs)
            x = x if self._is_tuple else x[0]
            yield (x if self._augment is None else self._augment(x, random)), self._targets[chosen]


def batches(
    x: Any,
    y: Any,
    batch: SupportsIndex,
    *,
    shuffle: bool = True,
    seed: int = 0,
    augment: Callable[[Any, np.random.Generator], Any] | None = None,
) -> Batches:
    """Batches for :meth:`Trainer.fit`.

    Args:
        x: Samples: an array, or a tuple of arrays for a model with several inputs.
        y: Labels or targets, as many.
        batch: Samples of each. What is left over of an epoch is not given.
        shuffle: Another order in each epoch.
        seed: Of the order. The same seed gives the same orders.
        augment: Called as ``augment(x, generator)`` with the samples of each batch and numpy's generator of the epoch; gives the samples to
            train on.
    """
    return Batches(x, y, batch, shuffle=shuffle, seed=seed, augment=augment)


@dataclass(frozen=True)
class Metrics:
    """What a step or an evaluation found."""

    #: Of a step: before its update, with smoothing, teacher and penalties. Of an evaluation: of the targets alone.
    loss: float
    #: With the cross-entropy: share of the rows whose greatest output is where the greatest target is. Else 0.
    accuracy: float
    samples: int


class History(list[dict[str, float]]):
    """What :meth:`Trainer.fit` found: a dict for each epoch, with ``epoch``, ``steps``, ``loss``, ``accuracy``, ``learning_rate``,
    ``seconds`` and, where there is a validation, ``validation_loss`` and ``validation_accuracy``. ``loss`` and ``accuracy`` are means
    over the steps of the epoch, while the network changes."""

    def to_dict(self) -> dict[str, list[float]]:
        """The columns, by name."""
        return {key: [row[key] for row in self] for key in (self[0] if self else ())}

    def plot(self) -> Any:
        """Losses and accuracies over the epochs (matplotlib must be installed); gives the two axes."""
        from .plot import history

        return history(self)

    def __str__(self) -> str:
        columns = self.to_dict()
        return text_table(tuple(columns), [[f"{row[key]:.6g}" for key in columns] for row in self])


# ---- The trainer


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
        temperature: Softens both.
        frozen: Operators whose parameters and statistics stay as they are, by name; a name may end in ``*``.
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
        frozen: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        if loss not in _LOSSES:
            raise _error(f"unknown loss {loss!r}; there are {list(_LOSSES)}")
        if not -(2**63) <= seed < 2**63:
            raise _error(f"seed is {seed}; it must fit in 64 bits")
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
            model._core,
            options,
            isa,
            [frozen] if isinstance(frozen, str) else list(frozen),
            None if teacher is None else teacher._core,
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
            ArgumentError: A label is no class, or the loss is not finite; the message says which parameter is not, or that the data
                or the learning rate are too large. The parameters are then as before the step.
            Cancelled: By :meth:`cancel`; the parameters are as before.
        """
        return Metrics(*self._core.step(self._arrays(x), *self._targets(y)))

    def evaluate(self, x: Any, y: Any) -> Metrics:
        """How good the model that :meth:`export` would give is on any number of samples; changes nothing. Arguments as for
        :meth:`step`."""
        arrays = self._arrays(x)
        targets, are_labels = self._targets(y)
        if not self._is_open or not arrays or arrays[0].ndim == 0 or len(arrays[0]) == 0 or any(len(a) != len(targets) for a in arrays):
            return Metrics(*self._core.evaluate(arrays, targets, are_labels))
        # In pieces, so that Ctrl-C is heard.
        piece = self.batch * max(1024 // self.batch, 1)
        found = [
            self._core.evaluate(tuple(a[i : i + piece] for a in arrays), targets[i : i + piece], are_labels)
            for i in range(0, len(targets), piece)
        ]
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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a checkpoint, whole or not at all: everything that a trainer made of the same model, options and methods needs to go
        on to the same bits, with any number of threads."""
        self._core.save(os.fsencode(path))

    def load(self, path: str | os.PathLike[str]) -> None:
        """Goes on from a checkpoint. After an error the trainer is as before.

        Raises:
            ShapeError: It is another trainer's; the tensor is named.
            ModelError, FileError, ArgumentError: It cannot be read, or is no checkpoint.
        """
        self._core.load(os.fsencode(path))

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
        """Bytes of the one block that a step works in: parameters, moments, results kept for gradients, scratch."""
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


class _bar:
    """A tqdm bar with live figures, where it is wanted, installed and seen."""

    def __init__(self, wanted: bool, title: str, total: int | None) -> None:
        self._bar: Any = None
        if wanted and ("ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())):
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
