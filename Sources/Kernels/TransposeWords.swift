#if !ISA_SSE2 && !ISA_AVX512BF16 && !ISA_NEONDOT

/// Writes the words of an output and of those behind it one below the other, from `pixels` rows `stride` bytes apart: lane i of
/// the registers of word w belongs to row i. Lanes past the last row repeat it. Reads `bytes` of each row.
@inline(never)
func transposeWords(
  _ rows: UnsafeRawPointer, _ stride: Int, _ count: Int, _ bytes: Int, _ to: UnsafeMutablePointer<UInt32>, _ spacing: Int, _ width: Int
) {
  let words = bytes / 4
  var word = 0
  // A line of the cache of each row at a time.
  while word < words {
    let end = smaller(word &+ 16, words)
    var pixel = 0
    while pixel < width {
      let last = count &- 1 &- pixel
      let a = rows + (pixel &+ smaller(last, 0)) &* stride
      let b = a + (last > 0 ? stride : 0), c = b + (last > 1 ? stride : 0), d = c + (last > 2 ? stride : 0)
      var w = word
      while w &+ 4 <= end {
        let square = transposed(words4(a, w), words4(b, w), words4(c, w), words4(d, w))
        let out = UnsafeMutableRawPointer(to + (w &* spacing &+ pixel))
        out.storeBytes(of: square.lowHalf.lowHalf, as: SIMD4<UInt32>.self)
        out.storeBytes(of: square.lowHalf.highHalf, toByteOffset: 4 &* spacing, as: SIMD4<UInt32>.self)
        out.storeBytes(of: square.highHalf.lowHalf, toByteOffset: 8 &* spacing, as: SIMD4<UInt32>.self)
        out.storeBytes(of: square.highHalf.highHalf, toByteOffset: 12 &* spacing, as: SIMD4<UInt32>.self)
        w &+= 4
      }
      while w < end {
        let out = to + (w &* spacing &+ pixel)
        out[0] = a.loadUnaligned(fromByteOffset: 4 &* w, as: UInt32.self)
        out[1] = b.loadUnaligned(fromByteOffset: 4 &* w, as: UInt32.self)
        out[2] = c.loadUnaligned(fromByteOffset: 4 &* w, as: UInt32.self)
        out[3] = d.loadUnaligned(fromByteOffset: 4 &* w, as: UInt32.self)
        w &+= 1
      }
      pixel &+= 4
    }
    word = end
  }
  if bytes % 4 == 0 { return }
  var pixel = 0
  while pixel < width {
    let row = rows + (smaller(pixel, count &- 1) &* stride &+ 4 &* words)
    to[words &* spacing &+ pixel] = UInt32(truncatingIfNeeded: loadFewBytes(row.assumingMemoryBound(to: UInt8.self), bytes % 4))
    pixel &+= 1
  }
}

/// The way back: `bytes` of each of `count` rows.
@inline(never)
func transposeWordsBack(
  _ from: UnsafePointer<UInt32>, _ spacing: Int, _ rows: UnsafeMutableRawPointer, _ stride: Int, _ count: Int, _ bytes: Int
) {
  var pixel = 0
  while pixel < count {
    var word = 0
    let row = rows + pixel &* stride
    if pixel &+ 4 <= count {
      while 4 &* word &+ 16 <= bytes {
        let words = UnsafeRawPointer(from + (word &* spacing &+ pixel))
        let square = transposed(words4(words, 0), words4(words, spacing), words4(words, 2 &* spacing), words4(words, 3 &* spacing))
        let out = row + 4 &* word
        out.storeBytes(of: square.lowHalf.lowHalf, as: SIMD4<UInt32>.self)
        out.storeBytes(of: square.lowHalf.highHalf, toByteOffset: stride, as: SIMD4<UInt32>.self)
        out.storeBytes(of: square.highHalf.lowHalf, toByteOffset: 2 &* stride, as: SIMD4<UInt32>.self)
        out.storeBytes(of: square.highHalf.highHalf, toByteOffset: 3 &* stride, as: SIMD4<UInt32>.self)
        word &+= 4
      }
    }
    while 4 &* word < bytes {
      var i = 0
      while i < 4, pixel &+ i < count {
        let out = row + (i &* stride &+ 4 &* word)
        storeFewBytes(
          UInt64(from[word &* spacing &+ pixel &+ i]), out.assumingMemoryBound(to: UInt8.self), smaller(bytes &- 4 &* word, 4))
        i &+= 1
      }
      word &+= 1
    }
    pixel &+= 4
  }
}

@inline(__always) private func words4(_ p: UnsafeRawPointer, _ word: Int) -> SIMD4<UInt32> {
  p.loadUnaligned(fromByteOffset: 4 &* word, as: SIMD4<UInt32>.self)
}

/// Four rows of four words become the columns, one behind the other.
@inline(__always)
private func transposed(_ a: SIMD4<UInt32>, _ b: SIMD4<UInt32>, _ c: SIMD4<UInt32>, _ d: SIMD4<UInt32>) -> SIMD16<UInt32> {
  var pairs = (SIMD8<UInt32>(), SIMD8<UInt32>())
  (pairs.0.evenHalf, pairs.0.oddHalf) = (a, b)
  (pairs.1.evenHalf, pairs.1.oddHalf) = (c, d)
  var columns = SIMD8<UInt64>()
  columns.evenHalf = unsafeBitCast(pairs.0, to: SIMD4<UInt64>.self)
  columns.oddHalf = unsafeBitCast(pairs.1, to: SIMD4<UInt64>.self)
  return unsafeBitCast(columns, to: SIMD16<UInt32>.self)
}
#endif
