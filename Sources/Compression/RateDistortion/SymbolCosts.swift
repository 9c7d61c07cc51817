#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What the symbols of a layer cost a context-adaptive coder, in bits, as an estimate from how often they occur: whether a weight is
/// zero, by the two in front of it and the two above it; a sign; the magnitude, in unary up to a point, by the magnitudes of the
/// same four. (Marpe, Schwarz, Wiegand 2003, and Wiedemann et al. 2020, "DeepCABAC")
struct SymbolCosts {
  static let zeroContexts = 36
  static let classes = 6
  /// Magnitudes from here on cost an exponential Golomb code's bits on top.
  static let escape = 20

  /// [zeroContexts][2]: of a zero, of another symbol.
  let zero: UnsafeMutablePointer<Float>
  /// [classes][limit + 1]: of a magnitude above 0, with its sign.
  let magnitude: UnsafeMutablePointer<Float>
  let stride: Int
  private let zeroCounts: UnsafeMutablePointer<Float>
  /// [classes][escape][2]: the magnitude ends here, or is greater.
  private let counts: UnsafeMutablePointer<Float>
  private let storage: Storage

  /// Throws `outOfMemory`.
  init(limit: Int) throws(EdgeError) {
    stride = limit + 1
    let (zeros, table) = (SymbolCosts.zeroContexts * 2, SymbolCosts.classes * SymbolCosts.escape * 2)
    storage = try Storage.floats(zeros * 2 + table + SymbolCosts.classes * stride)
    zero = storage.floats
    zeroCounts = zero + zeros
    counts = zeroCounts + zeros
    magnitude = counts + table
  }

  /// Counts nothing yet: half an occurrence of everything.
  func clear() {
    zeroCounts.update(repeating: 0.5, count: SymbolCosts.zeroContexts * 2)
    counts.update(repeating: 0.5, count: SymbolCosts.classes * SymbolCosts.escape * 2)
  }

  func count(_ symbol: Int, _ context: SymbolContext) {
    zeroCounts[context.zero &* 2 &+ (symbol == 0 ? 0 : 1)] += 1
    guard symbol > 0 else { return }
    let line = counts + context.magnitude &* SymbolCosts.escape &* 2
    var step = 1
    while step < SymbolCosts.escape {
      line[step &* 2 &+ (symbol > step ? 1 : 0)] += 1
      if symbol <= step { return }
      step &+= 1
    }
  }

  /// The costs that follow from the counts.
  func update() {
    func bits(_ part: Float, _ whole: Float) -> Float { Float(-naturalLogarithm(Double(part / whole)) / 0.6931471805599453) }
    for context in 0..<SymbolCosts.zeroContexts {
      let (a, b) = (zeroCounts[context * 2], zeroCounts[context * 2 + 1])
      zero[context * 2] = bits(a, a + b)
      zero[context * 2 + 1] = bits(b, a + b)
    }
    for entry in 0..<SymbolCosts.classes {
      let line = counts + entry * SymbolCosts.escape * 2
      let costs = magnitude + entry * stride
      var sum: Float = 1
      var symbol = 1
      while symbol < stride {
        if symbol < SymbolCosts.escape {
          let (ends, goes) = (line[symbol * 2], line[symbol * 2 + 1])
          costs[symbol] = sum + bits(ends, ends + goes)
          sum += bits(goes, ends + goes)
        } else {
          let rest = UInt(symbol - SymbolCosts.escape + 1)
          costs[symbol] = sum + Float(2 * (UInt.bitWidth - 1 - rest.leadingZeroBitCount) + 1)
        }
        symbol &+= 1
      }
    }
  }
}

/// What the neighbours of a symbol are: magnitudes of the two in front of it and the two above it.
struct SymbolContext {
  let zero: Int
  let magnitude: Int

  @inline(__always)
  init(_ symbols: UnsafePointer<Int32>, stride: Int) {
    let (a, b) = (Int(symbols[-1].magnitude), Int(symbols[-2].magnitude))
    let (c, d) = (Int(symbols[-stride].magnitude), Int(symbols[-2 &* stride].magnitude))
    zero = ((min(a, 2) &* 3 &+ min(c, 2)) &* 2 &+ (b > 0 ? 1 : 0)) &* 2 &+ (d > 0 ? 1 : 0)
    let sum = a &+ b &+ c &+ d
    magnitude = sum == 0 ? 0 : sum < 3 ? 1 : sum < 6 ? 2 : sum < 12 ? 3 : sum < 24 ? 4 : 5
  }
}
