import CPlatform
import Testing

/// Convolutions of signs: the reference against floats, and each table against the reference, byte for byte.
@Suite struct BinaryConvTests {
  /// What a case is made of. Sums of so few signs, times a power of two, are exact in float in any order.
  struct Signs {
    var floats: [Float]
    var weights: [Float]
    var scale: [Float]
    var bias: [Float]
    var thresholds: [Int32]
    var residual: [Float]

    init(_ shape: ConvCase, planes: Int, seed: UInt64) {
      var random = SeededRandom(seed)
      // Zeros of both signs, and what is no number, among them.
      let special: [Float] = [0, -0.0, .nan, .infinity, -.infinity]
      floats = (0..<shape.n * shape.h * shape.w * shape.cIn).map { _ in
        random.int(0...9) == 0 ? special[random.int(0...4)] : random.float()
      }
      scale = (0..<shape.cOut).map { _ in [0.25, 0.5, 1, 2][random.int(0...3)] }
      bias = (0..<shape.cOut).map { _ in Float(random.int(-20...20)) * 0.25 }
      thresholds = random.int32s(shape.cOut, -9...9)
      residual = (0..<shape.n * shape.oh * shape.ow * (shape.cOut + shape.extraResidual)).map { _ in Float(random.int(-20...20)) * 0.5 }
      weights = []
      for row in 0..<shape.cOut {
        for _ in 0..<shape.terms {
          let sign: Float = planes == 2 && random.int(0...2) == 0 ? 0 : random.int(0...1) == 0 ? -1 : 1
          weights.append(sign * scale[row])
        }
      }
    }
  }

  private func signBytes(_ channels: Int) -> Int { (channels + 63) / 64 * 8 }

  private func binarized(_ kernel: ek_kernel, _ floats: [Float], _ channels: Int) -> [UInt8] {
    withTestMemory { memory in
      var a = ek_binarize()
      a.x = memory.input(floats)
      a.pixels = Int64(floats.count / channels)
      a.c = Int32(channels)
      a.y_stride = Int32(signBytes(channels))
      return memory.outputOfAnyPartition(of: kernel, bytes: Int(a.pixels) * signBytes(channels)) { y in
        var b = a
        b.y = y
        return b
      }
    }
  }

  private func convolved(_ kernel: ek_kernel, _ shape: ConvCase, _ data: Signs, _ x: [UInt8], planes: Int, bits: Bool) -> [UInt8] {
    withTestMemory { memory in
      var a = shape.arguments()
      a.x = memory.input(x)
      a.x_stride = Int32(signBytes(shape.cIn))
      a.weights = memory.input(data.weights)
      a.planes = Int32(planes)
      let pixels = shape.n * shape.oh * shape.ow
      if bits {
        a.y_bits = 1
        a.y_stride = Int32(signBytes(shape.cOut))
        a.bias = memory.input(data.thresholds)
      } else {
        a.scale = memory.floats(data.scale)
        if shape.bias { a.bias = memory.input(data.bias) }
        if shape.residual { a.residual = memory.input(data.residual) }
      }
      let size = bits ? pixels * Int(a.y_stride) : ((pixels - 1) * Int(a.y_stride) + shape.cOut) * 4
      return memory.outputOfAnyPartition(of: kernel, bytes: size) { y in
        var b = a
        b.y = y
        return b
      }
    }
  }

  /// The sums, from the definition.
  private func dots(_ shape: ConvCase, _ data: Signs) -> [Int] {
    var dots: [Int] = []
    for n in 0..<shape.n {
      for oy in 0..<shape.oh {
        for ox in 0..<shape.ow {
          for channel in 0..<shape.cOut {
            var sum = 0
            for ky in 0..<shape.kh {
              for kx in 0..<shape.kw {
                let y = oy * shape.strideH - shape.padTop + ky * shape.dilationH
                let x = ox * shape.strideW - shape.padLeft + kx * shape.dilationW
                if y < 0 || y >= shape.h || x < 0 || x >= shape.w { continue }
                for c in 0..<shape.cIn {
                  let sign = data.floats[((n * shape.h + y) * shape.w + x) * shape.cIn + c] >= 0 ? 1 : -1
                  let weight = data.weights[((channel * shape.kh + ky) * shape.kw + kx) * shape.cIn + c]
                  sum += weight > 0 ? sign : weight < 0 ? -sign : 0
                }
              }
            }
            dots.append(sum)
          }
        }
      }
    }
    return dots
  }

