"""What a run of the comparison leaves: peers.json, the table peers.md and the chart peers.png."""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from networks import Precision

OURS = "edgeai"


@dataclass(frozen=True)
class Row:
    """One contender in one comparison. The names are those of peers.json."""

    model: str
    precision: Precision
    threads: int
    peer: str
    min_ms: float
    median_ms: float
    cosine: float


@dataclass(frozen=True)
class LeftOut:
    """A contender that was not measured; None stands for every precision, model or number of threads."""

    peer: str
    precision: Precision | None
    model: str | None
    reason: str
    threads: int | None = None


@dataclass(frozen=True)
class Comparison:
    """The contenders on one network, one precision, one number of threads."""

    rows: tuple[Row, ...]

    @property
    def ours(self) -> Row | None:
        return next((row for row in self.rows if row.peer == OURS), None)

    @property
    def best(self) -> Row | None:
        """The peer with the least minimum."""
        return min((row for row in self.rows if row.peer != OURS), key=lambda row: row.min_ms, default=None)

    @property
    def ratio(self) -> float | None:
        """Our minimum divided by the best peer's: below 1 we are faster."""
        return self.ours.min_ms / self.best.min_ms if self.ours and self.best else None

    @property
    def median_ratio(self) -> float | None:
        """The same of the medians, against the peer whose median is least."""
        least = min((row.median_ms for row in self.rows if row.peer != OURS), default=None)
        return self.ours.median_ms / least if self.ours and least else None


Group = tuple[Precision, int]


def comparisons(rows: list[Row]) -> dict[Group, dict[str, Comparison]]:
    """By precision and threads, then by model, all in the order they were measured in."""
    found: dict[Group, dict[str, Comparison]] = {}
    for row in rows:
        group = found.setdefault((row.precision, row.threads), {})
        group[row.model] = Comparison((*group[row.model].rows, row) if row.model in group else (row,))
    return found


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(math.log(value) for value in values) / len(values))


