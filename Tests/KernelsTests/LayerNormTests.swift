import CPlatform
import Testing

@Suite struct LayerNormTests {
  static let axes = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 33, 48, 65, 100, 384, 1000]

  private func arguments(_ memory: TestMemory, rows: Int, axis: Int, _ scale: [Float], _ bias: [Float], epsilon: Float) -> ek_layer_norm {
    var l = ek_layer_norm()
    (l.scale, l.bias) = (memory.floats(scale), memory.floats(bias))
    (l.rows, l.axis, l.epsilon) = (Int64(rows), Int64(axis), epsilon)
    return l
  }

  @Test(arguments: baseTables) func arePresent(_ table: KernelTable) {
    for operation in [EK_LAYER_NORM_F32, EK_LAYER_NORM_U8] { #expect(table.kernel(operation) != nil) }
  }

  /// The reference against the definition in another order.
  @Test func referenceFloat() {
    var random = SeededRandom(1)
    let (rows, axis) = (3, 37)
    let x = random.floats(rows * axis, -3...5), scale = random.floats(axis), bias = random.floats(axis)
    let y: [Float] = elements(
      withTestMemory { memory in
        var l = arguments(memory, rows: rows, axis: axis, scale, bias, epsilon: 0.25)
        l.x = memory.input(x)
        return memory.outputOfAnyPartition(of: reference(EK_LAYER_NORM_F32), bytes: 4 * x.count) { l.y = $0; return l }
      })
    for row in 0..<rows {
      let numbers = x[row * axis..<(row + 1) * axis].map(Double.init)
      let mean = numbers.reduce(0, +) / Double(axis)
      let variance = numbers.map { $0 * $0 }.reduce(0, +) / Double(axis) - mean * mean
      for i in 0..<axis {
        let want = (numbers[i] - mean) / (variance + 0.25).squareRoot() * Double(scale[i]) + Double(bias[i])
        #expect(abs(Double(y[row * axis + i]) - want) <= 1e-6 * (1 + abs(want)))
      }
    }
  }

  /// The mean is off by as much as its sum, the squares around it too; what remains is the rounding of a few operations.
  @Test func float() {
    for axis in Self.axes {
      for (rows, offset) in [(1, Float(0)), (5, 3), (9, -100)] {
        var random = SeededRandom(UInt64(axis * 10 + rows))
        let x = random.floats(rows * axis, offset - 2...offset + 2), scale = random.floats(axis, 0.5...2), bias = random.floats(axis)
        func call(_ kernel: ek_kernel, partitions: Bool) -> [Float] {
          withTestMemory { memory in
            var l = arguments(memory, rows: rows, axis: axis, scale, bias, epsilon: 1e-3)
            l.x = memory.input(x)
            func build(_ y: UnsafeMutableRawPointer) -> ek_layer_norm { l.y = y; return l }
            return elements(
              partitions
                ? memory.outputOfAnyPartition(of: kernel, bytes: 4 * x.count, misalignment: 4, build)
                : memory.output(of: kernel, bytes: 4 * x.count, build))
          }
        }
        let expected = call(reference(EK_LAYER_NORM_F32), partitions: false)
        for table in simdTables {
          guard let kernel = table.kernel(EK_LAYER_NORM_F32) else { continue }
          expectClose(call(kernel, partitions: true), expected, "\(table.isa) layer norm \(rows) x \(axis) around \(offset)") { i in
            let row = i / axis * axis, numbers = x[row..<row + axis].map(Double.init)
            let mean = numbers.reduce(0, +) / Double(axis)
            let deviation = (numbers.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(axis) + 1e-3).squareRoot()
            let shift = sumBound(axis + 1, Float(numbers.map(abs).reduce(0, +))) / Double(axis) + abs(mean) * 0x1p-23
            let normal = abs(numbers[i - row] - mean) / deviation
            // An error of all differences by `shift` changes their mean square by its square, and its rounding by theirs.
            let relative = (Double(axis) + 8) * 0x1p-24 + shift * shift / (deviation * deviation)
            let weight = Double(scale[i - row])
            return (shift / deviation + normal * relative) * weight + (normal * weight + abs(Double(bias[i - row]))) * 0x1p-22
          }
        }
      }
    }
  }

  /// Rows that are constant, that hold the extremes, and ties after the last operation.
  @Test func integer() {
    for axis in Self.axes + [4097] {
      var random = SeededRandom(UInt64(axis))
      for (kind, epsilon) in [(0, Float(1e-5)), (1, 0), (2, 1e-12), (3, 1)] {
        let rows = 9
        var x = random.bytes(rows * axis)
        if kind == 1 { for i in 0..<axis { x[i] = 200 } }
        if kind == 2 { x = x.map { $0 > 127 ? 255 : 0 } }
        let halves = kind == 3
        let scale = halves ? [Float](repeating: 0.5, count: axis) : random.floats(axis, -80...80)
        let bias = halves ? [Float](repeating: 0.5, count: axis) : random.floats(axis, -60...60)
        let quant = ek_quant(scale: random.float(0.001...0.1), zero_point: Int32(random.int(0...255)))
        let zero = Int32([0, 255, random.int(0...255)][random.int(0...2)])
        checkU8(EK_LAYER_NORM_U8, bytes: x.count, "\(rows) x \(axis) kind \(kind)") { memory, y in
          var l = arguments(memory, rows: rows, axis: axis, scale, bias, epsilon: epsilon)
          (l.x, l.y, l.x_quant, l.y_quant) = (memory.input(x), y, quant, ek_quant(scale: 1, zero_point: zero))
          return l
        }
      }
    }
  }

  /// The integer reference rounds the real result, but for the roundings before the last.
  @Test func referenceInteger() {
    var random = SeededRandom(3)
    let (rows, axis) = (4, 50)
    let x = random.bytes(rows * axis), scale = random.floats(axis, -50...50), bias = random.floats(axis, -20...20)
    let bytes = withTestMemory { memory in
      var l = arguments(memory, rows: rows, axis: axis, scale, bias, epsilon: 1e-5)
      (l.x, l.x_quant, l.y_quant) = (memory.input(x), ek_quant(scale: 0.02, zero_point: 77), ek_quant(scale: 1, zero_point: 120))
      return memory.outputOfAnyPartition(of: reference(EK_LAYER_NORM_U8), bytes: x.count) { l.y = $0; return l }
    }
    for row in 0..<rows {
      let numbers = x[row * axis..<(row + 1) * axis].map { (Double($0) - 77) * Double(Float(0.02)) }
      let mean = numbers.reduce(0, +) / Double(axis)
      let deviation = (numbers.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(axis) + 1e-5).squareRoot()
      for i in 0..<axis {
        let want = (numbers[i] - mean) / deviation * Double(scale[i]) + Double(bias[i]) + 120
        #expect(abs(Double(bytes[row * axis + i]) - min(max(want, 0), 255)) <= 0.5001)
      }
    }
  }
}
