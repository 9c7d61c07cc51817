// The transforms of Winograd's minimal filtering for squares of m x m results, along one axis (Lavin and Gray 2015): the
// polynomials of Toom and Cook through infinity and as many points as a square's side has more places.

/// Matrices of one m and window, applied along one axis.
protocol WinogradSize {
  /// m.
  static var results: Int { get }
  /// Side of the window.
  static var taps: Int { get }
  @inline(__always) static func transformInput(_ load: (Int) -> VF, _ store: (Int, VF) -> Void)
  @inline(__always) static func transformWeights(_ load: (Int) -> VF, _ store: (Int, VF) -> Void)
  @inline(__always) static func transformOutput(_ load: (Int) -> VF, _ store: (Int, VF) -> Void)
}

extension WinogradSize {
  @inline(__always) static var taps: Int { 3 }
  /// Side of an input square.
  @inline(__always) static var side: Int { results &+ taps &- 1 }
}

/// Points 0, 1, -1.
enum WinogradTwo: WinogradSize {
  @inline(__always) static var results: Int { 2 }

  @inline(__always) static func transformInput(_ load: (Int) -> VF, _ store: (Int, VF) -> Void) {
    let (a, b, c, d) = (load(0), load(1), load(2), load(3))
    store(0, a - c)
    store(1, b + c)
    store(2, c - b)
    store(3, b - d)
  }

  @inline(__always) static func transformWeights(_ load: (Int) -> VF, _ store: (Int, VF) -> Void) {
    let (a, b, c) = (load(0), load(1), load(2))
    let outer = all(0.5) * (a + c), middle = all(0.5) * b
    store(0, a)
    store(1, outer + middle)
    store(2, outer - middle)
    store(3, c)
  }

  @inline(__always) static func transformOutput(_ load: (Int) -> VF, _ store: (Int, VF) -> Void) {
    let (a, b, c, d) = (load(0), load(1), load(2), load(3))
    store(0, a + b + c)
    store(1, b - c - d)
  }
}

/// Points 0, a, -a, b, -b with a = 3/4, b = 3/2: half the error of 1 and 2, and exact in binary.
enum WinogradFour: WinogradSize {
  @inline(__always) static var results: Int { 4 }
  private static var a: Float { 0.75 }
  private static var b: Float { 1.5 }

  @inline(__always) static func transformInput(_ load: (Int) -> VF, _ store: (Int, VF) -> Void) {
    let (p, q, r, s, t, u) = (load(0), load(1), load(2), load(3), load(4), load(5))
    let product = all(a * a * b * b), sum = all(0 - a * a - b * b)
    store(0, multiplyAdd(product, p, multiplyAdd(sum, r, t)))
    let even = multiplyAdd(all(0 - b * b), r, t), odd = all(a) * multiplyAdd(all(0 - b * b), q, s)
    store(1, even + odd)
    store(2, even - odd)
    let wideEven = multiplyAdd(all(0 - a * a), r, t), wideOdd = all(b) * multiplyAdd(all(0 - a * a), q, s)
    store(3, wideEven + wideOdd)
    store(4, wideEven - wideOdd)
    store(5, multiplyAdd(product, q, multiplyAdd(sum, s, u)))
  }

  @inline(__always) static func transformWeights(_ load: (Int) -> VF, _ store: (Int, VF) -> Void) {
    let (x, y, z) = (load(0), load(1), load(2))
    store(0, x / all(a * a * b * b))
    let even = multiplyAdd(all(a * a), z, x) / all(2 * a * a * (a * a - b * b)), odd = y / all(2 * a * (a * a - b * b))
    store(1, even + odd)
    store(2, even - odd)
    let wideEven = multiplyAdd(all(b * b), z, x) / all(2 * b * b * (b * b - a * a)), wideOdd = y / all(2 * b * (b * b - a * a))
    store(3, wideEven + wideOdd)
    store(4, wideEven - wideOdd)
    store(5, z)
  }

  @inline(__always) static func transformOutput(_ load: (Int) -> VF, _ store: (Int, VF) -> Void) {
    let (q, r, s, t) = (load(1), load(2), load(3), load(4))
    let even = q + r, odd = q - r, wideEven = s + t, wideOdd = s - t
    store(0, load(0) + even + wideEven)
    store(1, multiplyAdd(all(a), odd, all(b) * wideOdd))
    store(2, multiplyAdd(all(a * a), even, all(b * b) * wideEven))
    store(3, multiplyAdd(all(a * a * a), odd, multiplyAdd(all(b * b * b), wideOdd, load(5))))
  }
}

