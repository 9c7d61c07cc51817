import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Finds steps that gain from running band by band: a depthwise convolution before one of single pixels, the convolution of
/// single pixels before that, and a product, a softmax and a product (attention), with masks or biases between. What lies between them is never there as a
/// whole, takes no room in the arena and is not written to memory to be read again.
///
/// A band of single pixels, or of attention, needs of the step before it just what that makes of the band. Windows share lines
/// with those of the next band, so a step before a depthwise convolution belongs to the chain only where the tensor between them
/// is very large: lines have to be moved, and made again where a thread begins in the middle.
struct ChainFinder {
  let lowering: Lowering
  let threads: Int
  /// Of one core.
  let cacheBytes: Int
  /// The step that alone writes a buffer, or -1, and how many slots read it.
  private var writers: [Int], reads: [Int]

  /// Steps that may lie between two of a chain.
  private static let reach = 16

  init(_ lowering: Lowering, threads: Int, cacheBytes: Int) {
    self.lowering = lowering
    self.threads = threads
    self.cacheBytes = cacheBytes
    writers = [Int](repeating: -1, count: lowering.buffers.count)
    reads = [Int](repeating: 0, count: lowering.buffers.count)
    for index in lowering.steps.indices {
      for use in lowering.steps[index].slots {
        if !use.writes {
          reads[use.place.buffer] += 1
        } else if writers[use.place.buffer] >= 0 {
          // As good as read by somebody else.
          reads[use.place.buffer] += 2
        } else {
          writers[use.place.buffer] = index
        }
      }
    }
  }

  /// Joins steps, and ends the lives of the tensors between them.
  func run() {
    for last in lowering.steps.indices where lowering.steps[last].node >= 0 {
      guard var chain = images(last) ?? attention(last) else { continue }
      setLength(&chain)
      layOut(&chain)
      join(chain)
    }
  }

  private func join(_ chain: Chain) {
    let last = chain.members[chain.members.count - 1].step
    for member in chain.members where member.step != last {
      lowering.steps[member.step].isChained = true
      lowering.steps[member.step].chain = nil
      for use in lowering.steps[member.step].slots {
        let buffer = use.place.buffer
        if use.writes {
          lowering.buffers[buffer] = PlannedBuffer(kind: .arena, byteCount: 0)
        } else if lowering.buffers[buffer].lastStep >= 0 {
          lowering.buffers[buffer].lastStep = max(lowering.buffers[buffer].lastStep, last)
        }
      }
    }
    lowering.steps[last].chain = chain
  }

  // MARK: What can be a chain

  /// The step whose whole result only one slot of step `last` reads.
  private func maker(of last: Int, slot: Int = 0) -> Int? {
    guard let use = lowering.steps[last].slots.first(where: { $0.slot == slot }) else { return nil }
    let buffer = lowering.buffers[use.place.buffer], maker = writers[use.place.buffer]
    guard buffer.isArena, !buffer.isObserved, use.place.offset == 0, reads[use.place.buffer] == 1, maker >= 0,
      !lowering.steps[maker].isChained
    else { return nil }
    return maker
  }

  /// Whether a step may as well run just before step `last`.
  private func mayWait(_ step: Int, until last: Int) -> Bool {
    let steps = lowering.steps
    guard last &- step <= ChainFinder.reach, steps[step].node >= 0,
      lowering.flow.blocks[steps[step].node] == lowering.flow.blocks[steps[last].node]
    else { return false }
    var between = step &+ 1
    while between < last {
      if steps[between].control != .none { return false }
      for use in steps[between].slots where use.writes {
        if steps[step].slots.contains(where: { $0.place.buffer == use.place.buffer }) { return false }
      }
      between &+= 1
    }
    return true
  }

  /// A convolution of single pixels of dense lines, and its arguments.
  private func pixels(_ index: Int) -> ek_conv? {
    switch Int(lowering.steps[index].operation) {
    case Int(EK_CONV_F32), Int(EK_CONV_BF16), Int(EK_CONV_U8): break
    default: return nil
    }
    let c = lowering.steps[index].load(ek_conv.self)
    let isPlain = c.kh == 1 && c.kw == 1 && c.groups == 1 && c.stride_h == 1 && c.stride_w == 1 && c.pad_top == 0 && c.pad_left == 0
    return isPlain && c.h == c.oh && c.w == c.ow && c.x_stride == c.xPixel ? c : nil
  }

