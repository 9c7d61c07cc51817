#if ISA_AVX2 || ISA_AVX512VNNI
import CPlatform

// The transforms of integer Winograd, whose matrices stand in WinogradU8.swift: of weights, of image squares and of sums.

/// Transformed activations and weights, sixteen channels of them.
typealias Words16 = SIMD16<Int16>

@inline(__always) func words(_ p: UnsafePointer<UInt8>) -> Words16 { Words16(truncatingIfNeeded: SIMD16<UInt8>.load(p)) }
@inline(__always) func words(_ p: UnsafePointer<Int8>) -> Words16 {
  Words16(truncatingIfNeeded: UnsafeRawPointer(p).loadUnaligned(as: SIMD16<Int8>.self))
}

/// Sixteen input channels of one output channel: eight steps of each place.
@inline(never)
func packChannels(
  _ weights: UnsafePointer<Int8>, _ depth: Int, _ zero: Words16, _ panel: UnsafeMutableRawPointer, _ place: Int,
  _ lines: UnsafeMutablePointer<Words16>
) {
  @inline(__always) func along(_ a: Words16, _ b: Words16, _ c: Words16, _ store: (Int, Words16) -> Void) {
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
      let pairs = unsafeBitCast(v, to: SIMD8<Int32>.self)
      let to = panel + (y &* 6 &+ x) &* place
      var i = 0
      while i < 8 {
        (to + i &* 4 &* panelWidth).storeBytes(of: pairs[i], as: Int32.self)
        i &+= 1
      }
    }
    y &+= 1
  }
}

/// Sixteen channels of a square.
@inline(never)
func transformSquare(
  _ from: UnsafePointer<UInt8>, _ line: Int, _ pixel: Int, _ zero: Words16, _ to: UnsafeMutableRawPointer, _ place: Int,
  _ lines: UnsafeMutablePointer<Words16>
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
    to.storeBytes(of: v.v0, as: Words16.self)
    (to + place).storeBytes(of: v.v1, as: Words16.self)
    (to + 2 &* place).storeBytes(of: v.v2, as: Words16.self)
    (to + 3 &* place).storeBytes(of: v.v3, as: Words16.self)
    (to + 4 &* place).storeBytes(of: v.v4, as: Words16.self)
    (to + 5 &* place).storeBytes(of: v.v5, as: Words16.self)
    to += 6 &* place
    line += 6
    y &+= 1
  }
}

/// Six inputs times B.
struct InputLine {
  let v0: Words16, v1: Words16, v2: Words16, v3: Words16, v4: Words16, v5: Words16

  @inline(__always) init(_ p: Words16, _ q: Words16, _ r: Words16, _ s: Words16, _ t: Words16, _ u: Words16) {
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
