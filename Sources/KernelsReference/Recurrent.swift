import CPlatform

// Recurrent layers. A unit is one sequence; the scratch holds its gates of one step. Sums run over the units of the
// layer in order, then the gates are added.

func recurrentUnits(_ raw: UnsafeRawPointer?) -> Int64 { Int64(int(arguments(raw, ek_recurrent.self).pointee.batch)) }

func recurrentScratch(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_recurrent.self)
  return Int64(int(a.pointee.hidden) &* gateCount(a.pointee.kind) &* 4)
}

private func gateCount(_ kind: Int32) -> Int { kind == Int32(EK_RNN) ? 1 : kind == Int32(EK_GRU) ? 3 : 4 }

@inline(never)
private func applyActivation(_ values: UnsafeMutablePointer<Float>, _ count: Int, _ activation: ek_activation, _ clip: Float) {
  var i = 0
  while i < count {
    let x = clamped(values[i], -clip, clip) * activation.input_scale + activation.input_offset
    values[i] = activation.output_scale * unaryValue(activation.function, x, activation.alpha, activation.beta)
    i &+= 1
  }
}

/// One sequence.
private struct RecurrentCell {
  let args: UnsafePointer<ek_recurrent>
  let hidden: Int
  let weights: UnsafePointer<Float>
  /// The state, and of an LSTM the cell.
  let h: UnsafeMutablePointer<Float>
  let c: UnsafeMutablePointer<Float>
  let gates: UnsafeMutablePointer<Float>

  private func activate(_ gate: Int, _ activation: ek_activation, count: Int = 1) {
    applyActivation(gates + gate &* hidden, count &* hidden, activation, args.pointee.clip)
  }

  /// Product of a vector with row `row` of the weights.
  private func product(_ vector: UnsafeMutablePointer<Float>, _ row: Int) -> Float {
    let weights = self.weights + row &* hidden
    var sum: Float = 0
    var i = 0
    while i < hidden {
      sum += vector[i] * weights[i]
      i &+= 1
    }
    return sum
  }

  /// x + h R of the first gates.
  private func multiply(_ x: UnsafePointer<Float>, gates count: Int) {
    var i = 0
    while i < count &* hidden {
      gates[i] = x[i] + product(h, i)
      i &+= 1
    }
  }

  func step(_ x: UnsafePointer<Float>) {
    switch Int(args.pointee.kind) {
    case EK_RNN:
      multiply(x, gates: 1)
      activate(0, args.pointee.f)
      h.update(from: gates, count: hidden)
    case EK_GRU: stepGru(x)
    default: stepLstm(x)
    }
  }

  private func stepGru(_ x: UnsafePointer<Float>) {
    multiply(x, gates: 2)
    activate(0, args.pointee.f, count: 2)
    let (z, r, n) = (gates, gates + hidden, gates + 2 &* hidden)
    var i = 0
    if args.pointee.reset_after_product != 0 {
      while i < hidden {
        var sum = product(h, 2 &* hidden &+ i)
        if let bias = args.pointee.bias { sum += elements(bias, Float.self)[i] }
        n[i] = x[2 &* hidden &+ i] + r[i] * sum
        i &+= 1
      }
    } else {
      while i < hidden {
        r[i] *= h[i]
        i &+= 1
      }
      i = 0
      while i < hidden {
        n[i] = x[2 &* hidden &+ i] + product(r, 2 &* hidden &+ i)
        i &+= 1
      }
    }
    activate(2, args.pointee.g)
    i = 0
    while i < hidden {
      h[i] = (1 - z[i]) * n[i] + z[i] * h[i]
      i &+= 1
    }
  }

  private func stepLstm(_ x: UnsafePointer<Float>) {
    multiply(x, gates: 4)
    let (input, output, forget, n) = (gates, gates + hidden, gates + 2 &* hidden, gates + 3 &* hidden)
    var i = 0
    if let peepholes = args.pointee.peepholes {
      let p = elements(peepholes, Float.self)
      while i < hidden {
        input[i] += p[i] * c[i]
        forget[i] += p[2 &* hidden &+ i] * c[i]
        i &+= 1
      }
    }
    activate(0, args.pointee.f)
    activate(2, args.pointee.f)
    activate(3, args.pointee.g)
    i = 0
    while i < hidden {
      let kept = args.pointee.couple_gates != 0 ? 1 - input[i] : forget[i]
      c[i] = clamped(kept * c[i] + input[i] * n[i], -args.pointee.cell_clip, args.pointee.cell_clip)
      n[i] = c[i]
      i &+= 1
    }
    if let peepholes = args.pointee.peepholes {
      let p = elements(peepholes, Float.self) + hidden
      i = 0
      while i < hidden {
        output[i] += p[i] * c[i]
        i &+= 1
      }
    }
    activate(1, args.pointee.f)
    applyActivation(n, hidden, args.pointee.h, .infinity)
    i = 0
    while i < hidden {
      h[i] = output[i] * n[i]
      i &+= 1
    }
  }
}

/// The state before the first step.
private func start(_ state: UnsafeMutablePointer<Float>, _ initial: UnsafeRawPointer?, _ offset: Int, _ count: Int) {
  if let initial {
    state.update(from: elements(initial, Float.self) + offset, count: count)
  } else {
    state.update(repeating: 0, count: count)
  }
}

func recurrent(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let args = arguments(raw, ek_recurrent.self)
  let hidden = int(args.pointee.hidden)
  let width = hidden &* gateCount(args.pointee.kind)
  let steps = int(args.pointee.steps)
  var row = int(begin)
  while row < int(end) {
    let state = row &* hidden
    let h = elements(args.pointee.last_h, Float.self) + state
    var c = h
    if let cells = args.pointee.last_c {
      c = elements(cells, Float.self) + state
      start(c, args.pointee.initial_c, state, hidden)
    }
    start(h, args.pointee.initial_h, state, hidden)
    let cell = RecurrentCell(
      args: args, hidden: hidden, weights: elements(args.pointee.weights, Float.self), h: h, c: c, gates: elements(scratch, Float.self))
    let length = int(ek_recurrent_length(args, Int32(truncatingIfNeeded: row)))
    var step = 0
    while step < steps {
      let time = args.pointee.reverse != 0 ? steps &- 1 &- step : step
      let vector = time &* int(args.pointee.step_stride) &+ row &* int(args.pointee.row_stride)
      if time < length { cell.step(elements(args.pointee.gates, Float.self) + vector &* width) }
      if let states = args.pointee.y {
        let y: UnsafeMutablePointer<Float> = elements(states, Float.self) + vector &* hidden
        if time < length { y.update(from: h, count: hidden) } else { y.update(repeating: 0, count: hidden) }
      }
      step &+= 1
    }
    row &+= 1
  }
}
