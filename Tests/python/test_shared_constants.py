"""Weights that several layers read are there once: in memory, in the file, packed, and after each method of compression.

Every case is a network of some equal layers that read the same constants. It has as many parameters as a network of one of them, its
file and its packed weights are hardly larger, and it computes what ONNX's reference evaluation computes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import qdq
from conftest import relative_error, small_model
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from tflite_checks import check, litert, ours
from tflite_writer import Network

import edgeai
from edgeai import train

SIZE = 32
Array = np.ndarray[Any, Any]
Layer = Callable[[str, str, int], list[onnx.NodeProto]]


def random(*shape: int, seed: int = 0) -> Array:
    return (np.random.default_rng(seed).normal(size=shape) / 6).astype(np.float32)


def node(op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs, outputs, name=f"{op}/{outputs[0]}", **attributes)


def gemm(x: str, y: str, _: int) -> list[onnx.NodeProto]:
    return [node("Gemm", [x, "w", "b"], [y], transB=1)]


def scaled_gemm(x: str, y: str, _: int) -> list[onnx.NodeProto]:
    return [node("Gemm", [x, "w", "b"], [y], alpha=0.5, beta=2.0)]


def matmul(x: str, y: str, _: int) -> list[onnx.NodeProto]:
    return [node("MatMul", [x, "w"], [y + "p"]), node("Add", [y + "p", "b"], [y])]


def turned(x: str, y: str, _: int) -> list[onnx.NodeProto]:
    """Each layer turns the weights itself, as exporters without constant folding write it."""
    return [node("Transpose", ["w"], [y + "t"], perm=[1, 0]), node("MatMul", [x, y + "t"], [y])]


def renamed(x: str, y: str, _: int) -> list[onnx.NodeProto]:
    return [node("Identity", ["w"], [y + "w"]), node("Identity", ["b"], [y + "b"]), node("Gemm", [x, y + "w", y + "b"], [y])]


def scaled_attention(x: str, y: str, _: int) -> list[onnx.NodeProto]:
    """The factor is folded into weights and bias, into all of them alike."""
    return [*matmul(x, y + "s", 0), node("Mul", [y + "s", "half"], [y])]


def convolution(x: str, y: str, _: int) -> list[onnx.NodeProto]:
    return [node("Conv", [x, "w", "b"], [y], pads=[1, 1, 1, 1])]


def transposed_convolution(x: str, y: str, _: int) -> list[onnx.NodeProto]:
    return [node("ConvTranspose", [x, "w", "b"], [y], pads=[1, 1, 1, 1])]


def depthwise(x: str, y: str, _: int) -> list[onnx.NodeProto]:
    return [node("Conv", [x, "w1", "b"], [y], pads=[1, 1, 1, 1], group=SIZE)]


def normalized(x: str, y: str, _: int) -> list[onnx.NodeProto]:
    return [*convolution(x, y + "c", 0), node("BatchNormalization", [y + "c", "g", "b", "mean", "variance"], [y])]


def quantized_gemm(x: str, y: str, _: int) -> list[onnx.NodeProto]:
    """A DequantizeLinear for each reader."""
    return [node("DequantizeLinear", ["q", "s", "z"], [y + "w"], axis=0), node("Gemm", [x, y + "w", "b"], [y], transB=1)]


def quantized_convolution(x: str, y: str, _: int) -> list[onnx.NodeProto]:
    return [node("DequantizeLinear", ["q3", "s", "z"], [y + "w"], axis=0), node("Conv", [x, y + "w", "b"], [y], pads=[1, 1, 1, 1])]


IMAGE = (1, SIZE, 7, 6)
ROWS = (5, SIZE)
CASES: list[tuple[Layer, tuple[int, ...], dict[str, Array]]] = [
    (gemm, ROWS, {"w": random(SIZE, SIZE)}),
    (scaled_gemm, ROWS, {"w": random(SIZE, SIZE)}),
    (matmul, (2, 5, SIZE), {"w": random(SIZE, SIZE)}),
    (turned, (5, 72), {"w": random(72, 72)}),  # above what is folded as known numbers
    (renamed, ROWS, {"w": random(SIZE, SIZE)}),
    (scaled_attention, (2, 5, SIZE), {"w": random(SIZE, SIZE), "half": np.float32(0.5)}),
    (convolution, IMAGE, {"w": random(SIZE, SIZE, 3, 3)}),
    (transposed_convolution, IMAGE, {"w": random(SIZE, SIZE, 3, 3)}),
    (depthwise, IMAGE, {"w1": random(SIZE, 1, 3, 3)}),
    (normalized, IMAGE, {"w": random(SIZE, SIZE, 3, 3)}),
    (quantized_gemm, ROWS, {}),
    (quantized_convolution, IMAGE, {}),
]
COMMON = {
    "b": random(SIZE, seed=1), "g": 1 + random(SIZE, seed=2), "mean": random(SIZE, seed=3), "variance": 1 + random(SIZE, seed=4) ** 2,
    "q": np.random.default_rng(5).integers(-127, 128, (SIZE, SIZE)).astype(np.int8),
    "q3": np.random.default_rng(6).integers(-127, 128, (SIZE, SIZE, 3, 3)).astype(np.int8),
    "s": (0.001 + random(SIZE, seed=7) ** 2 / 100).astype(np.float32), "z": np.zeros(SIZE, np.int8),
}  # fmt: skip


def network(layer: Layer, shape: tuple[int, ...], constants: dict[str, Array], uses: int = 4, pair: bool = False) -> bytes:
    """The layer so many times with ReLUs between, one after another or, `pair`, each on an input of its own."""
    nodes: list[onnx.NodeProto] = []
    inputs = {}
    outputs = []
    for place in range(uses):
        x = f"x{place}" if pair or place == 0 else f"r{place - 1}"
        if x.startswith("x"):
            inputs[x] = shape
        nodes += [*layer(x, f"y{place}", place), node("Relu", [f"y{place}"], [f"r{place}"])]
        if pair or place == uses - 1:
            outputs.append(f"r{place}")
    read = {name for n in nodes for name in n.input}
    return small_model(nodes, inputs, outputs, {k: np.asarray(v) for k, v in {**COMMON, **constants}.items() if k in read}, 19)


def reference(content: bytes, inputs: dict[str, Array]) -> list[Array]:
    return list(ReferenceEvaluator(onnx.load_from_string(content)).run(None, inputs))


def samples(content: bytes, count: int = 1) -> list[dict[str, Array]]:
    """Inputs of an ONNX model."""
    shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in onnx.load_from_string(content).graph.input}
    return [{name: 6 * random(*shape, seed=50 + 7 * n + p) for p, (name, shape) in enumerate(shapes.items())} for n in range(count)]


def agrees(model: edgeai.Model, content: bytes, **options: Any) -> None:
    inputs = samples(content)[0]
    for found, expected in zip(edgeai.Session(model, **options).run(inputs), reference(content, inputs), strict=True):
        assert found.shape == expected.shape
        assert relative_error(found, expected) < 1e-5


def weights(model: edgeai.Model) -> list[int]:
    """The tensors that layers read as weights."""
    return [op.inputs[1] for op in model.ops if op.type in ("Convolution", "TransposedConvolution", "Dense", "MatMul")]


@pytest.mark.parametrize("pair", [False, True], ids=["chain", "siamese"])
@pytest.mark.parametrize(("layer", "shape", "constants"), CASES, ids=lambda v: v.__name__ if callable(v) else "")
def test_once(layer: Layer, shape: tuple[int, ...], constants: dict[str, Array], pair: bool) -> None:
    content = network(layer, shape, constants, pair=pair)
    four, one = (edgeai.load(c) for c in (content, network(layer, shape, constants, 1)))
    agrees(four, content)
    assert len(weights(four)) == 4
    assert len(set(weights(four))) == 1
    assert four.parameters == one.parameters
    # What three more operators and their results take, and no weights.
    assert len(four.to_bytes()) < len(one.to_bytes()) + 1500
    exported = four.to_onnx()
    assert len(exported) < len(one.to_onnx()) + 2500
    assert edgeai.load(exported).parameters == four.parameters
    agrees(edgeai.load(exported), content)
    agrees(edgeai.load(four.to_bytes(coding="adaptive")), content)


@pytest.mark.parametrize(
    ("layer", "shape", "constants"), [c for c in CASES if c[0] is not depthwise], ids=lambda v: v.__name__ if callable(v) else ""
)
@pytest.mark.parametrize("isa", edgeai.instruction_sets())
def test_packed_once(layer: Layer, shape: tuple[int, ...], constants: dict[str, Array], isa: str) -> None:
    content = network(layer, shape, constants)
    four, one = (edgeai.load(c) for c in (content, network(layer, shape, constants, 1)))
    sessions = [edgeai.Session(model, isa=isa) for model in (four, one)]
    assert sessions[0].memory.packed_weights == sessions[1].memory.packed_weights
    agrees(four, content, isa=isa)
    # Also when the constants are made as they are packed.
    coded = four.to_bytes(coding="adaptive")
    agrees(edgeai.load(coded, on_demand=True), content, isa=isa)


def test_what_differs_is_not_shared() -> None:
    """The same initializer with another factor, turned, or with another normalization folded into it."""
    nodes = [
        node("Gemm", ["x", "w"], ["a"], transB=1), node("Gemm", ["a", "w"], ["c"], transB=0), node("Gemm", ["c", "w"], ["d"], alpha=0.5, transB=1),
        node("Gemm", ["d", "w"], ["e"], transB=1),
    ]  # fmt: skip
    content = small_model(nodes, {"x": ROWS}, ["e"], {"w": random(SIZE, SIZE)})
    model = edgeai.load(content)
    agrees(model, content)
    read = weights(model)
    assert len(set(read)) == 3
    assert read[0] == read[3]

    nodes = []
    for place, scale in enumerate(("g", "g2", "g")):
        nodes += [
            node("Conv", [f"n{place}", "w"], [f"c{place}"], pads=[1, 1, 1, 1]),
            node("BatchNormalization", [f"c{place}", scale, "b", "mean", "variance"], [f"n{place + 1}"]),
        ]
    constants = {name: COMMON[name] for name in ("g", "b", "mean", "variance")} | {"g2": 1 + random(SIZE, seed=8), "w": random(SIZE, SIZE, 3, 3)}
    content = small_model(nodes, {"n0": IMAGE}, ["n3"], constants)
    model = edgeai.load(content)
    agrees(model, content)
    read = weights(model)
    assert read[0] == read[2] != read[1]


def test_dense_layers_over_pixels_and_rows() -> None:
    """Weights follow the order of an image's channels in one layer and not in the other."""
    nodes = [node("Relu", ["image"], ["r"]), node("Flatten", ["r"], ["f"]), node("Conv", ["image", "k"], ["c"]), node("Flatten", ["c"], ["g"])]
    nodes += [node("MatMul", [x, "w"], [y]) for x, y in (("f", "a"), ("g", "b"), ("g", "d"), ("rows", "e"))]
    content = small_model(
        nodes, {"image": (1, 4, 3, 2), "rows": (1, 24)}, ["a", "b", "d", "e"], {"w": random(24, 8), "k": random(4, 4, 1, 1)}
    )
    model = edgeai.load(content)
    agrees(model, content)


