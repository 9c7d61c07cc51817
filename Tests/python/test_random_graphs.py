"""Random small graphs over the operator set, compared with ONNX Runtime.

Every value carries how large it can be and how far two honest float32 computations of it can be apart, derived from the
roundings of each operator: that is the tolerance of the comparison.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnxruntime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import edgeai

LONG = os.environ.get("EDGEAI_TEST_LONG")
EPS = 2.0**-24  # half a unit in the last place, relative
#: Larger results are not built upon: their bounds would say nothing.
LARGEST = 1e4


@dataclass
class Val:
    """A tensor of the graph under construction: its shape, its largest magnitude, and the bound of the difference."""

    name: str
    shape: tuple[int, ...]
    size: float
    error: float


@dataclass
class Build:
    draw: st.DrawFn
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    values: list[Val] = field(default_factory=list)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def pick(self, options):
        return self.draw(st.sampled_from(list(options)))

    def number(self, low, high):
        return self.draw(st.integers(low, high))

    def constant(self, shape, scale=1.0):
        name = f"c{len(self.constants)}"
        self.constants[name] = (self.rng.uniform(-scale, scale, shape)).astype(np.float32)
        return Val(name, tuple(shape), scale, 0.0)

    def indices(self, numbers):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.array(numbers, np.int64)
        return name

    def add(self, op, inputs, shape, size, error, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [i if isinstance(i, str) else i.name for i in inputs], [name], **attributes))
        value = Val(name, tuple(shape), size, error)
        if size <= LARGEST:
            self.values.append(value)
        return value


# Operators. Each takes a value of the graph and appends a node on it, or does nothing when it does not fit.

#: Functions with |f(x)| <= growth(|x|), a Lipschitz constant, and how many roundings their usual formulas make.
UNARY = {
    "Relu": (lambda m: m, 1.0, 0),
    "Abs": (lambda m: m, 1.0, 0),
    "Neg": (lambda m: m, 1.0, 0),
    "Sigmoid": (lambda m: 1.0, 0.25, 16),
    "Tanh": (lambda m: 1.0, 1.0, 16),
    "Erf": (lambda m: 1.0, 1.13, 16),
    "Softplus": (lambda m: m + 0.7, 1.0, 16),
    "Softsign": (lambda m: 1.0, 1.0, 4),
    "LeakyRelu": (lambda m: m, 1.0, 1),
    "Elu": (lambda m: max(m, 1.0), 1.0, 16),
    "HardSigmoid": (lambda m: 1.0, 0.2, 4),
    "HardSwish": (lambda m: m, 1.5, 6),
    "ThresholdedRelu": None,  # jumps: only where the input has no error
    "Sign": None,
    "Floor": None,
    "Ceil": None,
    "Round": None,
}
JUMPS = {"ThresholdedRelu": lambda m: m, "Sign": lambda m: 1.0, "Floor": lambda m: m + 1, "Ceil": lambda m: m + 1, "Round": lambda m: m + 1}


def unary(b, x):
    op = b.pick(UNARY)
    if UNARY[op] is None:
        if x.error == 0:
            b.add(op, [x], x.shape, JUMPS[op](x.size), 0.0)
        return
    growth, lipschitz, roundings = UNARY[op]
    size = growth(x.size)
    # Functions that saturate have absolute errors of about one unit of their largest value.
    b.add(op, [x], x.shape, size, lipschitz * x.error + 2 * roundings * EPS * max(size, 1.0))


def clip(b, x):
    low, high = sorted([b.number(-8, 8) / 8, b.number(-8, 8) / 8])
    names = []
    for value in (low, high):
        c = b.constant(())
        b.constants[c.name] = np.float32(value)
        names.append(c)
    b.add("Clip", [x, *names], x.shape, max(abs(low), abs(high)), x.error)


def binary(b, x):
    op = b.pick(["Add", "Sub", "Mul", "Min", "Max", "Sum"])
    same = [v for v in b.values if v.shape == x.shape]
    if b.draw(st.booleans()) and same:
        y = b.pick(same)
    else:
        # A constant that broadcasts: ones in some places, leading axes left out.
        dims = [d if b.draw(st.booleans()) else 1 for d in x.shape][b.number(0, len(x.shape)) :]
        y = b.constant(dims)
    inputs = [x, y] if b.draw(st.booleans()) else [y, x]
    if op == "Mul":
        size = x.size * y.size
        error = x.error * y.size + y.error * x.size + x.error * y.error + 2 * EPS * size
    elif op in ("Min", "Max"):
        size, error = max(x.size, y.size), max(x.error, y.error)
    else:
        size = x.size + y.size
        error = x.error + y.error + 2 * EPS * size
    b.add(op, inputs, x.shape, size, error)


def product_error(x, weight, terms):
    """Of a sum of so many products with constants no larger than `weight`, in any order."""
    size = terms * x.size * weight
    return size, terms * x.error * weight + 2 * (terms + 1) * EPS * size


def matmul(b, x):
    if len(x.shape) < 2 or x.shape[-1] == 0:
        return
    k, n = x.shape[-1], b.number(1, 9)
    w = b.constant((k, n), 0.5)
    size, error = product_error(x, 0.5, k)
    b.add("MatMul", [x, w], (*x.shape[:-1], n), size, error)


def gemm(b, x):
    if len(x.shape) != 2:
        return
    ta, tb = b.draw(st.booleans()), b.draw(st.booleans())
    m, k = x.shape[::-1] if ta else x.shape
    n = b.number(1, 9)
    w = b.constant((n, k) if tb else (k, n), 0.5)
    inputs = [x, w]
    size, error = product_error(x, 0.5, k)
    if b.draw(st.booleans()):
        inputs.append(b.constant(b.pick([(n,), (1, n), (m, 1), (m, n), ()])))
        size, error = size + 1, error + 4 * EPS * (size + 1)
    b.add("Gemm", inputs, (m, n), size, error, transA=int(ta), transB=int(tb))


def conv(b, x):
    if len(x.shape) not in (3, 4):
        return
    spatial = len(x.shape) - 2
    c = x.shape[1]
    groups = b.pick([g for g in (1, 2, 3, c) if c % g == 0])
    out = groups * b.number(1, 3)
    kernel = [b.number(1, 3) for _ in range(spatial)]
    strides = [b.number(1, 2) for _ in range(spatial)]
    dilations = [b.number(1, 2) for _ in range(spatial)]
    pads = [b.number(0, 1) for _ in range(2 * spatial)]
    dims = []
    for i in range(spatial):
        extent = x.shape[2 + i] + pads[i] + pads[spatial + i] - dilations[i] * (kernel[i] - 1) - 1
        if extent < 0:
            return
        dims.append(extent // strides[i] + 1)
    w = b.constant((out, c // groups, *kernel), 0.5)
    inputs = [x, w]
    size, error = product_error(x, 0.5, c // groups * math.prod(kernel))
    if b.draw(st.booleans()):
        inputs.append(b.constant((out,)))
        size, error = size + 1, error + 4 * EPS * (size + 1)
    b.add("Conv", inputs, (x.shape[0], out, *dims), size, error, strides=strides, dilations=dilations, pads=pads, group=groups)


def pool(b, x):
    if len(x.shape) not in (3, 4):
        return
    spatial = len(x.shape) - 2
    op = b.pick(["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"])
    if op.startswith("Global"):
        terms = math.prod(x.shape[2:])
        extra = 2 * (terms + 1) * EPS * x.size if "Average" in op else 0
        b.add(op, [x], (*x.shape[:2], *[1] * spatial), x.size, x.error + extra)
        return
    kernel = [b.number(1, 3) for _ in range(spatial)]
    strides = [b.number(1, 2) for _ in range(spatial)]
    pads = [b.number(0, min(1, kernel[i % spatial] - 1)) for i in range(2 * spatial)]
    dims = []
    for i in range(spatial):
        extent = x.shape[2 + i] + pads[i] + pads[spatial + i] - kernel[i]
        if extent < 0:
            return
        dims.append(extent // strides[i] + 1)
    attributes = {"count_include_pad": b.number(0, 1)} if op == "AveragePool" else {}
    extra = 2 * (math.prod(kernel) + 1) * EPS * x.size if op == "AveragePool" else 0
    b.add(op, [x], (*x.shape[:2], *dims), x.size, x.error + extra, kernel_shape=kernel, strides=strides, pads=pads, **attributes)


def reduce(b, x):
    if not x.shape:
        return
    op = b.pick(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceSumSquare"])
    axes = sorted(b.draw(st.sets(st.integers(0, len(x.shape) - 1), min_size=1)))
    keep = b.draw(st.booleans())
    shape = [1 if i in axes else d for i, d in enumerate(x.shape) if keep or i not in axes]
    terms = math.prod(x.shape[a] for a in axes)
    if op in ("ReduceMax", "ReduceMin"):
        size, error = x.size, x.error
    elif op == "ReduceMean":
        size, error = x.size, x.error + 2 * (terms + 1) * EPS * x.size
    elif op == "ReduceSumSquare":
        size = terms * x.size**2
        error = terms * (2 * x.size * x.error + x.error**2) + 2 * (terms + 1) * EPS * size
    else:
        size = terms * x.size
        error = terms * x.error + 2 * (terms + 1) * EPS * size
    negative = [a - len(x.shape) if b.draw(st.booleans()) else a for a in axes]
    b.add(op, [x, b.indices(negative)], shape, size, error, keepdims=int(keep))


def softmax(b, x):
    if not x.shape:
        return
    axis = b.number(-len(x.shape), len(x.shape) - 1)
    terms = x.shape[axis]
    # exp(x - max): an error of x is a relative one of the result, twice (numerator and sum).
    b.add("Softmax", [x], x.shape, 1.0, 2 * x.error + 2 * (terms + 16 + 2 * x.size) * EPS, axis=axis)


def move(b, x):
    op = b.pick(["Transpose", "Reshape", "Flatten", "Unsqueeze", "Squeeze", "Slice", "Concat", "Pad", "Expand", "Gather", "Identity"])
    rank = len(x.shape)
    same = (x.size, x.error)
    if op == "Transpose" and rank:
        order = b.draw(st.permutations(range(rank)))
        b.add(op, [x], [x.shape[i] for i in order], *same, perm=order)
    elif op == "Reshape":
        count = math.prod(x.shape)
        first = b.pick([d for d in range(1, count + 1) if count % d == 0])
        b.add(op, [x, b.indices([first, -1])], (first, count // first), *same)
    elif op == "Flatten":
        axis = b.number(0, rank)
        b.add(op, [x], (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])), *same, axis=axis)
    elif op == "Unsqueeze" and rank < 5:
        axis = b.number(0, rank)
        b.add(op, [x, b.indices([axis])], (*x.shape[:axis], 1, *x.shape[axis:]), *same)
    elif op == "Squeeze" and 1 in x.shape:
        axis = x.shape.index(1)
        b.add(op, [x, b.indices([axis])], x.shape[:axis] + x.shape[axis + 1 :], *same)
    elif op == "Slice" and rank:
        axis = b.number(0, rank - 1)
        step = b.pick([1, 2, -1, -2])
        start, stop = b.number(-7, 7), b.number(-7, 7)
        length = len(range(x.shape[axis])[slice(start, stop, step)])
        shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
        if length:
            b.add(op, [x, *(b.indices([v]) for v in (start, stop, axis, step))], shape, *same)
    elif op == "Concat" and rank:
        axis = b.number(0, rank - 1)
        fits = [v for v in b.values if len(v.shape) == rank and all(v.shape[i] == x.shape[i] for i in range(rank) if i != axis)]
        parts = [x, *b.draw(st.lists(st.sampled_from(fits), min_size=1, max_size=2))]
        shape = (*x.shape[:axis], sum(p.shape[axis] for p in parts), *x.shape[axis + 1 :])
        b.add(op, parts, shape, max(p.size for p in parts), max(p.error for p in parts), axis=axis)
    elif op == "Pad" and rank:
        mode = b.pick(["constant", "reflect", "edge"])
        room = [min(2, d - 1) if mode == "reflect" else 2 for d in x.shape]
        pads = [b.number(0, room[i % rank]) for i in range(2 * rank)]
        shape = [d + pads[i] + pads[i + rank] for i, d in enumerate(x.shape)]
        b.add(op, [x, b.indices(pads)], shape, *same, mode=mode)
    elif op == "Expand":
        shape = (b.number(1, 2), *[b.number(1, 3) if d == 1 else d for d in x.shape])
        if len(shape) <= 6:
            b.add(op, [x, b.indices(shape)], shape, *same)
    elif op == "Gather" and rank:
        axis = b.number(0, rank - 1)
        picks = b.draw(st.lists(st.integers(-x.shape[axis], x.shape[axis] - 1), min_size=1, max_size=4))
        b.add(op, [x, b.indices(picks)], (*x.shape[:axis], len(picks), *x.shape[axis + 1 :]), *same, axis=axis)
    elif op == "Identity":
        b.add(op, [x], x.shape, *same)


def normalize(b, x):
    if len(x.shape) not in (2, 3, 4):
        return
    c = x.shape[1]
    scale, bias, mean = b.constant((c,)), b.constant((c,)), b.constant((c,))
    variance = b.constant((c,))
    b.constants[variance.name] = np.abs(b.constants[variance.name]) + np.float32(0.5)
    size = (x.size + 1) * 1.5 + 1
    b.add("BatchNormalization", [x, scale, bias, mean, variance], x.shape, size, 1.5 * x.error + 16 * EPS * size)


STEPS = [conv, pool, unary, clip, binary, matmul, gemm, conv, unary, binary, pool, reduce, softmax, move, move, move, normalize]


@st.composite
def graphs(draw):
    """A model, the shapes its inputs leave open, and arrays to feed it."""
    b = Build(draw)
    feeds = {}
    for index in range(draw(st.integers(1, 2))):
        image = st.tuples(st.integers(1, 2), st.sampled_from([2, 3, 4, 6]), st.integers(1, 9), st.integers(1, 9))
        shape = tuple(draw(st.one_of(image, st.lists(st.integers(1, 6), min_size=1, max_size=4))))
        feeds[f"x{index}"] = b.rng.uniform(-1, 1, shape).astype(np.float32)
        b.values.append(Val(f"x{index}", shape, 1.0, 0.0))
    for _ in range(draw(st.integers(1, 7))):
        x = b.values[-1] if draw(st.booleans()) else b.pick(b.values)
        if math.prod(x.shape) <= 4096:
            b.pick(STEPS)(b, x)
    made = {o for node in b.nodes for o in node.output}
    outputs = [v for v in b.values if v.name in made][-2:]
    # Free dimensions get names of their own; some inputs stay as they are.
    free = draw(st.booleans())
    ends = []
    for name, array in feeds.items():
        dims = [f"{name}_{i}" if free and i else d for i, d in enumerate(array.shape)]
        ends.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))
    outs = [helper.make_tensor_value_info(v.name, TensorProto.FLOAT, None) for v in outputs]
    weights = [numpy_helper.from_array(np.asarray(v), k) for k, v in b.constants.items()]
    graph = helper.make_graph(b.nodes, "random", ends, outs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model, feeds, outputs


def _described(model):
    return "\n".join(f"{n.op_type}({', '.join(n.input)}) -> {n.output[0]} {[helper.get_attribute_value(a) for a in n.attribute]}" for n in model.graph.node)


@settings(
    max_examples=3000 if LONG else 300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
@given(graphs())
def test_random_graphs(drawn):
    model, feeds, outputs = drawn
    if not outputs:
        return
    content = model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    expected = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]).run(None, feeds)
    found = edgeai.Session(content).run(feeds)
    for value, have, want in zip(outputs, found, expected, strict=True):
        assert have.shape == want.shape == value.shape, _described(model)
        assert np.abs(want).max(initial=0) <= value.size * (1 + 1e-3) + 1e-3, f"the bound of {value.name} is wrong\n{_described(model)}"
        np.testing.assert_allclose(have, want, rtol=0, atol=2 * value.error, err_msg=_described(model))
