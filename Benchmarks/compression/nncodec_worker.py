"""Codes the weights of an ONNX file, or the integers of an npz file, with nncodec (ISO/IEC 15938-17) and decodes them again.

    python nncodec_worker.py FILE.onnx QP > OUT
    python nncodec_worker.py FILE.npz > OUT

OUT: a line of JSON, {"bytes": size of the bitstream}, and the ONNX file with the decoded weights. Integers come back as they are. For an
interpreter with nncodec, which brings PyTorch and more: `pip install nncodec onnx "numpy<2"` in an environment of its own, named by
EDGEAI_NNCODEC_PYTHON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import Any

import numpy as np
from nncodec import nnc  # type: ignore[import-not-found]


def coded(arrays: dict[str, np.ndarray], **options: Any) -> tuple[int, dict[str, np.ndarray]]:
    """Bytes of the bitstream, and what it decodes to."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "bitstream.nnc")
        stream = nnc.compress(arrays, return_bitstream=True, bitstream_path=path, **options)
        return len(stream), nnc.decompress(stream)


def integers(path: str) -> tuple[int, bytes]:
    arrays = {name: array.astype(np.int32) for name, array in np.load(path).items()}
    size, decoded = coded(arrays)
    for name, array in arrays.items():
        if not np.array_equal(np.asarray(decoded[name]).reshape(array.shape), array):
            raise SystemExit(f"{name} was changed")
    return size, b""


def network(path: str, quality: int) -> tuple[int, bytes]:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = {name: np.array(array) for name, array in arrays.items() if array.dtype == np.float32 and array.size > 1}
    size, decoded = coded(weights, qp=quality, use_dq=True)
    for tensor in model.graph.initializer:
        if tensor.name in decoded:
            array = np.asarray(decoded[tensor.name], np.float32).reshape(arrays[tensor.name].shape)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    return size, model.SerializeToString()


def main() -> None:
    # What nncodec prints must not get into OUT.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    path = sys.argv[1]
    size, contents = integers(path) if path.endswith(".npz") else network(path, int(sys.argv[2]))
    out.write(json.dumps({"bytes": size}).encode() + b"\n" + contents)


if __name__ == "__main__":
    main()