def test_integer_form_and_blocks() -> None:
    """QLinearConv, and layers in the branches of an If."""
    quantized = qdq.quantized(network(convolution, IMAGE, {"w": random(SIZE, SIZE, 3, 3)}), 6 * random(8, *IMAGE[1:], seed=9))
    x = samples(quantized)[0]
    model = edgeai.load(quantized)
    assert len(set(weights(model))) == 1
    found = edgeai.Session(model).run(x)[0]
    assert np.abs(found - qdq.peer(quantized, *x.values())[0]).max() < 0.05 * np.abs(found).max()

    branches = [
        helper.make_graph(gemm("x0", name, 0), name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, ROWS)]) for name in ("p", "q")
    ]
    nodes = [
        *gemm("x0", "y", 0), helper.make_node("ReduceSum", ["x0"], ["t"], keepdims=0), helper.make_node("Greater", ["t", "zero"], ["yes"]),
        helper.make_node("If", ["yes"], ["i"], then_branch=branches[0], else_branch=branches[1]), node("Add", ["y", "i"], ["s"]), *gemm("s", "e", 0),
    ]  # fmt: skip
    content = small_model(nodes, {"x0": ROWS}, ["e"], {"w": random(SIZE, SIZE), "b": COMMON["b"], "zero": np.float32(0)})
    model = edgeai.load(content)
    agrees(model, content)
    assert len(set(weights(model))) == 1


