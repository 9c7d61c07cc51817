import CPlatform

// How rows and panels of float kernels hold their elements: in words of 32 bits, a float or a pair of bfloat16. A step
// of the tile takes one word of a row and one of each column.

/// How elements of activations become words.
protocol RowFormat: TileOperation {
  /// The tile may read floats where they lie.
  static var readsInPlace: Bool { get }
  /// Words of `count` neighbouring elements.
  static func words(_ count: Int) -> Int
  /// Puts `count` neighbouring pixels of `depth` floats into words; each pixel begins a word.
  static func copy(_ to: UnsafeMutablePointer<Float>, _ from: UnsafePointer<Float>, _ count: Int, _ depth: Int)
  /// Word `i` of `count` elements that are `step` apart.
  static func word(_ from: UnsafePointer<Float>, _ i: Int, _ step: Int, _ count: Int) -> Float
}

/// Floats as they are.
enum FloatStep: RowFormat {
  @inline(__always) static var elementBytes: Int { 4 }
  @inline(__always) static func broadcast(_ p: UnsafeRawPointer) -> VF {
    VF(repeating: p.loadUnaligned(as: Float.self))
  }
  @inline(__always) static func accumulate(_ sum: inout VF, _ element: VF, _ panel: VF) {
    sum = multiplyAdd(element, panel, sum)
  }
  #if ISA_NEON || ISA_NEONDOT
  @inline(__always) static func pair(_ p: UnsafeRawPointer) -> VF { unsafeBitCast(en_pair(p), to: VF.self) }
  @inline(__always) static func accumulateFirst(_ sum: inout VF, _ pair: VF, _ panel: VF) {
    sum = en_multiply_first(sum, pair, panel)
  }
  @inline(__always) static func accumulateSecond(_ sum: inout VF, _ pair: VF, _ panel: VF) {
    sum = en_multiply_second(sum, pair, panel)
  }
  @inline(__always) static func settle(_ a: inout VF, _ b: inout VF) { en_settle_floats(&a, &b) }
  #endif

  @inline(__always) static var readsInPlace: Bool { true }
  @inline(__always) static func words(_ count: Int) -> Int { count }
  /// Parts of windows are mostly a few floats, at addresses of any alignment. Registers of four seldom lie across two cache
  /// lines, which makes a store several times as slow.
  @inline(__always)
  static func copy(_ to: UnsafeMutablePointer<Float>, _ from: UnsafePointer<Float>, _ count: Int, _ depth: Int) {
    let end = count &* depth
    var i = 0
    while i &+ 64 <= end {
      VF.load(from + i).store(to + i)
      i &+= lanes
    }
    while i &+ 4 <= end {
      SIMD4<Float>.load(from + i).store(to + i)
      i &+= 4
    }
    while i < end {
      to[i] = from[i]
      i &+= 1
    }
  }
  @inline(__always) static func word(_ from: UnsafePointer<Float>, _ i: Int, _ step: Int, _ count: Int) -> Float { from[i &* step] }
}

#if ISA_AVX512BF16
/// Pairs of floats rounded to bfloat16, the first in the upper half: the processor adds that one's product first, so the sum of
/// a row has the order it has in float32. The second of an odd number's last pair is 0.
enum BFloat16Step: RowFormat {
  @inline(__always) static var elementBytes: Int { 4 }
  @inline(__always) static func broadcast(_ p: UnsafeRawPointer) -> VF { FloatStep.broadcast(p) }
  @inline(__always) static func accumulate(_ sum: inout VF, _ element: VF, _ panel: VF) {
    sum = eb_multiply_pair(sum, integers(element), integers(panel))
  }

  @inline(__always) static var readsInPlace: Bool { false }
  @inline(__always) static func words(_ count: Int) -> Int { (count &+ 1) / 2 }

  @inline(__always)
  static func copy(_ to: UnsafeMutablePointer<Float>, _ from: UnsafePointer<Float>, _ count: Int, _ depth: Int) {
    if depth & 1 == 0 || count == 1 { return copyRun(to, from, count &* depth) }
    if depth < lanes && lanes % (depth &+ 1) == 0 { return copySmall(to, from, count, depth) }
    var i = 0
    while i < count {
      copyRun(to + i &* words(depth), from + i &* depth, depth)
      i &+= 1
    }
  }

  @inline(never)
  private static func copyRun(_ to: UnsafeMutablePointer<Float>, _ from: UnsafePointer<Float>, _ count: Int) {
    var i = 0
    while i &+ 2 &* lanes <= count {
      pairs(VF.load(from + i), VF.load(from + i + lanes)).store(to + i / 2)
      i &+= 2 &* lanes
    }
    let left = count &- i
    if left > 0 {
      let first = loadPart(from + i, smaller(left, lanes))
      let second = loadPart(from + i + smaller(left, lanes), larger(left &- lanes, 0))
      storePart(pairs(first, second), to + i / 2, words(left))
    }
  }

  /// Pixels of 1, 3, 7 or 15 channels, a register of them at a time: images.
  @inline(never)
  private static func copySmall(_ to: UnsafeMutablePointer<Float>, _ from: UnsafePointer<Float>, _ count: Int, _ depth: Int) {
    let pixels = lanes / (depth &+ 1)
    var index = VI(repeating: 0)
    var kept: UInt32 = 0
    var lane = 0
    while lane < lanes {
      let channel = lane % (depth &+ 1)
      if channel < depth {
        index[lane] = Int32(truncatingIfNeeded: lane / (depth &+ 1) &* depth &+ channel)
        kept |= 1 &<< UInt32(truncatingIfNeeded: lane)
      }
      lane &+= 1
    }
    let order = unsafeBitCast(index, to: SIMD8<Int64>.self)
    var i = 0
    while i < count {
      let left = count &- i
      let first = eb_permute(loadPart(from + i &* depth, smaller(left, pixels) &* depth), order, kept)
      let rest = larger(smaller(left &- pixels, pixels), 0)
      let second = eb_permute(loadPart(from + (i &+ smaller(left, pixels)) &* depth, rest &* depth), order, kept)
      storePart(pairs(first, second), to + i &* words(depth), smaller(left, 2 &* pixels) &* words(depth))
      i &+= 2 &* pixels
    }
  }

  @inline(__always) static func word(_ from: UnsafePointer<Float>, _ i: Int, _ step: Int, _ count: Int) -> Float {
    var both = VF(repeating: 0)
    both[0] = from[2 &* i &* step]
    if 2 &* i &+ 1 < count { both[1] = from[(2 &* i &+ 1) &* step] }
    return pairs(both, VF(repeating: 0))[0]
  }

  /// Words of thirty-two neighbouring elements.
  @inline(__always) static func pairs(_ first: VF, _ second: VF) -> VF {
    unsafeBitCast(eb_pairs(first, second), to: VF.self)
  }

  /// Stores the first `count` lanes, an even number, as pairs.
  @inline(__always) static func storePairs(_ v: VF, _ p: UnsafeMutablePointer<Float>, _ count: Int) {
    eb_store_pairs(p, v, (1 &<< UInt32(truncatingIfNeeded: count / 2)) &- 1)
  }

  @inline(__always) private static func integers(_ v: VF) -> SIMD8<Int64> { unsafeBitCast(v, to: SIMD8<Int64>.self) }
}

typealias RowStep = BFloat16Step
/// Activations are words already.
@inline(__always) func areWords(_ c: ek_conv) -> Bool { c.x_pairs != 0 }
#else
typealias RowStep = FloatStep
@inline(__always) func areWords(_ c: ek_conv) -> Bool { true }
#endif