  private func images(_ last: Int) -> Chain? {
    guard let c = pixels(last), let depthwise = maker(of: last) else { return nil }
    let elementBytes = lowering.steps[last].elementBytes
    switch Int(lowering.steps[depthwise].operation) {
    case Int(EK_DEPTHWISE_F32), Int(EK_DEPTHWISE_BF16), Int(EK_DEPTHWISE_U8): break
    default: return nil
    }
    let window = lowering.steps[depthwise].load(ek_conv.self)
    guard window.n == c.n, window.oh == c.h, window.ow == c.w, window.c_out == c.c_in, window.y_stride == c.x_stride,
      window.x_stride == window.c_in,
      // The last line's window begins in the image.
      Int(window.oh &- 1) &* Int(window.stride_h) &- Int(window.pad_top) < Int(window.h),
      mayWait(depthwise, until: last)
    else { return nil }
    let before = wideLayer(before: depthwise, window, elementBytes, until: last)
    if !isWanted([depthwise], fits(c, elementBytes) && (before != nil || isSmaller(window, c, elementBytes))) { return nil }
    var needs = LineNeeds()
    (needs.stride, needs.padding, needs.lines) = (Int(window.stride_h), Int(window.pad_top), Int(window.h))
    needs.reach = (Int(window.kh) &- 1) &* Int(window.dilation_h) &+ 1
    let members = [
      Chain.Member(step: depthwise, kind: .depthwise, needs: needs, lineBytes: Int(c.w) &* Int(c.x_stride) &* elementBytes),
      Chain.Member(step: last, kind: .pointwise),
    ]
    return Chain((before ?? []) + members, items: Int(c.n), lines: Int(c.oh))
  }

  /// The members of a chain that ends with the layer of single pixels before a depthwise convolution; nil where that one should not
  /// be in the same chain: its result must be four times the cache, and more than threads keep.
  private func wideLayer(before depthwise: Int, _ window: ek_conv, _ elementBytes: Int, until last: Int) -> [Chain.Member]? {
    guard let before = maker(of: depthwise), let x = pixels(before), x.n == window.n, x.oh == window.h, x.ow == window.w,
      x.c_out == window.c_in, x.y_stride == x.c_out, lowering.steps[before].elementBytes == elementBytes,
      isWanted([before], result(x, elementBytes) >= cacheBytes / 2 &* max(threads, 8) && fits(x, elementBytes))
    else { return nil }
    var members = lowering.steps[before].chain?.members ?? [Chain.Member(step: before, kind: .pointwise)]
    members[members.count - 1].lineBytes = Int(x.ow) &* Int(x.c_out) &* elementBytes
    return members.contains { !mayWait($0.step, until: last) } ? nil : members
  }

  private func attention(_ last: Int) -> Chain? {
    let steps = lowering.steps
    let operation = Int(steps[last].operation)
    let isInteger = operation == Int(EK_MATMUL_U8)
    guard isInteger || operation == Int(EK_MATMUL_F32) else { return nil }
    // What is added to the scores or to their softmax or takes their place, from the last such step to the first.
    var masks: [Chain.Member] = []
    func maker(behind step: Int) -> Int? {
      var before = self.maker(of: step)
      while let mask = before, let kind = masking(mask, isInteger), mayWait(mask, until: last) {
        masks.append(Chain.Member(step: mask, kind: kind))
        before = self.maker(of: mask, slot: kind.slot)
      }
      return before
    }
    guard let middle = maker(behind: last), steps[middle].operation == Int32(isInteger ? EK_SOFTMAX_U8 : EK_SOFTMAX_F32),
      mayWait(middle, until: last)
    else { return nil }
    let later = masks.count
    guard let first = maker(behind: middle), steps[first].operation == steps[last].operation, mayWait(first, until: last) else { return nil }
    let scores = steps[first].load(ek_matmul.self), rows = steps[middle].load(ek_softmax.self), sums = steps[last].load(ek_matmul.self)
    // Matrices of scores follow each other in all three.
    func isDense(_ c: ek_matmul, _ group: Int64, _ batch: Int64) -> Bool {
      (c.batch == 1 || batch == scores.m &* scores.n || c.inner_batch == 1)
        && (c.batch == c.inner_batch || group == c.inner_batch &* scores.m &* scores.n)
    }
    guard scores.batch == sums.batch, scores.m == sums.m, scores.n == sums.k, rows.inner == 1, rows.axis == scores.n,
      rows.outer == scores.batch &* scores.m, scores.y_row_stride == scores.n, sums.a_row_stride == scores.n, sums.a_column_stride == 1,
      isDense(scores, scores.y_group_stride, scores.y_batch_stride), isDense(sums, sums.a_group_stride, sums.a_batch_stride)
    else { return nil }
    let count = Int(scores.batch) &* Int(scores.m) &* Int(scores.n)
    let lineBytes = Int(scores.n) &* steps[first].elementBytes
    for index in masks.indices {
      if count == 0 || elements(masks[index]) != count { return nil }
      masks[index].lineBytes = lineBytes
    }
    if !isWanted([first, middle] + masks.map { $0.step }, Int(scores.batch) &* Int(scores.m) &* lineBytes >= cacheBytes / 2) { return nil }
    return Chain(
      [Chain.Member(step: first, kind: .product, lineBytes: lineBytes)]
        + masks[later...].reversed() + [Chain.Member(step: middle, kind: .softmax, lineBytes: lineBytes)]
        + masks[..<later].reversed() + [Chain.Member(step: last, kind: .product)],
      items: Int(scores.batch), lines: Int(scores.m))
  }

