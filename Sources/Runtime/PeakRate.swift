import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension InstructionSet {
  /// What one core reaches at most with this set's product kernel: billions of operations a second, two for each
  /// multiply-add, in float32, with bytes (`uint8`) or in bfloat16. Multiplies matrices that stay in the first two levels of
  /// cache for about a millisecond; the fastest of those products counts. Throws `outOfMemory`, and `unsupportedFeature` in a build
  /// without a clock or without such a kernel.
  public func peakRate(of type: DType) throws(EdgeError) -> Double {
    let kernels = KernelSet(self)
    let operation = Int32(type == .uint8 ? EK_CONV_U8 : type == .bfloat16 ? EK_CONV_BF16 : EK_CONV_F32)
    guard ep_nanoseconds() != 0 else { throw EdgeError(.unsupportedFeature, "this build has no clock") }
    guard let kernel = kernels.own(operation)?.kernel ?? kernels.reference(operation) else {
      throw EdgeError(.unsupportedFeature, "\(name) has no kernel for \(type.name)")
    }
    // Whole tiles of every set: 4, 6, 12 or 14 rows, 8, 16 or 32 columns.
    let (rows, depth, columns) = (84, 128, 32)
    var arguments = ek_conv()
    (arguments.n, arguments.c_in, arguments.c_out) = (Int32(rows), Int32(depth), Int32(columns))
    (arguments.h, arguments.w, arguments.oh, arguments.ow, arguments.groups, arguments.kh, arguments.kw) = (1, 1, 1, 1, 1, 1, 1)
    (arguments.stride_h, arguments.stride_w, arguments.dilation_h, arguments.dilation_w) = (1, 1, 1, 1)
    (arguments.x_stride, arguments.y_stride, arguments.q_max) = (Int32(depth), Int32(columns), 255)
    // As words they are multiplied where they lie.
    if type == .bfloat16 { (arguments.x_pairs, arguments.x_stride) = (1, Int32(depth / 2)) }
    // Zeros, of the wider type, for both: x, weights, scales, y, then what the kernel asks for.
    let (x, weights, scales, y) = (0, rows &* depth &* 4, (rows &+ columns) &* depth &* 4, (rows &+ columns) &* depth &* 4 &+ 256)
    let own = y &+ rows &* columns &* 4
    let (scratch, packed) = withUnsafePointer(to: arguments) { pointer in
      (
        kernel.scratch_bytes == nil ? 0 : Int(kernel.scratch_bytes(pointer)),
        kernel.packed_bytes == nil ? 0 : Int(kernel.packed_bytes(pointer))
      )
    }
    let memory = try Storage.allocate(own &+ packed &+ 64 &+ scratch)
    let panels = memory.base + own, working = panels + (try MemoryPlan.aligned(packed))
    arguments.x = UnsafeRawPointer(memory.base + x)
    arguments.weights = UnsafeRawPointer(memory.base + weights)
    arguments.scale = UnsafePointer((memory.base + scales).assumingMemoryBound(to: Float.self))
    arguments.y = memory.base + y
    arguments.packed = UnsafeRawPointer(panels)
    // Held until the last product is done: the kernel has only addresses.
    defer { withExtendedLifetime(memory) {} }
    let least = withUnsafePointer(to: arguments) { pointer in
      if kernel.pack != nil { kernel.pack(pointer, panels) }
      let units = kernel.units(pointer)
      let begin = ep_nanoseconds()
      var least = UInt64.max
      var now = begin
      while now &- begin < 1_000_000 {
        kernel.run(pointer, 0, units, working)
        let next = ep_nanoseconds()
        least = min(least, next &- now)
        now = next
      }
      return least
    }
    return Double(2 &* rows &* depth &* columns) / Double(max(least, 1))
  }
}
