import CPlatform

// Recurrent layers. A unit is a block of sequences, which at each step are the rows of one product with the packed
// recurrent weights; the gates of the input are its residual. The scratch holds the gates of one step. A GRU's panels
// are those of its first two gates, then those of the third, which another product reads.

private struct RecurrentPlan {
  let args: UnsafePointer<ek_recurrent>
  let hidden: Int, gateCount: Int, batch: Int
  /// Gates of the first product.
  let firstGates: Int
  let blockRows: Int, blocks: Int

  init(_ pointer: UnsafeRawPointer) {
    args = pointer.assumingMemoryBound(to: ek_recurrent.self)
    hidden = Int(args.pointee.hidden)
    batch = Int(args.pointee.batch)
    let kind = Int(args.pointee.kind)
    gateCount = kind == EK_RNN ? 1 : kind == EK_GRU ? 3 : 4
    firstGates = kind == EK_GRU ? 2 : gateCount
    // More rows read the weights less often, fewer share the work among more threads.
    blockRows = smaller(batch, 2 &* tileRows)
    blocks = divideUp(batch, blockRows)
  }

  var width: Int { gateCount &* hidden }
  /// Floats of the panels of some gates.
  func panelFloats(_ gates: Int) -> Int { divideUp(gates &* hidden, panelWidth) &* panelSize(hidden) }
}

func recurrentUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(RecurrentPlan(args).blocks)
}

func recurrentScratch(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let plan = RecurrentPlan(args)
  return Int64(plan.blockRows &* plan.width &* 4)
}

func recurrentPackedBytes(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let plan = RecurrentPlan(args)
  return Int64((plan.panelFloats(plan.firstGates) &+ plan.panelFloats(plan.gateCount &- plan.firstGates)) &* 4)
}

func recurrentPack(_ args: UnsafeRawPointer?, _ packed: UnsafeMutableRawPointer?) {
  guard let args, let packed else { return }
  let plan = RecurrentPlan(args)
  guard let source = plan.args.pointee.weights else { return }
  let weights = source.assumingMemoryBound(to: Float.self)
  let first = plan.firstGates &* plan.hidden
  let out = packed.assumingMemoryBound(to: Float.self)
  packColumns(weights, plan.hidden, 1, nil, plan.hidden, 0, first, out)
  packColumns(
    weights + first &* plan.hidden, plan.hidden, 1, plan.args.pointee.bias?.assumingMemoryBound(to: Float.self), plan.hidden, 0,
    plan.width &- first, out + plan.panelFloats(plan.firstGates))
}

func recurrentRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args, let scratch else { return }
  let plan = RecurrentPlan(args)
  var block = Int(begin)
  while block < Int(end) {
    let row = block &* plan.blockRows
    runBlock(plan, row, smaller(plan.blockRows, plan.batch &- row), scratch.assumingMemoryBound(to: Float.self))
    block &+= 1
  }
}

private func runBlock(_ plan: RecurrentPlan, _ firstRow: Int, _ rows: Int, _ gates: UnsafeMutablePointer<Float>) {
  let a = plan.args.pointee
  let hidden = plan.hidden, width = plan.width
  guard let input = a.gates?.assumingMemoryBound(to: Float.self), let panels = a.packed?.assumingMemoryBound(to: Float.self),
    let h = a.last_h.map({ $0.assumingMemoryBound(to: Float.self) + firstRow &* hidden })
  else { return }
  let c = a.last_c.map { $0.assumingMemoryBound(to: Float.self) + firstRow &* hidden }
  start(h, a.initial_h, firstRow, rows, hidden)
  if let c { start(c, a.initial_c, firstRow, rows, hidden) }
  let stride = Int(a.row_stride)
  var step = 0
  while step < Int(a.steps) {
    let time = a.reverse != 0 ? Int(a.steps) &- 1 &- step : step
    let first = time &* Int(a.step_stride) &+ firstRow &* stride
    let x = input + first &* width
    multiply(plan, rows, h, hidden, 0, panels, gates, x)
    var row = 0
    if plan.firstGates < plan.gateCount {
      while row < rows {
        resetGate(plan, gates + row &* width, h + row &* hidden)
        row &+= 1
      }
      let next = panels + plan.panelFloats(plan.firstGates)
      if a.reset_after_product != 0 {
        multiply(plan, rows, h, hidden, 2, next, gates, nil)
      } else {
        multiply(plan, rows, gates + hidden, width, 2, next, gates, x)
      }
    }
    row = 0
    while row < rows {
      let isInside = time < Int(ek_recurrent_length(plan.args, Int32(truncatingIfNeeded: firstRow &+ row)))
      let (own, state) = (gates + row &* width, h + row &* hidden)
      if isInside {
        switch Int(a.kind) {
        case EK_RNN:
          activate(own, hidden, a.f, a.clip)
          copyFloats(state, own, hidden)
        case EK_GRU: finishGru(plan, own, state, x + row &* stride &* width)
        default: if let c { finishLstm(plan, own, state, c + row &* hidden) }
        }
      }
      if let y = a.y {
        let out = y.assumingMemoryBound(to: Float.self) + (first &+ row &* stride) &* hidden
        if isInside { copyFloats(out, state, hidden) } else { zeroFloats(out, hidden) }
      }
      row &+= 1
    }
    step &+= 1
  }
}

