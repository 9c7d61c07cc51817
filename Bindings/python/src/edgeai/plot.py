"""Charts of compression and training; matplotlib must be installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .report import Report


def pareto(points: Mapping[str, tuple[float, float]], *, cost: str = "bytes of the file", quality: str = "quality") -> Any:
    """Models as points of cost and quality, with a line through those that no other one beats in both; gives the axes.

    Args:
        points: Cost and quality of each model, by name.
        cost, quality: What the axes show.
    """
    from matplotlib import pyplot

    best = front(points)
    _, axes = pyplot.subplots(figsize=(7, 5))
    axes.scatter([x for x, _ in points.values()], [y for _, y in points.values()], color="gray")
    axes.plot([points[name][0] for name in best], [points[name][1] for name in best], marker="o")
    for name, (x, y) in points.items():
        axes.annotate(name, (x, y), fontsize=7, xytext=(4, 4), textcoords="offset points")
    axes.set_xlabel(cost)
    axes.set_ylabel(quality)
    pyplot.tight_layout()
    return axes


def front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Names of the points that no other one beats: less cost at the same quality or more, or more quality at the same cost or
    less. By rising cost."""
    order = sorted(points, key=lambda name: (points[name][0], -points[name][1]))
    result: list[str] = []
    for name in order:
        if not result or points[name][1] > points[result[-1]][1]:
            result.append(name)
    return result


def stacked_bytes(report: Report) -> Any:
    """Coded bytes of every layer at every stage of a report (:meth:`edgeai.Report.plot_stages`)."""
    return report.plot_stages()


def history(rows: Sequence[Mapping[str, float]]) -> Any:
    """Losses and accuracies over the epochs of a training (:class:`edgeai.train.History`), side by side; gives the two axes."""
    from matplotlib import pyplot

    _, axes = pyplot.subplots(1, 2, figsize=(10, 4))
    epochs = [row["epoch"] for row in rows]
    for place, name in zip(axes, ("loss", "accuracy"), strict=True):
        for key, label in ((name, "training"), (f"validation_{name}", "validation")):
            if rows and key in rows[0]:
                place.plot(epochs, [row[key] for row in rows], marker="o", label=label)
        place.set_xlabel("epoch")
        place.set_ylabel(name)
        if rows:
            place.legend()
    pyplot.tight_layout()
    return axes
