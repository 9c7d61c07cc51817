import CPlatform
import Testing

@Suite struct F32MatmulTests {
  struct Case {
    var batch = 1, m = 1, n = 1, k = 1
    var transposeA = false, transposeB = false, shareB = false, bias = false
    /// Rows of a and of the result alternate between the matrices of each of so many groups.
    var interleavedGroups = 0
    var clamp: ClosedRange<Float> = -.infinity ... .infinity
  }

  private func check(_ shape: Case) {
    var random = SeededRandom(UInt64(shape.m * 31 + shape.n * 7 + shape.k))
    let a = random.floats(shape.batch * shape.m * shape.k)
    let b = random.floats((shape.shareB ? 1 : shape.batch) * shape.k * shape.n)
    let bias = random.floats(shape.n)
    func call(_ kernel: ek_kernel, magnitudes: Bool, partitions: Bool) -> [Float] {
      withTestMemory { memory in
        func put(_ values: [Float]) -> UnsafeRawPointer { memory.input(magnitudes ? values.map { abs($0) } : values) }
        var args = ek_matmul()
        args.a = put(a)
        args.b = put(b)
        if shape.bias { args.bias = put(bias) }
        args.batch = Int64(shape.batch); args.m = Int64(shape.m); args.n = Int64(shape.n); args.k = Int64(shape.k)
        args.a_batch_stride = args.m * args.k
        args.a_row_stride = shape.transposeA ? 1 : args.k
        args.a_column_stride = shape.transposeA ? args.m : 1
        args.b_batch_stride = shape.shareB ? 0 : args.k * args.n
        args.b_row_stride = shape.transposeB ? 1 : args.n
        args.b_column_stride = shape.transposeB ? args.k : 1
        args.inner_batch = Int64(shape.batch / max(1, shape.interleavedGroups))
        args.a_group_stride = args.a_batch_stride * args.inner_batch
        args.b_group_stride = args.b_batch_stride * args.inner_batch
        args.y_group_stride = args.m * args.n * args.inner_batch
        args.y_batch_stride = args.m * args.n
        args.y_row_stride = args.n
        if shape.interleavedGroups > 0 {
          (args.a_batch_stride, args.a_row_stride) = (args.k, args.k * args.inner_batch)
          (args.y_batch_stride, args.y_row_stride) = (args.n, args.n * args.inner_batch)
        }
        args.clamp_min = magnitudes ? -.infinity : shape.clamp.lowerBound
        args.clamp_max = magnitudes ? .infinity : shape.clamp.upperBound
        func build(_ y: UnsafeMutableRawPointer) -> ek_matmul { var c = args; c.y = y; return c }
        let size = 4 * shape.batch * shape.m * shape.n
        return elements(
          partitions
            ? memory.outputOfAnyPartition(of: kernel, bytes: size, misalignment: 4, build)
            : memory.output(of: kernel, bytes: size, build))
      }
    }
    let expected = call(reference(EK_MATMUL_F32), magnitudes: false, partitions: false)
    let magnitude = call(reference(EK_MATMUL_F32), magnitudes: true, partitions: false)
    for table in simdTables {
      guard let kernel = table.kernel(EK_MATMUL_F32) else { continue }
      let actual = call(kernel, magnitudes: false, partitions: true)
      expectClose(actual, expected, "\(String(cString: kernel.name)) \(shape)") { sumBound(shape.k + 1, magnitude[$0]) }
    }
  }

  @Test func tileEdges() {
    for m in [1, 2, 5, 6, 7, 12, 13, 14, 15, 29, 57, 120] {
      for n in [1, 4, 7, 8, 9, 16, 17, 31, 32, 33, 65, 130] {
        check(Case(m: m, n: n, k: 1 + (m + n) % 9, bias: m % 2 == 0, clamp: n % 2 == 0 ? -0.5...0.5 : -.infinity ... .infinity))
      }
    }
  }

  /// Nothing is added to the bias, in tiles of every size.
  @Test func emptyInnerDimension() {
    for (m, n) in [(1, 5), (2, 16), (6, 33), (15, 64), (31, 130)] {
      check(Case(m: m, n: n, k: 0, bias: true))
      check(Case(m: m, n: n, k: 0, clamp: 1...2))
    }
  }

  @Test func stridesAndBatches() {
    for transposeA in [false, true] {
      for transposeB in [false, true] {
        for shareB in [false, true] {
          for (m, n, k) in [(1, 5, 3), (17, 40, 64), (49, 33, 130), (200, 300, 20)] {
            check(
              Case(
                batch: 3, m: m, n: n, k: k, transposeA: transposeA, transposeB: transposeB, shareB: shareB,
                bias: m == 17))
          }
        }
      }
    }
  }

  /// As heads of attention lie.
  @Test func groupsOfInterleavedMatrices() {
    for (m, n, k) in [(5, 9, 12), (33, 40, 64), (29, 70, 7), (16, 32, 32), (113, 16, 20)] {
      for transposeB in [false, true] {
        for groups in [1, 2] { check(Case(batch: 6, m: m, n: n, k: k, transposeB: transposeB, interleavedGroups: groups)) }
      }
    }
  }
}
