import CPlatform
import Foundation
import Testing

// The typed kernel against Swift's own integers and floats, type by type.

let typeNumbers: [Int] = Array(EK_TYPE_FLOAT32...EK_TYPE_BFLOAT16)

private struct Operand {
  var type: Int
  var bytes: [UInt8]
  var strides: [Int]
}

/// Runs a function of one to three operands read in the shape `dims`.
private func typed(
  _ function: Int, _ operands: [Operand], _ dims: [Int], _ resultType: Int, size: Int, alpha: Float = 0, beta: Float = 0
) -> [UInt8] {
  withTestMemory { memory in
    var a = ek_typed()
    (a.inputs, a.function, a.alpha, a.beta) = (Int32(operands.count), Int32(function), alpha, beta)
    (a.rank, a.dims, a.y_type) = (Int32(dims.count), tuple8(dims), Int32(resultType))
    a.end = Int64(dims.reduce(1, *))
    (a.a, a.a_type, a.a_stride) = (memory.input(operands[0].bytes), Int32(operands[0].type), tuple8(operands[0].strides))
    if operands.count > 1 {
      (a.b, a.b_type, a.b_stride) = (memory.input(operands[1].bytes), Int32(operands[1].type), tuple8(operands[1].strides))
    }
    if operands.count > 2 {
      (a.c, a.c_type, a.c_stride) = (memory.input(operands[2].bytes), Int32(operands[2].type), tuple8(operands[2].strides))
    }
    return memory.outputOfAnyPartition(of: reference(EK_TYPED_ELEMENTWISE), bytes: dims.reduce(1, *) * size) { y in
      a.y = y
      return a
    }
  }
}

/// One number of an integer type by the header's rules.
private func expected<T: FixedWidthInteger>(_ function: Int, _ a: T, _ b: T) -> T {
  switch function {
  case EK_BINARY_ADD: return a &+ b
  case EK_BINARY_SUBTRACT: return a &- b
  case EK_BINARY_MULTIPLY: return a &* b
  case EK_BINARY_DIVIDE: return b == 0 ? 0 : a.dividedReportingOverflow(by: b).partialValue
  case EK_BINARY_MINIMUM: return min(a, b)
  case EK_BINARY_MAXIMUM: return max(a, b)
  case EK_BINARY_POWER:
    if b < 0 { return a == 1 ? 1 : a == 0 &- 1 ? (b & 1 == 0 ? 1 : a) : 0 }
    var result: T = 1
    for _ in 0..<Int(b) { result = result &* a }
    return result
  case EK_BINARY_PRELU: return a < 0 ? a &* b : a
  case EK_BINARY_REMAINDER: return b == 0 ? 0 : a.remainderReportingOverflow(dividingBy: b).partialValue
  case EK_BINARY_MODULO:
    if b == 0 { return 0 }
    let rest = a.remainderReportingOverflow(dividingBy: b).partialValue
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest
  case EK_BINARY_AND: return a & b
  case EK_BINARY_OR: return a | b
  case EK_BINARY_XOR: return a ^ b
  case EK_BINARY_SHIFT_LEFT: return b < 0 || b >= T.bitWidth ? 0 : a << b
  default: return b < 0 || b >= T.bitWidth ? (a < 0 ? 0 &- 1 : 0) : a >> b
  }
}

