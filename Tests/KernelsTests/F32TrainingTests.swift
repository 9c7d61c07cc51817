import CPlatform
import Testing

/// Kernels of training that are no convolutions. All but the sums give the reference's bits.
@Suite struct F32TrainingTests {
  private static let channelCounts = [1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 20, 21, 31, 32, 33, 48, 50, 63, 64, 65, 80, 100, 128, 130]

  @Test(arguments: simdTables.filter { !["avx512bf16", "neondot"].contains($0.isa) }) func arePresent(_ table: KernelTable) {
    for operation in [EK_POOL_GRADIENT_F32, EK_CHANNEL_SUMS_F32, EK_CHANNEL_COMBINE_F32, EK_CHANNEL_AFFINE_F32, EK_OPTIMIZER_STEP_F32] {
      #expect(table.kernel(operation) != nil)
    }
    #expect(table.kernel(EK_RANDOM_F32) != nil || !table.isa.hasPrefix("avx"))
  }

  // MARK: Channels

  @Test func channelSums() {
    for c in Self.channelCounts {
      for (rows, blocks) in [(1, 1), (3, 2), (77, 4), (130, 1), (6, 5), (500, 7)] {
        for function in [EK_SUMS_MEAN, EK_SUMS_VARIANCE, EK_SUMS_GRADIENT] {
          var random = SeededRandom(UInt64(c * rows))
          let x = random.floats(rows * c), dy = random.floats(rows * c), mean = random.floats(c)
          let sums = function == EK_SUMS_GRADIENT ? 2 : 1
          func call(_ kernel: ek_kernel, magnitudes: Bool = false) -> [Float] {
            withTestMemory { memory in
              var a = ek_channel_sums()
              (a.rows, a.c, a.blocks, a.function) = (Int64(rows), Int32(c), Int32(blocks), Int32(function))
              a.x = memory.floats(magnitudes ? x.map { abs($0) } : x)
              // |x - mean| is at most |x| + |mean|.
              if function != EK_SUMS_MEAN { a.mean = memory.floats(magnitudes ? mean.map { -abs($0) } : mean) }
              if sums == 2 { a.dy = memory.floats(magnitudes ? dy.map { abs($0) } : dy) }
              func build(_ y: UnsafeMutableRawPointer) -> ek_channel_sums {
                var b = a
                b.y = y.assumingMemoryBound(to: Float.self)
                return b
              }
              return elements(memory.outputOfAnyPartition(of: kernel, bytes: blocks * sums * c * 4, misalignment: 4, build))
            }
          }
          let expected = call(reference(EK_CHANNEL_SUMS_F32)), magnitude = call(reference(EK_CHANNEL_SUMS_F32), magnitudes: true)
          for table in simdTables {
            guard let kernel = table.kernel(EK_CHANNEL_SUMS_F32) else { continue }
            // A term has up to three roundings of its own: of both differences and of their product.
            expectClose(call(kernel), expected, "\(table.isa) sums \(function) \(rows)x\(c)") { sumBound((rows + blocks - 1) / blocks + 3, magnitude[$0]) }
          }
        }
      }
    }
  }

  @Test func channelCombine() {
    for c in Self.channelCounts {
      for blocks in [1, 2, 7] {
        for function in [EK_SUMS_MEAN, EK_SUMS_VARIANCE, EK_SUMS_GRADIENT, EK_SUMS_NONE] {
          var random = SeededRandom(UInt64(c * blocks))
          let sums = random.floats(2 * blocks * c), scale = random.floats(c), bias = random.floats(c), mean = random.floats(c)
          let variance = random.floats(c, 0...2)
          let isStatistic = function == EK_SUMS_MEAN || function == EK_SUMS_VARIANCE
          /// Results, one behind the other.
          func call(_ kernel: ek_kernel) -> [UInt8] {
            withTestMemory { memory in
              var a = ek_channel_combine()
              (a.rows, a.c, a.blocks, a.function, a.epsilon) = (1000, Int32(c), Int32(blocks), Int32(function), 1e-3)
              if function != EK_SUMS_NONE { a.sums = memory.floats(Array(sums.prefix((function == EK_SUMS_GRADIENT ? 2 : 1) * blocks * c))) }
              if !isStatistic {
                a.scale = memory.floats(scale)
                a.mean = memory.floats(mean)
                a.variance = memory.floats(variance)
              }
              if function == EK_SUMS_NONE { a.bias = memory.floats(bias) }
              func build(_ y: UnsafeMutableRawPointer) -> ek_channel_combine {
                var b = a
                let out = y.assumingMemoryBound(to: Float.self)
                if function != EK_SUMS_NONE { b.y0 = out }
                if function == EK_SUMS_GRADIENT { b.y1 = out + c }
                if !isStatistic { b.factors = out + 2 * c }
                return b
              }
              return memory.outputOfAnyPartition(of: kernel, bytes: (isStatistic ? 1 : 5) * c * 4, misalignment: 4, build)
            }
          }
          let expected = call(reference(EK_CHANNEL_COMBINE_F32))
          for table in simdTables {
            guard let kernel = table.kernel(EK_CHANNEL_COMBINE_F32) else { continue }
            #expect(call(kernel) == expected, "\(table.isa) combine \(function) \(c) \(blocks)")
          }
        }
      }
    }
  }

