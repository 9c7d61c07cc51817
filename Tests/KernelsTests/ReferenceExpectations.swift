import Foundation

// The rules every expectation of the reference tests shares, written with the standard library's own rounding.

/// The header's rounding rule for a real value in units of the output's scale.
func expectedByte(_ value: Float, _ zeroPoint: Int, _ range: ClosedRange<Int> = 0...255) -> UInt8 {
  let low = Float(range.lowerBound - zeroPoint)
  let high = Float(range.upperBound - zeroPoint)
  return UInt8(Int(min(max(value, low), high).rounded(.toNearestOrEven)) + zeroPoint)
}

/// Row-major strides of a dense shape.
func denseStrides(_ dims: [Int]) -> [Int] {
  var strides = [Int](repeating: 1, count: dims.count)
  for axis in stride(from: dims.count - 2, through: 0, by: -1) { strides[axis] = strides[axis + 1] * dims[axis + 1] }
  return strides
}

/// All coordinates of a shape in row-major order.
func coordinates(_ dims: [Int]) -> [[Int]] {
  dims.reduce([[]]) { prefixes, extent in prefixes.flatMap { prefix in (0..<extent).map { prefix + [$0] } } }
}

/// An array as the C structures' fixed tuple, the rest filled with a value that would be noticed.
func tuple8(_ values: [Int]) -> (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64) {
  let v = (values + [Int](repeating: 1 << 40, count: 8)).map { Int64($0) }
  return (v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7])
}
