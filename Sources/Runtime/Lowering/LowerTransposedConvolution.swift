import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// One axis of a transposed convolution, as plain convolutions. Result q, counted from the first that any tap reaches, is the sum of
/// w[k] x[i] over q = k dilation + i stride. Results q = j stride + phase of one phase see the taps whose reach k dilation is
/// back stride + phase, at the inputs i = j - back: a plain convolution with stride 1, its taps in reversed order.
private struct PhaseAxis {
  let kernel: Int, stride: Int, dilation: Int, padding: Int, size: Int
  /// Phases that one convolution computes, as channels side by side: one or all.
  let together: Int

  /// - `wide`: a phase alone has enough channels for the kernels.
  init(_ kernel: Int32, _ stride: Int32, _ dilation: Int32, _ padding: Int32, _ size: Int32, apart: Bool, wide: Bool) {
    (self.kernel, self.stride, self.dilation) = (Int(kernel), Int(stride), Int(dilation))
    (self.padding, self.size) = (Int(padding), Int(size))
    // Where phases have different numbers of taps, all together would multiply with zeros.
    together = apart || dilation > 1 || wide && kernel % stride != 0 ? 1 : Int(stride)
  }

  /// Inputs between neighbouring taps of a phase that have one.
  var step: Int { dilation % stride == 0 ? dilation / stride : 1 }

  func place(_ tap: Int) -> (phase: Int, back: Int) { ((tap &* dilation) % stride, tap &* dilation / stride / step) }

  /// Taps of the convolution for the phases from `first` on; one of weight 0 where they have none.
  func taps(_ first: Int) -> Int {
    var most = 1
    for tap in 0..<kernel {
      let (phase, back) = place(tap)
      if phase >= first, phase < first &+ together { most = max(most, back &+ 1) }
    }
    return most
  }

  /// What that convolution computes, as j. Begins so early that no padding is negative.
  func range(_ first: Int, taps: Int) -> (begin: Int, count: Int) {
    let begin = min((padding &- first &- together &+ stride) / stride, (taps &- 1) &* step)
    return (begin, (padding &+ size &- 1 &- first &+ stride) / stride &- begin)
  }

  /// Results at equal distances, each as five numbers: from j and `phase` on, where they go, and `count` times `width` phases that
  /// follow each other.
  func pieces(_ first: Int) -> [Int] {
    var pieces: [Int] = []
    if together == stride {
      // Whole strides, and a part of one before and behind them.
      var to = 0
      while to < size {
        let phase = (to &+ padding) % stride
        let whole = phase == 0 ? (size &- to) / stride : 0
        let width = whole > 0 ? stride : min(stride &- phase, size &- to)
        pieces += [(to &+ padding) / stride, phase, to, max(whole, 1), width]
        to = to &+ width &* max(whole, 1)
      }
      if pieces.count <= 5 &* stride { return pieces }
      pieces = []
    }
    for phase in first..<(first &+ together) {
      let to = ((phase &- padding) % stride &+ stride) % stride
      if to < size { pieces += [(to &+ padding) / stride, phase, to, (size &- to &+ stride &- 1) / stride, 1] }
    }
    return pieces
  }

  /// `count` strides of all phases from `begin` on are the results as they are.
  func isWhole(_ begin: Int, _ count: Int) -> Bool { together == stride && begin &* stride == padding && count &* stride == size }
}

