"""The suite's cases in float64: what an engine should give, where the numbers stored with a case are rounded too coarsely."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

#: Types that become float64.
NARROW = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)


def outputs(model: onnx.ModelProto, inputs: list[Any]) -> list[Any]:
    """What ONNX's reference evaluator computes when every floating type of a model is float64."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    graph = wide.graph
    for info in (*graph.input, *graph.output, *graph.value_info):
        if info.type.tensor_type.elem_type in NARROW:
            info.type.tensor_type.elem_type = TensorProto.DOUBLE
    for tensor in graph.initializer:
        _widen(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _widen(attribute.t)
            if attribute.name in ("to", "dtype") and attribute.i in NARROW:
                attribute.i = TensorProto.DOUBLE
    names = [i.name for i in graph.input if i.name not in {t.name for t in graph.initializer}]
    arrays = [a.astype(np.float64) if a.dtype.kind in "fV" else a for a in map(np.asarray, inputs)]
    return list(ReferenceEvaluator(wide).run(None, dict(zip(names, arrays, strict=False))))


def _widen(tensor: TensorProto) -> None:
    if tensor.data_type in NARROW:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
