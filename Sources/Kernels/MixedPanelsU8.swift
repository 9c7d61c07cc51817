#if ISA_AVX2
import CPlatform
import _Builtin_intrinsics.intel

// Panels of int8 weights for AVX2, whose product of bytes (vpmaddubsw) sums two neighbouring ones in Int16, with saturation:
// four products of a lane in three instructions, as fast as vpmaddwd's Int16 could ever be, because only two of the four pipes
// multiply. It is exact for every activation where no two weights of a pair and of one sign add up to more than 128: 255 * 128
// is below 2^15. A step of four activations is multiplied as bytes where all pairs of a panel's columns are so, if need be in
// another of three orders that pair them differently, and else as two pairs of Int16. Rows are there in all these forms, and
// lists say where a row's four are that a step takes.
//
// A panel: corrections and scales as in any (BlockU8.swift), what limits results, `MixedHead`, for each step the offset of its
// four activations, then the weights. Steps of bytes fill both lists from the front, those of words from the end.

/// What a panel is made of.
struct MixedHead {
  /// Steps of each kind.
  var bytes: Int32 = 0, words: Int32 = 0
  /// Of the first panel of a group: any panel has steps of that kind, or of bytes in another order than they have.
  var anyBytes: Int32 = 0, anyWords: Int32 = 0, anyOrdered: Int32 = 0
  /// No sum times its scale is beyond Int32, where conversion would make the least number of a large one.
  var isTame: Int32 = 0
}

/// Where a row's steps of four activations are: in `runs` runs of `length` bytes, each filled up to whole steps, that begin
/// `distance` bytes apart. The rows of another order are `orderDistance` bytes further.
struct MixedRow {
  let runs: Int, length: Int, distance: Int, orderDistance: Int
  let orders: Int
}

/// Where the parts of a panel are; `steps` counts pairs, as many as rows are filled up to.
struct MixedPanel {
  let start: UnsafeMutableRawPointer
  let fours: Int

  @inline(__always) init(_ start: UnsafeRawPointer, _ steps: Int) {
    self.start = UnsafeMutableRawPointer(mutating: start)
    fours = steps / 2
  }

  @inline(__always) private static func weightsOffset(_ fours: Int) -> Int {
    8 &* panelWidth &+ 128 &+ roundedUp(4 &* fours, 32)
  }
  @inline(__always) static func size(_ steps: Int) -> Int { weightsOffset(steps / 2) &+ 2 &* steps &* 2 &* panelWidth }

  @inline(__always) var head: UnsafeMutablePointer<MixedHead> {
    (start + (8 &* panelWidth &+ 96)).assumingMemoryBound(to: MixedHead.self)
  }
  @inline(__always) var places: UnsafeMutablePointer<UInt32> {
    (start + (8 &* panelWidth &+ 128)).assumingMemoryBound(to: UInt32.self)
  }
  @inline(__always) var weights: UnsafeMutablePointer<VI> {
    (start + Self.weightsOffset(fours)).assumingMemoryBound(to: VI.self)
  }

  /// What results are limited by: in registers of their own, which are taken from memory. `head` and scales are there.
  /// `residualScale`: 0 without residual.
  func setLimits(zeroPoint: Int32, low: Int32, high: Int32, residualScale: Float) {
    let limits = (start + 8 &* panelWidth).assumingMemoryBound(to: VF.self)
    limits[0] = VF(repeating: Float(high &- zeroPoint))
    @inline(__always) func words(_ value: Int32) -> VF { unsafeBitCast(_mm256_set1_epi16(Int16(truncatingIfNeeded: value)), to: VF.self) }
    limits[1] = words(zeroPoint)
    limits[2] = words(low)
    // A sum is less than 2^31; half of it and as much of a residual are together.
    var isTame = residualScale.magnitude < 0x1p22
    let scales = (start + 4 &* panelWidth).assumingMemoryBound(to: Float.self)
    var column = 0
    while column < panelWidth {
      if !(scales[column].magnitude < 0.25) { isTame = false }
      column &+= 1
    }
    head.pointee.isTame = isTame && high == 255 ? 1 : 0
  }

  /// All weights are words, which the caller puts behind each other.
  func allWords() {
    head.pointee = MixedHead(words: Int32(truncatingIfNeeded: fours))
    var i = 0
    while i < fours {
      places[i] = UInt32(truncatingIfNeeded: 4 &* i)
      i &+= 1
    }
  }

