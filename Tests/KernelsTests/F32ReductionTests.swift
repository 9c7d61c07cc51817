import CPlatform
import Testing

@Suite struct F32ReductionTests {
  static let shapes: [(Int, Int, Int)] = {
    var shapes: [(Int, Int, Int)] = []
    for inner in [1, 2, 4, 5, 8, 15, 16, 17, 33, 64, 65, 100, 200] {
      for axis in [1, 2, 7, 49] { shapes.append((3, axis, inner)) }
    }
    for axis in [1, 3, 4, 15, 16, 17, 31, 64, 65, 127, 1000, 4097] {
      for outer in [1, 7, 8, 9, 16, 33] { shapes.append((outer, axis, 1)) }
    }
    return shapes
  }()

  @Test(arguments: 0..<EK_REDUCE_COUNT) func reduce(_ function: Int) {
    for (outer, axis, inner) in Self.shapes {
      var random = SeededRandom(UInt64(axis * inner + function))
      var x = random.floats(outer * axis * inner, -1.5...1.5)
      let ordered = [EK_REDUCE_MAX, EK_REDUCE_MIN].contains(function)
      if ordered { for i in stride(from: 3, to: x.count, by: 101) { x[i] = .nan } }
      func call(_ kernel: ek_kernel, _ x: [Float], function: Int, partitions: Bool) -> [Float] {
        withTestMemory { memory in
          var r = ek_reduce()
          r.x = memory.input(x)
          r.outer = Int64(outer); r.axis = Int64(axis); r.inner = Int64(inner); r.function = Int32(function)
          func build(_ y: UnsafeMutableRawPointer) -> ek_reduce { var q = r; q.y = y; return q }
          let size = 4 * outer * inner
          return elements(
            partitions
              ? memory.outputOfAnyPartition(of: kernel, bytes: size, misalignment: 4, build)
              : memory.output(of: kernel, bytes: size, build))
        }
      }
      let expected = call(reference(EK_REDUCE_F32), x, function: function, partitions: false)
      let sums = call(reference(EK_REDUCE_F32), x, function: EK_REDUCE_L1, partitions: false)
      for table in simdTables {
        guard let kernel = table.kernel(EK_REDUCE_F32) else { continue }
        let actual = call(kernel, x, function: function, partitions: true)
        expectClose(actual, expected, "\(table.isa) reduce \(function) [\(outer),\(axis),\(inner)]") { i in
          let relative = sumBound(axis + 2, abs(expected[i]))
          switch function {
          case EK_REDUCE_MAX, EK_REDUCE_MIN: return 0
          case EK_REDUCE_MEAN: return sumBound(axis + 1, sums[i]) / Double(axis)
          case EK_REDUCE_SUM: return sumBound(axis, sums[i])
          default: return relative  // products, and sums of terms of one sign
          }
        }
      }
    }
  }

  /// Against softmax in double: the exponent's rounding gives |x - max| u, the sum's its length. The logarithm of
  /// the softmax is bounded by its own terms.
  @Test(arguments: [false, true]) func softmax(_ log: Bool) {
    for (outer, axis, inner) in Self.shapes {
      var random = SeededRandom(UInt64(axis * inner))
      let x = random.floats(outer * axis * inner, -20...20)
      func call(_ kernel: ek_kernel, partitions: Bool) -> [Float] {
        withTestMemory { memory in
          var s = ek_softmax()
          s.x = memory.input(x)
          s.outer = Int64(outer); s.axis = Int64(axis); s.inner = Int64(inner); s.log = log ? 1 : 0
          func build(_ y: UnsafeMutableRawPointer) -> ek_softmax { var q = s; q.y = y; return q }
          let size = 4 * x.count
          return elements(
            partitions
              ? memory.outputOfAnyPartition(of: kernel, bytes: size, misalignment: 4, build)
              : memory.output(of: kernel, bytes: size, build))
        }
      }
      let expected = call(reference(EK_SOFTMAX_F32), partitions: false)
      for table in simdTables {
        guard let kernel = table.kernel(EK_SOFTMAX_F32) else { continue }
        expectClose(call(kernel, partitions: true), expected, "\(table.isa) softmax \(log) [\(outer),\(axis),\(inner)]") { i in
          // |x - max| <= 40; the result's own rounding, the division and two exponentials of 4 ulp.
          let relative = (40 + 12 + 2 * Double(axis)) * 0x1p-24
          return log ? (80 + 2 * Double(axis)) * 0x1p-24 : relative * Double(expected[i])
        }
      }
    }
  }

  /// Large arguments do not overflow.
  @Test(arguments: baseTables) func softmaxOfLargeValues(_ table: KernelTable) throws {
    let kernel = try #require(table.kernel(EK_SOFTMAX_F32))
    let result: [Float] = withTestMemory { memory in
      let x = memory.input([1000, 1000, -3e38, 990] as [Float])
      return elements(
        memory.output(of: kernel, bytes: 16) { y in
          var s = ek_softmax()
          s.x = x; s.y = y; s.outer = 1; s.axis = 4; s.inner = 1
          return s
        })
    }
    #expect(abs(result[0] - 0.49998865) < 1e-6)
    #expect(result[2] == 0)
  }
}
