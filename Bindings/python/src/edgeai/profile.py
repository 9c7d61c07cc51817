"""Where the time of a model goes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ._checks import refusal
from ._disk import write_file
from ._text import html_table, shape_text, text_table


@dataclass(frozen=True)
class Step:
    """One step of a plan: a kernel and what it works on. Steps that run together, some lines at a time, are all in the last one of
    them: ``kernel`` joins their names by `` + ``. That of the others is ``chained``, and they have no ``macs`` and ``bytes``."""

    name: str
    op: str
    kernel: str
    isa: str
    dtype: str
    shape: tuple[int, ...]
    note: str
    #: Bytes of the result.
    result_bytes: int
    #: Bytes of everything it reads and writes, weights included.
    bytes: int
    #: Multiply-adds of one run.
    macs: int
    #: Pieces handed out to the threads.
    parts: int


def _step(fields: dict[str, Any]) -> Step:
    return Step(**{k: fields[k] for k in Step.__dataclass_fields__ if k != "shape"}, shape=tuple(fields["shape"]))


@dataclass(frozen=True)
class ProfileEvent:
    """Times of one step over the runs of a profile, in microseconds. Rates are those of the fastest run."""

    step: Step
    mean_us: float
    least_us: float
    most_us: float
    #: Of the last run.
    last_us: float = 0.0
    #: Billions of operations a second that the threads of the step reach at most; 0 where nothing was measured.
    peak_gops: float = 0.0

    @property
    def gops(self) -> float:
        """Billions of operations a second (two for each multiply-add)."""
        return 2 * self.step.macs / self.least_us / 1e3 if self.least_us > 0 else 0.0

    @property
    def gbytes(self) -> float:
        """Billions of bytes a second, of all the step reads and writes."""
        return self.step.bytes / self.least_us / 1e3 if self.least_us > 0 else 0.0

    @property
    def peak_share(self) -> float | None:
        """``gops`` as a part of the peak; None where there is no peak, or nothing multiplied. Above 1 where a kernel needs
        fewer multiplications than ``macs`` counts (Winograd's form)."""
        return self.gops / self.peak_gops if self.peak_gops > 0 and self.step.macs else None


def _event(fields: dict[str, Any]) -> ProfileEvent:
    return ProfileEvent(
        step=_step(fields),
        mean_us=fields["total_ns"] / max(fields["runs"], 1) / 1e3,
        least_us=fields["least_ns"] / 1e3,
        most_us=fields["most_ns"] / 1e3,
        last_us=fields["last_ns"] / 1e3,
        peak_gops=fields["peak_gops"],
    )


class Profile:
    """What each step of a model took.

    Attributes:
        events: One for each step, in the order of the plan.
        runs: How many runs were measured.
    """

    def __init__(self, events: Sequence[ProfileEvent], runs: int, trace: str | None = None) -> None:
        self.events = tuple(events)
        self.runs = runs
        self._trace = trace

    def by_op(self) -> dict[str, float]:
        """Mean microseconds of a run, summed by operator type, most first."""
        sums: dict[str, float] = {}
        for event in self.events:
            sums[event.step.op] = sums.get(event.step.op, 0.0) + event.mean_us
        return dict(sorted(sums.items(), key=lambda item: -item[1]))

    @property
    def mean_us(self) -> float:
        """Mean microseconds of a run: the sum of the steps."""
        return sum(event.mean_us for event in self.events)

    @property
    def peak_share(self) -> float | None:
        """What the multiply-adds of all steps would take at their peaks, as a part of the least times of all steps; None where
        nothing is multiplied. As for a step, Winograd's form may bring it above 1."""
        ideal = sum(2 * e.step.macs / e.peak_gops / 1e3 for e in self.events if e.peak_gops > 0)
        return ideal / sum(e.least_us for e in self.events) if ideal > 0 else None

    def to_trace(self, path: str | os.PathLike[str]) -> None:
        """Writes the traced runs for chrome://tracing or https://ui.perfetto.dev: each step, and each thread's share of it.

        Raises:
            FileError: The file cannot be written.
            ArgumentError: There is no trace, because ``trace_runs`` was 0.
        """
        if self._trace is None:
            raise refusal("the profile has no trace: trace_runs was 0")
        write_file(path, self._trace.encode())

    def to_dict(self) -> dict[str, Any]:
        """All figures, as :meth:`to_json` writes them."""
        return {
            "runs": self.runs,
            "mean_us": self.mean_us,
            "peak_share": self.peak_share,
            "steps": [
                {
                    **vars(e.step),
                    "last_us": e.last_us,
                    "least_us": e.least_us,
                    "mean_us": e.mean_us,
                    "most_us": e.most_us,
                    "gops": e.gops,
                    "gbytes": e.gbytes,
                    "peak_gops": e.peak_gops,
                    "peak_share": e.peak_share,
                }
                for e in self.events
            ],
        }

    def to_json(self) -> str:
        """The profile as one JSON object: ``runs``, ``mean_us``, ``peak_share``, and ``steps`` with the fields of step and event."""
        return json.dumps(self.to_dict())

    def plot(self) -> Any:
        """Mean time of every step as a bar chart (matplotlib must be installed), shaded by its share of the peak; gives the
        axes."""
        from matplotlib import colormaps, pyplot

        _, axes = pyplot.subplots(figsize=(max(6.0, 0.25 * len(self.events)), 4))
        shade = colormaps["viridis"]
        colors = ["lightgray" if e.peak_share is None else shade(min(e.peak_share, 1.0)) for e in self.events]
        axes.bar(range(len(self.events)), [e.mean_us for e in self.events], color=colors)
        axes.set_xticks(range(len(self.events)), [e.step.name or e.step.op for e in self.events], rotation=90, fontsize=7)
        axes.set_ylabel("mean time (us)")
        axes.figure.colorbar(pyplot.cm.ScalarMappable(cmap=shade), ax=axes, label="share of the peak")
        pyplot.tight_layout()
        return axes

    _HEADER = ("step", "operator", "kernel", "shape", "least us", "mean us", "%", "GOP/s", "of peak", "MB", "GB/s")

    def _rows(self) -> list[tuple[str, ...]]:
        total = self.mean_us or 1.0
        return [
            (
                e.step.name,
                e.step.op,
                e.step.kernel,
                shape_text(e.step.shape),
                f"{e.least_us:.1f}",
                f"{e.mean_us:.1f}",
                f"{100 * e.mean_us / total:.1f}",
                f"{e.gops:.1f}" if e.step.macs else "",
                "" if e.peak_share is None else f"{100 * e.peak_share:.0f} %",
                f"{e.step.bytes / 1e6:.2f}",
                f"{e.gbytes:.1f}",
            )
            for e in self.events
        ]

    def _title(self) -> str:
        return f"{self.mean_us:.1f} us in {len(self.events)} steps, mean of {self.runs} runs{self._peak_text()}"

    def _peak_text(self) -> str:
        return "" if self.peak_share is None else f", {100 * self.peak_share:.0f} % of the peak"

    def __str__(self) -> str:
        return text_table(self._HEADER, self._rows())

    def __repr__(self) -> str:
        return f"<edgeai.Profile {self._title()}>\n{self}"

    def _repr_html_(self) -> str:
        return html_table(self._title(), self._HEADER, self._rows())
