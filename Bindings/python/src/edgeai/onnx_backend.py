"""The engine behind ONNX's own interface for backends: ``onnx.backend.base``. Needs the package ``onnx`` (``edgeai[onnx]``).

>>> import edgeai.onnx_backend as backend
>>> representation = backend.prepare(onnx.load("net.onnx"))
>>> outputs = representation.run([x])

The module itself serves as a backend, so ``onnx.backend.test.BackendTest(edgeai.onnx_backend, __name__)`` runs the
official conformance suite.

A network is planned when its arrays are first seen: their shapes are known then, and so are the values of those inputs
that the engine wants as constants (see :data:`PARAMETERS`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, shape_inference
from onnx.backend.base import Backend, BackendRep, namedtupledict
from onnx.defs import onnx_opset_version

from ._checks import refusal
from .errors import EdgeAIError, FreeShapeError, UnsupportedOpError
from .model import Model, check, load
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .profile import Step

#: Element types, as numpy names them, of the arrays that go in.
ELEMENT_TYPES = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 bfloat16 float32 float64".split()
)

#: Plans a representation keeps, those used last.
PLANS_KEPT = 8

#: Inputs, by position, that say what an operator does rather than what it works on. When a graph input leads to one of
#: them, and the engine does not take it as it comes, its value becomes part of the plan.
PARAMETERS: dict[str, tuple[int, ...]] = {
    "AffineGrid": (1,),
    "BlackmanWindow": (0,),
    "CenterCropPad": (1,),
    "Clip": (1, 2),
    "Col2Im": (1, 2),
    "Compress": (1,),
    "ConstantOfShape": (0,),
    "CumProd": (1,),
    "CumSum": (1,),
    "DFT": (1, 2),
    "Dropout": (1, 2),
    "Expand": (1,),
    "HammingWindow": (0,),
    "HannWindow": (0,),
    "Loop": (0, 1),
    "MaxUnpool": (2,),
    "MelWeightMatrix": (0, 1, 2, 3, 4),
    "NonMaxSuppression": (2, 3, 4),
    "OneHot": (1,),
    "Pad": (1, 2, 3),
    "Range": (0, 1, 2),
    "ReduceL1": (1,),
    "ReduceL2": (1,),
    "ReduceLogSum": (1,),
    "ReduceLogSumExp": (1,),
    "ReduceMax": (1,),
    "ReduceMean": (1,),
    "ReduceMin": (1,),
    "ReduceProd": (1,),
    "ReduceSum": (1,),
    "ReduceSumSquare": (1,),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "STFT": (1, 3),
    "SequenceAt": (1,),
    "SequenceErase": (1,),
    "SequenceInsert": (2,),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "SplitToSequence": (1,),
    "Squeeze": (1,),
    "Tile": (1, 2),
    "TopK": (1,),
    "Trilu": (1,),
    "Unsqueeze": (1,),
    "Upsample": (1,),
}

#: Inputs that hold weights, scales and zero points: constants in a network, though test cases pass them as inputs.
WEIGHTS: dict[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2, 3, 4),
    "Conv": (1, 2),
    "ConvInteger": (1, 2, 3),
    "ConvTranspose": (1, 2),
    "DeformConv": (1, 3),
    "DequantizeLinear": (1, 2),
    "GRU": (1, 2, 3),
    "Gemm": (1, 2),
    "GroupNormalization": (1, 2),
    "InstanceNormalization": (1, 2),
    "LSTM": (1, 2, 3, 7),
    "LayerNormalization": (1, 2),
    "MatMulInteger": (2, 3),
    "PRelu": (1,),
    "QLinearConv": (1, 2, 3, 4, 5, 6, 7, 8),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    "QuantizeLinear": (1, 2),
    "RMSNormalization": (1,),
    "RNN": (1, 2, 3),
    "RotaryEmbedding": (1, 2),
}


def _subgraphs(node: NodeProto) -> Iterable[GraphProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def _leading_to(graph: GraphProto, table: Mapping[str, tuple[int, ...]], wanted: set[str]) -> set[str]:
    """Adds to ``wanted`` every tensor from which an input of the table's positions is computed."""
    for node in reversed(graph.node):
        for inner in _subgraphs(node):
            if wanted.intersection(node.output):
                wanted.update(output.name for output in inner.output)
            _leading_to(inner, table, wanted)
        if node.domain in ("", "ai.onnx"):
            for position in table.get(node.op_type, ()):
                if position < len(node.input) and node.input[position]:
                    wanted.add(node.input[position])
        # Only the shape of what these read matters.
        if node.op_type not in ("Shape", "Size") and wanted.intersection(node.output):
            wanted.update(name for name in node.input if name)
    return wanted