  @Test func channelAffine() {
    for c in Self.channelCounts {
      for rows in [1, 2, 3, 77, 1000] {
        for (clamp, hasZ) in [(-Float.infinity ... .infinity, false), (0 ... .infinity, false), (-.infinity ... .infinity, true), (-1...0.5, true)] {
          var random = SeededRandom(UInt64(c * rows))
          let x = random.floats(rows * c), z = random.floats(rows * c), factors = random.floats(3 * c)
          func call(_ kernel: ek_kernel, inPlace: Bool) -> [UInt8] {
            withTestMemory { memory in
              var a = ek_channel_affine()
              (a.rows, a.c, a.clamp_min, a.clamp_max) = (Int64(rows), Int32(c), clamp.lowerBound, clamp.upperBound)
              a.factors = memory.floats(factors)
              if hasZ { a.z = memory.floats(z) }
              a.x = memory.floats(x)
              func build(_ y: UnsafeMutableRawPointer) -> ek_channel_affine {
                var b = a
                b.y = y.assumingMemoryBound(to: Float.self)
                if inPlace { b.x = UnsafePointer(b.y) }
                return b
              }
              return memory.outputOfAnyPartition(of: kernel, bytes: rows * c * 4, initial: inPlace ? bytes(of: x) : nil, misalignment: 4, build)
            }
          }
          let expected = call(reference(EK_CHANNEL_AFFINE_F32), inPlace: false)
          for table in simdTables {
            guard let kernel = table.kernel(EK_CHANNEL_AFFINE_F32) else { continue }
            #expect(call(kernel, inPlace: false) == expected, "\(table.isa) \(rows)x\(c)")
            #expect(call(kernel, inPlace: true) == expected, "\(table.isa) \(rows)x\(c) in place")
          }
        }
      }
    }
  }

  // MARK: Updates

  @Test(arguments: 0..<5) func optimizerStep(_ kind: Int) {
    for count in [1, 3, 7, 8, 15, 16, 17, 33, 4095, 4096, 4097, 9000] {
      for hasFactor in [false, true] {
        var random = SeededRandom(UInt64(count))
        let w = random.floats(count), g = random.floats(count), m = random.floats(count), v = random.floats(count, 0...1)
        let isAdam = kind == 2 || kind == 3
        /// The new parameters, first and second moments, one behind the other.
        func call(_ kernel: ek_kernel, inPlace: Bool) -> [UInt8] {
          withTestMemory { memory in
            var a = ek_optimizer_step()
            (a.count, a.kind, a.rate, a.decay) = (Int64(count), Int32(kind), 0.5, 2)
            a.rates = memory.floats([0.01, 0.9, 0.99, 1e-6, 0.03, 0.1, 0.05, 0])
            if hasFactor { a.factor = memory.floats([0.7]) }
            a.w = memory.floats(w)
            a.g = memory.floats(g)
            a.m = memory.floats(m)
            if isAdam { a.v = memory.floats(v) }
            func build(_ y: UnsafeMutableRawPointer) -> ek_optimizer_step {
              var b = a
              b.w_out = y.assumingMemoryBound(to: Float.self)
              b.m_out = b.w_out + count
              if isAdam { b.v_out = b.m_out + count }
              if inPlace {
                (b.w, b.m) = (UnsafePointer(b.w_out), UnsafePointer(b.m_out))
                if isAdam { b.v = UnsafePointer(b.v_out) }
              }
              return b
            }
            let old = w + m + (isAdam ? v : [])
            return memory.outputOfAnyPartition(of: kernel, bytes: old.count * 4, initial: inPlace ? bytes(of: old) : nil, misalignment: 4, build)
          }
        }
        let expected = call(reference(EK_OPTIMIZER_STEP_F32), inPlace: false)
        for table in simdTables {
          guard let kernel = table.kernel(EK_OPTIMIZER_STEP_F32) else { continue }
          #expect(call(kernel, inPlace: false) == expected, "\(table.isa) \(count) \(hasFactor)")
          #expect(call(kernel, inPlace: true) == expected, "\(table.isa) \(count) \(hasFactor) in place")
        }
      }
    }
  }

