import CPlatform

// Index arithmetic wraps (`&+`, `&*`): the planner has checked every size, and a device kernel needs no overflow
// traps. `Int` is 32 bits wide on Cortex-M.

@inline(__always) func int(_ value: Int32) -> Int { Int(truncatingIfNeeded: value) }
@inline(__always) func int(_ value: Int64) -> Int { Int(truncatingIfNeeded: value) }

@inline(__always) func arguments<T>(_ raw: UnsafeRawPointer?, _ type: T.Type) -> UnsafePointer<T> {
  raw.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
}

/// A tensor's elements. A tensor without elements may have a null pointer; it is then never read.
@inline(__always) func elements<T>(_ raw: UnsafeRawPointer?, _ type: T.Type) -> UnsafePointer<T> {
  raw.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
}

@inline(__always) func elements<T>(_ raw: UnsafeMutableRawPointer?, _ type: T.Type) -> UnsafeMutablePointer<T> {
  raw.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
}

// MARK: Units

/// Elements in one unit of an elementwise kernel.
let blockElements: Int64 = 4096

@inline(__always) func blocks(_ count: Int64) -> Int64 { (count &+ (blockElements &- 1)) / blockElements }

/// The elements of the units [begin, end) of an elementwise kernel over the elements from `first` to `count`.
@inline(__always) func blockRange(_ begin: Int64, _ end: Int64, _ count: Int64, from first: Int64 = 0) -> (begin: Int, end: Int) {
  let last = first &+ end &* blockElements
  return (int(first &+ begin &* blockElements), int(last < count ? last : count))
}

// MARK: Clamping and rounding

/// The nearest float. By way of Int, because Swift converts the other integer types through Int64: one instruction
/// becomes a library call on 32-bit devices.
@inline(__always) func float(_ value: Int32) -> Float { Float(Int(value)) }

/// A fused float activation. NaN stays NaN, and -0 stays -0 where a bound is +0.
@inline(__always) func clamped(_ value: Float, _ low: Float, _ high: Float) -> Float {
  let raised = value < low ? low : value
  return raised > high ? high : raised
}

/// Rounds |value| < 2^22 half to even, exactly: the sum's unit in the last place is 1.
@inline(__always) func roundedHalfEven(_ value: Float) -> Int32 {
  Int32(bitPattern: (value + 0x1.8p23).bitPattern) &- 0x4B40_0000
}

/// The header's rounding rule: clamp in float, round half to even, add the zero point. NaN gives `low`.
@inline(__always) func quantized(_ value: Float, _ zeroPoint: Int32, _ low: Int32, _ high: Int32) -> UInt8 {
  let floor = float(low &- zeroPoint)
  let ceiling = float(high &- zeroPoint)
  let raised = value > floor ? value : floor
  return UInt8(truncatingIfNeeded: roundedHalfEven(raised < ceiling ? raised : ceiling) &+ zeroPoint)
}

/// The same over the whole range of uint8, and NaN gives the zero point.
@inline(__always) func quantizedOrZero(_ value: Float, _ zeroPoint: Int32) -> UInt8 {
  quantized(value == value ? value : 0, zeroPoint, 0, 255)
}

// MARK: Windows

/// The taps of a window along one axis that meet the image, begin <= end, and the position of tap 0.
struct Taps {
  var begin: Int
  var end: Int
  var origin: Int

  @inline(__always)
  init(output: Int, stride: Int32, padding: Int32, dilation: Int32, kernel: Int32, size: Int32) {
    let step = int(dilation)
    origin = output &* int(stride) &- int(padding)
    begin = 0
    end = int(kernel)
    if origin < 0 { begin = (step &- 1 &- origin) / step }
    let room = int(size) &- origin
    if room < (end &- 1) &* step &+ 1 { end = room > 0 ? (room &+ step &- 1) / step : 0 }
    if begin > end { begin = end }
  }
}
