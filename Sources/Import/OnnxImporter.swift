import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Reads an ONNX model, operator sets 5 to 28.
///
/// Graph inputs and outputs keep the file's layout (NCHW); between transposes at the borders images are NHWC.
/// A symbolic or missing first dimension of a graph input is the batch, unless `bindings` give it a size; other such
/// dimensions must be given one. Inputs and outputs of the types float16, bfloat16 and double keep them; between the
/// borders such tensors are float32. Shape arithmetic on known numbers and on the batch size is folded away.
///
/// - Parameters:
///   - bytes: the file. Constants whose layout allows are used in place.
///   - owner: what keeps `bytes` alive; nil when the caller guarantees that they outlive the graph.
///   - limits: files that ask for more are refused.
///   - bindings: shapes and values of inputs that the file leaves open.
///   - externalData: opens a file beside the model, by the relative location that the model gives (checked to
///     stay below the model's folder), once for each tensor that lies there; nil to refuse external data.
/// - Throws: `malformedModel`, `truncatedModel`, `invalidGraph`, `shapeMismatch`, `dtypeMismatch`, `freeShape`,
///   `invalidArgument` (a binding), `limitExceeded`, `newerVersion`, `unsupportedFeature`, `outOfMemory`; each names node, tensor and byte
///   offset as far as there are any.
public func importOnnx(
  _ bytes: UnsafeRawBufferPointer, owner: AnyObject?, limits: Limits, bindings: [InputBinding] = [],
  externalData: ((Text) throws(EdgeError) -> Storage)?
) throws(EdgeError) -> ImportedModel {
  let model = try OnnxReader.read(bytes, limits)
  guard let file = Storage.borrow(bytes, owner: owner) else { throw EdgeError(.truncatedModel, "the file is empty", byteOffset: 0) }
  let importer = OnnxImporter(model, file, limits, bindings, externalData)
  try importer.run()
  let graph = importer.unsupported.isEmpty ? try importer.graph.fusingQuantization() : importer.graph
  return try ImportedModel(graph, importer.unsupported)
}

/// The importer's state. Each operator family adds its part in an extension.
final class OnnxImporter {
  static let oldestOpset = 5
  static let newestOpset = 28

  let model: OnnxModel
  let file: Storage
  let limits: Limits
  let bindings: [InputBinding]
  let externalData: ((Text) throws(EdgeError) -> Storage)?

  var opset = 0
  /// Symbolic dimensions that have a size, and where each stands by its name.
  var symbols: [OnnxSymbol] = []
  var symbolPlaces = TextMap()
  var graph = Graph()
  var unsupported: [UnsupportedOperator] = []
  /// That of the first node which needs the open batch to be a number.
  private var needsBatch: EdgeError?

  var operands: [OnnxOperand] = []
  /// Of the main graph.
  var operandIDs = TextMap()
  /// The main graph, then the bodies of branches and loops.
  var scopes: [OnnxScope] = []
  /// Names of the bodies around the one being collected, the innermost last.
  var scopeNames: [TextMap] = []
  /// Of the main graph, then those of bodies.
  var initializers: [OnnxTensor] = []
  /// Nodes of the main graph, then those of bodies.
  var nodes: [OnnxNode] = []
  /// Per node of the file: operands it reads and writes; -1 for none.
  var nodeInputs: [[Int]] = []
  var nodeOutputs: [[Int]] = []
  /// Per node: operands that its bodies read from outside of them.
  var nodeCaptures: [[Int]] = []
  /// Per node: its bodies, by attribute.
  var nodeBodies: [[(attribute: Text, scope: Int)]] = []

  /// The node being imported.
  var node = OnnxNode()
  var nodeIndex = -1
  var inputs: [Int] = []
  var outputs: [Int] = []
  var dependsOnConstantsAlone = false
  /// The node in which an error arose; bodies add errors to theirs on the way out.
  var failedNode = -1

  /// Branches and loop bodies around the node being imported.
  var blockDepth = 0
  /// Forms of operands that were made inside them, in order.
  var forms: [(operand: Int, isImage: Bool)] = []
  /// How many nodes of bodies may still be imported again, so that a small file cannot ask for endless repetition.
  var repetitionsLeft = 4096

