"""Channel pruning: what goes together, what stays, and that the smaller model computes what the masked one does.

Where weights and inputs are small integers every sum is exact in float32, so both must agree to the last bit with any kernel.
"""

from __future__ import annotations

import os

import channel_networks
import numpy as np
import onnx
import pytest
import test_random_graphs
from conftest import ROOT, relative_error
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import edgeai

SIDE = 4
#: Sums of integers below this are exact in float32.
EXACT = 2**24


class Net:
    """Builds a model of images with 4 x 4 pixels and integer weights; each value has its channels and the largest magnitude."""

    def __init__(self, rng=None):
        self.rng = rng or np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.channels: dict[str, int] = {}
        self.largest: dict[str, float] = {}

    def input(self, channels):
        self.channels["x"], self.largest["x"] = channels, 3
        return "x"

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array)
        return name

    def numbers(self, *shape, low=-1, high=1):
        return self.constant(self.rng.integers(low, high + 1, shape).astype(np.float32))

    def add(self, op, inputs, channels, largest, outputs=1, **attributes):
        name = f"{op.lower()}{len(self.nodes)}"
        names = [name] if outputs == 1 else [f"{name}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=name, **attributes))
        for result, count in zip(names, channels if outputs > 1 else [channels], strict=True):
            self.channels[result], self.largest[result] = count, largest
        return names if outputs > 1 else name

    def clip(self, x, low=0.0, high=6.0):
        bounds = [self.constant(np.float32(low)), self.constant(np.float32(high))]
        return self.add("Clip", [x, *bounds], self.channels[x], max(abs(low), abs(high)))

    def relu(self, x):
        return self.add("Relu", [x], self.channels[x], self.largest[x])

    def conv(self, x, out, kernel=1, groups=1, bias=True):
        depth = self.channels[x] // groups
        inputs = [x, self.numbers(out, depth, kernel, kernel)]
        if bias:
            inputs.append(self.numbers(out, low=-2, high=2))
        largest = self.largest[x] * depth * kernel**2 + 2
        return self.add("Conv", inputs, out, largest, group=groups, pads=[kernel // 2] * 4, kernel_shape=[kernel] * 2)

    def binary(self, op, a, b):
        product = self.largest[a] * self.largest[b]
        return self.add(op, [a, b], self.channels[a], product if op == "Mul" else self.largest[a] + self.largest[b])

    def vector(self, op, x):
        """With a constant for each channel."""
        c = self.numbers(self.channels[x], 1, 1, low=-2, high=2)
        return self.add(op, [x, c], self.channels[x], self.largest[x] * 2 + 2)

    def normalize(self, x):
        c = self.channels[x]
        ones = self.constant(np.ones(c, np.float32))
        inputs = [x, self.numbers(c, low=1, high=2), self.numbers(c), self.numbers(c), ones]
        return self.add("BatchNormalization", inputs, c, (self.largest[x] + 1) * 2 + 1, epsilon=0.0)

    def gate(self, x):
        """Squeeze and excite, in integers: a factor 1 ... 3 for each channel, which is not zero for a channel without weights."""
        c = self.channels[x]
        squeezed = self.clip(self.conv(self.add("GlobalMaxPool", [x], c, self.largest[x]), 4))
        factor = self.clip(self.conv(squeezed, c), 0, 2)
        return self.binary("Mul", x, self.add("Add", [factor, self.constant(np.float32(1))], c, 3))

    def shuffle(self, x, groups):
        c = self.channels[x]
        cut = self.add("Reshape", [x, self.constant(np.array([0, groups, c // groups, SIDE, SIDE]))], c, self.largest[x])
        turned = self.add("Transpose", [cut], c, self.largest[x], perm=[0, 2, 1, 3, 4])
        return self.add("Reshape", [turned, self.constant(np.array([0, c, SIDE, SIDE]))], c, self.largest[x])

    def split(self, x, first):
        sizes = [first, self.channels[x] - first]
        return self.add("Split", [x, self.constant(np.array(sizes))], sizes, self.largest[x], outputs=2, axis=1)

    def slice(self, x, start, end):
        bounds = [self.constant(np.array([n])) for n in (start, end, 1)]
        return self.add("Slice", [x, *bounds], end - start, self.largest[x])

    def pad(self, x, before, after):
        amounts = self.constant(np.array([0, before, 0, 0, 0, after, 0, 0]))
        return self.add("Pad", [x, amounts], self.channels[x] + before + after, self.largest[x])

    def flat(self, x, out):
        columns = self.channels[x] * SIDE**2
        y = self.add("Flatten", [x], columns, self.largest[x])
        return self.dense(y, out)

    def dense(self, x, out):
        inputs = [x, self.numbers(out, self.channels[x]), self.numbers(out)]
        return self.add("Gemm", inputs, out, self.largest[x] * self.channels[x] + 1, transB=1)

    def model(self, *outputs):
        ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", self.channels["x"], SIDE, SIDE])]
        results = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs]
        weights = [numpy_helper.from_array(v, k) for k, v in self.constants.items()]
        graph = helper.make_graph(self.nodes, "net", ends, results, weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        return edgeai.load(model.SerializeToString())

    def sample(self):
        return self.rng.integers(-3, 4, (2, self.channels["x"], SIDE, SIDE)).astype(np.float32)


def results(model, x, isa=None):
    found = edgeai.Session(model, batch=len(x), isa=isa)(x)
    return found if isinstance(found, tuple) else (found,)


def weights(model, name):
    op = next(op for op in model.ops if op.name == name and op.type in ("Conv", "Convolution", "Dense"))
    return np.asarray(model.tensor_data(op.inputs[1]))


def layer(result, name):
    return next(entry for entry in result.layers if entry.name == name)


def agrees(model, x, **options):
    """Prunes both ways and compares: exactly, with the kernels of every instruction set. The result."""
    pruned = edgeai.prune_channels(model, **options)
    masked = edgeai.prune_channels(model, **options, masked=True)
    assert masked.layers == pruned.layers and masked.parameters_after == model.parameters
    for entry in pruned.layers:
        # The mask is what it says it is: rows of zeros, and nothing else is changed.
        expected = weights(model, entry.name).copy()
        gone = np.setdiff1d(np.arange(entry.before), entry.kept)
        expected[gone] = 0
        np.testing.assert_array_equal(weights(masked.model, entry.name), expected)
        assert weights(pruned.model, entry.name).shape[0] == entry.after
    for isa in edgeai.instruction_sets():
        for a, b in zip(results(pruned.model, x, isa), results(masked.model, x, isa), strict=True):
            np.testing.assert_array_equal(a, b)
    return pruned


def test_a_chain_shrinks_with_its_depthwise_layer():
    net = Net()
    y = net.clip(net.conv(net.input(3), 16, 3))
    middle = net.clip(net.conv(y, 16, 3, groups=16))
    last = net.conv(middle, 8)
    model = net.model(last)
    result = agrees(model, net.sample(), fraction=0.5)
    first, depthwise, end = result.layers
    assert (first.after, depthwise.after, end.after) == (8, 8, 8) and first.kept == depthwise.kept
    assert end.fixed == 8 and "output of the model" in end.reason and first.fixed == 0
    assert weights(result.model, end.name).shape == (8, 1, 1, 8)
    assert result.macs_after * 2 == result.macs_before and result.parameters_after < result.parameters_before
    # The weakest half by the sum of magnitudes of both layers, each relative to its mean.
    norms = [np.abs(weights(model, n.name)).reshape(16, -1).sum(1) for n in (first, depthwise)]
    score = sum(n / n.mean() for n in norms)
    assert score[list(first.kept)].min() >= np.delete(score, first.kept).max()


def test_a_sum_ties_everything_that_feeds_it():
    net = Net()
    a = net.clip(net.conv(net.input(3), 12, 3))
    b = net.clip(net.conv(net.clip(net.conv(a, 8)), 12))
    total = net.binary("Add", a, b)
    result = agrees(net.model(net.conv(total, 4)), net.sample())
    a, inner, b, _ = result.layers
    assert a.kept == b.kept and a.after == 9 and inner.after == 6


def test_a_sum_with_the_input_stays():
    net = Net()
    x = net.input(8)
    inner = net.clip(net.conv(x, 8))
    total = net.binary("Add", x, net.conv(inner, 8))
    result = agrees(net.model(net.conv(total, 4)), net.sample())
    inner, outer, _ = result.layers
    assert inner.after == 6 and outer.fixed == 8 and "whose channels stay" in outer.reason


def test_a_concatenation_keeps_ranges():
    net = Net()
    x = net.input(3)
    a, b = net.clip(net.conv(x, 6)), net.clip(net.conv(x, 10, 3))
    joined = net.add("Concat", [a, x, b], 19, 6, axis=1)
    result = agrees(net.model(net.conv(joined, 4)), net.sample(), fraction=0.5)
    a, b, last = result.layers
    assert (a.after, b.after) == (3, 5)
    columns = [*a.kept, 6, 7, 8, *(9 + c for c in b.kept)]
    np.testing.assert_array_equal(weights(result.model, last.name), weights(net.model(net.nodes[-1].output[0]), last.name)[..., columns])


def test_a_split_and_a_shuffle():
    net = Net()
    y = net.clip(net.conv(net.input(3), 16))
    left, right = net.split(y, 8)
    right = net.clip(net.conv(right, 8, 3, groups=8))
    y = net.shuffle(net.add("Concat", [left, right], 16, 6, axis=1), 2)
    a, b = net.split(y, 8)
    result = agrees(net.model(net.conv(a, 4), net.conv(b, 4)), net.sample(), fraction=0.4)
    assert result.layers[0].after == 10
    # A shuffle of which some channels are left is a gather; the reshapes around it are gone.
    assert [op.type for op in result.model.ops].count("Gather") == 1
    assert not any(op.type == "Reshape" for op in result.model.ops)


def test_groups_lose_as_many_channels_each():
    net = Net()
    y = net.clip(net.conv(net.input(3), 12))
    y = net.clip(net.conv(y, 24, 3, groups=3))
    model = net.model(net.conv(y, 4))
    result = agrees(model, net.sample(), fraction=0.5)
    first, grouped, _ = result.layers
    assert (first.after, grouped.after) == (6, 12)
    for entry, size in ((first, 4), (grouped, 8)):
        assert np.bincount(np.array(entry.kept) // size).tolist() == [size // 2] * 3
    # They need not be at the same places.
    assert len({tuple(np.array(grouped.kept[g * 4 : g * 4 + 4]) % 8) for g in range(3)}) > 1
    assert weights(result.model, grouped.name).shape == (12, 3, 3, 2)
    with pytest.raises(edgeai.ArgumentError, match="different numbers"):
        edgeai.prune_channels(model, channels={grouped.name: [0, 1, 8, 9, 16]})
    assert layer(agrees(model, net.sample(), channels={grouped.name: [0, 9, 18]}), grouped.name).after == 21


def test_a_flattened_image_loses_blocks_of_columns():
    net = Net()
    y = net.clip(net.conv(net.input(3), 8, 3))
    hidden = net.clip(net.flat(y, 20))
    result = agrees(net.model(net.dense(hidden, 5)), net.sample(), fraction=0.5)
    conv, hidden, last = result.layers
    assert (conv.after, hidden.after, last.after) == (4, 10, 5)
    assert weights(result.model, hidden.name).shape == (10, 4 * SIDE**2)


def test_squeeze_and_excite_goes_with_its_channels():
    net = Net()
    y = net.gate(net.clip(net.conv(net.input(3), 16)))
    result = agrees(net.model(net.conv(y, 4)), net.sample(), fraction=0.25)
    conv, squeeze, excite, _ = result.layers
    assert conv.kept == excite.kept and (conv.after, squeeze.after) == (12, 3)


def test_what_does_not_keep_zero_stays_only_where_it_is_read():
    net = Net()
    hidden = net.conv(net.input(3), 8)
    y = net.add("Sigmoid", [hidden], 8, 1)
    inner = net.conv("x", 8)
    lifted = net.conv(net.clip(inner), 8)
    model = net.model(net.conv(y, 4), net.conv(net.clip(lifted, 1, 4), 4))
    result = edgeai.prune_channels(model)
    for name in (hidden, lifted):
        entry = layer(result, name)
        assert (entry.after, entry.fixed) == (8, 8) and "would not be zero" in entry.reason
    assert layer(result, inner).after == 6


def test_operators_that_need_all_channels_say_so():
    net = Net()
    x = net.input(3)
    soft = net.add("Softmax", [net.conv(x, 8)], 8, 1, axis=1)
    mean = net.add("ReduceMean", [net.conv(x, 8), net.constant(np.array([1]))], 1, 100)
    ends = [net.conv(soft, 4), net.conv(mean, 4)]
    result = edgeai.prune_channels(net.model(*ends))
    assert [entry.after for entry in result.layers if entry.before == 8] == [8, 8]
    reasons = [entry.reason for entry in result.layers if entry.before == 8]
    assert any("Softmax" in r for r in reasons) and any("Reduce" in r for r in reasons)
    assert result.model.parameters == result.parameters_before and result.fraction == 0


def test_counts():
    net = Net()
    y = net.clip(net.conv(net.input(3), 40))
    y = net.clip(net.conv(y, 20))
    y = net.clip(net.conv(y, 6))
    model = net.model(net.conv(y, 4))

    def counts(**options):
        return [entry.after for entry in agrees(model, net.sample(), **options).layers]

    assert counts(fraction=0.5) == [20, 10, 3, 4]
    assert counts(fraction=0.5, multiple=8) == [24, 8, 6, 4]
    assert counts(fraction=0.95, minimum=4) == [4, 4, 4, 4]
    assert counts(fraction=0.99) == [1, 1, 1, 4]
    assert counts(fraction=0.5, layers={"conv0": 0.0, "conv*": 0.25}) == [40, 15, 5, 4]
    assert counts(fraction=0) == [40, 20, 6, 4]
    for multiple in (1, 8):
        whole = counts(fraction=0.3, scope="global", multiple=multiple)
        assert sum(whole) >= 70 * 0.7 - 0.5 and all(n % multiple == 0 or n == b for n, b in zip(whole, [40, 20, 6, 4], strict=True))
    assert sum(counts(fraction=0.3, scope="global")) == 49


def test_global_takes_the_weakest_wherever_they_are():
    net = Net()
    a = net.conv(net.input(3), 10)
    b = net.conv(net.clip(a), 10)
    model = net.model(net.conv(net.clip(b), 4))
    net.constants["c0"][:] = np.arange(1, 11).reshape(10, 1, 1, 1)  # conv0: even steps
    net.constants["c4"][:] = 1  # conv2: all the same
    model = net.model(net.nodes[-1].output[0])
    result = agrees(model, net.sample(), fraction=0.2, scope="global")
    assert layer(result, a).kept == tuple(range(5, 10)) and layer(result, b).after == 10


def test_scale_follows_the_factors_of_normalization():
    net = Net()
    y = net.normalize(net.clip(net.conv(net.input(3), 8)))
    gamma = next(n for n in net.nodes if n.op_type == "BatchNormalization").input[1]
    net.constants[gamma][:] = [5, 1, 6, 2, 7, 3, 8, 4]
    result = agrees(net.model(net.conv(net.clip(y), 4)), net.sample(), fraction=0.5, criterion="scale")
    assert result.layers[0].kept == (0, 2, 4, 6)
    for bad in (np.nan, np.inf):
        net.constants[gamma][2] = bad
        with pytest.raises(edgeai.ModelError, match="scored by is not finite") as caught:
            edgeai.prune_channels(net.model(net.nodes[-1].output[0]), criterion="scale")
        assert caught.value.tensor.startswith(y)


def test_activations_are_measured():
    net = Net()
    y = net.relu(net.conv(net.input(3), 8))
    model = net.model(net.conv(y, 4))
    x = net.sample()
    result = edgeai.prune_channels(model, 0.5, criterion="activation", data=x)
    seen = edgeai.Session(net.model(y), batch=2)(x)
    score = np.abs(seen).mean((0, 2, 3))
    assert sorted(result.layers[0].kept) == sorted(np.argsort(score, kind="stable")[4:])
    with pytest.raises(edgeai.ArgumentError, match="the criterion activation needs data"):
        edgeai.prune_channels(model, criterion="activation")
    with pytest.raises(edgeai.ArgumentError, match="no samples"):
        edgeai.prune_channels(model, criterion="activation", data=[])
    with pytest.raises(edgeai.ShapeError):
        edgeai.prune_channels(model, criterion="activation", data=[np.zeros((1, 3, 5, 5), np.float32)])


def test_chosen_channels_go():
    net = Net()
    a = net.conv(net.input(3), 8)
    b = net.conv(net.clip(a), 8)
    end = net.conv(net.clip(net.binary("Add", net.clip(a), b)), 4)
    model = net.model(end)
    result = agrees(model, net.sample(), channels={a: [1, 5], b: [5, 6]})
    assert layer(result, a).kept == (0, 2, 3, 4, 7) == layer(result, b).kept
    for channels, message in (
        ({"none": [0]}, "no layer"),
        ({a: [8]}, "no channel 8"),
        ({a: [2**31 - 1]}, "no channel"),
        ({end: [0]}, "output of the model"),
        ({a: list(range(8))}, "no channels left"),
        ({a: [-1]}, "negative"),
    ):
        with pytest.raises(edgeai.ArgumentError, match=message):
            edgeai.prune_channels(model, channels=channels)


def test_options_are_checked():
    net = Net()
    model = net.model(net.conv(net.clip(net.conv(net.input(3), 8)), 4))
    for options in (
        {"fraction": 1.0}, {"fraction": -0.1}, {"fraction": float("nan")}, {"criterion": "best"}, {"scope": "all"}, {"minimum": 0},
        {"multiple": 0}, {"multiple": -1}, {"minimum": 2**31}, {"layers": {"conv0": 1.5}}, {"layers": {"nothing*": 0.5}},
    ):  # fmt: skip
        with pytest.raises(edgeai.ArgumentError):
            edgeai.prune_channels(model, **options)
    quantized = edgeai.quantize(model, np.zeros((1, 3, SIDE, SIDE), np.float32)).model
    with pytest.raises(edgeai.EdgeAIError, match="before a model is quantized"):
        edgeai.prune_channels(quantized)


def test_the_result_is_an_ordinary_model(tmp_path):
    net = Net()
    y = net.clip(net.conv(net.input(3), 16, 3))
    model = net.model(net.conv(y, 4))
    x = net.sample()
    result = edgeai.prune_channels(model, 0.5)
    assert result.model.to_bytes() == edgeai.prune_channels(model, 0.5).model.to_bytes()
    result.save(tmp_path / "small.edgeai")
    np.testing.assert_array_equal(results(edgeai.load(tmp_path / "small.edgeai"), x)[0], results(result.model, x)[0])
    result.save(tmp_path / "coded.edgeai", coding="adaptive")
    assert (tmp_path / "coded.edgeai").read_bytes() == result.model.to_bytes(coding="adaptive")
    assert edgeai.quantize(result.model, x).report.sqnr_db > 20
    again = edgeai.prune_channels(result.model, 0.5)
    assert again.layers[0].after == 4
    assert "50" in repr(again) or "channels" in repr(again)
    assert str(again).count("\n") == 3


KINDS = [
    "conv", "conv", "conv", "groups", "depthwise", "sum", "sum", "product", "concat", "split", "shuffle", "shuffle", "gate", "vector", "normalize",
    "pool", "slice", "pad", "prelu", "abs", "input", "maximum", "offset", "lift", "space",
]  # fmt: skip


@st.composite
def nets(draw):
    net = Net(np.random.default_rng(draw(st.integers(0, 2**32 - 1))))
    x = net.input(draw(st.sampled_from([1, 3, 4])))
    values = [net.clip(net.conv(x, draw(st.sampled_from([4, 8, 12, 16])), 3))]

    def pick(options):
        return draw(st.sampled_from(list(options)))

    for _ in range(draw(st.integers(2, 9))):
        x = values[-1] if draw(st.booleans()) else pick(values)
        c = net.channels[x]
        same = [v for v in values if net.channels[v] == c]
        kind = pick(KINDS)
        made = []
        if kind == "conv":
            made = [net.conv(x, pick([4, 6, 8, 12, c]), pick([1, 3]), bias=draw(st.booleans()))]
        elif kind == "groups" and c % 2 == 0:
            g = pick([g for g in (2, 3, 4) if c % g == 0])
            made = [net.conv(x, g * pick([1, 2, 3]), pick([1, 3]), groups=g)]
        elif kind == "depthwise":
            made = [net.conv(x, c * pick([1, 1, 2]), 3, groups=c)]
        elif kind in ("sum", "product"):
            made = [net.binary("Add" if kind == "sum" else "Mul", x, pick(same))]
        elif kind == "concat":
            parts = [x, *draw(st.lists(st.sampled_from([*values, "x"]), min_size=1, max_size=2))]
            made = [net.add("Concat", parts, sum(net.channels[p] for p in parts), max(net.largest[p] for p in parts), axis=1)]
        elif kind == "split" and c > 1:
            made = list(net.split(x, draw(st.integers(1, c - 1))))
        elif kind == "shuffle" and c % 2 == 0:
            made = [net.shuffle(x, pick([g for g in (2, 3, 4, c) if c % g == 0]))]
        elif kind == "gate":
            made = [net.gate(x)]
        elif kind in ("vector", "maximum"):
            made = [net.vector(pick(["Add", "Mul", "Sub"]) if kind == "vector" else pick(["Max", "Min"]), x)]
        elif kind == "normalize":
            made = [net.normalize(x)]
        elif kind == "pool":
            made = [net.add("MaxPool", [x], c, net.largest[x], kernel_shape=[3, 3], pads=[1] * 4)]
        elif kind == "slice" and c > 2:
            start = draw(st.integers(0, c - 2))
            made = [net.slice(x, start, draw(st.integers(start + 1, c)))]
        elif kind == "pad":
            made = [net.pad(x, draw(st.integers(0, 2)), draw(st.integers(0, 2)))]
        elif kind == "prelu":
            made = [net.vector("PRelu", x)]
        elif kind == "abs":
            made = [net.add("Abs", [x], c, net.largest[x])]
        elif kind == "input" and net.channels["x"] == c:
            made = [net.binary("Add", x, "x")]
        elif kind == "offset":
            made = [net.add("Add", [x, net.constant(np.float32(1))], c, net.largest[x] + 1)]
        elif kind == "lift":
            made = [net.clip(x, 1, 5)]
        elif kind == "space":
            # One number for each pixel, the same for all channels.
            made = [net.binary("Mul", x, net.clip(net.conv(x, 1), 0, 2))]
        for value in made:
            values.append(net.clip(value, *pick([(0, 6), (-8, 8)])) if net.largest[value] > 8 or draw(st.booleans()) else value)
    last = net.clip(net.conv(values[-1], 8))
    outputs = [net.conv(last, 3), net.flat(pick(values), 4)]
    assert max(net.largest.values()) < EXACT
    options = {"fraction": pick([0.2, 0.5, 0.9]), "scope": pick(["layer", "global"]), "multiple": pick([1, 1, 4])}
    options["criterion"] = pick(["l1", "l2", "scale"])
    return net.model(*outputs), net.sample(), options


pruned_graphs: list[float] = []


@settings(
    max_examples=120, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip
@given(nets())
def test_random_networks_equal_their_masks(drawn):
    model, x, options = drawn
    pruned_graphs.append(agrees(model, x, **options).fraction)


def test_random_networks_were_pruned():
    """So that the test above says something: most of its networks lost channels, many of them a quarter."""
    if not pruned_graphs:
        pytest.skip("test_random_networks_equal_their_masks has not run")
    assert np.mean(np.array(pruned_graphs) > 0.05) > 0.75 and np.mean(np.array(pruned_graphs) > 0.25) > 0.4


@settings(
    max_examples=150, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip
@given(test_random_graphs.graphs())
def test_graphs_of_all_operators_equal_their_masks(drawn):
    """Whatever is not known here must keep its channels; nothing is refused."""
    model, feeds, outputs = drawn
    if not outputs:
        return
    model = edgeai.load(model.SerializeToString(), shapes={name: array.shape for name, array in feeds.items()})
    pruned, masked = (edgeai.prune_channels(model, 0.5, masked=masked).model for masked in (False, True))
    a, b = (edgeai.Session(m, batch=None, isa="reference").run(feeds) for m in (pruned, masked))
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("path", sorted((ROOT / "Tests/golden/edgeai").glob("*.edgeai")), ids=lambda p: p.stem)
def test_any_model_can_be_given(path):
    model = edgeai.load(path)
    if model.quantized:
        with pytest.raises(edgeai.EdgeAIError, match="before a model is quantized"):
            edgeai.prune_channels(model)
    else:
        result = edgeai.prune_channels(model, 0.5)
        assert [t.shape for t in result.model.outputs] == [t.shape for t in model.outputs]


def check_network(model, share=0.27, macs=0.6):
    """At least this share of the channels of the layers that can lose some goes; the result equals the mask."""
    pruned = edgeai.prune_channels(model, 0.3)
    masked = edgeai.prune_channels(model, 0.3, masked=True)
    free = [entry for entry in pruned.layers if entry.fixed == 0]
    assert 1 - sum(e.after for e in free) / sum(e.before for e in free) > share
    assert sum(e.before for e in free) > 0.9 * sum(e.before for e in pruned.layers if "output of the model" not in e.reason)
    assert pruned.macs_after < macs * pruned.macs_before
    x = np.random.default_rng(7).standard_normal((1, *model.inputs[0].shape[1:]), dtype=np.float32)
    # The reference sums in the order of the channels, where zeros change nothing.
    a, b = results(pruned.model, x, "reference")[0], results(masked.model, x, "reference")[0]
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - results(model, x)[0]).max() > 0
    # Other kernels may sum in another order where a layer has another size.
    for found in (results(pruned.model, x)[0], results(masked.model, x)[0]):
        assert relative_error(found, a) < 1e-4


@pytest.mark.parametrize("name", channel_networks.NETWORKS)
def test_known_networks_equal_their_masks(name):
    # The first ShuffleNet adds units whose groups begin at different channels: few choices keep all of them equal, so that its
    # sums stay whole and only what lies inside the units shrinks.
    share, macs = (0.18, 0.8) if name == "shufflenet" else (0.27, 0.6)
    check_network(edgeai.load(channel_networks.network(name, 64)), share, macs)


@pytest.mark.skipif(os.environ.get("EDGEAI_TEST_LONG") != "1", reason="slow: run by make test-long")
@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_small", "densenet121", "shufflenet_v2_x1_0", "efficientnet_lite0"])
def test_architectures_equal_their_masks(name):
    pytest.importorskip("torch", reason="torch is not installed: pip install -r Tests/requirements-long.txt")
    import architectures

    check_network(edgeai.load(architectures.cached(name, size=(64, 64))))
