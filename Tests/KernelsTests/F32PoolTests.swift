import CPlatform
import Testing

@Suite struct F32PoolTests {
  private func check(_ operation: Int, _ p: ek_pool, special: Bool = false, seed: UInt64) {
    var p = p
    let reachH = p.dilation_h * (p.kh - 1), reachW = p.dilation_w * (p.kw - 1)
    guard p.h + p.pad_top + p.pad_bottom > reachH, p.w + p.pad_left + p.pad_right > reachW else { return }
    p.oh = (p.h + p.pad_top + p.pad_bottom - reachH - 1) / p.stride_h + 1
    p.ow = (p.w + p.pad_left + p.pad_right - reachW - 1) / p.stride_w + 1
    var random = SeededRandom(seed)
    var x = random.floats(Int(p.n * p.h * p.w * p.x_stride - (p.x_stride - p.c)))
    if special {
      for i in stride(from: 0, to: x.count, by: 17) { x[i] = .nan }
      for i in stride(from: 5, to: x.count, by: 23) { x[i] = -.infinity }
    }
    let size = 4 * Int(p.n * p.oh * p.ow * p.y_stride - (p.y_stride - p.c))
    func call(_ kernel: ek_kernel, partitions: Bool) -> [Float] {
      withTestMemory { memory in
        p.x = memory.input(x)
        func build(_ y: UnsafeMutableRawPointer) -> ek_pool { var q = p; q.y = y; return q }
        return elements(
          partitions
            ? memory.outputOfAnyPartition(of: kernel, bytes: size, misalignment: 4, build)
            : memory.output(of: kernel, bytes: size, build))
      }
    }
    let expected = call(reference(operation), partitions: false)
    for table in simdTables {
      guard let kernel = table.kernel(operation) else { continue }
      // The order of an average's sum is the reference's, so it too is exact.
      expectClose(call(kernel, partitions: true), expected, "\(String(cString: kernel.name)) \(p)") { _ in 0 }
    }
  }

  @Test(arguments: [EK_MAX_POOL_F32, EK_AVERAGE_POOL_F32]) func anyGeometry(_ operation: Int) {
    var seed: UInt64 = 0
    for channels: Int32 in [1, 3, 4, 6, 8, 12, 15, 16, 17, 40] {
      for (kh, kw): (Int32, Int32) in [(1, 1), (2, 2), (3, 3), (7, 5)] {
        for (sh, sw): (Int32, Int32) in [(1, 1), (2, 2), (3, 1)] {
          for (before, after): (Int32, Int32) in [(0, 0), (1, 1), (0, 1), (9, 9)] {
            for dilation: Int32 in [1, 2] {
              seed += 1
              var p = ek_pool()
              p.n = 2; p.h = 7; p.w = 8; p.c = channels
              p.x_stride = channels + Int32(seed % 3); p.y_stride = channels + Int32(seed % 2) * 5
              p.kh = kh; p.kw = kw; p.stride_h = sh; p.stride_w = sw; p.dilation_h = dilation; p.dilation_w = dilation
              p.pad_top = before; p.pad_left = before; p.pad_bottom = after; p.pad_right = after
              p.count_include_pad = Int32(seed % 2)
              p.clamp_min = seed % 4 == 0 ? 0 : -.infinity
              p.clamp_max = seed % 4 == 0 ? 0.5 : .infinity
              check(operation, p, special: operation == EK_MAX_POOL_F32 && seed % 3 == 0, seed: seed)
            }
          }
        }
      }
    }
  }
}
