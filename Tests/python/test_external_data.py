"""ONNX weights in files beside the model: they are found, and nothing outside the model's folder is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import edgeai

WEIGHTS = np.arange(12, dtype=np.float32).reshape(3, 4)  # 48 bytes


def model(location: str, offset: int | None = None, length: int | None = None) -> bytes:
    """y = x w, with w in an external file."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        "external",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    tensor = graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=WEIGHTS.shape, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        if value is not None:
            tensor.external_data.add(key=key, value=str(value))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def write(folder: Path, contents: bytes) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(contents)
    return path


@pytest.mark.parametrize(("location", "offset", "length"), [("w.bin", None, None), ("w.bin", 0, 48), ("w.bin", 64, 48), ("deep/er/w.bin", 5, None)])
def test_weights_beside_the_model(location: str, offset: int | None, length: int | None, tmp_path: Path) -> None:
    path = tmp_path / location
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(offset or 0) + WEIGHTS.tobytes() + b"more")
    loaded = edgeai.load(write(tmp_path, model(location, offset, length)))
    path.unlink()  # a mapping outlives the name
    x = np.array([[1, 2, 3]], np.float32)
    y = edgeai.Session(loaded)(x)
    assert np.array_equal(np.asarray(y), x @ WEIGHTS)
    assert edgeai.load(loaded.to_bytes()).to_bytes() == loaded.to_bytes()  # saved models hold them


@pytest.mark.parametrize(
    "location",
    ["../w.bin", "../../w.bin", "a/../../w.bin", "a/..", "..", "/etc/hostname", "//etc/hostname", "", "a//w.bin", "w.bin/", "a/../w.bin"],
)
def test_a_path_cannot_leave_the_folder(location: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    (inside / "a").mkdir(parents=True)
    for folder in (tmp_path, inside, inside / "a"):
        (folder / "w.bin").write_bytes(WEIGHTS.tobytes())
    with pytest.raises(edgeai.ModelError) as caught:
        edgeai.load(write(inside, model(location)))
    assert caught.value.code == 200
    assert caught.value.tensor == "w"


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(edgeai.FileError) as caught:
        edgeai.load(write(tmp_path, model("none.bin")))
    assert caught.value.code == 500
    assert "none.bin" in str(caught.value)
    assert caught.value.tensor == "w"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(edgeai.FileError):
        edgeai.load(write(tmp_path, model("folder")))


@pytest.mark.parametrize(
    ("size", "offset", "length", "codes"),
    [
        (47, None, None, {201}),  # short
        (0, None, None, {201}),
        (48, 1, None, {201}),  # reaches over the end
        (48, 48, 48, {201}),
        (48, 49, None, {201}),  # begins beyond the end
        (48, 2**62, None, {201}),
        (48, 2**63 - 1, None, {200, 201}),
        (48, 2**64, None, {200, 201}),
        (48, -1, None, {200, 201}),
        (48, 0, 47, {200}),  # another length than the shape needs
        (96, 0, 49, {200}),
        (48, 0, -5, {200}),
    ],
)
def test_bytes_that_are_not_there(size: int, offset: int | None, length: int | None, codes: set[int], tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(size))
    with pytest.raises(edgeai.ModelError) as caught:
        edgeai.load(write(tmp_path, model("w.bin", offset, length)))
    assert caught.value.code in codes
    assert caught.value.tensor == "w"


@pytest.mark.parametrize(("key", "value"), [("offset", "12x"), ("offset", ""), ("length", "4.5"), ("offset", "9" * 30)])
def test_numbers_that_are_none(key: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHTS.tobytes())
    proto = onnx.load_from_string(model("w.bin"))
    proto.graph.initializer[0].external_data.add(key=key, value=value)
    with pytest.raises(edgeai.ModelError) as caught:
        edgeai.load(write(tmp_path, proto.SerializeToString()))
    assert caught.value.code // 100 == 2


def test_external_data_of_a_model_in_memory_is_refused() -> None:
    with pytest.raises(edgeai.EdgeAIError) as caught:
        edgeai.load(model("w.bin"))
    assert caught.value.code in (401, 500)
    assert caught.value.tensor == "w"


def test_an_unsupported_operator_does_not_hide_missing_weights(tmp_path: Path) -> None:
    """allow_unsupported is about operators alone: files still have to be there."""
    proto = onnx.load_from_string(model("none.bin"))
    proto.graph.node.append(helper.make_node("RandomNormalLike", ["x"], ["d"], name="random"))
    proto.graph.output.append(helper.make_tensor_value_info("d", TensorProto.FLOAT, None))
    path = write(tmp_path, proto.SerializeToString())
    with pytest.raises(edgeai.EdgeAIError) as caught:
        edgeai.load(path, allow_unsupported=True)
    assert caught.value.code == 500
    (tmp_path / "none.bin").write_bytes(WEIGHTS.tobytes())
    with pytest.raises(edgeai.UnsupportedOpError):
        edgeai.load(path)
    opened = edgeai.load(path, allow_unsupported=True)
    assert [(item.type, item.node) for item in opened.unsupported] == [("RandomNormalLike", "random")]
    for use in (lambda: edgeai.Session(opened), lambda: edgeai.quantize(opened, np.zeros((1, 3), np.float32))):
        with pytest.raises(edgeai.UnsupportedOpError):
            use()
