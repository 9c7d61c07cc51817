"""Random programs of branches and loops inside one another, against ONNX Runtime."""

from __future__ import annotations

import itertools
import os

import numpy as np
import onnx.parser
import onnxruntime
import pytest

import edgeai

HEAD = """<ir_version: 8, opset_import: ["" : 17]>
net (float[4] x, float[4] y, bool c, int64 n) => (float[4] first, float[4] last)
<int64[2] square = {2, 2}, int64[1] row = {4}, int64[2] halves = {2, 2}, float zero = {0}, int64 three = {3}, bool yes = {1}, int64[1] axis = {0}> {
"""


class Program:
    """Statements over vectors of four floats and conditions; what is made in a body is read there only."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.numbers = itertools.count()

    def name(self) -> str:
        return f"v{next(self.numbers)}"

    def choose(self, *names: str) -> str:
        return names[self.random.integers(len(names))]

    def names(self, count: int) -> list[str]:
        return [self.name() for _ in range(count)]

    def body(self, floats: list[str], bools: list[str], depth: int, length: int) -> tuple[list[str], list[str]]:
        """Statements, and the floats that are there after them."""
        lines: list[str] = []
        floats, bools = list(floats), list(bools)
        for _ in range(length):
            kind, result = self.random.random(), self.name()
            if kind < 0.25:
                lines.append(f"{result} = {self.choose('Tanh', 'Neg', 'Sigmoid', 'Abs', 'Relu', 'Identity')}({self.choose(*floats)})")
                floats.append(result)
            elif kind < 0.55:
                lines.append(f"{result} = {self.choose('Add', 'Sub', 'Max', 'Min')}({self.choose(*floats)}, {self.choose(*floats)})")
                floats.append(result)
            elif kind < 0.62:
                view = self.name()
                lines += [f"{view} = Reshape({self.choose(*floats)}, square)", f"{result} = Reshape({view}, row)"]
                floats.append(result)
            elif kind < 0.68:
                a, b = self.names(2)
                lines += [f"{a}, {b} = Split<axis = 0>({self.choose(*floats)}, halves)", f"{result} = Concat<axis = 0>({b}, {a})"]
                floats.append(result)
            elif kind < 0.75 or depth == 3:
                top = self.name()
                lines += [f"{top} = ReduceMax<keepdims = 0>({self.choose(*floats)})", f"{result} = Greater({top}, zero)"]
                bools.append(result)
            elif kind < 0.87:
                self.branch(lines, floats, bools, depth)
            else:
                self.loop(lines, floats, bools, depth)
        return lines, floats

    def branch(self, lines: list[str], floats: list[str], bools: list[str], depth: int) -> None:
        count = int(self.random.integers(1, 4))
        bodies = []
        for which in ("then", "else"):
            inner, visible = self.body(floats, bools, depth + 1, int(self.random.integers(0, 6)))
            results = self.names(count)
            inner += [f"{result} = {self.choose('Identity', 'Neg')}({self.choose(*visible)})" for result in results]
            bodies.append(f"{which}_branch = {self.name()} () => ({typed(results)}) {{ {' '.join(inner)} }}")
        results = self.names(count)
        lines.append(f"{', '.join(results)} = If ({self.choose(*bools)}) <{', '.join(bodies)}>")
        floats += results

    def loop(self, lines: list[str], floats: list[str], bools: list[str], depth: int) -> None:
        count, isStacked = int(self.random.integers(1, 4)), self.random.random() < 0.4
        states, flag, again, number = self.names(count), self.name(), self.name(), self.name()
        inner, visible = self.body([*floats, *states, *states], [*bools, flag], depth + 1, int(self.random.integers(0, 7)))
        new, new_flag, go_on = self.names(count), self.name(), self.name()
        inner += [f"{result} = {self.choose('Identity', 'Tanh')}({self.choose(*visible)})" for result in new]
        inner.append(f"{new_flag} = {self.choose('Not', 'Identity')}({self.choose(*bools, flag)})")
        inner.append(f"{go_on} = Identity({again if isStacked else self.choose(again, flag)})")
        stacked = self.names(1) if isStacked else []
        inner += [f"{name} = Identity({self.choose(*visible, *states)})" for name in stacked]
        start = [self.choose(*floats) for _ in states]
        trip, condition = ("three", "yes") if isStacked else (self.choose("three", "n"), self.choose("yes", *bools))
        last, last_flag, rows = self.names(count), self.name(), self.names(len(stacked))
        lines.append(
            f"{', '.join([*last, last_flag, *rows])} = Loop ({trip}, {condition}, {', '.join(start)}, {self.choose(*bools)}) <body = {self.name()} "
            f"(int64 {number}, bool {again}, {typed(states)}, bool {flag}) => "
            f"(bool {go_on}, {', '.join([typed(new), f'bool {new_flag}', *(f'float[4] {s}' for s in stacked)])}) {{ {' '.join(inner)} }}>"
        )
        floats += last
        bools.append(last_flag)
        for row in rows:
            floats.append(self.name())
            lines.append(f"{floats[-1]} = ReduceSum<keepdims = 0>({row}, axis)")

    def text(self) -> str:
        lines, floats = self.body(["x", "y"], ["c", "yes"], 0, int(self.random.integers(4, 14)))
        lines += [f"first = Identity({self.choose(*floats)})", f"last = Identity({floats[-1]})"]
        return HEAD + "\n".join(lines) + "\n}"


def typed(names: list[str]) -> str:
    return ", ".join(f"float[4] {name}" for name in names)


@pytest.mark.parametrize("seed", range(600 if os.environ.get("EDGEAI_TEST_LONG") else 60))
def test_program(seed: int) -> None:
    program = Program(seed)
    text = program.text()
    content = onnx.parser.parse_model(text).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Its own rewriting of such programs is not what is compared.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    theirs = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    ours = edgeai.Session(edgeai.load(content), check_finite=False)
    for _ in range(4):
        feed = {
            "x": program.random.uniform(-2, 2, 4).astype(np.float32),
            "y": program.random.uniform(-2, 2, 4).astype(np.float32),
            "c": np.array(program.random.random() < 0.5),
            "n": np.array(program.random.integers(0, 5), np.int64),
        }
        for want, have in zip(theirs.run(None, feed), ours.run(feed), strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-4, err_msg=text)
