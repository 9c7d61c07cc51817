"""Branches and loops of ONNX models, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest

import edgeai

HEAD = '<ir_version: 8, opset_import: ["" : {opset}]>\n'


def model(text: str, opset: int = 17) -> bytes:
    parsed = onnx.parser.parse_model(HEAD.replace("{opset}", str(opset)) + text)
    onnx.checker.check_model(parsed)
    return bytes(parsed.SerializeToString())


def floats(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, shape).astype(np.float32)


def compare(text: str, *feeds: Mapping[str, Any], opset: int = 17, **options: Any) -> edgeai.Session:
    """Runs every feed in one session, so that nothing of a run is left for the next; also after saving and opening."""
    data = model(text, opset)
    theirs = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    loaded = edgeai.load(data)
    sessions = [edgeai.Session(m, check_finite=False, **options) for m in (loaded, edgeai.load(loaded.to_bytes()))]
    for feed in feeds:
        expected = theirs.run(None, dict(feed))
        for session in sessions:
            for want, have in zip(expected, session.run(feed), strict=True):
                assert have.dtype == want.dtype and have.shape == want.shape
                np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)
    return sessions[0]


def ops(session: edgeai.Session) -> list[str]:
    return [step.op for step in session.plan]


def controls(session: edgeai.Session) -> list[str]:
    """Operators of the steps that decide which one comes next."""
    return [step.op for step in session.plan if step.kernel == "control"]


YES, NO = np.array(True), np.array(False)


def test_branch() -> None:
    text = """
    choose (bool c, float[N, 4] x) => (float[N, 4] y, float[N] z) <int64[1] one = {1}> {
      big = Exp(x)
      y, z = If (c) <
        then_branch = yes () => (float[N, 4] a, float[N] b) { a = Add(big, x)  b = ReduceSum<keepdims = 0>(big, one) },
        else_branch = no () => (float[N, 4] d, float[N] e) { d = Relu(x)  e = ReduceMax<axes = [1], keepdims = 0>(d) }
      >
    }
    """
    for batch in (1, 5):
        x = floats(batch, 4)
        session = compare(text, {"c": YES, "x": x}, {"c": NO, "x": x}, {"c": YES, "x": -x}, batch=batch)
    assert controls(session) == ["When", "Otherwise"]


def test_branch_known_when_opened_leaves_no_trace() -> None:
    text = """
    choose (float[2, 3] x) => (float[2, 3] y) <bool c = {1}> {
      y = If (c) <then_branch = yes () => (float[2, 3] a) { a = Neg(x) },
                  else_branch = no () => (float[2, 3] b) { b = com.unknown.Thing(x) }>
    }
    """
    data = onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17, "com.unknown" : 1]>\n' + text).SerializeToString()
    session = edgeai.Session(edgeai.load(data))
    x = floats(2, 3)
    np.testing.assert_array_equal(session(x), -x)
    assert ops(session) == ["Negate"]


def test_branches_of_other_shapes_are_refused() -> None:
    text = """
    choose (bool c, float[2, 3] x) => (float[A, B] y) {
      y = If (c) <then_branch = yes () => (float[2, 3] a) { a = Neg(x) },
                  else_branch = no () => (float[3, 2] b) { b = Transpose(x) }>
    }
    """
    with pytest.raises(edgeai.UnsupportedOpError, match=r"If .*branches give float32\[2, 3\] and float32\[3, 2\]"):
        edgeai.load(model(text))


def test_images_in_a_branch() -> None:
    """The channels-last form of a tensor that is made in one branch is not there in the other, nor after it."""
    w = ", ".join(map(str, floats(4, 3, 3, 3, seed=2).ravel()))
    text = f"""
    net (bool c, float[N, 3, 8, 8] x) => (float[N, 4, 8, 8] y, float[N, 4, 8, 8] z) <float[4, 3, 3, 3] w = {{{w}}}> {{
      first = Conv<pads = [1, 1, 1, 1]>(x, w)
      r = If (c) <
        then_branch = yes () => (float[N, 4, 8, 8] a) {{ p = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(first)  a = Relu(p) }},
        else_branch = no () => (float[N, 4, 8, 8] b) {{ b = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(first) }}
      >
      y = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(r)
      z = AveragePool<kernel_shape = [1, 1]>(first)
    }}
    """
    for threads in (1, 2):
        x = floats(2, 3, 8, 8)
        compare(text, {"c": YES, "x": x}, {"c": NO, "x": x}, batch=2, threads=threads)


LOOP = """
count (int64 n, bool c, float[N, 3] x) => (float[N, 3] s, bool again, float t) {
  zero = Constant<value = float {0}>()
  s, again, t = Loop (n, c, x, c, zero) <body = step (int64 i, bool ci, float[N, 3] a, bool k, float u) => (bool co, float[N, 3] b, bool m, float v) {
    two = Constant<value = float {1.5}>()
    b = Mul(a, two)
    f = Cast<to = 1>(i)
    v = Add(u, f)
    top = ReduceMax<keepdims = 0>(b)
    limit = Constant<value = float {40}>()
    co = Less(top, limit)
    m = Not(k)
  }>
}
"""


def test_loop_with_count_and_condition_of_the_run() -> None:
    x = floats(2, 3) + 3
    feeds = [{"n": np.array(n, np.int64), "c": c, "x": x} for n in (0, 1, 2, 3, 50, -4) for c in (YES, NO)]
    for threads in (1, 2):
        compare(LOOP, *feeds, batch=2, threads=threads)


def test_while() -> None:
    """No count at all; the states change places, and one of them is the condition."""
    text = """
    search (float[4] x, float[4] y, bool c) => (float[4] a, float[4] b, int64 n) {
      zero = Constant<value = int64 {0}>()
      a, b, n = Loop ("", c, x, y, zero) <body = step (int64 i, bool ci, float[4] p, float[4] q, int64 m) => (bool co, float[4] r, float[4] s, int64 k) {
        r = Identity(q)
        half = Constant<value = float {0.5}>()
        s = Mul(p, half)
        one = Constant<value = int64 {1}>()
        k = Add(m, one)
        top = ReduceMax<keepdims = 0>(s)
        limit = Constant<value = float {0.01}>()
        co = Greater(top, limit)
      }>
    }
    """
    x, y = abs(floats(4)), abs(floats(4, seed=2))
    compare(text, {"x": x, "y": y, "c": YES}, {"x": x, "y": y, "c": NO}, {"x": y, "y": x, "c": YES})


def test_condition_of_the_body_alone() -> None:
    text = """
    roll (int64 n, float[2] x) => (float[2] s) {
      s = Loop (n, "", x) <body = step (int64 i, bool ci, float[2] a) => (bool co, float[2] b) {
        two = Constant<value = int64 {2}>()
        co = Less(i, two)
        b = Add(a, x)
      }>
    }
    """
    compare(text, *[{"n": np.array(n, np.int64), "x": floats(2)} for n in (1, 10)])


def test_condition_that_is_a_state() -> None:
    text = """
    flags (bool c, bool d) => (bool p, bool q, int64 n) {
      zero = Constant<value = int64 {0}>()
      p, q, n = Loop ("", c, c, d, zero) <body = step (int64 i, bool ci, bool a, bool b, int64 m) => (bool co, bool r, bool s, int64 k) {
        co = Identity(b)
        r = Identity(b)
        s = Not(a)
        one = Constant<value = int64 {1}>()
        k = Add(m, one)
      }>
    }
    """
    compare(text, *[{"c": c, "d": d} for c in (YES, NO) for d in (YES, NO)])


def test_stacked_results() -> None:
    text = """
    roll (float[2, 3] x) => (float[2, 3] s, float[6, 2, 3] all, float[A] ids) <int64 n = {6}, bool c = {1}> {
      s, all, ids = Loop (n, c, x) <body = step (int64 i, bool ci, float[2, 3] a) => (bool co, float[2, 3] b, float[2, 3] e, float f) {
        co = Identity(ci)
        b = Sin(a)
        e = Add(b, x)
        f = Cast<to = 1>(i)
      }>
    }
    """
    session = compare(text, {"x": floats(2, 3)}, {"x": floats(2, 3, seed=2)})
    assert controls(session) == ["Loop", "Next"]


def test_stacked_results_of_an_unknown_number_are_refused() -> None:
    text = """
    roll (int64 n, bool c, float[2] x) => (float[A, 2] all) {
      all = Loop (n, c) <body = step (int64 i, bool ci) => (bool co, float[2] e) { co = Identity(ci)  e = Neg(x) }>
    }
    """
    with pytest.raises(edgeai.UnsupportedOpError, match="known at run time only"):
        edgeai.load(model(text))


def test_shapes_that_depend_on_the_iteration() -> None:
    """A list that grows: the iterations follow each other."""
    text = """
    grow (float[1, 3] x) => (float[A, B] y) <int64 n = {4}, bool c = {1}> {
      y = Loop (n, c, x) <body = step (int64 i, bool ci, float[A, 3] a) => (bool co, float[B, 3] b) {
        co = Identity(ci)
        last = Constant<value = int64[1] {-1}>()
        row = Gather<axis = 0>(a, last)
        more = Exp(row)
        scaled = Div(more, more)
        sum = Add(scaled, row)
        b = Concat<axis = 0>(a, sum)
      }>
    }
    """
    session = compare(text, {"x": floats(1, 3)})
    assert "Loop" not in ops(session)


def test_slices_by_the_iteration() -> None:
    text = """
    slices (float[5, 3] x) => (float[1, 3] y, float[5, 1, 3] all) <int64 n = {5}, bool c = {1}, float[1, 3] z = {0, 0, 0}, int64[1] one = {1}, int64[1] axis = {0}> {
      y, all = Loop (n, c, z) <body = step (int64 i, bool ci, float[1, 3] a) => (bool co, float[1, 3] b, float[1, 3] e) {
        co = Identity(ci)
        first = Unsqueeze(i, axis)
        last = Add(first, one)
        row = Slice(x, first, last, axis)
        b = Add(a, row)
        e = Identity(b)
      }>
    }
    """
    compare(text, {"x": floats(5, 3)})


def test_branch_in_a_loop_in_a_branch() -> None:
    """Values of every scope outside, also of one that is used nowhere else, and a long life of them."""
    text = """
    nest (bool c, int64 n, float[N, 4] x) => (float[N, 4] y) {
      positive = Abs(x)
      outer = Sqrt(positive)
      shared = Exp(x)
      y = If (c) <
        then_branch = yes () => (float[N, 4] a) {
          go = Constant<value = bool {1}>()
          local = Mul(outer, shared)
          zero = Constant<value = bool {0}>()
          a, flag = Loop (n, go, x, zero) <body = step (int64 i, bool ci, float[N, 4] p, bool odd) => (bool co, float[N, 4] q, bool even) {
            co = Identity(ci)
            t1 = Sub(p, outer)
            t2 = Add(t1, local)
            t3 = Mul(t2, outer)
            even = Not(odd)
            q = If (odd) <then_branch = left () => (float[N, 4] l) { l = Tanh(t3) },
                          else_branch = right () => (float[N, 4] r) { u = Add(t1, shared)  r = Sigmoid(u) }>
          }>
        },
        else_branch = no () => (float[N, 4] b) { b = Add(outer, shared) }
      >
    }
    """
    feeds = [{"c": c, "n": np.array(n, np.int64), "x": floats(3, 4, seed=n)} for c in (YES, NO) for n in (0, 1, 2, 7)]
    for threads in (1, 2):
        compare(text, *feeds, batch=3, threads=threads)


def test_loop_in_a_loop() -> None:
    text = """
    nest (int64 n, float[3] x) => (float[3] y, int64 total) <bool go = {1}, int64 zero = {0}> {
      y, total = Loop (n, go, x, zero) <body = outer (int64 i, bool ci, float[3] a, int64 k) => (bool co, float[3] b, int64 m) {
        co = Identity(ci)
        base = Cos(a)
        b, m = Loop (i, ci, a, k) <body = inner (int64 j, bool cj, float[3] p, int64 s) => (bool cp, float[3] q, int64 t) {
          cp = Identity(cj)
          w = Mul(p, base)
          q = Add(w, x)
          t = Add(s, j)
        }>
      }>
    }
    """
    compare(text, *[{"n": np.array(n, np.int64), "x": floats(3, seed=n)} for n in (0, 1, 2, 5)])


@pytest.mark.parametrize("reverse", [0, 1])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_scan(reverse: int, axis: int) -> None:
    text = f"""
    sums (float[2, 3] s, float[4, 5, 6] x, float[4, 5, 6] z) => (float[A, B] t, float[C, D, E] all, float[F, G, H] others) {{
      t, all, others = Scan<num_scan_inputs = 2, scan_input_axes = [{axis}, {axis}], scan_input_directions = [{reverse}, 0],
          scan_output_axes = [{axis}, 0], scan_output_directions = [0, {reverse}],
          body = step (float[A, B] a, float[C, D] v, float[C, D] u) => (float[A, B] b, float[C, D] e, float[C, D] f) {{
            m = ReduceMax<keepdims = 0>(v)
            b = Add(a, m)
            e = Sub(v, u)
            f = Mul(v, u)
          }}>(s, x, z)
    }}
    """
    compare(text, {"s": floats(2, 3), "x": floats(4, 5, 6, seed=2), "z": floats(4, 5, 6, seed=3)})


def test_scan_of_samples() -> None:
    """Operator set 8: the first axis is the batch."""
    text = """
    sums (float[3, 2] s, float[3, 4, 2] x) => (float[3, 2] t, float[3, 4, 2] all) {
      t, all = Scan<num_scan_inputs = 1, directions = [1], body = step (float[2] a, float[2] v) => (float[2] b, float[2] e) {
        b = Add(a, v)
        e = Identity(b)
      }>("", s, x)
    }
    """
    compare(text, {"s": floats(3, 2), "x": floats(3, 4, 2, seed=2)}, opset=8)


def test_limit_of_iterations() -> None:
    data = model(LOOP)
    feed = {"n": np.array(50, np.int64), "c": YES, "x": np.zeros((1, 3), np.float32)}
    session = edgeai.Session(edgeai.load(data), max_iterations=50)
    assert session.run(feed)[2] == 1225
    limited = edgeai.Session(edgeai.load(data), max_iterations=49)
    with pytest.raises(edgeai.LimitError, match="max_iterations") as caught:
        limited.run(feed)
    assert caught.value.code == 301 and caught.value.node == "s"
    # The session is as good as before.
    assert limited.run(feed | {"n": np.array(7, np.int64)})[2] == 21
    with pytest.raises(edgeai.ArgumentError):
        edgeai.Session(edgeai.load(data), max_iterations=0)


def test_limit_of_a_loop_of_known_length() -> None:
    text = """
    roll (float[2] x) => (float[2] s) <int64 n = {100000}, bool c = {1}> {
      s = Loop (n, c, x) <body = step (int64 i, bool ci, float[2] a) => (bool co, float[2] b) { co = Identity(ci)  b = Sin(a) }>
    }
    """
    with pytest.raises(edgeai.LimitError, match="100000 iterations"):
        edgeai.Session(edgeai.load(model(text)), max_iterations=99999)
    assert edgeai.Session(edgeai.load(model(text))).run(floats(2))[0].shape == (2,)


def test_endless_loop_is_refused() -> None:
    text = """
    forever (float[2] x) => (float[2] s) {
      s = Loop ("", "", x) <body = step (int64 i, bool ci, float[2] a) => (bool co, float[2] b) { co = Identity(ci)  b = Sin(a) }>
    }
    """
    with pytest.raises(edgeai.UnsupportedOpError, match="nothing ends the loop"):
        edgeai.load(model(text))


def test_unsupported_operators_inside_are_named() -> None:
    text = """
    deep (bool c, float[2] x) => (float[2] y) {
      y = If (c) <then_branch = yes () => (float[2] a) { a = Bar(x) }, else_branch = no () => (float[2] b) { b = Foo(x) }>
    }
    """
    data = onnx.parser.parse_model(HEAD.replace("{opset}", "17") + text).SerializeToString()
    with pytest.raises(edgeai.UnsupportedOpError) as caught:
        edgeai.load(data)
    assert "Bar" in str(caught.value) and "Foo" in str(caught.value)


def test_quantized_network_with_a_branch() -> None:
    """What is inside stays in float, and says so; the layers around it are integers."""
    w = floats(4, 4, seed=3)
    text = f"""
    net (float[N, 4] x) => (float[N, 4] y) <float zero = {{0}}, float[4, 4] w = {{{", ".join(map(str, w.ravel()))}}}> {{
      h = MatMul(x, w)
      g = Relu(h)
      total = ReduceSum<keepdims = 0>(x)
      c = Less(total, zero)
      r = If (c) <then_branch = yes () => (float[N, 4] a) {{ p = MatMul(g, w)  a = Tanh(p) }},
                  else_branch = no () => (float[N, 4] b) {{ b = Add(g, h) }}>
      k = MatMul(r, w)
      y = Add(k, g)
    }}
    """
    loaded = edgeai.load(model(text))
    x = floats(64, 4)
    result = edgeai.quantize(loaded, x)
    reasons = {layer.name: layer.reason for layer in result.report.layers}
    assert "branch or loop" in " ".join(reasons.values())
    theirs, ours = edgeai.Session(loaded), edgeai.Session(edgeai.load(result.model.to_bytes()))
    assert any(step.dtype == "uint8" and step.op == "Dense" for step in ours.plan)
    for sample in x[:, None]:
        np.testing.assert_allclose(ours(sample), theirs(sample), atol=0.3)


def test_plan_and_profile_show_the_structure() -> None:
    session = edgeai.Session(edgeai.load(model(LOOP)))
    assert "another iteration: step" in session.plan_text
    feed = {"n": np.array(3, np.int64), "c": YES, "x": floats(1, 3)}
    assert {"Loop", "Next", "Multiply"} <= set(session.profile(feed, runs=3).by_op())
