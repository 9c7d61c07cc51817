import CPlatform

// Batched matrix product of two strided tensors. A unit is one row of the result. Floats are summed in the order
// of k; then bias, then clamp.

func matmulUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_matmul.self)
  return a.pointee.batch &* a.pointee.m
}

/// Visits the elements of the rows [begin, end).
///
/// - `body`: (offset of the row in a, offset of the column in b, index in y, column).
@inline(__always)
private func forEachDotProduct(
  _ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64,
  _ body: (_ a: Int, _ b: Int, _ y: Int, _ column: Int) -> Void
) {
  let args = arguments(raw, ek_matmul.self)
  let rows = int(args.pointee.m)
  let columns = int(args.pointee.n)
  var unit = int(begin)
  while unit < int(end) {
    let batch = unit / rows
    let row = unit &- batch &* rows
    let m = args.pointee
    func matrix(_ groupStride: Int64, _ batchStride: Int64) -> Int { int(ek_matrix_offset(args, Int64(batch), groupStride, batchStride)) }
    let a = matrix(m.a_group_stride, m.a_batch_stride) &+ row &* int(m.a_row_stride)
    let b = matrix(m.b_group_stride, m.b_batch_stride)
    let y = matrix(m.y_group_stride, m.y_batch_stride) &+ row &* int(m.y_row_stride)
    var column = 0
    while column < columns {
      body(a, b &+ column &* int(m.b_column_stride), y &+ column, column)
      column &+= 1
    }
    unit &+= 1
  }
}

func matmulFloat(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let args = arguments(raw, ek_matmul.self)
  let a = elements(args.pointee.a, Float.self)
  let b = elements(args.pointee.b, Float.self)
  let y = elements(args.pointee.y, Float.self)
  let depth = int(args.pointee.k)
  let aStep = int(args.pointee.a_column_stride)
  let bStep = int(args.pointee.b_row_stride)
  forEachDotProduct(raw, begin, end) { aOffset, bOffset, index, column in
    var sum: Float = 0
    var i = 0
    while i < depth {
      sum += a[aOffset &+ i &* aStep] * b[bOffset &+ i &* bStep]
      i &+= 1
    }
    if let bias = args.pointee.bias { sum += elements(bias, Float.self)[column] }
    y[index] = clamped(sum, args.pointee.clamp_min, args.pointee.clamp_max)
  }
}

func matmulInteger(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let args = arguments(raw, ek_matmul.self)
  let a = elements(args.pointee.a, UInt8.self)
  let b = elements(args.pointee.b, UInt8.self)
  let y = elements(args.pointee.y, UInt8.self)
  let depth = int(args.pointee.k)
  let aStep = int(args.pointee.a_column_stride)
  let bStep = int(args.pointee.b_row_stride)
  let aZero = args.pointee.a_zero_point
  let bZero = args.pointee.b_zero_point
  forEachDotProduct(raw, begin, end) { aOffset, bOffset, index, _ in
    var sum: Int32 = 0
    var i = 0
    while i < depth {
      sum = sum &+ (Int32(a[aOffset &+ i &* aStep]) &- aZero) &* (Int32(b[bOffset &+ i &* bStep]) &- bZero)
      i &+= 1
    }
    y[index] = quantized(float(sum) * args.pointee.scale, args.pointee.y_zero_point, 0, 255)
  }
}
