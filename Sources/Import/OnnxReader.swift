#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Reads the messages of `onnx.proto` that a model is made of. Field numbers are those of the public schema.
/// Repetition is limited by `limits`, so memory stays within a small multiple of the file's size.
final class OnnxReader {
  private let limits: Limits
  private var nodeCount = 0
  /// Tensors, tensor names in nodes and attributes seen.
  private var itemCount = 0
  /// Bodies around the graph being read.
  private var depth = 0

  private init(_ limits: Limits) { self.limits = limits }

  /// The model in a file.
  static func read(_ bytes: UnsafeRawBufferPointer, _ limits: Limits) throws(EdgeError) -> OnnxModel {
    guard bytes.count <= limits.maximumFileBytes else {
      throw EdgeError(.limitExceeded, "the file has \(bytes.count) bytes, more than \(limits.maximumFileBytes)")
    }
    guard bytes.count > 0 else { throw EdgeError(.truncatedModel, "the file is empty", byteOffset: 0) }
    let reader = OnnxReader(limits)
    return try reader.model(ProtobufReader(bytes))
  }

  private func name(_ reader: inout ProtobufReader, _ field: ProtobufField) throws(EdgeError) -> Text {
    try reader.string(field, maximumBytes: limits.maximumNameBytes)
  }

  private func countItem(at offset: Int) throws(EdgeError) {
    itemCount &+= 1
    if itemCount > limits.maximumValues {
      throw EdgeError(.limitExceeded, "the model has more than \(limits.maximumValues) tensors, tensor names and attributes", byteOffset: offset)
    }
  }

  private func model(_ message: ProtobufReader) throws(EdgeError) -> OnnxModel {
    var message = message
    let model = OnnxModel()
    var hasGraph = false
    while let field = try message.nextField() {
      switch field.number {
      case 7:
        if hasGraph { throw message.error("the model has two graphs", at: field.offset) }
        hasGraph = true
        try graph(try message.message(field), into: model)
      case 8:
        try countItem(at: field.offset)
        model.opsets.append(try operatorSet(try message.message(field)))
      case 14:
        try countItem(at: field.offset)
        model.metadata.append(try entry(try message.message(field)))
      case 25:
        model.hasFunctions = true
        try message.skip(field)
      default: try message.skip(field)
      }
    }
    if !hasGraph { throw message.error("the file has no graph: it is not an ONNX model", at: 0) }
    return model
  }

  /// OperatorSetIdProto.
  private func operatorSet(_ message: ProtobufReader) throws(EdgeError) -> (domain: Text, version: Int) {
    var message = message
    var domain = Text()
    var version = 0
    while let field = try message.nextField() {
      switch field.number {
      case 1: domain = try name(&message, field)
      case 2: version = try message.integer(field)
      default: try message.skip(field)
      }
    }
    return (domain: domain, version: version)
  }

  /// StringStringEntryProto.
  private func entry(_ message: ProtobufReader) throws(EdgeError) -> (key: Text, value: Text) {
    var message = message
    var key = Text()
    var value = Text()
    while let field = try message.nextField() {
      switch field.number {
      case 1: key = try name(&message, field)
      case 2: value = try message.string(field, maximumBytes: limits.maximumMetadataBytes)
      default: try message.skip(field)
      }
    }
    return (key: key, value: value)
  }

  private func graph(_ message: ProtobufReader, into model: OnnxGraph) throws(EdgeError) {
    var message = message
    while let field = try message.nextField() {
      switch field.number {
      case 1:
        nodeCount &+= 1
        if nodeCount > limits.maximumNodes {
          throw EdgeError(.limitExceeded, "the model has more than \(limits.maximumNodes) nodes", byteOffset: field.offset)
        }
        model.nodes.append(try node(try message.message(field), at: field.offset))
      case 2: model.name = try name(&message, field)
      case 5:
        try countItem(at: field.offset)
        model.initializers.append(try tensor(try message.message(field), at: field.offset))
      case 11:
        try countItem(at: field.offset)
        model.inputs.append(try valueInfo(try message.message(field), at: field.offset))
      case 12:
        try countItem(at: field.offset)
        model.outputs.append(try valueInfo(try message.message(field), at: field.offset))
      case 15:
        throw EdgeError(.unsupportedFeature, "sparse initializers are not supported", byteOffset: field.offset)
      default: try message.skip(field)
      }
    }
  }