extension Lowering {
  /// A transposed convolution of integers as plain or depthwise convolutions of its phases, and copies that put their results where
  /// they belong: same bytes. False where weights or biases are computed, or the phases would be much larger.
  func emitPhases(_ node: Node, _ whole: ek_conv, _ slots: [SlotUse]) throws(EdgeError) -> Bool {
    func place(_ slot: Int) -> BufferPlace? { slots.first { $0.slot == slot }?.place }
    let bias = place(2)
    guard kernels.isa != .reference, let x = place(0), let y = place(6), let weights = place(1).flatMap({ contents($0) }),
      bias == nil || bias.flatMap({ contents($0) }) != nil
    else { return false }
    let groups = Int(whole.groups), channels = Int(whole.c_out)
    let inputs = Int(whole.c_in) / groups, outputs = channels / groups
    let phases = Int(whole.stride_h) &* Int(whole.stride_w)
    let isDepthwise = inputs == 1 && outputs == 1 && phases <= 16
    // In groups a phase alone has its channels side by side.
    let apart = groups > 1 && phases <= 16 || isDepthwise, wide = outputs >= 16 && phases <= 16
    let vertical = PhaseAxis(whole.kh, whole.stride_h, whole.dilation_h, whole.pad_top, whole.oh, apart: apart, wide: wide)
    let horizontal = PhaseAxis(whole.kw, whole.stride_w, whole.dilation_w, whole.pad_left, whole.ow, apart: apart, wide: wide)
    // Strides and dilations may be anything; what is computed may not be much more than what there is.
    func isMuch(_ sizes: [Int], beside size: Int) -> Bool {
      var product = 1
      for factor in sizes {
        let (next, overflow) = product.multipliedReportingOverflow(by: factor)
        if overflow { return true }
        product = next
      }
      return product > min(size &* 4 &+ 4096, Int(Int32.max))
    }
    let taps = Int(whole.kh) &* Int(whole.kw), pixels = Int(whole.n) &* Int(whole.oh) &* Int(whole.ow)
    let (last, right) = (Int(whole.kh) &- 1, Int(whole.kw) &- 1)
    if phases > 16 &* vertical.together &* horizontal.together
      || isMuch([phases, vertical.place(last).back &+ 1, horizontal.place(right).back &+ 1, channels, inputs], beside: taps &* channels &* inputs)
      || isMuch([phases, vertical.range(0, taps: 1).count, horizontal.range(0, taps: 1).count, Int(whole.n), channels], beside: pixels &* channels)
      || max(last &* vertical.dilation, right &* horizontal.dilation) > Int(Int32.max)
    {
      return false
    }
    var firstRow = 0
    while firstRow < vertical.stride {
      var firstColumn = 0
      while firstColumn < horizontal.stride {
        let kh = vertical.taps(firstRow), kw = horizontal.taps(firstColumn)
        let (top, rows) = vertical.range(firstRow, taps: kh), (left, columns) = horizontal.range(firstColumn, taps: kw)
        defer { firstColumn = firstColumn &+ horizontal.together }
        if rows <= 0 || columns <= 0 { continue }
        let together = vertical.together &* horizontal.together, pixel = together &* channels
        var part = whole
        // All within `isMuch`.
        (part.oh, part.ow) = (Int32(truncatingIfNeeded: rows), Int32(truncatingIfNeeded: columns))
        (part.kh, part.kw, part.stride_h, part.stride_w) = (Int32(truncatingIfNeeded: kh), Int32(truncatingIfNeeded: kw), 1, 1)
        part.c_out = Int32(truncatingIfNeeded: pixel)
        part.y_stride = part.c_out
        (part.dilation_h, part.dilation_w) = (Int32(truncatingIfNeeded: vertical.step), Int32(truncatingIfNeeded: horizontal.step))
        part.pad_top = Int32(truncatingIfNeeded: (kh &- 1) &* vertical.step &- top)
        part.pad_left = Int32(truncatingIfNeeded: (kw &- 1) &* horizontal.step &- left)

        // A tap that a phase does not have is the zero point.
        let storage = try emptyWeights(pixel &* kh &* kw &* inputs, whole.w_zero_point)
        var row = 0
        while row < Int(whole.kh) {
          let (phaseRow, backRow) = vertical.place(row)
          var column = phaseRow >= firstRow && phaseRow < firstRow &+ vertical.together ? 0 : Int(whole.kw)
          while column < Int(whole.kw) {
            let (phaseColumn, backColumn) = horizontal.place(column)
            if phaseColumn >= firstColumn, phaseColumn < firstColumn &+ horizontal.together {
              let phase = (phaseRow &- firstRow) &* horizontal.together &+ phaseColumn &- firstColumn
              let tap = (kh &- 1 &- backRow) &* kw &+ kw &- 1 &- backColumn
              var channel = 0
              while channel < channels {
                let to = ((channel / outputs &* together &+ phase) &* outputs &+ channel % outputs) &* kh &* kw &+ tap
                let from = channel &* taps &+ row &* Int(whole.kw) &+ column
                (storage.base + (isDepthwise ? tap &* channels &+ channel : to &* inputs))
                  .copyMemory(from: weights + from &* inputs, byteCount: inputs)
                channel &+= 1
              }
            }
            column &+= 1
          }
          row &+= 1
        }

        var own: [SlotUse] = [.read(0, x), .read(1, BufferPlace(buffer: addBuffer(.derived(storage), storage.count)))]
        for slot in 2...3 {
          guard let place = place(slot), let words = contents(place) else { continue }
          own.append(.read(slot, together == 1 ? place : try repeated(words, groups, together, outputs)))
        }

        let isInPlace = vertical.isWhole(top, rows) && horizontal.isWhole(left, columns)
          && (vertical.stride == 1 || columns == 1) && (groups == 1 || together == 1)
        let result = isInPlace ? y : temporary(Int(whole.n) &* rows &* columns &* pixel)
        own.append(.write(6, result))
        note = "phases of the stride"
        try emitChosen(node, &part, &own, isDepthwise ? .depthwise : .plain, isInteger: true)
        note = "phases to their places"
        let down = isInPlace ? [] : vertical.pieces(firstRow), across = horizontal.pieces(firstColumn)
        let line = columns &* pixel, step = horizontal.together &* outputs, width = Int(whole.ow) &* channels
        var i = 0
        while i < down.count {
          var k = 0
          while k < across.count {
            try emitCopy(
              StridedLoops(
                dims: [Int(whole.n), down[i + 3], down[i + 4], across[k + 3], across[k + 4], groups, outputs],
                strides: [
                  [rows &* line, line, step, pixel, outputs, together &* outputs, 1],
                  [Int(whole.oh) &* width, vertical.stride &* width, width, horizontal.stride &* channels, channels, outputs, 1],
                ]),
              elementBytes: 1, from: result,
              xOffset: (down[i] &- top) &* line &+ (down[i + 1] &- firstRow) &* step &+ (across[k] &- left) &* pixel
                &+ (across[k + 1] &- firstColumn) &* outputs,
              to: y, yOffset: down[i + 2] &* width &+ across[k + 2] &* channels)
            k += 5
          }
          i += 5
        }
        note = ""
      }
      firstRow = firstRow &+ vertical.together
    }
    return true
  }

  /// Words for each output of each group, repeated for all phases of the group.
  private func repeated(_ words: UnsafeRawPointer, _ groups: Int, _ phases: Int, _ outputs: Int) throws(EdgeError) -> BufferPlace {
    let storage = try Storage.allocate(4 &* groups &* phases &* outputs)
    var index = 0
    while index < groups &* phases {
      (storage.base + 4 &* index &* outputs).copyMemory(from: words + 4 &* (index / phases) &* outputs, byteCount: 4 &* outputs)
      index &+= 1
    }
    return BufferPlace(buffer: addBuffer(.derived(storage), storage.count))
  }
}