/// The states before the first step.
private func start(
  _ state: UnsafeMutablePointer<Float>, _ initial: UnsafeRawPointer?, _ firstRow: Int, _ rows: Int, _ hidden: Int
) {
  if let initial {
    copyFloats(state, initial.assumingMemoryBound(to: Float.self) + firstRow &* hidden, rows &* hidden)
  } else {
    zeroFloats(state, rows &* hidden)
  }
}

/// The gates from `gate` on, two of a GRU at first: rows times panels, and what the input gives.
@inline(never)
private func multiply(
  _ plan: RecurrentPlan, _ rows: Int, _ vectors: UnsafeMutablePointer<Float>, _ stride: Int, _ gate: Int,
  _ panels: UnsafePointer<Float>, _ gates: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>?
) {
  let first = gate &* plan.hidden
  let count = (gate == 0 ? plan.firstGates : 1) &* plan.hidden
  multiplyBlock(
    FloatRows(rows, plan.hidden, vectors, stride &* 4), count, panels,
    FloatTarget(
      y: gates + first, stride: plan.width, residual: x.map { $0 + first }, residualStride: Int(plan.args.pointee.row_stride) &* plan.width,
      low: -.infinity, high: .infinity))
}

/// Update and reset gate; the reset gate takes in the state where the product is to have it.
private func resetGate(_ plan: RecurrentPlan, _ gates: UnsafeMutablePointer<Float>, _ h: UnsafeMutablePointer<Float>) {
  let hidden = plan.hidden
  activate(gates, 2 &* hidden, plan.args.pointee.f, plan.args.pointee.clip)
  if plan.args.pointee.reset_after_product == 0 {
    combine(gates + hidden, gates + hidden, h, h, hidden) { reset, h, _ in reset * h }
  }
}

private func finishGru(
  _ plan: RecurrentPlan, _ gates: UnsafeMutablePointer<Float>, _ h: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>
) {
  let hidden = plan.hidden
  let n = gates + 2 &* hidden
  if plan.args.pointee.reset_after_product != 0 {
    combine(n, gates + hidden, n, x + 2 &* hidden, hidden) { reset, n, x in multiplyAdd(reset, n, x) }
  }
  activate(n, hidden, plan.args.pointee.g, plan.args.pointee.clip)
  combine(h, gates, n, h, hidden) { update, n, h in (all(1) - update) * n + update * h }
}

private func finishLstm(
  _ plan: RecurrentPlan, _ gates: UnsafeMutablePointer<Float>, _ h: UnsafeMutablePointer<Float>, _ c: UnsafeMutablePointer<Float>
) {
  let a = plan.args.pointee
  let hidden = plan.hidden
  let input = gates, output = gates + hidden, forget = gates + 2 &* hidden, n = gates + 3 &* hidden
  let peepholes = a.peepholes?.assumingMemoryBound(to: Float.self)
  if let peepholes {
    combine(input, peepholes, c, input, hidden) { multiplyAdd($0, $1, $2) }
    combine(forget, peepholes + 2 &* hidden, c, forget, hidden) { multiplyAdd($0, $1, $2) }
    activate(input, hidden, a.f, a.clip)
    activate(forget, hidden, a.f, a.clip)
  } else {
    activate(gates, 3 &* hidden, a.f, a.clip)
  }
  activate(n, hidden, a.g, a.clip)
  if a.couple_gates != 0 { combine(forget, input, input, input, hidden) { input, _, _ in all(1) - input } }
  combine(n, input, n, n, hidden) { input, n, _ in input * n }
  let limit = all(a.cell_clip)
  combine(c, forget, c, n, hidden) { minimum(limit, maximum(-limit, multiplyAdd($0, $1, $2))) }
  if let peepholes {
    combine(output, peepholes + hidden, c, output, hidden) { multiplyAdd($0, $1, $2) }
    activate(output, hidden, a.f, a.clip)
  }
  copyFloats(n, c, hidden)
  activate(n, hidden, a.h, .infinity)
  combine(h, output, n, n, hidden) { output, cell, _ in output * cell }
}

@inline(never)
private func activate(_ values: UnsafeMutablePointer<Float>, _ count: Int, _ activation: ek_activation, _ clip: Float) {
  if clip < .infinity {
    let limit = all(clip)
    combine(values, values, values, values, count) { x, _, _ in minimum(limit, maximum(-limit, x)) }
  }
  if activation.input_scale != 1 || activation.input_offset != 0 {
    let scale = all(activation.input_scale), offset = all(activation.input_offset)
    combine(values, values, values, values, count) { x, _, _ in x * scale + offset }
  }
  var function = ek_unary(
    x: values, y: values, count: Int64(count), function: activation.function, alpha: activation.alpha, beta: activation.beta)
  let units = unaryUnits(&function)
  unaryRun(&function, 0, units, nil)
  if activation.output_scale != 1 {
    let scale = all(activation.output_scale)
    combine(values, values, values, values, count) { x, _, _ in x * scale }
  }
}

/// y = f(a, b, c), element by element.
@inline(__always)
private func combine(
  _ y: UnsafeMutablePointer<Float>, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafePointer<Float>, _ count: Int,
  _ f: (VF, VF, VF) -> VF
) {
  var i = 0
  while i &+ lanes <= count {
    f(VF.load(a + i), VF.load(b + i), VF.load(c + i)).store(y + i)
    i &+= lanes
  }
  let rest = count &- i
  if rest > 0 { storePart(f(loadPart(a + i, rest), loadPart(b + i, rest), loadPart(c + i, rest)), y + i, rest) }
}
