import CPlatform
import Testing

// The scalar kernels of training against their definitions in double.

@Suite struct ReferenceTrainingTests {
  // MARK: Convolution

  @Test func weightGradient() {
    var cases: [ConvCase] = []
    for (cIn, cOut, groups) in [(1, 3, 1), (3, 5, 1), (4, 6, 2), (5, 5, 5)] {
      for (kernel, stride, dilation, padding) in [(1, 1, 1, 0), (3, 1, 1, 1), (3, 2, 1, 1), (2, 1, 2, 2), (3, 3, 1, 2)] {
        var c = ConvCase(n: 2, h: 6, w: 5, cIn: cIn, cOut: cOut, groups: groups)
        (c.kh, c.kw, c.strideH, c.strideW) = (kernel, kernel, stride, stride)
        (c.dilationH, c.dilationW, c.padTop, c.padLeft, c.padBottom, c.padRight) = (dilation, dilation, padding, padding, padding, padding)
        (c.extraX, c.extraY) = (kernel, stride)
        cases.append(c)
      }
    }
    for c in cases where c.isValid {
      var random = SeededRandom(9)
      let (xStride, yStride, depth) = (c.cIn + c.extraX, c.cOut + c.extraY, c.cIn / c.groups)
      let x = random.floats(c.n * c.h * c.w * xStride), dy = random.floats(c.n * c.oh * c.ow * yStride)
      let actual: [Float] = elements(
        withTestMemory { memory in
          var a = c.arguments()
          a.x = memory.input(x)
          a.weights = memory.input(dy)
          return memory.outputOfAnyPartition(of: reference(EK_CONV_WEIGHT_GRADIENT_F32), bytes: c.cOut * c.kh * c.kw * depth * 4) { y in
            a.y = y
            return a
          }
        })
      for place in coordinates([c.cOut, c.kh, c.kw, depth]) {
        let (o, ky, kx, i) = (place[0], place[1], place[2], place[3])
        var sum = 0.0
        var magnitude: Float = 0
        for pixel in coordinates([c.n, c.oh, c.ow]) {
          let row = pixel[1] * c.strideH + ky * c.dilationH - c.padTop, column = pixel[2] * c.strideW + kx * c.dilationW - c.padLeft
          guard row >= 0, row < c.h, column >= 0, column < c.w else { continue }
          let value = x[((pixel[0] * c.h + row) * c.w + column) * xStride + o / (c.cOut / c.groups) * depth + i]
          let gradient = dy[((pixel[0] * c.oh + pixel[1]) * c.ow + pixel[2]) * yStride + o]
          sum += Double(value) * Double(gradient)
          magnitude += abs(value * gradient)
        }
        let index = ((o * c.kh + ky) * c.kw + kx) * depth + i
        #expect(abs(Double(actual[index]) - sum) <= sumBound(c.n * c.oh * c.ow, magnitude), "\(c) \(place)")
      }
    }
  }

  // MARK: Pools

  private func poolGradient(_ pool: ek_pool, isMax: Bool, _ x: [Float], _ dy: [Float]) -> [Float] {
    elements(
      withTestMemory { memory in
        var a = ek_pool_gradient()
        a.pool = pool
        a.is_max = isMax ? 1 : 0
        a.dy = memory.floats(dy)
        a.pool.x = isMax ? memory.input(x) : nil
        return memory.outputOfAnyPartition(of: reference(EK_POOL_GRADIENT_F32), bytes: x.count * 4) { y in
          a.pool.y = y
          return a
        }
      })
  }

