#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// TensorProto.DataType, as far as it is read.
enum OnnxElementType: Int {
  case float = 1, uint8, int8, uint16, int16, int32, int64
  case bool = 9, float16, double, uint32, uint64
  case bfloat16 = 16
  case uint4 = 21, int4

  /// A type that operators compute: there are constants of 4 bits, but nothing else.
  init?(computed number: Int) {
    guard let type = OnnxElementType(rawValue: number), type != .uint4, type != .int4 else { return nil }
    self = type
  }

  /// The type in the file for one of the graph.
  init(_ dtype: DType) {
    switch dtype {
    case .float32: self = .float
    case .uint8: self = .uint8
    case .int8: self = .int8
    case .uint16: self = .uint16
    case .int16: self = .int16
    case .int32: self = .int32
    case .uint32: self = .uint32
    case .int64: self = .int64
    case .uint64: self = .uint64
    case .bool: self = .bool
    case .float16: self = .float16
    case .bfloat16: self = .bfloat16
    case .float64: self = .double
    }
  }

  /// Bytes of one element in the file; of two 4-bit elements.
  var byteCount: Int {
    switch self {
    case .uint8, .int8, .bool, .uint4, .int4: return 1
    case .uint16, .int16, .float16, .bfloat16: return 2
    case .float, .int32, .uint32: return 4
    case .int64, .double, .uint64: return 8
    }
  }

  /// Element type that operators compute on: every floating type becomes float32.
  var imported: DType { declared.computed }

  /// The element type itself, which the tensor has at the network's borders; bytes for 4 bits.
  var declared: DType {
    switch self {
    case .float: return .float32
    case .uint8, .uint4: return .uint8
    case .int8, .int4: return .int8
    case .int16: return .int16
    case .uint16: return .uint16
    case .int32: return .int32
    case .uint32: return .uint32
    case .int64: return .int64
    case .uint64: return .uint64
    case .bool: return .bool
    case .float16: return .float16
    case .bfloat16: return .bfloat16
    case .double: return .float64
    }
  }

  /// The integers that the type can hold; nil for other types and for those of 32 bits and more.
  var range: ClosedRange<Int>? {
    switch self {
    case .uint8: return 0...255
    case .int8: return -128...127
    case .uint16: return 0...65535
    case .int16: return -32768...32767
    case .uint4: return 0...15
    case .int4: return -8...7
    default: return nil
    }
  }

  var name: StaticString {
    switch self {
    case .uint4: return "uint4"
    case .int4: return "int4"
    default: return declared.name
    }
  }

  /// Number of the TensorProto field that holds such elements when they are not raw.
  var typedField: Int {
    switch self {
    case .float: return 4
    case .uint8, .int8, .uint16, .int16, .int32, .bool, .float16, .bfloat16, .uint4, .int4: return 5
    case .int64: return 7
    case .double: return 10
    case .uint32, .uint64: return 11
    }
  }

  /// Elements of `byteCount` bytes that hold so many of this type.
  func stored(_ count: Int) -> Int { self == .uint4 || self == .int4 ? count / 2 &+ count % 2 : count }

  /// A type's name in messages.
  static func name(_ number: Int) -> Text {
    if let type = OnnxElementType(rawValue: number) { return Text(type.name) }
    return "type \(number)"
  }

  /// What is wrong with a number that is none of these.
  static func problem(_ number: Int) -> Text {
    switch number {
    case 0: return "has no element type"
    case -1: return "is not a tensor"
    case 8: return "has text elements"
    default: return "has element type \(number), which is not supported"
    }
  }
}

extension DType {
  /// What stands for it between the network's borders.
  var computed: DType { isFloatingPoint ? .float32 : self }
}

extension OnnxImporter {
  /// The tensor that holds a constant operand, or nil when it is none.
  func constantTensor(_ id: Int) -> OnnxTensor? {
    let operand = operands[id]
    if operand.initializer >= 0 { return initializers[operand.initializer] }
    return operand.attributeTensor.first
  }

  /// Checks a constant's type, size and place, and reads it at once when it is small.
  func prepareConstant(_ id: Int, _ tensor: OnnxTensor) throws(EdgeError) {
    let type = try elementType(tensor, operands[id].name)
    for dim in tensor.dims where dim > Int(Int32.max) {
      throw EdgeError(
        .limitExceeded, "tensor '\(operands[id].name)' overflows: it has a dimension of \(dim)", tensor: operands[id].name,
        byteOffset: tensor.byteOffset)
    }
    operands[id].dtype = type.imported
    operands[id].shape = Shape(tensor.dims)
    operands[id].isConstant = true
    operands[id].isDefined = true
    guard let count = tensor.elementCount, count <= OnnxKnown.maximumCount else { return }
    let data = try constantData(id)
    operands[id].known = OnnxKnown(type.imported, tensor.dims, data)
  }

  private func elementType(_ tensor: OnnxTensor, _ name: Text) throws(EdgeError) -> OnnxElementType {
    guard let type = OnnxElementType(rawValue: tensor.elementType) else {
      throw EdgeError(
        tensor.elementType == 0 ? .malformedModel : .unsupportedFeature, "tensor '\(name)' \(OnnxElementType.problem(tensor.elementType))",
        tensor: name, byteOffset: tensor.byteOffset)
    }
    return type
  }

