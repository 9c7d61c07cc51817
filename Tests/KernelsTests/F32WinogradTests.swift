import CPlatform
import Testing

/// 3x3 convolutions in Winograd's form against the plain reference. The transforms multiply rounding errors by a small
/// factor, but sum a ninth of the products: twice the bound of any sum of the products is more than enough.
@Suite struct F32WinogradTests {
  private func same(_ size: Int, _ cIn: Int, _ cOut: Int) -> ConvCase {
    ConvCase(h: size, w: size, cIn: cIn, cOut: cOut, kh: 3, kw: 3, padTop: 1, padLeft: 1, padBottom: 1, padRight: 1)
  }

  /// In squares of two, four and six results a side.
  private func check(_ shape: ConvCase, seed: UInt64 = 1) {
    for side in [2, 4, 6] {
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
      for width in [11, 12, 13, 14] {
        var shape = same(0, 32, 32)
        (shape.h, shape.w) = (height, width)
        check(shape, seed: UInt64(height * 16 + width))
        (shape.padTop, shape.padLeft, shape.padBottom, shape.padRight) = (0, 2, 2, 0)
        check(shape, seed: UInt64(height * 16 + width + 1))
      }
    }
  }

  /// Channels around every register and panel, pixels apart, residual, clamp, several images.
  @Test func channels() {
    for (cIn, cOut) in [(32, 32), (33, 65), (47, 36), (40, 47), (64, 64), (65, 129)] {
      var shape = same(20, cIn, cOut)
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
  }

  /// The root mean square of the errors, of sums of 576 products, against that of the plain kernel of the same instruction set.
  @Test(arguments: [(side: 2, multiple: 1.0), (4, 2.5), (6, 10.0)]) func errors(_ side: Int, _ multiple: Double) {
    var shape = same(24, 64, 32)
    (shape.winograd, shape.bias) = (side, false)
    var random = SeededRandom(UInt64(side))
    let x = random.floats(shape.h * shape.w * shape.cIn), weights = random.floats(shape.cOut * shape.terms)
    let exact = exactResults(shape, x, weights)
    for table in simdTables {
      guard let kernel = table.kernel(EK_CONV_WINOGRAD_F32), let plain = table.kernel(EK_CONV_F32) else { continue }
      let (error, least) = (error(kernel, shape, x, weights, exact), error(plain, shape, x, weights, exact))
      #expect(error <= multiple * least, "\(table.isa) \(side): \(error / least) times")
    }
  }

  /// Sums of doubles, which no rounding reaches that counts here.
  private func exactResults(_ shape: ConvCase, _ x: [Float], _ weights: [Float]) -> [Double] {
    let x = x.map(Double.init), weights = weights.map(Double.init), (h, w, depth) = (shape.h, shape.w, shape.cIn)
    var results: [Double] = []
    for place in 0..<h * w {
      for output in 0..<shape.cOut {
        var sum = 0.0
        for tap in 0..<9 {
          let y = place / w + tap / 3 - 1, column = place % w + tap % 3 - 1
          guard 0..<h ~= y, 0..<w ~= column else { continue }
          let (pixel, own) = ((y * w + column) * depth, (output * 9 + tap) * depth)
          for channel in 0..<depth { sum += x[pixel + channel] * weights[own + channel] }
        }
        results.append(sum)
      }
    }
    return results
  }

  private func error(_ kernel: ek_kernel, _ shape: ConvCase, _ x: [Float], _ weights: [Float], _ exact: [Double]) -> Double {
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
    return (squares.reduce(0, +) / Double(squares.count)).squareRoot()
  }

  /// Nothing of another form is taken.
  @Test func leavesTheRest() {
    var shapes: [ConvCase] = []
    for change in 0..<8 {
      var shape = same(28, 64, 64)
      shape.winograd = 4
      switch change {
      case 0: (shape.strideH, shape.strideW) = (2, 2)
      case 1: (shape.dilationH, shape.dilationW) = (2, 2)
      case 2: shape.groups = 2
      case 3: (shape.kh, shape.kw) = (5, 5)
      case 4: shape.cIn = 31
      case 5: shape.winograd = 0
      case 6: shape.winograd = 3
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
