"""What the documentation and the examples say is true: their code runs and does what is written beside it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

import edgeai


def blocks(file: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / file).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def in_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the documentation's relative paths work and anything may be written."""
    (tmp_path / "Examples").symlink_to(ROOT / "Examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_readme_in_python_and_c(in_a_copy: Path) -> None:
    """The Python excerpt writes the file that the C excerpt runs; both print the same class."""
    (python,) = blocks("README.md", "python")
    (c,) = blocks("README.md", "c")
    assert len(python.splitlines()) <= 20
    assert len(c.splitlines()) <= 25
    printed = subprocess.run([sys.executable, "-c", python], capture_output=True, text=True, check=True).stdout
    assert (in_a_copy / "fashion.edgeai").is_file()
    (in_a_copy / "readme.c").write_text(c)
    build = ROOT / "build"
    subprocess.run(
        ["cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'Include'}", "readme.c", f"-L{build}", "-ledgeai",
         f"-Wl,-rpath,{build}", "-o", "readme"], check=True,
    )  # fmt: skip
    from_c = subprocess.run(["./readme"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"class (\d+)", from_c)[1] == re.search(r"class (\d+)", printed)[1] == "9"  # type: ignore[index]


def test_guide_to_python(in_a_copy: Path) -> None:
    """All excerpts of the guide, one after the other."""
    code = blocks("Documentation/python-guide.md", "python")
    assert len(code) > 5
    names: dict[str, object] = {}
    for block in code:
        exec(compile(block, "python-guide.md", "exec"), names)


def test_training(in_a_copy: Path) -> None:
    """All excerpts about training, one after the other."""
    code = blocks("Documentation/training.md", "python")
    assert len(code) > 3
    names: dict[str, object] = {}
    for block in code:
        exec(compile(block, "training.md", "exec"), names)
    assert (in_a_copy / "pruned.edgeai").stat().st_size < (in_a_copy / "dense.edgeai").stat().st_size / 30


def test_notebook() -> None:
    path = ROOT / "Examples/python/quantize_fashion_mnist.ipynb"
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells if cell.cell_type == "code"), "committed without outputs"
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    outputs = [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
    assert any("image/png" in out.get("data", {}) for out in outputs)
    assert sum("text/html" in out.get("data", {}) for out in outputs) >= 3
    assert not [out for out in outputs if out.output_type == "error"]


def test_demo(tmp_path: Path) -> None:
    classify = ROOT / "build/examples/classify"
    assert classify.is_file(), "make examples builds it"
    done = subprocess.run(
        [sys.executable, ROOT / "Examples/demo.py", "--out", tmp_path], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "agree bit for bit" in done.stdout
    assert "Ankle boot" in done.stdout
    in_float, in_int8 = map(float, re.findall(r"([\d.]+) %", done.stdout)[:2])
    assert in_float > 90
    assert in_int8 >= in_float - 1
    model = edgeai.load(tmp_path / "fashion_mnist.edgeai")
    assert model.quantized
    assert np.isfinite(edgeai.Session(model)(np.zeros((1, 1, 28, 28), np.float32))).all()


def test_training_example(tmp_path: Path) -> None:
    """Fewer epochs than by itself: files shrink, and most of what was learnt stays."""
    done = subprocess.run(
        [sys.executable, ROOT / "Examples/python/train_small.py", "--out", tmp_path, "--epochs", "4"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line.split()[0]: line.replace(",", "").split() for line in done.stdout.splitlines()[-3:]}
    accuracy = {name: float(row[1]) for name, row in rows.items()}
    size = {name: int(row[-1]) for name, row in rows.items()}
    assert accuracy["dense"] > 70
    assert accuracy["shared"] > 60
    assert size["shared"] < size["dense"] / 40
    assert int(rows["shared"][3]) == int(rows["pruned"][3]) < int(rows["dense"][3]) / 15
    assert {path.stat().st_size for path in tmp_path.iterdir()} == set(size.values())


def test_stubs_cover_the_extension() -> None:
    """Every public name of the extension is in its stub, and the other way round."""
    stub = (ROOT / "Bindings/python/src/edgeai/_core.pyi").read_text()
    declared = set(re.findall(r"^(?:def|class) (\w+)", stub, re.MULTILINE)) | {"abi_version"}
    real = {name for name in dir(edgeai._core) if not name.startswith("_")}
    assert declared == real
    for kind in ("Model", "Session", "Calibration", "Trainer", "Report"):
        body = re.search(rf"^class {kind}:\n((?:    .*\n|\n)+)", stub, re.MULTILINE)
        assert body
        methods = {name for name in dir(getattr(edgeai._core, kind)) if not name.startswith("_")}
        assert set(re.findall(r"^    def (\w+)", body[1], re.MULTILINE)) == methods


def test_no_placeholder_is_left() -> None:
    """Figures that releases fill in stand between double at signs until then."""
    files = [ROOT / "README.md", *(ROOT / "Documentation").rglob("*.md")]
    assert len(files) > 3
    assert [str(f) for f in files if "@@" in f.read_text()] == []
