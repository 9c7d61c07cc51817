"""The package's names: loading, running, inspecting, saving."""

from __future__ import annotations

import gc
import os
import pickle
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from conftest import CLASSIFIER, relative_error, small_model
from onnx import helper

import edgeai
from edgeai import architectures, train
from edgeai.carray import c_array


def test_the_installed_wheel_is_tested_and_self_contained() -> None:
    folder = Path(edgeai.__file__).parent
    assert "site-packages" in folder.parts
    assert (folder / "libedgeai.so.0").is_file()
    if readelf := shutil.which("readelf"):
        dynamic = subprocess.run([readelf, "-d", edgeai._core.__file__], capture_output=True, text=True, check=True).stdout
        assert re.findall(r"R(?:UN)?PATH.*\[(.*)\]", dynamic) == ["$ORIGIN"]
    loaded = {Path(line.split()[-1]) for line in Path("/proc/self/maps").read_text().splitlines() if "libedgeai.so" in line}
    assert loaded == {folder / "libedgeai.so.0"}


def test_versions() -> None:
    assert edgeai.__version__ == "0.1.0"
    assert edgeai.abi_version == 1
    assert edgeai.build_info().startswith("edgeai 0.1.0")
    assert edgeai.instruction_sets()[-1] == "reference"
    # In a process of its own: a module that a test has imported is there for all.
    subprocess.run([sys.executable, "-c", "import edgeai; [getattr(edgeai, n) for n in edgeai.__all__]; edgeai.plot.pareto"], check=True)


def test_names_are_bytes() -> None:
    """One letter in its two Unicode spellings is two names, as it is for every other reader of ONNX."""
    composed, decomposed = "\u00e9", "e\u0301"
    nodes = [helper.make_node("Neg", ["x"], [composed]), helper.make_node("Exp", [composed], [decomposed])]
    model = edgeai.load(small_model(nodes, {"x": ("n", 3)}, [composed, decomposed]))
    assert [output.name for output in model.outputs] == [composed, decomposed]
    first, second = edgeai.Session(model).run(np.ones((1, 3), np.float32))
    np.testing.assert_allclose(first, -1)
    np.testing.assert_allclose(second, np.exp(np.float32(-1)), rtol=1e-6)


@pytest.mark.parametrize("form", ["path", "str", "bytes", "bytearray", "memoryview"])
def test_load_from(form: str, subset: dict[str, np.ndarray], classifier: edgeai.Model) -> None:
    contents = CLASSIFIER.read_bytes()
    sources = {
        "path": CLASSIFIER,
        "str": str(CLASSIFIER),
        "bytes": contents,
        "bytearray": bytearray(contents),
        "memoryview": memoryview(contents),
    }
    model = edgeai.load(sources[form])  # type: ignore[arg-type]
    del sources, contents
    x = subset["images"][:3]
    assert np.array_equal(edgeai.Session(model)(x), edgeai.Session(classifier)(x))


def test_model_describes_itself(classifier: edgeai.Model) -> None:
    (image,), (logits,) = classifier.inputs, classifier.outputs
    assert (image.name, image.dtype, image.shape) == ("image", "float32", (None, 1, 28, 28))
    assert (logits.name, logits.dtype, logits.shape) == ("logits", "float32", (None, 10))
    assert classifier.source == "onnx"
    assert not classifier.quantized
    assert 130_000 < classifier.parameters < 140_000
    assert 8e6 < classifier.macs < 9e6
    assert classifier.unsupported == ()
    assert [op.type for op in classifier.ops].count("Convolution") == 6
    assert classifier.size_bytes >= 4 * classifier.parameters


def test_ops_and_tensors_agree(classifier: edgeai.Model) -> None:
    tensors = classifier.tensors
    conv = next(op for op in classifier.ops if op.type == "Convolution")
    weights = tensors[conv.inputs[1]]
    data = classifier.tensor_data(conv.inputs[1])
    assert weights.constant
    assert data.shape == weights.shape
    assert data.nbytes == weights.bytes
    assert not data.flags.writeable
    with pytest.raises(edgeai.ArgumentError):
        classifier.tensor_data(conv.outputs[0])


