import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Convolutions of integers with few channels in each group.
extension Lowering {
  /// Makes neighbouring groups one, whose weights for each other's inputs are the zero point: same bytes.
  ///
  ///     outputs of group 0    w . .
  ///     outputs of group 1    . w .        until the outputs fill a register
  ///     outputs of group 2    . . w
  ///
  /// A panel of outputs takes a step for each four inputs of a window, however many outputs it has: groups that share one take as
  /// many steps as alone, or fewer where they alone end within a step, but one window is brought together, and one result made, for all.
  func mergeGroups(_ arguments: inout ek_conv, _ slots: inout [SlotUse]) throws(EdgeError) -> Bool {
    let groups = Int(arguments.groups), outputs = Int(arguments.c_out) / groups, inputs = Int(arguments.c_in) / groups
    var merged = min(mergedOutputs(arguments) / outputs, groups)
    while merged > 1, groups % merged != 0 { merged -= 1 }
    guard merged > 1, let own = slots.firstIndex(where: { $0.slot == 1 }), let weights = contents(slots[own].place) else { return false }
    let taps = Int(arguments.kh) &* Int(arguments.kw)
    let storage = try emptyWeights(Int(arguments.c_out) &* taps &* merged &* inputs, arguments.w_zero_point)
    var row = 0
    while row < Int(arguments.c_out) &* taps {
      (storage.base + (row &* merged &+ row / (taps &* outputs) % merged) &* inputs)
        .copyMemory(from: weights + row &* inputs, byteCount: inputs)
      row &+= 1
    }
    slots[own].place = BufferPlace(buffer: addBuffer(.derived(storage), storage.count))
    arguments.groups = arguments.groups / Int32(truncatingIfNeeded: merged)
    return true
  }

  /// Weights that multiply with nothing.
  func emptyWeights(_ count: Int, _ zeroPoint: Int32) throws(EdgeError) -> Storage {
    let storage = try Storage.allocate(count)
    if zeroPoint != 0 { storage.base.initializeMemory(as: Int8.self, repeating: Int8(truncatingIfNeeded: zeroPoint), count: count) }
    return storage
  }

  /// Outputs that are worth a group. A panel has two registers of outputs, and multiplies with both or one. To fill the second too
  /// takes twice the products, which pays where they are few beside what surrounds them: measured with 1 to 16 inputs in a
  /// group, 1x1 to 5x5 (`Documentation/performance.md`).
  private func mergedOutputs(_ arguments: ek_conv) -> Int {
    if kernels.isa == .reference { return 0 }
    let hasDotProducts = kernels.isa == .avx512vnni || kernels.isa == .avx512bf16
    let register = hasDotProducts || kernels.isa == .avx2 ? 16 : 8
    let inputs = arguments.c_in / arguments.groups, taps = arguments.kh &* arguments.kw
    let fillsTwo = inputs == 1 || hasDotProducts && taps > 1 && Int64(taps) &* Int64(inputs) <= 144
    return fillsTwo ? 2 &* register : register
  }
}