  /// Sums of dy, or of its shares, pixel by pixel.
  @Test func poolGradients() {
    for (kernel, stride, padding, includePad) in [(2, 2, 0, false), (3, 2, 1, false), (3, 1, 1, true), (2, 3, 1, true), (4, 4, 0, false)] {
      var p = ek_pool()
      (p.n, p.h, p.w, p.c, p.x_stride, p.y_stride) = (2, 7, 6, 3, 3, 3)
      (p.kh, p.kw, p.stride_h, p.stride_w) = (Int32(kernel), Int32(kernel), Int32(stride), Int32(stride))
      (p.pad_top, p.pad_left, p.pad_bottom, p.pad_right) = (Int32(padding), Int32(padding), Int32(padding), Int32(padding))
      (p.dilation_h, p.dilation_w, p.count_include_pad) = (1, 1, includePad ? 1 : 0)
      (p.oh, p.ow) = ((7 + 2 * p.pad_top - p.kh) / p.stride_h + 1, (6 + 2 * p.pad_left - p.kw) / p.stride_w + 1)
      var random = SeededRandom(3)
      // Few values: many windows have equal maxima.
      let x = (0..<2 * 7 * 6 * 3).map { _ in Float(random.int(0...3)) }
      let dy = random.floats(2 * Int(p.oh) * Int(p.ow) * 3)
      for isMax in [true, false] {
        var expected = [Float](repeating: 0, count: x.count)
        for place in coordinates([2, Int(p.oh), Int(p.ow), 3]) {
          var pixels: [Int] = []
          var padded = 0
          for tap in coordinates([kernel, kernel]) {
            let row = place[1] * stride + tap[0] - padding, column = place[2] * stride + tap[1] - padding
            if row < 7 + padding, column < 6 + padding { padded += 1 }
            if row >= 0, row < 7, column >= 0, column < 6 { pixels.append(((place[0] * 7 + row) * 6 + column) * 3 + place[3]) }
          }
          let gradient = dy[((place[0] * Int(p.oh) + place[1]) * Int(p.ow) + place[2]) * 3 + place[3]]
          if isMax {
            let best = pixels.map { x[$0] }.max()
            if let first = pixels.first(where: { x[$0] == best }) { expected[first] += gradient }
          } else {
            for pixel in pixels { expected[pixel] += gradient / Float(includePad ? padded : pixels.count) }
          }
        }
        #expect(poolGradient(p, isMax: isMax, x, dy) == expected, "\(kernel) \(stride) \(padding) \(isMax)")
      }
    }
  }

  @Test func theFirstNaNIsTheMaximum() {
    var p = ek_pool()
    (p.n, p.h, p.w, p.c, p.x_stride, p.y_stride, p.oh, p.ow) = (1, 1, 4, 1, 1, 1, 1, 1)
    (p.kh, p.kw, p.stride_h, p.stride_w, p.dilation_h, p.dilation_w) = (1, 4, 1, 1, 1, 1)
    #expect(poolGradient(p, isMax: true, [9, .nan, .nan, 10], [2]) == [0, 2, 0, 0])
    #expect(poolGradient(p, isMax: true, [-.infinity, -.infinity, -.infinity, -.infinity], [2]) == [2, 0, 0, 0])
  }

  // MARK: Statistics

  @Test func slotOfTheGradientIsThatOfItsPointer() {
    #expect(MemoryLayout<ek_pool_gradient>.offset(of: \.dy) == Int(EK_POOL_GRADIENT_DY) * MemoryLayout<UnsafeRawPointer>.size)
  }