  /// A mean of squares that overflows would stop its parameter for good, which shows in the parameter: it is NaN, and no other is.
  @Test(arguments: 0..<5) func overflowingSquaresReachTheirParameter(_ kind: Int) {
    let (count, place) = (19, 7)
    let hasTwo = kind == 2 || kind == 3
    for kernel in [reference(EK_OPTIMIZER_STEP_F32)] + simdTables.compactMap({ $0.kernel(EK_OPTIMIZER_STEP_F32) }) {
      let results: [Float] = elements(
        withTestMemory { memory in
          var a = ek_optimizer_step()
          (a.count, a.kind, a.rate) = (Int64(count), Int32(kind), 1)
          a.rates = memory.floats([0.01, 0.9, 0.99, 1e-6, 0, 0.1, 0.01, 0])
          a.w = memory.floats([Float](repeating: -0.0, count: count))
          a.g = memory.floats((0..<count).map { $0 == place ? 1e25 : 0 })
          a.m = memory.floats([Float](repeating: 0, count: count))
          if hasTwo { a.v = memory.floats([Float](repeating: 0, count: count)) }
          return memory.outputOfAnyPartition(of: kernel, bytes: (hasTwo ? 3 : 2) * count * 4) { y in
            a.w_out = y.assumingMemoryBound(to: Float.self)
            a.m_out = a.w_out + count
            if hasTwo { a.v_out = a.w_out + 2 * count }
            return a
          }
        })
      for index in 0..<count {
        // The others keep their bits, with the sign of a zero, which only AdamW's decay takes.
        let kept = kind == 3 ? Float(0).bitPattern : Float(-0.0).bitPattern
        #expect(index == place ? results[index].isNaN == (kind >= 2) : results[index].bitPattern == kept)
      }
      if kind >= 2 { #expect(results[(kind == 4 ? 1 : 2) * count + place] == .infinity) }
    }
  }

  // MARK: Pools

  @Test(arguments: [false, true]) func poolGradient(_ isMax: Bool) {
    var seed: UInt64 = 0
    for channels: Int32 in [1, 3, 8, 15, 16, 17, 40] {
      for (kh, kw): (Int32, Int32) in [(1, 1), (2, 2), (3, 3), (7, 8), (2, 3)] {
        for (sh, sw): (Int32, Int32) in [(1, 1), (2, 2), (3, 1), (2, 3)] {
          for (before, after): (Int32, Int32) in [(0, 0), (1, 1), (0, 1), (9, 9)] {
            for dilation: Int32 in [1, 2] {
              seed += 1
              var p = ek_pool()
              (p.n, p.h, p.w, p.c, p.x_stride, p.y_stride) = (2, 7, 8, channels, channels, channels)
              (p.kh, p.kw, p.stride_h, p.stride_w, p.dilation_h, p.dilation_w) = (kh, kw, sh, sw, dilation, dilation)
              (p.pad_top, p.pad_left, p.pad_bottom, p.pad_right) = (before, before, after, after)
              p.count_include_pad = Int32(seed % 2)
              let rows = p.h + before + after - dilation * (kh - 1) - 1, columns = p.w + before + after - dilation * (kw - 1) - 1
              if rows < 0 || columns < 0 { continue }
              (p.oh, p.ow) = (rows / sh + 1, columns / sw + 1)
              checkPool(p, isMax, seed)
            }
          }
        }
      }
    }
  }

  private func checkPool(_ p: ek_pool, _ isMax: Bool, _ seed: UInt64) {
    var random = SeededRandom(seed)
    let count = Int(p.n * p.h * p.w * p.c)
    // Few values make equal maxima.
    var x = seed % 3 == 0 ? random.floats(count) : (0..<count).map { _ in Float(random.int(0...3)) }
    if seed % 4 == 0 { for i in stride(from: 0, to: count, by: 11) { x[i] = .nan } }
    var dy = random.floats(Int(p.n * p.oh * p.ow * p.c))
    for i in stride(from: 0, to: dy.count, by: 5) { dy[i] = -0.0 }
    func call(_ kernel: ek_kernel) -> [UInt8] {
      withTestMemory { memory in
        var a = ek_pool_gradient()
        a.pool = p
        a.is_max = isMax ? 1 : 0
        if isMax { a.pool.x = memory.input(x) }
        a.dy = memory.floats(dy)
        return memory.outputOfAnyPartition(of: kernel, bytes: count * 4, misalignment: 4) { y in
          var b = a
          b.pool.y = y
          return b
        }
      }
    }
    let expected = call(reference(EK_POOL_GRADIENT_F32))
    for table in simdTables {
      guard let kernel = table.kernel(EK_POOL_GRADIENT_F32) else { continue }
      #expect(call(kernel) == expected, "\(table.isa) \(p)")
    }
  }

  // MARK: Random numbers

  @Test func randomNumbers() {
    for count in [1, 7, 8, 9, 15, 16, 17, 4096, 4097, 9001] {
      for (seed, number): (Int64, Int64) in [(0, 0), (1, 5), (-7, 1 << 40), (.max, .min)] {
        func call(_ kernel: ek_kernel) -> [UInt8] {
          withTestMemory { memory in
            var a = ek_random()
            (a.count, a.seed) = (Int64(count), seed)
            a.number = memory.input([number]).assumingMemoryBound(to: Int64.self)
            return memory.outputOfAnyPartition(of: kernel, bytes: count * 4, misalignment: 4) { y in
              var b = a
              b.y = y.assumingMemoryBound(to: Float.self)
              return b
            }
          }
        }
        let expected = call(reference(EK_RANDOM_F32))
        for table in simdTables {
          guard let kernel = table.kernel(EK_RANDOM_F32) else { continue }
          #expect(call(kernel) == expected, "\(table.isa) \(count) \(seed)")
        }
      }
    }
  }
}
