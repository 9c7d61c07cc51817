"""Branches and loops around 8-bit values, against ONNX Runtime."""

from __future__ import annotations

import edgeai
import numpy as np
import onnx
import onnxruntime
import pytest

FLOATS = np.array([[0.13, -0.17, 0.66, 0.08]], np.float32)
SCALES = "<float s = {0.05}, int8 z = {0}>"
BRANCHES = {
    "int8 results": "y = If(c) <then_branch = a() => (int8[1,4] o) {o = QuantizeLinear(x, s, z)}, "
    "else_branch = b() => (int8[1,4] p) {n = Neg(x) p = QuantizeLinear(n, s, z)}>",
    "read in both": "f = If(c) <then_branch = a() => (float[1,4] o) {q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) o = Tanh(d)}, "
    "else_branch = b() => (float[1,4] p) {q2 = QuantizeLinear(x, s, z) d2 = DequantizeLinear(q2, s, z) p = Neg(d2)}> y = Exp(f)",
    "read inside and after": "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) f = If(c) <then_branch = a() => (float[1,4] o) {o = Exp(x)}, "
    "else_branch = b() => (float[1,4] p) {p = Sin(d)}> k = Cos(d) y = Add(f, k)",
    "scales": "i = If(c) <then_branch = a() => (int8[1,4] o) {o = QuantizeLinear(x, s, z)}, "
    "else_branch = b() => (int8[1,4] p) {t = Mul(s, s) p = QuantizeLinear(x, t, z)}> y = DequantizeLinear(i, s, z)",
}


def model(body: str, result: str) -> bytes:
    text = f'<ir_version: 9, opset_import: ["": 17]> g (bool c, float[1,4] x) => ({result}[1,4] y) {SCALES} {{ {body} }}'
    proto = onnx.parser.parse_model(text)
    onnx.checker.check_model(proto)
    return proto.SerializeToString()


@pytest.mark.parametrize("condition", [True, False])
@pytest.mark.parametrize("name", BRANCHES)
def test_branches(name: str, condition: bool) -> None:
    content = model(BRANCHES[name], "int8" if name == "int8 results" else "float")
    feeds = {"c": np.array(condition), "x": FLOATS}
    expected = onnxruntime.InferenceSession(content).run(None, feeds)[0]
    found = edgeai.Session(edgeai.load(content)).run(feeds)
    found = found[0] if isinstance(found, (tuple, list)) else found
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_quantized_network_returns_an_outer_value_from_a_branch() -> None:
    text = """<ir_version: 9, opset_import: ["": 17]> g (bool c, float[N,4] x) => (float[N,4] y, float[N,4] z)
      <float[4,4] w = {0.5,1,-1,0.25,1,0.5,-0.5,1,0.125,-1,1,0.5,-0.25,1,0.5,-1}> {
        a = MatMul(x, w)  r = Relu(a)  z = Neg(r)
        y = If(c) <then_branch = t() => (float[N,4] o) {o = Sin(x)}, else_branch = e() => (float[N,4] p) {p = Identity(r)}> }"""
    network = edgeai.load(onnx.parser.parse_model(text).SerializeToString())
    samples = np.random.default_rng(1).uniform(-1, 1, (16, 4)).astype(np.float32)
    small = edgeai.quantize(network, [{"c": np.array(False), "x": samples[i : i + 1]} for i in range(16)]).model
    feeds = {"c": np.array(False), "x": samples[:1]}
    exact, found = edgeai.Session(network).run(feeds), edgeai.Session(small).run(feeds)
    for a, b in zip(exact, found, strict=True):
        np.testing.assert_allclose(b, a, atol=0.05)


def test_weights_with_the_extent_of_the_input_are_refused() -> None:
    text = """<ir_version: 9, opset_import: ["": 17]> g (float[6,3,2,2] x, bool[6] k) => (float[A,B,1,1] y) {
        f = Compress <axis = 0> (x, k)  y = Conv(f, f) }"""
    with pytest.raises(edgeai.UnsupportedOpError, match="Conv"):
        edgeai.load(onnx.parser.parse_model(text).SerializeToString())