  @inline(__always)
  func product<T: Tile>(
    _: T.Type, _ bytes: UnsafeRawPointer, _ byteStride: Int, _ words: UnsafeRawPointer, _ wordStride: Int
  ) -> T where T.Operation == DotOperation {
    let corrections = start.assumingMemoryBound(to: VI.self)
    return product(T.self, bytes, byteStride, words, wordStride, corrections[0], corrections[1])
  }

  /// The sums of a tile whose rows begin at `bytes` and, widened, at `words`.
  @inline(__always)
  func product<T: Tile>(
    _: T.Type, _ bytes: UnsafeRawPointer, _ byteStride: Int, _ words: UnsafeRawPointer, _ wordStride: Int, _ low: VI, _ high: VI
  ) -> T where T.Operation == DotOperation {
    var tile = T(low, high)
    var place = UnsafePointer(places)
    var w = UnsafePointer(weights)
    var left = Int(head.pointee.bytes)
    while left > 0 {
      tile.step(ByteOperation.self, bytes + Int(place.pointee), byteStride, w[0], w[1])
      place += 1
      w += 2
      left &-= 1
    }
    left = Int(head.pointee.words)
    place = UnsafePointer(places) + (fours &- left)
    w = UnsafePointer(weights) + 4 &* (fours &- left)
    while left > 0 {
      let from = words + 2 &* Int(place.pointee)
      tile.step(DotOperation.self, from, wordStride, w[0], w[1])
      ea_loads_end()
      tile.step(DotOperation.self, from + 4, wordStride, w[2], w[3])
      place += 1
      w += 4
      left &-= 1
    }
    return tile
  }

  /// Packs `count` rows of weights, in as many orders as `row` has; the sum of each, less the zero point, in `sums`.
  @inline(never)
  func pack(_ rows: UnsafePointer<Int8>, _ count: Int, _ row: MixedRow, zero: Int32, _ sums: UnsafeMutablePointer<Int32>) {
    let k = row.runs &* row.length, runFours = fours / row.runs
    let ones = _mm256_set1_epi16(1), byteOnes = _mm256_set1_epi8(1), none = _mm256_setzero_si256()
    let zeros = _mm256_set1_epi16(Int16(truncatingIfNeeded: zero))
    // The first two, and the last two, bytes of each lane in the upper halves of words.
    let firstPair = lanes32(_mm256_set1_epi32(Int32(bitPattern: 0x0180_0080)))
    let lastPair = lanes32(_mm256_set1_epi32(Int32(bitPattern: 0x0380_0280)))
    let laneStarts = laneStarts &* VI(repeating: 0x0100_0100)
    var bytes = 0, words = 0, ordered = 0
    var sumLow = VI(repeating: 0), sumHigh = sumLow
    var four = 0
    while four < fours {
      let run = four / runFours, first = four % runFours &* 4
      let here = smaller(row.length &- first, 4)
      let from = rows + (run &* row.length &+ first), place = run &* row.distance &+ first
      let low: __m256i, high: __m256i
      if here == 4 && count == panelWidth {
        (low, high) = (bits(columns(from, k)), bits(columns(from + lanes &* k, k)))
      } else {
        // Columns past the last are 0; what fills a step up is a weight of 0.
        let filling = here == 4 ? 0 : UInt32(UInt8(truncatingIfNeeded: zero)) &* 0x0101_0101 &<< UInt32(truncatingIfNeeded: 8 &* here)
        var column = 0
        while column < panelWidth {
          let four = column < count ? UInt32(truncatingIfNeeded: loadFewBytes(UnsafeRawPointer(from + column &* k).assumingMemoryBound(to: UInt8.self), here)) | filling : 0
          sums[column] = Int32(bitPattern: four)
          column &+= 1
        }
        (low, high) = (bits(VI.load(sums)), bits(VI.load(sums + lanes)))
      }
      /// The sums of pairs that one sign has in them, and where they are too large.
      @inline(__always) func exceeds(_ v: __m256i) -> __m256i {
        let above = _mm256_maddubs_epi16(byteOnes, _mm256_max_epi8(v, none))
        let below = _mm256_maddubs_epi16(byteOnes, _mm256_min_epi8(v, none))
        return _mm256_or_si256(
          _mm256_cmpgt_epi16(above, _mm256_set1_epi16(128)), _mm256_cmpgt_epi16(_mm256_set1_epi16(-128), below))
      }
      var order = zero == 0 ? 0 : row.orders
      while order < row.orders {
        let turned = bits(fourOrder(order))
        let first = _mm256_shuffle_epi8(low, turned), second = _mm256_shuffle_epi8(high, turned)
        if _mm256_testz_si256(_mm256_or_si256(exceeds(first), exceeds(second)), bits(VI(repeating: -1))) != 0 {
          places[bytes] = UInt32(truncatingIfNeeded: order &* row.orderDistance &+ place)
          weights[2 &* bytes] = lanes32(first)
          weights[2 &* bytes &+ 1] = lanes32(second)
          sumLow = sumLow &+ lanes32(_mm256_madd_epi16(_mm256_maddubs_epi16(byteOnes, first), ones))
          sumHigh = sumHigh &+ lanes32(_mm256_madd_epi16(_mm256_maddubs_epi16(byteOnes, second), ones))
          bytes &+= 1
          ordered |= order
          break
        }
        order &+= 1
      }
      if order == row.orders {
        words &+= 1
        places[fours &- words] = UInt32(truncatingIfNeeded: place)
        let to = weights + 4 &* (fours &- words)
        @inline(__always) func put(_ index: Int, _ v: __m256i, _ pair: VI, _ sum: inout VI) {
          let order = bits(pair &+ laneStarts)
          let wide = _mm256_srai_epi16(_mm256_shuffle_epi8(v, order), 8)
          let weight = _mm256_sub_epi16(wide, zeros)
          to[index] = lanes32(weight)
          sum = sum &+ lanes32(_mm256_madd_epi16(weight, ones))
        }
        put(0, low, firstPair, &sumLow)
        put(1, high, firstPair, &sumHigh)
        put(2, low, lastPair, &sumLow)
        put(3, high, lastPair, &sumHigh)
      }
      four &+= 1
    }
    head.pointee = MixedHead(
      bytes: Int32(truncatingIfNeeded: bytes), words: Int32(truncatingIfNeeded: words), anyOrdered: Int32(truncatingIfNeeded: ordered))
    sumLow.store(sums)
    sumHigh.store(sums + lanes)
  }
}