def test_scales_of_quantized_weights(quantized: edgeai.Result) -> None:
    model = quantized.model
    conv = next(op for op in model.ops if op.type == "Convolution")
    weights = model.tensors[conv.inputs[1]]
    scales, zero_points = model.tensor_scales(conv.inputs[1])
    assert model.quantized
    assert weights.dtype == "int8"
    assert (weights.axis, weights.scale_count) == (0, weights.shape[0])
    assert scales.shape == (weights.shape[0],)
    assert np.all(scales > 0)
    assert not zero_points.any()


def test_run_takes_array_tuple_and_mapping(two_inputs: edgeai.Model) -> None:
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    b = a[::-1].copy()
    session = edgeai.Session(two_inputs)
    for arguments in ((a, b), [a, b], {"b": b, "a": a}):
        total, product = session.run(arguments)
        assert np.array_equal(total, a + b)
        assert np.array_equal(product, a * b)
    outputs = session((a, b))
    assert isinstance(outputs, tuple)
    assert len(outputs) == 2


def test_one_output_comes_without_its_tuple(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    session = edgeai.Session(classifier)
    y = session(subset["images"][:1])
    assert isinstance(y, np.ndarray)
    assert y.shape == (1, 10)
    assert isinstance(session.run(subset["images"][:1]), tuple)


class OnlyDLPack:
    """An array of another library: nothing but the exchange protocol."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options: object) -> object:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


def test_dlpack_in_and_out(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    x = subset["images"][:2].copy()
    session = edgeai.Session(classifier)
    y = session(OnlyDLPack(x))
    assert np.array_equal(y, session(x))
    assert np.array_equal(np.from_dlpack(y), y)


def test_quantize_takes_dlpack_batches(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    x = subset["calibration"][:8].copy()
    one = edgeai.quantize(classifier, x)
    other = edgeai.quantize(classifier, [OnlyDLPack(x[:4]), OnlyDLPack(x[4:])])
    assert one.model.to_bytes() == other.model.to_bytes()


def test_out_is_written_and_returned(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    x = subset["images"][:2]
    out = np.full((2, 10), np.nan, np.float32)
    session = edgeai.Session(classifier)
    (y,) = session.run(x, out=[out])
    assert y is out
    assert np.array_equal(out, session(x))


def test_bound_arrays_are_the_sessions_own(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    with edgeai.Session(classifier, batch=2) as session:
        (x,), (y,) = session.bind()
        assert x.flags.writeable
        assert not y.flags.writeable
        (again,), _ = session.bind()
        assert again.ctypes.data == x.ctypes.data
        for first in (0, 2):
            x[:] = subset["images"][first : first + 2]
            session.run_bound()
            assert np.array_equal(y, session.run(subset["images"][first : first + 2])[0])


def test_bound_arrays_outlive_the_session(classifier: edgeai.Model) -> None:
    session = edgeai.Session(classifier, batch=1)
    (x,), (y,) = session.bind()
    session.close()
    x[:] = 1
    assert y.shape == (1, 10)
    assert np.all(x == 1)
    del session
    x[:] = 2
    assert np.all(x == 2)


def test_batch_size_follows_the_arrays(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    images = subset["images"][:24]
    session = edgeai.Session(classifier)
    whole = session(images)
    assert session.inputs[0].shape == (24, 1, 28, 28)
    for size in (1, 2, 3, 4, 6, 8, 12, 24):
        parts = [session(images[i : i + size]) for i in range(0, 24, size)]
        assert relative_error(np.concatenate(parts), whole) < 1e-5
    assert session.inputs[0].shape[0] == 24


def test_a_run_like_the_one_before_looks_for_no_plan(
    classifier: edgeai.Model, subset: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = edgeai.Session(classifier)
    two, out = session(subset["images"][:2]), np.empty((2, 10), np.float32)
    with monkeypatch.context() as patch:
        patch.delattr(edgeai.Session, "_plan_for")
        assert np.array_equal(session(subset["images"][:2]), two)
        assert session.run(subset["images"][:2], out=[out])[0] is out and np.array_equal(out, two)
        with pytest.raises(AttributeError, match="_plan_for"):
            session(subset["images"][:1])
    assert np.array_equal(session(subset["images"][1:2]), edgeai.Session(classifier)(subset["images"][1:2]))


def test_several_arrays_like_the_ones_before_look_for_no_plan(two_inputs: edgeai.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    session = edgeai.Session(two_inputs)
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.full((2, 3), 2, np.float32)
    want = session.run((a, b))
    out = [np.empty((2, 3), np.float32), np.empty((2, 3), np.float32)]
    with monkeypatch.context() as patch:
        patch.delattr(edgeai.Session, "_plan_for")
        for given in ((a, b), [a, b], {"a": a, "b": b}, {"b": b, "a": a}):
            for have in (session.run(given), session.run(given, out=tuple(out)), session.run(given, out=out)):
                assert isinstance(have, tuple)
                assert all(np.array_equal(h, w) for h, w in zip(have, want, strict=True))
            assert have[0] is out[0] and have[1] is out[1]
        a[1, 2] = np.nan
        for given in ((a, b), [a, b], {"b": b, "a": a}):
            with pytest.raises(edgeai.ArgumentError, match="the array for tensor 'a' holds NaN"):
                session.run(given)
        assert session._running == []


class Derived(np.ndarray):
    """What needs more looking at than an array of numpy's own class."""


def test_calls_hold_nothing(two_inputs: edgeai.Model) -> None:
    """A hundred thousand runs and refusals of every kind keep no reference, no buffer and no memory."""
    session = edgeai.Session(two_inputs)
    x, y = np.ones((2, 3), np.float32), [np.empty((2, 3), np.float32) for _ in range(2)]
    bad = np.full((2, 3), np.nan, np.float32)
    readonly = x.copy()
    readonly.setflags(write=False)
    strided = np.ones((2, 6), np.float32)[:, ::2]
    raw = np.zeros(25, np.uint8)[1:].view(np.float32).reshape(2, 3)
    good: list[Callable[[], object]] = [
        lambda: session.run((x, x)), lambda: session.run([x, x], out=y), lambda: session.run({"b": x, "a": x}, out=tuple(y)),
        lambda: session([x, x.view(Derived)]),
    ]  # fmt: skip
    refused: list[Callable[[], object]] = [
        lambda: session.run([x, bad]), lambda: session.run([x, x[:1]]), lambda: session.run([x, x.astype(np.float64)]),
        lambda: session.run([x, strided]), lambda: session.run([x, raw]), lambda: session.run([x, None]), lambda: session.run([x]),
        lambda: session.run({"a": x, "c": x}), lambda: session.run([x, x], out=[y[0], readonly]), lambda: session.run([x, x], out=y[:1]),
        lambda: session.run([x, x], out=[y[0], y[0]]), lambda: session.run([x, x], out=[y[0], x]), lambda: session.run(x),
    ]  # fmt: skip

    def rounds(count: int) -> None:
        for _ in range(count):
            for call in good:
                call()
            for call in refused:
                with pytest.raises(edgeai.EdgeAIError):
                    call()

    arrays = [x, *y, bad, readonly, strided, raw]

    def held() -> tuple[int, int, list[int]]:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return sys.getallocatedblocks(), pages * os.sysconf("SC_PAGE_SIZE"), [sys.getrefcount(a) for a in arrays]

    rounds(300)
    before = held()
    rounds(6000)
    after = held()
    assert after[2] == before[2]
    assert after[0] - before[0] < 200
    assert after[1] - before[1] < 400_000


def test_batch_sizes_do_not_pile_up(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    session = edgeai.Session(classifier)
    for size in range(1, 13):
        session(subset["images"][:size])
    assert len(session._plans) == 8


def test_fixed_batch_model(fixed_batch: edgeai.Model) -> None:
    x = np.linspace(-1, 1, 10, dtype=np.float32).reshape(2, 5)
    assert np.array_equal(edgeai.Session(fixed_batch)(x), np.maximum(x, 0))


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
@pytest.mark.parametrize("spin_us", [None, 0, 50])
def test_threads_and_spinning(threads: int, spin_us: int | None, classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    x = subset["images"][:5]
    with edgeai.Session(classifier, threads=threads, spin_us=spin_us) as session:
        for _ in range(3):
            assert np.array_equal(session(x), edgeai.Session(classifier)(x))


def test_context_manager_closes(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    with edgeai.Session(classifier) as session:
        session(subset["images"][:1])
    session.close()  # a second time does nothing
    session.cancel()
    assert repr(session) == "<edgeai.Session closed>"
    for use in (
        lambda: session(subset["images"][:1]),
        session.bind,
        session.run_bound,
        lambda: session.plan,
        lambda: session.plan_text,
        lambda: session.memory,
        lambda: session.inputs,
    ):
        with pytest.raises(edgeai.ArgumentError, match="closed"):
            use()


def test_session_keeps_its_model(subset: dict[str, np.ndarray]) -> None:
    session = edgeai.Session(edgeai.load(CLASSIFIER.read_bytes()))
    expected = edgeai.Session(edgeai.load(CLASSIFIER))(subset["images"][:2])
    assert np.array_equal(session(subset["images"][:2]), expected)


def test_gil_is_released_while_running(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    images = np.concatenate([subset["images"]] * 4)
    session = edgeai.Session(classifier, batch=len(images))
    start = time.perf_counter()
    session(images)
    alone = time.perf_counter() - start
    gaps = []
    done = threading.Event()
    began = threading.Event()

    def run() -> None:
        began.set()
        session(images)
        done.set()

    worker = threading.Thread(target=run)
    worker.start()
    began.wait()
    last = time.perf_counter()
    while not done.is_set():
        time.sleep(0.001)
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
    worker.join()
    # With the lock held this thread would stand still for the whole run.
    assert len(gaps) > 5
    assert max(gaps) < alone / 2


def test_a_forked_child_goes_on_alone(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    """Worker threads do not come along: a child computes without them, and closes the session without waiting for them."""
    session = edgeai.Session(classifier, threads=4)
    image = subset["images"][:1]
    expected = np.array(session(image))
    child = os.fork()
    if child == 0:  # no assertion of pytest's here, and none of its exits
        same = np.array_equal(np.array(session(image)), expected)
        session.close()
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert np.array_equal(np.array(session(image)), expected)


def test_threads_share_a_session(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    session = edgeai.Session(classifier, threads=2)
    expected = [edgeai.Session(classifier)(subset["images"][:n]) for n in (1, 2, 3, 4)]
    wrong: list[int] = []

    def work(n: int) -> None:
        for _ in range(40):
            if not np.array_equal(session(subset["images"][:n]), expected[n - 1]):
                wrong.append(n)

    workers = [threading.Thread(target=work, args=(n,)) for n in (1, 2, 3, 4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_sessions_with_threads_run_side_by_side(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    """More threads than processors, of several sessions in one process: nobody waits for ever, nothing is mixed up."""
    x = subset["images"][:2]
    expected = edgeai.Session(classifier)(x)
    wrong: list[int] = []

    def work(threads: int) -> None:
        with edgeai.Session(classifier, batch=2, threads=threads) as session:
            for _ in range(100):
                if not np.array_equal(session(x), expected):
                    wrong.append(threads)

    workers = [threading.Thread(target=work, args=(n,)) for n in (2, 2, 4, 8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_arrays_of_a_run_are_let_go(fixed_batch: edgeai.Model) -> None:
    """The session's own arrays are its own again, whatever run was given before."""
    session = edgeai.Session(fixed_batch)
    x = np.linspace(-1, 1, 10, dtype=np.float32).reshape(2, 5)
    for number in (3, 4):
        y = session(x)
        (own,), (result,) = session.bind()
        own[:] = number
        session.run_bound()
        assert np.array_equal(result, np.full((2, 5), number, np.float32))
        assert np.array_equal(y, np.maximum(x, 0))
    held = sys.getrefcount(x)
    session(x)
    assert sys.getrefcount(x) == held


def test_one_array_is_checked_like_several(fixed_batch: edgeai.Model) -> None:
    session = edgeai.Session(fixed_batch)
    x = np.ones((2, 5), np.float32)
    assert np.array_equal(session(x), session.run((x,))[0])
    wide = np.ones((2, 10), np.float32)
    for bad, kind in [
        (x.astype(np.float64), edgeai.DTypeError),
        (x.astype(">f4"), edgeai.DTypeError),
        (x[:1], edgeai.ShapeError),
        (wide[:, ::2], edgeai.ArgumentError),
    ]:
        with pytest.raises(kind):
            session.run(bad)
        with pytest.raises(kind):
            session(bad)
    session.close()
    with pytest.raises(edgeai.ArgumentError, match="closed"):
        session(x)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nonfinite_numbers_are_found_anywhere(bad: float) -> None:
    for count in (1, 15, 16, 17, 40):
        model = edgeai.load(small_model([helper.make_node("Relu", ["x"], ["y"])], {"x": (1, count)}, ["y"]))
        session = edgeai.Session(model)
        for place in range(count):
            x = np.ones((1, count), np.float32)
            x[0, place] = bad
            with pytest.raises(edgeai.ArgumentError, match="NaN or infinity"):
                session(x)


def test_cancel_stops_a_run(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    session = edgeai.Session(classifier)
    session(subset["images"][:1])
    session.cancel()
    with pytest.raises(edgeai.Cancelled) as caught:
        session(subset["images"][:1])
    assert caught.value.code == 600
    assert session(subset["images"][:1]).shape == (1, 10)


def test_metadata(tmp_path: Path) -> None:
    model = edgeai.load(CLASSIFIER)
    labels = model.metadata["labels"]
    assert labels.split(",")[9] == "Ankle boot"
    model.set_metadata("note", "größer")
    model.set_metadata("labels", None)
    model.save(tmp_path / "m.edgeai")
    again = edgeai.load(tmp_path / "m.edgeai")
    assert again.metadata["note"] == "größer"
    assert "labels" not in again.metadata
    assert again.source == "edgeai"


def test_metadata_that_is_set_can_be_saved_and_loaded() -> None:
    model = edgeai.load(CLASSIFIER)
    model.set_metadata("k" * 4096, "v" * ((1 << 20) + 1))
    for coding in ("none", "adaptive"):
        assert edgeai.load(model.to_bytes(coding=coding)).metadata == model.metadata
    with pytest.raises(edgeai.LimitError, match="4097 bytes, the limit is 4096: 'kkk"):
        model.set_metadata("k" * 4097, "")


@pytest.mark.parametrize("which", ["float", "int8"])
def test_save_load_save_gives_the_same_bytes(
    which: str, classifier: edgeai.Model, quantized: edgeai.Result, subset: dict[str, np.ndarray], tmp_path: Path
) -> None:
    model = classifier if which == "float" else quantized.model
    contents = model.to_bytes()
    model.save(tmp_path / "m.edgeai")
    assert (tmp_path / "m.edgeai").read_bytes() == contents
    from_file, from_bytes = edgeai.load(tmp_path / "m.edgeai"), edgeai.load(contents)
    assert from_file.to_bytes() == contents
    assert from_bytes.to_bytes() == contents
    x = subset["images"][:4]
    assert np.array_equal(edgeai.Session(from_file)(x), edgeai.Session(model)(x))
    assert [p.name for p in tmp_path.iterdir()] == ["m.edgeai"]


def test_c_array_holds_the_file(quantized: edgeai.Result) -> None:
    contents = quantized.model.to_bytes()
    text = c_array(contents, "net")
    numbers = text[text.index("{") + 1 : text.rindex("}")]
    assert bytes(int(n, 16) for n in numbers.split(",")) == contents
    assert "const size_t net_size" in text
    with pytest.raises(ValueError, match="identifier"):
        c_array(contents, "2 net")


def test_texts_for_people(classifier: edgeai.Model, quantized: edgeai.Result) -> None:
    session = edgeai.Session(quantized.model)
    assert "Convolution" in classifier.summary()
    assert "image: float32 N×1×28×28" in repr(classifier)
    dot = classifier.to_dot()
    assert dot.startswith("digraph")
    assert dot.count("->") >= len(classifier.ops)
    for thing in (classifier, session, quantized, quantized.report, session.profile(np.zeros((1, 1, 28, 28), np.float32), runs=2)):
        html = thing._repr_html_()
        assert "<table>" in html
        assert html.count("<tr>") == html.count("</tr>") > 3
    assert "quantize_" in session.plan_text


def test_html_escapes_names() -> None:
    model = edgeai.load(CLASSIFIER)
    model.name = "<script>"
    assert "<script>" not in model._repr_html_()


def test_plan_memory_and_profile(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    session = edgeai.Session(classifier, batch=4, threads=2)
    assert sum(step.macs for step in session.plan) >= 4 * classifier.macs
    assert all(step.isa in edgeai.instruction_sets() for step in session.plan)
    memory = session.memory
    assert memory.total == edgeai.Session.memory_required(classifier, batch=4, threads=2)
    assert memory.activations + memory.packed_weights + memory.scratch + memory.other == memory.total
    profile = session.profile(subset["images"][:4], runs=5)
    assert len(profile.events) == len(session.plan)
    assert all(0 < event.least_us <= event.mean_us <= event.most_us for event in profile.events)
    times = profile.by_op()
    assert "Convolution" in times and list(times.values()) == sorted(times.values(), reverse=True)


def test_chosen_instruction_set(classifier: edgeai.Model) -> None:
    for isa in edgeai.instruction_sets():
        # What avx512bf16 has of its own is bfloat16.
        session = edgeai.Session(classifier, isa=isa, precision="bfloat16" if isa == "avx512bf16" else "float32")
        assert isa in {step.isa for step in session.plan}


def test_session_in_given_memory(classifier: edgeai.Model, subset: dict[str, np.ndarray], aligned) -> None:  # type: ignore[no-untyped-def]
    size = edgeai.Session.memory_required(classifier, batch=2)
    block = aligned(size)
    with edgeai.Session(classifier, batch=2, memory=block) as session:
        y = session(subset["images"][:2])
    assert np.array_equal(y, edgeai.Session(classifier)(subset["images"][:2]))
    assert block.any()


def test_equal_to_onnxruntime_at_once(classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    x = subset["images"][:7]
    expected = onnxruntime.InferenceSession(CLASSIFIER).run(None, {"image": x})[0]
    assert relative_error(edgeai.Session(classifier)(x), expected) < 1e-5


@pytest.mark.parametrize(
    "kind",
    ["ArenaTooSmall", "ArgumentError", "Cancelled", "DTypeError", "EdgeAIError", "FileError", "LimitError", "ModelError", "ShapeError",
     "UnsupportedOpError"],
)  # fmt: skip
def test_exceptions_survive_pickling(kind: str) -> None:
    error = getattr(edgeai, kind)(204, "EDGEAI_ERROR_INVALID_GRAPH", "a cycle", "conv1", 3, "x", 96)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error) == "a cycle [node 'conv1', tensor 'x', byte 96]"
    assert vars(again) == vars(error)


def test_exception_hierarchy() -> None:
    assert issubclass(edgeai.ShapeError, ValueError)
    assert issubclass(edgeai.ArgumentError, ValueError)
    assert issubclass(edgeai.DTypeError, TypeError)
    assert all(issubclass(getattr(edgeai, n), edgeai.EdgeAIError) for n in edgeai.__all__ if n.endswith("Error"))


def test_models_made_from_a_model_keep_the_memory_it_was_opened_from() -> None:
    """Constants that a method leaves as they are stay where the source was opened from."""
    samples = np.zeros((4, 6), np.float32)
    makers: list[Callable[[edgeai.Model], edgeai.Model]] = [
        lambda model: edgeai.share(model, 2).model,
        lambda model: edgeai.prune(model, 0.5).model,
        lambda model: edgeai.quantize(model, samples).model,
        lambda model: train.Trainer(model, batch=2).export(),
    ]
    for make in makers:
        memory = bytearray(architectures.mlp([6, 16, 3]).to_bytes())
        source = edgeai.load(memoryview(memory))
        made = make(source)
        del source
        gc.collect()
        with pytest.raises(BufferError):
            memory.append(0)
        assert edgeai.Session(made)(samples).shape == (4, 3)
        del made
        gc.collect()
        memory.append(0)
