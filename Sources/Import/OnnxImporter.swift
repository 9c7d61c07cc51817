import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What an ONNX file holds. The graph is usable only when `unsupported` is empty.
public struct OnnxImport {
  public var graph: Graph
  /// Every operator (or combination of its attributes) that this build cannot run, in the file's order.
  public var unsupported: [UnsupportedOperator]
}

/// Reads an ONNX model, opset 7 to 22.
///
/// Graph inputs and outputs keep the file's layout (NCHW); between transposes at the borders images are NHWC.
/// A symbolic or missing first dimension of a graph input is the batch. float16, bfloat16 and double tensors
/// are computed in float32. Shape arithmetic on known numbers and on the batch size is folded away.
///
/// - Parameters:
///   - bytes: the file. Constants whose layout allows are used in place.
///   - owner: what keeps `bytes` alive; nil when the caller guarantees that they outlive the graph.
///   - limits: files that ask for more are refused.
///   - externalData: opens a file beside the model, by the relative location that the model gives (checked to
///     stay below the model's folder), once for each tensor that lies there; nil to refuse external data.
/// - Throws: `malformedModel`, `truncatedModel`, `invalidGraph`, `shapeMismatch`, `dtypeMismatch`,
///   `limitExceeded`, `newerVersion`, `unsupportedFeature`, `outOfMemory`; each names node, tensor and byte
///   offset as far as there are any.
public func importOnnx(
  _ bytes: UnsafeRawBufferPointer, owner: AnyObject?, limits: Limits,
  externalData: ((Text) throws(EdgeError) -> Storage)?
) throws(EdgeError) -> OnnxImport {
  let model = try OnnxReader.read(bytes, limits)
  guard let file = Storage.borrow(bytes, owner: owner) else { throw EdgeError(.truncatedModel, "the file is empty", byteOffset: 0) }
  let importer = OnnxImporter(model, file, limits, externalData)
  try importer.run()
  if !importer.unsupported.isEmpty { return OnnxImport(graph: importer.graph, unsupported: importer.unsupported) }
  let graph = try importer.graph.fusingQuantization().optimized()
  try graph.validate()
  return OnnxImport(graph: graph, unsupported: [])
}

/// The importer's state. Each operator family adds its part in an extension.
final class OnnxImporter {
  let model: OnnxModel
  let file: Storage
  let limits: Limits
  let externalData: ((Text) throws(EdgeError) -> Storage)?

  var opset = 0
  var graph = Graph()
  var unsupported: [UnsupportedOperator] = []

  var operands: [OnnxOperand] = []
  var operandIDs = TextMap()
  /// Per node of the file: operands it reads and writes; -1 for none.
  var nodeInputs: [[Int]] = []
  var nodeOutputs: [[Int]] = []

  /// The node being imported.
  var node = OnnxNode()
  var nodeIndex = -1
  var inputs: [Int] = []
  var outputs: [Int] = []
  var dependsOnConstantsAlone = false

  /// Bytes of results that depend on constants alone, so that a small file cannot ask for endless folding.
  var foldedBytes = 0
  /// Names taken by helper values, so that each gets one of its own.
  var helperNames = TextMap()

  init(
    _ model: OnnxModel, _ file: Storage, _ limits: Limits, _ externalData: ((Text) throws(EdgeError) -> Storage)?
  ) {
    self.model = model
    self.file = file
    self.limits = limits
    self.externalData = externalData
  }

  /// The node's name or, when it has none, that of its first result.
  var nodeName: Text { node.name.isEmpty ? (node.outputs.first ?? "") : node.name }

  func run() throws(EdgeError) {
    try readOpset()
    graph.name = model.name
    graph.metadata = model.metadata
    try collectOperands()
    try addGraphInputs()
    let order = try liveNodes(try sortedNodes())
    for index in order { try importNode(index) }
    node = OnnxNode()
    nodeIndex = -1
    if unsupported.isEmpty { try addGraphOutputs() }
    let found = unsupported
    unsupported = sortedIndices(found.count) { found[$0].nodeIndex < found[$1].nodeIndex }.map { found[$0] }
  }

  private func readOpset() throws(EdgeError) {
    for (domain, version) in model.opsets where domain == "" || domain == "ai.onnx" { opset = max(opset, version) }
    guard opset >= 7 else {
      throw EdgeError(.unsupportedFeature, opset == 0 ? "the model names no ONNX operator set" : "operator set \(opset) is too old; 7 to 22 are supported")
    }
    guard opset <= 22 else { throw EdgeError(.newerVersion, "operator set \(opset) is too new; 7 to 22 are supported") }
  }

