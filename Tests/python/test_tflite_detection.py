"""Detection post-processing of TFLite, against LiteRT."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers
from test_tflite import litert, ours
from tflite_writer import Network

import edgeai

ANCHORS = 40


def post_process(regular: bool, *, classes: int = 3, most: int = 6, background: int = 1, **more: Any) -> bytes:
    network = Network()
    grid = np.random.default_rng(1).uniform(0.1, 0.9, (ANCHORS, 2))
    anchors = np.concatenate([grid, np.full((ANCHORS, 2), 0.3)], 1).astype(np.float32)
    boxes = network.tensor("boxes", [1, ANCHORS, 4])
    scores = network.tensor("scores", [1, ANCHORS, classes + background])
    constant = network.tensor("anchors", [ANCHORS, 4], data=anchors.tobytes())
    shapes = ([1, most, 4], [1, most], [1, most], [1])
    outputs = [network.tensor(f"out{i}", shape) for i, shape in enumerate(shapes)]
    builder = flexbuffers.Builder()
    with builder.Map():
        for key, value in {
            "max_detections": most, "max_classes_per_detection": 1, "detections_per_class": 4, "use_regular_nms": regular,
            "nms_score_threshold": 0.4, "nms_iou_threshold": 0.5, "num_classes": classes,
            "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0, **more,
        }.items():  # fmt: skip
            builder.Key(key)
            builder.Add(value)
    network.operator(
        "CUSTOM", [boxes, scores, constant], outputs, custom="TFLite_Detection_PostProcess", custom_options=bytes(builder.Finish())
    )
    return network.file([boxes, scores], outputs)


@pytest.mark.parametrize("background", [0, 1])
@pytest.mark.parametrize("most", [1, 6, 60])
@pytest.mark.parametrize("regular", [False, True])
def test_post_processing(regular: bool, most: int, background: int) -> None:
    content = post_process(regular, most=most, background=background)
    random = np.random.default_rng(3)
    for limit in (1.0, 0.6, 0.45, 0.1):
        boxes = random.normal(size=(1, ANCHORS, 4)).astype(np.float32)
        scores = (random.random((1, ANCHORS, 3 + background)) * limit).astype(np.float32)
        expected, found = litert(content, [boxes, scores]), ours(content, [boxes, scores])
        assert found[3] == expected[3]
        count = int(found[3][0])
        for want, have in zip(expected[:3], found[:3], strict=True):
            assert have.shape == want.shape
            # What stands after the last detection is zero here; LiteRT leaves it open.
            np.testing.assert_allclose(have[:, :count], want[:, :count], rtol=1e-5, atol=1e-5)
            assert not have[:, count:].any()


def test_more_classes_for_a_detection_are_refused() -> None:
    found = edgeai.check(post_process(False, max_classes_per_detection=2))
    assert [u.type for u in found.unsupported] == ["CUSTOM TFLite_Detection_PostProcess"]
    assert "more than one class" in found.unsupported[0].reason


def test_every_cut_of_the_options_is_an_error_or_runs() -> None:
    content = post_process(True)
    start = content.index(b"detections_per_class") - 8
    for place in range(start, start + 260):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        try:
            edgeai.Session(edgeai.load(bytes(damaged)))
        except edgeai.EdgeAIError:
            pass


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("most", [1, 5, 50])
def test_non_max_suppression(version: int, most: int) -> None:
    network = Network()
    inputs = [network.tensor("boxes", [30, 4]), network.tensor("scores", [30])]
    numbers = [("most", "int32", np.int32(most)), ("overlap", "float32", np.float32(0.3)), ("least", "float32", np.float32(0.4))]
    if version == 5:
        numbers.append(("sigma", "float32", np.float32(0)))
    constants = [network.tensor(name, [], kind, data=value.tobytes()) for name, kind, value in numbers]
    outputs = [network.tensor("which", [most], "int32")]
    if version == 5:
        outputs.append(network.tensor("values", [most]))
    outputs.append(network.tensor("count", [], "int32"))
    network.operator(f"NON_MAX_SUPPRESSION_V{version}", [*inputs, *constants], outputs)
    content = network.file(inputs, outputs)
    random = np.random.default_rng(5)
    for limit in (1.0, 0.5, 0.1):
        corner = random.random((30, 2))
        boxes = np.concatenate([corner, corner + random.random((30, 2)) * 0.5], 1).astype(np.float32)
        scores = (random.random(30) * limit).astype(np.float32)
        session = edgeai.Session(edgeai.load(content))
        for want, have in zip(litert(content, [boxes, scores]), session.run([boxes, scores]), strict=True):
            assert have.dtype == want.dtype and have.shape == want.shape
            np.testing.assert_array_equal(have, want)


def test_less_room_than_the_results_have_is_an_error() -> None:
    content = post_process(True)
    edgeai.Session(edgeai.load(content), max_extent=6)
    with pytest.raises(edgeai.LimitError, match="a size for 12 entries, more than the maximum extent of 5"):
        edgeai.Session(edgeai.load(content), max_extent=5)
