#if ISA_AVX2 || ISA_AVX512VNNI || ISA_NEON
import CPlatform

// The transforms of integer Winograd, whose matrices stand in WinogradU8.swift: of weights, of image squares and of sums.

/// Activations and weights of some channels, which are transformed together.
#if ISA_NEON
typealias TransformWords = SIMD8<Int16>
private typealias TransformBytes = SIMD8<UInt8>
private typealias TransformWeights = SIMD8<Int8>
#else
typealias TransformWords = SIMD16<Int16>
private typealias TransformBytes = SIMD16<UInt8>
private typealias TransformWeights = SIMD16<Int8>
#endif

@inline(__always) private func words(_ p: UnsafePointer<UInt8>) -> TransformWords {
  TransformWords(truncatingIfNeeded: UnsafeRawPointer(p).loadUnaligned(as: TransformBytes.self))
}
@inline(__always) private func words(_ p: UnsafePointer<Int8>) -> TransformWords {
  TransformWords(truncatingIfNeeded: UnsafeRawPointer(p).loadUnaligned(as: TransformWeights.self))
}

/// Some input channels of one output channel, two of them a step of each place.
@inline(never)
func packChannels(
  _ weights: UnsafePointer<Int8>, _ depth: Int, _ zero: TransformWords, _ panel: UnsafeMutableRawPointer, _ place: Int,
  _ lines: UnsafeMutablePointer<TransformWords>
) {
  @inline(__always) func along(_ a: TransformWords, _ b: TransformWords, _ c: TransformWords, _ store: (Int, TransformWords) -> Void) {
    let triple = a &+ a &+ a, last = c &+ c &+ c
    let outer = a &+ c, twice = b &+ b, wide = a &+ c &+ c &+ c &+ c
    var i = 0
    while i < 6 {
      let v =
        switch i {
        case 0: triple &+ triple
        case 1: outer &+ b
        case 2: outer &- b
        case 3: wide &+ twice
        case 4: wide &- twice
        default: last &+ last
        }
      store(i, v)
      i &+= 1
    }
  }
  var x = 0
  while x < 3 {
    let column = weights + x &* depth
    along(words(column) &- zero, words(column + 3 &* depth) &- zero, words(column + 6 &* depth) &- zero) { lines[$0 &* 3 &+ x] = $1 }
    x &+= 1
  }
  var y = 0
  while y < 6 {
    along(lines[y &* 3], lines[y &* 3 &+ 1], lines[y &* 3 &+ 2]) { x, v in
      let to = (panel + (y &* 6 &+ x) &* place).assumingMemoryBound(to: Int16.self)
      var i = 0
      while i < TransformWords.scalarCount {
        // Neighbours are one store.
        to[i &* panelWidth] = v[i]
        to[i &* panelWidth &+ wordIndex(0, 1)] = v[i &+ 1]
        i &+= 2
      }
    }
    y &+= 1
  }
}

/// Some channels of a square.
@inline(never)
func transformSquare(
  _ from: UnsafePointer<UInt8>, _ line: Int, _ pixel: Int, _ zero: TransformWords, _ to: UnsafeMutableRawPointer, _ place: Int,
  _ lines: UnsafeMutablePointer<TransformWords>
) {
  var x = 0
  while x < 6 {
    let column = from + x &* pixel
    let v = InputLine(
      words(column) &- zero, words(column + line) &- zero, words(column + 2 &* line) &- zero, words(column + 3 &* line) &- zero,
      words(column + 4 &* line) &- zero, words(column + 5 &* line) &- zero)
    lines[x] = v.v0
    lines[6 &+ x] = v.v1
    lines[12 &+ x] = v.v2
    lines[18 &+ x] = v.v3
    lines[24 &+ x] = v.v4
    lines[30 &+ x] = v.v5
    x &+= 1
  }
  var to = to
  var line = lines
  var y = 0
  while y < 6 {
    let v = InputLine(line[0], line[1], line[2], line[3], line[4], line[5])
    to.storeBytes(of: v.v0, as: TransformWords.self)
    (to + place).storeBytes(of: v.v1, as: TransformWords.self)
    (to + 2 &* place).storeBytes(of: v.v2, as: TransformWords.self)
    (to + 3 &* place).storeBytes(of: v.v3, as: TransformWords.self)
    (to + 4 &* place).storeBytes(of: v.v4, as: TransformWords.self)
    (to + 5 &* place).storeBytes(of: v.v5, as: TransformWords.self)
    to += 6 &* place
    line += 6
    y &+= 1
  }
}

/// Six inputs times B.
struct InputLine {
  let v0: TransformWords, v1: TransformWords, v2: TransformWords, v3: TransformWords, v4: TransformWords, v5: TransformWords

  @inline(__always) init(_ p: TransformWords, _ q: TransformWords, _ r: TransformWords, _ s: TransformWords, _ t: TransformWords, _ u: TransformWords) {
    let f = t &- r, h = s &- q
    let first = (p &- r) &+ (p &- r), h2 = h &+ h
    v0 = first &+ first &+ f
    v5 = (u &- s) &- (h2 &+ h2)
    let r2 = r &+ r, q2 = q &+ q
    let e = t &- (r2 &+ r2), o = s &- (q2 &+ q2)
    v1 = e &+ o
    v2 = e &- o
    v3 = f &+ h2
    v4 = f &- h2
  }
}

/// Four results of six sums, times their factors.
struct OutputLine {
  let y0: VI, y1: VI, y2: VI, y3: VI

  @inline(__always) init(_ m0: VI, _ m1: VI, _ m2: VI, _ m3: VI, _ m4: VI, _ m5: VI) {
    let sum = m1 &+ m2, difference = m1 &- m2, wideSum = m3 &+ m4, wideDifference = m3 &- m4
    let twice = sum &+ sum
    y0 = m0 &- (twice &+ twice) &+ wideSum
    y1 = wideDifference &- (difference &+ difference)
    y2 = wideSum &- sum
    y3 = wideDifference &+ wideDifference &- difference &+ m5
  }
}
#endif
