// The inner loops of decompositions, over double numbers in memory, four at a time.

/// sum a b.
@inline(never)
func dotProduct(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ count: Int) -> Double {
  let (x, y) = (UnsafeRawPointer(a), UnsafeRawPointer(b))
  var sum = SIMD4<Double>(repeating: 0)
  var index = 0
  while index &+ 4 <= count {
    sum +=
      x.loadUnaligned(fromByteOffset: index &* 8, as: SIMD4<Double>.self) * y.loadUnaligned(fromByteOffset: index &* 8, as: SIMD4<Double>.self)
    index &+= 4
  }
  var total = (sum[0] + sum[1]) + (sum[2] + sum[3])
  while index < count {
    total += a[index] * b[index]
    index &+= 1
  }
  return total
}

/// y += p a + q b.
@inline(never)
func addScaled(_ y: UnsafeMutablePointer<Double>, _ p: Double, _ a: UnsafePointer<Double>, _ q: Double, _ b: UnsafePointer<Double>, _ count: Int) {
  let (x, z, target) = (UnsafeRawPointer(a), UnsafeRawPointer(b), UnsafeMutableRawPointer(y))
  var index = 0
  while index &+ 4 <= count {
    let sum =
      target.loadUnaligned(fromByteOffset: index &* 8, as: SIMD4<Double>.self)
      + x.loadUnaligned(fromByteOffset: index &* 8, as: SIMD4<Double>.self) * p
      + z.loadUnaligned(fromByteOffset: index &* 8, as: SIMD4<Double>.self) * q
    target.storeBytes(of: sum, toByteOffset: index &* 8, as: SIMD4<Double>.self)
    index &+= 4
  }
  while index < count {
    y[index] += p * a[index] + q * b[index]
    index &+= 1
  }
}

/// a, b = c a + s b, c b - s a.
@inline(never)
func rotate(_ a: UnsafeMutablePointer<Double>, _ b: UnsafeMutablePointer<Double>, _ c: Double, _ s: Double, _ count: Int) {
  let (x, y) = (UnsafeMutableRawPointer(a), UnsafeMutableRawPointer(b))
  var index = 0
  while index &+ 4 <= count {
    let (p, q) = (
      x.loadUnaligned(fromByteOffset: index &* 8, as: SIMD4<Double>.self), y.loadUnaligned(fromByteOffset: index &* 8, as: SIMD4<Double>.self)
    )
    x.storeBytes(of: p * c + q * s, toByteOffset: index &* 8, as: SIMD4<Double>.self)
    y.storeBytes(of: q * c - p * s, toByteOffset: index &* 8, as: SIMD4<Double>.self)
    index &+= 4
  }
  while index < count {
    let (p, q) = (a[index], b[index])
    a[index] = c * p + s * q
    b[index] = c * q - s * p
    index &+= 1
  }
}
