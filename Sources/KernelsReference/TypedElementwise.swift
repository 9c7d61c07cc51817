import CPlatform

// Functions of one, two or three broadcast tensors of any element type; units are blocks of the result.

func typedUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_typed.self)
  return blocks(a.pointee.end &- a.pointee.first)
}

func typedElementwise(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let args = arguments(raw, ek_typed.self)
  let range = blockRange(begin, end, args.pointee.end, from: args.pointee.first)
  let a = elements(scratch, Int64.self)
  let b = a + laneCount
  let c = b + laneCount
  var i = range.begin
  while i < range.end {
    let n = range.end &- i < laneCount ? range.end &- i : laneCount
    if args.pointee.a != nil { loadStrided(args, args.pointee.a_type, args.pointee.a, args.pointee.a_stride, i, n, a) }
    if args.pointee.inputs > 1 { loadStrided(args, args.pointee.b_type, args.pointee.b, args.pointee.b_stride, i, n, b) }
    if args.pointee.inputs > 2 { loadStrided(args, args.pointee.c_type, args.pointee.c, args.pointee.c_stride, i, n, c) }
    compute(args, a, b, c, n)
    storeLanes(args.pointee.y_type, args.pointee.y, i, 1, n, a)
    i &+= n
  }
}

private typealias Eight = (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64)

/// The elements [begin, begin + count) of an operand read in the result's shape.
@inline(never)
private func loadStrided(
  _ args: UnsafePointer<ek_typed>, _ type: Int32, _ base: UnsafeRawPointer?, _ stride: Eight, _ begin: Int, _ count: Int, _ lanes: Lanes
) {
  let rank = args.pointee.rank
  withUnsafeBytes(of: args.pointee.dims) { dims in
    withUnsafeBytes(of: stride) { stride in
      let step = rank > 0 ? int(extents(stride)[int(rank) &- 1]) : 1
      walk(
        rank: rank, dims: extents(dims), p: extents(stride), q: extents(stride), begin: begin, end: begin &+ count
      ) { index, offset, _, count in
        loadLanes(type, base, offset, step, count, lanes + (index &- begin))
      }
    }
  }
}

/// Leaves the result in `a`, in the kind of y's type.
private func compute(_ args: UnsafePointer<ek_typed>, _ a: Lanes, _ b: Lanes, _ c: Lanes, _ n: Int) {
  var type = args.pointee.a_type
  switch args.pointee.inputs {
  case 1: type = unaryLanes(args, a, n)
  case 2:
    let other = args.pointee.b_type
    if isFloating(type) != isFloating(other) {
      convertLanes(from: type, to: Int32(EK_TYPE_FLOAT64), n, a)
      convertLanes(from: other, to: Int32(EK_TYPE_FLOAT64), n, b)
      type = Int32(EK_TYPE_FLOAT64)
    }
    type = combineLanes(args.pointee.function, type, a, b, n)
  default:
    type = args.pointee.b_type
    var i = 0
    while i < n {
      a[i] = (args.pointee.a == nil ? real(c[i]) != real(c[i]) : a[i] != 0) ? b[i] : c[i]
      i &+= 1
    }
  }
  convertLanes(from: type, to: args.pointee.y_type, n, a)
}

@inline(__always)
private func map(_ a: Lanes, _ n: Int, _ function: (Int64) -> Int64) {
  var i = 0
  while i < n {
    a[i] = function(a[i])
    i &+= 1
  }
}

/// - Returns: the type whose kind the lanes have now.
private func unaryLanes(_ args: UnsafePointer<ek_typed>, _ a: Lanes, _ n: Int) -> Int32 {
  let type = args.pointee.a_type
  let function = args.pointee.function
  let (alpha, beta) = (args.pointee.alpha, args.pointee.beta)
  if Int(function) == EK_UNARY_CAST { return type }
  if isFloating(type) {
    switch Int(function) {
    case EK_UNARY_IS_NAN: map(a, n) { real($0) != real($0) ? 1 : 0 }
    case EK_UNARY_IS_INFINITE: map(a, n) { real($0) == .infinity && alpha != 0 || real($0) == -.infinity && beta != 0 ? 1 : 0 }
    default:
      map(a, n) { bits(Double(unaryValue(function, Float(real($0)), alpha, beta))) }
      return type
    }
    return Int32(EK_TYPE_BOOL)
  }
  let unsigned = Int(type) == EK_TYPE_UINT64
  switch Int(function) {
  case EK_UNARY_ABS: if !unsigned { map(a, n) { $0 < 0 ? 0 &- $0 : $0 } }
  case EK_UNARY_NEGATE: map(a, n) { 0 &- $0 }
  case EK_UNARY_SIGN: map(a, n) { $0 == 0 ? 0 : $0 < 0 && !unsigned ? -1 : 1 }
  default:
    let mask: Int64 = Int(type) == EK_TYPE_BOOL ? 1 : -1
    map(a, n) { $0 ^ mask }
  }
  return type
}