  /// Contents of an initializer or attribute in the imported element type or, when they must be `exact`, in their own:
  /// borrowed from the file where type and alignment allow, else converted.
  func constantData(_ id: Int, exact: Bool = false) throws(EdgeError) -> TensorData {
    let name = operands[id].name
    guard let tensor = constantTensor(id) else { throw reject("'\(name)' is not a constant of the file") }
    let type = try elementType(tensor, name)
    func failure(_ status: Status, _ message: Text) -> EdgeError {
      EdgeError(status, "tensor '\(name)' \(message)", tensor: name, byteOffset: tensor.byteOffset)
    }
    guard let count = tensor.elementCount, count <= limits.maximumTensorBytes / max(type.byteCount, type.imported.byteCount) else {
      throw failure(.limitExceeded, "takes more than \(limits.maximumTensorBytes) bytes")
    }
    let stored = type.stored(count)
    let byteCount = stored * type.byteCount

    var source: TensorData?
    if let contents = tensor.contents {
      source = contents
    } else if tensor.isExternal {
      source = try external(tensor, name, byteCount)
    } else if let raw = tensor.raw {
      if tensor.typedField != 0 { throw failure(.malformedModel, "has raw and typed data") }
      guard raw.count == byteCount else {
        throw failure(.malformedModel, "has \(raw.count) bytes of data; shape \(Shape(tensor.dims).text) needs \(byteCount)")
      }
      source = TensorData(file, offset: raw.lowerBound, byteCount: raw.count)
    } else if count > 0 {
      guard tensor.typedField == type.typedField else {
        throw failure(.malformedModel, tensor.typedField == 0 ? "has no data" : "has data of another type than its element type")
      }
      if type == .float || type == .double, let packed = tensor.packed {
        guard packed.count == byteCount else {
          throw failure(.malformedModel, "has \(packed.count / type.byteCount) elements; shape \(Shape(tensor.dims).text) needs \(count)")
        }
        source = TensorData(file, offset: packed.lowerBound, byteCount: byteCount)
      } else {
        source = try typedElements(tensor, type, stored, name)
      }
    } else {
      source = try TensorData([UInt8]())
    }
    guard let source else { throw failure(.malformedModel, "lies outside the file") }
    return exact ? try OnnxConversion.aligned(source, to: type.byteCount) : try OnnxConversion.convert(source, type, count: count)
  }

  /// Typed data written element by element or as packed varints, as little-endian elements of the file's type.
  private func typedElements(_ tensor: OnnxTensor, _ type: OnnxElementType, _ count: Int, _ name: Text) throws(EdgeError) -> TensorData? {
    let size = type.byteCount
    // Each element takes at least a byte of the file, so a short file cannot ask for much memory.
    guard count <= tensor.body.count else {
      throw EdgeError(
        .malformedModel, "tensor '\(name)' has too few elements for shape \(Shape(tensor.dims).text)", tensor: name, byteOffset: tensor.byteOffset)
    }
    let storage = try Storage.allocate(count * size)
    var written = 0
    var message = ProtobufReader(file.bytes).reader(over: tensor.body)
    let single: ProtobufWireType = type == .float ? .fixed32 : type == .double ? .fixed64 : .varint
    while let field = try message.nextField() {
      guard field.number == tensor.typedField else {
        try message.skip(field)
        continue
      }
      let isPacked = field.wireType == .lengthDelimited
      guard isPacked || field.wireType == single else {
        throw message.error("tensor '\(name)' has data of wire type \(field.wireType.rawValue)", at: field.offset)
      }
      var elements = isPacked ? try message.message(field) : message
      while !isPacked || elements.position < elements.end {
        let bits: UInt64
        switch single {
        case .fixed32: bits = UInt64(try elements.fixed32())
        case .fixed64: bits = try elements.fixed64()
        default: bits = try elements.varint()
        }
        guard written < count else {
          throw EdgeError(
            .malformedModel, "tensor '\(name)' has more elements than shape \(Shape(tensor.dims).text)", tensor: name, byteOffset: field.offset)
        }
        withUnsafeBytes(of: bits.littleEndian) { bytes in
          for byte in 0..<size { storage.base.storeBytes(of: bytes[byte], toByteOffset: written * size + byte, as: UInt8.self) }
        }
        written += 1
        if !isPacked { break }
      }
      if !isPacked { message = elements }
    }
    guard written == count else {
      throw EdgeError(
        .malformedModel, "tensor '\(name)' has \(written) elements; shape \(Shape(tensor.dims).text) needs \(count)", tensor: name,
        byteOffset: tensor.byteOffset)
    }
    return TensorData(storage, offset: 0, byteCount: count * size)
  }

  private func external(_ tensor: OnnxTensor, _ name: Text, _ byteCount: Int) throws(EdgeError) -> TensorData {
    func failure(_ status: Status, _ message: Text) -> EdgeError {
      EdgeError(status, "tensor '\(name)' \(message)", tensor: name, byteOffset: tensor.byteOffset)
    }
    let location = tensor.location
    guard OnnxConversion.staysBelow(location) else {
      throw failure(.malformedModel, "has external data at '\(location)', which is not a path below the model's folder")
    }
    guard let externalData else { throw failure(.ioError, "has external data in '\(location)', which is not at hand") }
    let storage: Storage
    do throws(EdgeError) {
      storage = try externalData(location)
    } catch {
      var error = error
      error.tensor = name
      error.byteOffset = tensor.byteOffset
      throw error
    }
    guard tensor.externalLength < 0 || tensor.externalLength == byteCount else {
      throw failure(.malformedModel, "has \(tensor.externalLength) bytes of external data; shape \(Shape(tensor.dims).text) needs \(byteCount)")
    }
    guard let data = TensorData(storage, offset: tensor.externalOffset, byteCount: byteCount) else {
      throw failure(.truncatedModel, "needs bytes \(tensor.externalOffset) to \(tensor.externalOffset &+ byteCount) of '\(location)', which has \(storage.count)")
    }
    return data
  }
}

extension Storage {
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }
}