  /// Bytes of results that depend on constants alone, so that a small file cannot ask for endless folding.
  var foldedBytes = 0
  /// Bytes of tables that operators are made of: see `countMade`.
  var madeBytes = 0
  /// Dimensions that depend on data, by value of the graph; it may be shorter.
  var extents: [Extent?] = []
  var hasExtents = false
  /// Nodes and constants that are not made twice: see `shared`.
  var sharedNodes: [Int] = []
  var sharedIntegers: [(Int, ValueID)] = []
  var sharedTruth = Node.noValue
  var sharedFlags: [(count: ValueID, flags: ValueID)] = []

  /// Names taken by helper values, so that each gets one of its own.
  var helperNames = TextMap()

  init(
    _ model: OnnxModel, _ file: Storage, _ limits: Limits, _ bindings: [InputBinding],
    _ externalData: ((Text) throws(EdgeError) -> Storage)?
  ) {
    self.model = model
    self.file = file
    self.limits = limits
    self.bindings = bindings
    self.externalData = externalData
  }

  /// The node's name or, when it has none, that of its first result.
  var nodeName: Text { node.name.isEmpty ? (node.outputs.first ?? "") : node.name }

  func run() throws(EdgeError) {
    try readOpset()
    graph.name = model.name
    graph.metadata = model.metadata
    try bindInputs()
    try collectOperands()
    do throws(EdgeError) {
      try addGraphInputs()
    } catch {
      guard error.status == .freeShape else { throw error }
      // Operators that are not there at all come first: no shape helps.
      noteUnknownOperators(nodes.indices)
      if unsupported.isEmpty { throw error }
      return
    }
    try importBody(0)
    // Operators that are not there at all come first: no shape helps.
    if unsupported.isEmpty, let needsBatch { throw needsBatch }
    if unsupported.isEmpty { try addGraphOutputs() }
    let found = unsupported
    unsupported = sortedIndices(found.count) { found[$0].nodeIndex < found[$1].nodeIndex }.map { found[$0] }
  }

  private func readOpset() throws(EdgeError) {
    for (domain, version) in model.opsets where domain == "" || domain == "ai.onnx" { opset = max(opset, version) }
    if opset == 0 {
      // A model of another domain's operators alone names that domain; they are then refused by name.
      guard !model.opsets.isEmpty else { throw EdgeError(.unsupportedFeature, "the model names no ONNX operator set") }
      opset = OnnxImporter.newestOpset
    }
    guard opset >= OnnxImporter.oldestOpset else {
      throw EdgeError(.unsupportedFeature, "operator set \(opset) is too old; \(OnnxImporter.oldestOpset) to \(OnnxImporter.newestOpset) are supported")
    }
    guard opset <= OnnxImporter.newestOpset else {
      throw EdgeError(.newerVersion, "operator set \(opset) is too new; \(OnnxImporter.oldestOpset) to \(OnnxImporter.newestOpset) are supported")
    }
  }

  /// Imports the nodes of a graph or body that its outputs need. The current node is what it was afterwards.
  func importBody(_ scope: Int) throws(EdgeError) {
    let outer = (node, nodeIndex, inputs, outputs)
    defer { (node, nodeIndex, inputs, outputs) = outer }
    for index in try liveNodes(try sortedNodes(scopes[scope].nodes), scope) { try importNode(index) }
  }

  /// Adds the operators that no input could make work.
  private func noteUnknownOperators(_ range: Range<Int>) {
    for index in range where family(of: nodes[index]) == nil {
      take(index)
      noteUnsupported(unknownOperator().message)
    }
  }

  private func family(of node: OnnxNode) -> OnnxFamily? { OnnxFamily(of: node.type, domain: node.domain) }

  private func take(_ index: Int) {
    node = nodes[index]
    nodeIndex = index
    inputs = nodeInputs[index]
    outputs = nodeOutputs[index]
  }

  private func unknownOperator() -> EdgeError {
    reject(node.domain.isEmpty || !model.hasFunctions ? "the operator is not supported" : "model-local functions are not supported")
  }

  private func noteUnsupported(_ reason: Text) {
    let type = node.domain.isEmpty ? node.type.text : node.domain + "." + node.type.text
    unsupported.append(UnsupportedOperator(node: nodeName, nodeIndex: nodeIndex, type: type, reason: reason))
  }

