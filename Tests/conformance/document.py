"""Writes Documentation/operators.md from a run of the suite."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from cases import KINDS, Case, element_types, operators, opset, subject
from judge import VERDICTS

HEAD = """\
# ONNX operators

Generated from a run of ONNX's official conformance suite; do not edit. `make test-conformance-update` writes it again.

Every case of the suite runs through `edgeai.onnx_backend` in a process of its own and is compared with the suite's own tolerances. **Passed**: the
same shape, element type and numbers. **Refused**: the engine said, when the model was opened, which operator or feature it does
not support. **Disputed**: the numbers stored with the case are further than its tolerance from what ONNX's reference evaluator
computes in float64; those of the engine are not. **Failed**: anything else.

"""

OTHERS = """
Beside these there are operators which the suite does not have, held against ONNX Runtime by `Tests/python/test_onnx_compositions.py`: ConvTranspose,
Resize, LpPool and BatchNormalization of volumes; Resize of uint8 and int8, nearest and linear; SimplifiedLayerNormalization; and of the domain
com.microsoft Attention (without a past), BiasGelu,
EmbedLayerNormalization, FastGelu, FusedConv, FusedMatMul, Gelu, MultiHeadAttention, QuickGelu, SkipLayerNormalization and
SkipSimplifiedLayerNormalization. MaxUnpool follows the suite where an output shape is given: the indices are those of the shape without it.
Sequences of known length inside a network (SequenceConstruct, SequenceEmpty, SequenceInsert, SequenceErase, SequenceAt, SequenceLength,
ConcatFromSequence, SplitToSequence) are in `simple/test_sequence_model*` and `Tests/python/test_sequences.py`.
"""


def write_document(path: Path, cases: list[Case], results: list[dict[str, Any]]) -> None:
    single = {c.name: next(iter(operators(c.model()))) for c in cases if c.kind == "node" and _is_single(c)}
    rows: dict[str, list[tuple[Case, dict[str, Any]]]] = defaultdict(list)
    for case, result in zip(cases, results, strict=True):
        if case.kind == "node":
            rows[subject(case, single)].append((case, result))

    text = HEAD + "| part of the suite | cases | " + " | ".join(VERDICTS) + " |\n|---|---|" + "---|" * len(VERDICTS) + "\n"
    for kind in KINDS:
        count = Counter(r["verdict"] for c, r in zip(cases, results, strict=True) if c.kind == kind)
        text += f"| {kind} | {sum(count.values())} | " + " | ".join(str(count[v]) for v in VERDICTS) + " |\n"

    text += """
## Operators

Opsets and element types are those at the borders of the cases that pass. Kernel: **tiled** code for the CPU's instruction set, the scalar
**reference**, or **folded** away when the model is opened. A case `..._expanded` writes the operator as the function that
defines it, and counts with it.

| operator | opsets | element types | kernel | cases | passed | refused | disputed | failed |
|---|---|---|---|---|---|---|---|---|
"""
    for name in sorted(rows):
        done = [(c, r) for c, r in rows[name] if r["verdict"] == "passed"]
        count = Counter(r["verdict"] for _, r in rows[name])
        failed = count["failed"] + count["crashed"] + count["hung"]
        text += (
            f"| {name} | {_ranges({opset(c.model()) for c, _ in done})} | {_types(c for c, _ in done)} | {_kernels(r for _, r in done)} "
            f"| {len(rows[name])} | {count['passed']} | {count['refused']} | {count['disputed']} | {failed} |\n"
        )

    text += OTHERS

    text += "\n## Why cases are refused\n\n| reason | cases |\n|---|---|\n"
    reasons = Counter(_short(r["reason"]) for r in results if r["verdict"] == "refused")
    for reason, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        text += f"| {reason} | {number} |\n"

    for verdicts, title in ((("refused",), "Refused cases"), (("disputed",), "Disputed cases"), (("failed", "crashed", "hung"), "Failed cases")):
        chosen = [(c, r) for c, r in zip(cases, results, strict=True) if r["verdict"] in verdicts]
        if chosen:
            text += f"\n## {title}\n\n"
            text += "".join(f"- `{c.key}`: {_plain(r['reason'])}\n" for c, r in chosen)
    path.write_text(text)


def _is_single(case: Case) -> bool:
    return sum(operators(case.model()).values()) == 1


def _ranges(numbers: set[int]) -> str:
    """"7, 13-15"."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def _types(cases: Any) -> str:
    found: dict[str, None] = {}
    for case in cases:
        found.update(dict.fromkeys(element_types(case.model())))
    return ", ".join(sorted(found))


def _kernels(results: Any) -> str:
    kinds = set()
    for result in results:
        isas = {isa for _, _, isa in result["steps"]}
        kinds.update("reference" if isa == "reference" else "tiled" for isa in isas)
        if not isas:
            kinds.add("folded")
    return ", ".join(sorted(kinds))


def _plain(reason: str) -> str:
    reason = re.sub(r"^\w+Error: ", "", reason).replace("\n", " ").replace("|", "\\|")
    return reason if len(reason) <= 240 else reason[:237] + "..."


def _short(reason: str) -> str:
    """The reason without names of tensors and nodes, so that equal ones meet."""
    reason = re.sub(r" \[(node|tensor|byte).*$", "", _plain(reason))
    reason = re.sub(r"'[^']*'", "'...'", reason)
    return re.sub(r"\d+", "n", reason) if len(reason) > 60 else reason
