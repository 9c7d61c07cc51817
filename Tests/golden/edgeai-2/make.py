#!/usr/bin/env python3
"""Writes the files beside this script: networks in version 1, and the same networks in version 2 as this release codes them.

NAME-coded-CODING-RELEASE.edgeai decodes to NAME.edgeai, for ever; a later encoder may write other bytes. The files are never
changed; a release that codes differently adds its own: make.py RELEASE. Needs the edgeai package.
"""
from __future__ import annotations

import math
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "edgeai"))

from make import F32, I8, INF, U8, File, clamp, f32, noise, per_tensor, u8, weights  # noqa: E402

import edgeai  # noqa: E402


def forms() -> File:
    """x -> y, and a constant for every form that values have."""
    file = File("forms")
    x = file.input((-1, 3))
    y = file.value("y", (-1, 3))
    file.node(6, u8(0) + f32(0, INF), [x], [y], "relu")
    file.outputs = [y]

    def constant(name: str, dims: tuple[int, ...], values: list[float]) -> None:
        file.value(name, dims, F32, None, f32(*values))

    random = noise(4000, 5)
    unit = [value / 128 for value in random]
    constant("list", (5,), [0.1, -0.0, math.nan, 7e30, -1e-40])
    constant("split", (30, 40), [a * b + 0.37 * c for a, b, c in zip(unit, unit[1200:], unit[2400:])][:1200])
    constant("grid", (20, 30), [round(v * 9) * struct.unpack("<f", f32(0.037))[0] for v in unit[:600]])
    constant("pruned", (40, 30), [v if v > 0.9 and i % 30 > 9 else 0 for i, v in enumerate(unit[:1200])])
    scales = [struct.unpack("<f", f32(0.1 + 0.07 * row))[0] for row in range(20)]
    constant("ternary", (20, 30), [scales[i // 30] * (v > 0.4) - scales[i // 30] * (v < -0.4) + 0.0 for i, v in enumerate(unit[:600])])
    constant("same", (9,), [2.5] * 9)
    file.value("int8", (40, 60), I8, None, struct.pack("<2400b", *random[:2400]))
    file.value("uint8", (12,), U8, None, bytes(range(12)))
    constant("empty", (0, 3), [])
    return file


def layer() -> File:
    """An integer layer large enough for fixed probabilities, whose bias has scales that are products."""
    file = File("layer")
    x = file.input((-1, 80))
    xq = file.value("x_q", (-1, 80), U8, per_tensor(1 / 64, 128))
    yq = file.value("y_q", (-1, 64), U8, per_tensor(1, 120))
    y = file.value("y", (-1, 64))
    w, b = weights(file, (64, 80))
    file.node(21, b"", [x], [xq], "quantize")
    file.node(3, clamp(), [xq, w, b], [yq], "dense")
    file.node(22, b"", [yq], [y], "dequantize")
    file.outputs = [y]
    return file


def main(release: str) -> None:
    plain = {"forms": forms().bytes(), "int8-layer": layer().bytes()}
    for name in ("int8-convolution", "gather", "control"):
        plain[name] = (HERE.parent / f"edgeai/{name}.edgeai").read_bytes()
    for name, data in plain.items():
        model = edgeai.load(data)
        assert model.to_bytes() == data, name
        (HERE / f"{name}.edgeai").write_bytes(data)
        for coding in ("huffman", "adaptive"):
            (HERE / f"{name}-coded-{coding}-{release}.edgeai").write_bytes(model.to_bytes(coding=coding))


if __name__ == "__main__":
    main(sys.argv[1])
