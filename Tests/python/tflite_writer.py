"""Writes small TFLite files, whole or broken, with the standard library alone."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

# Values of the schema's enumerations, as far as the tests use them.
TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9, "float64": 10, "uint64": 12, "resource": 13, "uint32": 15, "uint16": 16}
CODES = {
    "ADD": 0, "AVERAGE_POOL_2D": 1, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "DEPTH_TO_SPACE": 5, "DEQUANTIZE": 6,
    "EMBEDDING_LOOKUP": 7, "FLOOR": 8, "FULLY_CONNECTED": 9, "L2_NORMALIZATION": 11, "L2_POOL_2D": 12, "LOCAL_RESPONSE_NORMALIZATION": 13,
    "LOGISTIC": 14, "LSTM": 16, "MAX_POOL_2D": 17, "MUL": 18, "RELU": 19, "RELU_N1_TO_1": 20, "RELU6": 21, "RESHAPE": 22,
    "RESIZE_BILINEAR": 23, "SOFTMAX": 25, "SPACE_TO_DEPTH": 26, "SVDF": 27, "TANH": 28, "CALL": 31, "CUSTOM": 32, "PAD": 34,
    "UNIDIRECTIONAL_SEQUENCE_RNN": 35, "GATHER": 36, "BATCH_TO_SPACE_ND": 37, "SPACE_TO_BATCH_ND": 38, "TRANSPOSE": 39, "MEAN": 40,
    "SUB": 41, "DIV": 42, "SQUEEZE": 43, "UNIDIRECTIONAL_SEQUENCE_LSTM": 44, "STRIDED_SLICE": 45, "BIDIRECTIONAL_SEQUENCE_RNN": 46,
    "EXP": 47, "TOPK_V2": 48, "SPLIT": 49, "LOG_SOFTMAX": 50, "BIDIRECTIONAL_SEQUENCE_LSTM": 52, "CAST": 53, "PRELU": 54, "MAXIMUM": 55,
    "ARG_MAX": 56, "MINIMUM": 57, "LESS": 58, "NEG": 59, "PADV2": 60, "GREATER": 61, "GREATER_EQUAL": 62, "LESS_EQUAL": 63, "SELECT": 64,
    "SLICE": 65, "SIN": 66, "TRANSPOSE_CONV": 67, "TILE": 69, "EXPAND_DIMS": 70, "EQUAL": 71, "NOT_EQUAL": 72, "LOG": 73, "SUM": 74,
    "SQRT": 75, "RSQRT": 76, "SHAPE": 77, "POW": 78, "ARG_MIN": 79, "REDUCE_PROD": 81, "REDUCE_MAX": 82, "PACK": 83, "LOGICAL_OR": 84,
    "ONE_HOT": 85, "LOGICAL_AND": 86, "LOGICAL_NOT": 87, "UNPACK": 88, "REDUCE_MIN": 89, "FLOOR_DIV": 90, "REDUCE_ANY": 91, "SQUARE": 92,
    "ZEROS_LIKE": 93, "FILL": 94, "FLOOR_MOD": 95, "RANGE": 96, "RESIZE_NEAREST_NEIGHBOR": 97, "LEAKY_RELU": 98, "SQUARED_DIFFERENCE": 99,
    "MIRROR_PAD": 100, "ABS": 101, "SPLIT_V": 102, "CEIL": 104, "REVERSE_V2": 105, "ADD_N": 106, "GATHER_ND": 107, "COS": 108,
    "RANK": 110, "ELU": 111, "REVERSE_SEQUENCE": 112, "QUANTIZE": 114, "ROUND": 116, "HARD_SWISH": 117, "IF": 118, "WHILE": 119, "NON_MAX_SUPPRESSION_V4": 120,
    "NON_MAX_SUPPRESSION_V5": 121, "SCATTER_ND": 122, "SELECT_V2": 123, "DENSIFY": 124, "SEGMENT_SUM": 125, "BATCH_MATMUL": 126,
    "CUMSUM": 128, "CALL_ONCE": 129, "BROADCAST_TO": 130, "REDUCE_ALL": 140, "VAR_HANDLE": 142, "READ_VARIABLE": 143,
    "ASSIGN_VARIABLE": 144, "BROADCAST_ARGS": 145, "GELU": 150, "DYNAMIC_UPDATE_SLICE": 151, "RELU_0_TO_1": 152, "SIGN": 158,
    "BITCAST": 159, "BITWISE_XOR": 160, "RIGHT_SHIFT": 161,
}
#: Options tables: number in the union, then the fields in their order with their types ("[i]" is a vector).
OPTIONS = {
    "Conv2D": (1, "b padding, i stride_w, i stride_h, b activation, i dilation_w, i dilation_h"),
    "DepthwiseConv2D": (2, "b padding, i stride_w, i stride_h, i multiplier, b activation, i dilation_w, i dilation_h"),
    "Pool2D": (5, "b padding, i stride_w, i stride_h, i width, i height, b activation"),
    "SVDF": (6, "i rank, b activation, b asymmetric"),
    "FullyConnected": (8, "b activation, b format, b keep_dims"),
    "Softmax": (9, "f beta"),
    "Concatenation": (10, "i axis, b activation"),
    "Add": (11, "b activation, b pot_scale"),
    "L2Norm": (12, "b activation"),
    "LocalResponseNormalization": (13, "i radius, f bias, f alpha, f beta"),
    "ResizeBilinear": (15, "i old_height, i old_width, b align_corners, b half_pixel"),
    "Call": (16, "I subgraph"),
    "Reshape": (17, "[i] shape"),
    "SpaceToDepth": (19, "i block"),
    "Mul": (21, "b activation"),
    "Gather": (23, "i axis, i batch_dims"),
    "Reducer": (27, "b keep_dims"),
    "Sub": (28, "b activation, b pot_scale"),
    "Div": (29, "b activation"),
    "Squeeze": (30, "[i] axes"),
    "SequenceRNN": (31, "b time_major, b activation"),
    "StridedSlice": (32, "i begin_mask, i end_mask, i ellipsis_mask, i new_axis_mask, i shrink_mask, b offset"),
    "Split": (35, "i parts"),
    "TransposeConv": (49, "b padding, i stride_w, i stride_h, b activation"),
    "ArgMax": (40, "b output_type"),
    "ArgMin": (57, "b output_type"),
    "Pack": (59, "i count, i axis"),
    "OneHot": (61, "i axis"),
    "Unpack": (64, "i count, i axis"),
    "BidirectionalSequenceLSTM": (69, "b activation, f cell_clip, f proj_clip, b merge, b time_major"),
    "BidirectionalSequenceRNN": (70, "b time_major, b activation, b merge"),
    "UnidirectionalSequenceLSTM": (71, "b activation, f cell_clip, f proj_clip, b time_major, b asymmetric, b diagonal"),
    "ResizeNearestNeighbor": (74, "b align_corners, b half_pixel"),
    "LeakyRelu": (75, "f alpha"),
    "MirrorPad": (77, "b mode"),
    "SplitV": (79, "i parts"),
    "ReverseSequence": (87, "i seq_dim, i batch_dim"),
    "If": (92, "i then, i other"),
    "While": (93, "i condition, i body"),
    "DepthToSpace": (94, "i block"),
    "BatchMatMul": (101, "b adj_x, b adj_y"),
    "Cumsum": (102, "b exclusive, b reverse"),
    "CallOnce": (103, "i subgraph"),
    "VarHandle": (111, "str container, str shared"),
    "Gelu": (116, "b approximate"),
}


class Writer:
    """A flatbuffer, written from the root on: every offset points forward to what is appended later."""

    def __init__(self) -> None:
        self.out = bytearray()

    def align(self, size: int) -> None:
        self.out += bytes(-len(self.out) % size)

    def point(self, place: int) -> None:
        struct.pack_into("<I", self.out, place, len(self.out) - place)

    def vector(self, place: int, kind: str, items: Any) -> None:
        size = struct.calcsize("<" + kind)
        # The elements come after a count of four bytes, and buffers are wanted at multiples of 16.
        goal = 16 if kind == "B" else max(size, 4)
        while (len(self.out) + 4) % goal:
            self.out += b"\0"
        self.point(place)
        self.out += struct.pack("<I", len(items))
        self.out += bytes(items) if kind == "B" else struct.pack(f"<{len(items)}{kind}", *items)

    def tables(self, place: int, items: list[dict[int, Any]]) -> None:
        self.align(4)
        self.point(place)
        self.out += struct.pack("<I", len(items)) + bytes(4 * len(items))
        first = len(self.out) - 4 * len(items)
        for index, item in enumerate(items):
            self.table(first + 4 * index, item)

    def table(self, place: int, fields: dict[int, Any]) -> None:
        """`fields`: number -> (kind, value). Kinds: a struct letter, "[x]" vectors of those, "str", "table", "tables"."""
        sizes = {n: struct.calcsize("<" + kind) if len(kind) == 1 else 4 for n, (kind, _) in fields.items()}
        offsets: dict[int, int] = {}
        end = 4
        for number in sorted(fields, key=lambda n: -sizes[n]):
            end += -end % sizes[number]
            offsets[number] = end
            end += sizes[number]
        count = max(fields, default=-1) + 1
        self.align(8)
        vtable = len(self.out)
        self.out += struct.pack("<HH", 4 + 2 * count, end)
        for number in range(count):
            self.out += struct.pack("<H", offsets.get(number, 0))
        self.align(8)
        start = len(self.out)
        self.point(place)
        self.out += struct.pack("<i", start - vtable) + bytes(end - 4)
        for number, (kind, value) in fields.items():
            where = start + offsets[number]
            if len(kind) == 1:
                struct.pack_into("<" + kind, self.out, where, value)
            elif kind == "str":
                data = value.encode() if isinstance(value, str) else value
                self.align(4)
                self.point(where)
                self.out += struct.pack("<I", len(data)) + data + b"\0"
            elif kind == "table":
                self.table(where, value)
            elif kind == "tables":
                self.tables(where, value)
            else:
                self.vector(where, kind[1], value)


def write(root: dict[int, Any], identifier: bytes = b"TFL3") -> bytes:
    """A file with this root table."""
    writer = Writer()
    writer.out += bytes(4) + identifier
    writer.table(0, root)
    return bytes(writer.out)


def flexbuffer(numbers: dict[str, Any]) -> bytes:
    """A FlexBuffer of one map of numbers, each four bytes wide: the options of a custom operator."""
    out, places = bytearray(), {}
    for key in sorted(numbers):
        places[key] = len(out)
        out += key.encode() + b"\0"
    out += bytes(-len(out) % 4) + struct.pack("<I", len(places))
    keys = len(out)
    for place in places.values():
        out += struct.pack("<I", len(out) - place)
    out += struct.pack("<III", len(out) - keys, 4, len(places))
    values, types = len(out), b""
    for key in places:
        number = numbers[key]
        kind = 26 if isinstance(number, bool) else 3 if isinstance(number, float) else 1
        out += struct.pack("<f" if kind == 3 else "<i", number)
        types += bytes([kind << 2 | 2])
    out += types
    return bytes(out + struct.pack("<IBB", len(out) - values, 9 << 2 | 2, 4))


@dataclass
class Network:
    """A graph under construction; tensors are known by their index."""

    tensors: list[dict[int, Any]] = field(default_factory=list)
    buffers: list[dict[int, Any]] = field(default_factory=lambda: [{}])
    codes: list[dict[int, Any]] = field(default_factory=list)
    operators: list[dict[int, Any]] = field(default_factory=list)
    #: Tables of the graphs after the first.
    graphs: list[dict[int, Any] | None] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def tensor(
        self,
        name: str,
        shape: Any,
        kind: str = "float32",
        data: bytes | None = None,
        scale: Any = None,
        zero: Any = 0,
        axis: int = 0,
        free: bool = False,
        **more: Any,
    ) -> int:
        """Adds a tensor. `scale`, `zero`: numbers or lists; `free`: the first dimension is -1 in the signature."""
        fields: dict[int, Any] = {0: ("[i]", list(shape)), 1: ("b", TYPES[kind]), 3: ("str", name)}
        if data is not None:
            fields[2] = ("I", len(self.buffers))
            self.buffers.append({0: ("[B]", data)})
        if scale is not None:
            scales = list(scale) if isinstance(scale, (list, tuple)) else [scale]
            zeros = list(zero) if isinstance(zero, (list, tuple)) else [zero] * len(scales)
            fields[4] = ("table", {2: ("[f]", scales), 3: ("[q]", zeros), 6: ("i", axis)})
        if free:
            fields[7] = ("[i]", [-1, *list(shape)[1:]])
        fields.update({int(k[1:]): v for k, v in more.items()})
        self.tensors.append(fields)
        return len(self.tensors) - 1

    def operator(self, name: str, inputs: list[int], outputs: list[int], options: str = "", **values: Any) -> None:
        """Adds an operator; `values` are the fields of its options table."""
        code = CODES[name] if name in CODES else int(name)
        # LiteRT knows BROADCAST_TO from its second version on.
        fields: dict[int, Any] = {0: ("b", min(code, 127)), 2: ("i", 2 if name == "BROADCAST_TO" else 1), 3: ("i", code)}
        if name == "CUSTOM":
            fields[1] = ("str", values.pop("custom"))
        self.codes.append(fields)
        node: dict[int, Any] = {0: ("I", len(self.codes) - 1), 1: ("[i]", inputs), 2: ("[i]", outputs)}
        if "custom_options" in values:
            node[5] = ("[B]", values.pop("custom_options"))
        if options:
            number, layout = OPTIONS[options]
            table = {}
            for index, part in enumerate(layout.split(", ")):
                kind, label = part.split(" ")
                if label in values:
                    table[index] = (kind, values.pop(label))
            node[3] = ("B", number)
            node[4] = ("table", table)
        assert not values, f"unknown options {values}"
        self.operators.append(node)

    def graph(self, name: str) -> _Called:
        """A graph under construction beside this one: `with network.graph("name") as index`."""
        return _Called(self, name)

    def borders(self, inputs: list[int], outputs: list[int]) -> None:
        """Inputs and outputs of the graph that is being written."""
        self.inputs, self.outputs = inputs, outputs

    def root(self, inputs: list[int], outputs: list[int]) -> dict[int, Any]:
        self.borders(inputs, outputs)
        graphs = [self.table("main"), *(graph for graph in self.graphs if graph is not None)]
        return {0: ("I", 3), 1: ("tables", self.codes), 2: ("tables", graphs), 4: ("tables", self.buffers)}

    def table(self, name: str) -> dict[int, Any]:
        """The table of the graph that is being written."""
        parts: dict[int, Any] = {0: ("tables", self.tensors), 1: ("[i]", self.inputs), 2: ("[i]", self.outputs)}
        return {**parts, 3: ("tables", self.operators), 4: ("str", name)}

    def file(self, inputs: list[int], outputs: list[int]) -> bytes:
        return write(self.root(inputs, outputs))


class _Called:
    """Tensors and operators go to a graph of their own; codes and buffers are the file's."""

    def __init__(self, network: Network, name: str) -> None:
        self.network, self.name = network, name

    def __enter__(self) -> int:
        network = self.network
        self.kept = (network.tensors, network.operators, network.inputs, network.outputs)
        network.tensors, network.operators, network.inputs, network.outputs = [], [], [], []
        network.graphs.append(None)
        self.index = len(network.graphs)
        return self.index

    def __exit__(self, *_: object) -> None:
        network = self.network
        network.graphs[self.index - 1] = network.table(self.name)
        network.tensors, network.operators, network.inputs, network.outputs = self.kept
