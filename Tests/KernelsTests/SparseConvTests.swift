import CPlatform
import Testing

/// Every pattern that pruning leaves, from nothing to everything: the share of blocks that are left, outputs by inputs.
private let prunings: [(kept: Double, outputs: Int, inputs: Int)] = [
  (0, 1, 1), (1, 1, 1), (0.1, 1, 1), (0.5, 1, 1), (0.2, 1, 4), (0.1, 1, 8), (0.3, 1, 16), (0.2, 4, 1), (0.1, 8, 1), (0.1, 16, 1),
  (0.2, 16, 4), (0.02, 32, 8),
]
private let forms = [EK_SPARSE_PANELS, EK_SPARSE_PIXELS]

/// Convolutions that leave out zero weights, against the plain reference: bytes are equal, floats within the bound of any order
/// of summation, and equal to the bits of the tiled kernel, whose order they have.
@Suite struct SparseConvTests {
  private func check(_ shape: ConvCase, seed: UInt64 = 1) {
    for form in forms {
      var shape = shape
      shape.sparse = form
      checkConvolution(EK_CONV_SPARSE_F32, shape, seed: seed)
      checkConvolutionU8(EK_CONV_SPARSE_U8, shape, NumbersU8.allCases[Int(seed % UInt64(NumbersU8.allCases.count))], seed: seed)
    }
  }

  private func pruned(_ shape: ConvCase, _ index: Int) -> ConvCase {
    var shape = shape
    let pattern = prunings[index % prunings.count]
    (shape.kept, shape.block) = (pattern.kept, (pattern.outputs, pattern.inputs))
    return shape
  }

  @Test(arguments: plainTables) func isPresent(_ table: KernelTable) {
    #expect((table.kernel(EK_CONV_SPARSE_F32) != nil) == !["sse2", "neondot"].contains(table.isa))
    #expect((table.kernel(EK_CONV_SPARSE_U8) != nil) == !["sse2", "neondot"].contains(table.isa))
  }

  @Test(arguments: prunings.indices) func everyPattern(index: Int) {
    for (rows, cIn, cOut) in [(1, 64, 64), (14, 64, 48), (49, 100, 40), (196, 33, 70), (65, 7, 5)] {
      check(pruned(ConvCase(h: rows, cIn: cIn, cOut: cOut), index), seed: UInt64(rows + index))
    }
  }

  /// Rows and outputs around every tile, inputs around every word, with and without bias and residual.
  @Test(arguments: [1, 2, 3, 4, 5, 19]) func tileEdges(depth: Int) {
    for rows in [1, 2, 3, 4, 6, 7, 8, 13, 14, 15, 16, 17, 23, 28, 31, 33, 47, 63, 65, 97] {
      for columns in [1, 3, 4, 7, 8, 9, 15, 16, 17, 18, 31, 33, 50] {
        let index = rows + columns
        check(
          pruned(ConvCase(n: rows, cIn: depth, cOut: columns, bias: index % 3 != 0, residual: index % 2 == 0), 2 + index % 8),
          seed: UInt64(index))
      }
    }
  }

  /// Pixels apart, clamped, with a residual; the gaps of the result stay as they are.
  @Test func stridesAndClamps() {
    for index in prunings.indices {
      for (extraX, extraY, extraResidual) in [(0, 0, 0), (4, 0, 3), (3, 5, 1), (0, 16, 0)] {
        check(
          pruned(
            ConvCase(
              n: 2, h: 5, w: 7, cIn: 24, cOut: 35, extraX: extraX, extraY: extraY, extraResidual: extraResidual, residual: true,
              clamp: -0.5...1.5), index), seed: UInt64(index * 4 + extraX))
      }
    }
  }

  /// Windows: kernels, strides, dilations, paddings.
  @Test func windows() {
    var seed = 0
    for (kh, kw) in [(1, 1), (3, 3), (1, 5), (2, 2)] {
      for (sh, sw) in [(1, 1), (2, 2), (1, 3)] {
        for (dh, dw) in [(1, 1), (2, 1)] {
          for (top, left, bottom, right) in [(0, 0, 0, 0), (1, 1, 1, 1), (2, 0, 1, 3)] {
            seed += 1
            check(
              pruned(
                ConvCase(
                  n: 1 + seed % 2, h: 9, w: 8, cIn: [3, 8, 17][seed % 3], cOut: [5, 20, 33][seed / 3 % 3], kh: kh, kw: kw, strideH: sh,
                  strideW: sw, dilationH: dh, dilationW: dw, padTop: top, padLeft: left, padBottom: bottom, padRight: right,
                  extraX: seed % 4, residual: seed % 3 == 0), seed), seed: UInt64(seed))
          }
        }
      }
    }
  }