  @Test func channelStatistics() {
    for (rows, c, blockCount) in [(1, 1, 1), (5, 17, 1), (70, 3, 4), (9, 40, 8), (6, 2, 5)] {
      var random = SeededRandom(7)
      let x = random.floats(rows * c, 1...3), dy = random.floats(rows * c), mean = random.floats(c, 1...3)
      let scale = random.floats(c), bias = random.floats(c), variance = random.floats(c, 0.1...2)
      func column(_ values: [Float], _ channel: Int) -> [Double] { (0..<rows).map { Double(values[$0 * c + channel]) } }

      for function in [EK_SUMS_MEAN, EK_SUMS_VARIANCE, EK_SUMS_GRADIENT] {
        let count = function == EK_SUMS_GRADIENT ? 2 : 1
        let sums: [Float] = elements(
          withTestMemory { memory in
            var a = ek_channel_sums()
            (a.rows, a.c, a.blocks, a.function) = (Int64(rows), Int32(c), Int32(blockCount), Int32(function))
            a.x = memory.floats(x)
            if function != EK_SUMS_MEAN { a.mean = memory.floats(mean) }
            if count == 2 { a.dy = memory.floats(dy) }
            return memory.outputOfAnyPartition(of: reference(EK_CHANNEL_SUMS_F32), bytes: blockCount * count * c * 4) { y in
              a.y = y.assumingMemoryBound(to: Float.self)
              return a
            }
          })
        // The blocks are what the header says they are.
        let blockRows = (rows + blockCount - 1) / blockCount
        func terms(_ channel: Int, _ index: Int, _ range: Range<Int>) -> [Double] {
          range.map {
            let (value, gradient) = (Double(x[$0 * c + channel]), Double(dy[$0 * c + channel]))
            let centered = value - Double(mean[channel])
            switch function {
            case EK_SUMS_MEAN: return value
            case EK_SUMS_VARIANCE: return centered * centered
            default: return index == 0 ? gradient : gradient * centered
            }
          }
        }
        for place in coordinates([blockCount, count, c]) {
          let first = min(place[0] * blockRows, rows)
          let expected = terms(place[2], place[1], first..<min(first + blockRows, rows))
          // A term has three roundings of its own.
          let bound = sumBound(expected.count + 3, Float(expected.map(abs).reduce(0, +)))
          #expect(abs(Double(sums[(place[0] * count + place[1]) * c + place[2]]) - expected.reduce(0, +)) <= bound)
        }

        // Three results between canaries, one after the other.
        let results: [Float] = elements(
          withTestMemory { memory in
            var a = ek_channel_combine()
            (a.rows, a.c, a.blocks, a.function, a.epsilon) = (Int64(rows), Int32(c), Int32(blockCount), Int32(function), 0.25)
            a.sums = memory.floats(sums)
            if count == 2 { (a.scale, a.mean, a.variance) = (memory.floats(scale), memory.floats(mean), memory.floats(variance)) }
            return memory.outputOfAnyPartition(of: reference(EK_CHANNEL_COMBINE_F32), bytes: (count == 2 ? 5 : 1) * c * 4) { y in
              a.y0 = y.assumingMemoryBound(to: Float.self)
              if count == 2 { (a.y1, a.factors) = (a.y0 + c, a.y0 + 2 * c) }
              return a
            }
          })
        for channel in 0..<c {
          let all = (0..<count).map { terms(channel, $0, 0..<rows).reduce(0, +) }
          // Sums of that many roundings, and up to 24 after them, of numbers below this.
          let tolerance = Double(rows + 24) * 0x1p-24 * Double(8 * rows + 32)
          guard count == 2 else {
            #expect(abs(Double(results[channel]) - all[0] / Double(rows)) <= tolerance)
            continue
          }
          let s = 1 / (Double(variance[channel]) + 0.25).squareRoot(), n = Double(rows), own = Double(scale[channel])
          let f1 = -own * s * s * s * all[1] / n
          let expected = [all[1] * s, all[0], own * s, f1, -own * s * all[0] / n - f1 * Double(mean[channel])]
          for (index, value) in expected.enumerated() { #expect(abs(Double(results[index * c + channel]) - value) <= tolerance) }
        }
      }

      let factors: [Float] = elements(
        withTestMemory { memory in
          var a = ek_channel_combine()
          (a.c, a.function, a.epsilon) = (Int32(c), Int32(EK_SUMS_NONE), 0.25)
          (a.scale, a.bias, a.mean, a.variance) = (memory.floats(scale), memory.floats(bias), memory.floats(mean), memory.floats(variance))
          return memory.outputOfAnyPartition(of: reference(EK_CHANNEL_COMBINE_F32), bytes: 3 * c * 4) { y in
            a.factors = y.assumingMemoryBound(to: Float.self)
            return a
          }
        })
      for withZ in [false, true] {
        let y: [Float] = elements(
          withTestMemory { memory in
            var a = ek_channel_affine()
            (a.rows, a.c, a.clamp_min, a.clamp_max) = (Int64(rows), Int32(c), -0.5, 0.75)
            a.x = memory.floats(x)
            if withZ { a.z = memory.floats(dy) }
            a.factors = memory.floats(withZ ? factors.map { $0 == 0 ? 2 : $0 } : factors)
            return memory.outputOfAnyPartition(of: reference(EK_CHANNEL_AFFINE_F32), bytes: rows * c * 4) { y in
              a.y = y.assumingMemoryBound(to: Float.self)
              return a
            }
          })
        for channel in 0..<c {
          for (row, value) in column(x, channel).enumerated() {
            let s = (Double(variance[channel]) + 0.25).squareRoot()
            var expected = (value - Double(mean[channel])) / s * Double(scale[channel]) + Double(bias[channel])
            if withZ { expected += 2 * Double(dy[row * c + channel]) }
            expected = min(max(expected, -0.5), 0.75)
            // Eight roundings of numbers below 8.
            #expect(abs(Double(y[row * c + channel]) - expected) <= 0x1p-18)
          }
        }
      }
    }
  }

  // MARK: Updates

  @Test(arguments: 0..<5) func optimizerStep(_ kind: Int) {
    let count = 4100
    var random = SeededRandom(5)
    let w = random.floats(count), g = random.floats(count), m = random.floats(count, 0.1...1), v = random.floats(count, 0.1...1)
    let rates: [Float] = [0.125, 0.9, 0.75, 0.01, 0.2, 0.5, 0.4, .nan]
    for factor in [nil, Float(0.5)] {
      let hasTwo = kind == 2 || kind == 3
      let results: [Float] = elements(
        withTestMemory { memory in
          var a = ek_optimizer_step()
          (a.count, a.kind, a.rate, a.decay) = (Int64(count), Int32(kind), 0.5, 2)
          (a.w, a.g, a.rates, a.m) = (memory.floats(w), memory.floats(g), memory.floats(rates), memory.floats(m))
          if hasTwo { a.v = memory.floats(v) }
          if let factor { a.factor = memory.floats([factor]) }
          return memory.outputOfAnyPartition(of: reference(EK_OPTIMIZER_STEP_F32), bytes: (hasTwo ? 3 : 2) * count * 4) { y in
            a.w_out = y.assumingMemoryBound(to: Float.self)
            a.m_out = a.w_out + count
            if hasTwo { a.v_out = a.w_out + 2 * count }
            return a
          }
        })
      for i in 0..<count {
        let (l, d, b1, b2, e) = (0.0625, 0.4, Double(rates[1]), 0.75, Double(rates[3]))
        var (w, g, m, v) = (Double(w[i]), Double(g[i]) * Double(factor ?? 1), Double(m[i]), Double(v[i]))
        if kind == 3 { w -= l * d * w } else { g += d * w }
        switch kind {
        case 0:
          m = b1 * m + g
          w -= l * m
        case 1:
          m = b1 * m + g
          w -= l * (g + b1 * m)
        case 4:
          m = b2 * m + (1 - b2) * g * g
          w -= l * g / (m.squareRoot() + e)
        default:
          m = b1 * m + (1 - b1) * g
          v = b2 * v + (1 - b2) * g * g
          w -= l * (m / 0.5) / ((v / Double(rates[6])).squareRoot() + e)
        }
        let expected = hasTwo ? [w, m, v] : [w, m]
        for (index, value) in expected.enumerated() {
          // Sixteen roundings of numbers up to 2.
          #expect(abs(Double(results[index * count + i]) - value) <= 0x1p-20, "kind \(kind), result \(index)")
        }
      }
    }
  }

  @Test func randomNumbersAreFunctionsOfTheirPlace() {
    // SplitMix64 adds its constant before it mixes.
    func mixed(_ value: UInt64) -> UInt64 {
      var random = SeededRandom(value &- 0x9E37_79B9_7F4A_7C15)
      return random.next()
    }
    for (seed, number) in [(Int64(0), Int64(0)), (1, 0), (0, 1), (-5, 1 << 40)] {
      let y: [Float] = elements(
        withTestMemory { memory in
          var a = ek_random()
          (a.count, a.seed) = (5000, seed)
          a.number = memory.input([number]).assumingMemoryBound(to: Int64.self)
          return memory.outputOfAnyPartition(of: reference(EK_RANDOM_F32), bytes: 20000) { y in
            a.y = y.assumingMemoryBound(to: Float.self)
            return a
          }
        })
      let start = mixed(UInt64(bitPattern: seed) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(bitPattern: number))
      for i in 0..<5000 { #expect(y[i] == Float(mixed(start &+ UInt64(i)) >> 40) * 0x1p-24) }
      #expect(abs(y.reduce(0, +) / 5000 - 0.5) < 0.02)
    }
  }

  // MARK: Gate

  @Test func gate() {
    let a: [Float] = [1, 2, 3, 4, 5, 6, .nan, 7]
    let b: [Float] = [-1, 0, 0.5, 6, .nan, 5.9, 1, .infinity]
    for kernel in availableTables.compactMap({ $0.kernel(EK_BINARY_F32) }) {
      let y: [Float] = elements(
        withTestMemory { memory in
          var args = ek_binary()
          (args.rank, args.function, args.clamp_min, args.clamp_max) = (1, Int32(EK_BINARY_GATE), 0, 6)
          (args.dims, args.a_stride, args.b_stride, args.end) = (tuple8([8]), tuple8([1]), tuple8([1]), 8)
          (args.a, args.b) = (memory.input(a), memory.input(b))
          return memory.output(of: kernel, bytes: 32) { y in
            args.y = y
            return args
          }
        })
      #expect(y[..<6] == [0, 0, 3, 0, 0, 6] && y[6].isNaN && y[7] == 0)
    }
  }
}
