import CPlatform
import Testing

@Suite struct U8MatmulTests {
  @Test(arguments: plainTables) func isPresent(_ table: KernelTable) {
    #expect(table.kernel(EK_MATMUL_U8) != nil)
  }

  struct Layout {
    var transposedA = false, transposedB = false
    var broadcastA = false, broadcastB = false
    /// Elements between a row's end and the next row of a.
    var gap = 0
    /// Rows of the result, and of a where it is not transposed, alternate between the matrices of a group.
    var interleaved = false
    var groups = 1
  }

  private func check(
    _ batch: Int, _ m: Int, _ n: Int, _ k: Int, _ layout: Layout = Layout(), saturating: Bool = false, seed: UInt64
  ) {
    var random = SeededRandom(seed)
    let inner = batch / layout.groups
    let aRow = layout.transposedA ? 1 : (k + layout.gap) * (layout.interleaved ? inner : 1), aColumn = layout.transposedA ? m : 1
    let aSize = (m - 1) * aRow + (k - 1) * aColumn + 1
    let aStep = layout.interleaved && !layout.transposedA ? k + layout.gap : aSize
    let aGroup = aStep * (inner - 1) + aSize
    let bRow = layout.transposedB ? 1 : n, bColumn = layout.transposedB ? k : 1
    let a = random.bytes(layout.broadcastA ? aSize : layout.groups * aGroup, saturating ? 255...255 : 0...255)
    let b = saturating
      ? (0..<(layout.broadcastB ? 1 : batch) * n * k).map { _ in UInt8(255 * random.int(0...1)) }
      : random.bytes((layout.broadcastB ? 1 : batch) * n * k)
    let zeros = (0..<3).map { _ in Int32([0, 255, 128, random.int(0...255)][random.int(0...3)]) }
    let scale = seed % 5 == 0 ? 1e20 : 1 / (6000 * Float(k).squareRoot())
    checkU8(EK_MATMUL_U8, bytes: batch * m * n, "\(batch) x \(m) x \(n) x \(k) \(layout) \(zeros)") { memory, y in
      var args = ek_matmul()
      args.a = memory.input(a)
      args.b = memory.input(b)
      args.y = y
      args.batch = Int64(batch); args.m = Int64(m); args.n = Int64(n); args.k = Int64(k)
      args.inner_batch = Int64(inner)
      args.a_row_stride = Int64(aRow); args.a_column_stride = Int64(aColumn)
      args.b_row_stride = Int64(bRow); args.b_column_stride = Int64(bColumn)
      args.a_batch_stride = layout.broadcastA ? 0 : Int64(aStep)
      args.a_group_stride = layout.broadcastA ? 0 : Int64(aGroup)
      args.b_batch_stride = layout.broadcastB ? 0 : Int64(n * k)
      args.b_group_stride = args.b_batch_stride * args.inner_batch
      args.y_group_stride = Int64(inner * m * n)
      args.y_batch_stride = Int64(layout.interleaved ? n : m * n)
      args.y_row_stride = Int64(layout.interleaved ? inner * n : n)
      args.clamp_min = -.infinity; args.clamp_max = .infinity
      args.a_zero_point = zeros[0]; args.b_zero_point = zeros[1]; args.y_zero_point = zeros[2]
      args.scale = scale
      return args
    }
  }

  @Test func tileEdges() {
    for m in [1, 2, 3, 6, 7, 13, 14, 15, 29, 113] {
      for n in [1, 4, 7, 8, 9, 16, 17, 32, 33, 65] {
        for k in [1, 3, 4, 17, 64] { check(1, m, n, k, seed: UInt64(m * 1000 + n * 10 + k)) }
      }
    }
  }

  @Test func layouts() {
    var seed: UInt64 = 1
    for bits in 0..<16 {
      for (m, n, k) in [(5, 9, 12), (33, 40, 64), (20, 70, 7)] {
        for gap in [0, 3] {
          seed += 1
          let layout = Layout(
            transposedA: bits & 1 != 0, transposedB: bits & 2 != 0, broadcastA: bits & 4 != 0, broadcastB: bits & 8 != 0,
            gap: bits & 1 != 0 ? 0 : gap)
          check(3, m, n, k, layout, seed: seed)
          check(3, m, n, k, layout, saturating: true, seed: seed)
        }
      }
    }
  }

  /// As heads of attention lie.
  @Test func groupsOfInterleavedMatrices() {
    var seed: UInt64 = 100
    for (m, n, k) in [(5, 9, 12), (33, 40, 64), (29, 70, 7), (16, 32, 32), (113, 16, 20)] {
      for transposedB in [false, true] {
        for transposedA in [false, true] {
          for groups in [1, 2] {
            seed += 1
            check(6, m, n, k, Layout(transposedA: transposedA, transposedB: transposedB, interleaved: true, groups: groups), seed: seed)
          }
        }
      }
    }
  }

  @Test func larger() {
    check(2, 197, 197, 64, Layout(transposedB: true), seed: 1)
    check(1, 3000, 10, 40, seed: 2)
    check(20, 30, 200, 33, seed: 4)
    check(1, 20, 33, 9000, Layout(transposedA: true), seed: 3)
  }
}
