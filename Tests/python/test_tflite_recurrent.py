"""LSTM and RNN layers of TFLite models against LiteRT."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from conftest import relative_error
from tflite_writer import Network

import edgeai

STEPS, BATCH, INPUTS, HIDDEN = 6, 2, 5, 8


class Layers:
    """A file of one recurrent operator."""

    def __init__(self, kind: str, hybrid: bool, batch_major: bool, batch: int = BATCH) -> None:
        self.kind, self.hybrid, self.batch = kind, hybrid, batch
        self.rng = np.random.default_rng(0)
        self.net = Network()
        self.shape = (batch, STEPS, INPUTS) if batch_major else (STEPS, batch, INPUTS)
        self.x = self.net.tensor("x", self.shape)

    def constant(self, *shape: int, hybrid: bool = False) -> int:
        value = self.rng.uniform(-0.6, 0.6, shape).astype(np.float32)
        name = f"c{len(self.net.tensors)}"
        if not hybrid:
            return self.net.tensor(name, shape, "float32", value.tobytes())
        scale = float(np.abs(value).max()) / 127
        return self.net.tensor(name, shape, "int8", np.round(value / scale).astype(np.int8).tobytes(), scale=scale)

    def weights(self, coupled: bool = False, peepholes: bool = False) -> list[int]:
        if self.kind == "RNN":
            return [self.constant(HIDDEN, INPUTS, hybrid=self.hybrid), self.constant(HIDDEN, HIDDEN, hybrid=self.hybrid), self.constant(HIDDEN)]
        own = [-1 if coupled and gate == 0 else self.constant(HIDDEN, INPUTS, hybrid=self.hybrid) for gate in range(4)]
        own += [-1 if coupled and gate == 0 else self.constant(HIDDEN, HIDDEN, hybrid=self.hybrid) for gate in range(4)]
        own += [self.constant(HIDDEN, hybrid=self.hybrid) if peepholes and not (coupled and gate == 0) else -1 for gate in range(3)]
        own += [-1 if coupled and gate == 0 else self.constant(HIDDEN) for gate in range(4)]
        return [*own, -1, -1]

    def state(self) -> int:
        return self.net.tensor(f"s{len(self.net.tensors)}", (self.batch, HIDDEN), _5=("B", 1))

    def result(self, width: int = HIDDEN) -> int:
        return self.net.tensor(f"y{len(self.net.tensors)}", (*self.shape[:2], width))

    def file(self, inputs: list[int], outputs: list[int], options: str, **values: Any) -> bytes:
        direction = "BIDIRECTIONAL" if options.startswith("Bi") else "UNIDIRECTIONAL"
        self.net.operator(f"{direction}_SEQUENCE_{self.kind}", [self.x, *inputs], outputs, options, **values)
        return self.net.file([self.x], outputs)


def compare(content: bytes, shape: tuple[int, ...], bound: float) -> None:
    """Runs of which each begins with the states that the one before left; the same again after a reset."""
    random = np.random.default_rng(1)
    samples = [random.uniform(-1, 1, shape).astype(np.float32) for _ in range(3)]
    peer = Interpreter(model_content=content, num_threads=1)
    peer.allocate_tensors()
    model = edgeai.load(content)
    assert [t.name for t in model.inputs] == ["x"]
    session = edgeai.Session(model)
    first = None
    for _ in range(2):
        for x in samples:
            peer.set_tensor(peer.get_input_details()[0]["index"], x)
            peer.invoke()
            found = session.run(x)
            for have, detail in zip(found, peer.get_output_details(), strict=True):
                want = peer.get_tensor(detail["index"])
                assert have.shape == want.shape
                assert relative_error(have, want) <= bound
        again = edgeai.Session(model).run(samples[-1])[0]
        assert not np.array_equal(found[0], again)
        session.reset()
        peer.reset_all_variables()
        first = first or found
        assert np.array_equal(first[0], found[0])


@pytest.mark.parametrize("batch_major", [True, False])
@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("variant", ["plain", "coupled", "peepholes", "coupled peepholes", "clip", "relu"])
def test_lstm(variant: str, hybrid: bool, batch_major: bool) -> None:
    layers = Layers("LSTM", hybrid, batch_major)
    inputs = [*layers.weights("coupled" in variant, "peepholes" in variant), layers.state(), layers.state()]
    content = layers.file(
        inputs, [layers.result()], "UnidirectionalSequenceLSTM", activation=1 if variant == "relu" else 4,
        cell_clip=0.2 if variant == "clip" else 0.0, time_major=int(not batch_major))  # fmt: skip
    compare(content, layers.shape, 0.03 if hybrid else 2e-6)


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("batch_major", [True, False])
@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_both_directions(kind: str, batch_major: bool, merge: bool) -> None:
    # Of an LSTM that merges its directions with the batch in front, LiteRT computes the first sample as it computes it otherwise.
    layers = Layers(kind, False, batch_major, 1 if kind == "LSTM" and merge and batch_major else BATCH)
    if kind == "LSTM":
        inputs = [*layers.weights(), *layers.weights(), *(layers.state() for _ in range(4)), *[-1] * 9]
    else:
        inputs = [*layers.weights(), layers.state(), *layers.weights(), layers.state(), -1, -1, -1]
    outputs = [layers.result(2 * HIDDEN)] if merge else [layers.result(), layers.result()]
    options = {"activation": 4, "merge": int(merge), "time_major": int(not batch_major)}
    content = layers.file(inputs, outputs, f"BidirectionalSequence{kind}", **options)
    compare(content, layers.shape, 2e-6)


@pytest.mark.parametrize("batch_major", [True, False])
@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("activation", [0, 1, 3, 4])
def test_rnn(activation: int, hybrid: bool, batch_major: bool) -> None:
    layers = Layers("RNN", hybrid, batch_major)
    inputs = [*layers.weights(), layers.state()]
    content = layers.file(inputs, [layers.result()], "SequenceRNN", activation=activation, time_major=int(not batch_major))
    compare(content, layers.shape, 0.03 if hybrid else 2e-6)


@pytest.mark.parametrize("part", ["a projection", "layer normalization", "an auxiliary input"])
def test_what_is_not_supported(part: str) -> None:
    layers = Layers("LSTM", False, True)
    weights = layers.weights()
    if part == "a projection":
        weights[15] = layers.constant(HIDDEN, HIDDEN)
    inputs = [*weights, layers.state(), layers.state()]
    if part == "layer normalization":
        inputs += [layers.constant(HIDDEN) for _ in range(4)]
    options = "UnidirectionalSequenceLSTM"
    if part == "an auxiliary input":
        inputs = [*weights, *layers.weights(), *(layers.state() for _ in range(4)), layers.x, *[-1] * 8]
        options = "BidirectionalSequenceLSTM"
    outputs = [layers.result()] if options.startswith("Uni") else [layers.result(), layers.result()]
    with pytest.raises(edgeai.UnsupportedOpError, match=f"{part} is not supported"):
        edgeai.load(layers.file(inputs, outputs, options, activation=4))
