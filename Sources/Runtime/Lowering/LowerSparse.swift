import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A convolution, or a dense layer, that leaves out weights which are zero. Nothing in a graph says that it was pruned: the
/// weights are looked at.
struct SparseChoice {
  let operation: Int
  /// `ek_conv.sparse`.
  let form: Int32
  let packedBytes: Int
  /// Of the plain form's time.
  let cost: Float
  let note: Text
}

extension Lowering {
  /// The sparse form that is faster than the plain one, or than `dense` of its time; a wanted one where weights allow it.
  func sparseChoice(_ arguments: ek_conv, _ slots: [SlotUse], isInteger: Bool, dense: Float) -> SparseChoice? {
    if precision != .float32 && !isInteger { return nil }
    let wanted = wish.map { Int32($0 >> 4 & 0x7) }
    if wanted == 0 { return nil }
    let operation = Int(isInteger ? EK_CONV_SPARSE_U8 : EK_CONV_SPARSE_F32)
    guard let ways = chosen(Int32(operation)), let plainWays = chosen(Int32(isInteger ? EK_CONV_U8 : EK_CONV_F32)),
      ways.kernel.packed_bytes != nil, plainWays.kernel.packed_bytes != nil
    else { return nil }
    let (sparse, plain) = (ways.kernel, plainWays.kernel)
    // The set below has no dot products: for the same bytes it multiplies half as fast.
    let rate: Float = ways.isa == plainWays.isa ? 1 : 2
    var arguments = arguments
    for use in slots where use.slot >= 1 && use.slot <= 3 {
      guard let contents = contents(use.place) else { return nil }
      if use.slot == 1 { arguments.weights = contents }
    }
    let inputs = Int(arguments.kh) &* Int(arguments.kw) &* Int(arguments.c_in / arguments.groups)
    let count = inputs &* Int(arguments.c_out)
    guard let weights = arguments.weights, Lowering.hasManyZeros(weights, count, isInteger) else { return nil }

    let kept = count &- Lowering.zeros(weights, count, 1, isInteger)
    var best: SparseChoice?
    let whole = Float(plain.packed_bytes(&arguments)) * Lowering.filledShare(Int(arguments.c_out), plainWays.isa)
    // What Winograd's form takes is less well known.
    let margin: Float = dense < 1 ? 0.7 : 0.85
    var form = Int32(EK_SPARSE_PANELS)
    while form <= Int32(EK_SPARSE_PIXELS) {
      arguments.sparse = form
      // Transposed rows of very deep windows would fill the caches.
      if wanted ?? form == form, sparse.units(&arguments) > 0, sparse.scratch_bytes(&arguments) <= 1 << 20 {
        let packed = Int(sparse.packed_bytes(&arguments))
        let cost = Lowering.sparseCost(arguments, inputs, rate * Float(packed) / whole, isInteger)
        if wanted != nil || cost < min(best?.cost ?? 1, margin * dense) {
          let lanes: StaticString = form == Int32(EK_SPARSE_PANELS) ? "outputs" : "pixels"
          best = SparseChoice(
            operation: operation, form: form, packedBytes: packed, cost: cost,
            note: Text("sparse, lanes are \(lanes): \(100 &* kept / count) % of the weights are left"))
        }
      }
      form &+= 1
    }
    return best
  }

  /// Of the registers that the plain form's panels have for `outputs`, those it multiplies with: half of the last panel, where that
  /// has results in one register alone.
  private static func filledShare(_ outputs: Int, _ isa: InstructionSet) -> Float {
    let lanes: Int
    switch isa {
    case .avx512vnni, .avx512bf16: lanes = 16
    case .avx2: lanes = 8
    default: lanes = 4
    }
    let registers = (outputs &+ lanes &- 1) / lanes
    return Float(registers) / Float((registers &+ 1) / 2 &* 2)
  }

  /// What a sparse form takes of the plain one's time, where `share` is what it packs of the plain one's weights. Each reads its
  /// packed weights once for so many pixels, so that is the share of the products too; the other numbers are fitted to the 1x1
  /// and 3x3 layers of MobileNet and ResNet-50 (`Benchmarks/compression/sparse.py`).
  private static func sparseCost(_ c: ek_conv, _ inputs: Int, _ share: Float, _ isInteger: Bool) -> Float {
    let rows = Int(c.n) &* Int(c.oh) &* Int(c.ow)
    let perInput = 1 / Float(inputs), perOutput = 1 / Float(c.c_out)
    // The plain forms need not copy each window. Fitted to layers of 8 to 64 channels.
    let registers = Float((c.c_out &+ 15) / 16)
    let copying = c.kh &* c.kw > 1 ? ((isInteger ? 56 : 22) * Float(c.kh) * perInput + (isInteger ? 0.28 : 0.07)) / registers : 0
    if c.sparse == Int32(EK_SPARSE_PANELS) { return (rows == 1 ? 1.2 : 1) * share + (isInteger ? 5 : 1) * perInput + copying }
    // Registers of pixels that are not full, rows that are transposed there and back, and the second level of cache.
    let filled = Float((rows &+ 31) / 32 &* 32) / Float(max(rows, 1))
    let cache: Float = inputs / (isInteger ? 4 : 1) > 1024 ? 1.25 : 1
    return ((isInteger ? 1 : 1.2) * share * filled + (isInteger ? 10 : 12) * (perInput + perOutput)) * cache + copying
  }

  /// A quarter of the weights are zero, of those that tell: some evenly spaced ones, so that looking costs nothing where nothing
  /// was pruned.
  private static func hasManyZeros(_ weights: UnsafeRawPointer, _ count: Int, _ isInteger: Bool) -> Bool {
    let step = (count / 512) | 1
    return 4 &* zeros(weights, count, step, isInteger) >= (count &+ step &- 1) / step
  }

  /// Zeros of every `step`th weight.
  private static func zeros(_ weights: UnsafeRawPointer, _ count: Int, _ step: Int, _ isInteger: Bool) -> Int {
    var zeros = 0
    var i = 0
    if isInteger {
      while i < count {
        if weights.load(fromByteOffset: i, as: Int8.self) == 0 { zeros &+= 1 }
        i &+= step
      }
    } else {
      while i < count {
        if weights.load(fromByteOffset: 4 &* i, as: UInt32.self) &<< 1 == 0 { zeros &+= 1 }
        i &+= step
      }
    }
    return zeros
  }

  /// What is known now of a buffer's contents.
  func contents(_ place: BufferPlace) -> UnsafeRawPointer? {
    switch buffers[place.buffer].kind {
    case .constant(let data): return data.base + place.offset
    case .derived(let storage): return UnsafeRawPointer(storage.base) + place.offset
    default: return nil
    }
  }
}