@pytest.mark.parametrize("kind", ["float32", "float16", "int8"])
@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_tflite(op: str, kind: str) -> None:
    def build(uses: int) -> bytes:
        rng = np.random.default_rng(3)
        net = Network()
        is_dense, is_integer = op == "FULLY_CONNECTED", kind == "int8"
        shape = (1, SIZE) if is_dense else (1, 6, 5, SIZE)

        def tensor(name: str) -> int:
            return net.tensor(name, shape, "int8", scale=0.05, zero=3) if is_integer else net.tensor(name, shape)

        dims = {"CONV_2D": (SIZE, 3, 3, SIZE), "DEPTHWISE_CONV_2D": (1, 3, 3, SIZE)}.get(op, (SIZE, SIZE))
        axis = 3 if op == "DEPTHWISE_CONV_2D" else 0
        scales = [0.002] * SIZE
        if is_integer:
            w = net.tensor("w", dims, "int8", rng.integers(-127, 128, dims).astype(np.int8).tobytes(), scales, [0] * SIZE, axis)
            b = net.tensor("b", (SIZE,), "int32", rng.integers(-999, 999, SIZE).astype(np.int32).tobytes(), [0.05 * s for s in scales])
        else:
            w = net.tensor("w", dims, kind, (rng.normal(size=dims) / 6).astype(kind).tobytes())
            b = net.tensor("b", (SIZE,), "float32", random(SIZE).tobytes())
        values = [tensor("x")]
        for place in range(uses):
            kernel = w
            if kind == "float16":
                kernel = net.tensor(f"w{place}", dims)
                net.operator("DEQUANTIZE", [w], [kernel])
            values.append(tensor(f"y{place}"))
            if is_dense:
                net.operator(op, [values[-2], kernel, b], [values[-1]], "FullyConnected", activation=1)
            elif axis == 3:
                net.operator(
                    op, [values[-2], kernel, b], [values[-1]], "DepthwiseConv2D", stride_w=1, stride_h=1, multiplier=1, dilation_w=1, dilation_h=1
                )
            else:
                net.operator(op, [values[-2], kernel, b], [values[-1]], "Conv2D", stride_w=1, stride_h=1, dilation_w=1, dilation_h=1)
        return net.file([values[0]], [values[-1]])

    four, one = (edgeai.load(build(uses)) for uses in (4, 1))
    assert four.parameters == one.parameters
    assert len(set(weights(four))) == 1
    shape = (1, SIZE) if op == "FULLY_CONNECTED" else (1, 6, 5, SIZE)
    x = np.random.default_rng(1).integers(-128, 128, shape).astype(np.int8) if kind == "int8" else random(*shape, seed=2)
    check(ours(build(4), [x])[0], litert(build(4), [x])[0], equal=0.9)


