"""Wrong input: the right exception, naming the place; and the process lives on."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import CLASSIFIER, ROOT, small_model
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

import edgeai


@pytest.fixture(autouse=True)
def lives_on(classifier: edgeai.Model, subset: dict[str, np.ndarray]):  # type: ignore[no-untyped-def]
    """After each test the classifier still gives the answer it gave before."""
    before = edgeai.Session(classifier)(subset["images"][:1])
    yield
    assert np.array_equal(edgeai.Session(classifier)(subset["images"][:1]), before)


@pytest.fixture
def session(classifier: edgeai.Model) -> edgeai.Session:
    return edgeai.Session(classifier)


def good(count: int = 1) -> np.ndarray:
    return np.zeros((count, 1, 28, 28), np.float32)


# Arrays.


@pytest.mark.parametrize("dtype", ["float64", "float16", "uint8", "int8", "int32", "int64", "bool", "complex64", ">f4", "O", "M8[s]"])
def test_wrong_dtype(dtype: str, session: edgeai.Session) -> None:
    with pytest.raises((edgeai.DTypeError, edgeai.ArgumentError)) as caught:
        session(good().astype(dtype))
    assert caught.value.code in (100, 102)
    assert caught.value.tensor == "image"
    if dtype != "M8[s]":  # has no buffer at all
        assert isinstance(caught.value, TypeError)
        assert "float32" in str(caught.value)


@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (1, 1, 28, 27), (1, 3, 28, 28), (1, 1, 28, 28, 1), (784,), (), (0, 1, 28, 28), (1, 1, 0, 28), (28, 28, 1, 1)]
)
def test_wrong_shape(shape: tuple[int, ...], session: edgeai.Session) -> None:
    with pytest.raises(edgeai.ShapeError) as caught:
        session(np.zeros(shape, np.float32))
    assert caught.value.code == 101
    assert caught.value.tensor == "image"
    assert isinstance(caught.value, ValueError)


def test_wrong_shape_names_both_shapes(session: edgeai.Session) -> None:
    with pytest.raises(edgeai.ShapeError, match=r"\(1, 1, 28, 28\).*\(1, 1, 28, 27\)"):
        session(np.zeros((1, 1, 28, 27), np.float32))


def test_wrong_batch_for_a_fixed_session(classifier: edgeai.Model) -> None:
    with edgeai.Session(classifier, batch=2) as session, pytest.raises(edgeai.ShapeError):
        session(good(3))


def test_wrong_batch_for_a_fixed_model(fixed_batch: edgeai.Model) -> None:
    with pytest.raises(edgeai.ShapeError, match=r"\(2, 5\)"):
        edgeai.Session(fixed_batch)(np.zeros((3, 5), np.float32))
    edgeai.Session(fixed_batch, batch=2).close()
    with pytest.raises(edgeai.ArgumentError, match="fixed batch of 2"):
        edgeai.Session(fixed_batch, batch=3)


def test_inputs_of_different_batch(two_inputs: edgeai.Model) -> None:
    with pytest.raises(edgeai.ShapeError) as caught:
        edgeai.Session(two_inputs)((np.zeros((2, 3), np.float32), np.zeros((3, 3), np.float32)))
    assert caught.value.tensor == "b"


@pytest.mark.parametrize("view", [lambda x: x[:, :, ::2][:, :, :28], lambda x: x.transpose(0, 1, 3, 2), lambda x: x[:, :, ::-1]])
def test_not_contiguous(view: Callable[[np.ndarray], np.ndarray], session: edgeai.Session) -> None:
    array = view(np.zeros((1, 1, 56, 28), np.float32) if view(good()).shape != (1, 1, 28, 28) else good())
    assert array.shape == (1, 1, 28, 28)
    with pytest.raises(edgeai.ArgumentError, match="contiguous") as caught:
        session(array)
    assert caught.value.tensor == "image"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", [0, 391, 783])
def test_values_that_are_not_finite(value: float, position: int, session: edgeai.Session, classifier: edgeai.Model) -> None:
    x = good()
    x.flat[position] = value
    with pytest.raises(edgeai.ArgumentError, match="NaN or infinity") as caught:
        session(x)
    assert caught.value.tensor == "image"
    edgeai.Session(classifier, check_finite=False)(x)


@pytest.mark.parametrize("thing", [None, 1, 1.5, "text", [[1.0, 2.0]], object(), {1, 2}])
def test_not_an_array(thing: object, session: edgeai.Session) -> None:
    with pytest.raises(edgeai.EdgeAIError) as caught:
        session(thing)
    assert caught.value.code in (100, 101, 102)


def test_wrong_number_of_arrays(two_inputs: edgeai.Model) -> None:
    session = edgeai.Session(two_inputs)
    x = np.zeros((1, 3), np.float32)
    for arguments in ((), (x,), (x, x, x), {"a": x}, {"a": x, "c": x}, {"a": x, "b": x, "c": x}):
        with pytest.raises(edgeai.ArgumentError):
            session(arguments)


def test_out_that_cannot_be_written(session: edgeai.Session) -> None:
    readonly = np.zeros((1, 10), np.float32)
    readonly.setflags(write=False)
    with pytest.raises(edgeai.ArgumentError, match="read-only") as caught:
        session.run(good(), out=[readonly])
    assert caught.value.tensor == "logits"
    with pytest.raises(edgeai.ShapeError):
        session.run(good(), out=[np.zeros((1, 11), np.float32)])
    with pytest.raises(edgeai.DTypeError):
        session.run(good(), out=[np.zeros((1, 10), np.float64)])
    with pytest.raises(edgeai.ArgumentError, match="contiguous"):
        session.run(good(), out=[np.zeros((10, 1), np.float32).T.repeat(2, 1)[:, ::2]])
    with pytest.raises(edgeai.ArgumentError):
        session.run(good(), out=[])
    with pytest.raises(edgeai.ArgumentError):
        session.run(good(), out=[np.zeros((1, 10), np.float32)] * 2)


def test_output_that_overlaps_the_input(fixed_batch: edgeai.Model) -> None:
    x = np.zeros((2, 5), np.float32)
    with pytest.raises(edgeai.ArgumentError, match="overlap"):
        edgeai.Session(fixed_batch).run(x, out=[x])


def test_array_that_is_not_aligned_to_its_elements(session: edgeai.Session) -> None:
    raw = np.zeros(784 * 4 + 1, np.uint8)
    x = raw[1:].view(np.float32).reshape(1, 1, 28, 28)
    with pytest.raises(edgeai.ArgumentError, match="tensor 'image' must be 4-byte aligned") as caught:
        session(x)
    assert caught.value.tensor == "image"


# Options.


@pytest.mark.parametrize(
    "options",
    [
        {"threads": 0},
        {"threads": -1},
        {"threads": 257},
        {"batch": 0},
        {"batch": -2},
        {"isa": "z80"},
        {"isa": ""},
    ],
)
def test_options_out_of_range(options: dict[str, object], classifier: edgeai.Model) -> None:
    with pytest.raises(edgeai.EdgeAIError) as caught:
        edgeai.Session(classifier, **options)  # type: ignore[arg-type]
    assert caught.value.code in (100, 401)


def test_batch_beyond_memory(classifier: edgeai.Model) -> None:
    with pytest.raises((edgeai.EdgeAIError, MemoryError)):
        edgeai.Session(classifier, batch=2**31 - 1)
    conv = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
    large = edgeai.load(small_model([conv], {"x": ("n", 64, 1024, 1024)}, ["y"], {"w": np.ones((64, 64, 3, 3), np.float32)}))
    for isa in edgeai.instruction_sets():
        with pytest.raises((edgeai.EdgeAIError, MemoryError)):
            edgeai.Session(large, batch=796_000_000, isa=isa)


def test_memory_one_byte_too_small(classifier: edgeai.Model, aligned: Callable[[int], np.ndarray]) -> None:
    size = edgeai.Session.memory_required(classifier, batch=1)
    edgeai.Session(classifier, batch=1, memory=aligned(size)).close()
    with pytest.raises(edgeai.ArenaTooSmall) as caught:
        edgeai.Session(classifier, batch=1, memory=aligned(size - 1))
    assert caught.value.code == 103
    assert str(size) in str(caught.value)


def test_memory_that_does_not_fit(classifier: edgeai.Model, aligned: Callable[[int], np.ndarray]) -> None:
    size = edgeai.Session.memory_required(classifier, batch=1)
    with pytest.raises(edgeai.ArgumentError, match="align"):
        edgeai.Session(classifier, batch=1, memory=aligned(size + 1)[1:])
    with pytest.raises(edgeai.ArgumentError, match="batch"):
        edgeai.Session(classifier, memory=aligned(size))
    for memory in (bytes(size), aligned(2 * size)[::2], 17):
        with pytest.raises(edgeai.ArgumentError, match="writable buffer"):
            edgeai.Session(classifier, batch=1, memory=memory)


# Files.


def test_messages_are_utf8_whatever_the_file_says() -> None:
    broken = small_model([helper.make_node("Gelu", ["x"], ["y"], approximate="QQ")], {"x": ("n", 3)}, ["y"], opset=20).replace(b"QQ", b"\xff\xfe")
    with pytest.raises(edgeai.UnsupportedOpError, match="approximate"):
        edgeai.load(broken)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(edgeai.FileError) as caught:
        edgeai.load(tmp_path / "none.onnx")
    assert caught.value.code == 500
    with pytest.raises(edgeai.FileError):
        edgeai.load(tmp_path)
    with pytest.raises((ValueError, edgeai.EdgeAIError)):
        edgeai.load("a\0b")


def test_paths_with_a_zero_byte(classifier: edgeai.Model, tmp_path: Path) -> None:
    """C would see, and write, the file that the part before it names."""
    trainer = edgeai.train.Trainer(edgeai.architectures.mlp([4, 3, 2]))
    path = f"{tmp_path}/a\0b"
    for use in (edgeai.load, edgeai.check, edgeai.Session, classifier.save, trainer.save, trainer.load):
        with pytest.raises(edgeai.ArgumentError, match="zero byte"):
            use(path)  # type: ignore[operator]
    assert not list(tmp_path.iterdir())


def test_endings_of_other_formats(classifier: edgeai.Model, tmp_path: Path) -> None:
    for name in ("net.tflite", "net.TFLite", "net.c", "net.npz"):
        with pytest.raises(edgeai.ArgumentError, match="saved as .edgeai or .onnx"):
            classifier.save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    classifier.save(tmp_path / "net.bin")


def test_save_where_it_cannot(classifier: edgeai.Model, tmp_path: Path) -> None:
    with pytest.raises(edgeai.FileError):
        classifier.save(tmp_path / "none" / "m.edgeai")
    with pytest.raises(edgeai.FileError):
        classifier.save(tmp_path)


def test_save_over_what_is_there(classifier: edgeai.Model, tmp_path: Path) -> None:
    """Links stay and so do modes; what is no file is refused."""
    target, link, pipe = tmp_path / "m.edgeai", tmp_path / "link.edgeai", tmp_path / "pipe"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target.name)
    classifier.save(link)
    assert link.is_symlink()
    assert target.read_bytes() == classifier.to_bytes()
    assert target.stat().st_mode & 0o777 == 0o640
    os.mkfifo(pipe)
    for use in (classifier.save, edgeai.load):
        with pytest.raises(edgeai.FileError, match="no regular file"):
            use(pipe)
    assert pipe.is_fifo()
    classifier.save(tmp_path / ("n" * 248 + ".edgeai"))
    nowhere = tmp_path / "nowhere.edgeai"
    nowhere.symlink_to("missing")
    with pytest.raises(edgeai.FileError, match="No such file"):
        classifier.save(nowhere)
    assert nowhere.is_symlink()
    assert len(list(tmp_path.iterdir())) == 5


def test_empty_and_foreign_contents() -> None:
    for contents in (b"", b"\0", b"PK\x03\x04" + bytes(100), b"hello, world" * 20, bytes(4096)):
        with pytest.raises(edgeai.ModelError) as caught:
            edgeai.load(contents)
        assert caught.value.code // 100 == 2


def test_truncated_edgeai_file(quantized: edgeai.Result) -> None:
    contents = quantized.model.to_bytes()
    for size in (1, 7, 8, 63, 64, 100, len(contents) // 2, len(contents) - 1):
        with pytest.raises(edgeai.ModelError) as caught:
            edgeai.load(contents[:size])
        assert caught.value.status in ("EDGEAI_ERROR_TRUNCATED_MODEL", "EDGEAI_ERROR_MALFORMED_MODEL")


def test_truncated_onnx_file() -> None:
    contents = CLASSIFIER.read_bytes()
    for size in (1, 2, 100, 1000, len(contents) // 2, len(contents) - 1):
        with pytest.raises(edgeai.EdgeAIError) as caught:
            edgeai.load(contents[:size])
        assert caught.value.code // 100 == 2


def test_every_flipped_bit_of_the_header_is_seen(quantized: edgeai.Result) -> None:
    contents = bytearray(quantized.model.to_bytes())
    for position in range(64):
        for bit in (0, 3, 7):
            contents[position] ^= 1 << bit
            with pytest.raises(edgeai.EdgeAIError):
                edgeai.load(bytes(contents))
            contents[position] ^= 1 << bit


@settings(max_examples=150, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_flipped_bits_of_an_edgeai_file_are_seen(where: float, bit: int) -> None:
    contents = bytearray(_small_file())
    contents[int(where * len(contents))] ^= 1 << bit
    with pytest.raises(edgeai.EdgeAIError) as caught:
        edgeai.load(bytes(contents))
    assert caught.value.code // 100 in (2, 3)


@settings(max_examples=150, deadline=None)
@given(cuts=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6))
def test_damaged_onnx_loads_or_says_why(cuts: list[tuple[float, int]]) -> None:
    contents = bytearray(_small_onnx())
    for where, value in cuts:
        contents[int(where * len(contents))] = value
    try:
        model = edgeai.load(bytes(contents), limits={"max_tensor_bytes": 1 << 20})
        edgeai.Session(model, check_finite=False)(np.zeros((1, 1, 4, 4), np.float32))
    except edgeai.EdgeAIError as error:
        assert error.code // 100 in (1, 2, 3, 4)


def _small_onnx() -> bytes:
    weights = np.linspace(-1, 1, 18, dtype=np.float32).reshape(2, 1, 3, 3)
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[1, 1, 1, 1]), helper.make_node("Relu", ["c"], ["y"])]
    return small_model(nodes, {"x": ("n", 1, 4, 4)}, ["y"], {"w": weights})


def _small_file() -> bytes:
    return edgeai.load(_small_onnx()).to_bytes()


def test_newer_file_version(classifier: edgeai.Model) -> None:
    contents = bytearray(classifier.to_bytes())
    assert struct.unpack_from("<HH", contents, 8) == (1, 0)  # as Documentation/format.md says
    struct.pack_into("<H", contents, 8, 3)
    with pytest.raises(edgeai.ModelError) as caught:
        edgeai.load(bytes(contents))
    assert caught.value.status == "EDGEAI_ERROR_NEWER_VERSION"


def test_limits() -> None:
    for limit in ({"max_file_bytes": 1000}, {"max_tensor_bytes": 1000}, {"max_operators": 5}, {"max_tensors": 5}):
        with pytest.raises(edgeai.LimitError) as caught:
            edgeai.load(CLASSIFIER, limits=limit)
        assert caught.value.code == 301
    with pytest.raises(edgeai.LimitError):
        edgeai.load(CLASSIFIER, limits=edgeai.Limits(max_name_bytes=3))
    with pytest.raises(TypeError):
        edgeai.load(CLASSIFIER, limits={"max_fun": 1})
    for value in (-1, 2**64 + 1):  # which the library would see as other numbers
        with pytest.raises(edgeai.ArgumentError, match=f"max_operators is {value}"):
            edgeai.load(CLASSIFIER, limits={"max_operators": value})


def test_dimensions_beyond_64_bits() -> None:
    with pytest.raises(edgeai.ArgumentError, match="input 'image' is given the dimension 18446744073709551616 at axis 0"):
        edgeai.load(CLASSIFIER, shapes={"image": (2**64, 1, 28, 28)})


def test_every_unsupported_operator_is_named() -> None:
    nodes = [
        helper.make_node("RandomNormalLike", ["x"], ["a"], name="first"),
        helper.make_node("Relu", ["x"], ["b"], name="fine"),
        helper.make_node("RandomUniformLike", ["b"], ["c"], name="second"),
        helper.make_node("Frobnicate", ["b"], ["d"], name="third", domain="com.example"),
        helper.make_node("Frobnicate", ["b"], ["dead"], name="not needed", domain="com.example"),
    ]
    contents = small_model(nodes, {"x": (3, 4, 4)}, ["a", "c", "d"])
    with pytest.raises(edgeai.UnsupportedOpError) as caught:
        edgeai.load(contents)
    assert caught.value.code == 400
    assert caught.value.node == "first"
    for text in ("RandomNormalLike", "first", "RandomUniformLike", "second", "Frobnicate", "third"):
        assert text in str(caught.value)
    assert "fine" not in str(caught.value)
    assert "not needed" not in str(caught.value)

    result = edgeai.check(contents)
    assert not result
    assert [(u.type.split(".")[-1], u.node) for u in result.unsupported] == [
        ("RandomNormalLike", "first"),
        ("RandomUniformLike", "second"),
        ("Frobnicate", "third"),
    ]
    model = edgeai.load(contents, allow_unsupported=True)
    assert len(model.unsupported) == 3
    with pytest.raises(edgeai.UnsupportedOpError):
        edgeai.Session(model)
    assert edgeai.check(CLASSIFIER)


def _expected() -> list[tuple[str, int, str, str, str]]:
    rows = []
    for folder in ("onnx", "tflite"):
        lines = (ROOT / f"Tests/golden-errors/{folder}/expected.txt").read_text().splitlines()
        rows += [f"{folder}/{line}".split("\t") for line in lines if line and not line.startswith("#")]
    return [(name, int(code), node, tensor, text) for name, code, node, tensor, text in rows]


@pytest.mark.parametrize(("name", "code", "node", "tensor", "text"), _expected())
def test_golden_bad_models(name: str, code: int, node: str, tensor: str, text: str) -> None:
    """Code 0 stands for a model that opens but for its unsupported operators."""
    with pytest.raises(edgeai.EdgeAIError) as caught:
        edgeai.load(ROOT / "Tests/golden-errors" / name)
    error = caught.value
    assert error.code == (code or 400)
    assert text in error.message
    if code:
        assert error.node == node
        assert error.tensor == tensor
    else:
        assert error.node == node


def test_offset_of_damage(classifier: edgeai.Model) -> None:
    with pytest.raises(edgeai.ModelError) as caught:
        edgeai.load(CLASSIFIER.read_bytes()[:1000])
    assert 0 <= caught.value.offset <= 1000
    assert f"byte {caught.value.offset}" in str(caught.value)


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**80])
@pytest.mark.parametrize("name", ["threads", "batch", "spin_us"])
def test_numbers_beyond_32_bits(name: str, value: int, classifier: edgeai.Model) -> None:
    with pytest.raises(edgeai.ArgumentError, match=name):
        edgeai.Session(classifier, **{name: value})  # type: ignore[arg-type]
    with pytest.raises(edgeai.ArgumentError, match=name):
        edgeai.Session.memory_required(classifier, **{name: value})  # type: ignore[arg-type]


def test_numbers_that_are_too_small(session: edgeai.Session, classifier: edgeai.Model) -> None:
    with pytest.raises(edgeai.ArgumentError, match="spin_us is -7"):
        edgeai.Session(classifier, spin_us=-7)
    for options in ({"runs": -1}, {"runs": 0}, {"trace_runs": -1}):
        with pytest.raises(edgeai.ArgumentError, match="^{} is {}".format(*next(iter(options.items())))):
            session.profile(good(), **options)


@pytest.mark.parametrize("name", ["threads", "report_samples"])
def test_quantize_numbers_beyond_32_bits(name: str, classifier: edgeai.Model) -> None:
    with pytest.raises(edgeai.ArgumentError, match=name):
        edgeai.quantize(classifier, good(), **{name: 2**31})  # type: ignore[arg-type]


def test_too_many_inputs() -> None:
    names = [f"x{i}" for i in range(65)]
    model = edgeai.load(small_model([helper.make_node("Concat", names, ["y"], axis=1)], dict.fromkeys(names, ("n", 2)), ["y"]))
    with pytest.raises(edgeai.LimitError, match="65 inputs"):
        edgeai.Session(model)
    with pytest.raises(edgeai.LimitError, match="65 inputs"):
        edgeai.quantize(model, [tuple(np.zeros((1, 2), np.float32) for _ in names)])
