#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// An attribute of an ONNX node.
enum OnnxValue {
  case integer(Int)
  case float(Float)
  case text(StaticString)
  case integers([Int])
}

/// An ONNX file while it grows. Contents of constants stay where they are until it is put together.
/// Field numbers are those of the public schema, `onnx.proto`.
final class OnnxFile {
  /// A protocol buffer's lengths are signed 32-bit numbers to most readers.
  private static let maximumBytes = Int(Int32.max)

  private var nodes = ProtobufWriter()
  private var borders = ProtobufWriter()
  private var constants: [(head: ProtobufWriter, data: TensorData)] = []
  private var nodeNames = TextMap()
  private var tensorNames = TextMap()

  // Names.

  /// A tensor name nobody has: the wanted one where it is free.
  func uniqueTensor(_ wanted: Text) -> Text { OnnxFile.unique(wanted.isEmpty ? "tensor" : wanted, &tensorNames) }

  private static func unique(_ wanted: Text, _ names: inout TextMap) -> Text {
    var candidate = wanted
    var number = 2
    while names[candidate] != nil {
      candidate = "\(wanted)_\(number)"
      number += 1
    }
    names.set(candidate, 0)
    return candidate
  }

  // Parts.

  func addNode(
    _ type: StaticString, _ name: Text, _ inputs: [Text], _ outputs: [Text], _ attributes: [(name: StaticString, value: OnnxValue)]
  ) {
    var node = ProtobufWriter()
    for input in inputs { node.text(1, input) }
    for output in outputs { node.text(2, output) }
    node.text(3, OnnxFile.unique(name.isEmpty ? outputs.first ?? "node" : name, &nodeNames))
    node.text(4, Text(type))
    for (name, value) in attributes {
      var attribute = ProtobufWriter()
      attribute.text(1, Text(name))
      switch value {
      case .float(let number):
        attribute.float(2, number)
        attribute.integer(20, 1)
      case .integer(let number):
        attribute.integer(3, number)
        attribute.integer(20, 2)
      case .text(let text):
        attribute.text(4, Text(text))
        attribute.integer(20, 3)
      case .integers(let numbers):
        for number in numbers { attribute.integer(8, number) }
        attribute.integer(20, 7)
      }
      node.message(5, attribute)
    }
    nodes.message(1, node)
  }

  func addConstant(_ name: Text, _ dtype: DType, _ shape: Shape, _ data: TensorData) {
    var tensor = ProtobufWriter()
    for dim in shape.dims { tensor.integer(1, dim) }
    tensor.integer(2, OnnxFile.number(dtype))
    tensor.text(8, name)
    tensor.head(9, data.byteCount)
    constants.append((tensor, data))
  }

  /// A graph input (field 11) or output (12).
  func addBorder(_ field: Int, _ value: Value) {
    var shape = ProtobufWriter()
    for dim in value.shape.dims {
      var dimension = ProtobufWriter()
      if dim == Shape.batch { dimension.text(2, "N") } else { dimension.integer(1, dim) }
      shape.message(1, dimension)
    }
    var tensor = ProtobufWriter()
    tensor.integer(1, OnnxFile.number(value.dtype))
    tensor.message(2, shape)
    var type = ProtobufWriter()
    type.message(1, tensor)
    var info = ProtobufWriter()
    info.text(1, value.name)
    info.message(2, type)
    borders.message(field, info)
  }

  /// TensorProto.DataType.
  static func number(_ dtype: DType) -> Int {
    switch dtype {
    case .float32: return 1
    case .uint8: return 2
    case .int8: return 3
    case .uint16: return 4
    case .int16: return 5
    case .int32: return 6
    case .int64: return 7
    case .bool: return 9
    case .float16: return 10
    case .float64: return 11
    case .uint32: return 12
    case .uint64: return 13
    case .bfloat16: return 16
    }
  }

  /// The whole file. Throws `limitExceeded` beyond what a protocol buffer can hold, `outOfMemory`.
  func finish(name: Text, opset: Int, metadata: [(key: Text, value: Text)]) throws(EdgeError) -> Storage {
    var graphHead = ProtobufWriter()
    graphHead.text(2, name.isEmpty ? "edgeai" : name)
    var size = graphHead.bytes.count + nodes.bytes.count + borders.bytes.count
    var heads: [ProtobufWriter] = []
    for (head, data) in constants {
      var field = ProtobufWriter()
      field.head(5, head.bytes.count + data.byteCount)
      heads.append(field)
      let (sum, overflow) = size.addingReportingOverflow(field.bytes.count + head.bytes.count + data.byteCount)
      guard !overflow, sum <= OnnxFile.maximumBytes else { throw EdgeError(.limitExceeded, "an ONNX file holds 2 GB at most") }
      size = sum
    }
    guard size <= OnnxFile.maximumBytes else { throw EdgeError(.limitExceeded, "an ONNX file holds 2 GB at most") }

    var model = ProtobufWriter()
    model.integer(1, opset < 19 ? 8 : 9)
    model.text(2, "edgeai")
    var version = ProtobufWriter()
    version.text(1, "")
    version.integer(2, opset)
    model.message(8, version)
    for (key, value) in metadata {
      var entry = ProtobufWriter()
      entry.text(1, key)
      entry.text(2, value)
      model.message(14, entry)
    }
    model.head(7, size)

    let storage = try Storage.allocate(model.bytes.count + size)
    var place = 0
    func append(_ bytes: [UInt8]) {
      bytes.withUnsafeBytes { source in
        if let base = source.baseAddress { (storage.base + place).copyMemory(from: base, byteCount: source.count) }
      }
      place += bytes.count
    }
    append(model.bytes)
    append(nodes.bytes)
    append(graphHead.bytes)
    append(borders.bytes)
    for (index, (head, data)) in constants.enumerated() {
      append(heads[index].bytes)
      append(head.bytes)
      (storage.base + place).copyMemory(from: data.base, byteCount: data.byteCount)
      place += data.byteCount
    }
    return storage
  }
}
