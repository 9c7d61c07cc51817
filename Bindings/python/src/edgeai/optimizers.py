"""Optimizers of :mod:`edgeai.train`, and the learning rate over time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar


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


