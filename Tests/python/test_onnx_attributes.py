"""Attributes of ONNX operators: those that an operator has are taken, all others are refused instead of ignored."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from test_onnx_compositions import build, compare, f32, i64

import edgeai
from edgeai import onnx_backend

sys.path.append(str(Path(__file__).resolve().parents[1] / "conformance"))

IMAGE = f32(1, 4, 6, 6)

#: Operator, inputs, operator set, attributes, and which of them the operator does not have.
STRANGE: list[tuple[str, list[Any], int, dict[str, Any], str]] = [
    ("Clip", [IMAGE], 13, {"min": 0.0}, "min"),
    ("ReduceMean", [IMAGE], 18, {"axes": [1], "keepdims": 1}, "axes"),
    ("ReduceSum", [IMAGE], 13, {"axes": [1]}, "axes"),
    ("Conv", [IMAGE, f32(2, 4, 2, 2)], 18, {"stride": [2, 2]}, "stride"),
    ("Softmax", [IMAGE], 13, {"axes": 1}, "axes"),
    ("Squeeze", [IMAGE], 13, {"axes": [0]}, "axes"),
    ("Unsqueeze", [IMAGE, i64(0)], 13, {"axes": [0]}, "axes"),
    ("Split", [IMAGE], 13, {"split": [1, 3], "axis": 1}, "split"),
    ("Slice", [IMAGE, i64(1), i64(3), i64(2)], 13, {"starts": [1]}, "starts"),
    ("Pad", [IMAGE, i64(0, 0, 0, 0, 0, 0, 1, 1)], 13, {"pads": [0, 0, 1, 1, 0, 0, 1, 1]}, "pads"),
    ("TopK", [IMAGE, i64(2)], 11, {"k": 2}, "k"),
    ("Dropout", [IMAGE], 13, {"ratio": 0.5}, "ratio"),
    ("Upsample", [IMAGE, np.float32([1, 1, 2, 2])], 9, {"scales": [1.0, 1.0, 2.0, 2.0]}, "scales"),
    ("Resize", [IMAGE, np.float32([1, 1, 2, 2])], 10, {"coordinate_transformation_mode": "align_corners"}, "coordinate_transformation_mode"),
    ("Resize", [IMAGE, np.float32([1, 1, 2, 2])], 10, {"nearest_mode": "ceil"}, "nearest_mode"),
    ("Relu", [IMAGE], 18, {"alpha": 0.1}, "alpha"),
    ("Attention", [IMAGE, IMAGE, IMAGE], 23, {"left_window_size": 1}, "left_window_size"),
    ("Add", [IMAGE, IMAGE], 7, {"broadcast": 1}, "broadcast"),
    ("Identity", [IMAGE], 18, {"to": 1}, "to"),
]


@pytest.mark.parametrize(("op", "arrays", "opset", "attributes", "strange"), STRANGE, ids=lambda p: p if isinstance(p, str) else "")
def test_attribute_that_the_operator_does_not_have(op: str, arrays: list[Any], opset: int, attributes: dict[str, Any], strange: str) -> None:
    content, _ = build(op, arrays, tuple(range(1, len(arrays))), opset, "", 2 if op in ("Split", "TopK") else 1, attributes)
    with pytest.raises(edgeai.ModelError, match=f"{op}: no attribute '{strange}' in operator set {opset}") as caught:
        edgeai.load(content)
    assert caught.value.node == "node" and caught.value.offset > 0
    # Without it the model loads, unless the attribute says what nothing else does.
    rest = {name: value for name, value in attributes.items() if name != strange}
    if op not in ("Squeeze", "Split"):
        edgeai.load(build(op, arrays, tuple(range(1, len(arrays))), opset, "", 2 if op == "TopK" else 1, rest)[0])


def test_strange_attributes_of_folded_nodes_and_of_bodies() -> None:
    shape = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Gather", ["s", "i"], ["g"], name="gather", axis=0, axes=0)]
    reshape = [*shape, helper.make_node("Reshape", ["x", "g"], ["y"])]
    graph = helper.make_graph(
        reshape, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [helper.make_tensor("i", TensorProto.INT64, [2], [1, 0])],
    )  # fmt: skip
    with pytest.raises(edgeai.ModelError, match="Gather: no attribute 'axes'") as caught:
        edgeai.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
    assert caught.value.node == "gather"

    branches = [
        helper.make_graph([helper.make_node(op, ["x"], ["z"], name=f"inner{op}", **extra)], op, [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, [2])])
        for op, extra in (("Relu", {}), ("Abs", {"alpha": 1.0}))
    ]
    node = helper.make_node("If", ["c"], ["y"], name="if", then_branch=branches[0], else_branch=branches[1])
    inputs = [helper.make_tensor_value_info("c", TensorProto.BOOL, []), helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])]
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])])
    with pytest.raises(edgeai.ModelError, match="Abs: no attribute 'alpha'"):
        edgeai.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())


#: Attributes that operators of older sets, or of com.microsoft, have, and that change nothing here.
HARMLESS: list[tuple[str, list[Any], int, str, dict[str, Any]]] = [
    ("Relu", [IMAGE], 5, "", {"consumed_inputs": [0]}),
    ("Add", [IMAGE, IMAGE], 6, "", {"axis": 0, "broadcast": 0}),
    ("Gemm", [f32(2, 3), f32(3, 4), f32(4)], 6, "", {"broadcast": 1}),
    ("Dropout", [IMAGE], 6, "", {"ratio": 0.5, "is_test": 1}),
    ("Dropout", [IMAGE], 10, "", {"ratio": 0.5}),
    ("Dropout", [IMAGE], 12, "", {"seed": 1}),
    ("BatchNormalization", [IMAGE, *(f32(4, low=0.5) for _ in range(4))], 6, "", {"is_test": 1, "momentum": 0.8, "spatial": 1}),
    ("GRU", [f32(3, 1, 4), f32(1, 6, 4), f32(1, 6, 2)], 6, "", {"hidden_size": 2, "output_sequence": 1}),
    ("Upsample", [IMAGE], 8, "", {"mode": "linear", "scales": [1.0, 1.0, 2.0, 2.0]}),
    ("MaxPool", [IMAGE], 8, "", {"kernel_shape": [2, 2], "storage_order": 1}),
    ("Clip", [IMAGE], 10, "", {"min": 0.0, "max": 1.0}),
    ("Pad", [IMAGE], 10, "", {"mode": "edge", "pads": [0, 0, 1, 1, 0, 0, 1, 1], "value": 1.0}),
    ("Conv", [IMAGE, f32(2, 4, 2, 2)], 18, "", {"auto_pad": "VALID", "pads": [0, 0, 0, 0]}),
    ("FusedConv", [IMAGE, f32(2, 4, 2, 2)], 18, "com.microsoft", {"activation": "Relu", "activation_params": [0.0]}),
    ("MultiHeadAttention", [f32(1, 3, 8)] * 3, 18, "com.microsoft", {"num_heads": 2, "mask_filter_value": -1e4, "unidirectional": 0}),
    ("Attention", [f32(1, 3, 8), f32(8, 24), f32(24)], 18, "com.microsoft",
     {"num_heads": 2, "past_present_share_buffer": 0, "rotary_embedding_dim": 0, "do_rotary": 0}),
    ("QuantizeLinear", [IMAGE, np.float32(0.1), np.uint8(128)], 18, "com.microsoft", {"axis": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "arrays", "opset", "domain", "attributes"), HARMLESS, ids=lambda p: p if isinstance(p, str) else "")
def test_attribute_that_changes_nothing(op: str, arrays: list[Any], opset: int, domain: str, attributes: dict[str, Any]) -> None:
    edgeai.load(build(op, arrays, tuple(range(1, len(arrays))), opset, domain, 1, attributes)[0])


def test_every_attribute_of_the_specification_is_known() -> None:
    """The suite's cases, each node with all attributes that its schema has a standard value for: none may be called strange."""
    from cases import load_cases

    expected = (Path(__file__).resolve().parents[1] / "conformance" / "expected.txt").read_text().split()
    passing, count, complaints = set(expected), 0, set()
    for case in load_cases(("node",)):
        if case.key not in passing or "_expanded" in case.name:
            continue
        model = case.model()
        opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
        before = count
        for node in model.graph.node:
            if node.domain not in ("", "ai.onnx"):
                continue
            given = {attribute.name for attribute in node.attribute}
            for name, about in onnx.defs.get_schema(node.op_type, opset).attributes.items():
                if name not in given and about.default_value.type:
                    node.attribute.append(about.default_value)
                    count += 1
        if count == before:
            continue
        try:
            representation = onnx_backend.prepare(model)
            for inputs, _ in case.data_sets():
                representation.run(inputs)
        except edgeai.ModelError as error:
            if "no attribute" in str(error):
                complaints.add(f"{case.name}: {error}")
    assert not complaints, sorted(complaints)
    assert count > 1000


def test_attributes_beside_each_other() -> None:
    """Those that only some values of others make matter."""
    for mode in ("nearest", "linear"):
        compare(
            "Resize", [IMAGE, None, np.float32([1, 1, 2, 2])], (2,), mode=mode, cubic_coeff_a=-0.5, exclude_outside=0, extrapolation_value=3.0, antialias=0,
            nearest_mode="floor", coordinate_transformation_mode="asymmetric",
        )  # fmt: skip
    compare("ReduceMean", [IMAGE, i64(1)], (1,), noop_with_empty_axes=1, keepdims=0)
