#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Reads the first graph of a TFLite model, with what it calls.
///
/// Layouts are the file's own: images NHWC, weights OHWI. An input whose first dimension is free in its shape's
/// signature has the symbolic batch there, if the operators allow it; otherwise, and in files without signatures, the
/// batch is the file's. int8 activations become uint8 ones with the zero point moved along, which names the same
/// integers differently; graph inputs and outputs stay int8.
///
/// - Parameters:
///   - bytes: the file. Constants are used in place where type and layout allow.
///   - owner: what keeps `bytes` alive; nil when the caller guarantees that they outlive the graph.
///   - limits: files that ask for more are refused.
/// - Throws: `malformedModel`, `truncatedModel`, `invalidGraph`, `shapeMismatch`, `dtypeMismatch`, `limitExceeded`,
///   `newerVersion`, `unsupportedFeature`, `outOfMemory`; each names node, tensor and byte offset as far as there are any.
public func importTflite(_ bytes: UnsafeRawBufferPointer, owner: AnyObject?, limits: Limits) throws(EdgeError) -> ImportedModel {
  let model = try TfliteReader.read(bytes, limits)
  guard let file = Storage.borrow(bytes, owner: owner) else { throw EdgeError(.truncatedModel, "the file is empty", byteOffset: 0) }
  // State has the file's batch.
  if !model.hasState, model.graphs[0].inputs.contains(where: { model.tensors[$0].isFirstFree && model.tensors[$0].dims.first == 1 }) {
    // What the operators do not allow (a shape written out for one sample, say) shows as an error or as unsupported.
    do throws(EdgeError) {
      let result = try importTflite(model, file, limits, freeBatch: true)
      if result.unsupported.isEmpty { return result }
    } catch {
      if error.status == .outOfMemory { throw error }
    }
  }
  return try importTflite(model, file, limits, freeBatch: false)
}

private func importTflite(
  _ model: TfliteModel, _ file: Storage, _ limits: Limits, freeBatch: Bool
) throws(EdgeError) -> ImportedModel {
  let importer = TfliteImporter(model, file, limits, freeBatch: freeBatch)
  try importer.run()
  return try ImportedModel(importer.graph, importer.unsupported)
}

/// The importer's state. Each operator family adds its part in an extension.
final class TfliteImporter {
  let model: TfliteModel
  let file: Storage
  let limits: Limits
  let freeBatch: Bool

  var graph = Graph()
  var unsupported: [UnsupportedOperator] = []
  /// For each tensor of the file: its value in the graph, or -1.
  var places: [ValueID]
  /// For each tensor: its integers, where they are known without running anything.
  var known: [TfliteNumbers?]
  /// Tensors that an operator has made, or that are graph inputs.
  var isMade: [Bool]
  /// Constants of the file in another form: what was sparse.
  var dense: [TensorData?]
  /// Values made of the file's constants: see `once`.
  var made = TextMap()
  /// For each tensor: the variable it is a handle of, or -1.
  var handles: [Int]
  /// Results of operators that are not supported.
  var isPoisoned: [Bool]
  /// Graph outputs.
  var isOutput: [Bool]

  /// The operator being imported.
  var node = TfliteOperator()
  var nodeIndex = -1
  var inputs: [Int] = []
  var outputs: [Int] = []

  /// The operator computes on 16-bit integers: on the real numbers they stand for, and rounds to the result's scale.
  var isWide = false

  /// Graphs whose calls are in progress, and whether one of them initializes variables.
  var callers: [Int] = []
  var initializing = false
  /// Branches and loops around the operator.
  var blockDepth = 0
  /// Operators imported, those of graphs that are called again counted again.
  private var importedCount = 0

  var states: [TfliteStateSlot] = []
  var variables: [TfliteVariable] = []
  var variableNames = TextMap()
  /// Variable tensors with their index in `states`.
  var variableTensors: [(tensor: Int, state: Int)] = []

  /// Bytes of constants made from those of the file, so that a small file cannot ask for endless copies.
  var convertedBytes = 0
  /// Names taken by helper values, so that each gets one of its own.
  var helperNames = TextMap()

  init(_ model: TfliteModel, _ file: Storage, _ limits: Limits, freeBatch: Bool) {
    self.model = model
    self.file = file
    self.limits = limits
    self.freeBatch = freeBatch
    places = [ValueID](repeating: Node.noValue, count: model.tensors.count)
    known = [TfliteNumbers?](repeating: nil, count: model.tensors.count)
    isMade = [Bool](repeating: false, count: model.tensors.count)
    dense = [TensorData?](repeating: nil, count: model.tensors.count)
    handles = [Int](repeating: -1, count: model.tensors.count)
    isPoisoned = isMade
    isOutput = isMade
    for output in model.graphs[0].outputs { isOutput[output] = true }
  }

