#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What the importer needs of a TFLite model. Contents of tensors keep their place in the file.
final class TfliteModel {
  /// Tensors of all graphs, one graph after the other; indices elsewhere are into this list.
  var tensors: [TfliteTensor] = []
  /// The first is the model, the others are what it calls.
  var graphs: [TfliteGraph] = []

  /// Something outlives a run.
  var hasState: Bool {
    tensors.contains { $0.isVariable }
      || graphs.contains { $0.operators.contains { $0.code == TfliteCode.varHandle.rawValue } }
  }
}

final class TfliteGraph {
  var name: Text = ""
  /// Its part of the model's tensors.
  var tensors = 0..<0
  var operators: [TfliteOperator] = []
  var inputs: [Int] = []
  var outputs: [Int] = []
}

final class TfliteTensor {
  var name: Text = ""
  var dims: [Int] = []
  /// The first dimension is free: -1 in the shape's signature.
  var isFirstFree = false
  /// TensorType of the schema.
  var type = 0
  var quantization: FlatbufferTable?
  var isVariable = false
  /// How a sparse tensor's elements lie.
  var sparsity: FlatbufferTable?
  /// Its contents in the file; empty when it has none.
  var contents = 0..<0
  var byteOffset = 0

  /// 16-bit integers with a scale, which no kernel computes on.
  var isWide: Bool { type == TfliteType.int16.rawValue && quantization != nil }
}

final class TfliteOperator {
  /// BuiltinOperator of the schema.
  var code = 0
  var customName: Text = ""
  /// -1 stands for an absent input.
  var inputs: [Int] = []
  var outputs: [Int] = []
  /// Which of the schema's options tables `options` is.
  var optionsType = 0
  var options: FlatbufferTable?
  /// Where a custom operator's own options lie.
  var customOptions: (bytes: FlatbufferBytes, range: Range<Int>)?
  var byteOffset = 0

  /// As the schema spells it.
  var typeName: Text {
    code == TfliteCode.custom.rawValue ? "CUSTOM " + customName : TfliteCode.name(code)
  }
}

/// Whether a file says that it is a TFLite model.
public func isTfliteModel(_ bytes: UnsafeRawBufferPointer) -> Bool {
  bytes.count >= 8 && bytes[4] == UInt8(ascii: "T") && bytes[5] == UInt8(ascii: "F") && bytes[6] == UInt8(ascii: "L")
    && bytes[7] == UInt8(ascii: "3")
}

/// Reads the tables of TFLite's schema (version 3). Field numbers are those of the public schema.
struct TfliteReader {
  private let file: FlatbufferBytes
  private let limits: Limits
  /// Names, indices and dimensions stand in the file, so a file cannot hold more of them than bytes; several tables may
  /// share them, but not without end.
  private var budget: Int

  private init(_ bytes: UnsafeRawBufferPointer, _ limits: Limits) {
    file = FlatbufferBytes(bytes)
    self.limits = limits
    budget = 65_536 &+ bytes.count
  }

  /// The model in a file.
  static func read(_ bytes: UnsafeRawBufferPointer, _ limits: Limits) throws(EdgeError) -> TfliteModel {
    guard bytes.count <= limits.maximumFileBytes else {
      throw EdgeError(.limitExceeded, "the file has \(bytes.count) bytes, more than \(limits.maximumFileBytes)")
    }
    guard isTfliteModel(bytes) else { throw EdgeError(.malformedModel, "this is not a TFLite model", byteOffset: 0) }
    var reader = TfliteReader(bytes, limits)
    return try reader.model()
  }

  private mutating func spend(_ count: Int, at offset: Int) throws(EdgeError) {
    budget &-= count
    guard budget >= 0 else { throw EdgeError(.limitExceeded, "the model uses parts of the file over and over", byteOffset: offset) }
  }

  private mutating func text(_ table: FlatbufferTable, _ field: Int) throws(EdgeError) -> Text {
    guard let text = try table.string(field, maximumBytes: limits.maximumNameBytes) else { return "" }
    try spend(text.utf8.count, at: table.position)
    return text
  }

  /// A vector of indices or dimensions.
  private mutating func integers(_ table: FlatbufferTable, _ field: Int) throws(EdgeError) -> [Int] {
    let list = try table.vector(field, size: 4)
    try spend(list.count, at: list.start)
    return try list.int32s()
  }

  private mutating func model() throws(EdgeError) -> TfliteModel {
    let root = try file.root()
    let version = try root.uint32(0)
    guard version == 3 else {
      throw EdgeError(
        version > 3 ? .newerVersion : .malformedModel, "schema version \(version); only 3 is known", byteOffset: root.position)
    }
    let subgraphs = try root.vector(2, size: 4)
    guard subgraphs.count > 0 else { throw file.error("the model has no graph", at: root.position) }
    let model = TfliteModel()
    let buffers = try root.vector(4, size: 4)
    let codes = try root.vector(1, size: 4)
    var operators = 0
    var index = 0
    while index < subgraphs.count {
      try spend(1, at: subgraphs.start)
      let graph = try self.graph(try subgraphs.table(index), model, buffers, codes)
      operators &+= graph.operators.count
      guard operators <= limits.maximumNodes else {
        throw EdgeError(.limitExceeded, "the model has more than \(limits.maximumNodes) operators", byteOffset: subgraphs.start)
      }
      model.graphs.append(graph)
      index &+= 1
    }
    return model
  }