# Compression. What a method makes of the shared weights it makes for all their readers: the reference is ONNX's evaluation of the model
# whose initializers are the new weights.

NETS = [c for c in CASES if c[0] in (gemm, matmul, convolution, scaled_attention)]


def values(model: edgeai.Model, op: int = 0) -> Array:
    """Weights of the model's layer of that number."""
    return np.asarray(model.tensor_data(weights(model)[op]))


def first_layer(model: edgeai.Model) -> str:
    return next(op.name for op in model.ops if op.type in ("Convolution", "Dense"))


@pytest.fixture(params=NETS, ids=[c[0].__name__ for c in NETS])
def shared(request: pytest.FixtureRequest) -> tuple[edgeai.Model, list[dict[str, Array]]]:
    content = network(*request.param)
    return edgeai.load(content), samples(content, 8)


@pytest.mark.parametrize("has_data", [False, True], ids=["weights", "data"])
@pytest.mark.parametrize("method", ["prune", "share", "binarize", "quantize_weights"])
def test_methods_change_all_readers(method: str, has_data: bool, shared: tuple[edgeai.Model, list[dict[str, Array]]]) -> None:
    model, inputs = shared
    name, data = first_layer(model), inputs if has_data else None
    before, limit = values(model), 0
    if method == "prune":
        result = edgeai.prune(model, 0.5, names=[name], data=data).model
        assert np.count_nonzero(values(result)) == before.size // 2
        # They are pruned and not fitted.
        kept = values(result) != 0
        np.testing.assert_array_equal(values(result)[kept], before[kept])
    elif method == "share":
        result, limit = edgeai.share(model, 3, data=data).model, 8
    elif method == "binarize":
        result, limit = edgeai.binarize(model, names=[name], data=data).model, 2
        np.testing.assert_allclose(np.abs(values(result)[0]), np.abs(before[0]).mean(), rtol=1e-6)
    else:
        result, limit = edgeai.quantize_weights(model, 0.02, data=data).model, 64
    for row in values(result) if method == "binarize" else [values(result)]:
        assert limit == 0 or len(np.unique(row)) <= limit
    assert len(set(weights(result))) == 1
    assert result.parameters == model.parameters
    agrees(result, result.to_onnx())


