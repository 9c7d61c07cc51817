import CPlatform
import Testing

/// Comparisons and choices have the reference's bytes, whatever their operands broadcast over and whichever part is asked for.
@Suite struct MaskTests {
  private struct Operand {
    var type: Int
    var strides: [Int]
  }

  private static let specials: [Float] = [.nan, .infinity, -.infinity, 0, -0.0, 1, -1, .leastNonzeroMagnitude]

  private func extent(_ dims: [Int], _ strides: [Int]) -> Int { dims.contains(0) ? 0 : 1 + zip(dims, strides).reduce(0) { $0 + ($1.0 - 1) * $1.1 } }

  /// Elements of which many are equal, as bytes.
  private func elements(_ type: Int, _ count: Int, _ random: inout SeededRandom) -> [UInt8] {
    switch type {
    case EK_TYPE_FLOAT32:
      return bytes(of: (0..<count).map { _ in random.int(0...1) == 0 ? Self.specials[random.int(0...7)] : Float(random.int(-3...3)) })
    case EK_TYPE_INT32: return bytes(of: (0..<count).map { _ in [Int32.min, .max, -1, 0, 1, 2][random.int(0...5)] })
    case EK_TYPE_INT64: return bytes(of: (0..<count).map { _ in [Int64.min, .max, -1, 0, 1, 1 << 32, -1 << 32, 1 << 32 | 1][random.int(0...7)] })
    case EK_TYPE_BOOL: return (0..<count).map { _ in UInt8(random.int(0...1)) }
    case EK_TYPE_FLOAT16: return bytes(of: (0..<count).map { _ in Float16(random.int(-3...3)) })
    default: return random.bytes(count)
    }
  }

  /// - `inPlace`: operand that the result takes the place of, or nil.
  private func check(_ function: Int, _ operands: [Operand], _ dims: [Int], inPlace: Int? = nil) {
    var random = SeededRandom(UInt64(function + dims.reduce(7, +)))
    let count = dims.reduce(1, *)
    let contents = operands.map { elements($0.type, extent(dims, $0.strides), &random) }
    let isChoice = operands.count == 3
    let size = isChoice ? [EK_TYPE_FLOAT32: 4, EK_TYPE_INT32: 4, EK_TYPE_INT64: 8, EK_TYPE_FLOAT16: 2][operands[1].type] ?? 1 : 1
    for part in [0..<count, count / 3..<count - count / 5] {
      func call(_ kernel: ek_kernel) -> [UInt8] {
        withTestMemory { memory in
          var args = ek_typed()
          (args.inputs, args.function, args.rank) = (Int32(operands.count), Int32(function), Int32(dims.count))
          (args.dims, args.first, args.end) = (tuple8(dims), Int64(part.lowerBound), Int64(part.upperBound))
          (args.a, args.a_type, args.a_stride) = (memory.input(contents[0]), Int32(operands[0].type), tuple8(operands[0].strides))
          (args.b, args.b_type, args.b_stride) = (memory.input(contents[1]), Int32(operands[1].type), tuple8(operands[1].strides))
          if isChoice {
            (args.c, args.c_type, args.c_stride) = (memory.input(contents[2]), Int32(operands[2].type), tuple8(operands[2].strides))
          }
          args.y_type = Int32(isChoice ? operands[1].type : EK_TYPE_BOOL)
          func placed(_ y: UnsafeMutableRawPointer) -> ek_typed {
            args.y = y
            if inPlace == 1 { args.b = UnsafeRawPointer(y) }
            if inPlace == 2 { args.c = UnsafeRawPointer(y) }
            return args
          }
          let initial = inPlace.map { contents[$0] } ?? [UInt8](repeating: 0xA5, count: count * size)
          return memory.outputOfAnyPartition(of: kernel, bytes: count * size, initial: initial, misalignment: size, placed)
        }
      }
      let expected = call(reference(EK_MASK))
      for table in simdTables {
        guard let kernel = table.kernel(EK_MASK) else { continue }
        #expect(call(kernel) == expected, "\(table.isa) function \(function) of \(operands) \(dims), elements \(part)")
      }
    }
  }

