"""The `edgeai` command, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import CLASSIFIER, ROOT, small_model
from onnx import helper

import edgeai
from edgeai._files import read_samples

COMMAND = Path(sys.executable).parent / "edgeai"


def run(*arguments: object, status: int = 0) -> str:
    done = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stdout + done.stderr


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, subset: dict[str, np.ndarray]) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    np.save(folder / "x.npy", subset["images"][:3])
    np.save(folder / "wrong.npy", np.full(3, 77))
    np.savez(folder / "both.npz", calibration=subset["calibration"][:32], x=subset["images"][:3])
    run("quantize", CLASSIFIER, "-d", folder / "both.npz:calibration", "-o", folder / "net.edgeai", "--report", folder / "report.json")
    return folder


def test_version() -> None:
    assert run("--version").startswith("edgeai 0.1.0")
    module = subprocess.run([sys.executable, "-m", "edgeai", "--version"], capture_output=True, text=True, check=True)
    assert module.stdout == run("--version")


def test_help_lists_the_commands() -> None:
    text = run("--help")
    for command in ("info", "check", "run", "quantize", "compare", "bench", "convert"):
        assert command in text
        assert "usage" in run(command, "--help")


def test_info(files: Path) -> None:
    text = run("info", CLASSIFIER)
    assert "image: float32 N×1×28×28" in text
    assert "/classify/Gemm" in text
    assert "input.mean = 0.286" in text
    plan = run("info", files / "net.edgeai", "--plan", "--threads", "2", "--batch", "4", "--isa", "reference")
    assert "batch 4, 2 threads" in plan
    assert "memory" in plan


def test_check(tmp_path: Path) -> None:
    assert "every operator can run" in run("check", CLASSIFIER)
    (tmp_path / "odd.onnx").write_bytes(small_model([helper.make_node("RandomNormalLike", ["x"], ["y"], name="odd")], {"x": (2, 3, 3)}, ["y"]))
    text = run("check", tmp_path / "odd.onnx", status=1)
    assert "RandomNormalLike" in text
    assert "odd" in text


def test_run(files: Path, classifier: edgeai.Model) -> None:
    run("run", CLASSIFIER, files / "x.npy", "-o", files / "y.npz")
    expected = edgeai.Session(classifier)(np.load(files / "x.npy"))
    assert np.array_equal(np.load(files / "y.npz")["logits"], expected)
    run("run", CLASSIFIER, f"image={files / 'both.npz'}:x", "-o", files / "named.npz", "--threads", "2")
    assert np.array_equal(np.load(files / "named.npz")["logits"], expected)
    assert "logits: float32 3×10" in run("run", CLASSIFIER, files / "x.npy")


def test_quantize(files: Path, classifier: edgeai.Model, subset: dict[str, np.ndarray]) -> None:
    expected = edgeai.quantize(classifier, subset["calibration"][:32])
    assert (files / "net.edgeai").read_bytes() == expected.model.to_bytes()
    assert json.loads((files / "report.json").read_text()) == expected.report.to_dict()
    text = run(
        "quantize", CLASSIFIER, "-d", files / "both.npz:calibration", "-o", files / "other.edgeai", "-n", "8",
        "--calibrator", "mse", "--per-tensor", "--ignore", "/stem/stem.0/Conv", "--ignore-type", "Dense", "--threads", "2",
    )  # fmt: skip
    assert "kept in float by name" in text
    assert "kept in float by type" in text
    assert edgeai.load(files / "other.edgeai").quantized


def test_outputs_go_to_just_the_named_file(files: Path, tmp_path: Path) -> None:
    path = tmp_path / "names.onnx"
    nodes = [helper.make_node("Relu", ["x"], ["file"]), helper.make_node("Neg", ["x"], ["allow_pickle"])]
    path.write_bytes(small_model(nodes, {"x": ("n", 3)}, ["file", "allow_pickle"]))
    np.save(tmp_path / "x.npy", np.float32([[-1, 0, 2]]))
    run("run", path, tmp_path / "x.npy", "-o", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["names.onnx", "out", "x.npy"]
    written = np.load(tmp_path / "out")
    assert written["file"].tolist() == [[0, 0, 2]] and written["allow_pickle"].tolist() == [[1, 0, -2]]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of two inputs and samples for it."""
    folder = tmp_path_factory.mktemp("two")
    random = np.random.default_rng(2)
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Gemm", ["sum", "w"], ["y"], name="fc1")]
    weights = random.standard_normal((3, 4)).astype(np.float32)
    (folder / "two.onnx").write_bytes(small_model(nodes, {"a": ("n", 3), "b": ("n", 3)}, ["y"], {"w": weights}))
    for name, count in (("a", 4), ("b", 4), ("short", 2)):
        np.save(folder / f"{name}.npy", random.standard_normal((count, 3)).astype(np.float32))
    return folder


