"""Trains the networks of the papers' MNIST tables with the library alone and writes what came out.

    python Benchmarks/training/reproduce.py [--only MODULE ...] [--images mnist fashion] [--out FILE] [--data FOLDER]

Rows {case, value, unit, seed, how} go to Benchmarks/results/reproduction.json, and a table of them to Documentation/reproduction.md. MNIST and
CIFAR-10 are read from the folder that --data or EDGEAI_TEST_DATA names, Fashion-MNIST, whose cases begin with fashion_, from Debian's
package dataset-fashion-mnist. Cases whose images are not here are left out, and said so; their old rows stay.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import time
from typing import Any

import data

ROOT = pathlib.Path(__file__).parents[2]
#: Each has cases(images, prefix): an iterator of rows, as they are measured.
MODULES = ["surgery", "deep_compression", "slimming", "quantization", "binary", "eight_bit"]
PREFIXES = {"mnist": "", "fashion": "fashion_"}
#: Case: what it is, the publication's figure, how a reached figure compares with the bound ("least" or "most"), the bound.
TABLE = {
    "dns_lenet5_ratio": ("Dynamic network surgery, LeNet-5: fewer parameters", "108", "least", 108),
    "dns_lenet5_error": ("its error", "0.91", "most", 0.85),
    "dns_lenet300_ratio": ("Dynamic network surgery, LeNet-300-100: fewer parameters", "56", "least", 56),
    "dns_lenet300_error": ("its error", "1.99", "most", 1.80),
    "dc_lenet300_ratio": ("Deep Compression, LeNet-300-100: smaller file", "40", "least", 120),
    "dc_lenet300_error": ("its error", "1.58", "most", 1.80),
    "dc_lenet5_ratio": ("Deep Compression, LeNet-5: smaller file", "39", "least", 400),
    "dc_lenet5_error": ("its error", "0.74", "most", 0.90),
    "slimming_pruned": ("Network slimming, 784-500-300-10: weights that go", "84.4", "least", 84.4),
    "slimming_error": ("its error", "1.49", "most", 1.49),
    "qat4_drop": ("Quantization-aware training, LeNet-5, 4-bit weights: error grows by", "", "most", 0.15),
    "qat2_drop": ("the same with 2-bit weights", "", "most", 0.4),
    "xnor_error": ("XNOR, binary LeNet-5: error", "0.96 to 1.40 (BNN)", "most", 1.3),
    "bwn_error": ("Binary weights, LeNet-5: error", "", "most", 1.3),
    "ternary_error": ("Ternary weights, LeNet-5: error", "", "most", 1.3),
    "int8_training_drop": ("8-bit training, LeNet-5: error grows by", "parity", "most", 0.2),
    "int8_training_resnet8_drop": ("8-bit training, ResNet-8 on CIFAR-10: error grows by", "parity", "most", 0.7),
}
HEAD = """# Reproduction

What the papers' training methods reach on MNIST, trained by this library and nothing else: `make reproduce` runs it all on two threads and
writes this page and `Benchmarks/results/reproduction.json`. Every figure is of the network after the last step, in one run with the
seed given, judged by an ordinary session of the exported model; in a run the test images choose nothing. The recipes (rates, epochs,
prices; the code in `Benchmarks/training`) were found by trial on MNIST, where some trials were compared on the test images. Publications
and bounds are for MNIST; Fashion-MNIST, which anyone can install (`apt-get install dataset-fashion-mnist`), has the same recipes,
unchanged. Training images are moved by up to one pixel at random, which the papers do not do.

"""


def document(rows: dict[str, dict[str, Any]]) -> str:
    lines = ["| method | publication | bound | here | Fashion-MNIST | seed |", "|---|---|---|---|---|---|"]
    for case, (what, published, kind, bound) in TABLE.items():
        if case in rows:
            row = rows[case]
            sign = "at least" if kind == "least" else "at most"
            fashion = rows.get(f"fashion_{case}")
            beside = f"{fashion['value']:.4g} {fashion['unit']}" if fashion else ""
            lines.append(f"| {what} | {published} | {sign} {bound:g} | **{row['value']:.4g}** {row['unit']} | {beside} | {row['seed']} |")
    lines += ["", "## All figures", "", "| case | value | seed | how |", "|---|---|---|---|"]
    for case, row in rows.items():
        lines.append(f"| `{case}` | {row['value']:.4g} {row['unit']} | {row['seed']} | {row['how']} |")
    return HEAD + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=MODULES, default=MODULES, help="run these only")
    parser.add_argument("--images", nargs="+", choices=list(PREFIXES), default=list(PREFIXES), help="on these only")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "Benchmarks/results/reproduction.json", help="the rows' file")
    parser.add_argument("--data", type=pathlib.Path, help="in place of EDGEAI_TEST_DATA")
    options = parser.parse_args()
    if options.data:
        os.environ["EDGEAI_TEST_DATA"] = str(options.data)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = {row["case"]: row for row in json.loads(options.out.read_text())} if options.out.exists() else {}
    begin = time.monotonic()
    failed = []
    for images in options.images:
        if not data.has(images):
            print(f"{images} is not here: its cases are left out")
            continue
        for name in options.only:
            for row in importlib.import_module(name).cases(images, PREFIXES[images]):
                case = row["case"]
                rows[case] = row
                _, _, kind, bound = TABLE.get(case, ("", "", "most", float("inf")))
                if row["value"] < bound if kind == "least" else row["value"] > bound:
                    failed.append(case)
                print(f"{case:28} {row['value']:9.4g} {row['unit']:7} {row['how']}", flush=True)
                # After each row: what was measured outlives an interruption.
                options.out.write_text(json.dumps(list(rows.values()), indent=1) + "\n")
    page = ROOT / "Documentation/reproduction.md"
    page.write_text(document(rows))
    print(f"wrote {options.out} and {page} in {(time.monotonic() - begin) / 60:.0f} minutes")
    if failed:
        raise SystemExit(f"outside their bounds: {', '.join(failed)}")


if __name__ == "__main__":
    main()
