import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Tensors that only convolutions in bfloat16 read, which would round them first: the step that writes one rounds it, and stores
/// it as the pairs that they multiply. That changes no bit of any result, halves what is written and read, and the rows are read
/// where they lie.
extension Lowering {
  /// Makes all tensors pairs that can be, once it is known who reads them.
  func storePairs() {
    var isRead = [Bool](repeating: false, count: buffers.count)
    var isPossible = buffers.map { $0.isArena && !$0.isObserved }
    for index in steps.indices {
      for use in steps[index].slots {
        if !use.writes { isRead[use.place.buffer] = true }
        if !takesPairs(index, use) { isPossible[use.place.buffer] = false }
      }
    }
    for buffer in buffers.indices where isRead[buffer] && isPossible[buffer] {
      buffers[buffer].isPairs = true
      buffers[buffer].byteCount /= 2
    }
    for index in steps.indices {
      for use in steps[index].slots.indices where buffers[steps[index].slots[use].place.buffer].isPairs {
        steps[index].slots[use].place.offset /= 2
        if steps[index].slots[use].writes { writePairs(index) } else { readPairs(index) }
      }
    }
  }

  /// Whether a step can read or write pairs there: no word may belong to two groups, or to two steps.
  private func takesPairs(_ index: Int, _ use: SlotUse) -> Bool {
    let operation = steps[index].operation
    guard operation == Int32(EK_CONV_BF16) || operation == Int32(EK_DEPTHWISE_F32), use.place.offset % 8 == 0, !hasFixedArguments(index) else { return false }
    let c = steps[index].load(ek_conv.self)
    if use.writes {
      if operation == Int32(EK_DEPTHWISE_F32) { return c.c_out % 2 == 0 && c.y_stride % 2 == 0 && pairKernel(index) != nil }
      return c.c_out / c.groups % 2 == 0 && c.y_stride % 2 == 0
    }
    return operation == Int32(EK_CONV_BF16) && use.slot == 0 && c.c_in / c.groups % 2 == 0 && c.x_stride % 2 == 0
  }

  /// The depthwise kernel that writes pairs, unless a lesser set than the best is wanted for the step. The step keeps its set: whether
  /// it writes pairs depends on the choices for other steps, and a tuning holds each choice alone.
  private func pairKernel(_ index: Int) -> ek_kernel? {
    steps[index].isa == kernels.own(Int32(EK_DEPTHWISE_F32))?.isa ? kernels.own(Int32(EK_DEPTHWISE_BF16))?.kernel : nil
  }

  private func readPairs(_ index: Int) {
    steps[index].changeArguments { (c: inout ek_conv) in (c.x_pairs, c.x_stride) = (1, c.x_stride / 2) }
    steps[index].remark("reads bfloat16")
  }

  private func writePairs(_ index: Int) {
    if steps[index].operation == Int32(EK_DEPTHWISE_F32), let kernel = pairKernel(index) {
      (steps[index].operation, steps[index].kernel) = (Int32(EK_DEPTHWISE_BF16), kernel)
    }
    steps[index].changeArguments { (c: inout ek_conv) in (c.y_pairs, c.y_stride) = (1, c.y_stride / 2) }
    steps[index].remark("writes bfloat16")
  }

  /// Bytes of the tensors that a step reads and writes, with those of the steps that it runs band by band; `asFloats`: as if pairs
  /// were floats.
  func bytes(_ step: LoweredStep, asFloats: Bool = false) -> Int {
    if step.isChained { return 0 }
    var bytes = 0
    func add(_ slots: [SlotUse]) {
      for use in slots {
        let buffer = buffers[use.place.buffer]
        bytes = bytes &+ (asFloats && buffer.isPairs ? 2 &* buffer.byteCount : buffer.byteCount)
      }
    }
    add(step.slots)
    if let chain = step.chain {
      for member in chain.members.dropLast() { add(steps[member.step].slots) }
    }
    return bytes
  }
}

extension ek_conv {
  /// What a pixel takes in x and y: elements, or words of pairs.
  var xPixel: Int32 { x_pairs != 0 ? c_in / 2 : c_in }
  var yPixel: Int32 { y_pairs != 0 ? c_out / 2 : c_out }
}