/// Stores both registers of a panel. Results are stored in memory that might be the panel's, for all the compiler knows, so it
/// takes scales and limits from there for each row, which costs no instruction.
struct MixedSinkU8: TileSink {
  let output: OutputU8
  let panel: UnsafeRawPointer

  @inline(__always) func take(_ row: Int, _ low: VI, _ high: VI) {
    let scales = (panel + 4 &* panelWidth).assumingMemoryBound(to: VF.self)
    var low = toFloat(low) * scales[0], high = toFloat(high) * scales[1]
    if let residual = output.residual {
      let r = residual + row &* output.residualStride
      low += output.residualTerm(widenBytes(r))
      high += output.residualTerm(widenBytes(r + lanes))
    }
    narrowBytes(low, high, scales[2], scales[3], scales[4], output.y + row &* output.stride)
  }
}

/// Whole tiles of each line, from its first row on; how many rows of a line they are, none where the panel is not `isTame`. Two
/// rows' results are packed together.
@inline(never)
func multiplyTamePanel(_ start: UnsafeRawPointer, _ rows: RowsU8, _ output: OutputU8) -> Int {
  let panel = MixedPanel(start, rows.steps)
  if panel.head.pointee.isTame == 0 { return 0 }
  var line = rows
  var target = output
  var done = 0
  var left = rows.lines.count
  while left > 0 {
    var output = target
    var bytes = line.bytes, words = line.start
    done = 0
    while done &+ 6 <= rows.count {
      let tile = panel.product(Rows6<WideRow<DotOperation>>.self, bytes, rows.byteStride, words, rows.stride)
      let sink = TameSinkU8(panel: start, output: output)
      sink.take(0, tile.top.top)
      sink.take(2, tile.top.bottom)
      sink.take(4, tile.bottom)
      bytes += 6 &* rows.byteStride
      words += 6 &* rows.stride
      output.y += 6 &* output.stride
      if let residual = output.residual { output.residual = residual + 6 &* output.residualStride }
      done &+= 6
    }
    line.moveToNextLine()
    target = target.moved(rows: rows.count, columns: 0)
    left &-= 1
  }
  return done
}

private struct TameSinkU8 {
  let panel: UnsafeRawPointer
  let output: OutputU8

