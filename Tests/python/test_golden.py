"""Files of format version 1 through the installed library: read, written back unchanged, and the same results for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import edgeai

GOLDEN = ROOT / "Tests/golden/edgeai"
ERRORS = ROOT / "Tests/golden-errors/edgeai"
CODED = ROOT / "Tests/golden/edgeai-2"


def _rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#")]


def output_crc(model: edgeai.Model, isa: str, batch: int = 3) -> int:
    """CRC-32 of all outputs for inputs that are multiples of 1/64 in -2 ... 2."""
    arrays = []
    for number, tensor in enumerate(model.inputs):
        shape = [batch if dim is None or dim == -1 else dim for dim in tensor.shape]
        seed, values = 977 + number, []
        for _ in range(int(np.prod(shape))):
            seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
            values.append(((seed >> 24) - 128) / 64)
        arrays.append(np.array(values, np.float32).reshape(shape))
    with edgeai.Session(model, isa=isa) as session:
        crc = 0
        for output in session.run(tuple(arrays)):
            crc = zlib.crc32(np.ascontiguousarray(output).tobytes(), crc)
    return crc


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.edgeai")), ids=lambda path: path.stem)
def test_read_and_written_unchanged(path: Path) -> None:
    contents = path.read_bytes()
    for model in (edgeai.load(path), edgeai.load(contents)):
        assert model.to_bytes() == contents


@pytest.mark.parametrize("path", sorted(CODED.glob("*-coded-*.edgeai")), ids=lambda path: path.stem)
def test_coded_files_are_what_they_were_coded_from(path: Path) -> None:
    plain = path.with_name(path.name.split("-coded-")[0] + ".edgeai").read_bytes()
    for model in (edgeai.load(path), edgeai.load(path.read_bytes())):
        assert model.to_bytes() == plain
        assert model.source == "edgeai"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.edgeai")), ids=lambda path: path.stem)
def test_every_file_runs(path: Path) -> None:
    output_crc(edgeai.load(path), "reference")


@pytest.mark.parametrize(("name", "crc"), _rows(GOLDEN / "expected.txt"), ids=lambda value: value if "." in value else "")
def test_results_never_change(name: str, crc: str) -> None:
    """Integer results and moved or compared floats are the same bytes on every instruction set."""
    model = edgeai.load(GOLDEN / name)
    assert {isa: f"{output_crc(model, isa):08x}" for isa in edgeai.instruction_sets()} == dict.fromkeys(edgeai.instruction_sets(), crc)


@pytest.mark.parametrize(("name", "code", "offset", "node", "tensor", "text"), _rows(ERRORS / "expected.txt"))
def test_damaged_files(name: str, code: str, offset: str, node: str, tensor: str, text: str) -> None:
    contents = (ERRORS / name).read_bytes()
    if not contents.startswith(b"\x89EDGEAI\n"):  # then it is read as ONNX, which it is not either
        with pytest.raises(edgeai.ModelError):
            edgeai.load(contents)
        return
    for source in (ERRORS / name, contents):
        with pytest.raises(edgeai.EdgeAIError) as caught:
            edgeai.load(source)
        error = caught.value
        assert (error.code, error.node or "", error.tensor or "") == (int(code), node, tensor)
        assert (-1 if error.offset is None else error.offset) == int(offset)
        assert text in error.message


@pytest.mark.parametrize("script", [GOLDEN / "make.py", ERRORS / "make.py"], ids=["golden", "errors"])
def test_generators_write_what_is_here(script: Path, tmp_path: Path) -> None:
    """The committed files are what the scripts describe: nobody changed either alone."""
    code = (
        "import runpy, pathlib, sys\n"
        f"sys.path[:0] = [{str(script.parent)!r}, {str(GOLDEN)!r}]\n"
        f"cases = runpy.run_path({str(script)!r})['cases']()\n"
        "for name, case in cases.items():\n"
        f"    pathlib.Path({str(tmp_path)!r}, name + '.edgeai').write_bytes(case[0] if isinstance(case, tuple) else case.bytes())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(written) > 80
    for name, contents in written.items():
        assert (script.parent / name).read_bytes() == contents, name
