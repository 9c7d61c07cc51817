import CPlatform
import Testing

/// 3x3 and 5x5 convolutions in Winograd's form against the plain reference. The transforms multiply rounding errors by a small
/// factor, but sum a ninth of the products or less: twice the bound of any sum of the products is more than enough.
@Suite struct F32WinogradTests {
  private func same(_ size: Int, _ cIn: Int, _ cOut: Int, window: Int = 3) -> ConvCase {
    let pad = window / 2
    return ConvCase(
      h: size, w: size, cIn: cIn, cOut: cOut, kh: window, kw: window, padTop: pad, padLeft: pad, padBottom: pad, padRight: pad)
  }

  /// In squares of two, four and six results a side, of windows of 5x5 in squares of four.
  private func check(_ shape: ConvCase, seed: UInt64 = 1) {
    for side in shape.kh == 3 ? [2, 4, 6] : [4] {
      var shape = shape
      shape.winograd = side
      for table in simdTables {
        guard let kernel = table.kernel(EK_CONV_WINOGRAD_F32) else { continue }
        var arguments = shape.arguments()
        #expect(kernel.units(&arguments) > 0, "\(table.isa) \(shape)")
      }
      checkConvolution(EK_CONV_WINOGRAD_F32, shape, seed: seed, slack: 2)
    }
  }

  @Test(arguments: baseTables) func isPresent(_ table: KernelTable) {
    #expect((table.kernel(EK_CONV_WINOGRAD_F32) != nil) == (table.isa != "sse2"))
  }

  /// Squares that reach over each border by every number of pixels.
  @Test func borders() {
    for height in 9...14 {
      for width in 9...14 {
        var shape = same(0, 32, 32)
        (shape.h, shape.w) = (height, width)
        check(shape, seed: UInt64(height * 16 + width))
        (shape.padTop, shape.padLeft, shape.padBottom, shape.padRight) = (0, 2, 2, 0)
        check(shape, seed: UInt64(height * 16 + width + 1))
        shape = same(0, 32, 32, window: 5)
        (shape.h, shape.w) = (height, width)
        check(shape, seed: UInt64(height * 16 + width + 2))
        (shape.padTop, shape.padLeft, shape.padBottom, shape.padRight) = (0, 4, 3, 1)
        check(shape, seed: UInt64(height * 16 + width + 3))
      }
    }
  }

  /// Images smaller than a square, uneven padding, channels that fill part of a register.
  @Test func smallImages() {
    for height in 1...5 {
      for width in [1, 2, 3, 5, 7] {
        for (window, pads) in [(3, (1, 1, 1, 1)), (3, (0, 2, 2, 1)), (5, (2, 2, 2, 2)), (5, (4, 1, 0, 4))] {
          var shape = same(0, 8 + height % 3, 8 + width, window: window)
          (shape.h, shape.w) = (height, width)
          (shape.padTop, shape.padLeft, shape.padBottom, shape.padRight) = pads
          if shape.isValid { check(shape, seed: UInt64(height * 16 + width)) }
        }
      }
    }
  }

  /// Channels around every register and panel, pixels apart, residual, clamp, several images.
  @Test func channels() {
    for (cIn, cOut, window) in [(8, 8, 3), (9, 17, 3), (15, 64, 3), (16, 9, 5), (8, 8, 5), (9, 17, 5), (32, 32, 3), (33, 65, 3), (47, 36, 3), (40, 47, 3), (64, 64, 3), (65, 129, 3), (33, 65, 5), (47, 36, 5)] {
      var shape = same(20, cIn, cOut, window: window)
      (shape.n, shape.extraX, shape.extraY, shape.extraResidual) = (2, 3, 5, 1)
      (shape.residual, shape.clamp) = (true, -1...2)
      check(shape, seed: UInt64(cIn))
      shape.bias = false
      check(shape, seed: UInt64(cOut))
    }
  }

  /// Shapes of real networks: several blocks of squares, several of panels.
  @Test func networkShapes() {
    for (size, cIn, cOut) in [(56, 64, 64), (28, 128, 96), (14, 256, 256), (7, 512, 160)] { check(same(size, cIn, cOut)) }
    check(same(27, 64, 192, window: 5))
  }