class EdgeAIBackendRep(BackendRep):
    """A model ready to be planned for the arrays it is given."""

    def __init__(self, model: ModelProto, *, threads: int = 1) -> None:
        self._bytes = model.SerializeToString()
        self._threads = threads
        constants = {tensor.name for tensor in model.graph.initializer}
        self.input_names = tuple(i.name for i in model.graph.input if i.name not in constants)
        self.output_names = tuple(o.name for o in model.graph.output)
        parameters = _leading_to(model.graph, PARAMETERS, set())
        weights = _leading_to(model.graph, {**PARAMETERS, **WEIGHTS}, set())
        #: What may become constant, in the order in which it is tried: nothing, parameters, weights too.
        self._bindings = list(dict.fromkeys(
            tuple(name for name in self.input_names if name in names) for names in (set[str](), parameters, weights)
        ))
        self._sessions: OrderedDict[Any, tuple[Session, tuple[str, ...]]] = OrderedDict()

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs, in the order of the model's.

        Args:
            inputs: Arrays in the order of the graph's inputs without its initializers, or a mapping by name. One array
                stands for itself.
            kwargs: Not used.

        Raises:
            UnsupportedOpError: The engine cannot run the model on these inputs; the message lists all reasons.
            EdgeAIError: Another fault of the model or its inputs.
        """
        arrays = self._arrays(inputs)
        session, bound = self._session(arrays)
        outputs = session.run({name: array for name, array in arrays.items() if name not in bound})
        result: tuple[Any, ...] = namedtupledict("Outputs", list(self.output_names))(*outputs)
        return result

    @property
    def plan(self) -> tuple[Step, ...]:
        """The steps of the plan used last; empty before the first run."""
        return next(reversed(self._sessions.values()))[0].plan if self._sessions else ()

    @property
    def bound(self) -> tuple[str, ...]:
        """The inputs that are constants of the plan used last."""
        return next(reversed(self._sessions.values()))[1] if self._sessions else ()

    def _arrays(self, inputs: Any) -> dict[str, np.ndarray[Any, Any]]:
        if isinstance(inputs, Mapping):
            given = dict(inputs)
        else:
            listed = inputs if isinstance(inputs, (list, tuple)) else [inputs]
            if len(listed) > len(self.input_names):
                raise refusal(f"{len(listed)} arrays for the inputs {list(self.input_names)}")
            given = dict(zip(self.input_names, listed, strict=False))
        missing = [name for name in self.input_names if name not in given]
        if missing or len(given) > len(self.input_names):
            raise refusal(f"the model's inputs are {list(self.input_names)}; arrays were given for {sorted(given)}")
        for name, array in given.items():
            dtype = None if array is None or isinstance(array, (list, dict)) else np.asarray(array).dtype
            if dtype is None or dtype.name not in ELEMENT_TYPES:
                message = f"input {name!r} is not a tensor" if dtype is None else f"input {name!r} has the element type {dtype}"
                message += ", which is not supported"
                raise UnsupportedOpError(401, "EDGEAI_ERROR_UNSUPPORTED_FEATURE", message, tensor=name)
        return {name: np.ascontiguousarray(given[name]).reshape(np.shape(given[name])) for name in self.input_names}

    def _session(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> tuple[Session, tuple[str, ...]]:
        shapes = tuple((array.shape, array.dtype.str) for array in arrays.values())
        for bound in self._bindings:
            key = (shapes, bound, tuple(arrays[name].tobytes() for name in bound))
            if key in self._sessions:
                self._sessions.move_to_end(key)
                return self._sessions[key]
        unsupported: UnsupportedOpError | None = None
        for bound in self._bindings:
            try:
                session = Session(self._specialised(arrays, bound), threads=self._threads, check_finite=False)
            except UnsupportedOpError as error:
                unsupported = error
                continue
            key = (shapes, bound, tuple(arrays[name].tobytes() for name in bound))
            self._sessions[key] = (session, bound)
            if len(self._sessions) > PLANS_KEPT:
                self._sessions.popitem(last=False)[1][0].close()
            return session, bound
        assert unsupported is not None
        raise unsupported

    def _specialised(self, arrays: Mapping[str, np.ndarray[Any, Any]], bound: Sequence[str]) -> Model:
        shapes = {name: array.shape for name, array in arrays.items() if name not in bound}
        return load(self._bytes, shapes=shapes, values={name: arrays[name] for name in bound})


class EdgeAIBackend(Backend):
    """``onnx.backend.base.Backend``; also available as the functions of this module."""

    @classmethod
    def is_compatible(cls, model: ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether the engine knows every operator of a model. Sequences as inputs or outputs, texts and custom operators are never
        compatible;
        attributes and shapes are judged by :meth:`EdgeAIBackendRep.run` only, which sees the arrays."""
        if not cls.supports_device(device):
            return False
        values = (*model.graph.input, *model.graph.output)
        if not all(v.type.HasField("tensor_type") and v.type.tensor_type.elem_type != TensorProto.STRING for v in values):
            return False
        try:
            reasons = check(model.SerializeToString()).unsupported
        except FreeShapeError:
            return True  # the operators at least are known
        except EdgeAIError:
            return False
        unknown = ("the operator is not supported", "quantized ONNX models", "model-local functions")
        return not any(u.reason.startswith(unknown) for u in reasons)

    @classmethod
    def prepare(cls, model: ModelProto, device: str = "CPU", **kwargs: Any) -> EdgeAIBackendRep:
        """A representation that :meth:`EdgeAIBackendRep.run` runs.

        Args:
            model: An inference model; weights in other files must have been loaded into it.
            device: "CPU".
            kwargs: ``threads``: working threads, the caller's included. Others are not used.
        """
        if not cls.supports_device(device):
            raise refusal(f"there is no device {device!r}; models run on CPU")
        super().prepare(model, device, **kwargs)  # the specification's own check
        return EdgeAIBackendRep(model, threads=int(kwargs.get("threads", 1)))

    @classmethod
    def run_model(cls, model: ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        """Runs a model once."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[np.dtype[Any], tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Runs one operator.

        Args:
            node: The operator.
            inputs: Its inputs, absent ones left out.
            device: "CPU".
            outputs_info: Element type and shape of each output; without it they follow from the operator.
            kwargs: ``opset_version``: of the default domain, else the newest that the engine reads.
        """
        super().run_node(node, inputs, device, outputs_info, **kwargs)
        arrays = [np.asarray(a) for a in (inputs if isinstance(inputs, (list, tuple)) else [inputs])]
        present = [name for name in node.input if name]
        results = [name for name in node.output if name]

        def value(name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
            return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)

        ends = [value(n, a.dtype, a.shape) for n, a in zip(present, arrays, strict=True)]
        if outputs_info is None:
            outs = [helper.make_empty_tensor_value_info(n) for n in results]  # inferred below
        else:
            outs = [value(n, np.dtype(t), s) for n, (t, s) in zip(results, outputs_info, strict=True)]
        graph = helper.make_graph([node], "node", ends, outs)
        opset = helper.make_opsetid("", int(kwargs.get("opset_version", NEWEST_OPSET)))
        model = helper.make_model(graph, opset_imports=[opset])
        if outputs_info is None:
            model = shape_inference.infer_shapes(model)
        return EdgeAIBackendRep(model, threads=int(kwargs.get("threads", 1))).run(arrays)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether models run on a device, "CPU" being the only one."""
        return device.split(":")[0] == "CPU"


#: The newest operator set that the importer reads.
NEWEST_OPSET = min(28, onnx_opset_version())


is_compatible = EdgeAIBackend.is_compatible
prepare = EdgeAIBackend.prepare
run_model = EdgeAIBackend.run_model
run_node = EdgeAIBackend.run_node
supports_device = EdgeAIBackend.supports_device