  /// Layers of real networks: several blocks of everything, tiles for deep rows.
  @Test func networkShapes() {
    for (size, cIn, cOut) in [(14, 512, 128), (7, 1024, 160), (28, 64, 128), (7, 2100, 40)] {
      for index in [2, 4, 9] { check(pruned(ConvCase(h: size, w: size, cIn: cIn, cOut: cOut), index), seed: UInt64(size + index)) }
    }
  }

  /// The order of a sum is that of the tiled kernel: so are the bits.
  @Test func hasTheBitsOfTheTiledKernel() {
    for table in plainTables {
      guard let sparse = table.kernel(EK_CONV_SPARSE_F32), let plain = table.kernel(EK_CONV_F32) else { continue }
      for index in prunings.indices {
        for form in forms {
          var shape = pruned(ConvCase(h: 31, cIn: 70, cOut: 37, residual: true, clamp: -1...3), index)
          shape.sparse = form
          var random = SeededRandom(UInt64(index))
          let x = random.floats(31 * 70), bias = random.floats(37), residual = random.floats(31 * 37)
          let weights = shape.pruned(random.floats(37 * 70), &random)
          withTestMemory { memory in
            func call(_ kernel: ek_kernel) -> [UInt8] {
              memory.output(of: kernel, bytes: 31 * 37 * 4) { y in
                var a = shape.arguments()
                a.x = memory.input(x)
                a.weights = memory.input(weights)
                a.bias = memory.input(bias)
                a.residual = memory.input(residual)
                a.y = y
                return a
              }
            }
            expectEqualBytes(call(sparse), call(plain), "\(table.isa) \(shape)")
          }
        }
      }
    }
  }

  /// Packed bytes follow the weights that are left.
  @Test func packsWhatIsLeft() {
    for table in plainTables {
      for operation in [EK_CONV_SPARSE_F32, EK_CONV_SPARSE_U8] {
        guard let kernel = table.kernel(operation) else { continue }
        for form in forms {
          var sizes: [Int64] = []
          for kept in [0, 0.1, 0.5, 1] {
            var shape = ConvCase(h: 14, w: 14, cIn: 256, cOut: 256)
            (shape.sparse, shape.kept, shape.block) = (form, kept, (16, 4))
            var random = SeededRandom(1)
            withTestMemory { memory in
              var a = shape.arguments()
              if kernel.units(&a) == 0 { return }
              a.weights =
                operation == EK_CONV_SPARSE_F32
                ? memory.input(shape.pruned(random.floats(65536, 0.5...1), &random))
                : memory.input(shape.pruned(random.weights(65536, 1...9), &random))
              sizes.append(kernel.packed_bytes(&a))
            }
          }
          for (less, more) in zip(sizes, sizes.dropFirst()) { #expect(less < more, "\(table.isa) \(form) \(sizes)") }
          if let least = sizes.first, let most = sizes.last { #expect(least * 10 < most, "\(table.isa) \(form) \(sizes)") }
        }
      }
    }
  }

  /// Groups and weights with a zero point, for which a zero is not nothing, are left to the plain kernels.
  @Test func leavesTheRest() {
    for table in plainTables {
      for operation in [EK_CONV_SPARSE_F32, EK_CONV_SPARSE_U8] {
        guard let kernel = table.kernel(operation) else { continue }
        var a = ConvCase(h: 4, w: 4, cIn: 8, cOut: 8).arguments()
        a.sparse = Int32(EK_SPARSE_PANELS)
        #expect(kernel.units(&a) > 0)
        a.groups = 2
        #expect(kernel.units(&a) == 0)
        a.groups = 1
        a.sparse = 0
        #expect(kernel.units(&a) == 0)
        a.sparse = Int32(EK_SPARSE_PANELS)
        a.w_zero_point = 1
        #expect(kernel.units(&a) == 0)
      }
    }
  }
}
