"""Small helpers for people-readable output."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


def bytes_text(count: float) -> str:
    """1536 -> '1.5 KB'."""
    for unit in ("B", "KB", "MB", "GB"):
        if abs(count) < 1024 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("unreachable")


def count_text(count: float) -> str:
    """1234567 -> '1.23M'."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.2f}{unit}"
    return f"{count:.0f}"


def shape_text(shape: Sequence[int | None], bounded_axis: int | None = None) -> str:
    """(None, 3, 224) -> 'N×3×224'; (100, 4) along axis 0 -> '0..100×4'."""
    sizes = ["N" if dim is None else str(dim) for dim in shape]
    if bounded_axis is not None:
        sizes[bounded_axis] = f"0..{sizes[bounded_axis]}"
    return "×".join(sizes) or "scalar"


def text_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in plain text, columns aligned."""
    cells = [list(header)] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def html_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The same for a notebook."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<p><b>{html.escape(title)}</b></p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