  /// The root mean square of the errors, and the largest, of sums of 576 and 1600 products, against those of the plain kernel of
  /// the same instruction set.
  @Test(arguments: [(side: 2, window: 3, multiple: 1.0), (4, 3, 2.5), (6, 3, 10.0), (4, 5, 10.0)])
  func errors(_ side: Int, _ window: Int, _ multiple: Double) {
    var shape = same(24, 64, 32, window: window)
    (shape.winograd, shape.bias) = (side, false)
    var random = SeededRandom(UInt64(side))
    let x = random.floats(shape.h * shape.w * shape.cIn), weights = random.floats(shape.cOut * shape.terms)
    let exact = exactResults(shape, x, weights)
    for table in simdTables {
      guard let kernel = table.kernel(EK_CONV_WINOGRAD_F32), let plain = table.kernel(EK_CONV_F32) else { continue }
      let (error, least) = (error(kernel, shape, x, weights, exact), error(plain, shape, x, weights, exact))
      #expect(error.mean <= multiple * least.mean, "\(table.isa) \(side) \(window): \(error.mean / least.mean) times")
      #expect(error.largest <= 2 * multiple * least.largest, "\(table.isa) \(side) \(window): \(error.largest / least.largest) times")
    }
  }

  /// Sums of doubles, which no rounding reaches that counts here.
  private func exactResults(_ shape: ConvCase, _ x: [Float], _ weights: [Float]) -> [Double] {
    let x = x.map(Double.init), weights = weights.map(Double.init), (h, w, depth) = (shape.h, shape.w, shape.cIn)
    var results: [Double] = []
    for place in 0..<h * w {
      for output in 0..<shape.cOut {
        var sum = 0.0
        for tap in 0..<shape.kh * shape.kw {
          let y = place / w + tap / shape.kw - shape.padTop, column = place % w + tap % shape.kw - shape.padLeft
          guard 0..<h ~= y, 0..<w ~= column else { continue }
          let (pixel, own) = ((y * w + column) * depth, output * shape.terms + tap * depth)
          for channel in 0..<depth { sum += x[pixel + channel] * weights[own + channel] }
        }
        results.append(sum)
      }
    }
    return results
  }

  private func error(
    _ kernel: ek_kernel, _ shape: ConvCase, _ x: [Float], _ weights: [Float], _ exact: [Double]
  ) -> (mean: Double, largest: Double) {
    let bytes = withTestMemory { memory in
      var a = shape.arguments()
      (a.x, a.weights) = (UnsafeRawPointer(memory.floats(x)), UnsafeRawPointer(memory.floats(weights)))
      return memory.output(of: kernel, bytes: 4 * exact.count) { y in
        var b = a
        b.y = y
        return b
      }
    }
    let results: [Float] = elements(bytes)
    let squares = zip(results, exact).map { (Double($0) - $1) * (Double($0) - $1) }
    return ((squares.reduce(0, +) / Double(squares.count)).squareRoot(), squares.max()!.squareRoot())
  }

  /// Nothing of another form is taken.
  @Test func leavesTheRest() {
    var shapes: [ConvCase] = []
    for change in 0..<13 {
      var shape = same(28, 64, 64)
      shape.winograd = 4
      switch change {
      case 0: (shape.strideH, shape.strideW) = (2, 2)
      case 1: (shape.dilationH, shape.dilationW) = (2, 2)
      case 2: shape.groups = 2
      case 3: (shape.kh, shape.kw) = (7, 7)
      case 4: shape.cIn = 7
      case 5: shape.cOut = 7
      case 6: shape.winograd = 0
      case 7: shape.winograd = 3
      case 8: (shape.kh, shape.kw) = (5, 3)
      case 9: (shape.kh, shape.kw, shape.winograd) = (5, 5, 2)
      case 10: (shape.kh, shape.kw, shape.winograd) = (5, 5, 6)
      case 11: (shape.kh, shape.kw, shape.strideH) = (5, 5, 2)
      default: shape.kw = 1
      }
      shapes.append(shape)
    }
    for table in simdTables {
      guard let kernel = table.kernel(EK_CONV_WINOGRAD_F32) else { continue }
      for shape in shapes {
        var arguments = shape.arguments()
        #expect(kernel.units(&arguments) == 0, "\(table.isa) \(shape)")
      }
    }
  }
}
