import CPlatform

// Between float and uint8, and uint8 through a table. A unit of work is a stretch of elements.

/// Elements of a unit of every elementwise kernel.
@inline(__always) var stretchU8: Int { 4096 }

/// How scaled values become bytes: clamp, round half to even, add the zero point.
struct QuantizerU8 {
  private let low: VF, high: VF
  private let zeroPoint: VI
  #if ISA_NEON || ISA_NEONDOT
  private let zeroPoints: SIMD8<Int16>
  private let least: SIMD16<UInt8>, most: SIMD16<UInt8>
  #endif

  @inline(__always)
  init(zeroPoint: Int32, low: Int32, high: Int32) {
    #if ISA_NEON || ISA_NEONDOT
    zeroPoints = SIMD8(repeating: Int16(truncatingIfNeeded: zeroPoint))
    least = SIMD16(repeating: UInt8(truncatingIfNeeded: low))
    most = SIMD16(repeating: UInt8(truncatingIfNeeded: high))
    #endif
    self.low = VF(repeating: Float(low &- zeroPoint))
    self.high = VF(repeating: Float(high &- zeroPoint))
    self.zeroPoint = VI(repeating: zeroPoint)
  }

  /// NaN gives the lowest value.
  @inline(__always) func quantized(_ t: VF) -> VI {
    // Data first: where it is NaN, both take the limit.
    toInteger(minimum(maximum(t, low), high)) &+ zeroPoint
  }

  #if ISA_NEON || ISA_NEONDOT
  /// Two registers without NaN, one after the other.
  @inline(__always) func bytes(_ a: VF, _ b: VF) -> UInt64 { en_eight_bytes(a, b, zeroPoints, least, most) }
  /// Four.
  @inline(__always) func bytes(_ a: VF, _ b: VF, _ c: VF, _ d: VF) -> SIMD16<UInt8> { en_sixteen_bytes(a, b, c, d, zeroPoints, least, most) }
  #endif

  /// NaN gives the zero point.
  @inline(__always) func quantizedOrZero(_ t: VF) -> VI {
    quantized(t.replacing(with: 0, where: t .!= t))
  }
}

@inline(__always) func stretchesU8(_ count: Int64) -> Int64 { Int64(divideUp(Int(count), stretchU8)) }

/// The elements of units begin ..< end of `count`.
@inline(__always) func stretchEndU8(_ end: Int64, _ count: Int64) -> Int { smaller(Int(end) &* stretchU8, Int(count)) }

func quantizeUnitsU8(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let q = args.assumingMemoryBound(to: ek_quantize.self).pointee
  return q.planes == 3 ? q.count / (3 &* q.pixels) &* stretchesU8(q.pixels) : stretchesU8(q.count)
}

func dequantizeUnitsU8(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return stretchesU8(args.assumingMemoryBound(to: ek_quantize.self).pointee.count)
}

func quantizeRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let q = args.assumingMemoryBound(to: ek_quantize.self).pointee
  guard let x = q.x?.assumingMemoryBound(to: Float.self), let y = q.y?.assumingMemoryBound(to: UInt8.self) else { return }
  let inverse = VF(repeating: 1 / q.scale)
  let quantizer = QuantizerU8(zeroPoint: q.zero_point, low: 0, high: 255)
  if q.planes == 3 {
    let perPicture = Int(stretchesU8(q.pixels))
    var unit = Int(begin)
    while unit < Int(end) {
      let picture = unit / perPicture, stretch = unit % perPicture
      let start = stretch &* stretchU8
      let first = 3 &* picture &* Int(q.pixels)
      quantizePixels(
        x + (first &+ start), Int(q.pixels), y + (first &+ 3 &* start), stretchEndU8(Int64(stretch &+ 1), q.pixels) &- start, inverse,
        quantizer)
      unit &+= 1
    }
    return
  }
  var i = Int(begin) &* stretchU8
  let last = stretchEndU8(end, q.count)
  while i &+ 2 &* lanes <= last {
    narrowBytes(
      quantizer.quantizedOrZero(VF.load(x + i) * inverse),
      quantizer.quantizedOrZero(VF.load(x + (i &+ lanes)) * inverse), y + i)
    i &+= 2 &* lanes
  }
  while i < last {
    let count = smaller(last &- i, lanes)
    narrowBytesPart(quantizer.quantizedOrZero(loadPart(x + i, count) * inverse), y + i, count)
    i &+= lanes
  }
}