@pytest.mark.parametrize("has_data", [False, True], ids=["weights", "data"])
def test_factorize_makes_two_of_each_reader(has_data: bool) -> None:
    left, right = random(SIZE, 4, seed=1), random(4, SIZE, seed=2)
    for layer, shape, w in ((gemm, ROWS, left @ right), (convolution, IMAGE, np.einsum("or,ryx->oryx", left, random(4, 3, 3))[:, :1])):
        weight = w if layer is gemm else np.repeat(w, SIZE, axis=1) * random(1, SIZE, 1, 1, seed=3)
        content = network(layer, shape, {"w": weight.astype(np.float32)})
        model = edgeai.load(content)
        result = edgeai.factorize(model, 0.01, names=[first_layer(model)], data=samples(content, 8) if has_data else None).model
        read = weights(result)
        assert len(read) == 8
        assert len(set(read)) == 2
        assert result.parameters < model.parameters / 2
        # The weights have a low rank, so nothing is lost.
        x = samples(content)[0]
        assert relative_error(edgeai.Session(result).run(x)[0], reference(content, x)[0]) < 0.05
        agrees(result, result.to_onnx())


@pytest.mark.parametrize("per_channel", [True, False])
def test_quantized_once(per_channel: bool, shared: tuple[edgeai.Model, list[dict[str, Array]]]) -> None:
    model, inputs = shared
    result = edgeai.quantize(model, inputs, per_channel=per_channel).model
    assert result.quantized
    assert len(weights(result)) == 4
    assert len(set(weights(result))) == 1
    expected = edgeai.Session(model).run(inputs[0])[0]
    found = edgeai.Session(result).run(inputs[0])[0]
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
    exported = result.to_onnx()
    assert sum(len(t.raw_data) for t in onnx.load_from_string(exported).graph.initializer if len(t.dims) > 1) == values(model).size
    again = edgeai.load(exported)
    assert len(set(weights(again))) == 1
    np.testing.assert_allclose(edgeai.Session(again).run(inputs[0])[0], found, atol=0.02 * np.abs(expected).max())


def test_channels_stay() -> None:
    content = network(convolution, IMAGE, {"w": random(SIZE, SIZE, 3, 3)})
    model = edgeai.load(content)
    for masked in (False, True):
        result = edgeai.prune_channels(model, 0.5, masked=masked)
        assert all(layer.after == SIZE and "no float32 constant of its own" in layer.reason for layer in result.layers)
        agrees(result.model, content)