  /// How a step changes scores that are read element by element, like its result; nil where it does not.
  private func masking(_ step: Int, _ isInteger: Bool) -> BandKind? {
    let operation = Int(lowering.steps[step].operation)
    if operation == Int(isInteger ? EK_BINARY_U8 : EK_BINARY_F32) { return .binary }
    guard operation == Int(EK_MASK) else { return nil }
    let m = lowering.steps[step].load(ek_typed.self)
    guard m.inputs == 3, m.b_type == Int32(isInteger ? EK_TYPE_UINT8 : EK_TYPE_FLOAT32) else { return nil }
    return maker(of: step, slot: 1) != nil && isDense(m.rank, m.dims, m.b_stride) ? .kept : .keptOutside
  }

  /// Elements of the result of a step that changes scores, where these are read element by element like it; else 0.
  private func elements(_ member: Chain.Member) -> Int {
    let step = lowering.steps[member.step]
    if member.kind == .binary {
      let c = step.load(ek_binary.self)
      return isDense(c.rank, c.dims, c.a_stride) ? Int(c.end) : 0
    }
    let c = step.load(ek_typed.self)
    return isDense(c.rank, c.dims, member.kind == .kept ? c.b_stride : c.c_stride) ? Int(c.end) : 0
  }

  private typealias Eight = (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64)

  private func isDense(_ rank: Int32, _ dims: Eight, _ strides: Eight) -> Bool {
    withUnsafeBytes(of: dims) { dims in
      withUnsafeBytes(of: strides) { strides in
        var (axis, dense) = (Int(rank) &- 1, Int64(1))
        while axis >= 0 {
          let dim = dims.load(fromByteOffset: axis &* 8, as: Int64.self)
          if dim != 1, strides.load(fromByteOffset: axis &* 8, as: Int64.self) != dense { return false }
          dense = dense &* dim
          axis &-= 1
        }
        return true
      }
    }
  }

  // MARK: What is worth it

  /// Bytes of a convolution's result.
  private func result(_ c: ek_conv, _ elementBytes: Int) -> Int {
    Int(c.n) &* Int(c.oh) &* Int(c.ow) &* Int(c.yPixel) &* elementBytes
  }

  /// Each band reads the weights of single pixels again, so they must leave room in the cache.
  private func fits(_ c: ek_conv, _ elementBytes: Int) -> Bool { Int(c.c_in) &* Int(c.c_out) &* elementBytes <= cacheBytes / 4 }

  /// Whether a depthwise convolution's result is larger than the cache, and less is there at once without it: its operand and the
  /// result of the convolution behind it, and what threads keep. The time is the same.
  private func isSmaller(_ window: ek_conv, _ pixels: ek_conv, _ elementBytes: Int) -> Bool {
    let operand = Int(window.n) &* Int(window.h) &* Int(window.w) &* Int(window.c_in) &* elementBytes
    let between = result(window, elementBytes)
    let kept = threads &* (cacheBytes / 4)
    return between >= cacheBytes && min(operand, result(pixels, elementBytes)) &+ kept < between
  }

  /// Whether a tuning says that the steps are chained, or else the cost model does.
  private func isWanted(_ steps: [Int], _ isWorthIt: Bool) -> Bool {
    switch lowering.choices {
    case .planned: return isWorthIt
    case .preferred(let choice): return choice & UInt64(LoweredStep.chained) != 0
    case .given(let words):
      for step in steps {
        let index = step &+ Tuning.headerWords
        if index >= words.count || words[index] & UInt64(LoweredStep.chained) == 0 { return false }
      }
      return true
    }
  }

