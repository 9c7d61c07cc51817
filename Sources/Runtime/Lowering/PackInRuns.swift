import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Weights that are computed are packed in each run, by a step before the one that reads them. Its arguments are this
/// structure and those of the kernel; it is one unit of work.
struct PackCall {
  /// Slot 0.
  var target: UnsafeMutableRawPointer?
  var pack: (@convention(c) (UnsafeRawPointer?, UnsafeMutableRawPointer?) -> Void)?

  /// Bytes before the kernel's arguments, which need whole words.
  static var byteCount: Int { (MemoryLayout<PackCall>.size &+ 7) / 8 &* 8 }

  static let run: @convention(c) (UnsafeRawPointer?, Int64, Int64, UnsafeMutableRawPointer?) -> Void = { call, _, _, _ in
    guard let call else { return }
    let own = call.load(as: PackCall.self)
    own.pack?(call + byteCount, own.target)
  }
}

extension Lowering {
  /// Whether the kernel of an operation packs operands of which one is computed. All kernels for it that a choice could name
  /// pack or none does.
  func packsInRuns(_ operation: Int32, _ slots: [SlotUse], _ sources: [Int]) -> Bool {
    guard kernels.own(operation)?.kernel.packed_bytes != nil else { return false }
    for use in slots where sources.contains(use.slot) && !isConstant(use.place) { return true }
    return false
  }

  /// Its operands are packed in each run by a step that has a copy of its arguments, by which kernels order and count what they pack.
  func hasFixedArguments(_ index: Int) -> Bool { index > 0 && steps[index &- 1].operation == LoweredStep.packing }

  /// Appends the step that packs `sources` for a kernel with these arguments. Returns where the packed form is.
  func emitPacking(_ kernel: ek_kernel, _ words: [UInt64], _ sources: [SlotUse]) throws(EdgeError) -> BufferPlace {
    guard let pack = kernel.pack, kernel.packed_bytes != nil else { throw error(.internalError, "the kernel does not pack") }
    // Kernels may look at which pointers are there.
    var asked = words
    for use in sources { asked.setPointer(use.slot, UnsafeRawPointer(bitPattern: 64)) }
    let packedBytes = asked.withUnsafeBytes { kernel.packed_bytes($0.baseAddress) }
    guard let byteCount = Int(exactly: packedBytes), byteCount >= 0 else { throw error(.limitExceeded, "the packed weights' size overflows") }
    let target = temporary(byteCount)

    var arguments = [UInt64](repeating: 0, count: PackCall.byteCount / 8) + words
    arguments.withUnsafeMutableBytes { $0.storeBytes(of: PackCall(target: nil, pack: pack), as: PackCall.self) }
    var slots: [SlotUse] = [.write(0, target)]
    for use in sources { slots.append(.read(use.slot &+ PackCall.byteCount / MemoryLayout<UnsafeRawPointer?>.size, use.place)) }
    for use in slots {
      buffers[use.place.buffer].firstStep = min(buffers[use.place.buffer].firstStep, steps.count)
      buffers[use.place.buffer].lastStep = max(buffers[use.place.buffer].lastStep, steps.count)
    }
    let step = LoweredStep(
      operation: LoweredStep.packing, node: current, kernel: PackCall.kernel(kernel.name), isa: kernels.isa, arguments: arguments, slots: slots)
    step.note = "packs weights in each run"
    steps.append(step)
    return target
  }
}

extension PackCall {
  /// The step's own kernel, under the name of the one that it packs for.
  fileprivate static func kernel(_ name: UnsafePointer<CChar>?) -> ek_kernel {
    ek_kernel(name: name, run: run, units: { _ in 1 }, scratch_bytes: nil, packed_bytes: nil, pack: nil)
  }
}
