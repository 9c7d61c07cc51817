@testable import Graph
@testable import Import

/// Writes protocol buffer messages field by field: the counterpart of ProtobufReader, for tests only.
struct Proto {
  var bytes: [UInt8] = []

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private func adding(_ number: Int, _ wireType: Int, _ content: (inout Proto) -> Void) -> Proto {
    var copy = self
    copy.varint(UInt64(number << 3 | wireType))
    content(&copy)
    return copy
  }

  func int(_ number: Int, _ value: Int) -> Proto { adding(number, 0) { $0.varint(UInt64(bitPattern: Int64(value))) } }
  func raw(_ number: Int, _ content: [UInt8]) -> Proto {
    adding(number, 2) {
      $0.varint(UInt64(content.count))
      $0.bytes += content
    }
  }
  func text(_ number: Int, _ value: String) -> Proto { raw(number, Array(value.utf8)) }
  func message(_ number: Int, _ value: Proto) -> Proto { raw(number, value.bytes) }
  func float(_ number: Int, _ value: Float) -> Proto {
    adding(number, 5) { proto in withUnsafeBytes(of: value.bitPattern.littleEndian) { proto.bytes += $0 } }
  }
  func ints(_ number: Int, _ values: [Int]) -> Proto {
    var packed = Proto()
    for value in values { packed.varint(UInt64(bitPattern: Int64(value))) }
    return raw(number, packed.bytes)
  }
}

func littleEndian<T>(_ values: [T]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

/// An attribute of a node.
enum Attribute {
  case int(Int), ints([Int]), float(Float), text(String), tensor(Proto)

  func proto(_ name: String) -> Proto {
    let head = Proto().text(1, name)
    switch self {
    case .int(let value): return head.int(20, 2).int(3, value)
    case .ints(let values): return head.int(20, 7).ints(8, values)
    case .float(let value): return head.int(20, 1).float(2, value)
    case .text(let value): return head.int(20, 3).text(4, value)
    case .tensor(let value): return head.int(20, 4).message(5, value)
    }
  }
}

func floatTensor(_ name: String, _ dims: [Int], _ values: [Float]) -> Proto {
  Proto().ints(1, dims).int(2, 1).text(8, name).raw(9, littleEndian(values))
}
func intTensor(_ name: String, _ dims: [Int], _ values: [Int]) -> Proto {
  Proto().ints(1, dims).int(2, 7).text(8, name).raw(9, littleEndian(values.map { Int64($0) }))
}

/// An ONNX file under construction. Dimensions of inputs are numbers or names.
struct OnnxFile {
  var opset = 13
  var graph = Proto().text(2, "test")
  private var nodeCount = 0

  init(opset: Int = 13) { self.opset = opset }

  mutating func input(_ name: String, _ dims: [Any], type: Int = 1) { graph = graph.message(11, OnnxFile.info(name, dims, type)) }
  mutating func output(_ name: String) { graph = graph.message(12, Proto().text(1, name)) }
  mutating func output(_ name: String, _ dims: [Any], type: Int) { graph = graph.message(12, OnnxFile.info(name, dims, type)) }
  mutating func initializer(_ tensor: Proto) { graph = graph.message(5, tensor) }
  mutating func floats(_ name: String, _ dims: [Int]) {
    initializer(floatTensor(name, dims, (0..<dims.reduce(1, *)).map { Float($0) }))
  }
  mutating func ints(_ name: String, _ values: [Int]) { initializer(intTensor(name, [values.count], values)) }

  mutating func node(_ type: String, _ inputs: [String], _ outputs: [String], _ attributes: [(String, Attribute)] = [], domain: String = "") {
    var node = Proto()
    for name in inputs { node = node.text(1, name) }
    for name in outputs { node = node.text(2, name) }
    node = node.text(3, "\(type)_\(nodeCount)").text(4, type)
    for (name, value) in attributes { node = node.message(5, value.proto(name)) }
    if !domain.isEmpty { node = node.text(7, domain) }
    graph = graph.message(1, node)
    nodeCount += 1
  }

  static func info(_ name: String, _ dims: [Any], _ type: Int) -> Proto {
    var shape = Proto()
    for dim in dims {
      let dimension = (dim as? Int).map { Proto().int(1, $0) } ?? Proto().text(2, dim as? String ?? "")
      shape = shape.message(1, dimension)
    }
    return Proto().text(1, name).message(2, Proto().message(1, Proto().int(1, type).message(2, shape)))
  }

  var bytes: [UInt8] { Proto().int(1, 8).message(8, Proto().int(2, opset)).message(7, graph).bytes }

  func load(limits: Limits = Limits(), external: ((Text) throws(EdgeError) -> Storage)? = nil) throws(EdgeError) -> ImportedModel {
    try importBytes(bytes, limits: limits, external: external)
  }
}

/// Imports from an array; the graph keeps its own copy of the bytes.
func importBytes(
  _ bytes: [UInt8], limits: Limits = Limits(), bindings: [InputBinding] = [], external: ((Text) throws(EdgeError) -> Storage)? = nil
) throws(EdgeError) -> ImportedModel {
  let storage = try TensorData(bytes).storage
  return try importOnnx(
    UnsafeRawBufferPointer(start: storage.base, count: bytes.count), owner: storage, limits: limits, bindings: bindings,
    externalData: external)
}