  /// Chooses how many lines a band has: as many as a part of the cache holds with all that lies between, but so few that each
  /// thread has some bands, and all threads as many lines.
  private func setLength(_ chain: inout Chain) {
    let isProduct = chain.members[0].kind == .product
    // A matrix has no neighbours in the cache, but each band packs the right side anew. Depthwise kernels compute two lines at a
    // time; 84 are whole tiles of every set.
    let share = isProduct ? cacheBytes / 3 &* 2 : chain.members.count > 2 ? cacheBytes / 2 : cacheBytes / 4
    let step = isProduct ? 84 : 2, least = isProduct ? 28 : 1
    var most = threads > 1 ? min(chain.items &* chain.lines / (4 &* threads), chain.lines) : chain.lines
    // The most that fit, or `least`; `tooMany` do not.
    if most > least, bytes(chain, most) > share {
      var tooMany = most
      most = least
      while tooMany &- most > 1 {
        let middle = most &+ (tooMany &- most) / 2
        if bytes(chain, middle) > share { tooMany = middle } else { most = middle }
      }
    }
    most = max(min(most, chain.lines), 1)
    if most > step, most < chain.lines { most = most / step &* step }
    chain.length = most
    var best = 0
    var length = most
    while length > 0 {
      let bands = chain.items &* ((chain.lines &+ length &- 1) / length)
      let shares = (bands &+ threads &- 1) / threads &* threads &* length
      // Per mille of the lines that the busiest thread would have if all had the same.
      let balance = chain.items &* chain.lines &* 1000 / shares
      if balance > best {
        best = balance
        chain.length = length
      }
      // Not below half of what fits.
      if length &* 2 <= most { break }
      length &-= length > step ? step : length
    }
  }

  /// Of all that lies between the members, for bands of so many lines.
  private func bytes(_ chain: Chain, _ length: Int) -> Int {
    var (lines, bytes) = (length, 0)
    for index in chain.members.indices.dropFirst().reversed() {
      lines = chain.members[index].needs.most(lines)
      if !chain.members[index].kind.isInPlace { bytes = bytes &+ ((lines &* chain.members[index - 1].lineBytes &+ 63) & ~63) }
    }
    return bytes
  }

  // MARK: Scratch of a thread

  /// The progress of the members, the arguments of a call, then what lies between members, then what is the kernels' own.
  private func layOut(_ chain: inout Chain) {
    var arguments = 0, scratch: Int64 = 0
    for member in chain.members { arguments = max(arguments, lowering.steps[member.step].arguments.count &* 8) }
    let begin = ChainCall.progressBytes(chain.members.count) &+ ((arguments &+ 63) & ~63)
    chain.kernelScratch = begin &+ bytes(chain, chain.length)
    var (lines, end) = (chain.length, begin)
    // A member before shared lines computes any number of lines, others a band or the last one.
    var isExact = true
    for index in chain.members.indices.reversed() {
      let member = chain.members[index]
      var count = lines
      while count > 0 {
        let band = Band(item: 0, first: 0, end: count)
        scratch = max(scratch, lowering.steps[member.step].scratchBytes(member.kind, band, lines: chain.lines, lineBytes: member.lineBytes))
        count = isExact ? (count == chain.length ? chain.lines % chain.length : 0) : count &- 1
      }
      guard index > 0 else { break }
      lines = member.needs.most(lines)
      isExact = isExact && member.needs.reach == 1 && member.needs.stride == 1 && member.needs.padding == 0
      if member.kind.isInPlace {
        chain.members[index - 1].target = member.target
      } else {
        chain.members[index - 1].target = end
        end = end &+ ((lines &* chain.members[index - 1].lineBytes &+ 63) & ~63)
      }
    }
    chain.scratchBytes = chain.kernelScratch &+ Int(clamping: scratch)
  }
}

extension LoweredStep {
  /// What the kernel asks for to compute a band.
  fileprivate func scratchBytes(_ kind: BandKind, _ band: Band, lines: Int, lineBytes: Int) -> Int64 {
    guard let scratchBytes = kernel.scratch_bytes else { return 0 }
    var asked = arguments
    // Kernels may look at which pointers are there, not at what they point to.
    for use in slots { asked.setPointer(use.slot, UnsafeRawPointer(bitPattern: 64)) }
    let elementBytes = elementBytes
    return asked.withUnsafeMutableBytes { bytes in
      guard let base = bytes.baseAddress else { return 0 }
      let place = UnsafeMutableRawPointer(bitPattern: 64)
      kind.cut(base, to: band, elementBytes: elementBytes, lines: lines, lineBytes: lineBytes, source: place, target: place)
      return scratchBytes(base)
    }
  }
}