@pytest.mark.parametrize("command", [("quantize",), ("prune", "--name", "fc1"), ("factorize",), ("compress", "--recipe", "share:bits=2")])
def test_samples_of_several_inputs(command: tuple[str, ...], two: Path, tmp_path: Path) -> None:
    name, *rest = command
    out = tmp_path / "out.edgeai"
    data = {n: np.load(two / f"{n}.npy") for n in ("a", "b")}
    run(name, two / "two.onnx", "-d", f"b={two / 'b.npy'}", f"a={two / 'a.npy'}", "-o", out, *rest)
    first = out.read_bytes()
    run(name, two / "two.onnx", "-d", two / "a.npy", two / "b.npy", "-o", out, *rest)
    assert out.read_bytes() == first
    assert "SQNR" in run("compare", two / "two.onnx", out, f"b={two / 'b.npy'}", f"a={two / 'a.npy'}")
    if name == "quantize":
        assert first == edgeai.quantize(edgeai.load(two / "two.onnx"), [data]).model.to_bytes()
    text = run(name, two / "two.onnx", "-d", two / "short.npy", two / "b.npy", "-o", out, *rest, status=2)
    assert "2 for 'a', 4 for 'b'" in text
    assert "no file for the input b" in run(name, two / "two.onnx", "-d", two / "a.npy", "-o", out, *rest, status=2)
    assert "the input a is given twice" in run(
        name, two / "two.onnx", "-d", f"a={two / 'a.npy'}", f"a={two / 'b.npy'}", "-o", out, *rest, status=2
    )


def test_an_input_of_fixed_shape_beside_samples_is_whole_in_each_run(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "b"], ["sum"]), helper.make_node("Exp", ["sum"], ["y"])]
    model = edgeai.load(small_model(nodes, {"x": ("n", 3), "b": (1, 3)}, ["y"]))
    arrays = {"x": np.arange(9, dtype=np.float32).reshape(3, 3), "b": np.float32([[1, 2, 3]])}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    samples = read_samples(model, [str(tmp_path / f"{name}.npy") for name in arrays], 2)
    assert [[a.tolist() for a in sample] for sample in samples] == [[[[0, 1, 2]], [[1, 2, 3]]], [[[3, 4, 5]], [[1, 2, 3]]]]


def test_samples_for_a_fixed_batch(tmp_path: Path) -> None:
    weights = np.random.default_rng(4).standard_normal((3, 4)).astype(np.float32)
    (tmp_path / "m.onnx").write_bytes(small_model([helper.make_node("Gemm", ["x", "w"], ["y"])], {"x": (2, 3)}, ["y"], {"w": weights}))
    np.save(tmp_path / "x.npy", np.random.default_rng(5).standard_normal((6, 3)).astype(np.float32))
    quantize = ("quantize", tmp_path / "m.onnx", "-d", tmp_path / "x.npy", "-o", tmp_path / "out.edgeai")
    run(*quantize, "-n", 4)
    expected = edgeai.quantize(edgeai.load(tmp_path / "m.onnx"), np.load(tmp_path / "x.npy")[:4])
    assert (tmp_path / "out.edgeai").read_bytes() == expected.model.to_bytes()
    assert "takes 2 samples at once" in run(*quantize, "-n", 3, status=2)
    assert "SQNR" in run("compare", tmp_path / "m.onnx", tmp_path / "out.edgeai", tmp_path / "x.npy")


def test_compare(files: Path) -> None:
    text = run("compare", CLASSIFIER, files / "net.edgeai", files / "x.npy")
    assert "SQNR" in text
    assert "/classify/Gemm" in text


