"""Deep Compression (Han, Mao, Dally 2016) of both LeNets: bytes of the complete file, and its error.

The network after surgery gets weights on grids (`quantize_weights`, at a price fixed beforehand) and is coded adaptively. The file is
what `save` writes: graph, names, grids, biases and weights; it is read back before it is judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import data
import learning
import surgery

import edgeai

PRICES = {"lenet300": 0.0016, "lenet5": 0.0012}


def cases(images: str, prefix: str) -> Iterator[dict[str, Any]]:
    pictures = data.load(images)
    for name, price in PRICES.items():
        network = surgery.sparse(name, images)
        shape = [size for size in network.inputs[0].shape[1:] if size is not None]
        samples = pictures.train[:2000].reshape(-1, *shape)
        made = edgeai.quantize_weights(
            network, price, data=samples, sensitivity_samples=500, report_samples=0, threads=learning.THREADS
        ).model
        file = made.to_bytes(coding="adaptive")
        whole = 4 * surgery.RECIPES[name].parameters
        yield learning.row(
            f"{prefix}dc_{name}_ratio", whole / len(file), "x",
            f"{whole:,} bytes of float32 parameters, {len(file):,} of the complete file; price {price:g}",
        )  # fmt: skip
        yield learning.row(
            f"{prefix}dc_{name}_error", learning.error(edgeai.load(file), pictures), "%", "that file, of the 10,000 test images"
        )