  private static let types = [EK_TYPE_FLOAT32, EK_TYPE_INT32, EK_TYPE_INT64, EK_TYPE_UINT8, EK_TYPE_BOOL]

  private static let shapes: [(dims: [Int], a: [Int], b: [Int])] =
    [1, 2, 15, 16, 17, 1023, 1024, 1025, 4095, 4097, 9001].map { ([$0], [1], [1]) }
    + [
      ([], [], []), ([9001], [1], [0]), ([9001], [0], [1]), ([300], [2], [3]),
      ([2, 9, 17], [153, 17, 1], [0, 0, 1]), ([2, 9, 16], [144, 16, 1], [0, 1, 0]), ([3, 40, 64], [64, 0, 1], [40, 1, 0]),
      ([4, 6, 5], [1, 4, 24], [30, 5, 1]), ([2, 3, 48, 48], [6912, 2304, 48, 1], [0, 0, 48, 1]), ([2, 2, 2, 2100], [0, 2100, 0, 1], [1, 0, 2, 0]),
    ]

  @Test(arguments: baseTables) func isPresent(_ table: KernelTable) { #expect(table.kernel(EK_MASK) != nil) }

  @Test(arguments: [EK_BINARY_EQUAL, EK_BINARY_NOT_EQUAL, EK_BINARY_LESS, EK_BINARY_LESS_OR_EQUAL]) func comparisons(_ function: Int) {
    for type in Self.types {
      for (dims, a, b) in Self.shapes { check(function, [Operand(type: type, strides: a), Operand(type: type, strides: b)], dims) }
    }
  }

  @Test(arguments: types + [EK_TYPE_FLOAT16]) func choices(_ type: Int) {
    for (dims, a, b) in Self.shapes {
      let mask = Operand(type: EK_TYPE_BOOL, strides: b)
      let rows = Operand(type: type, strides: a), others = Operand(type: type, strides: b)
      let one = Operand(type: type, strides: dims.map { _ in 0 })
      check(0, [mask, rows, one], dims)
      check(0, [mask, others, rows], dims)
      check(0, [Operand(type: EK_TYPE_BOOL, strides: a), one, others], dims)
      if extent(dims, a) == dims.reduce(1, *), a.last == 1 || dims.isEmpty {
        check(0, [mask, rows, others], dims, inPlace: 1)
        check(0, [mask, others, rows], dims, inPlace: 2)
      }
    }
  }

  /// IEEE comparisons by hand: the reference itself is right.
  @Test func comparisonsOfNumbersThatAreNone() {
    let a: [Float] = [.nan, 1, .nan, 0, -.infinity], b: [Float] = [1, .nan, .nan, -0.0, .infinity]
    for kernel in availableTables.compactMap({ $0.kernel(EK_MASK) }) {
      for (function, expected) in [
        (EK_BINARY_EQUAL, [0, 0, 0, 1, 0]), (EK_BINARY_NOT_EQUAL, [1, 1, 1, 0, 1]), (EK_BINARY_LESS, [0, 0, 0, 0, 1]),
        (EK_BINARY_LESS_OR_EQUAL, [0, 0, 0, 1, 1]),
      ] as [(Int, [UInt8])] {
        let y = withTestMemory { memory in
          var args = ek_typed()
          (args.inputs, args.function, args.rank, args.end, args.dims) = (2, Int32(function), 1, 5, tuple8([5]))
          (args.a, args.a_type, args.a_stride) = (memory.input(a), Int32(EK_TYPE_FLOAT32), tuple8([1]))
          (args.b, args.b_type, args.b_stride) = (memory.input(b), Int32(EK_TYPE_FLOAT32), tuple8([1]))
          args.y_type = Int32(EK_TYPE_BOOL)
          return memory.output(of: kernel, bytes: 5) { y in
            args.y = y
            return args
          }
        }
        #expect(y == expected, "\(String(cString: kernel.name)) function \(function)")
      }
    }
  }
}