def test_bench(files: Path) -> None:
    text = run("bench", files / "net.edgeai", "--seconds", "0.05", "--threads", "2", "--batch", "2", "--plan", "--profile")
    assert "median" in text
    assert "GOP/s" in text
    assert "kernel" in text
    assert "median" in run("bench", CLASSIFIER, files / "x.npy", "--seconds", "0.05")


def test_convert_to_a_file(files: Path, tmp_path: Path, classifier: edgeai.Model) -> None:
    run("convert", CLASSIFIER, "-o", tmp_path / "float.edgeai")
    assert (tmp_path / "float.edgeai").read_bytes() == classifier.to_bytes()
    run("convert", CLASSIFIER, "-o", tmp_path / "FLOAT.C")
    assert "const uint8_t FLOAT[" in (tmp_path / "FLOAT.C").read_text()


def test_convert_to_a_c_array_that_compiles(files: Path, tmp_path: Path) -> None:
    run("convert", files / "net.edgeai", "-o", tmp_path / "my-net.c", "--name", "net")
    main = tmp_path / "main.c"
    main.write_text(
        "#include <stdint.h>\n#include <stdio.h>\n#include <stddef.h>\n"
        "extern const uint8_t net[];\nextern const size_t net_size;\n"
        "int main(void) { return (uintptr_t)net % 64 != 0 || fwrite(net, 1, net_size, stdout) != net_size; }\n"
    )
    subprocess.run(
        ["cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", main, tmp_path / "my-net.c", "-o", tmp_path / "main"], check=True
    )
    out = subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout
    assert out == (files / "net.edgeai").read_bytes()
    assert "uint8_t my_net[" in run("convert", files / "net.edgeai", "-o", tmp_path / "my-net.h") + (tmp_path / "my-net.h").read_text()