/// `count` pixels of three planes `plane` elements apart.
@inline(never)
private func quantizePixels(
  _ x: UnsafePointer<Float>, _ plane: Int, _ y: UnsafeMutablePointer<UInt8>, _ count: Int, _ inverse: VF, _ quantizer: QuantizerU8
) {
  var i = 0
  while i < count {
    let n = smaller(lanes, count &- i)
    @inline(__always) func bytes(_ p: UnsafePointer<Float>) -> VI {
      quantizer.quantizedOrZero((n == lanes ? VF.load(p + i) : loadPart(p + i, n)) * inverse)
    }
    let pixels = bytes(x) | bytes(x + plane) &<< 8 | bytes(x + 2 &* plane) &<< 16
    // A pixel is stored with a fourth byte, which the next one overwrites; the last one has no room for it.
    var to = UnsafeMutableRawPointer(y + 3 &* i)
    var lane = 0
    while lane &+ 1 < n {
      to.storeBytes(of: pixels[lane], as: Int32.self)
      to += 3
      lane &+= 1
    }
    to.storeBytes(of: Int16(truncatingIfNeeded: pixels[lane]), as: Int16.self)
    to.storeBytes(of: UInt8(truncatingIfNeeded: pixels[lane] &>> 16), toByteOffset: 2, as: UInt8.self)
    i &+= lanes
  }
}

func dequantizeRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let q = args.assumingMemoryBound(to: ek_quantize.self).pointee
  guard let x = q.x?.assumingMemoryBound(to: UInt8.self), let y = q.y?.assumingMemoryBound(to: Float.self) else { return }
  let scale = VF(repeating: q.scale)
  let zero = VI(repeating: q.zero_point)
  var i = Int(begin) &* stretchU8
  let last = stretchEndU8(end, q.count)
  while i &+ lanes <= last {
    (toFloat(widenBytes(x + i) &- zero) * scale).store(y + i)
    i &+= lanes
  }
  if i < last {
    let count = last &- i
    storePart(toFloat(widenBytesPart(x + i, count) &- zero) * scale, y + i, count)
  }
}

func lookupUnitsU8(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return stretchesU8(args.assumingMemoryBound(to: ek_lookup.self).pointee.count)
}

func lookupRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let l = args.assumingMemoryBound(to: ek_lookup.self).pointee
  guard let x = l.x?.assumingMemoryBound(to: UInt8.self), let table = l.table?.assumingMemoryBound(to: UInt8.self),
    let y = l.y?.assumingMemoryBound(to: UInt8.self)
  else { return }
  var i = Int(begin) &* stretchU8
  let last = stretchEndU8(end, l.count)
  #if ISA_AVX512VNNI
  let entries = ByteTable(table)
  while i &+ ByteTable.width <= last {
    entries.replace(x + i, y + i)
    i &+= ByteTable.width
  }
  #endif
  // Eight bytes at a time through general registers: x86 below VBMI has no faster table of 256.
  while i &+ 8 <= last {
    let v = UnsafeRawPointer(x + i).loadUnaligned(as: UInt64.self)
    @inline(__always) func entry(_ shift: UInt64) -> UInt64 { UInt64(table[Int((v &>> shift) & 255)]) &<< shift }
    let low = entry(0) | entry(8) | entry(16) | entry(24)
    let high = entry(32) | entry(40) | entry(48) | entry(56)
    UnsafeMutableRawPointer(y + i).storeBytes(of: low | high, as: UInt64.self)
    i &+= 8
  }
  while i < last {
    y[i] = table[Int(x[i])]
    i &+= 1
  }
}
