import CPlatform
import Foundation
import Testing

/// A recurrent layer and its data; states and results of one sequence after the other.
private struct RecurrentCase: CustomStringConvertible {
  var kind = EK_LSTM
  var steps = 5, batch = 3, hidden = 7
  var reverse = false, batchFirst = false, resetsAfterProduct = false, couplesGates = false
  var initial = true, bias = true, peepholes = false, lengths = false, wantsStates = true
  var clip: Float = .infinity, cellClip: Float = .infinity
  var activations = [activation(EK_UNARY_SIGMOID), activation(EK_UNARY_TANH), activation(EK_UNARY_TANH)]

  var gates: Int { kind == EK_RNN ? 1 : kind == EK_GRU ? 3 : 4 }
  var description: String {
    "kind \(kind) [\(steps),\(batch),\(hidden)] reverse \(reverse) reset \(resetsAfterProduct) coupled \(couplesGates) peepholes \(peepholes)"
  }

  /// Vector of a step of a sequence.
  func vector(_ time: Int, _ row: Int) -> Int { batchFirst ? row * steps + time : time * batch + row }
}

private func activation(_ function: Int, _ alpha: Float = 0, _ beta: Float = 0) -> ek_activation {
  ek_activation(function: Int32(function), alpha: alpha, beta: beta, input_scale: 1, input_offset: 0, output_scale: 1)
}

private struct RecurrentData {
  let x: [Float], weights: [Float], bias: [Float], h: [Float], c: [Float], peepholes: [Float], lengths: [Int32]

  init(_ shape: RecurrentCase) {
    var random = SeededRandom(UInt64(shape.hidden * 31 + shape.batch))
    x = random.floats(shape.steps * shape.batch * shape.gates * shape.hidden)
    weights = random.floats(shape.gates * shape.hidden * shape.hidden, -2 / Float(shape.hidden)...2 / Float(shape.hidden))
    bias = random.floats(shape.hidden)
    h = random.floats(shape.batch * shape.hidden)
    c = random.floats(shape.batch * shape.hidden)
    peepholes = random.floats(3 * shape.hidden)
    lengths = random.int32s(shape.batch, -1...shape.steps + 1)
  }
}

/// All states, last states and last cells.
private func run(_ kernel: ek_kernel, _ shape: RecurrentCase, _ data: RecurrentData, anyPartition: Bool = true) -> [Float] {
  withTestMemory { memory in
    var a = ek_recurrent()
    a.gates = memory.input(data.x)
    a.weights = memory.input(data.weights)
    if shape.kind == EK_GRU, shape.resetsAfterProduct, shape.bias { a.bias = memory.input(data.bias) }
    if shape.initial { a.initial_h = memory.input(data.h) }
    if shape.initial, shape.kind == EK_LSTM { a.initial_c = memory.input(data.c) }
    if shape.peepholes { a.peepholes = memory.input(data.peepholes) }
    if shape.lengths { a.lengths = memory.input(data.lengths) }
    a.length_type = Int32(EK_TYPE_INT32)
    a.kind = Int32(shape.kind)
    (a.steps, a.batch, a.hidden) = (Int32(shape.steps), Int32(shape.batch), Int32(shape.hidden))
    (a.step_stride, a.row_stride) = shape.batchFirst ? (1, Int64(shape.steps)) : (Int64(shape.batch), 1)
    a.reverse = shape.reverse ? 1 : 0
    a.reset_after_product = shape.resetsAfterProduct ? 1 : 0
    a.couple_gates = shape.couplesGates ? 1 : 0
    (a.clip, a.cell_clip) = (shape.clip, shape.cellClip)
    (a.f, a.g, a.h) = (shape.activations[0], shape.activations[1], shape.activations[2])
    let (states, last) = (shape.wantsStates ? shape.steps * shape.batch * shape.hidden : 0, shape.batch * shape.hidden)
    let bytes = 4 * (states + last * (shape.kind == EK_LSTM ? 2 : 1))
    func build(_ y: UnsafeMutableRawPointer) -> ek_recurrent {
      var b = a
      if shape.wantsStates { b.y = y }
      b.last_h = y + 4 * states
      if shape.kind == EK_LSTM { b.last_c = y + 4 * (states + last) }
      return b
    }
    return elements(
      anyPartition ? memory.outputOfAnyPartition(of: kernel, bytes: bytes, misalignment: 4, build) : memory.output(of: kernel, bytes: bytes, build))
  }
}