private func checkIntegers<T: FixedWidthInteger>(_ type: Int, _: T.Type) {
  var random = SeededRandom(UInt64(type))
  let dims = [3, 7, 100]
  let count = dims.reduce(1, *)
  var a = (0..<count).map { _ in T(truncatingIfNeeded: random.next()) }
  a.replaceSubrange(0..<4, with: [.min, .max, 0, .min])
  for function in EK_BINARY_ADD..<EK_BINARY_TYPED_COUNT {
    var b = (0..<7 * 100).map { _ in T(truncatingIfNeeded: random.next()) }
    if function == EK_BINARY_POWER || function == EK_BINARY_SHIFT_LEFT || function == EK_BINARY_SHIFT_RIGHT {
      b = b.map { T(truncatingIfNeeded: Int($0 & 0x3F) - (T.isSigned ? 3 : 0)) }
    } else {
      for index in 0..<50 { b[index] = T(truncatingIfNeeded: index % 5 - 2) }
    }
    let isComparison = (EK_BINARY_EQUAL...EK_BINARY_LESS_OR_EQUAL).contains(function)
    let y = typed(
      function, [Operand(type: type, bytes: bytes(of: a), strides: [700, 100, 1]), Operand(type: type, bytes: bytes(of: b), strides: [0, 100, 1])],
      dims, isComparison ? EK_TYPE_BOOL : type, size: isComparison ? 1 : MemoryLayout<T>.size)
    if isComparison {
      let want = a.indices.map { i -> UInt8 in
        let (x, z) = (a[i], b[i % 700])
        return (function == EK_BINARY_EQUAL ? x == z : function == EK_BINARY_LESS ? x < z : x <= z) ? 1 : 0
      }
      #expect(y == want, "comparison \(function) of type \(type)")
    } else {
      let found: [T] = elements(y)
      for i in a.indices where found[i] != expected(function, a[i], b[i % 700]) {
        Issue.record("function \(function) of type \(type): f(\(a[i]), \(b[i % 700])) = \(found[i])")
        break
      }
    }
  }
  for function in [EK_UNARY_ABS, EK_UNARY_NEGATE, EK_UNARY_SIGN, EK_UNARY_NOT] {
    let y: [T] = elements(
      typed(function, [Operand(type: type, bytes: bytes(of: a), strides: [1])], [count], type, size: MemoryLayout<T>.size))
    let want = a.map { x -> T in
      switch function {
      case EK_UNARY_ABS: return x < 0 ? 0 &- x : x
      case EK_UNARY_NEGATE: return 0 &- x
      case EK_UNARY_SIGN: return x == 0 ? 0 : x < 0 ? 0 &- 1 : 1
      default: return ~x
      }
    }
    #expect(y == want, "unary \(function) of type \(type)")
  }
}

/// Numbers of a type as bytes, each also as Double.
private func samples(_ type: Int, _ random: inout SeededRandom) -> (bytes: [UInt8], numbers: [Double]) {
  func integers<T: FixedWidthInteger>(_: T.Type) -> (bytes: [UInt8], numbers: [Double]) {
    let x = [T.min, T.max, 0, 1, 100] + (0..<300).map { _ in T(truncatingIfNeeded: random.next()) }
    return (bytes(of: x), x.map { Double($0) })
  }
  let reals: [Double] = [0, -0.0, 1.5, -2.5, 255.99, -129, 65504, 65520, 1e-5, -3e-8, 6e-8, 3e38, .nan, .infinity, -.infinity, 1e300]
    + random.floats(400, -300...300).map { Double($0) }
  switch type {
  case EK_TYPE_FLOAT32: return (bytes(of: reals.map { Float($0) }), reals.map { Double(Float($0)) })
  case EK_TYPE_FLOAT64: return (bytes(of: reals), reals)
  case EK_TYPE_FLOAT16: return (bytes(of: reals.map { Float16($0) }), reals.map { Double(Float16($0)) })
  case EK_TYPE_BFLOAT16:
    let high = reals.map { UInt16(Float($0).bitPattern >> 16) }
    return (bytes(of: high), high.map { Double(Float(bitPattern: UInt32($0) << 16)) })
  case EK_TYPE_BOOL: return ([0, 1, 1, 0], [0, 1, 1, 0])
  case EK_TYPE_UINT8: return integers(UInt8.self)
  case EK_TYPE_INT8: return integers(Int8.self)
  case EK_TYPE_INT16: return integers(Int16.self)
  case EK_TYPE_UINT16: return integers(UInt16.self)
  case EK_TYPE_INT32: return integers(Int32.self)
  case EK_TYPE_UINT32: return integers(UInt32.self)
  case EK_TYPE_INT64: return integers(Int64.self)
  default: return integers(UInt64.self)
  }
}

private func sizeOfType(_ type: Int) -> Int {
  switch type {
  case EK_TYPE_BOOL, EK_TYPE_UINT8, EK_TYPE_INT8: return 1
  case EK_TYPE_FLOAT16, EK_TYPE_BFLOAT16, EK_TYPE_INT16, EK_TYPE_UINT16: return 2
  case EK_TYPE_FLOAT32, EK_TYPE_INT32, EK_TYPE_UINT32: return 4
  default: return 8
  }
}