/// Points 0, 1/2, -1/2, 1, -1, 2, -2: no others of a few bits make a smaller error.
enum WinogradSix: WinogradSize {
  @inline(__always) static var results: Int { 6 }

  @inline(__always) static func transformInput(_ load: (Int) -> VF, _ store: (Int, VF) -> Void) {
    let (p, q, r, s) = (load(0), load(1), load(2), load(3))
    let (t, u, v, w) = (load(4), load(5), load(6), load(7))
    store(0, multiplyAdd(all(5.25), t - r, p - v))
    store(7, multiplyAdd(all(5.25), s - u, w - q))
    @inline(__always) func both(_ place: Int, _ even: VF, _ odd: VF) {
      store(place, even + odd)
      store(place &+ 1, even - odd)
    }
    both(1, multiplyAdd(all(4), r, multiplyAdd(all(-5), t, v)), all(0.5) * multiplyAdd(all(4), q, multiplyAdd(all(-5), s, u)))
    both(3, multiplyAdd(all(-4.25), t, r + v), multiplyAdd(all(-4.25), s, q + u))
    both(5, multiplyAdd(all(0.25), r, multiplyAdd(all(-1.25), t, v)), multiplyAdd(all(0.5), q, multiplyAdd(all(-2.5), s, u + u)))
  }

  @inline(__always) static func transformWeights(_ load: (Int) -> VF, _ store: (Int, VF) -> Void) {
    let (x, y, z) = (load(0), load(1), load(2))
    store(0, x)
    eachPair { place, point, divisor in
      let even = multiplyAdd(all(point * point), z, x) / all(divisor), odd = all(point) * y / all(divisor)
      store(place, even + odd)
      store(place &+ 1, even - odd)
    }
    store(7, z)
  }

  /// The places of a point and its negative, and the product of its distances from the others.
  @inline(__always) fileprivate static func eachPair(_ take: (_ place: Int, _ point: Float, _ divisor: Float) -> Void) {
    take(1, 0.5, 1.40625)
    take(3, 1, -4.5)
    take(5, 2, 90)
  }

  @inline(__always) static func transformOutput(_ load: (Int) -> VF, _ store: (Int, VF) -> Void) { outputs(6, load, store) }

  /// The first results of eight sums, of which the last one's is the last.
  @inline(__always) fileprivate static func outputs(_ count: Int, _ load: (Int) -> VF, _ store: (Int, VF) -> Void) {
    let (even, odd) = (load(3) + load(4), load(3) - load(4))
    let (nearEven, nearOdd) = (load(1) + load(2), load(1) - load(2))
    let (farEven, farOdd) = (load(5) + load(6), load(5) - load(6))
    store(0, load(0) + even + (nearEven + farEven))
    store(1, multiplyAdd(all(0.5), nearOdd, multiplyAdd(all(2), farOdd, odd)))
    store(2, multiplyAdd(all(0.25), nearEven, multiplyAdd(all(4), farEven, even)))
    store(3, multiplyAdd(all(0.125), nearOdd, multiplyAdd(all(8), farOdd, count == 4 ? odd + load(7) : odd)))
    if count == 4 { return }
    store(4, multiplyAdd(all(0.0625), nearEven, multiplyAdd(all(16), farEven, even)))
    store(5, multiplyAdd(all(0.03125), nearOdd, multiplyAdd(all(32), farOdd, odd + load(7))))
  }
}

/// Windows of 5 x 5, with the points of six results of 3 x 3.
enum WinogradFourOfFive: WinogradSize {
  @inline(__always) static var results: Int { 4 }
  @inline(__always) static var taps: Int { 5 }

  @inline(__always) static func transformInput(_ load: (Int) -> VF, _ store: (Int, VF) -> Void) {
    WinogradSix.transformInput(load, store)
  }

  @inline(__always) static func transformWeights(_ load: (Int) -> VF, _ store: (Int, VF) -> Void) {
    store(0, load(0))
    WinogradSix.eachPair { place, point, divisor in
      let square = all(point * point)
      let even = multiplyAdd(square, multiplyAdd(square, load(4), load(2)), load(0)) / all(divisor)
      let odd = all(point) * multiplyAdd(square, load(3), load(1)) / all(divisor)
      store(place, even + odd)
      store(place &+ 1, even - odd)
    }
    store(7, load(4))
  }

  @inline(__always) static func transformOutput(_ load: (Int) -> VF, _ store: (Int, VF) -> Void) {
    WinogradSix.outputs(4, load, store)
  }
}