/// The definition, in double.
private func expectation(_ shape: RecurrentCase, _ data: RecurrentData) -> [Float] {
  let n = shape.hidden
  func apply(_ a: ek_activation, _ value: Double, _ clip: Float = .infinity) -> Double {
    let x = min(max(value, -Double(clip)), Double(clip)) * Double(a.input_scale) + Double(a.input_offset)
    let y: Double
    switch Int(a.function) {
    case EK_UNARY_SIGMOID: y = 1 / (1 + exp(-x))
    case EK_UNARY_TANH: y = tanh(x)
    case EK_UNARY_LEAKY_RELU: y = x < 0 ? Double(a.alpha) * x : x
    default: y = min(max(x, Double(a.alpha)), Double(a.beta))
    }
    return Double(a.output_scale) * y
  }
  var all = [Float](repeating: 0, count: shape.steps * shape.batch * n)
  var (lastH, lastC): ([Float], [Float]) = ([], [])
  for row in 0..<shape.batch {
    var h = (0..<n).map { shape.initial ? Double(data.h[row * n + $0]) : 0 }
    var c = (0..<n).map { shape.initial ? Double(data.c[row * n + $0]) : 0 }
    let length = shape.lengths ? min(max(Int(data.lengths[row]), 0), shape.steps) : shape.steps
    for time in shape.reverse ? Array((0..<length).reversed()) : Array(0..<length) {
      let vector = shape.vector(time, row)
      func x(_ gate: Int, _ unit: Int) -> Double { Double(data.x[(vector * shape.gates + gate) * n + unit]) }
      func product(_ state: [Double], _ gate: Int, _ unit: Int) -> Double {
        (0..<n).reduce(0) { $0 + state[$1] * Double(data.weights[(gate * n + unit) * n + $1]) }
      }
      func gate(_ gate: Int, _ unit: Int) -> Double { x(gate, unit) + product(h, gate, unit) }
      let (f, g, clip) = (shape.activations[0], shape.activations[1], shape.clip)
      func peep(_ part: Int, _ unit: Int, _ cell: Double) -> Double {
        shape.peepholes ? Double(data.peepholes[part * n + unit]) * cell : 0
      }
      switch shape.kind {
      case EK_RNN: h = (0..<n).map { apply(f, gate(0, $0), clip) }
      case EK_GRU:
        let z = (0..<n).map { apply(f, gate(0, $0), clip) }
        let r = (0..<n).map { apply(f, gate(1, $0), clip) }
        let reset = zip(r, h).map { $0 * $1 }
        let new = (0..<n).map { unit in
          let sum = shape.resetsAfterProduct
            ? r[unit] * (product(h, 2, unit) + (shape.bias ? Double(data.bias[unit]) : 0)) : product(reset, 2, unit)
          return apply(g, x(2, unit) + sum, clip)
        }
        h = (0..<n).map { (1 - z[$0]) * new[$0] + z[$0] * h[$0] }
      default:
        let (old, state) = (c, h)
        for unit in 0..<n {
          func gate(_ gate: Int) -> Double { x(gate, unit) + product(state, gate, unit) }
          let i = apply(f, gate(0) + peep(0, unit, old[unit]), clip)
          let forget = shape.couplesGates ? 1 - i : apply(f, gate(2) + peep(2, unit, old[unit]), clip)
          let cell = forget * old[unit] + i * apply(g, gate(3), clip)
          c[unit] = min(max(cell, -Double(shape.cellClip)), Double(shape.cellClip))
          h[unit] = apply(f, gate(1) + peep(1, unit, c[unit]), clip) * apply(shape.activations[2], c[unit])
        }
      }
      for unit in 0..<n { all[vector * n + unit] = Float(h[unit]) }
    }
    lastH += h.map { Float($0) }
    lastC += c.map { Float($0) }
  }
  return (shape.wantsStates ? all : []) + lastH + (shape.kind == EK_LSTM ? lastC : [])
}

