// Sums of products outside the kernels, compiled for size: a vector's operators would be loops over its elements there, and one
// sum would wait for itself. Eight scalar sums keep the processor busy; they are added up in a fixed order.

/// sum a b, in float32.
@inline(never)
func floatDotProduct(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
  var (s, t, u, v, w, x, y, z): (Float, Float, Float, Float, Float, Float, Float, Float) = (0, 0, 0, 0, 0, 0, 0, 0)
  var index = 0
  while index &+ 8 <= count {
    let (p, q) = (a + index, b + index)
    s += p[0] * q[0]
    t += p[1] * q[1]
    u += p[2] * q[2]
    v += p[3] * q[3]
    w += p[4] * q[4]
    x += p[5] * q[5]
    y += p[6] * q[6]
    z += p[7] * q[7]
    index &+= 8
  }
  while index < count {
    s += a[index] * b[index]
    index &+= 1
  }
  return ((s + t) + (u + v)) + ((w + x) + (y + z))
}

/// sum a b, in float64.
@inline(never)
func doubleDotProduct(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ count: Int) -> Double {
  var (s, t, u, v, w, x, y, z): (Double, Double, Double, Double, Double, Double, Double, Double) = (0, 0, 0, 0, 0, 0, 0, 0)
  var index = 0
  while index &+ 8 <= count {
    let (p, q) = (a + index, b + index)
    s += p[0] * q[0]
    t += p[1] * q[1]
    u += p[2] * q[2]
    v += p[3] * q[3]
    w += p[4] * q[4]
    x += p[5] * q[5]
    y += p[6] * q[6]
    z += p[7] * q[7]
    index &+= 8
  }
  while index < count {
    s += a[index] * b[index]
    index &+= 1
  }
  return ((s + t) + (u + v)) + ((w + x) + (y + z))
}
