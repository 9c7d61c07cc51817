import CPlatform
import Testing

@Suite struct U8PoolTests {
  @Test(arguments: baseTables) func arePresent(_ table: KernelTable) {
    for operation in [EK_MAX_POOL_U8, EK_AVERAGE_POOL_U8, EK_REDUCE_U8, EK_SOFTMAX_U8] { #expect(table.kernel(operation) != nil) }
  }

  private func check(_ shape: ConvCase, includePadding: Bool, seed: UInt64) {
    guard shape.isValid else { return }
    var random = SeededRandom(seed)
    let x = random.bytes(shape.n * shape.h * shape.w * (shape.cIn + shape.extraX) - shape.extraX)
    let limits = seed % 3 == 0 ? (20, 200) : (0, 255)
    let zeroX = random.int(0...255), zeroY = random.int(0...255), scale = random.float(0.3...1.5)
    for operation in [EK_MAX_POOL_U8, EK_AVERAGE_POOL_U8] {
      checkU8(
        operation, bytes: shape.n * shape.oh * shape.ow * (shape.cIn + shape.extraY) - shape.extraY,
        "\(shape) include \(includePadding)"
      ) { memory, y in
        var p = ek_pool()
        p.x = memory.input(x)
        p.y = y
        p.n = Int32(shape.n); p.h = Int32(shape.h); p.w = Int32(shape.w); p.c = Int32(shape.cIn)
        p.oh = Int32(shape.oh); p.ow = Int32(shape.ow)
        p.x_stride = Int32(shape.cIn + shape.extraX); p.y_stride = Int32(shape.cIn + shape.extraY)
        p.kh = Int32(shape.kh); p.kw = Int32(shape.kw)
        p.stride_h = Int32(shape.strideH); p.stride_w = Int32(shape.strideW)
        p.dilation_h = Int32(shape.dilationH); p.dilation_w = Int32(shape.dilationW)
        p.pad_top = Int32(shape.padTop); p.pad_left = Int32(shape.padLeft)
        p.pad_bottom = Int32(shape.padBottom); p.pad_right = Int32(shape.padRight)
        p.count_include_pad = includePadding ? 1 : 0
        p.x_zero_point = Int32(zeroX); p.y_zero_point = Int32(zeroY); p.scale = scale
        p.q_min = Int32(limits.0); p.q_max = Int32(limits.1)
        return p
      }
    }
  }

  @Test func channels() {
    for channels in [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 47, 63, 64, 65, 72, 129] {
      check(
        ConvCase(h: 5, w: 6, cIn: channels, kh: 2, kw: 3, padTop: 1, padLeft: 1, padRight: 1, extraX: channels % 2, extraY: 2),
        includePadding: channels % 2 == 0, seed: UInt64(channels))
    }
    check(ConvCase(h: 7, w: 7, cIn: 100, kh: 7, kw: 7), includePadding: false, seed: 1)
  }

  /// Lines long enough for registers that reach into the next pixels; nothing behind the last pixel may be touched.
  @Test func fewChannels() {
    for channels in [1, 2, 3, 6, 8, 11, 15, 16] {
      for width in [3, 9, 30] {
        for (kernel, stride, pad) in [(2, 2, 0), (3, 2, 1), (3, 1, 1), (1, 3, 0)] {
          for extra in [0, 1] {
            check(
              ConvCase(
                n: 2, h: 7, w: width, cIn: channels, kh: kernel, kw: kernel, strideH: stride, strideW: stride, padTop: pad,
                padLeft: pad, padBottom: pad, padRight: pad, extraX: extra),
              includePadding: false, seed: UInt64(channels * width + kernel))
          }
        }
      }
    }
  }

  /// Also windows that lie wholly in the padding.
  @Test func windows() {
    var seed: UInt64 = 0
    for (kh, kw) in [(1, 1), (2, 2), (3, 3), (1, 4), (5, 2)] {
      for (sh, sw) in [(1, 1), (2, 2), (3, 1)] {
        for (dh, dw) in [(1, 1), (2, 3)] {
          for (top, left, bottom, right) in [(0, 0, 0, 0), (1, 1, 1, 1), (2, 3, 4, 5)] {
            for include in [false, true] {
              seed += 1
              check(
                ConvCase(
                  n: 2, h: 6, w: 7, cIn: [3, 20][Int(seed % 2)], kh: kh, kw: kw, strideH: sh, strideW: sw, dilationH: dh,
                  dilationW: dw, padTop: top, padLeft: left, padBottom: bottom, padRight: right),
                includePadding: include, seed: seed)
            }
          }
        }
      }
    }
  }

  @Test(arguments: [EK_REDUCE_MEAN, EK_REDUCE_SUM, EK_REDUCE_MAX, EK_REDUCE_MIN])
  func reductions(function: Int) {
    var random = SeededRandom(UInt64(function))
    for inner in [1, 2, 3, 7, 8, 15, 16, 17, 33, 64, 255, 256, 257, 600] {
      for axis in [1, 2, 5, 16, 49, 100] {
        for outer in [1, 3] {
          let x = random.bytes(outer * axis * inner)
          let xQuant = ek_quant(scale: random.float(0.01...0.1), zero_point: Int32(random.int(0...255)))
          let yQuant = ek_quant(scale: random.float(0.01...0.1), zero_point: Int32(random.int(0...255)))
          checkU8(EK_REDUCE_U8, bytes: outer * inner, "\(outer) x \(axis) x \(inner) function \(function)") { memory, y in
            ek_reduce(
              x: memory.input(x), y: y, outer: Int64(outer), axis: Int64(axis), inner: Int64(inner),
              function: Int32(function), x_quant: xQuant, y_quant: yQuant)
          }
        }
      }
    }
  }

  /// Halves: a mean of two whose sum is odd lies between two bytes.
  @Test func tiesOfMeans() {
    let x: [UInt8] = (0..<256).map { UInt8($0) } + (0..<256).map { _ in 1 }
    checkU8(EK_REDUCE_U8, bytes: 256, "ties") { memory, y in
      ek_reduce(
        x: memory.input(x), y: y, outer: 1, axis: 2, inner: 256, function: Int32(EK_REDUCE_MEAN),
        x_quant: ek_quant(scale: 0.5, zero_point: 0), y_quant: ek_quant(scale: 0.5, zero_point: 0))
    }
  }

  @Test(arguments: [false, true]) func softmax(_ isLog: Bool) {
    var random = SeededRandom(3)
    for inner in [1, 5] {
      for axis in [1, 2, 3, 4, 7, 8, 15, 16, 17, 33, 100, 257] {
        for (scale, range) in [(Float(0.04), 0...255), (0.3, 100...180), (2, 0...255), (0.001, 7...7)] {
          let x = random.bytes(6 * axis * inner, range)
          let quant = isLog ? ek_quant(scale: 0.06, zero_point: 255) : ek_quant(scale: 1 / 256, zero_point: 0)
          checkU8(EK_SOFTMAX_U8, bytes: x.count, "6 x \(axis) x \(inner) scale \(scale)") { memory, y in
            var s = ek_softmax()
            (s.x, s.y, s.outer, s.axis, s.inner) = (memory.input(x), y, 6, Int64(axis), Int64(inner))
            (s.log, s.x_quant, s.y_quant) = (isLog ? 1 : 0, ek_quant(scale: scale, zero_point: 40), quant)
            return s
          }
        }
      }
    }
  }
}
