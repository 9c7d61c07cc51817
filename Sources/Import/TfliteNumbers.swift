#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Arithmetic on shapes: integer tensors that are known while importing. The batch size is `Shape.batch` among them,
// which may be moved about but not computed with.

/// A small tensor of known integers.
final class TfliteNumbers {
  static let maximumCount = 4096
  let dims: [Int]
  let elements: [Int]
  init(_ dims: [Int], _ elements: [Int]) {
    self.dims = dims
    self.elements = elements
  }
}

extension TfliteImporter {
  /// The integers of a tensor, when they are known: a constant of the file or arithmetic on such.
  func numbers(_ tensor: Int) throws(EdgeError) -> TfliteNumbers? {
    if let numbers = known[tensor] { return numbers }
    let source = model.tensors[tensor]
    if !isMade[tensor], isEmptyConstant(tensor) { return TfliteNumbers(source.dims, []) }
    guard isConstant(tensor), dense[tensor] == nil, source.sparsity == nil, let type = TfliteType(rawValue: source.type), type == .int32 || type == .int64,
      source.contents.count <= TfliteNumbers.maximumCount * type.byteCount
    else { return nil }
    let data = try constantBytes(tensor)
    try noteConverted(data.byteCount &* 2)
    let elements = type == .int32 ? data.array(of: Int32.self).map { Int($0) } : data.array(of: Int64.self).map { Int(clamping: $0) }
    known[tensor] = TfliteNumbers(source.dims, elements)
    return known[tensor]
  }

  /// The integers of an operand that must be known.
  func integers(_ tensor: Int) throws(EdgeError) -> [Int] {
    guard let numbers = try numbers(tensor) else { throw reject("'\(model.tensors[tensor].name)' must be a known list of integers") }
    return numbers.elements
  }

  /// The only integer of an operand.
  func integer(_ tensor: Int) throws(EdgeError) -> Int {
    let list = try integers(tensor)
    guard list.count == 1 else { throw malformed("a single integer is required", tensor: tensor) }
    return list[0]
  }

  /// Known integers as a constant of the graph.
  func numberValue(_ tensor: Int, _ numbers: TfliteNumbers) throws(EdgeError) -> ValueID {
    let name = model.tensors[tensor].name
    if numbers.elements.contains(Shape.batch), freeBatch { throw reject("'\(name)' depends on the batch size") }
    let type = try fileType(tensor)
    try noteConverted(numbers.elements.count &* type.byteCount)
    let data: TensorData
    switch type {
    case .float32: data = try TensorData(numbers.elements.map { Float($0) })
    case .int32: data = try TensorData(numbers.elements.map { Int32(truncatingIfNeeded: $0) })
    case .int64: data = try TensorData(numbers.elements.map { Int64($0) })
    default: throw reject("'\(name)' has element type \(model.tensors[tensor].type), which is not supported")
    }
    places[tensor] = graph.addValue(
      Value(name: model.tensors[tensor].name, dtype: type.imported, shape: Shape(numbers.dims), constant: data))
    return places[tensor]
  }

  /// Evaluates the current node when it only concerns shapes; false when it is an ordinary one.
  func foldNumbers(_ code: TfliteCode) throws(EdgeError) -> Bool {
    if code == .shape {
      let dims = graph.values[try inputValue(0)].shape.dims
      known[try output()] = TfliteNumbers([dims.count], dims)
      return true
    }
    if code == .rank {
      known[try output()] = TfliteNumbers([], [shapeOf(try inputValue(0)).rank])
      return true
    }
    guard let first = optionalInput(0), isInteger(first), isInteger(try output()) || code == .cast, let a = try numbers(first) else { return false }
    var operands: [TfliteNumbers] = []
    for index in inputs.indices {
      guard let tensor = optionalInput(index), let numbers = try numbers(tensor) else { return false }
      operands.append(numbers)
    }
    let elements: [Int]
    var dims = a.dims
    switch code {
    case .cast, .reshape, .squeeze, .expandDims:
      let type = try fileType(try output())
      guard type == .int32 || type == .int64 || code == .cast && type == .float32 else { return false }
      elements = a.elements
      if code != .cast {
        dims = model.tensors[try output()].dims
        guard Shape(dims).elementCount() == elements.count else { return false }
      }
    case .pack, .concatenation:
      // Scalars or lists, one after the other.
      let options = try options(code == .pack ? 59 : 10)
      let activation = code == .pack ? 0 : try options.byte(1)
      guard try options.int32(code == .pack ? 1 : 0) == 0, activation == 0 else { return false }
      var count = 0
      for operand in operands {
        count &+= operand.elements.count
        guard operand.dims.count == (code == .pack ? 0 : 1), count <= TfliteNumbers.maximumCount else { return false }
      }
      elements = operands.flatMap { $0.elements }
      dims = [elements.count]
    case .stridedSlice:
      guard a.dims.count == 1 else { return false }
      let part = try stridedPart(Shape(a.dims))
      elements = picked(a.elements, part.starts[0], part.ends[0], part.steps[0])
      dims = part.places.map { $0 < 0 ? 1 : elements.count }
    case .gather:
      let options = try options(23)
      guard a.dims.count == 1, operands.count > 1, try options.int32(0) == 0, try options.int32(1) == 0 else { return false }
      for index in operands[1].elements where index < 0 || index >= a.elements.count { throw malformed("index \(index) is out of range") }
      elements = operands[1].elements.map { a.elements[$0] }
      dims = operands[1].dims
    case .reduceProd:
      guard a.dims.count == 1, operands.count > 1, operands[1].elements == [0] || operands[1].elements == [-1] else { return false }
      elements = [try product(a.elements)]
      dims = try options(27).bool(0) ? [1] : []
    case .fill:
      guard operands.count == 2, operands[1].elements.count == 1, !a.elements.contains(where: { $0 < 0 }),
        let count = Shape(a.elements).elementCount(), count <= TfliteNumbers.maximumCount, a.elements.count <= Shape.maximumRank
      else { return false }
      elements = [Int](repeating: operands[1].elements[0], count: count)
      dims = a.elements
    case .range:
      guard operands.count == 3, operands.allSatisfy({ $0.elements.count == 1 }), operands[2].elements[0] != 0 else { return false }
      elements = try range(a.elements[0], operands[1].elements[0], operands[2].elements[0])
      dims = [elements.count]
    case .slice:
      guard a.dims.count == 1, operands.count == 3, operands[1].elements.count == 1, operands[2].elements.count == 1 else { return false }
      let start = operands[1].elements[0]
      let size = operands[2].elements[0] == -1 ? a.elements.count &- start : operands[2].elements[0]
      guard start >= 0, start <= a.elements.count, size >= 0, size <= a.elements.count - start else { throw malformed("the bounds leave the tensor") }
      elements = Array(a.elements[start..<start + size])
      dims = [size]
    case .broadcastArgs:
      guard operands.count == 2, operands.allSatisfy({ $0.dims.count == 1 }) else { return false }
      elements = try broadcast(a.elements, operands[1].elements)
      dims = [elements.count]
    case .add, .sub, .mul, .minimum, .maximum, .div, .floorDiv, .floorMod:
      if code == .add || code == .sub || code == .mul || code == .div {
        guard try options(code == .add ? 11 : code == .sub ? 28 : code == .mul ? 21 : 29).byte(0) == 0 else { return false }
      }
      guard operands.allSatisfy({ $0.dims == a.dims || max($0.dims.count, a.dims.count) <= 1 }) else { return false }
      let result = try pairs(code, operands)
      elements = result.elements
      dims = result.dims
    default: return false
    }
    guard elements.count <= TfliteNumbers.maximumCount else { return false }
    try noteConverted(elements.count &* 8)
    known[try output()] = TfliteNumbers(dims, elements)
    return true
  }