  /// Runs one node, and adds it to the unsupported ones instead of failing when it is that.
  private func importNode(_ index: Int) throws(EdgeError) {
    take(index)
    dependsOnConstantsAlone = inputs.allSatisfy { $0 < 0 || operands[$0].isConstant }
    let isPoisoned = inputs.contains { $0 >= 0 && operands[$0].isPoisoned }
    do throws(EdgeError) {
      guard let family = family(of: node) else { throw unknownOperator() }
      if !isPoisoned {
        try importNode(family)
        return try refuseStrangeAttributes()
      }
      for (_, scope) in nodeBodies[index] { noteUnknownOperators(scopes[scope].allNodes) }
      take(index)
    } catch {
      if error.status == .freeShape {
        needsBatch = needsBatch ?? error
      } else if error.status != .unsupportedOperator, error.status != .unsupportedFeature {
        var error = error
        if error.node.isEmpty { error.node = nodeName }
        if failedNode < 0 {
          failedNode = index
          error.tensor = fileName(error.tensor)
        }
        error.nodeIndex = failedNode
        if error.byteOffset < 0 { error.byteOffset = node.byteOffset }
        throw error
      } else {
        noteUnsupported(error.message)
      }
    }
    for output in outputs where output >= 0 { operands[output].isPoisoned = true }
  }

  /// The file's name for a value of the graph: that of the tensor which an image with its channels last stands for, and none for
  /// parts of an operator. Bodies have names of their own.
  private func fileName(_ name: Text) -> Text {
    if operandIDs[name] != nil || scopes.count > 1 { return name }
    for id in inputs where id >= 0 {
      let image = operands[id].channelsLast
      if image != Node.noValue, graph.values[image].name == name { return operands[id].name }
    }
    return ""
  }

  func importNode(_ family: OnnxFamily) throws(EdgeError) {
    guard !outputs.isEmpty else { throw malformed("the node has no results") }
    if opset < 7 { try modernize() }
    if family != .sequence, !node.type.isOne(of: "Identity OptionalHasElement OptionalGetElement"),
      let id = inputs.first(where: { $0 >= 0 && operands[$0].sequence != nil }) { throw isSequence(id) }
    if try foldKnown() { return }
    let isSigned = try takeQuantizedInputs(family)
    if hasExtents, family != .sequence, try importAlongExtents() { return try finishOutputs(isSigned: isSigned) }
    switch family {
    case .convolution, .pooling, .resize, .normalization:
      if let x = try optionalInput(0), operands[x].shape.dims.contains(0) { throw reject("a tensor without elements") }
    default: break
    }
    switch family {
    case .quantization: try importQuantization()
    case .quantizedForm: try importQuantizedForm()
    case .integerForm: try importIntegerForm()
    case .convolution: try importConvolution()
    case .pooling: try importPooling()
    case .activation: try importActivation()
    case .arithmetic: try importArithmetic()
    case .shape: try importShape()
    case .matrix: try importMatrix()
    case .normalization: try importNormalization()
    case .reduction: try importReduction()
    case .resize: try importResize()
    case .elementwise: try importElementwise()
    case .indexing: try importIndexing()
    case .pattern: try importPattern()
    case .standardization: try importStandardization()
    case .loss: try importLoss()
    case .attention: try importAttentionFamily()
    case .region: try importRegion()
    case .sampling: try importSampling()
    case .spectrum: try importSpectrum()
    case .bilinear: try importBilinear()
    case .contributed: try importContributed()
    case .selection: try importSelection()
    case .recurrent: try importRecurrent()
    case .control: try importControl()
    case .sequence: try importSequence()
    }
    try finishOutputs(isSigned: isSigned)
  }

  /// Every output that is used is there; quantized ones of signed operands are signed.
  private func finishOutputs(isSigned: Bool) throws(EdgeError) {
    for (index, output) in outputs.enumerated() where output >= 0 {
      if isSigned, operands[output].isQuantized { operands[output].dtype = .int8 }
      if !operands[output].isDefined, !operands[output].isPoisoned, isUsed(output: index) {
        throw reject("result '\(operands[output].name)' is not supported")
      }
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