private func trigonometry(_ function: Int, _ x: Double) -> Double {
  switch function {
  case EK_UNARY_SIN: return sin(x)
  case EK_UNARY_COS: return cos(x)
  case EK_UNARY_TAN: return tan(x)
  case EK_UNARY_ASIN: return asin(x)
  case EK_UNARY_ACOS: return acos(x)
  case EK_UNARY_ATAN: return atan(x)
  case EK_UNARY_SINH: return sinh(x)
  case EK_UNARY_COSH: return cosh(x)
  case EK_UNARY_ASINH: return asinh(x)
  case EK_UNARY_ACOSH: return acosh(x)
  default: return atanh(x)
  }
}

@Suite struct TypedElementwiseTests {
  @Test func integersOfEveryWidth() {
    checkIntegers(EK_TYPE_UINT8, UInt8.self)
    checkIntegers(EK_TYPE_INT8, Int8.self)
    checkIntegers(EK_TYPE_UINT16, UInt16.self)
    checkIntegers(EK_TYPE_INT16, Int16.self)
    checkIntegers(EK_TYPE_UINT32, UInt32.self)
    checkIntegers(EK_TYPE_INT32, Int32.self)
    checkIntegers(EK_TYPE_UINT64, UInt64.self)
    checkIntegers(EK_TYPE_INT64, Int64.self)
  }

  @Test(arguments: typeNumbers) func castsToEveryType(_ from: Int) {
    var random = SeededRandom(UInt64(from))
    let (raw, numbers) = samples(from, &random)
    for to in typeNumbers {
      let y = typed(
        EK_UNARY_CAST, [Operand(type: from, bytes: raw, strides: [1])], [numbers.count], to, size: sizeOfType(to))
      for (index, x) in numbers.enumerated() {
        let found = [UInt8](y[index * sizeOfType(to)..<(index + 1) * sizeOfType(to)])
        let isWide = [EK_TYPE_INT64, EK_TYPE_UINT64].contains(from) && x.magnitude >= 0x1p53
        switch to {
        case EK_TYPE_FLOAT32: #expect(isWide || ulpDistance((elements(found) as [Float])[0], Float(x)) == 0 || x == 0, "\(x)")
        case EK_TYPE_FLOAT64: #expect(isWide || x.isNaN || (elements(found) as [Double])[0] == x, "\(x)")
        case EK_TYPE_FLOAT16:
          let want = Float16(x)
          #expect(isWide || want.isNaN && (elements(found) as [Float16])[0].isNaN || found == bytes(of: [want]), "\(x) gives \(found)")
        case EK_TYPE_BFLOAT16:
          let bits = Float(x).bitPattern
          let even = UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
          // Rounding by way of Float rounds numbers of a wide type twice.
          #expect(isWide || x.isNaN || Double(Float(x)) != x || found == bytes(of: [even]), "\(x)")
        case EK_TYPE_BOOL: #expect(found == [x != 0 ? 1 : 0], "\(x)")
        default:
          guard x.magnitude < 9e15 else { continue }
          let whole = Int64(x.rounded(.towardZero))
          #expect(found == [UInt8](bytes(of: [whole])[..<sizeOfType(to)]), "\(x) as type \(to)")
        }
      }
    }
  }

  @Test func beyondInt64() {
    let x: [Double] = [1e19, 1e30, -1e30, .infinity, .nan]
    let operand = [Operand(type: EK_TYPE_FLOAT64, bytes: bytes(of: x), strides: [1])]
    #expect(elements(typed(EK_UNARY_CAST, operand, [5], EK_TYPE_UINT64, size: 8)) == [10_000_000_000_000_000_000, .max, UInt64(1) << 63, .max, 0])
    #expect(elements(typed(EK_UNARY_CAST, operand, [5], EK_TYPE_INT64, size: 8)) == [Int64.max, .max, .min, .max, 0])
  }

