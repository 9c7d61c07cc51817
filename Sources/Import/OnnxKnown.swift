#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// One number of a tensor that the importer knows.
enum OnnxNumber: Equatable {
  case integer(Int)
  case real(Double)
  /// So many times the batch size; never zero times.
  case batch(Int)
  /// A number that a run finds, an int64 scalar of the graph, from 0 to a limit: entries of a dimension that depends on data.
  case counted(ValueID, upTo: Int)

  var isCounted: Bool {
    if case .counted = self { return true }
    return false
  }

  /// The integer this is, if it is one.
  var integer: Int? {
    switch self {
    case .integer(let value): return value
    case .real(let value): return abs(value) < 9e15 ? Int(exactly: value) : nil
    case .batch, .counted: return nil
    }
  }

  var real: Double? {
    switch self {
    case .integer(let value): return Double(value)
    case .real(let value): return value
    case .batch, .counted: return nil
    }
  }
}

/// A small tensor whose elements are known, or multiples of the batch size: shapes and what is computed from
/// them, axes, scales, limits. Row-major.
struct OnnxKnown {
  /// Larger tensors are data, not arithmetic on shapes.
  static let maximumCount = 4096

  var dtype: DType
  var dims: [Int]
  var elements: [OnnxNumber]

  init(_ dtype: DType, _ dims: [Int], _ elements: [OnnxNumber]) {
    self.dtype = dtype
    self.dims = dims
    self.elements = elements
  }

  /// A vector of integers.
  init(integers: [Int]) {
    self.init(.int64, [integers.count], integers.map { OnnxNumber.integer($0) })
  }

  /// Contents of a constant, or nil when the element type is not one that shape arithmetic uses.
  init?(_ dtype: DType, _ dims: [Int], _ data: TensorData) {
    let elements: [OnnxNumber]
    switch dtype {
    case .float32: elements = data.array(of: Float.self).map { OnnxNumber.real(Double($0)) }
    case .int64: elements = data.array(of: Int64.self).map { OnnxNumber.integer(Int(clamping: $0)) }
    case .int32: elements = data.array(of: Int32.self).map { OnnxNumber.integer(Int($0)) }
    case .bool, .uint8: elements = data.array(of: UInt8.self).map { OnnxNumber.integer(Int($0)) }
    case .int8: elements = data.array(of: Int8.self).map { OnnxNumber.integer(Int($0)) }
    case .int16: elements = data.array(of: Int16.self).map { OnnxNumber.integer(Int($0)) }
    case .uint16: elements = data.array(of: UInt16.self).map { OnnxNumber.integer(Int($0)) }
    case .uint32:
      let numbers = data.array(of: UInt32.self)
      guard numbers.allSatisfy({ $0 <= UInt32(clamping: Int.max) }) else { return nil }
      elements = numbers.map { OnnxNumber.integer(Int($0)) }
    case .uint64:
      let numbers = data.array(of: UInt64.self)
      guard numbers.allSatisfy({ $0 <= UInt64(Int.max) }) else { return nil }
      elements = numbers.map { OnnxNumber.integer(Int($0)) }
    default: return nil
    }
    self.init(dtype, dims, elements)
  }

  /// A shape as a vector.
  init(shape: Shape, range: Range<Int>) {
    self.init(.int64, [range.count], range.map { shape[$0] == Shape.batch ? OnnxNumber.batch(1) : .integer(shape[$0]) })
  }

  /// Whether the element type can hold all elements: arithmetic that would wrap around is not done here.
  var isInRange: Bool {
    let range: ClosedRange<Int>
    switch dtype {
    case .uint8: range = 0...255
    case .int8: range = -128...127
    case .uint16: range = 0...65535
    case .int16: range = -32768...32767
    case .uint32: range = 0...Int(clamping: UInt32.max)
    case .int32: range = Int(Int32.min)...Int(Int32.max)
    case .uint64: range = 0...Int.max
    default: return true
    }
    for element in elements {
      if case .integer(let value) = element, !range.contains(value) { return false }
    }
    return true
  }

