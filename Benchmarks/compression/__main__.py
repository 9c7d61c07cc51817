"""Measures compression and writes Benchmarks/out/compression.json: a list of {case, value, unit, how}.

    python Benchmarks/compression [--only MODULE ...]

Real models, photos and data sets come from the folder that EDGEAI_TEST_DATA names; cases that need it are left out, and said so,
without it. Speeds are ratios of the least times of alternating runs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent
#: Each has cases(data): an iterator of rows, as they are measured.
MODULES = ["coding", "sharing", "pruning", "channels", "sparse", "binary", "search", "peer"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=MODULES, default=MODULES, help="measure these only")
    options = parser.parse_args()
    # The modules read released models with the tests' readers.
    sys.path[:0] = [str(FOLDER), str(FOLDER.parent.parent / "Tests" / "python")]
    folder = os.environ.get("EDGEAI_TEST_DATA")
    data = pathlib.Path(folder) if folder else None
    if data is None:
        print("EDGEAI_TEST_DATA is not set: cases of real models and data are left out")
    out = FOLDER.parent / "out" / "compression.json"
    out.parent.mkdir(exist_ok=True)
    rows = {row["case"]: row for row in json.loads(out.read_text())} if out.exists() else {}
    for name in options.only:
        for row in importlib.import_module(name).cases(data):
            if set(row) != {"case", "value", "unit", "how"}:
                raise SystemExit(f"{name}: a row has the fields {sorted(row)}")
            rows[row["case"]] = row
            figure = f"{row['value']:,}" if float(row["value"]).is_integer() else f"{row['value']:.4g}"
            print(f"{row['case']:40} {figure:>14} {row['unit']:8} {row['how']}", flush=True)
            # After each row: what was measured outlives an interruption.
            out.write_text(json.dumps(list(rows.values()), indent=1) + "\n")
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