@Suite struct RecurrentTests {
  /// The reference and the tiles against the definition. The terms of a gate add up to 8 in magnitude at most (states and
  /// inputs are below 1, weights below 2 / hidden, cells below 5), and no activation of these has a slope above 1: each step
  /// adds a few bounds of such a sum.
  private func check(_ shape: RecurrentCase) {
    let data = RecurrentData(shape)
    let expected = expectation(shape, data)
    let bound = Double(shape.steps) * 4 * sumBound(shape.hidden + 4, 8)
    expectClose(run(reference(EK_RECURRENT_F32), shape, data), expected, "reference \(shape)") { _ in bound }
    for table in simdTables {
      guard let kernel = table.kernel(EK_RECURRENT_F32) else { continue }
      expectClose(run(kernel, shape, data), expected, "\(table.isa) \(shape)") { _ in bound }
    }
  }

  @Test(arguments: [EK_RNN, EK_GRU, EK_LSTM]) func shapes(_ kind: Int) {
    for hidden in [1, 3, 8, 16, 17, 31, 32, 33, 65] {
      for batch in [1, 2, 5, 6, 7, 13, 25] {
        check(RecurrentCase(kind: kind, steps: 3, batch: batch, hidden: hidden, reverse: hidden % 2 == 0, batchFirst: batch % 2 == 0))
      }
    }
    check(RecurrentCase(kind: kind, steps: 1, batch: 1, hidden: 130))
  }

  @Test(arguments: [EK_RNN, EK_GRU, EK_LSTM]) func options(_ kind: Int) {
    for bits in 0..<256 {
      func has(_ bit: Int) -> Bool { bits >> bit & 1 == 1 }
      var shape = RecurrentCase(kind: kind, steps: 4, batch: 7, hidden: 9)
      shape.reverse = has(0)
      shape.batchFirst = has(1)
      shape.resetsAfterProduct = kind == EK_GRU && has(2)
      shape.bias = has(3)
      shape.couplesGates = kind == EK_LSTM && has(2)
      shape.peepholes = kind == EK_LSTM && has(3)
      shape.initial = has(4)
      shape.lengths = has(5)
      shape.wantsStates = has(6)
      if has(7) {
        shape.clip = 0.4
        shape.cellClip = 0.5
        shape.activations[0] = activation(EK_UNARY_CLAMP, 0, 1)
        shape.activations[1] = activation(EK_UNARY_LEAKY_RELU, 0.1)
        (shape.activations[2].input_scale, shape.activations[2].input_offset, shape.activations[2].output_scale) = (0.5, 0.25, 0.75)
      }
      check(shape)
    }
  }

  /// int64 lengths; beyond 32 bits they are clamped as well.
  @Test func longLengths() {
    let shape = RecurrentCase(kind: EK_RNN, steps: 3, batch: 4, hidden: 2)
    let data = RecurrentData(shape)
    for kernel in availableTables.compactMap({ $0.kernel(EK_RECURRENT_F32) }) {
      withTestMemory { memory in
        var a = ek_recurrent()
        a.gates = memory.input(data.x)
        a.weights = memory.input(data.weights)
        a.lengths = memory.input([Int64.max, Int64.min, 0, 1 << 32])
        a.length_type = Int32(EK_TYPE_INT64)
        (a.steps, a.batch, a.hidden, a.step_stride, a.row_stride) = (3, 4, 2, 4, 1)
        (a.clip, a.cell_clip, a.f) = (.infinity, .infinity, activation(EK_UNARY_TANH))
        let last: [Float] = elements(memory.output(of: kernel, bytes: 32) { y in var b = a; b.last_h = y; return b })
        #expect(last[2..<6].allSatisfy { $0 == 0 } && last[0] != 0 && last[7] != 0)
      }
    }
  }
}