  /// Through a double, 2^60 + 2^36 + 1 would be a tie and round down.
  @Test func wideIntegersRoundOnce() {
    var random = SeededRandom(31)
    var x = (0..<2000).map { _ in Int64(bitPattern: random.next()) >> Int64(random.int(0...12)) }
    for bit in [36, 37, 45, 49, 52] as [Int64] {
      for high in [60, 61, 62] as [Int64] {
        let tie = (Int64(1) << high) + (Int64(1) << bit)
        x += [tie - 1, tie, tie + 1, 1 - tie, -tie, -1 - tie]
      }
    }
    x += [.min, .max, .min + 1, Int64(1) << 53, Int64(1) << 53 + 1]
    func cast<T>(_ type: Int, _ to: Int, _ size: Int, _: T.Type) -> [T] {
      elements(typed(EK_UNARY_CAST, [Operand(type: type, bytes: bytes(of: x), strides: [1])], [x.count], to, size: size))
    }
    #expect(cast(EK_TYPE_INT64, EK_TYPE_FLOAT32, 4, Float.self) == x.map { Float($0) })
    #expect(cast(EK_TYPE_UINT64, EK_TYPE_FLOAT32, 4, Float.self) == x.map { Float(UInt64(bitPattern: $0)) })
    #expect(cast(EK_TYPE_INT64, EK_TYPE_FLOAT64, 8, Double.self) == x.map { Double($0) })
    // To 8 bits of fraction and sign: by the integer's own bits.
    let found = cast(EK_TYPE_INT64, EK_TYPE_BFLOAT16, 2, UInt16.self)
    for (x, y) in zip(x, found) where x != 0 {
      let drop = max(64 - x.magnitude.leadingZeroBitCount - 8, 0)
      let (whole, rest) = (x.magnitude >> UInt64(drop), drop == 0 ? 0 : x.magnitude << UInt64(64 - drop))
      let rounded = whole + (rest > 1 << 63 || rest == 1 << 63 && whole & 1 == 1 ? 1 : 0)
      #expect(Double(Float(bitPattern: UInt32(y) << 16)) == (x < 0 ? -1 : 1) * Double(rounded) * Double(sign: .plus, exponent: drop, significand: 1))
    }
    // To half precision what fits: 2^15 + 2^4 is a tie.
    let small: [Int64] = [32784, 32785, -32784, 65519, 65520]
    let halves = typed(EK_UNARY_CAST, [Operand(type: EK_TYPE_INT64, bytes: bytes(of: small), strides: [1])], [5], EK_TYPE_FLOAT16, size: 2)
    #expect(elements(halves) as [Float16] == [32768, 32800, -32768, 65504, .infinity])
  }

  /// Doubles far outside the range of 16-bit floats are infinite, never NaN.
  @Test func greatDoublesAreInfiniteIn16Bits() {
    let x = (900...1023).flatMap { exponent in [1, 1.5, 1.999, -1.25].map { $0 * Double(sign: .plus, exponent: exponent, significand: 1) } }
    let operand = [Operand(type: EK_TYPE_FLOAT64, bytes: bytes(of: x), strides: [1])]
    for (type, infinity) in [(EK_TYPE_FLOAT16, 0x7C00), (EK_TYPE_BFLOAT16, 0x7F80)] as [(Int, UInt16)] {
      #expect(elements(typed(EK_UNARY_CAST, operand, [x.count], type, size: 2)) == x.map { $0 < 0 ? infinity | 0x8000 : infinity })
    }
  }

