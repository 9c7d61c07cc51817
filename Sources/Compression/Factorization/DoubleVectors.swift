// The inner loops of decompositions, over double numbers in memory; with `doubleDotProduct` (DotProducts.swift, where it says why
// they are scalar).

/// y += p a + q b.
@inline(never)
func addScaled(_ y: UnsafeMutablePointer<Double>, _ p: Double, _ a: UnsafePointer<Double>, _ q: Double, _ b: UnsafePointer<Double>, _ count: Int) {
  var index = 0
  while index < count {
    y[index] += p * a[index] + q * b[index]
    index &+= 1
  }
}

/// a, b = c a + s b, c b - s a.
@inline(never)
func rotate(_ a: UnsafeMutablePointer<Double>, _ b: UnsafeMutablePointer<Double>, _ c: Double, _ s: Double, _ count: Int) {
  var index = 0
  while index < count {
    let (p, q) = (a[index], b[index])
    a[index] = c * p + s * q
    b[index] = c * q - s * p
    index &+= 1
  }
}