  /// Operators have no names in the file: the first result's stands for one, or the first input's.
  var nodeName: Text { (outputs.first ?? inputs.first { $0 >= 0 }).map { model.tensors[$0].name } ?? "" }

  func run() throws(EdgeError) {
    graph.name = model.graphs[0].name
    for tensor in model.tensors { helperNames.set(tensor.name, 1) }
    try addGraphInputs()
    try importOperators(model.graphs[0])
    node = TfliteOperator()
    nodeIndex = -1
    outputs = []
    guard unsupported.isEmpty else { return }
    try addGraphOutputs()
    try addStateOutputs()
  }

  func importOperators(_ graph: TfliteGraph) throws(EdgeError) {
    for index in graph.operators.indices { try importNode(graph.operators[index], index) }
  }

  /// Runs one node, and adds it to the unsupported ones instead of failing when it is that.
  private func importNode(_ node: TfliteOperator, _ index: Int) throws(EdgeError) {
    importedCount += 1
    guard importedCount <= limits.maximumNodes else {
      throw EdgeError(.limitExceeded, "the calls make more than \(limits.maximumNodes) operators", byteOffset: node.byteOffset)
    }
    self.node = node
    nodeIndex = index
    inputs = node.inputs
    outputs = node.outputs
    let code = TfliteCode(rawValue: node.code)
    for input in inputs where input >= 0 && !isMade[input] && model.tensors[input].contents.isEmpty && known[input] == nil {
      if !model.tensors[input].isVariable, !isEmptyConstant(input) {
        throw malformed("an input is read before it is made", tensor: input)
      }
    }
    for output in outputs {
      guard !isMade[output] else { throw malformed("a result is already made elsewhere", tensor: output) }
      isMade[output] = true
    }
    do throws(EdgeError) {
      guard let code, code != .custom || node.customName == "TFLite_Detection_PostProcess" else { throw reject("the operator is not supported") }
      if !inputs.contains(where: { $0 >= 0 && isPoisoned[$0] }) {
        guard !outputs.isEmpty || code == .callOnce || code == .assignVariable else { throw malformed("the node has no results") }
        isWide = computes(code) && (inputs + outputs).contains { $0 >= 0 && model.tensors[$0].isWide }
        if try foldNumbers(code) { return }
        try importNode(code)
        for output in outputs where places[output] == Node.noValue && known[output] == nil && !isPoisoned[output] {
          if handles[output] >= 0 || dense[output] != nil { continue }
          throw malformed("the operator has fewer results", tensor: output)
        }
        return
      }
    } catch {
      guard error.status == .unsupportedOperator || error.status == .unsupportedFeature else {
        var error = error
        if error.node.isEmpty { error.node = nodeName }
        error.nodeIndex = index
        if error.byteOffset < 0 { error.byteOffset = node.byteOffset }
        throw error
      }
      // Reasons quote names, which may be long and shared by many operators.
      try noteConverted(error.message.utf8.count)
      unsupported.append(UnsupportedOperator(node: nodeName, nodeIndex: index, type: node.typeName, reason: error.message))
    }
    for output in outputs { isPoisoned[output] = true }
  }

  private func importNode(_ code: TfliteCode) throws(EdgeError) {
    switch code {
    case .conv2d, .depthwiseConv2d, .transposeConv: try importConvolution(code)
    case .averagePool2d, .maxPool2d, .l2Pool2d: try importPooling(code)
    case .fullyConnected: try importFullyConnected()
    case .batchMatmul: try importBatchMatmul()
    case .add, .sub, .mul, .div, .minimum, .maximum, .pow, .squaredDifference, .square, .addN, .prelu: try importArithmetic(code)
    case .mean, .sum, .reduceMax, .reduceMin, .reduceProd, .reduceAny, .reduceAll, .softmax, .logSoftmax, .l2Normalization,
      .localResponseNormalization:
      try importReduction(code)
    case .equal, .notEqual, .less, .lessEqual, .greater, .greaterEqual, .logicalAnd, .logicalOr, .logicalNot, .bitwiseXor, .rightShift,
      .floorDiv, .floorMod, .bitcast, .select, .selectV2:
      try importElementwise(code)
    case .gatherNd, .scatterNd, .embeddingLookup, .argMax, .argMin, .topkV2, .cumsum, .oneHot, .segmentSum, .dynamicUpdateSlice, .reverseV2,
      .reverseSequence:
      try importIndexing(code)
    case .fill, .zerosLike, .range, .tile, .spaceToBatchNd, .batchToSpaceNd: try importPattern(code)
    case .svdf: try importSvdf()
    case .varHandle, .readVariable, .assignVariable: try importVariable(code)
    case .call: try importCall()
    case .callOnce: try importCallOnce()
    case .if: try importIf()
    case .while: try importWhile()
    case .densify: try importDensify()
    case .resizeBilinear, .resizeNearestNeighbor: try importResize(code)
    case .reshape, .squeeze, .expandDims, .transpose, .concatenation, .pack, .unpack, .split, .splitV, .depthToSpace, .spaceToDepth,
      .broadcastTo:
      try importShape(code)
    case .slice, .stridedSlice, .gather, .pad, .padv2, .mirrorPad: try importPart(code)
    case .quantize, .dequantize, .cast: try importConversion(code)
    case .unidirectionalSequenceLstm, .bidirectionalSequenceLstm, .unidirectionalSequenceRnn, .bidirectionalSequenceRnn:
      try importRecurrent(code)
    case .shape, .rank, .broadcastArgs: throw reject("supported only where shapes are known")
    case .custom: try importDetectionPostProcess()
    case .nonMaxSuppressionV4, .nonMaxSuppressionV5: try importNonMaxSuppression(code)
    default: try importActivation(code)
    }
  }