  /// Whether a run finds some of the elements.
  var isCounted: Bool { elements.contains { $0.isCounted } }

  /// All elements as integers, or nil when one is not.
  var integers: [Int]? {
    var result: [Int] = []
    for element in elements {
      guard let value = element.integer else { return nil }
      result.append(value)
    }
    return result
  }

  /// All elements as real numbers, or nil when one depends on the batch.
  var reals: [Float]? {
    var result: [Float] = []
    for element in elements {
      guard let value = element.real else { return nil }
      result.append(Float(value))
    }
    return result
  }

  /// The elements as bytes of the element type.
  func data() throws(EdgeError) -> TensorData {
    for element in elements {
      if case .batch = element {
        throw EdgeError(.unsupportedOperator, "a tensor of data depends on the batch size")
      }
    }
    switch dtype {
    case .float32: return try TensorData(elements.map { Float($0.real ?? 0) })
    case .int32: return try TensorData(elements.map { Int32(clamping: $0.integer ?? 0) })
    case .bool, .uint8: return try TensorData(elements.map { UInt8(clamping: $0.integer ?? 0) })
    case .int8: return try TensorData(elements.map { Int8(clamping: $0.integer ?? 0) })
    case .int16: return try TensorData(elements.map { Int16(clamping: $0.integer ?? 0) })
    case .uint16: return try TensorData(elements.map { UInt16(clamping: $0.integer ?? 0) })
    case .uint32: return try TensorData(elements.map { UInt32(clamping: $0.integer ?? 0) })
    default: return try TensorData(elements.map { Int64($0.integer ?? 0) })
    }
  }

  /// Distances between neighbours along each axis.
  var strides: [Int] { Shape(dims).strides }

  /// The tensor that has the given dimensions and reads element offset + sum(index[i] * step[i]) of this one.
  func gathered(_ newDims: [Int], steps: [Int], offset: Int = 0) -> OnnxKnown? {
    guard let count = Shape(newDims).elementCount(), count <= OnnxKnown.maximumCount else { return nil }
    var result: [OnnxNumber] = []
    var index = [Int](repeating: 0, count: newDims.count)
    var position = offset
    for _ in 0..<count {
      guard position >= 0, position < elements.count else { return nil }
      result.append(elements[position])
      var axis = newDims.count - 1
      while axis >= 0 {
        index[axis] += 1
        position &+= steps[axis]
        if index[axis] < newDims[axis] { break }
        position &-= steps[axis] &* newDims[axis]
        index[axis] = 0
        axis -= 1
      }
    }
    return OnnxKnown(dtype, newDims, result)
  }

  /// Broadcast to dimensions that the own ones broadcast to.
  func broadcast(to newDims: [Int]) -> OnnxKnown? {
    guard newDims.count >= dims.count else { return nil }
    let own = strides
    let lead = newDims.count - dims.count
    var steps = [Int](repeating: 0, count: newDims.count)
    for axis in dims.indices {
      if dims[axis] == newDims[lead + axis] {
        steps[lead + axis] = dims[axis] == 1 ? 0 : own[axis]
      } else if dims[axis] != 1 {
        return nil
      }
    }
    return gathered(newDims, steps: steps)
  }

  /// Dimensions two tensors broadcast to.
  static func commonDims(_ a: [Int], _ b: [Int]) -> [Int]? {
    let rank = max(a.count, b.count)
    var result: [Int] = []
    for axis in 0..<rank {
      let left = axis < rank - a.count ? 1 : a[axis - (rank - a.count)]
      let right = axis < rank - b.count ? 1 : b[axis - (rank - b.count)]
      guard left == right || left == 1 || right == 1 else { return nil }
      result.append(left == 1 ? right : left)
    }
    return result
  }
}
