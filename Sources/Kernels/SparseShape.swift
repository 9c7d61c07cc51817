#if !ISA_SSE2 && !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

/// The matrix product behind a sparse convolution.
struct SparseShape<E: SparseElements> {
  let rows: Int
  let columns: Int
  /// Weights of an output, and their words.
  let k: Int, steps: Int
  /// Rows are pixels of the input itself.
  let isInPlace: Bool

  init(_ a: ek_conv) {
    rows = Int(a.n) &* Int(a.oh) &* Int(a.ow)
    columns = Int(a.c_out)
    k = Int(a.kh) &* Int(a.kw) &* Int(a.c_in)
    steps = divideUp(k, E.group)
    isInPlace = E.readsInPlace && a.kh == 1 && a.kw == 1 && a.stride_h == 1 && a.stride_w == 1 && a.pad_top == 0 && a.pad_left == 0
      && a.oh == a.h && a.ow == a.w && k % E.group == 0
  }

  /// The sizes that are kept in 32 bits fit, and the weights are of a kind that is taken.
  @inline(__always) static func takes(_ a: ek_conv) -> Bool {
    let shape = SparseShape(a)
    return a.groups == 1 && a.w_zero_point == 0 && shape.steps < 1 << 28 && shape.steps &* roundedUp(shape.columns, 16) < 1 << 31
  }

  var rowBytes: Int { 4 &* steps }
  var panels: Int { divideUp(columns, sparseWidth) }

  /// Bytes of scratch for `count` copied rows.
  func gatheredBytes(_ count: Int) -> Int { isInPlace ? 0 : roundedUp(count &* rowBytes, 64) &+ 64 }

  /// Rows from `first` on, copied to `scratch` where they are not in place, and the bytes from row to row.
  @inline(__always)
  func source(_ a: ek_conv, _ first: Int, _ count: Int, _ scratch: UnsafeMutableRawPointer) -> (UnsafeRawPointer, stride: Int) {
    if isInPlace {
      let stride = Int(a.x_stride) &* E.elementBytes
      return (a.x + first &* stride, stride)
    }
    E.gather(a, first, count, rowBytes, scratch)
    return (UnsafeRawPointer(scratch), rowBytes)
  }

  @inline(__always) func word(_ a: ek_conv, _ column: Int, _ step: Int) -> UInt32 {
    E.word(a.weights + column &* k &* E.elementBytes, k, step &* E.group)
  }

  func head(_ a: ek_conv, _ column: Int) -> SparseHead {
    var sum: Int32 = 0
    steps(a, column, 1) { step in sum &+= E.sum(word(a, column, step)) }
    return E.head(a, column, sum)
  }

  /// Steps for which one of the outputs column ..< column + count has a weight.
  func steps(_ a: ek_conv, _ column: Int, _ count: Int, _ take: (Int) -> Void) {
    var step = 0
    while step < steps {
      var i = 0
      while i < count, word(a, column &+ i, step) == 0 { i &+= 1 }
      if i < count { take(step) }
      step &+= 1
    }
  }

  /// The words with weights, counted for groups of `width` outputs.
  func entries(_ a: ek_conv, _ width: Int) -> Int {
    var entries = 0
    var column = 0
    while column < columns {
      steps(a, column, smaller(width, columns &- column)) { _ in entries &+= 1 }
      column &+= width
    }
    return entries
  }
}
#endif