  private func node(_ message: ProtobufReader, at offset: Int) throws(EdgeError) -> OnnxNode {
    var message = message
    let node = OnnxNode()
    node.byteOffset = offset
    while let field = try message.nextField() {
      switch field.number {
      case 1:
        try countItem(at: field.offset)
        node.inputs.append(try name(&message, field))
      case 2:
        try countItem(at: field.offset)
        node.outputs.append(try name(&message, field))
      case 3: node.name = try name(&message, field)
      case 4: node.type.text = try name(&message, field)
      case 5:
        try countItem(at: field.offset)
        node.attributes.append(try attribute(try message.message(field), at: field.offset))
      case 7: node.domain = try name(&message, field)
      default: try message.skip(field)
      }
    }
    // "ai.onnx" is the long spelling of the default domain.
    if node.domain == "ai.onnx" { node.domain = "" }
    return node
  }

  private func attribute(_ message: ProtobufReader, at offset: Int) throws(EdgeError) -> OnnxAttribute {
    var message = message
    let attribute = OnnxAttribute()
    attribute.byteOffset = offset
    var seen = 0
    while let field = try message.nextField() {
      switch field.number {
      case 1: attribute.name = try name(&message, field)
      case 20: attribute.kind = try message.integer(field)
      case 2:
        attribute.float = try message.float(field)
        seen = OnnxAttribute.Kind.float.rawValue
      case 3:
        attribute.integer = try message.integer(field)
        seen = OnnxAttribute.Kind.integer.rawValue
      case 4:
        let range = try message.range(field)
        attribute.text = word(message, range)
        seen = OnnxAttribute.Kind.text.rawValue
      case 5:
        if !attribute.tensors.isEmpty { throw message.error("attribute '\(attribute.name)' has two tensors", at: field.offset) }
        attribute.tensors.append(try tensor(try message.message(field), at: field.offset))
        seen = OnnxAttribute.Kind.tensor.rawValue
      case 6:
        if !attribute.graphs.isEmpty { throw message.error("attribute '\(attribute.name)' has two graphs", at: field.offset) }
        guard depth < ControlFlow.maximumDepth else {
          throw EdgeError(
            .limitExceeded, "branches and loops nest more than \(ControlFlow.maximumDepth) deep", byteOffset: field.offset)
        }
        depth += 1
        let body = OnnxGraph()
        try graph(try message.message(field), into: body)
        attribute.graphs.append(body)
        depth -= 1
        seen = OnnxAttribute.Kind.graph.rawValue
      case 7:
        try message.floats(field, into: &attribute.floats)
        seen = OnnxAttribute.Kind.floats.rawValue
      case 8:
        try message.integers(field, into: &attribute.integers)
        seen = OnnxAttribute.Kind.integers.rawValue
      case 9:
        try countItem(at: field.offset)
        let range = try message.range(field)
        attribute.texts.append(word(message, range))
        seen = OnnxAttribute.Kind.texts.rawValue
      default: try message.skip(field)
      }
    }
    if attribute.kind == 0 { attribute.kind = seen }
    return attribute
  }

  /// The texts that matter are short words; others (labels, source code) need not be UTF-8.
  private func word(_ message: ProtobufReader, _ range: Range<Int>) -> Text {
    range.count <= 1024 ? Text(validating: UnsafeRawBufferPointer(rebasing: message.bytes[range])) ?? "" : ""
  }

