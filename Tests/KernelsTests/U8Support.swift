import CPlatform
import Testing

// Integer kernels give the reference's bytes, whatever the instruction set and the partition.

/// What the numbers of an integer convolution test are chosen for.
enum NumbersU8: CaseIterable {
  /// Random everything, scales that spread results over the range.
  case ordinary
  /// Activations 255 and weights of -127, -128 or 127: sums that saturate 16-bit intermediates.
  case saturating
  /// The same activations and neighbouring weights of one sign that add up to 128, the most that products of bytes can take
  /// in sixteen bits, and in some columns to 129.
  case pairs
  /// Small weights, a few of them large: what is multiplied as bytes and what is not changes within a row.
  case outliers
  /// Scales of 1/2 and 1/4 and small sums: most results are ties.
  case ties
  /// Scales so large that a result converted before it is clamped would overflow Int32.
  case overflowing
  /// Zero points 0 and 255, narrow limits.
  case extremeZeroPoints
}

/// Runs an integer convolution on each table that has it and compares all bytes with the reference.
func checkConvolutionU8(
  _ operation: Int, _ shape: ConvCase, _ numbers: NumbersU8 = .ordinary, seed: UInt64 = 1,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard shape.isValid else { return }
  var random = SeededRandom(seed)
  let pixels = shape.n * shape.oh * shape.ow
  let saturating = numbers == .saturating || numbers == .pairs, ties = numbers == .ties
  func image(_ count: Int, _ channels: Int, _ extra: Int, _ range: ClosedRange<Int>) -> [UInt8] {
    random.bytes(max(0, count * (channels + extra) - extra), range)
  }
  let x = image(
    shape.n * shape.h * shape.w, shape.cIn, shape.extraX, saturating ? 255...255 : ties ? 0...3 : 0...255)
  let taps = shape.depthwise ? shape.kh * shape.kw : shape.terms
  var weights = random.weights(shape.cOut * taps, ties ? -2...2 : -128...127)
  if numbers == .pairs {
    weights = weights.indices.map { index in
      let (row, k) = (index / (shape.depthwise ? 1 : taps), index % taps)
      let pair = k / 2, larger = 64 + (row * 31 + pair * 17) % 64
      let weight = k % 2 == 0 ? larger : 128 - larger + ((row / 16 + pair) % 5 == 0 && row % 7 == 3 ? 1 : 0)
      return Int8((row + pair) % 3 == 0 ? -weight : weight)
    }
  } else if numbers == .outliers {
    weights = weights.map { $0 % 31 == 0 ? $0 : $0 % 32 }
  } else if saturating {
    let extremes: [Int8] = [127, -127, -128, 127]
    let column = random.int(0...3)
    weights = weights.indices.map { extremes[($0 / (shape.depthwise ? 1 : taps) + column) % 4] }
  }
  if operation == EK_CONV_SPARSE_U8 { weights = shape.pruned(weights, &random) }
  let bias = random.int32s(shape.cOut, ties ? -3...3 : -20000...20000)
  let residual = image(pixels, shape.cOut, shape.extraResidual, 0...255)
  let spread = 1 / (60 * Float(taps).squareRoot())
  let scales: [Float] = (0..<shape.cOut).map { channel in
    switch numbers {
    case .ordinary, .outliers, .extremeZeroPoints: spread * random.float(0.5...2)
    case .saturating, .pairs: 0.5 / (128 * Float(taps))
    case .ties: channel % 2 == 0 ? 0.5 : 0.25
    case .overflowing: [1e30, 3e5, 2147483, 1e10][channel % 4]
    }
  }
  var a = shape.arguments()
  let extreme = numbers == .extremeZeroPoints
  a.x_zero_point = Int32(saturating ? 0 : extreme ? 255 * random.int(0...1) : ties ? 1 : random.int(0...255))
  a.y_zero_point = Int32(extreme ? 255 * random.int(0...1) : random.int(0...255))
  a.q_min = extreme ? Int32(random.int(0...200)) : 0
  a.q_max = extreme ? Int32(random.int(200...255)) : 255
  // Asymmetric weights, the ends of the range included.
  if !ties, seed % 2 == 1, operation != EK_CONV_TRANSPOSE_U8, operation != EK_CONV_SPARSE_U8 { a.w_zero_point = [-128, -127, -1, 1, 90, 127][Int(seed / 2 % 6)] }
  a.residual_zero_point = Int32(random.int(0...255))
  a.residual_scale = ties ? 0.5 : random.float(0.01...2)

  let stride = shape.cOut + shape.extraY
  let outputBytes = pixels * stride - shape.extraY
  func call(_ kernel: ek_kernel, partitions: Bool) -> [UInt8] {
    withTestMemory { memory in
      a.x = memory.input(x)
      a.weights = memory.input(weights)
      a.scale = memory.floats(scales)
      a.bias = shape.bias ? memory.input(bias) : nil
      a.residual = shape.residual ? memory.input(residual) : nil
      func build(_ y: UnsafeMutableRawPointer) -> ek_conv { var b = a; b.y = y; return b }
      return partitions
        ? memory.outputOfAnyPartition(
          of: kernel, bytes: outputBytes, misalignment: 1, sourceLocation: sourceLocation, build)
        : memory.output(of: kernel, bytes: outputBytes, sourceLocation: sourceLocation, build)
    }
  }
  let expected = call(
    reference(operation == EK_CONV_SPARSE_U8 || operation == EK_CONV_WINOGRAD_U8 ? EK_CONV_U8 : operation), partitions: false)
  for table in simdTables {
    guard let kernel = table.kernel(operation) else { continue }
    // What a kernel does not take it says by having nothing to do.
    if operation == EK_CONV_SPARSE_U8 || operation == EK_CONV_WINOGRAD_U8, kernel.units(&a) == 0 {
      let leaves =
        operation == EK_CONV_SPARSE_U8
        ? table.isa == "neon" && shape.sparse == EK_SPARSE_PIXELS : table.isa == "avx512vnni" && shape.cOut % 32 != 0
      if !leaves { Issue.record("\(table.isa) does not take \(shape)") }
      continue
    }
    expectEqualBytes(
      call(kernel, partitions: true), expected, "\(String(cString: kernel.name)) \(shape) \(numbers) seed \(seed)",
      sourceLocation: sourceLocation)
  }
}

func expectEqualBytes(
  _ actual: [UInt8], _ expected: [UInt8], _ what: @autoclosure () -> String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  if actual == expected { return }
  let i = zip(actual, expected).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? -1
  Issue.record(
    "\(what()): byte \(i) of \(expected.count) is \(i < 0 ? 0 : actual[i]), reference \(i < 0 ? 0 : expected[i])",
    sourceLocation: sourceLocation)
}

/// Runs a kernel on each table under every partition and compares with the reference.
func checkU8<Arguments>(
  _ operation: Int, bytes: Int, _ what: String, sourceLocation: SourceLocation = #_sourceLocation,
  _ arguments: (TestMemory, UnsafeMutableRawPointer) -> Arguments
) {
  withTestMemory { memory in
    let expected = memory.output(of: reference(operation), bytes: bytes) { arguments(memory, $0) }
    for table in simdTables {
      guard let kernel = table.kernel(operation) else { continue }
      let actual = memory.outputOfAnyPartition(
        of: kernel, bytes: bytes, misalignment: 3, sourceLocation: sourceLocation
      ) { arguments(memory, $0) }
      expectEqualBytes(
        actual, expected, "\(String(cString: kernel.name)) \(what)", sourceLocation: sourceLocation)
    }
  }
}
