#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// GraphProto: the main graph, or the body of a branch or loop. Tensors keep their place in the file; nothing is copied.
class OnnxGraph {
  var name = Text()
  var nodes: [OnnxNode] = []
  var initializers: [OnnxTensor] = []
  var inputs: [OnnxValueInfo] = []
  var outputs: [OnnxValueInfo] = []
}

/// What the importer needs of an ONNX ModelProto, with its main graph.
final class OnnxModel: OnnxGraph {
  var opsets: [(domain: Text, version: Int)] = []
  var metadata: [(key: Text, value: Text)] = []
  /// Model-local functions are not expanded.
  var hasFunctions = false
}

/// ValueInfoProto: a graph input or output.
final class OnnxValueInfo {
  enum Dimension {
    case known(Int)
    case symbolic(Text)
  }
  var name = Text()
  /// TensorProto.DataType; 0 when absent, -1 when the value is not a tensor.
  var elementType = 0
  /// Nil when the rank is not given.
  var dims: [Dimension]?
  var byteOffset = 0
}

/// NodeProto.
final class OnnxNode {
  var name = Text()
  var type = OnnxName(text: "")
  var domain = Text()
  var inputs: [Text] = []
  var outputs: [Text] = []
  var attributes: [OnnxAttribute] = []
  var byteOffset = 0
}

/// AttributeProto. Which content is there is told by `kind` or, in old files, by the fields seen.
final class OnnxAttribute {
  /// AttributeProto.AttributeType, as far as it is used.
  enum Kind: Int {
    case float = 1, integer = 2, text = 3, tensor = 4, graph = 5, floats = 6, integers = 7, texts = 8
  }
  var name = Text()
  /// Raw AttributeType, 0 when the file does not say.
  var kind = 0
  var float: Float = 0
  var integer = 0
  var text = Text()
  /// None or one.
  var tensors: [OnnxTensor] = []
  /// None or one.
  var graphs: [OnnxGraph] = []
  var floats: [Float] = []
  var integers: [Int] = []
  var texts: [Text] = []
  var byteOffset = 0
  /// Whether an import looked for an attribute of this name.
  var isAskedFor = false
}

/// TensorProto: a constant, by its place in the file or in an external one.
final class OnnxTensor {
  var name = Text()
  var dims: [Int] = []
  /// TensorProto.DataType.
  var elementType = 0
  var raw: Range<Int>?
  /// Number of the typed data field (float_data and so on), 0 when there is none.
  var typedField = 0
  /// Content of the typed data field if it is there exactly once and packed.
  var packed: Range<Int>?
  /// The whole message, for typed data that is written element by element.
  var body: Range<Int> = 0..<0
  /// Elements given by the caller instead of the file.
  var contents: TensorData?
  var isExternal = false
  var location = Text()
  var externalOffset = 0
  /// -1: to the end of the external file.
  var externalLength = -1
  var byteOffset = 0

  /// Number of elements; nil on overflow. The dimensions are not negative.
  var elementCount: Int? { Shape(dims).elementCount() }
}
