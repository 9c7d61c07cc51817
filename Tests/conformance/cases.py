"""The cases of ONNX's conformance suite, as the package `onnx` carries them."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test import loader

#: Folders of the suite: cases made by code, cases of the wheel's folders, whole nets.
KINDS = ("node", "simple", "pytorch-operator", "pytorch-converted", "light")


@dataclass
class Case:
    """One model with its data."""

    kind: str
    name: str
    rtol: float
    atol: float
    source: Any  # ModelProto, or the path of one

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.name}"

    def model(self) -> onnx.ModelProto:
        return self.source if isinstance(self.source, onnx.ModelProto) else onnx.load(self.source)


@dataclass
class NodeCase(Case):
    data: Any = None

    def data_sets(self) -> Iterator[tuple[list[Any], list[Any]]]:
        for inputs, outputs in self.data:
            yield [_array(x) for x in inputs], [_array(x) for x in outputs]


@dataclass
class FolderCase(Case):
    def data_sets(self) -> Iterator[tuple[list[Any], list[Any]]]:
        graph = self.model().graph
        folder = os.path.dirname(self.source)
        for name in sorted(n for n in os.listdir(folder) if n.startswith("test_data_set")):
            base = os.path.join(folder, name)
            yield _read(base, "input", graph.input), _read(base, "output", graph.output)


@dataclass
class LightCase(Case):
    """A net whose weights are constants made by operators: the input is the loader's, the outputs lie beside it."""

    def data_sets(self) -> Iterator[tuple[list[Any], list[Any]]]:
        graph = self.model().graph
        constants = {tensor.name for tensor in graph.initializer}
        inputs = []
        for value in graph.input:
            if value.name not in constants:
                shape = [d.dim_value or 1 for d in value.type.tensor_type.shape.dim]
                count = int(np.prod(shape))
                inputs.append((np.arange(count).reshape(shape) / count).astype(np.float32))
        stem = os.path.splitext(self.source)[0]
        outputs = [_proto(f"{stem}_output_{i}.pb", value.type) for i, value in enumerate(graph.output)]
        yield inputs, outputs


def _array(item: Any) -> Any:
    return numpy_helper.to_array(item) if isinstance(item, onnx.TensorProto) else item


def _read(folder: str, prefix: str, values: Any) -> list[Any]:
    count = len([n for n in os.listdir(folder) if n.startswith(prefix + "_")])
    return [_proto(os.path.join(folder, f"{prefix}_{i}.pb"), values[i].type) for i in range(count)]


def _proto(path: str, kind: onnx.TypeProto) -> Any:
    with open(path, "rb") as file:
        content = file.read()
    if kind.HasField("sequence_type"):
        return numpy_helper.to_list(onnx.SequenceProto.FromString(content))
    if kind.HasField("optional_type"):
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(content))
    return numpy_helper.to_array(onnx.TensorProto.FromString(content))


def load_cases(kinds: tuple[str, ...] = KINDS) -> list[Case]:
    """All cases, in a fixed order."""
    cases: list[Case] = []
    for kind in kinds:
        if kind == "node":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numpy's, about the overflows that the cases are about
                found = loader.load_node_model_tests()
            cases += [NodeCase(kind, c.name, c.rtol, c.atol, c.model, c.data_sets) for c in found]
        elif kind == "light":
            folder = os.path.join(loader.DATA_DIR, "light")
            nets = {c.name: c for c in loader.load_model_tests(kind="real")}
            for file in sorted(n for n in os.listdir(folder) if n.endswith(".onnx")):
                net = nets[file.replace("light_", "test_", 1).removesuffix(".onnx")]
                cases.append(LightCase(kind, net.name, net.rtol, net.atol, os.path.join(folder, file)))
        else:
            for c in loader.load_model_tests(kind=kind):
                cases.append(FolderCase(kind, c.name, c.rtol, c.atol, os.path.join(c.model_dir, "model.onnx")))
    order = {kind: index for index, kind in enumerate(kinds)}
    return sorted(cases, key=lambda c: (order[c.kind], c.name))


# What a case is about.


def operators(model: onnx.ModelProto) -> Counter[str]:
    """How often each operator stands in a model, its subgraphs and functions included."""
    count: Counter[str] = Counter()

    def walk(nodes: Any) -> None:
        for node in nodes:
            count[node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"] += 1
            for attribute in node.attribute:
                for graph in [attribute.g, *attribute.graphs]:
                    walk(graph.node)

    walk(model.graph.node)
    for function in model.functions:
        walk(function.node)
    return count


def opset(model: onnx.ModelProto) -> int:
    return max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)


def element_types(model: onnx.ModelProto) -> list[str]:
    """Element types at the borders of a model, in the specification's order."""
    found = set()
    for value in (*model.graph.input, *model.graph.output):
        kind = value.type
        if kind.HasField("optional_type"):
            kind = kind.optional_type.elem_type
        if kind.HasField("sequence_type"):
            kind = kind.sequence_type.elem_type
        found.add(kind.tensor_type.elem_type)
    return [onnx.TensorProto.DataType.Name(t).lower() for t in sorted(found) if t]


def subject(case: Case, names: dict[str, str]) -> str:
    """The operator that a node case is about. `names` has the operator of every case of a single node: cases of the same
    name with `_expanded` write the operator as the function that defines it."""
    base = re.sub(r"_expanded(_ver\d+)?$", "", case.name)
    return names.get(base) or names.get(case.name) or next(iter(operators(case.model())), "")
