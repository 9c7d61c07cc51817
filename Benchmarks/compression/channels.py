"""Channel pruning: that pruned networks equal masked ones, how much smaller they are, and how much faster.

The networks have random weights (Tests/python/channel_networks.py): what is measured is what 30 % of the channels weigh, not what
a trained network loses without them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import edgeai

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Tests/python"))
import channel_networks

FRACTION = 0.3
MULTIPLE = 8
SECONDS = 4.0


def _image(model: edgeai.Model) -> np.ndarray[Any, Any]:
    return np.random.default_rng(7).standard_normal((1, *(d or 1 for d in model.inputs[0].shape[1:])), dtype=np.float32)


def _equal(network: str) -> bool:
    """With the reference kernels, which sum in the order of the channels, for images small enough for them."""
    model = edgeai.load(channel_networks.network(network, 64))
    x = _image(model)
    pruned, masked = (
        edgeai.Session(edgeai.prune_channels(model, FRACTION, masked=masked).model, isa="reference")(x) for masked in (False, True)
    )
    return np.array_equal(pruned, masked)


def _speedup(before: edgeai.Model, after: edgeai.Model) -> float:
    """Least times of runs that take turns."""
    x = _image(before)
    sessions = [edgeai.Session(model, threads=1) for model in (before, after)]
    least = [float("inf")] * 2
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        for index, session in enumerate(sessions):
            start = time.perf_counter()
            session(x)
            least[index] = min(least[index], time.perf_counter() - start)
    return least[0] / least[1]


def cases(data: Path | None) -> Iterator[dict[str, Any]]:
    for network in channel_networks.NETWORKS:
        how = f"1 if the outputs of {network} with {FRACTION:.0%} of the channels pruned equal those with the same channels zeroed, reference kernels"
        yield {"case": f"channels_{network}_equal", "value": int(_equal(network)), "unit": "", "how": how}
        model = edgeai.load(channel_networks.network(network))
        for multiple in (1, MULTIPLE):
            result = edgeai.prune_channels(model, FRACTION, multiple=multiple)
            name = f"channels_{network}" if multiple == 1 else f"channels_{network}_by{multiple}"
            what = f"{FRACTION:.0%} of the channels of each layer pruned, counts a multiple of {multiple}"
            share = f"share of the original's that is left: {what}"
            yield {"case": f"{name}_parameters", "value": result.parameters_after / result.parameters_before, "unit": "", "how": share}
            yield {"case": f"{name}_macs", "value": result.macs_after / result.macs_before, "unit": "", "how": share}
            how = f"time of the original float32 network / that of the pruned one, one thread, least of runs that take turns: {what}"
            yield {"case": f"{name}_speedup", "value": _speedup(model, result.model), "unit": "x", "how": how}