def test_a_search_takes_shared_layers_once() -> None:
    content = network(gemm, ROWS, {"w": random(SIZE, SIZE)})
    model = edgeai.load(content)
    size = len(model.to_bytes(coding="adaptive"))
    result = edgeai.compress(model, samples(content, 16), target_bytes=size // 2)
    assert len(result.model.to_bytes(coding="adaptive")) <= size // 2
    assert len(set(weights(result.model))) == 1
    agrees(result.model, result.model.to_onnx())


@pytest.mark.parametrize(
    "method",
    [
        None, train.MagnitudePruning(0.5, last=5, every=1), train.NetworkSurgery(0.5, last=5, biases=False), train.SharedWeights(), train.EntropyPenalty(1e-4),
        train.QuantizationAware(4, delay=2), train.QuantizationAware(4, learn_step=True, delay=2), train.BinaryWeights(include_first=True, include_last=True),
        train.EightBit(),
    ],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
@pytest.mark.parametrize("layer", [gemm, convolution])
def test_training(layer: Layer, method: train.Method | None) -> None:
    """One parameter is learnt for all readers, and what is exported is what was evaluated."""
    shape = ROWS if layer is gemm else IMAGE
    w = np.sign(random(*((SIZE, SIZE) if layer is gemm else (SIZE, SIZE, 3, 3)))) / 4 * (1 + (np.arange(SIZE) % 3)).reshape(-1, *(1,) * (len(shape) - 1))
    content = network(layer, shape, {"w": w.astype(np.float32)})
    model = edgeai.load(content)
    trainer = train.Trainer(
        model, loss="mean_squared_error", methods=[] if method is None else [method], optimizer=train.SGD(1e-3), batch=shape[0], clip_norm=1.0
    )
    x = samples(content)[0]["x0"]
    target = edgeai.Session(model).run(x)[0] / 2
    first = trainer.step(x, target)
    for _ in range(8):
        last = trainer.step(x, target)
    assert np.isfinite(last.loss)
    assert last.loss < first.loss or isinstance(method, train.MagnitudePruning | train.NetworkSurgery | train.BinaryWeights | train.QuantizationAware)
    result = trainer.export()
    assert len(set(weights(result))) == 1
    assert result.parameters == model.parameters
    found = edgeai.Session(result).run(x)[0]
    assert np.mean((found - target) ** 2) == pytest.approx(trainer.evaluate(x, target).loss, rel=1e-4)
    if isinstance(method, train.QuantizationAware):
        assert max(len(np.unique(row)) for row in values(result)) <= 16
    if isinstance(method, train.MagnitudePruning | train.NetworkSurgery):
        assert np.count_nonzero(values(result)) <= w.size // 2 + 1
    if isinstance(method, train.SharedWeights):
        assert len(np.unique(values(result))) <= len(np.unique(w))


def test_normalizations_of_shared_weights_train() -> None:
    """Each of two layers has a normalization of its own: neither can be in the weights while they are rounded."""
    nodes = []
    for place, scale in enumerate(("g", "g2")):
        nodes += [
            node("Conv", [f"n{place}", "w"], [f"c{place}"], pads=[1, 1, 1, 1]),
            node("BatchNormalization", [f"c{place}", scale, "b", "mean", "variance"], [f"n{place + 1}"]),
        ]
    constants = {name: COMMON[name] for name in ("g", "b", "mean", "variance")} | {"g2": 1 + random(SIZE, seed=8), "w": random(SIZE, SIZE, 3, 3)}
    content = small_model(nodes, {"n0": (4, *IMAGE[1:])}, ["n2"], constants)
    trainer = train.Trainer(edgeai.load(content), loss="mean_squared_error", methods=[train.QuantizationAware(4, 0, freeze=0)], batch=4)
    x = samples(content)[0]["n0"]
    for _ in range(5):
        last = trainer.step(x, np.zeros_like(x))
    assert np.isfinite(last.loss)
    # Statistics are frozen and activations are not rounded: a step computes with what is exported.
    expected = trainer.evaluate(x, np.zeros_like(x)).loss
    assert trainer.step(x, np.zeros_like(x)).loss == pytest.approx(expected, rel=1e-3)
