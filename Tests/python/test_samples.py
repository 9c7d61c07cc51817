"""Samples for models that fix how many they take at once, and names of layers and types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import small_model
from onnx import helper

import edgeai

RANDOM = np.random.default_rng(3)
X = RANDOM.standard_normal((20, 6)).astype(np.float32)
LABELS = RANDOM.integers(0, 4, 20)
WEIGHTS = RANDOM.standard_normal((4, 6)).astype(np.float32)


def dense(count: int | str) -> edgeai.Model:
    node = helper.make_node("Gemm", ["x", "w"], ["y"], name="fc1", transB=1)
    return edgeai.load(small_model([node], {"x": (count, 6)}, ["y"], {"w": WEIGHTS}))


#: What works on one array of samples, as (model, samples) -> numbers that must not depend on how many a run takes.
USES: dict[str, Callable[[edgeai.Model, Any], Any]] = {
    "quantize": lambda m, x: edgeai.Session(edgeai.quantize(m, x).model)(X[: m.inputs[0].shape[0] or 1])[0].tolist(),
    "prune": lambda m, x: edgeai.prune(m, names=["fc1"], data=x).model.tensor_data(1).tolist(),
    "compare": lambda m, x: edgeai.compare(m, edgeai.prune(m, names=["fc1"]).model, x).sqnr_db,
    "recipe": lambda m, x: edgeai.compress(m, x, recipe="share:bits=2").model.tensor_data(1).tolist(),
    "search": lambda m, x: edgeai.compress(m, x, max_drop=100.0, labels=LABELS).report.samples,
    "evaluate": lambda m, x: edgeai.train.Trainer(m).evaluate(x, LABELS).loss,
}


@pytest.mark.parametrize("use", USES)
def test_a_fixed_batch_of_one_takes_an_array_of_samples(use: str) -> None:
    # The same numbers but for the order in which means are taken.
    assert np.allclose(USES[use](dense(1), X), USES[use](dense("n"), X), rtol=1e-6)


@pytest.mark.parametrize("use", USES)
def test_a_fixed_batch_takes_multiples_of_it(use: str) -> None:
    assert np.allclose(USES[use](dense(5), X), USES[use](dense(5), [X[:10], X[10:]] if use != "evaluate" else X), rtol=1e-6)
    with pytest.raises(edgeai.ShapeError, match="takes 3 samples at once; the array for tensor 'x' has 20"):
        USES[use](dense(3), X)


def test_labels_of_a_fixed_batch_are_those_of_its_samples() -> None:
    with edgeai.Session(dense("n")) as session:
        right = session(X).argmax(1)
    asked = {"max_drop": 0.0, "method": "grid"}
    judged = edgeai.compress(dense(5), X, labels=right, **asked)  # type: ignore[arg-type]
    with edgeai.Session(judged.model) as session:
        assert (session(X[5:10]).argmax(1) == right[5:10]).all() and (session(X[15:]).argmax(1) == right[15:]).all()
    with pytest.raises(edgeai.ArgumentError, match="19 labels for 20 samples"):
        edgeai.compress(dense(5), X, labels=right[1:], **asked)  # type: ignore[arg-type]
    with pytest.raises(edgeai.ArgumentError, match="19 targets"):
        edgeai.train.Trainer(dense(5)).evaluate(X, right[1:])


def test_all_samples_of_several_inputs_at_once() -> None:
    nodes = [helper.make_node("Gemm", ["x", "w"], ["z"], name="fc1", transB=1), helper.make_node("Add", ["z", "b"], ["y"])]
    model = edgeai.load(small_model(nodes, {"x": ("n", 6), "b": ("n", 4)}, ["y"], {"w": WEIGHTS}))
    beside = X[:, :4] * 2
    listed = edgeai.quantize(model, [(X[i : i + 1], beside[i : i + 1]) for i in range(len(X))]).model.to_bytes()
    forms: list[Any] = [(X, beside), {"b": beside, "x": X}, [(X, beside)], [{"b": beside, "x": X}]]
    for data in forms:
        assert edgeai.quantize(model, data).model.to_bytes() == listed
    for wrong, message in (
        ({"x": X}, "no array for input 'b'"), ({"x": X, "b": beside, "c": X}, "an array for 'c'; the model has no such input"),
        ((X, beside[:5]), "20 for 'x', 5 for 'b'"), (X, "the model has 2 inputs"),
    ):
        with pytest.raises(edgeai.EdgeAIError, match=message):
            edgeai.quantize(model, wrong)


def test_a_string_is_one_name() -> None:
    model = dense("n")
    for one, many in (
        (edgeai.prune(model, names="fc1"), edgeai.prune(model, names=["fc1"])),
        (edgeai.share(model, 2, names="fc1"), edgeai.share(model, 2, names=["fc1"])),
        (edgeai.quantize(model, X, ignore="fc1"), edgeai.quantize(model, X, ignore=["fc1"])),
        (edgeai.quantize(model, X, ignore_types="Dense"), edgeai.quantize(model, X, ignore_types=["Dense"])),
        (edgeai.compress(model, X, recipe="prune:names=fc1"), edgeai.compress(model, X, recipe=[("prune", {"names": ["fc1"]})])),
    ):
        assert one.model.to_bytes() == many.model.to_bytes()
    with pytest.raises(edgeai.ArgumentError, match="names has 3, which is no name"):
        edgeai.prune(model, names=[3])  # type: ignore[list-item]
    with pytest.raises(edgeai.ArgumentError, match="layers is 'fc1'; it must be a mapping"):
        edgeai.share(model, layers="fc1")  # type: ignore[arg-type]


def test_a_type_that_no_operator_has() -> None:
    with pytest.raises(edgeai.ArgumentError, match="ignore_types has 'Dens'.*types Dense$"):
        edgeai.quantize(dense("n"), X, ignore_types=["Dens"])
