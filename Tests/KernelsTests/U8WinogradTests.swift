import CPlatform
import Testing

/// 3x3 convolutions of bytes in Winograd's form give the bytes of the plain one.
@Suite struct U8WinogradTests {
  private func same(_ size: Int, _ cIn: Int, _ cOut: Int) -> ConvCase {
    ConvCase(h: size, w: size, cIn: cIn, cOut: cOut, kh: 3, kw: 3, padTop: 1, padLeft: 1, padBottom: 1, padRight: 1, winograd: 4)
  }

  private func check(_ shape: ConvCase, _ numbers: NumbersU8 = .ordinary, seed: UInt64 = 1) {
    checkConvolutionU8(EK_CONV_WINOGRAD_U8, shape, numbers, seed: seed)
  }

  @Test(arguments: plainTables) func isPresent(_ table: KernelTable) {
    #expect((table.kernel(EK_CONV_WINOGRAD_U8) != nil) == ["avx2", "avx512vnni"].contains(table.isa))
  }

  /// Squares that reach over each border by every number of pixels, images that are smaller than one.
  @Test func borders() {
    for height in [1, 2, 3, 4, 5, 9, 10, 11, 12] {
      for width in [1, 4, 7, 8, 9, 10] {
        for outputs in [16, 32] {
          var shape = same(0, 16, outputs)
          (shape.h, shape.w) = (height, width)
          check(shape, seed: UInt64(height * 16 + width))
          (shape.padTop, shape.padLeft, shape.padBottom, shape.padRight) = (0, 2, 2, 0)
          if shape.isValid { check(shape, seed: UInt64(height * 16 + width + 1)) }
        }
      }
    }
  }

  /// All kinds of numbers, channels around blocks of panels, pixels apart, residual, weights with a zero point (odd seeds).
  @Test(arguments: NumbersU8.allCases) func numbers(_ numbers: NumbersU8) {
    for (seed, channels) in [(16, 48), (32, 32), (48, 16), (48, 112), (16, 96), (80, 224)].enumerated() {
      var shape = same(11, channels.0, channels.1)
      (shape.n, shape.extraX, shape.extraY, shape.extraResidual) = (2, 3, 5, 1)
      check(shape, numbers, seed: UInt64(seed))
      (shape.residual, shape.bias) = (true, false)
      check(shape, numbers, seed: UInt64(seed + 11))
    }
  }

  /// Shapes of real networks: several blocks of squares, several of panels, the last tile of every size.
  @Test func networkShapes() {
    for (size, cIn, cOut) in [(56, 64, 64), (28, 128, 96), (14, 256, 256), (7, 512, 160), (17, 80, 64), (29, 240, 256)] {
      check(same(size, cIn, cOut), .ties, seed: 2)
    }
  }

  /// The largest results there can be are exact; weights that could give larger ones are not taken.
  @Test func takesWeightsUpToTheBound() {
    let kernels = simdTables.compactMap { $0.kernel(EK_CONV_WINOGRAD_U8) }
    if kernels.isEmpty { print("takesWeightsUpToTheBound is skipped: the processor has no AVX2") }
    let depth = 256, columns = 32, size = 6
    // The zero point, magnitudes of weights of channels that are 255, of weights of the other sign of channels that are 0.
    for (zeroPoint, lit, dark, isTaken) in [
      (0, 131_586, 131_586, true), (0, 131_587, 0, false), (55, 140_000, 100_989, true), (55, 140_000, 100_990, false),
    ] {
      #expect(((255 - zeroPoint) * lit + zeroPoint * dark < 1 << 25) == isTaken)
      for sign in [1, -1] {
        // Half of the channels each, in every tap.
        let weights = [Int8](repeating: 0, count: (columns - 1) * 9 * depth) + (0..<9 * depth).map { place in
          let isLit = place % depth < depth / 2, number = place / depth * (depth / 2) + place % (depth / 2), count = 9 * depth / 2
          let total = isLit ? lit : dark
          return Int8((isLit ? sign : -sign) * (total / count + (number < total % count ? 1 : 0)))
        }
        withTestMemory { memory in
          var a = same(size, depth, columns).arguments()
          a.x = memory.input((0..<size * size * depth).map { $0 % depth < depth / 2 ? 255 : 0 } as [UInt8])
          a.weights = memory.input(weights)
          // What is left is the last digits of the largest sum.
          a.bias = memory.input([Int32](repeating: Int32(-sign * 33_554_380), count: columns))
          a.scale = memory.floats([Float](repeating: 1, count: columns))
          (a.x_zero_point, a.y_zero_point, a.q_max) = (Int32(zeroPoint), 128, 255)
          func call(_ kernel: ek_kernel) -> [UInt8] {
            memory.outputOfAnyPartition(of: kernel, bytes: size * size * columns) { y in
              a.y = y
              return a
            }
          }
          for kernel in kernels {
            #expect((kernel.packed_bytes(&a) > 0) == isTaken)
            if isTaken { expectEqualBytes(call(kernel), call(reference(EK_CONV_U8)), "\(zeroPoint) \(sign * lit) \(dark)") }
          }
        }
      }
    }
  }

  /// Nothing of another form is taken.
  @Test func leavesTheRest() {
    var shapes: [ConvCase] = []
    for change in 0..<9 {
      var shape = same(28, 64, 64)
      switch change {
      case 0: (shape.strideH, shape.strideW) = (2, 2)
      case 1: (shape.dilationH, shape.dilationW) = (2, 2)
      case 2: shape.groups = 2
      case 3: (shape.kh, shape.kw) = (5, 5)
      case 4: shape.cIn = 40
      case 5: shape.cOut = 72
      case 6: shape.winograd = 0
      case 7: shape.winograd = 2
      default: shape.kw = 1
      }
      shapes.append(shape)
    }
    for table in simdTables {
      guard let kernel = table.kernel(EK_CONV_WINOGRAD_U8) else { continue }
      for shape in shapes {
        var arguments = shape.arguments()
        #expect(kernel.units(&arguments) == 0, "\(table.isa) \(shape)")
      }
    }
  }
}