  @inline(__always) func take(_ row: Int, _ sums: Rows2<WideRow<DotOperation>>) {
    let scales = (panel + 4 &* panelWidth).assumingMemoryBound(to: VF.self)
    var a = toFloat(sums.top.low) * scales[0], b = toFloat(sums.top.high) * scales[1]
    var c = toFloat(sums.bottom.low) * scales[0], d = toFloat(sums.bottom.high) * scales[1]
    output.addResiduals(row, &a, &b, &c, &d)
    let y = output.y + row &* output.stride
    narrowBytes(a, b, c, d, scales[3], scales[4], y, y + output.stride)
  }
}

/// The next four weights of a register's columns, rows of which are `k` weights.
@inline(__always) private func columns(_ rows: UnsafePointer<Int8>, _ k: Int) -> VI {
  @inline(__always) func four(_ column: Int) -> Int32 { UnsafeRawPointer(rows + column &* k).loadUnaligned(as: Int32.self) }
  return VI(four(0), four(1), four(2), four(3), four(4), four(5), four(6), four(7))
}

/// Where the lanes of a half register begin.
@inline(__always) private var laneStarts: VI { VI(0, 4, 8, 12, 0, 4, 8, 12) }
/// For each byte of a register the one that stands there in one of the three orders of fours: 0 1 2 3, 0 2 1 3, 0 3 1 2.
@inline(__always) private func fourOrder(_ order: Int) -> VI {
  VI(repeating: order == 0 ? 0x0302_0100 : order == 1 ? 0x0301_0200 : 0x0201_0300) &+ laneStarts &* VI(repeating: 0x0101_0101)
}

/// Rows of bytes in all three orders, one behind the other: `count` of them of `length` bytes, a multiple of four.
@inline(never)
func orderRowsU8(_ rows: UnsafeRawPointer, _ stride: Int, _ count: Int, _ length: Int, _ to: UnsafeMutableRawPointer) {
  let first = _mm256_castsi256_si128(bits(fourOrder(1))), second = _mm256_castsi256_si128(bits(fourOrder(2)))
  var from = rows, to = to
  var left = count
  while left > 0 {
    var i = 0
    while i &+ 16 <= length {
      let v = (from + i).loadUnaligned(as: __m128i.self)
      (to + i).storeBytes(of: v, as: __m128i.self)
      (to + (length &+ i)).storeBytes(of: _mm_shuffle_epi8(v, first), as: __m128i.self)
      (to + (2 &* length &+ i)).storeBytes(of: _mm_shuffle_epi8(v, second), as: __m128i.self)
      i &+= 16
    }
    while i < length {
      let v = _mm_cvtsi32_si128((from + i).loadUnaligned(as: Int32.self))
      (to + i).storeBytes(of: _mm_cvtsi128_si32(v), as: Int32.self)
      (to + (length &+ i)).storeBytes(of: _mm_cvtsi128_si32(_mm_shuffle_epi8(v, first)), as: Int32.self)
      (to + (2 &* length &+ i)).storeBytes(of: _mm_cvtsi128_si32(_mm_shuffle_epi8(v, second)), as: Int32.self)
      i &+= 4
    }
    from += stride
    to += 3 &* length
    left &-= 1
  }
}

/// Rows of bytes as words: `count` of them of `length` bytes, a multiple of four, `stride` apart; the words follow each other.
@inline(never)
func widenRowsU8(_ rows: UnsafeRawPointer, _ stride: Int, _ count: Int, _ length: Int, _ to: UnsafeMutableRawPointer) {
  let isRun = stride == length
  let run = isRun ? count &* length : length
  var left = isRun ? smaller(count, 1) : count
  var from = rows.assumingMemoryBound(to: UInt8.self)
  var to = to
  while left > 0 {
    var i = 0
    while i &+ 16 <= run {
      moveActivations(to + 2 &* i, from + i)
      i &+= 16
    }
    while i < run {
      let four = _mm_cvtsi32_si128(UnsafeRawPointer(from + i).loadUnaligned(as: Int32.self))
      (to + 2 &* i).storeBytes(of: _mm_cvtsi128_si64(_mm_cvtepu8_epi16(four)), as: Int64.self)
      i &+= 4
    }
    from += stride
    to += 2 &* run
    left &-= 1
  }
}

/// `count` words as bytes; up to fifteen more are read and written.
@inline(never)
func narrowRowsU8(_ words: UnsafeRawPointer, _ count: Int, _ to: UnsafeMutableRawPointer) {
  var i = 0
  while i < count {
    let from = words + 2 &* i
    (to + i).storeBytes(
      of: _mm_packus_epi16(from.loadUnaligned(as: __m128i.self), (from + 16).loadUnaligned(as: __m128i.self)), as: __m128i.self)
    i &+= 16
  }
}
#endif
