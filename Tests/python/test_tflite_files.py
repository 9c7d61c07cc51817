"""TFLite models as files: free batches, known integers, what is refused and how, limits, damage."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_checks import Array, check, i32, layer, litert, ours, random
from tflite_writer import Network

import edgeai


def free_batch(target: list[int]) -> bytes:
    """[-1, 4, 4, 2] -> convolution -> reshape to `target` -> dense."""
    rng = np.random.default_rng(5)
    net = Network()
    x = net.tensor("x", (1, 4, 4, 2), free=True)
    w = net.tensor("w", (3, 3, 3, 2), "float32", rng.uniform(-1, 1, (3, 3, 3, 2)).astype(np.float32).tobytes())
    c, flat = net.tensor("c", (1, 4, 4, 3), free=True), net.tensor("flat", (1, 48), free=True)
    shape = net.tensor("shape", (2,), "int32", i32(*target).tobytes())
    d = net.tensor("d", (5, 48), "float32", rng.uniform(-1, 1, (5, 48)).astype(np.float32).tobytes())
    b, e = net.tensor("b", (3,), "float32", bytes(12)), net.tensor("e", (5,), "float32", bytes(20))
    y = net.tensor("y", (1, 5), free=True)
    net.operator("CONV_2D", [x, w, b], [c], "Conv2D", stride_w=1, stride_h=1)
    net.operator("RESHAPE", [c, shape], [flat], "Reshape")
    net.operator("FULLY_CONNECTED", [flat, d, e], [y], "FullyConnected")
    return net.file([x], [y])


def test_free_batch() -> None:
    content = free_batch([-1, 48])
    model = edgeai.load(content)
    assert model.inputs[0].shape == (None, 4, 4, 2)
    x = random((5, 4, 4, 2), "float32", 2)
    check(edgeai.Session(model, batch=5).run(x)[0], litert(content, [x])[0])


def test_a_shape_written_for_one_sample_keeps_the_batch() -> None:
    content = free_batch([1, 48])
    model = edgeai.load(content)
    assert model.inputs[0].shape == (1, 4, 4, 2)
    x = random((1, 4, 4, 2), "float32", 2)
    check(edgeai.Session(model).run(x)[0], litert(content, [x])[0])


def computed_shape(arithmetic: bool) -> bytes:
    """The batch is taken from the input's shape, as Keras's Flatten and Reshape layers write it."""
    net = Network()
    x = net.tensor("x", (1, 4, 6), free=True)
    size, batch, target = net.tensor("size", (3,), "int32"), net.tensor("batch", (), "int32"), net.tensor("target", (2,), "int32")
    zero, one = (net.tensor(f"c{v}", (1,), "int32", i32(v).tobytes()) for v in (0, 1))
    rest = net.tensor("rest", (), "int32", i32(24).tobytes())
    y = net.tensor("y", (1, 24), free=True)
    net.operator("SHAPE", [x], [size])
    net.operator("STRIDED_SLICE", [size, zero, one, one], [batch], "StridedSlice", shrink_mask=1)
    if arithmetic:
        twice, half = net.tensor("twice", (), "int32"), net.tensor("half", (), "int32", i32(12).tobytes())
        net.operator("ADD", [batch, batch], [twice], "Add")
        batch, rest = twice, half
    net.operator("PACK", [batch, rest], [target], "Pack", count=2)
    net.operator("RESHAPE", [x, target], [y], "Reshape")
    return net.file([x], [y])


def test_computed_shape() -> None:
    content = computed_shape(False)
    model = edgeai.load(content)
    assert model.inputs[0].shape == (None, 4, 6)
    x = random((3, 4, 6), "float32")
    assert np.array_equal(edgeai.Session(model, batch=3).run(x)[0], x.reshape(3, 24))


def test_arithmetic_on_the_batch_keeps_the_batch() -> None:
    model = edgeai.load(computed_shape(True))
    assert model.inputs[0].shape == (1, 4, 6)
    x = random((1, 4, 6), "float32")
    assert np.array_equal(edgeai.Session(model).run(x)[0], x.reshape(2, 12))


def test_all_unsupported_operators_are_listed() -> None:
    net = Network()
    x = net.tensor("x", (1, 4))
    a, b, c, d = (net.tensor(name, (1, 4)) for name in "abcd")
    net.operator("131", [x], [a])
    net.operator("RELU", [a], [b])
    net.operator("CUSTOM", [b], [c], custom="Frobnicate")
    net.operator("136", [x], [d])
    content = net.file([x], [c, d])
    with pytest.raises(edgeai.UnsupportedOpError, match="3 unsupported operators"):
        edgeai.load(content)
    model = edgeai.load(content, allow_unsupported=True)
    assert [(op.type, op.node) for op in model.unsupported] == [("RFFT2D", "a"), ("CUSTOM Frobnicate", "c"), ("HASHTABLE", "d")]


def test_pack_of_scales() -> None:
    net = Network()
    a, b = net.tensor("a", (1, 50), "int8", scale=0.1, zero=3), net.tensor("b", (1, 50), "int8", scale=0.033, zero=-90)
    y = net.tensor("y", (1, 2, 50), "int8", scale=0.097, zero=1)
    net.operator("PACK", [a, b], [y], "Pack", count=2, axis=1)
    inputs = [random((1, 50), "int8", 1), random((1, 50), "int8", 2)]
    reals = [(inputs[0].astype(np.float64) - 3) * 0.1, (inputs[1].astype(np.float64) + 90) * 0.033]
    expected = np.clip(np.rint(np.stack(reals, 1) / 0.097) + 1, -128, 127).astype(np.int8)
    check(ours(net.file([a, b], [y]), inputs)[0], expected)


@pytest.mark.parametrize("keep", [0, 1])
def test_computed_weights(keep: int) -> None:
    net = Network()
    x, w = net.tensor("x", (2, 3, 4)), net.tensor("w", (5, 4))
    half = net.tensor("half", (5, 4))
    y = net.tensor("y", (2, 3, 5) if keep else (6, 5))
    net.operator("RELU", [w], [half])
    net.operator("FULLY_CONNECTED", [x, half], [y], "FullyConnected", keep_dims=keep)
    content = net.file([x, w], [y])
    inputs = [random((2, 3, 4), "float32", 1), random((5, 4), "float32", 2)]
    expected = (inputs[0].reshape(-1, 4) @ np.maximum(inputs[1], 0).T).reshape((2, 3, 5) if keep else (6, 5))
    check(ours(content, inputs)[0], expected)


def number_network(op: str, lists: list[Array], result: Any, options: str = "", **values: int) -> tuple[bytes, Array]:
    """An operator on constants whose result is multiplied, as floats, with an input of its shape."""
    net = Network()
    x = net.tensor("x", result)
    constants = [net.tensor(f"c{i}", c.shape, "int32", c.tobytes()) for i, c in enumerate(lists)]
    folded, real, y = net.tensor("folded", result, "int32"), net.tensor("real", result), net.tensor("y", result)
    net.operator(op, constants, [folded], options, **values)
    net.operator("CAST", [folded], [real])
    net.operator("MUL", [x, real], [y], "Mul")
    return net.file([x], [y]), random(result, "float32")


GRID = np.arange(6, dtype=np.int32).reshape(2, 3) + 1
FOLDED = [
    ("RESHAPE", [GRID, i32(3, 2)], (3, 2), "Reshape", {}),
    ("EXPAND_DIMS", [GRID, i32(1)], (2, 1, 3), "", {}),
    ("SQUEEZE", [GRID.reshape(2, 1, 3)], (2, 3), "Squeeze", {}),
    ("PACK", [np.array(2, np.int32), np.array(7, np.int32)], (2,), "Pack", {"count": 2}),
    ("PACK", [i32(1, 2), i32(3, 4)], (2, 2), "Pack", {"count": 2, "axis": 1}),
    ("CONCATENATION", [i32(1, 2), i32(3)], (3,), "Concatenation", {}),
    ("CONCATENATION", [i32(-5, 9), i32(3)], (3,), "Concatenation", {"activation": 3}),
    ("REDUCE_PROD", [i32(2, 3, 4), i32(0)], (1,), "Reducer", {"keep_dims": 1}),
    ("REDUCE_PROD", [GRID, i32(1)], (2,), "Reducer", {}),
    ("ADD", [i32(-5, 9), i32(1)], (2,), "Add", {}),
    ("ADD", [i32(-5, 9), i32(1, 1)], (2,), "Add", {"activation": 1}),
    ("SUB", [i32(-5, 9), i32(1, 1)], (2,), "Sub", {"activation": 1}),
    ("MUL", [i32(-5, 9), i32(1, 1)], (2,), "Mul", {"activation": 1}),
    ("MUL", [i32(3), np.array(4, np.int32)], (1,), "Mul", {}),
    ("MAXIMUM", [GRID[:1], GRID[:, :1]], (2, 3), "", {}),
    ("GATHER", [i32(5, 6, 7), i32(2, 0)], (2,), "Gather", {}),
]
#: Those that are refused.
REFUSED = {6}


@pytest.mark.parametrize("number", range(len(FOLDED)))
def test_known_integers(number: int) -> None:
    """Arithmetic on known integers gives what LiteRT gives, in its shape, or is refused."""
    op, lists, result, options, values = FOLDED[number]
    content, x = number_network(op, lists, result, options, **values)
    if number in REFUSED:
        with pytest.raises(edgeai.EdgeAIError):
            edgeai.load(content)
        return
    check(ours(content, [x])[0], litert(content, [x])[0])


@pytest.mark.parametrize("options", [{"axis": 0, "batch_dims": 1}, {"axis": 1}])
def test_gather_along_another_axis_is_not_folded(options: dict[str, int]) -> None:
    content, _ = number_network("GATHER", [i32(5, 6, 7), i32(2, 0, 1)], (3,), "Gather", **options)
    with pytest.raises(edgeai.EdgeAIError):
        edgeai.load(content)


def test_broadcast_to_a_negative_size_is_refused() -> None:
    net = Network()
    x, y = net.tensor("x", (1, 4)), net.tensor("y", (1, 4))
    net.operator("BROADCAST_TO", [x, net.tensor("shape", (2,), "int32", i32(-1, 4).tobytes())], [y])
    with pytest.raises(edgeai.EdgeAIError, match="is no shape"):
        edgeai.load(net.file([x], [y]))


def test_outputs_are_limited() -> None:
    net = Network()
    x, y = net.tensor("x", (1, 4)), net.tensor("y", (1, 4))
    net.operator("RELU", [x], [y])
    assert len(edgeai.load(net.file([x], [y] * 3)).outputs) == 3
    with pytest.raises(edgeai.EdgeAIError, match="limit"):
        edgeai.load(net.file([x], [y] * 11), limits={"max_tensors": 10})
    with pytest.raises(edgeai.EdgeAIError, match="grows beyond"):
        edgeai.load(net.file([x], [y] * 5), limits={"max_operators": 3})
    with pytest.raises(edgeai.EdgeAIError, match="grows beyond"):
        edgeai.load(net.file([x], [y] * 10), limits={"max_tensors": 10})


def test_long_names_are_not_copied_for_each_helper() -> None:
    """Names of helpers are cut between characters, and stay unique."""
    net = Network()
    x = net.tensor("x", (1, 2, 2, 4))
    names = ["a" + "é" * 1000, "a" + "é" * 999 + "b"]
    first, second = (net.tensor(name, (1, 4, 4, 1)) for name in names)
    for y in (first, second):
        net.operator("DEPTH_TO_SPACE", [x], [y], "DepthToSpace", block=2)
    content = net.file([x], [first, second])
    inputs = random((1, 2, 2, 4), "float32")
    expected = inputs.reshape(1, 2, 2, 2, 2, 1).transpose(0, 1, 3, 2, 4, 5).reshape(1, 4, 4, 1)
    for found in ours(content, [inputs]):
        assert np.array_equal(found, expected)
    assert [tensor.name for tensor in edgeai.load(content).outputs] == names


def test_reasons_count_against_the_limit() -> None:
    net = Network()
    x = net.tensor("x", (1, 4))
    shape = net.tensor("s" * 1000, (2,), "int32")
    results = [net.tensor(f"y{i}", (1, 4)) for i in range(20)]
    for y in results:
        net.operator("RESHAPE", [x, shape], [y], "Reshape")
    content = net.file([x, shape], results)
    assert len(edgeai.load(content, allow_unsupported=True).unsupported) == 20
    with pytest.raises(edgeai.EdgeAIError, match="10000 bytes"):
        edgeai.load(content, allow_unsupported=True, limits={"max_tensor_bytes": 10_000})


def test_every_truncation_and_many_flipped_bits() -> None:
    content = layer("CONV_2D", "int8", padding=1)
    for size in range(len(content)):
        with pytest.raises(edgeai.EdgeAIError):
            edgeai.load(content[:size])
    rng = np.random.default_rng(1)
    for _ in range(1000):
        damaged = bytearray(content)
        for bit in rng.integers(0, len(content) * 8, rng.integers(1, 4)):
            damaged[bit // 8] ^= 1 << (bit % 8)
        try:
            model = edgeai.load(bytes(damaged))
            if all(tensor.shape[0] in (1, None) for tensor in model.inputs):
                edgeai.Session(model)
        except edgeai.EdgeAIError as error:
            assert error.message