  private mutating func graph(
    _ table: FlatbufferTable, _ model: TfliteModel, _ buffers: FlatbufferVector, _ codes: FlatbufferVector
  ) throws(EdgeError) -> TfliteGraph {
    let graph = TfliteGraph()
    graph.name = try text(table, 4)
    let tensors = try table.vector(0, size: 4)
    let first = model.tensors.count
    guard tensors.count <= limits.maximumValues &- first else {
      throw EdgeError(
        .limitExceeded, "the model has \(first &+ tensors.count) tensors; the limit is \(limits.maximumValues)", byteOffset: tensors.start)
    }
    var index = 0
    while index < tensors.count {
      model.tensors.append(try tensor(try tensors.table(index), buffers))
      index &+= 1
    }
    graph.tensors = first..<model.tensors.count
    graph.inputs = try indices(table, 1, graph)
    graph.outputs = try indices(table, 2, graph)
    let borders = max(graph.inputs.count, graph.outputs.count)
    guard borders <= limits.maximumValues else {
      throw EdgeError(
        .limitExceeded, "the model has \(borders) inputs or outputs; the limit is \(limits.maximumValues)", byteOffset: table.position)
    }
    let operators = try table.vector(3, size: 4)
    guard operators.count <= limits.maximumNodes else {
      throw EdgeError(.limitExceeded, "the model has \(operators.count) operators; the limit is \(limits.maximumNodes)", byteOffset: operators.start)
    }
    index = 0
    while index < operators.count {
      graph.operators.append(try node(try operators.table(index), codes, graph))
      index &+= 1
    }
    return graph
  }

  /// Indices of tensors; -1 only where an absent one is allowed.
  private mutating func indices(_ table: FlatbufferTable, _ field: Int, _ graph: TfliteGraph, optional: Bool = false) throws(EdgeError) -> [Int] {
    var list = try integers(table, field)
    for index in list where !(index >= 0 && index < graph.tensors.count || optional && index == -1) {
      throw file.error("tensor \(index) does not exist", at: table.position)
    }
    for place in list.indices where list[place] >= 0 { list[place] &+= graph.tensors.lowerBound }
    return list
  }

  private mutating func tensor(_ table: FlatbufferTable, _ buffers: FlatbufferVector) throws(EdgeError) -> TfliteTensor {
    let tensor = TfliteTensor()
    tensor.byteOffset = table.position
    tensor.dims = try integers(table, 0)
    tensor.type = Int(try table.byte(1))
    tensor.name = try text(table, 3)
    tensor.quantization = try table.table(4)
    tensor.isVariable = try table.bool(5)
    tensor.sparsity = try table.table(6)
    tensor.isFirstFree = try integers(table, 7).first == -1
    for dim in tensor.dims where dim < 0 {
      throw EdgeError(.malformedModel, "dimension \(dim) is negative", tensor: tensor.name, byteOffset: table.position)
    }
    guard tensor.dims.count <= Shape.maximumRank else {
      throw EdgeError(
        .unsupportedFeature, "rank \(tensor.dims.count) is above \(Shape.maximumRank)", tensor: tensor.name, byteOffset: table.position)
    }
    guard let buffer = Int(exactly: try table.uint32(2)), buffer < max(buffers.count, 1) else {
      throw EdgeError(.malformedModel, "the tensor's buffer does not exist", tensor: tensor.name, byteOffset: table.position)
    }
    // Buffer 0 is the empty one.
    if buffer > 0 { tensor.contents = try contents(try buffers.table(buffer)) }
    return tensor
  }

  /// Where a buffer's bytes are: a vector of the buffer or, in large files, behind the flatbuffer.
  private func contents(_ buffer: FlatbufferTable) throws(EdgeError) -> Range<Int> {
    let offset = try buffer.uint64(1)
    if offset > 1 {
      guard let start = Int(exactly: offset), let count = Int(exactly: try buffer.uint64(2)) else {
        throw file.error("a buffer's place is out of range", at: buffer.position)
      }
      try file.check(start, count, "a buffer")
      return start..<start &+ count
    }
    let data = try buffer.vector(0, size: 1)
    return data.start..<data.start &+ data.count
  }

  private mutating func node(_ table: FlatbufferTable, _ codes: FlatbufferVector, _ graph: TfliteGraph) throws(EdgeError) -> TfliteOperator {
    let node = TfliteOperator()
    node.byteOffset = table.position
    guard let index = Int(exactly: try table.uint32(0)), index < codes.count else {
      throw file.error("the operator's code does not exist", at: table.position)
    }
    let code = try codes.table(index)
    // Codes above 127 have no room in the old field, which then holds a placeholder of 127.
    node.code = max(Int(Int8(bitPattern: try code.byte(0))), try code.int32(3))
    if node.code == TfliteCode.custom.rawValue { node.customName = try text(code, 1) }
    node.inputs = try indices(table, 1, graph, optional: true)
    node.outputs = try indices(table, 2, graph)
    node.optionsType = Int(try table.byte(3))
    node.options = try table.table(4)
    let own = try table.vector(5, size: 1)
    if own.count > 0 { node.customOptions = (file, own.start..<(own.start &+ own.count)) }
    return node
  }
}