  private func tensor(_ message: ProtobufReader, at offset: Int) throws(EdgeError) -> OnnxTensor {
    var message = message
    let tensor = OnnxTensor()
    tensor.byteOffset = offset
    tensor.body = message.position..<message.end
    var typedFields = 0
    while let field = try message.nextField() {
      switch field.number {
      case 1:
        try message.integers(field, into: &tensor.dims)
        if tensor.dims.count > Shape.maximumRank {
          throw EdgeError(.limitExceeded, "a tensor has more than \(Shape.maximumRank) dimensions", tensor: tensor.name, byteOffset: field.offset)
        }
      case 2: tensor.elementType = try message.integer(field)
      case 4, 5, 6, 7, 10, 11:
        if tensor.typedField != 0, tensor.typedField != field.number {
          throw message.error("a tensor has data of two types", at: field.offset)
        }
        tensor.typedField = field.number
        typedFields &+= 1
        if field.wireType == .lengthDelimited, typedFields == 1 {
          tensor.packed = try message.content()
        } else {
          tensor.packed = nil
          try message.skip(field)
        }
      case 8: tensor.name = try name(&message, field)
      case 9: tensor.raw = try message.range(field)
      case 13: try externalEntry(try message.message(field), into: tensor)
      case 14: tensor.isExternal = try message.integer(field) == 1
      default: try message.skip(field)
      }
    }
    for dim in tensor.dims where dim < 0 {
      throw EdgeError(.malformedModel, "a tensor has the negative dimension \(dim)", tensor: tensor.name, byteOffset: offset)
    }
    guard tensor.elementCount != nil else {
      throw EdgeError(.limitExceeded, "a tensor's size overflows", tensor: tensor.name, byteOffset: offset)
    }
    return tensor
  }

  /// One of the entries location, offset, length (others, such as a checksum, are not needed).
  private func externalEntry(_ message: ProtobufReader, into tensor: OnnxTensor) throws(EdgeError) {
    let entry = try entry(message)
    switch entry.key {
    case "location": tensor.location = entry.value
    case "offset", "length":
      guard let number = entry.value.decimal else {
        throw EdgeError(.malformedModel, "external data has the \(entry.key) '\(entry.value)'", tensor: tensor.name, byteOffset: message.position)
      }
      if entry.key == "offset" { tensor.externalOffset = number } else { tensor.externalLength = number }
    default: break
    }
  }

  private func valueInfo(_ message: ProtobufReader, at offset: Int) throws(EdgeError) -> OnnxValueInfo {
    var message = message
    let info = OnnxValueInfo()
    info.byteOffset = offset
    while let field = try message.nextField() {
      switch field.number {
      case 1: info.name = try name(&message, field)
      case 2:
        var type = try message.message(field)
        info.elementType = -1
        try self.type(&type, into: info, mayBeOptional: true)
      default: try message.skip(field)
      }
    }
    return info
  }

  /// TypeProto. An optional tensor is a tensor, for it is always given; sequences, maps and other optionals stay -1.
  private func type(_ message: inout ProtobufReader, into info: OnnxValueInfo, mayBeOptional: Bool) throws(EdgeError) {
    while let field = try message.nextField() {
      switch field.number {
      case 1: try tensorType(try message.message(field), into: info)
      case 9 where mayBeOptional:
        var optional = try message.message(field)
        while let inner = try optional.nextField() {
          guard inner.number == 1 else {
            try optional.skip(inner)
            continue
          }
          var element = try optional.message(inner)
          try type(&element, into: info, mayBeOptional: false)
        }
      default: try message.skip(field)
      }
    }
  }

  /// TypeProto.Tensor.
  private func tensorType(_ message: ProtobufReader, into info: OnnxValueInfo) throws(EdgeError) {
    var message = message
    while let field = try message.nextField() {
      switch field.number {
      case 1: info.elementType = try message.integer(field)
      case 2:
        var shape = try message.message(field)
        var dims: [OnnxValueInfo.Dimension] = []
        while let inner = try shape.nextField() {
          if inner.number == 1 { dims.append(try dimension(try shape.message(inner))) } else { try shape.skip(inner) }
          if dims.count > Shape.maximumRank {
            throw EdgeError(.limitExceeded, "a tensor has more than \(Shape.maximumRank) dimensions", tensor: info.name, byteOffset: inner.offset)
          }
        }
        info.dims = dims
      default: try message.skip(field)
      }
    }
  }

  private func dimension(_ message: ProtobufReader) throws(EdgeError) -> OnnxValueInfo.Dimension {
    var message = message
    var dimension = OnnxValueInfo.Dimension.symbolic("")
    while let field = try message.nextField() {
      switch field.number {
      case 1: dimension = .known(try message.integer(field))
      case 2: dimension = .symbolic(try name(&message, field))
      default: try message.skip(field)
      }
    }
    return dimension
  }
}