def test_failures_are_one_line(files: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "empty.npy").touch()
    (damaged / "short.npz").write_bytes((files / "both.npz").read_bytes()[:200])
    with zipfile.ZipFile(damaged / "text.npz", "w") as archive:
        archive.writestr("image", "no array")
    np.save(damaged / "scalar.npy", np.float32(1))
    output = tmp_path / "out.edgeai"
    quantize = ("quantize", CLASSIFIER, "-o", output, "-d")
    for arguments, text in (
        (("info", tmp_path / "none.onnx"), "EDGEAI_ERROR_IO"),
        (("info", ROOT / "Makefile"), "EDGEAI_ERROR_"),
        (("run", CLASSIFIER, ROOT / "Examples/data/fashion_mnist_subset.npz:images"), "EDGEAI_ERROR_DTYPE_MISMATCH"),
        (("convert", CLASSIFIER, "-o", tmp_path / "a.c", "--name", "1"), "identifier"),
        (("run", CLASSIFIER, tmp_path / "none.npy"), "cannot read"),
        (("run", CLASSIFIER, files / "both.npz"), "name one"),
        (("run", CLASSIFIER, files / "x.npy", files / "x.npy"), "1 inputs"),
        *((("run", CLASSIFIER, damaged / name), "cannot read") for name in ("empty.npy", "short.npz", "text.npz")),
        (("run", CLASSIFIER, files / "x.npy", "-o", tmp_path / "y.npy"), ".npz file, not as .npy"),
        (("run", CLASSIFIER, files / "x.npy", "-o", tmp_path), "is a folder"),
        ((*quantize, damaged / "scalar.npy"), "the array's is ()"),
        *(((*quantize, files / "x.npy", "-n", count), f"--samples is {count}; it must be at least 1") for count in (-1, 0)),
        ((*quantize, files / "x.npy", "-n", "x"), "-n/--samples: takes a whole number, not 'x'"),
        (("bench", CLASSIFIER, "--seconds", "x"), "--seconds: takes a number, not 'x'"),
        *((("bench", CLASSIFIER, "--seconds", value), f"--seconds is {value}") for value in (-1.0, "nan", "inf")),
        (("bench", CLASSIFIER, "--spin-us", -1), "spin_us is -1"),
        *((("info", CLASSIFIER, *option), f"{option[0]} is of a plan: it needs --plan") for option in (("--isa", "x"), ("--threads", 2), ("--tune",))),
        (("profile", CLASSIFIER, "--trace-runs", 3), "--trace-runs needs --trace"),
        (("quantize", CLASSIFIER, "-o", output), "edgeai quantize --help"),
        *((("prune", CLASSIFIER, "-o", output, "-d", files / "x.npy", "--scan", shares),
           f"--scan takes shares from 0 to 1 such as 0.3,0.6,0.9, not '{shares}'") for shares in ("x", "0.3,", "", "2", "nan")),
        ((*quantize, f"picture={files / 'x.npy'}"), "no input picture"),
        ((*quantize, f"image={files / 'x.npy'}", files / "x.npy"), "1 inputs"),
        (("compress", CLASSIFIER, "-d", files / "x.npy", "-o", output, "--target-bytes", 10**23), "target_bytes"),
        (("compress", CLASSIFIER, "-d", files / "x.npy", "-o", output, "--target-ms", "inf"), "target_latency"),
        (("compress", CLASSIFIER, "-d", tmp_path / "unread", "-o", tmp_path / "a.onnx", "--max-drop", 1), "ONNX file has no coding"),
        (("compress", CLASSIFIER, "-d", tmp_path / "unread", "-o", tmp_path / "none/a.edgeai", "--max-drop", 1), "no folder"),
        (("compress", CLASSIFIER, "-d", tmp_path / "unread", "-o", output, "--max-drop", 1, "--checkpoint", tmp_path / "none/x"), "no folder"),
        (("compress", CLASSIFIER, "-d", files / "x.npy", "-o", output, "--recipe", "share", "--block", "4x1"), "block is of a search"),
        (("compress", CLASSIFIER, "-d", files / "x.npy", "-o", output, "--recipe", "share", "--threads", "-7"), "threads is -7"),
        (("compress", CLASSIFIER, "-d", files / "x.npy", "-o", output, "--recipe", "share", "--strict"), "arguments: --strict"),
        (("prune", CLASSIFIER, "-o", output, "-n", 5), "--samples needs --data"),
        (("compress", CLASSIFIER, "-d", files / "x.npy", "-o", output, "--max-drop", 1, "--labels", files / "wrong.npy"), "labels has 77"),
        (("info", CLASSIFIER, "--shape", f"image={10**23},1,28,28"), "does not fit in 64 bits"),
        (("profile", CLASSIFIER, "--runs", -5), "runs is -5"),
        *((("profile", CLASSIFIER, option, tmp_path / "none/x"), "EDGEAI_ERROR_IO: cannot write") for option in ("--json", "--trace")),
        (("profile", CLASSIFIER, "--tuning", tmp_path / "none"), f"EDGEAI_ERROR_IO: could not read '{tmp_path}/none': No such file"),
        (("profile", CLASSIFIER, "--tune", "--tuning", tmp_path / "none/x"), "EDGEAI_ERROR_IO: cannot write"),
        (("bench", CLASSIFIER, "--batch", -1), "--batch is -1"),
        (("convert", CLASSIFIER, "-o", tmp_path / "net.tflite"), "not as .tflite"),
    ):
        done = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert text in done.stderr
        assert not done.stdout  # found before any work
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert not output.exists()


def test_shapes_that_the_file_leaves_open(tmp_path: Path) -> None:
    path = tmp_path / "free.onnx"
    path.write_bytes(small_model([helper.make_node("Relu", ["x"], ["y"])], {"x": ["n", "width"]}, {"y": ["n", "width"]}))
    assert "EDGEAI_ERROR_FREE_SHAPE" in run("info", path, status=2)
    assert "x: float32 N×5" in run("info", path, "--shape", "x=N,5")
    assert "every operator can run" in run("check", path, "--shape", "x=1,5")
    np.save(tmp_path / "x.npy", np.float32([[-1, 2]]))
    assert "[[0. 2.]]" in run("run", path, tmp_path / "x.npy", "--shape", "x=1,2")
    assert "--shape takes NAME" in run("check", path, "--shape", "5", status=2)
    assert "--shape takes NAME" in run("check", path, "--shape", "x=a", status=2)