  @Test(arguments: EK_UNARY_SIN...EK_UNARY_ATANH) func trigonometricFunctions(_ function: Int) {
    var random = SeededRandom(UInt64(function))
    let x: [Float] = [0, -0.0, 1, -1, 0.5, .nan, .infinity, -.infinity, 1e-20, 8388607, 8388608, 1e10, 3.4e38, 1.5707964, 16367173 * 0x1p72]
      + random.floats(3000, -1...1) + random.floats(3000, -90...90) + random.floats(1000, 1...1e6) + random.floats(1000, 1e7...1e12)
      + (0..<3000).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) }
    let y: [Float] = elements(
      typed(function, [Operand(type: EK_TYPE_FLOAT32, bytes: bytes(of: x), strides: [1])], [x.count], EK_TYPE_FLOAT32, size: 4))
    for (x, y) in zip(x, y) {
      let want = Float(trigonometry(function, Double(x)))
      #expect(ulpDistance(y, want) <= 1, "function \(function) of \(x) = \(y), expected \(want)")
    }
  }

  @Test func floatsAndChoices() {
    let x: [Float] = [1, -7.5, .nan, .infinity, -.infinity, 0, 5.25]
    let z: [Float] = [1, 2, 3, 2, 1, 4, -2]
    let a = Operand(type: EK_TYPE_FLOAT32, bytes: bytes(of: x), strides: [1])
    let b = Operand(type: EK_TYPE_FLOAT32, bytes: bytes(of: z), strides: [1])
    #expect(typed(EK_UNARY_IS_NAN, [a], [7], EK_TYPE_BOOL, size: 1) == [0, 0, 1, 0, 0, 0, 0])
    #expect(typed(EK_UNARY_IS_INFINITE, [a], [7], EK_TYPE_BOOL, size: 1, alpha: 1) == [0, 0, 0, 1, 0, 0, 0])
    #expect(typed(EK_UNARY_IS_INFINITE, [a], [7], EK_TYPE_BOOL, size: 1, beta: 1) == [0, 0, 0, 0, 1, 0, 0])
    #expect(typed(EK_BINARY_LESS, [a, b], [7], EK_TYPE_BOOL, size: 1) == [0, 1, 0, 0, 1, 1, 0])
    #expect(typed(EK_BINARY_EQUAL, [a, b], [7], EK_TYPE_BOOL, size: 1) == [1, 0, 0, 0, 0, 0, 0])
    let modulo: [Float] = elements(typed(EK_BINARY_MODULO, [a, b], [7], EK_TYPE_FLOAT32, size: 4))
    #expect(modulo[1] == 0.5 && modulo[6] == -0.75 && modulo[2].isNaN && modulo[3].isNaN)
    let remainder: [Float] = elements(typed(EK_BINARY_REMAINDER, [a, b], [7], EK_TYPE_FLOAT32, size: 4))
    #expect(remainder[1] == -1.5 && remainder[6] == 1.25)
    let condition = Operand(type: EK_TYPE_BOOL, bytes: [0, 1, 0, 1, 1, 0, 1], strides: [1])
    let chosen: [Float] = elements(typed(0, [condition, a, Operand(type: EK_TYPE_FLOAT32, bytes: bytes(of: [Float(9)]), strides: [0])], [7], EK_TYPE_FLOAT32, size: 4))
    #expect(chosen == [9, -7.5, 9, .infinity, -.infinity, 9, 5.25])
    let base = Operand(type: EK_TYPE_INT32, bytes: bytes(of: [Int32(4), 9, -2]), strides: [1])
    let exponent = Operand(type: EK_TYPE_FLOAT32, bytes: bytes(of: [Float(0.5), 0.5, 3]), strides: [1])
    #expect(elements(typed(EK_BINARY_POWER, [base, exponent], [3], EK_TYPE_INT32, size: 4)) == [Int32(2), 3, -8])
    #expect(typed(EK_BINARY_XOR, [condition, condition], [0], EK_TYPE_BOOL, size: 1) == [])
    #expect(typed(EK_UNARY_NOT, [condition], [7], EK_TYPE_BOOL, size: 1) == [1, 0, 1, 0, 0, 1, 0])
  }

  @Test func arithmeticOfDoubles() {
    let x: [Double] = [1e200, 1 / 3, -2.5, 0x1p53, .nan, 5e-324]
    let z: [Double] = [3e-200, 1e-17, 7, 1, 2, 5e-324]
    let a = Operand(type: EK_TYPE_FLOAT64, bytes: bytes(of: x), strides: [1])
    let b = Operand(type: EK_TYPE_FLOAT64, bytes: bytes(of: z), strides: [1])
    let functions: [(Int, (Double, Double) -> Double)] = [
      (EK_BINARY_ADD, { $0 + $1 }), (EK_BINARY_SUBTRACT, { $0 - $1 }), (EK_BINARY_MULTIPLY, { $0 * $1 }), (EK_BINARY_DIVIDE, { $0 / $1 }),
      (EK_BINARY_MINIMUM, { $0.isNaN ? $0 : min($0, $1) }), (EK_BINARY_MAXIMUM, { $0.isNaN ? $0 : max($0, $1) }),
    ]
    for (function, expected) in functions {
      let y: [Double] = elements(typed(function, [a, b], [6], EK_TYPE_FLOAT64, size: 8))
      for index in 0..<6 {
        let want = expected(x[index], z[index])
        #expect(y[index] == want || y[index].isNaN && want.isNaN, "function \(function) of \(x[index]) and \(z[index])")
      }
    }
  }
}