def times(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:#.3g}".rstrip(".")


def ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def line(rows: list[Row], model: str, precision: Precision, threads: int) -> str:
    """One comparison, for the terminal: all contenders, the fastest first."""
    found = sorted((row for row in rows if (row.model, row.precision, row.threads) == (model, precision, threads)), key=lambda row: row.min_ms)
    all_of_them = ", ".join(f"{row.peer} {milliseconds(row.min_ms)}" for row in found)
    return f"{model:14} {precision} {times(threads)}: ratio {ratio(Comparison(tuple(found)).ratio)}; {all_of_them or 'nobody'} (ms)"


# The table.


def markdown(rows: list[Row], left_out: list[LeftOut], setting: str) -> Iterator[str]:
    yield "# edgeai and its peers"
    yield ""
    yield f"{processor()}. Batch 1; least milliseconds of many runs in turns. The ratio is edgeai's divided by the best peer's: below 1 edgeai is faster."
    yield ""
    yield setting
    groups = comparisons(rows)
    for (precision, threads), models in groups.items():
        peers = list(dict.fromkeys(row.peer for found in models.values() for row in found.rows if row.peer != OURS))
        yield from ("", f"## {precision}, {times(threads)}", "")
        yield "| model | edgeai | best peer | | ratio | by medians | " + " | ".join(peers) + " |"
        yield "|---" * (6 + len(peers)) + "|"
        for model, found in models.items():
            each = {row.peer: row.min_ms for row in found.rows}
            best = f"{milliseconds(found.best.min_ms)} | {found.best.peer}" if found.best else "- | -"
            cells = [milliseconds(each.get(OURS)), best, ratio(found.ratio), ratio(found.median_ratio), *(milliseconds(each.get(peer)) for peer in peers)]
            yield f"| {model} | " + " | ".join(cells) + " |"
        ratios = [(found.ratio, found.median_ratio) for found in models.values() if found.ratio and found.median_ratio]
        if ratios:
            least, median = (geometric_mean([float(r[i] or 0) for r in ratios]) for i in (0, 1))
            first = sum(1 for r in ratios if r[0] and r[0] < 1)
            yield f"| geometric mean | | | fastest in {first} of {len(ratios)} | **{least:.2f}** | {median:.2f} |" + " |" * len(peers)
    yield from ("", "## Output", "")
    yield "Least cosine with ONNX Runtime in float32, over all networks (their weights are random):"
    yield ""
    for (precision, peer), least in least_cosines(rows).items():
        yield f"- {precision}, {peer}: {least:.5f}"
    yield from ("", "## Left out", "")
    yield from reasons(left_out)


def least_cosines(rows: list[Row]) -> dict[tuple[Precision, str], float]:
    found: dict[tuple[Precision, str], float] = {}
    for row in rows:
        key = (row.precision, row.peer)
        found[key] = min(found.get(key, 1.0), row.cosine)
    return found


def reasons(left_out: list[LeftOut]) -> Iterator[str]:
    """A line for each reason, with the models that it holds for."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for item in left_out:
        models = grouped.setdefault((item.peer, item.precision or "all precisions", item.reason), [])
        if item.model:
            models.append(item.model + (f" with {times(item.threads)}" if item.threads else ""))
    for (peer, precision, reason), models in grouped.items():
        yield f"- {peer}, {precision}, {', '.join(models) or 'all models'}: {reason}"


def processor() -> str:
    try:
        names = [text.split(":", 1)[1].strip() for text in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if text.startswith("model name")]
    except OSError:
        names = []
    return f"{names[0]}, {len(names)} processors" if names else "An unknown processor"


# The chart.

TICKS = (0.125, 0.25, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.4, 1.7, 2, 2.8, 4, 8, 16)


def chart(path: pathlib.Path, rows: list[Row]) -> None:
    """A bar for each ratio, a panel for each precision; the line is the best peer."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FixedLocator, NullLocator

    panels: dict[Precision, dict[int, dict[str, float]]] = {}
    for (precision, threads), models in comparisons(rows).items():
        ratios = {model: found.ratio for model, found in models.items() if found.ratio}
        if ratios:
            panels.setdefault(precision, {})[threads] = ratios
    if not panels:
        return
    figure, all_axes = pyplot.subplots(len(panels), 1, figsize=(10, 3.6 * len(panels)), squeeze=False)
    for axes, (precision, by_threads) in zip(all_axes[:, 0], panels.items(), strict=True):
        names = list(dict.fromkeys(model for ratios in by_threads.values() for model in ratios))
        width = 0.8 / len(by_threads)
        for index, (threads, ratios) in enumerate(by_threads.items()):
            places = [names.index(model) - 0.4 + (index + 0.5) * width for model in ratios]
            label = f"{times(threads)}, geometric mean {geometric_mean(list(ratios.values())):.2f}"
            # Bars start at 1 so that on the logarithmic axis twice as fast and half as fast are equally long.
            bars = axes.bar(places, [value - 1 for value in ratios.values()], width, bottom=1, label=label)
            axes.bar_label(bars, [f"{value:.2f}" for value in ratios.values()], fontsize=7)
        axes.axhline(1, color="black", linewidth=0.8)
        axes.set_yscale("log", base=2)
        ends = [value for ratios in by_threads.values() for value in ratios.values()]
        axes.set_ylim(min(0.6, min(ends) / 1.1), max(1.7, max(ends) * 1.1))
        axes.yaxis.set_major_locator(FixedLocator(TICKS))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xticks(range(len(names)), names, rotation=20)
        axes.set_ylabel("time / best peer's")
        axes.set_title(f"edgeai, {precision}: below 1 is faster than every peer")
        axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def write(folder: pathlib.Path, rows: list[Row], left_out: list[LeftOut], setting: str) -> None:
    """``setting`` says what was measured where, for the reader of the table."""
    (folder / "peers.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    (folder / "peers.md").write_text("\n".join(markdown(rows, left_out, setting)) + "\n")
    chart(folder / "peers.png", rows)
    for (precision, threads), models in comparisons(rows).items():
        ratios = [found.ratio for found in models.values() if found.ratio]
        if ratios:
            print(f"{precision} {times(threads)}: geometric mean of {len(ratios)} ratios {geometric_mean(ratios):.2f}")
    for text in reasons(left_out):
        print(f"left out: {text[2:]}")
    print(f"wrote {folder / 'peers.json'}, peers.md and peers.png")