/// a = f(a, b) for lanes of one kind.
///
/// - Returns: the type whose kind the lanes have now.
@inline(never)
func combineLanes(_ function: Int32, _ type: Int32, _ a: Lanes, _ b: Lanes, _ n: Int) -> Int32 {
  let floating = isFloating(type)
  let unsigned = Int(type) == EK_TYPE_UINT64
  var i = 0
  while i < n {
    a[i] = floating ? combined(function, real(a[i]), real(b[i])) : combined(function, a[i], b[i], unsigned)
    i &+= 1
  }
  let isComparison = Int(function) >= EK_BINARY_EQUAL && Int(function) <= EK_BINARY_LESS_OR_EQUAL || Int(function) == EK_BINARY_NOT_EQUAL
  return isComparison ? Int32(EK_TYPE_BOOL) : type
}

/// A number's bits, or a truth.
private func combined(_ function: Int32, _ a: Double, _ b: Double) -> Int64 {
  switch Int(function) {
  case EK_BINARY_EQUAL: return a == b ? 1 : 0
  case EK_BINARY_NOT_EQUAL: return a != b ? 1 : 0
  case EK_BINARY_LESS: return a < b ? 1 : 0
  case EK_BINARY_LESS_OR_EQUAL: return a <= b ? 1 : 0
  case EK_BINARY_ADD: return bits(a + b)
  case EK_BINARY_SUBTRACT: return bits(a - b)
  case EK_BINARY_MULTIPLY: return bits(a * b)
  case EK_BINARY_DIVIDE: return bits(a / b)
  case EK_BINARY_MINIMUM: return bits(a < b || a != a ? a : b)
  case EK_BINARY_MAXIMUM: return bits(a > b || a != a ? a : b)
  case EK_BINARY_MODULO, EK_BINARY_REMAINDER:
    var rest = a.truncatingRemainder(dividingBy: b)
    if Int(function) == EK_BINARY_MODULO, rest != 0, (rest < 0) != (b < 0) { rest += b }
    return bits(rest)
  default: return bits(Double(power(Float(a), Float(b))))
  }
}

private func combined(_ function: Int32, _ a: Int64, _ b: Int64, _ unsigned: Bool) -> Int64 {
  // Without its sign bit turned, an unsigned number would compare as negative.
  let flip: Int64 = unsigned ? .min : 0
  switch Int(function) {
  case EK_BINARY_ADD: return a &+ b
  case EK_BINARY_SUBTRACT: return a &- b
  case EK_BINARY_MULTIPLY: return a &* b
  case EK_BINARY_DIVIDE: return quotient(a, b, unsigned)
  case EK_BINARY_MINIMUM: return a ^ flip < b ^ flip ? a : b
  case EK_BINARY_MAXIMUM: return a ^ flip < b ^ flip ? b : a
  case EK_BINARY_POWER: return power(a, b, unsigned)
  case EK_BINARY_PRELU: return a < 0 && !unsigned ? a &* b : a
  case EK_BINARY_MODULO, EK_BINARY_REMAINDER:
    if b == 0 { return 0 }
    let rest = a &- quotient(a, b, unsigned) &* b
    return Int(function) == EK_BINARY_MODULO && !unsigned && rest != 0 && (rest < 0) != (b < 0) ? rest &+ b : rest
  case EK_BINARY_EQUAL: return a == b ? 1 : 0
  case EK_BINARY_NOT_EQUAL: return a != b ? 1 : 0
  case EK_BINARY_LESS: return a ^ flip < b ^ flip ? 1 : 0
  case EK_BINARY_LESS_OR_EQUAL: return a ^ flip <= b ^ flip ? 1 : 0
  case EK_BINARY_AND: return a & b
  case EK_BINARY_OR: return a | b
  case EK_BINARY_XOR: return a ^ b
  case EK_BINARY_SHIFT_LEFT: return b >= 0 && b < 64 ? a &<< b : 0
  default:
    if b < 0 || b > 63 { return a < 0 && !unsigned ? -1 : 0 }
    return unsigned ? Int64(bitPattern: UInt64(bitPattern: a) &>> UInt64(bitPattern: b)) : a &>> b
  }
}

private func quotient(_ a: Int64, _ b: Int64, _ unsigned: Bool) -> Int64 {
  if b == 0 { return 0 }
  if unsigned { return Int64(bitPattern: UInt64(bitPattern: a) / UInt64(bitPattern: b)) }
  return b == -1 ? 0 &- a : a / b
}

private func power(_ base: Int64, _ exponent: Int64, _ unsigned: Bool) -> Int64 {
  if exponent < 0 && !unsigned {
    if base == 1 || base == -1 { return exponent & 1 == 0 ? 1 : base }
    return 0
  }
  var (result, square, left): (Int64, Int64, UInt64) = (1, base, UInt64(bitPattern: exponent))
  while left != 0 {
    if left & 1 == 1 { result = result &* square }
    square = square &* square
    left >>= 1
  }
  return result
}
