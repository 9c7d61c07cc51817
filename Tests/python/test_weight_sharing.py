"""Shared, binary and quantized weights on real networks, through the shipped library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import releases

import edgeai


def constants(model: edgeai.Model) -> dict[str, np.ndarray]:
    """The weights of convolutions and dense layers, by the name of the operator."""
    found = {}
    for op in model.ops:
        if op.type in ("Convolution", "Dense", "convolution", "dense"):
            found[op.name] = np.array(model.tensor_data(op.inputs[1]))
    return found


def accuracy(model: edgeai.Model, subset: dict[str, np.ndarray]) -> float:
    with edgeai.Session(model) as session:
        return float(np.mean(session(subset["images"]).argmax(1) == subset["labels"]))


@pytest.mark.parametrize("start", ["linear", "density", "random"])
def test_share(start: str, classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    result = edgeai.share(classifier, 6, start=start, data=subset["calibration"])  # type: ignore[arg-type]
    before, after = constants(classifier), constants(result.model)
    assert before.keys() == after.keys() and len(after) > 2
    for name, weights in after.items():
        assert len(np.unique(weights)) <= 64
        assert np.array_equal(weights == 0, before[name] == 0)
    assert result.report.samples == 8
    assert accuracy(result.model, subset) >= accuracy(classifier, subset) - 0.02
    again = edgeai.share(classifier, 6, start=start, data=subset["calibration"], threads=2)  # type: ignore[arg-type]
    assert again.model.to_bytes() == result.model.to_bytes()


def test_share_by_layer(classifier: edgeai.Model) -> None:
    names = list(constants(classifier))
    result = edgeai.share(classifier, 3, layers={names[0]: 0, names[1]: 2})
    after = constants(result.model)
    assert np.array_equal(after[names[0]], constants(classifier)[names[0]])
    assert len(np.unique(after[names[1]])) <= 4
    assert 4 < len(np.unique(after[names[2]])) <= 8


def test_binarize(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    before = constants(classifier)
    for values, most in (("binary", 2), ("ternary", 3)):
        after = constants(edgeai.binarize(classifier, values, first=True, last=True, depthwise=True).model)  # type: ignore[arg-type]
        for name, weights in after.items():
            for row, source in zip(weights.reshape(len(weights), -1), before[name].reshape(len(weights), -1), strict=True):
                assert len(np.unique(row)) <= most
                kept = row != 0
                assert np.array_equal(np.sign(row[kept]), np.where(source[kept] < 0, -1, 1))
                # Float64 sums, rounded once.
                assert np.isclose(np.abs(row).max(), np.abs(source[kept].astype(np.float64)).mean(), rtol=1e-6)
    middle = constants(edgeai.binarize(classifier, data=subset["calibration"]).model)
    names = list(before)
    assert np.array_equal(middle[names[0]], before[names[0]])
    assert np.array_equal(middle[names[-1]], before[names[-1]])
    assert any(not np.array_equal(middle[name], before[name]) for name in names)


def test_quantize_weights(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    sqnr = []
    for amount in (0.01, 0.001):
        result = edgeai.quantize_weights(classifier, amount, goal="noise", data=subset["calibration"])
        for weights in constants(result.model).values():
            # Whole numbers times a step, which is the least magnitude or a part of it.
            values = np.unique(np.abs(weights[weights != 0]))
            gaps = np.diff(np.concatenate([[0], values]).astype(np.float64))
            step = gaps[gaps > values.max() * 1e-5].min()
            assert np.allclose(values / step, np.round(values / step), atol=1e-2)
        report = edgeai.compare(classifier, result.model, subset["calibration"])
        sqnr.append(report.sqnr_db)
        assert report.sqnr_db >= -10 * np.log10(amount)
        assert accuracy(result.model, subset) >= accuracy(classifier, subset) - 0.02
    assert sqnr[1] > sqnr[0]


def test_progress_can_cancel(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    stages = []

    def stop(stage: str, done: int, total: int) -> None:
        stages.append(stage)
        if stage == "sensitivity":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        edgeai.quantize_weights(classifier, data=subset["calibration"][:4], progress=stop)
    assert stages[0] == "statistics" and stages[-1] == "sensitivity"


@pytest.mark.parametrize(
    "call",
    [
        lambda m: edgeai.share(m, 0),
        lambda m: edgeai.share(m, 9),
        lambda m: edgeai.share(m, 4, names=["nowhere"]),
        lambda m: edgeai.share(m, 4, layers={"nowhere": 3}),
        lambda m: edgeai.share(m, 4, start="middle"),
        lambda m: edgeai.share(m, 4, seed=-1),
        lambda m: edgeai.share(m, 4, threads=0),
        lambda m: edgeai.share(m, 4, windows=0),
        lambda m: edgeai.share(m, 4, iterations=-1),
        lambda m: edgeai.binarize(m, "quaternary"),
        lambda m: edgeai.binarize(m, "ternary", threshold=float("nan")),
        lambda m: edgeai.binarize(m, names=["nowhere"]),
        lambda m: edgeai.quantize_weights(m, 0),
        lambda m: edgeai.quantize_weights(m, float("nan")),
        lambda m: edgeai.quantize_weights(m, 0.01, goal="noise"),
        lambda m: edgeai.quantize_weights(m, 1e-9, goal="bits"),
        lambda m: edgeai.quantize_weights(m, damping=0),
        lambda m: edgeai.quantize_weights(m, sensitivity_samples=-1),
        lambda m: edgeai.quantize_weights(m, layers={"nowhere": 1}),
        lambda m: edgeai.quantize_weights(m, data=[]),
    ],
)
def test_bad_arguments(call: object, classifier: edgeai.Model) -> None:
    with pytest.raises(edgeai.ArgumentError):
        call(classifier)  # type: ignore[operator]


@pytest.mark.parametrize("name,make,limit", [("lenet300100", releases.lenet_300_100, 209), ("lenet5", releases.lenet_5, 101)])
def test_surgery_models_on_a_grid(name: str, make: object, limit: int, test_data: Path) -> None:
    """MNIST's test error stays within 0.1 point of the released model's; the digits of calibration are of the training set."""
    model = edgeai.load(make(test_data / f"models/dns/caffe_{name}_sparse.caffemodel"))  # type: ignore[operator]
    digits, _ = releases.mnist(test_data / "datasets/mnist.npz", "train")
    images, labels = releases.mnist(test_data / "datasets/mnist.npz")
    made = edgeai.quantize_weights(model, 0.0005, data=digits[:1000], sensitivity_samples=200).model
    with edgeai.Session(made) as session:
        wrong = sum(int(np.count_nonzero(session(images[i : i + 1000]).argmax(1) != labels[i : i + 1000])) for i in range(0, 10_000, 1000))
    print(f"{name}: {wrong} of 10,000 wrong")
    assert wrong <= limit
    for before, after in zip(constants(model).values(), constants(made).values(), strict=True):
        assert not np.any(after[before == 0])