  /// Runs one node, and adds it to the unsupported ones instead of failing when it is that.
  private func importNode(_ index: Int) throws(EdgeError) {
    node = model.nodes[index]
    nodeIndex = index
    inputs = nodeInputs[index]
    outputs = nodeOutputs[index]
    dependsOnConstantsAlone = inputs.allSatisfy { $0 < 0 || operands[$0].isConstant }
    let family = OnnxFamily(of: node.type, domain: node.domain)
    let isPoisoned = inputs.contains { $0 >= 0 && operands[$0].isPoisoned }
    do throws(EdgeError) {
      guard let family else {
        throw reject(
          node.type.isOne(of: "DynamicQuantizeLinear ConvInteger MatMulInteger")
            ? "dynamic quantization is not supported; quantize the float model statically"
            : node.domain.isEmpty || !model.hasFunctions ? "the operator is not supported" : "model-local functions are not supported")
      }
      if !isPoisoned { return try importNode(family) }
    } catch {
      guard error.status == .unsupportedOperator || error.status == .unsupportedFeature else {
        var error = error
        if error.node.isEmpty { error.node = nodeName }
        error.nodeIndex = index
        if error.byteOffset < 0 { error.byteOffset = node.byteOffset }
        throw error
      }
      let type = node.domain.isEmpty ? node.type.text : node.domain + "." + node.type.text
      unsupported.append(UnsupportedOperator(node: nodeName, nodeIndex: index, type: type, reason: error.message))
    }
    for output in outputs where output >= 0 { operands[output].isPoisoned = true }
  }

  func importNode(_ family: OnnxFamily) throws(EdgeError) {
    guard !outputs.isEmpty else { throw malformed("the node has no results") }
    if try foldKnown() { return }
    let isSigned = try checkQuantizedInputs(family)
    switch family {
    case .quantization: try importQuantization()
    case .quantizedForm: try importQuantizedForm()
    case .convolution: try importConvolution()
    case .pooling: try importPooling()
    case .activation: try importActivation()
    case .arithmetic: try importArithmetic()
    case .shape: try importShape()
    case .matrix: try importMatrix()
    case .normalization: try importNormalization()
    case .reduction: try importReduction()
    case .resize: try importResize()
    case .shapeArithmetic: throw reject("\(node.type) is supported only on shapes and other constants")
    }
    for (index, output) in outputs.enumerated() where output >= 0 {
      if isSigned, operands[output].isQuantized { operands[output].dtype = .int8 }
      if !operands[output].isDefined && isUsed(output: index) { throw reject("result '\(operands[output].name)' is not supported") }
    }
  }

  // Errors.

  /// This operator, or what its attributes ask for, is not supported.
  func reject(_ reason: Text) -> EdgeError { EdgeError(.unsupportedOperator, reason) }

  /// The node contradicts the ONNX specification.
  func malformed(_ message: Text, operand: Int = -1) -> EdgeError {
    EdgeError(.invalidGraph, "\(node.type): \(message)", node: nodeName, nodeIndex: nodeIndex,
      tensor: operand >= 0 ? operands[operand].name : "", byteOffset: node.byteOffset)
  }

  /// A tensor has a shape that the node cannot take.
  func wrongShape(_ message: Text, operand: Int) -> EdgeError {
    var error = malformed(message, operand: operand)
    error.status = .shapeMismatch
    return error
  }
}

/// Which part of the importer handles an operator.
enum OnnxFamily {
  case convolution, pooling, activation, arithmetic, shape, matrix, normalization, reduction, resize
  /// Only folded, never run.
  case shapeArithmetic
  case quantization
  /// Operators on integers that are taken apart.
  case quantizedForm

  init?(of type: OnnxName, domain: Text) {
    let isQuantization = type.isOne(of: "QuantizeLinear DequantizeLinear")
    if !domain.isEmpty {
      guard domain == "com.microsoft" else { return nil }
      guard isQuantization || OnnxQuantizedForm(of: type, isContributed: true) != nil else { return nil }
      self = isQuantization ? .quantization : .quantizedForm
    } else if isQuantization {
      self = .quantization
    } else if OnnxQuantizedForm(of: type, isContributed: false) != nil {
      self = .quantizedForm
    } else if type.isOne(of: "Conv ConvTranspose") {
      self = .convolution
    } else if type.isOne(of: "MaxPool AveragePool GlobalAveragePool GlobalMaxPool") {
      self = .pooling
    } else if type.isOne(
      of: """
        Relu LeakyRelu PRelu Sigmoid Tanh HardSigmoid HardSwish Gelu Elu Selu Celu Softplus Softsign Mish ThresholdedRelu Clip Erf \
        Exp Log Sqrt Reciprocal Abs Neg Floor Ceil Round Sign
        """)
    {
      self = .activation
    } else if type.isOne(of: "Add Sub Mul Div Min Max Pow Sum Mean") {
      self = .arithmetic
    } else if type.isOne(
      of: """
        Reshape Flatten Squeeze Unsqueeze Transpose Concat Split Slice Pad Expand Gather Shape Size Cast Constant ConstantOfShape \
        Identity Dropout DepthToSpace SpaceToDepth
        """)
    {
      self = .shape
    } else if type.isOne(of: "Gemm MatMul") {
      self = .matrix
    } else if type.isOne(of: "BatchNormalization LRN") {
      self = .normalization
    } else if type.isOne(
      of: "ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare Softmax LogSoftmax")
    {
      self = .reduction
    } else if type.isOne(of: "Resize Upsample") {
      self = .resize
    } else if type.isOne(of: "Range Mod Equal Greater GreaterOrEqual Less LessOrEqual Where Not And Or") {
      self = .shapeArithmetic
    } else {
      return nil
    }
  }
}