  private func check(_ shape: ConvCase, planes: Int, seed: UInt64, definition: Bool = true) {
    guard shape.isValid else { return }
    let data = Signs(shape, planes: planes, seed: seed)
    let x = binarized(reference(EK_BINARIZE), data.floats, shape.cIn)
    let expected = [false, true].map { bits in
      bits && shape.residual ? [] : convolved(reference(EK_CONV_BINARY), shape, data, x, planes: planes, bits: bits)
    }
    if definition {
      let sums = dots(shape, data)
      let floats: [Float] = elements(expected[0])
      for (index, sum) in sums.enumerated() {
        let (pixel, channel) = (index / shape.cOut, index % shape.cOut)
        var value = Float(sum) * data.scale[channel] + (shape.bias ? data.bias[channel] : 0)
        if shape.residual { value += data.residual[pixel * (shape.cOut + shape.extraResidual) + channel] }
        value = min(max(value, shape.clamp.lowerBound), shape.clamp.upperBound)
        #expect(floats[pixel * (shape.cOut + shape.extraY) + channel] == value, "\(shape) \(index)")
        if !shape.residual {
          let byte = expected[1][pixel * signBytes(shape.cOut) + channel / 8]
          #expect((byte >> (channel % 8) & 1 == 1) == (sum >= data.thresholds[channel]), "\(shape) \(index)")
        }
      }
    }
    for table in simdTables {
      guard let kernel = table.kernel(EK_CONV_BINARY), let binarize = table.kernel(EK_BINARIZE) else { continue }
      #expect(binarized(binarize, data.floats, shape.cIn) == x, "\(table.isa) \(shape)")
      for bits in [false, true] where !(bits && shape.residual) {
        let found = convolved(kernel, shape, data, x, planes: planes, bits: bits)
        #expect(found == expected[bits ? 1 : 0], "\(table.isa) \(shape) planes \(planes) bits \(bits)")
      }
    }
  }

  /// Sets whose processors count bits have kernels for it; SSE2 leaves them to float, AVX-512 VNNI to AVX2.
  @Test(arguments: simdTables) func isPresent(_ table: KernelTable) {
    let has = ["avx2", "avx512bf16", "neon"].contains(table.isa)
    #expect((table.kernel(EK_CONV_BINARY) != nil) == has)
    #expect((table.kernel(EK_BINARIZE) != nil) == has)
  }

  /// Rows around every tile, channels around every word and panel.
  @Test(arguments: [1, 2]) func tileEdges(_ planes: Int) {
    for rows in [1, 2, 3, 5, 6, 7, 8, 9, 13, 24, 25, 29] {
      for columns in [1, 7, 31, 32, 33, 40, 63, 64, 65, 100, 128, 129, 193] {
        let cIn = [1, 3, 4, 8, 31, 32, 33, 64, 65, 130][(rows + columns) % 10]
        check(ConvCase(n: rows, cIn: cIn, cOut: columns, clamp: rows % 2 == 0 ? -1...3 : -.infinity ... .infinity), planes: planes, seed: UInt64(rows * 200 + columns))
      }
    }
  }

  @Test func everyDepth() {
    for cIn in 1...300 { check(ConvCase(n: 3, cIn: cIn, cOut: 5), planes: 1 + cIn % 2, seed: UInt64(cIn)) }
  }

  @Test(arguments: [1, 2]) func kernelsStridesDilationsPaddings(_ planes: Int) {
    var seed: UInt64 = 1
    for (kh, kw) in [(1, 1), (3, 3), (1, 5), (4, 2)] {
      for (sh, sw) in [(1, 1), (2, 2), (1, 3)] {
        for (dh, dw) in [(1, 1), (2, 3)] {
          for (top, left, bottom, right) in [(0, 0, 0, 0), (1, 1, 1, 1), (2, 3, 1, 0), (5, 6, 5, 7)] {
            seed += 1
            check(
              ConvCase(
                n: 1 + Int(seed % 2), h: 9, w: 8, cIn: [1, 20, 64, 70, 128][Int(seed % 5)], cOut: [5, 33, 70][Int(seed % 3)], kh: kh, kw: kw,
                strideH: sh, strideW: sw, dilationH: dh, dilationW: dw, padTop: top, padLeft: left, padBottom: bottom, padRight: right,
                extraY: Int(seed % 2) * 3, extraResidual: Int(seed % 4), bias: seed % 5 != 0, residual: seed % 3 == 0),
              planes: planes, seed: seed)
          }
        }
      }
    }
  }

  /// Several blocks of rows and runs of steps; sums near the largest count.
  @Test func networkShapes() {
    for (size, cIn, cOut, k, planes) in [(14, 256, 256, 3, 1), (9, 128, 64, 3, 2), (1, 65535, 3, 1, 1), (1, 32767, 3, 1, 2), (7, 512, 40, 3, 1), (20, 64, 193, 3, 1)] {
      check(
        ConvCase(h: size, w: size, cIn: cIn, cOut: cOut, kh: k, kw: k, padTop: k / 2, padLeft: k / 2, padBottom: k / 2, padRight: k / 2),
        planes: planes, seed: UInt64(size), definition: size < 9)
    }
  }

  /// All signs of a row differ, or none, beside rows of the other kind: the largest counts that there are.
  @Test func extremes() {
    for sign: Float in [1, -1] {
      // Two neighbours of one sign, as kernels may count rows in pairs, and one of each.
      let shape = ConvCase(n: 4, cIn: 65535, cOut: 66, bias: false)
      let signs = [sign, sign, -sign, sign]
      var data = Signs(shape, planes: 1, seed: 1)
      data.floats = signs.flatMap { [Float](repeating: $0, count: shape.cIn) }
      data.weights = [Float](repeating: 1, count: shape.cOut * shape.cIn)
      data.scale = [Float](repeating: 1, count: shape.cOut)
      for table in availableTables {
        guard let kernel = table.kernel(EK_CONV_BINARY) else { continue }
        let x = binarized(reference(EK_BINARIZE), data.floats, shape.cIn)
        let y: [Float] = elements(convolved(kernel, shape, data, x, planes: 1, bits: false))
        #expect(y == signs.flatMap { [Float](repeating: $0 * 65535, count: shape.cOut) }, "\(table.isa)")
      }
    }
  }
}