  /// Whether an operator's result is other numbers than its inputs', not some of them elsewhere.
  private func computes(_ code: TfliteCode) -> Bool {
    switch code {
    case .conv2d, .depthwiseConv2d, .transposeConv, .averagePool2d, .maxPool2d, .l2Pool2d, .fullyConnected, .batchMatmul, .add, .sub, .mul,
      .div, .minimum, .maximum, .pow, .squaredDifference, .square, .addN, .prelu, .mean, .sum, .reduceMax, .reduceMin, .reduceProd,
      .softmax, .logSoftmax, .l2Normalization, .localResponseNormalization, .resizeBilinear, .resizeNearestNeighbor, .relu, .relu6,
      .reluN1To1, .relu0To1, .leakyRelu, .elu, .gelu, .hardSwish, .logistic, .tanh, .exp, .log, .sqrt, .rsqrt, .sin, .cos, .abs, .neg,
      .floor, .ceil, .round, .sign:
      return true
    default: return false
    }
  }

  // Errors.

  /// This operator, or what its options ask for, is not supported.
  func reject(_ reason: Text) -> EdgeError { EdgeError(.unsupportedOperator, reason) }

  /// The node contradicts the schema.
  func malformed(_ message: Text, tensor: Int = -1) -> EdgeError {
    EdgeError(.invalidGraph, "\(node.typeName): \(message)", node: nodeName, nodeIndex: nodeIndex,
      tensor: tensor >= 0 ? model.tensors[tensor].name : "", byteOffset: node.byteOffset)
  }

  // The current node's parts.

  func input(_ index: Int) throws(EdgeError) -> Int {
    guard let tensor = optionalInput(index) else { throw malformed("input \(index) is missing") }
    return tensor
  }

  /// The inner value of an input.
  func inputValue(_ index: Int) throws(EdgeError) -> ValueID { isWide ? try realValue(index) : try value(try input(index)) }

  func shapeOf(_ value: ValueID) -> Shape { graph.values[value].shape }

  /// Whether a value holds quantized integers.
  func hasScale(_ value: ValueID) -> Bool { graph.values[value].quantization != nil }

  /// Many operators have no integer kernel.
  func requireFloat(_ value: ValueID) throws(EdgeError) {
    if hasScale(value) { throw reject("supported only in float") }
  }

  func optionalInput(_ index: Int) -> Int? { index < inputs.count && inputs[index] >= 0 ? inputs[index] : nil }

  func output(_ index: Int = 0) throws(EdgeError) -> Int {
    guard index < outputs.count else { throw malformed("result \(index) is missing") }
    return outputs[index]
  }

  /// The options table, which must be of the operator's kind; an absent one has no fields, so all are standard.
  func options(_ kind: Int) throws(EdgeError) -> FlatbufferTable {
    guard let options = node.options else { return FlatbufferTable(withoutFields: FlatbufferBytes(file.bytes)) }
    guard node.optionsType == kind else { throw malformed("has the options of another operator") }
    return options
  }

  /// A fused activation.
  func clamp(_ activation: UInt8) throws(EdgeError) -> Clamp {
    switch activation {
    case 0: return .none
    case 1: return Clamp(min: 0, max: .infinity)
    case 2: return Clamp(min: -1, max: 1)
    case 3: return Clamp(min: 0, max: 6)
    default: throw reject("fused activation \(activation) is not supported")
    }
  }
}
