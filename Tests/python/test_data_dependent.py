"""Networks whose results have a size that depends on data, against ONNX Runtime."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from conftest import ROOT
from onnx import TensorProto, helper, numpy_helper

import edgeai

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


class Builder:
    """A network written down node by node."""

    def __init__(self, **inputs: tuple[int, Sequence[Any]]) -> None:
        self.inputs = [helper.make_tensor_value_info(n, t, s) for n, (t, s) in inputs.items()]
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, op: str, *inputs: Any, results: int = 1, **attributes: Any) -> Any:
        """A node; inputs that are no names become constants."""
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        outputs = [f"v{len(self.nodes)}_{i}" for i in range(results)]
        self.nodes.append(helper.make_node(op, names, outputs, f"{op}{len(self.nodes)}", **attributes))
        return outputs[0] if results == 1 else outputs

    def bytes(self, *outputs: str, opset: int = 18) -> bytes:
        infos = [helper.make_empty_tensor_value_info(n) for n in outputs]
        graph = helper.make_graph(self.nodes, "g", self.inputs, infos, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9).SerializeToString()


def agree(model: bytes, *feeds: dict[str, np.ndarray], **options: Any) -> edgeai.Session:
    """The same session gives for each feed what ONNX Runtime gives."""
    reference = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    session = edgeai.Session(model, **options)
    for feed in feeds:
        expected, found = reference.run(None, feed), session.run(feed)
        for want, have in zip(expected, found, strict=True):
            assert have.shape == want.shape and have.dtype == want.dtype
            np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)
    return session


def boxes(random: np.random.Generator, count: int, batch: int = 1) -> np.ndarray:
    corner = random.random((batch, count, 2), np.float32)
    return np.concatenate([corner, corner + random.random((batch, count, 2), np.float32) * np.float32(0.5)], 2)


def scores(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.random(shape, np.float32)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


def masks(random: np.random.Generator, *shape: int) -> list[np.ndarray]:
    """Nothing, everything and three in between."""
    return [np.zeros(shape, np.float32), np.ones(shape, np.float32)] + [
        (random.random(shape) > p).astype(np.float32) for p in (0.1, 0.5, 0.9)
    ]


def test_non_zero_finds_other_numbers_in_each_run(random: np.random.Generator) -> None:
    b = Builder(x=(FLOAT, [3, 5]))
    found = b.add("NonZero", "x")
    rows = b.add("Transpose", found, perm=[1, 0])
    size = b.add("Shape", rows)
    feeds = [{"x": x} for x in masks(random, 3, 5)]
    feeds.append({"x": np.float32([[-0.0, 1, -1, 0, 1e-40]] * 3)})
    session = agree(b.bytes(found, rows, size), *feeds)
    assert [t.shape for t in session.outputs] == [(2, 15), (15, 2), (2,)]
    assert [t.bounded_axis for t in session.outputs] == [1, 0, None]
    assert session.outputs[0].shape_text == "2×0..15"


@pytest.mark.parametrize("batch", [1, 3])
def test_non_zero_of_an_open_batch(random: np.random.Generator, batch: int) -> None:
    b = Builder(x=(FLOAT, ["N", 5]))
    found = b.add("NonZero", "x")
    rows = b.add("Transpose", found, perm=[1, 0])
    agree(b.bytes(found, b.add("Cast", b.add("Gather", rows, np.int64(1), axis=1), to=FLOAT)), *[{"x": x} for x in masks(random, batch, 5)])


@pytest.mark.parametrize("batch", [1, 3])
def test_joins_slices_and_bests_follow_an_open_batch(random: np.random.Generator, batch: int) -> None:
    b = Builder(x=(FLOAT, ["N", 4]))
    places = b.add("Cast", b.add("Gather", b.add("NonZero", "x"), np.int64(1), axis=0), to=FLOAT)
    joined = b.add("Concat", places, np.float32([9]), places, axis=0)
    rest = b.add("Slice", joined, np.int64([2]), np.int64([2**40]))
    best = b.add("TopK", joined, b.add("Shape", joined), results=2)
    agree(b.bytes(joined, rest, best[0]), *[{"x": x} for x in masks(random, batch, 4)])


@pytest.mark.parametrize("center", [0, 1])
@pytest.mark.parametrize("threshold", [None, 0.3, 0.999])
def test_non_max_suppression(random: np.random.Generator, center: int, threshold: float | None) -> None:
    b = Builder(boxes=(FLOAT, [2, 30, 4]), scores=(FLOAT, [2, 3, 30]))
    limits = [np.int64([4]), np.float32([0.3])] + ([] if threshold is None else [np.float32([threshold])])
    chosen = b.add("NonMaxSuppression", "boxes", "scores", *limits, center_point_box=center)
    feeds = [{"boxes": boxes(random, 30, 2), "scores": scores(random, 2, 3, 30)} for _ in range(4)]
    # Equal scores: the lower index is first.
    feeds.append({"boxes": boxes(random, 30, 2), "scores": np.round(scores(random, 2, 3, 30), 1)})
    agree(b.bytes(chosen), *feeds)


def yolo(classes: int, anchors: int, most: int) -> bytes:
    """Centers and sizes to corners, suppression, rows of box, score and class."""
    b = Builder(raw=(FLOAT, [1, 4 + classes, anchors]))
    rows = b.add("Transpose", "raw", perm=[0, 2, 1])
    box, score = b.add("Split", rows, np.int64([4, classes]), results=2, axis=2)
    x, y, w, h = b.add("Split", box, results=4, axis=2, num_outputs=4)
    half_w, half_h = b.add("Div", w, np.float32(2)), b.add("Div", h, np.float32(2))
    corners = b.add(
        "Concat", b.add("Sub", x, half_w), b.add("Sub", y, half_h), b.add("Add", x, half_w), b.add("Add", y, half_h), axis=2
    )
    by_class = b.add("Transpose", score, perm=[0, 2, 1])
    chosen = b.add("NonMaxSuppression", corners, by_class, np.int64([most]), np.float32([0.45]), np.float32([0.6]))
    which = b.add("Gather", chosen, np.int64(2), axis=1)
    kind = b.add("Slice", chosen, np.int64([1]), np.int64([2]), np.int64([1]))
    picked = b.add("Gather", b.add("Squeeze", corners, np.int64([0])), which, axis=0)
    value = b.add("Unsqueeze", b.add("GatherND", by_class, chosen), np.int64([1]))
    out = b.add("Concat", picked, value, b.add("Cast", kind, to=FLOAT), axis=1)
    count = b.add("Gather", b.add("Shape", out), np.int64(0))
    # The best hundred, sorted.
    k = b.add("Min", count, np.int64(100))
    best = b.add("TopK", b.add("Reshape", value, np.int64([-1])), b.add("Reshape", k, np.int64([1])), results=2)
    ordered = b.add("Gather", out, best[1], axis=0)
    return b.bytes(out, count, ordered, b.add("Slice", ordered, np.int64([0]), np.int64([5])))


@pytest.mark.parametrize("threads", [1, 2])
def test_yolo_post_processing(random: np.random.Generator, threads: int) -> None:
    feeds = []
    for scale in (1.0, 0.61, 0.1, 0.8):
        raw = random.random((1, 9, 80)).astype(np.float32)
        raw[:, 4:] *= np.float32(scale)
        feeds.append({"raw": raw})
    session = agree(yolo(5, 80, 20), *feeds, threads=threads)
    assert session.run(feeds[2])[0].shape == (0, 6)


def ssd(classes: int, anchors: int, k: int, most: int) -> bytes:
    """Of each class the best candidates above a score, joined; suppression with boxes moved apart by class; the best."""
    b = Builder(boxes=(FLOAT, [anchors, 4]), scores=(FLOAT, [anchors, classes]))
    all_boxes, all_scores, all_labels = [], [], []
    for label in range(1, classes):
        score = b.add("Gather", "scores", np.int64(label), axis=1)
        keep = b.add("Greater", score, np.float32(0.7))
        places = b.add("Squeeze", b.add("Transpose", b.add("NonZero", keep), perm=[1, 0]), np.int64([1]))
        kept, box = b.add("Gather", score, places, axis=0), b.add("Gather", "boxes", places, axis=0)
        size = b.add("Gather", b.add("Shape", kept), np.int64([0]), axis=0)
        count = b.add("ReduceMin", b.add("Concat", np.int64([k]), size, axis=0), keepdims=0)
        top = b.add("TopK", kept, b.add("Reshape", count, np.int64([1])), results=2, axis=0, largest=1, sorted=1)
        all_scores.append(top[0])
        all_boxes.append(b.add("Gather", box, top[1], axis=0))
        like = b.add("ConstantOfShape", b.add("Shape", top[0]), value=helper.make_tensor("v", INT64, [1], [label]))
        all_labels.append(like)
    box, score, label = (b.add("Concat", *parts, axis=0) for parts in (all_boxes, all_scores, all_labels))
    reach = b.add("Add", b.add("ReduceMax", box, keepdims=0), np.float32(1))
    apart = b.add("Add", box, b.add("Unsqueeze", b.add("Mul", b.add("Cast", label, to=FLOAT), reach), np.int64([1])))
    one = np.int64([0])
    chosen = b.add(
        "NonMaxSuppression", b.add("Unsqueeze", apart, one), b.add("Unsqueeze", score, np.int64([0, 1])), np.int64([2**31 - 1]), np.float32([0.5])
    )
    keep = b.add("Squeeze", b.add("Gather", chosen, np.int64([2]), axis=1), np.int64([1]))
    keep = b.add("Slice", keep, np.int64([0]), np.int64([most]), np.int64([0]))
    return b.bytes(b.add("Gather", box, keep, axis=0), b.add("Gather", score, keep, axis=0), b.add("Gather", label, keep, axis=0))


def test_ssd_post_processing(random: np.random.Generator) -> None:
    feeds = [{"boxes": boxes(random, 50)[0], "scores": scores(random, 50, 4)} for _ in range(4)]
    for scale in (0.71, 0.75, 0.9):
        feeds.append({"boxes": boxes(random, 50)[0], "scores": scores(random, 50, 4) * np.float32(scale)})
    agree(ssd(4, 50, 10, 8), *feeds)


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
                                "ReduceLogSumExp"])  # fmt: skip
@pytest.mark.parametrize("axes", [[0], [0, 1]])
def test_reductions_over_what_was_found(random: np.random.Generator, op: str, axes: list[int]) -> None:
    b = Builder(x=(FLOAT, [6, 3]), keep=(BOOL, [6]))
    found = b.add("Compress", "x", "keep", axis=0)
    feeds = [{"x": random.normal(size=(6, 3)).astype(np.float32), "keep": random.random(6) > p} for p in (0, 0.3, 0.5, 0.8)]
    agree(b.bytes(b.add(op, found, np.int64(axes), keepdims=0), found), *[f for f in feeds if f["keep"].any()])


def test_operators_along_what_was_found(random: np.random.Generator) -> None:
    b = Builder(x=(FLOAT, [6, 3]), keep=(BOOL, [6]))
    found = b.add("Compress", "x", "keep", axis=0)
    size = b.add("Gather", b.add("Shape", found), np.int64(0))
    places = b.add("Range", np.int64(0), size, np.int64(1))
    wide = b.add("Expand", np.float32([[2, 3, 4]]), b.add("Concat", b.add("Unsqueeze", size, np.int64([0])), np.int64([1]), axis=0))
    results = [
        b.add("Softmax", found, axis=0),
        b.add("ArgMax", found, axis=0, keepdims=0),
        b.add("CumSum", found, np.int64(0)),
        b.add("MatMul", found, np.float32([[1, 2], [3, 4], [5, 6]])),
        b.add("Concat", found, "x", found, axis=0),
        b.add("Add", found, wide),
        b.add("Slice", found, np.int64([1]), np.int64([-1]), np.int64([0])),
        b.add("Gather", found, np.int64([-1, 0]), axis=0),
        b.add("Mul", b.add("Cast", places, to=FLOAT), b.add("ReduceSum", found, np.int64([1]), keepdims=0)),
        b.add("Size", found),
        b.add("Cast", b.add("Div", b.add("Cast", size, to=FLOAT), np.float32(2)), to=FLOAT),
        b.add("Reshape", found, b.add("Concat", b.add("Reshape", size, np.int64([1])), np.int64([3, 1]), axis=0)),
        b.add("Where", b.add("Greater", found, np.float32(0)), found, np.float32(-1)),
        b.add("NonZero", b.add("Relu", found)),
        b.add("LayerNormalization", found, np.float32([1, 2, 3]), np.float32([0, 0, 1])),
    ]
    x = random.normal(size=(6, 3)).astype(np.float32)
    keeps = [np.arange(6) < n for n in (2, 6)] + [random.permutation(6) < n for n in (3, 4, 5)]
    agree(b.bytes(*results), *[{"x": x, "keep": keep} for keep in keeps])


@pytest.mark.parametrize("dtype", ["float32", "int64", "int8"])
@pytest.mark.parametrize("is_sorted", [0, 1])
def test_unique(random: np.random.Generator, dtype: str, is_sorted: int) -> None:
    types = {"float32": FLOAT, "int64": INT64, "int8": TensorProto.INT8}
    b = Builder(x=(types[dtype], [4, 5]))
    feeds = [{"x": random.integers(0, n, (4, 5)).astype(dtype)} for n in (1, 3, 100)]
    agree(b.bytes(*b.add("Unique", "x", results=4, sorted=is_sorted)), *feeds)


def test_joins_of_different_extents_are_refused() -> None:
    b = Builder(x=(FLOAT, [6]), a=(BOOL, [6]), c=(BOOL, [6]))
    both = b.add("Add", b.add("Compress", "x", "a"), b.add("Compress", "x", "c"))
    found = edgeai.check(b.bytes(both))
    assert [u.type for u in found.unsupported] == ["Add"]
    assert "depends on data" in found.unsupported[0].reason


def test_a_loop_imported_again_leaves_nothing_behind(random: np.random.Generator) -> None:
    """A state that grows makes the importer take the loop back and write its iterations out: nodes that it shared are gone then."""
    info = helper.make_tensor_value_info

    def sum_of_others(x: str, y: str) -> list[Any]:
        return [
            helper.make_node("NonZero", [x], [y + "n"]), helper.make_node("Transpose", [y + "n"], [y + "t"], perm=[1, 0]),
            helper.make_node("GatherND", [x, y + "t"], [y + "g"]), helper.make_node("ReduceSum", [y + "g"], [y], keepdims=0),
        ]  # fmt: skip

    body = helper.make_graph(
        [
            *sum_of_others("s", "sum"), helper.make_node("Add", ["s", "sum"], ["a"]), helper.make_node("Concat", ["a", "a"], ["s2"], axis=0),
            helper.make_node("Identity", ["c"], ["c2"]),
        ],
        "body",
        [info("i", TensorProto.INT64, []), info("c", TensorProto.BOOL, []), info("s", TensorProto.FLOAT, None)],
        [info("c2", TensorProto.BOOL, []), info("s2", TensorProto.FLOAT, None)],
    )  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node("Loop", ["n", "", "x"], ["y"], body=body), *sum_of_others("y", "z")], "loop", [info("x", TensorProto.FLOAT, [4])],
        [info("z", TensorProto.FLOAT, [])], [numpy_helper.from_array(np.int64(2), "n")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    x = random.normal(size=4).astype(np.float32)
    x[1] = 0
    expected = onnxruntime.InferenceSession(model).run(None, {"x": x})[0]
    np.testing.assert_allclose(edgeai.Session(edgeai.load(model)).run(x)[0], expected, rtol=1e-5)



@pytest.mark.parametrize("op", ["ScatterElements", "EyeLike", "Resize", "Attention"])
def test_what_a_size_stands_against_is_refused_by_name(op: str) -> None:
    b = Builder(x=(FLOAT, [6, 6]), keep=(BOOL, [6]))
    found = b.add("Compress", "x", "keep", axis=0)
    inputs = {
        "ScatterElements": (found, b.add("Cast", found, to=INT64), found), "EyeLike": (found,),
        "Resize": (b.add("Reshape", found, np.int64([1, 1, -1, 6])), "", np.float32([1, 1, 2, 2])), "Attention": (found, found, found),
    }  # fmt: skip
    result = edgeai.check(b.bytes(b.add(op, *inputs[op]), opset=23))
    assert [u.type for u in result.unsupported] == [op]


def test_room_for_less_than_there_can_be(random: np.random.Generator) -> None:
    b = Builder(x=(FLOAT, [8, 3]), keep=(BOOL, [8]))
    found = b.add("Compress", "x", "keep", axis=0)
    best = b.add("TopK", found, np.int64([5]), results=2, axis=0)
    model = b.bytes(found, b.add("Reshape", b.add("Relu", found), np.int64([1, -1, 3])), best[0], b.add("Concat", found, found, axis=0))
    feeds = [{"x": random.normal(size=(8, 3)).astype(np.float32), "keep": np.arange(8) < n} for n in (6, 5, 8)]
    session = edgeai.Session(model, max_extent=12)
    assert session.outputs[3].shape == (12, 3)
    session.run(feeds[0])
    small = edgeai.Session(model, max_extent=6)
    assert [t.shape for t in small.outputs] == [(6, 3), (1, 6, 3), (5, 3), (6, 3)]
    assert small.memory.total < edgeai.Session(model).memory.total
    with pytest.raises(edgeai.LimitError, match=r"found 12 entries; there is room for 6.*Concat"):
        small.run(feeds[0])
    with pytest.raises(edgeai.LimitError, match="found 8 entries"):
        small.run(feeds[2])
    three = {"x": feeds[0]["x"], "keep": np.arange(8) >= 5}
    for want, have in zip(session.run(three), small.run(three), strict=True):
        np.testing.assert_array_equal(have, want)
    assert edgeai.Session.memory_required(edgeai.load(model), max_extent=6) == small.memory.total
    with pytest.raises(edgeai.ArgumentError):
        edgeai.Session(model, max_extent=1)


def test_saved_and_loaded_again(random: np.random.Generator, tmp_path: Path) -> None:
    model = edgeai.load(ssd(3, 20, 5, 4))
    model.save(tmp_path / "ssd.edgeai")
    again = edgeai.load(tmp_path / "ssd.edgeai")
    assert [t.shape_text for t in again.outputs] == [t.shape_text for t in model.outputs] == ["0..4×4", "0..4", "0..4"]
    feed = {"boxes": boxes(random, 20)[0], "scores": scores(random, 20, 3)}
    for want, have in zip(edgeai.Session(model).run(feed), edgeai.Session(again).run(feed), strict=True):
        np.testing.assert_array_equal(have, want)


def test_state_and_a_size_that_depends_on_data() -> None:
    model = edgeai.load(ROOT / "Tests/golden/edgeai/state-and-count.edgeai")
    assert [t.bounded_axis for t in model.outputs] == [1]
    total = np.zeros((1, 3), np.float32)
    with edgeai.Session(model) as session:
        for x in ([0, 1, 0], [0, -1, 2], [1, 1, 1]):
            total += np.float32(x)
            (found,) = session.run(np.array([x], np.float32))
            np.testing.assert_array_equal(found, np.stack(np.nonzero(total)))
            assert session.output_shapes == (found.shape,)
        session.reset()
        assert session.run(np.zeros((1, 3), np.float32))[0].shape == (2, 0)


def test_bound_arrays_and_given_outputs(random: np.random.Generator) -> None:
    b = Builder(x=(FLOAT, [4, 5]))
    session = edgeai.Session(b.bytes(b.add("NonZero", "x")))
    (x,), (y,) = session.bind()
    assert session.output_shapes == ((2, 0),)
    for mask in masks(random, 4, 5):
        x[...] = mask
        session.run_bound()
        found = np.stack(np.nonzero(mask))
        assert session.output_shapes == (found.shape,)
        np.testing.assert_array_equal(y[:, : found.shape[1]], found)
        out = np.zeros((2, 20), np.int64)
        (view,) = session.run(mask, out=[out])
        np.testing.assert_array_equal(view, found)
        assert view.base is out


def test_threads_share_a_session(random: np.random.Generator) -> None:
    b = Builder(x=(FLOAT, [20, 50]))
    session = edgeai.Session(b.bytes(b.add("NonZero", "x")), threads=2)
    failures: list[int] = []

    def work(seed: int) -> None:
        mine = np.random.default_rng(seed)
        for _ in range(50):
            x = (mine.random((20, 50)) > mine.random()).astype(np.float32)
            if not np.array_equal(session.run(x)[0], np.stack(np.nonzero(x))):
                failures.append(seed)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def test_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from edgeai.cli import main

    b = Builder(x=(FLOAT, [3, 5]))
    (tmp_path / "m.onnx").write_bytes(b.bytes(b.add("NonZero", "x")))
    np.save(tmp_path / "x.npy", np.eye(3, 5, dtype=np.float32))
    assert main(["info", str(tmp_path / "m.onnx")]) == 0
    assert "2×0..15" in capfd.readouterr().out
    assert main(["run", str(tmp_path / "m.onnx"), str(tmp_path / "x.npy")]) == 0
    assert "2×3" in capfd.readouterr().out
    assert main(["run", "--max-extent", "2", str(tmp_path / "m.onnx"), str(tmp_path / "x.npy")]) != 0
    assert "found 3 entries" in capfd.readouterr().err


def test_quantized_around_what_was_found(random: np.random.Generator) -> None:
    b = Builder(x=(FLOAT, [1, 2, 8, 8]))
    image = b.add("Conv", "x", random.normal(size=(4, 2, 3, 3)).astype(np.float32), pads=[1, 1, 1, 1])
    rows = b.add("Reshape", b.add("Transpose", image, perm=[0, 2, 3, 1]), np.int64([-1, 4]))
    keep = b.add("Greater", b.add("ReduceMax", rows, np.int64([1]), keepdims=0), np.float32(1))
    found = b.add("Compress", rows, keep, axis=0)
    out = b.add("MatMul", found, random.normal(size=(4, 3)).astype(np.float32))
    model = edgeai.load(b.bytes(out, found))
    data = [random.normal(size=(1, 2, 8, 8)).astype(np.float32) for _ in range(16)]
    result = edgeai.quantize(model, data)
    have, _ = edgeai.Session(result.model).run(data[0])
    want, _ = edgeai.Session(model).run(data[0])
    # Scores near the limit fall to either side of it.
    assert abs(have.shape[0] - want.shape[0]) <= 4
