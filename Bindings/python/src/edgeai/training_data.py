"""Batches to train on, and what training found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np

from ._arrays import as_array
from ._checks import int32, refusal as _error
from ._text import text_table

Array = np.ndarray[Any, Any]


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


