"""Codes the weights of an ONNX file with nncodec (ISO/IEC 15938-17) and decodes them again.

    python nncodec_worker.py FILE QP > OUT

OUT: a line of JSON, {"bytes": size of the bitstream}, and the ONNX file with the decoded weights. For an interpreter with nncodec,
which brings PyTorch and more: `pip install nncodec` in an environment of its own, named by EDGEAI_NNCODEC_PYTHON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

import numpy as np
import onnx
from nncodec import nnc  # type: ignore[import-not-found]
from onnx import numpy_helper


def main() -> None:
    model = onnx.load(sys.argv[1])
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = {name: np.array(array) for name, array in arrays.items() if array.dtype == np.float32 and array.size > 1}
    # What nncodec prints must not get into OUT.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        stream = nnc.compress(
            weights, qp=int(sys.argv[2]), use_dq=True, return_bitstream=True, bitstream_path=os.path.join(folder, "bitstream.nnc")
        )
        decoded = nnc.decompress(stream)
    for tensor in model.graph.initializer:
        if tensor.name in decoded:
            array = np.asarray(decoded[tensor.name], np.float32).reshape(arrays[tensor.name].shape)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    out.write(json.dumps({"bytes": len(stream)}).encode() + b"\n" + model.SerializeToString())


if __name__ == "__main__":
    main()