  private func isInteger(_ tensor: Int) -> Bool {
    let type = TfliteType(rawValue: model.tensors[tensor].type)
    return type == .int32 || type == .int64
  }

  private func picked(_ list: [Int], _ start: Int, _ end: Int, _ step: Int) -> [Int] {
    var result: [Int] = []
    var index = start
    while step > 0 ? index < end : index > end {
      result.append(list[index])
      guard let next = addChecked(index, step) else { break }
      index = next
    }
    return result
  }

  private func range(_ start: Int, _ limit: Int, _ step: Int) throws(EdgeError) -> [Int] {
    for bound in [start, limit, step] {
      try checkKnown(bound)
      guard bound.magnitude < 1 << 40 else { throw malformed("a bound of the range is out of range") }
    }
    var result: [Int] = []
    var next = start
    while step > 0 ? next < limit : next > limit {
      guard result.count < TfliteNumbers.maximumCount else { throw reject("a range of so many numbers") }
      result.append(next)
      next &+= step
    }
    return result
  }

  /// The shape that two shapes broadcast to.
  private func broadcast(_ a: [Int], _ b: [Int]) throws(EdgeError) -> [Int] {
    let (long, short) = a.count < b.count ? (b, a) : (a, b)
    var result = long
    for (index, size) in short.enumerated() {
      let place = long.count - short.count + index
      guard long[place] == size || long[place] == 1 || size == 1 else { throw malformed("the shapes do not broadcast") }
      if long[place] == 1 { result[place] = size }
    }
    return result
  }

  private func checkKnown(_ number: Int) throws(EdgeError) {
    if freeBatch, number == Shape.batch { throw reject("arithmetic on the batch size is not supported") }
  }

  private func product(_ list: [Int]) throws(EdgeError) -> Int {
    var product = 1
    for number in list {
      try checkKnown(number)
      guard let next = multiplyChecked(product, number) else { throw malformed("a product of dimensions overflows") }
      product = next
    }
    return product
  }

  private func pairs(_ code: TfliteCode, _ operands: [TfliteNumbers]) throws(EdgeError) -> (elements: [Int], dims: [Int]) {
    guard operands.count == 2 else { throw malformed("takes 2 inputs, not \(operands.count)") }
    let (a, b) = (operands[0], operands[1])
    let count = a.elements.count == 1 ? b.elements.count : a.elements.count
    guard b.elements.count == 1 || b.elements.count == count else { throw reject("broadcasting of known integers is not supported") }
    var result: [Int] = []
    for index in 0..<count {
      let x = a.elements[a.elements.count == 1 ? 0 : index]
      let y = b.elements[b.elements.count == 1 ? 0 : index]
      try checkKnown(x)
      try checkKnown(y)
      let value: Int?
      switch code {
      case .add: value = addChecked(x, y)
      case .sub: value = y == Int.min ? nil : addChecked(x, -y)
      case .mul: value = multiplyChecked(x, y)
      case .minimum: value = min(x, y)
      case .maximum: value = max(x, y)
      default:
        guard y != 0, x != Int.min else { throw malformed("a division by zero") }
        let (quotient, rest) = x.quotientAndRemainder(dividingBy: y)
        let isBelow = rest != 0 && (rest < 0) != (y < 0)
        value = code == .div ? quotient : code == .floorMod ? isBelow ? rest &+ y : rest : isBelow ? quotient &- 1 : quotient
      }
      guard let value else { throw malformed("arithmetic on dimensions overflows") }
      result.append(value)
    }
    return (result, a.elements.count == 1 && !b.dims.isEmpty ? b.dims : a.dims)
  }
}
