import Graph
import Testing

private let n = Shape.batch
private let activation = Quantization(scale: 0.1, zeroPoint: 128)

/// A graph whose values are inputs of the given types, and the node under test.
private func infer(
  _ op: Operator, _ types: [TensorType], declared: [ElementType] = [], outputs: Int = 1
) throws(EdgeError) -> [TensorType] {
  var graph = Graph()
  var inputs: [ValueID] = []
  for (index, type) in types.enumerated() {
    inputs.append(graph.addValue(Value(name: "t\(index)", dtype: type.dtype, shape: type.shape, quantization: type.quantization)))
  }
  let results = try graph.addNode(
    op, name: "node", inputs: inputs, outputNames: (0..<outputs).map { "y\($0)" }, results: declared)
  return results.map { TensorType(graph.values[$0].dtype, graph.values[$0].shape, graph.values[$0].quantization) }
}

private func floats(_ shapes: [Int]...) -> [TensorType] { shapes.map { TensorType(.float32, Shape($0)) } }

private func window(_ kernel: Int, stride: Int = 1, pad: Int = 0, dilation: Int = 1) -> Window {
  var window = Window()
  (window.kernelHeight, window.kernelWidth) = (kernel, kernel)
  (window.strideHeight, window.strideWidth) = (stride, stride)
  (window.padTop, window.padLeft, window.padBottom, window.padRight) = (pad, pad, pad, pad)
  (window.dilationHeight, window.dilationWidth) = (dilation, dilation)
  return window
}

private func pool(_ kind: Pool.Kind, _ window: Window, ceil: Bool = false) -> Operator {
  var pool = Pool(kind, window: window)
  pool.ceilMode = ceil
  return .pool(pool)
}

private func resize(_ height: Int, _ width: Int, scale: Float = 2) -> Operator {
  .resize(Resize(mode: .nearest, coordinates: .asymmetric, height: height, width: width, scaleHeight: scale, scaleWidth: scale))
}

private let relu = UnaryFunction(.clamp, alpha: 0, beta: .infinity)

@Suite struct InferenceTests {
  @Test func shapesOfFloatResults() throws {
    let conv = Convolution(window: window(3, stride: 2, pad: 1))
    var transposed = TransposedConvolution(window: window(3, stride: 2, pad: 1))
    transposed.outputPadHeight = 1
    let table: [(Operator, [TensorType], [[Int]])] = [
      (.convolution(conv), floats([n, 9, 8, 4], [6, 3, 3, 4], [6]), [[n, 5, 4, 6]]),
      (.convolution(Convolution(window: window(3, dilation: 2))), floats([2, 9, 8, 4], [6, 3, 3, 4]), [[2, 5, 4, 6]]),
      (.convolution(Convolution(window: window(3, pad: 1), groups: 4)), floats([n, 9, 8, 4], [4, 3, 3, 1]), [[n, 9, 8, 4]]),
      (.convolution(conv), floats([n, 9, 8, 4], [6, 3, 3, 4], [6], [n, 5, 4, 6]), [[n, 5, 4, 6]]),
      (.transposedConvolution(transposed), floats([n, 5, 4, 6], [3, 3, 3, 6], [3]), [[n, 10, 7, 3]]),
      (.dense(.none), floats([n, 7, 5], [3, 5], [3]), [[n, 7, 3]]),
      (.matMul, floats([n, 1, 4, 5], [3, 5, 6]), [[n, 3, 4, 6]]),
      (.batchNormalization(epsilon: 1e-5), floats([n, 2, 2, 3], [3], [3], [3], [3]), [[n, 2, 2, 3]]),
      (.unary(relu), floats([n, 3]), [[n, 3]]),
      (.binary(.add, .none), floats([n, 1, 3], [4, 1]), [[n, 4, 3]]),
      (.binary(.add, .none), floats([1, 3], [n, 3]), [[n, 3]]),
      (pool(.max, window(2, stride: 2)), floats([n, 5, 4, 3]), [[n, 2, 2, 3]]),
      (pool(.average, window(2, stride: 2), ceil: true), floats([n, 5, 4, 3]), [[n, 3, 2, 3]]),
      // The fourth window would start in the padding on the right.
      (pool(.max, window(2, stride: 3, pad: 1), ceil: true), floats([n, 6, 5, 3]), [[n, 3, 2, 3]]),
      (.reduce(.mean, axes: [1, 2], keepDims: true), floats([n, 5, 4, 3]), [[n, 1, 1, 3]]),
      (.reduce(.max, axes: [2, 0], keepDims: false), floats([n, 5, 4, 3]), [[5, 3]]),
      (.softmax(axis: 1, log: true), floats([n, 5]), [[n, 5]]),
      (.concat(axis: 1), floats([n, 5, 2], [n, 1, 2]), [[n, 6, 2]]),
      (.split(axis: 1, sizes: [1, 4]), floats([n, 5]), [[n, 1], [n, 4]]),
      (.slice(starts: [0, 1, 4], ends: [n, 6, -1], steps: [1, 2, -2]), floats([n, 7, 5]), [[n, 3, 3]]),
      (.slice(starts: [3], ends: [1], steps: [1]), floats([5]), [[0]]),
      (.pad(.reflect, before: [0, 2], after: [0, 1], value: 0), floats([n, 3]), [[n, 6]]),
      (resize(10, 8), floats([n, 5, 4, 3]), [[n, 10, 8, 3]]),
      (.transpose([2, 0, 1]), floats([n, 5, 4]), [[4, n, 5]]),
      (.reshape(Shape([n, 20])), floats([n, 5, 4]), [[n, 20]]),
      (.reshape(Shape([5, n, 4])), floats([n, 5, 4]), [[5, n, 4]]),
      (.expand(Shape([n, 5, 4])), floats([5, 1]), [[n, 5, 4]]),
      (.gather(axis: 1, indices: [4, 0, 0], scalarIndex: false), floats([n, 5]), [[n, 3]]),
      (.gather(axis: 1, indices: [4], scalarIndex: true), floats([n, 5, 2]), [[n, 2]]),
      (.localResponseNormalization(size: 5, alpha: 1e-4, beta: 0.75, bias: 1), floats([n, 2, 2, 8]), [[n, 2, 2, 8]]),
      (.layerNormalization(epsilon: 0), floats([n, 2, 8], [8]), [[n, 2, 8]]),
      (.layerNormalization(epsilon: 1e-5), floats([n, 8], [8], [8]), [[n, 8]]),
      (.convolutionWeightGradient(conv), floats([n, 9, 8, 4], [n, 5, 4, 6]), [[6, 3, 3, 4]]),
      (.convolutionWeightGradient(Convolution(window: window(3), groups: 2)), floats([2, 9, 8, 4], [2, 7, 6, 6]), [[6, 3, 3, 2]]),
      (.poolGradient(Pool(.max, window: window(2, stride: 2))), floats([n, 5, 4, 3], [n, 2, 2, 3]), [[n, 5, 4, 3]]),
      (.batchStatistics, floats([n, 5, 4, 3]), [[3], [3]]),
      (.batchNormalizationGradient(epsilon: 1e-3), floats([n, 4, 3], [n, 4, 3], [3], [3], [3]), [[n, 4, 3], [3], [3]]),
      (.optimizerStep(OptimizerStep(.adam)), floats([4, 3], [4, 3], [8], [], [4, 3], [4, 3]), [[4, 3], [4, 3], [4, 3]]),
      (.random(seed: 1), floats([n, 3]) + [TensorType(.int64, Shape([]))], [[n, 3]]),
      (.binary(.gate, Clamp(min: 0, max: 6)), floats([n, 1, 3], [4, 1]), [[n, 4, 3]]),
    ]
    for (op, inputs, expected) in table {
      let results = try infer(op, inputs, outputs: expected.count)
      #expect(results.map { $0.shape.dims } == expected, "\(op)")
      #expect(results.allSatisfy { $0.dtype == .float32 && $0.quantization == nil }, "\(op)")
    }
  }

  @Test func elementTypes() throws {
    let x = TensorType(.uint8, Shape([n, 4, 4, 3]), activation)
    let weights = TensorType(.int8, Shape([2, 1, 1, 3]), Quantization(scales: [0.1, 0.2], zeroPoints: [0, 0], axis: 0))
    let bias = TensorType(.int32, Shape([2]), Quantization(scales: [0.01, 0.02], zeroPoints: [0, 0], axis: 0))
    let other = ElementType(.uint8, Quantization(scale: 0.5, zeroPoint: 3))
    let conv = Operator.convolution(Convolution(window: window(1)))
    func element(_ op: Operator, _ inputs: [TensorType], _ declared: [ElementType] = []) throws -> ElementType {
      let type = try infer(op, inputs, declared: declared)[0]
      return ElementType(type.dtype, type.quantization)
    }
    let same = ElementType(.uint8, activation)
    #expect(try element(conv, [x, weights, bias], [other]) == other)
    #expect(try element(pool(.max, window(2)), [x]) == same)
    #expect(try element(pool(.average, window(2)), [x]) == same)
    #expect(try element(pool(.average, window(2)), [x], [other]) == other)
    #expect(try element(.unary(relu), [x]) == same)
    #expect(try element(.unary(UnaryFunction(.sigmoid)), [x], [other]) == other)
    #expect(try element(.concat(axis: 3), [x, x]) == same)
    #expect(try element(.reshape(Shape([n, 48])), [x]) == same)
    #expect(try element(.pad(.constant, before: [0, 1, 1, 0], after: [0, 0, 0, 0], value: 0), [x]) == same)
    #expect(try element(resize(8, 8), [x]) == same)
    #expect(try element(.requantize, [x], [other]) == other)
    #expect(try element(.dequantize, [weights]) == ElementType(.float32))
    #expect(try element(.quantize, floats([n, 3]), [other]) == other)
    #expect(try element(.cast(.int64), floats([n, 3])) == ElementType(.int64))
    #expect(try element(.slice(starts: [1], ends: [2], steps: [1]), [TensorType(.bool, Shape([3]))]) == ElementType(.bool))
    // Scales along an axis follow a transpose.
    #expect(try element(.transpose([1, 2, 3, 0]), [weights]).quantization?.axis == 3)

    let refused: [(Operator, [TensorType], [ElementType])] = [
      (conv, [x, weights, bias], []),
      (conv, [x] + floats([2, 1, 1, 3]), [other]),
      (conv, [x, weights] + floats([2]), [other]),
      (conv, floats([n, 4, 4, 3]) + [weights], []),
      (conv, floats([n, 4, 4, 3], [2, 1, 1, 3]), [other]),
      (.unary(UnaryFunction(.sigmoid)), [x], []),
      (.unary(relu), [TensorType(.int64, Shape([3]))], []),
      (.binary(.add, .none), [x] + floats([1]), [other]),
      (.concat(axis: 3), [x, TensorType(.uint8, x.shape, other.quantization)], []),
      (.quantize, floats([3]), []),
      (.quantize, [x], [other]),
      (.dequantize, floats([3]), []),
      (.requantize, [x], [ElementType(.float32)]),
      (.cast(.float32), [x], []),
      (.reshape(Shape([6])), [weights], []),
      (.softmax(axis: 0, log: false), [x], [ElementType(.uint8, Quantization(scales: [1, 1], zeroPoints: [0, 0], axis: 0))]),
      (.convolutionWeightGradient(Convolution(window: window(1))), [x, x], [other]),
      (.convolutionWeightGradient(Convolution(window: window(1))), floats([n, 4, 4, 3]) + [x], []),
      (.poolGradient(Pool(.max, window: window(1))), [x, x], []),
      (.batchStatistics, [x], []),
      (.batchNormalizationGradient(epsilon: 0), floats([n, 4, 4, 3]) + [x] + floats([3], [3], [3]), []),
      (.optimizerStep(OptimizerStep(.sgd)), floats([3], [3]) + [TensorType(.float64, Shape([8]))] + floats([], [3]), []),
      (.random(seed: 1), [x, TensorType(.int64, Shape([]))], []),
      (.binary(.gate, .none), [TensorType(.int32, Shape([3])), TensorType(.int32, Shape([3]))], []),
      (.binary(.gate, .none), floats([3]) + [TensorType(.float64, Shape([3]))], []),
    ]
    for (op, inputs, declared) in refused {
      let error = #expect(throws: EdgeError.self, "\(op)") { _ = try infer(op, inputs, declared: declared) }
      #expect(error?.status == .dtypeMismatch, "\(op)")
      #expect(error?.node == "node")
    }
  }

  @Test func wrongShapesAndAttributesAreRefused() throws {
    let huge = Int.max / 2
    var badPad = window(3)
    badPad.padTop = -1
    let number = TensorType(.int64, Shape([]))
    func step(_ kind: OptimizerStep.Kind, rate: Float = 1) -> Operator {
      var step = OptimizerStep(kind)
      step.rate = rate
      return .optimizerStep(step)
    }
    let table: [(Operator, [TensorType], Status)] = [
      (.convolutionWeightGradient(Convolution(window: window(3))), floats([n, 9, 8, 4]), .invalidGraph),
      (.convolutionWeightGradient(Convolution(window: window(3))), floats([n, 9, 8, 4], [n, 7, 5, 6]), .shapeMismatch),
      (.convolutionWeightGradient(Convolution(window: window(3))), floats([n, 9, 8, 4], [2, 7, 6, 6]), .shapeMismatch),
      (.convolutionWeightGradient(Convolution(window: window(3))), floats([n, 9, 8, 4], [n, 7, 6, n]), .shapeMismatch),
      (.convolutionWeightGradient(Convolution(window: window(3), groups: 4)), floats([n, 9, 8, 4], [n, 7, 6, 6]), .shapeMismatch),
      (.convolutionWeightGradient(Convolution(window: window(3), groups: 0)), floats([n, 9, 8, 4], [n, 7, 6, 6]), .shapeMismatch),
      (.convolutionWeightGradient(Convolution(window: window(huge))), floats([n, 9, 8, 4], [n, 7, 6, 6]), .shapeMismatch),
      (.convolutionWeightGradient(Convolution(window: badPad)), floats([n, 9, 8, 4], [n, 7, 6, 6]), .invalidGraph),
      (.poolGradient(Pool(.max, window: window(2, stride: 2))), floats([n, 5, 4, 3], [n, 2, 2, 4]), .shapeMismatch),
      (.poolGradient(Pool(.max, window: window(2, stride: 0))), floats([n, 5, 4, 3], [n, 2, 2, 3]), .invalidGraph),
      (.poolGradient(Pool(.max, window: window(2))), floats([5, 4, 3], [4, 3, 3]), .shapeMismatch),
      (.batchStatistics, floats([]), .shapeMismatch),
      (.batchStatistics, floats([3, n]), .shapeMismatch),
      (.batchNormalizationGradient(epsilon: 0), floats([n, 4], [n, 4], [4], [4]), .invalidGraph),
      (.batchNormalizationGradient(epsilon: -1), floats([n, 4], [n, 4], [4], [4], [4]), .invalidGraph),
      (.batchNormalizationGradient(epsilon: 0), floats([n, 4], [n, 3], [4], [4], [4]), .shapeMismatch),
      (.batchNormalizationGradient(epsilon: 0), floats([n, 4], [n, 4], [4], [4], [3]), .shapeMismatch),
      (step(.sgd), floats([4], [4], [8]), .invalidGraph),
      (step(.sgd), floats([4], [4], [8], [], [4], [4]), .invalidGraph),
      (step(.adam), floats([4], [4], [8], [], [4]), .invalidGraph),
      (step(.adam, rate: .nan), floats([4], [4], [8], [], [4], [4]), .invalidGraph),
      (step(.sgd), floats([4], [3], [8], [], [4]), .shapeMismatch),
      (step(.sgd), floats([4], [4], [7], [], [4]), .shapeMismatch),
      (step(.sgd), floats([4], [4], [8], [1], [4]), .shapeMismatch),
      (step(.sgd), floats([4], [4], [8], [], [3]), .shapeMismatch),
      (.random(seed: 1), floats([4]), .invalidGraph),
      (.random(seed: 1), floats([4], []), .shapeMismatch),
      (.random(seed: 1), [number, number], .dtypeMismatch),
      (.binary(.gate, Clamp(min: 1, max: 0)), floats([4], [4]), .invalidGraph),
      (.convolution(Convolution(window: window(3))), floats([n, 9, 8, 4]), .invalidGraph),
      (.convolution(Convolution(window: window(3))), floats([n, 9, 4], [6, 3, 3, 4]), .shapeMismatch),
      (.convolution(Convolution(window: window(3))), floats([n, 9, 8, 4], [6, 3, 3, 5]), .shapeMismatch),
      (.convolution(Convolution(window: window(3))), floats([n, 9, 8, 4], [6, 3, 2, 4]), .shapeMismatch),
      (.convolution(Convolution(window: window(3))), floats([n, 2, 8, 4], [6, 3, 3, 4]), .shapeMismatch),
      (.convolution(Convolution(window: window(3))), floats([n, n, 8, 4], [6, 3, 3, 4]), .shapeMismatch),
      (.convolution(Convolution(window: window(3))), floats([n, 9, 8, 4], [6, 3, 3, 4], [5]), .shapeMismatch),
      (.convolution(Convolution(window: window(3))), floats([n, 9, 8, 4], [6, 3, 3, 4], [6], [n, 7, 6, 1]), .shapeMismatch),
      (.convolution(Convolution(window: window(3), groups: 3)), floats([n, 9, 8, 4], [6, 3, 3, 4]), .shapeMismatch),
      (.convolution(Convolution(window: window(3), groups: 0)), floats([n, 9, 8, 4], [6, 3, 3, 4]), .shapeMismatch),
      (.convolution(Convolution(window: window(3, stride: 0))), floats([n, 9, 8, 4], [6, 3, 3, 4]), .invalidGraph),
      (.convolution(Convolution(window: window(3, dilation: huge))), floats([n, 9, 8, 4], [6, 3, 3, 4]), .shapeMismatch),
      (.convolution(Convolution(window: badPad)), floats([n, 9, 8, 4], [6, 3, 3, 4]), .invalidGraph),
      (.convolution(Convolution(window: window(3, pad: huge))), floats([n, 9, 8, 4], [6, 3, 3, 4]), .shapeMismatch),
      (.transposedConvolution(TransposedConvolution(window: window(3, stride: huge))), floats([n, 9, 8, 4], [6, 3, 3, 4]), .shapeMismatch),
      (.transposedConvolution(TransposedConvolution(window: window(3, pad: 9))), floats([n, 9, 8, 4], [6, 3, 3, 4]), .shapeMismatch),
      (.dense(.none), floats([n, 5], [3, 4]), .shapeMismatch),
      (.dense(Clamp(min: 1, max: 0)), floats([n, 5], [3, 5]), .invalidGraph),
      (.dense(Clamp(min: .nan, max: 0)), floats([n, 5], [3, 5]), .invalidGraph),
      (.dense(.none), floats([], [3, 5]), .shapeMismatch),
      (.matMul, floats([4, 5], [4, 5]), .shapeMismatch),
      (.matMul, floats([5], [5, 4]), .shapeMismatch),
      (.batchNormalization(epsilon: 1), floats([n, 3], [3], [3], [3], [4]), .shapeMismatch),
      (.batchNormalization(epsilon: .nan), floats([n, 3], [3], [3], [3], [3]), .invalidGraph),
      (.unary(relu), floats(), .invalidGraph),
      (.unary(relu), floats([2], [2]), .invalidGraph),
      (.binary(.add, .none), floats([2], [3]), .shapeMismatch),
      (.binary(.add, .none), floats([n], [3]), .shapeMismatch),
      (pool(.max, window(0)), floats([n, 5, 4, 3]), .invalidGraph),
      (.reduce(.mean, axes: [4], keepDims: true), floats([n, 5, 4, 3]), .invalidGraph),
      (.reduce(.mean, axes: [1, 1], keepDims: true), floats([n, 5, 4, 3]), .invalidGraph),
      (.softmax(axis: -1, log: false), floats([n, 5]), .invalidGraph),
      (.concat(axis: 1), floats([n, 5], [2, 5]), .shapeMismatch),
      (.concat(axis: 0), floats([n, 5], [n, 5]), .shapeMismatch),
      (.concat(axis: 0), floats(), .invalidGraph),
      (.concat(axis: 0), floats([Int.max, 0], [1, 0]), .shapeMismatch),
      (.split(axis: 1, sizes: [1, 3]), floats([n, 5]), .shapeMismatch),
      (.split(axis: 1, sizes: []), floats([n, 5]), .invalidGraph),
      (.split(axis: 1, sizes: [Int.max, Int.max]), floats([n, 5]), .shapeMismatch),
      (.split(axis: 1, sizes: [-1, 6]), floats([n, 5]), .invalidGraph),
      (.slice(starts: [1], ends: [3], steps: [0]), floats([5]), .invalidGraph),
      (.slice(starts: [1], ends: [6], steps: [1]), floats([5]), .invalidGraph),
      (.slice(starts: [5], ends: [0], steps: [-1]), floats([5]), .invalidGraph),
      (.slice(starts: [4], ends: [0], steps: [Int.min]), floats([5]), .invalidGraph),
      (.slice(starts: [1], ends: [n], steps: [1]), floats([n]), .shapeMismatch),
      (.slice(starts: [], ends: [], steps: []), floats([5]), .invalidGraph),
      (.pad(.constant, before: [-1], after: [0], value: 0), floats([5]), .invalidGraph),
      (.pad(.constant, before: [1], after: [Int.max], value: 0), floats([5]), .shapeMismatch),
      (.pad(.constant, before: [1], after: [1], value: 0), floats([n]), .shapeMismatch),
      (.pad(.reflect, before: [5], after: [0], value: 0), floats([5]), .shapeMismatch),
      (resize(0, 1), floats([n, 5, 4, 3]), .invalidGraph),
      (resize(1, 1, scale: .infinity), floats([n, 5, 4, 3]), .invalidGraph),
      (resize(huge, huge), floats([n, 5, 4, 3]), .shapeMismatch),
      (.transpose([0, 0]), floats([2, 2]), .invalidGraph),
      (.transpose([0, 2]), floats([2, 2]), .invalidGraph),
      (.transpose([0]), floats([2, 2]), .invalidGraph),
      (.reshape(Shape([n, 5])), floats([n, 4]), .shapeMismatch),
      (.reshape(Shape([4, 5])), floats([n, 5]), .shapeMismatch),
      (.reshape(Shape([-2, -10])), floats([20]), .invalidGraph),
      (.reshape(Shape([huge, huge, 0])), floats([0]), .shapeMismatch),
      (.expand(Shape([3])), floats([2]), .shapeMismatch),
      (.expand(Shape([1])), floats([3]), .shapeMismatch),
      (.gather(axis: 0, indices: [5], scalarIndex: false), floats([5]), .invalidGraph),
      (.gather(axis: 0, indices: [-1], scalarIndex: false), floats([5]), .invalidGraph),
      (.gather(axis: 0, indices: [1, 2], scalarIndex: true), floats([5]), .invalidGraph),
      (.gather(axis: 0, indices: [0], scalarIndex: false), floats([n]), .shapeMismatch),
      (.localResponseNormalization(size: 0, alpha: 1, beta: 1, bias: 1), floats([n, 3]), .invalidGraph),
      (.layerNormalization(epsilon: -1), floats([n, 3], [3]), .invalidGraph),
      (.layerNormalization(epsilon: .infinity), floats([n, 3], [3]), .invalidGraph),
      (.layerNormalization(epsilon: 1), floats([n, 3]), .invalidGraph),
      (.layerNormalization(epsilon: 1), floats([n, 3], [4]), .shapeMismatch),
      (.layerNormalization(epsilon: 1), floats([n, 3], [3], [1]), .shapeMismatch),
      (.layerNormalization(epsilon: 1), floats([3, n], [3]), .shapeMismatch),
      (.unary(relu), floats([1, 1, 1, 1, 1, 1, 1, 1, 1]), .shapeMismatch),
      (.unary(relu), floats([-7]), .shapeMismatch),
    ]
    for (op, inputs, status) in table {
      let error = #expect(throws: EdgeError.self, "\(op)") { _ = try infer(op, inputs, outputs: 1) }
      #expect(error?.status == status, "\(op) \(inputs): \(error?.message ?? "")")
      #expect(error?.node == "node")
    }
  }

  @Test func addNodeLeavesTheGraphAloneOnErrors() throws {
    var graph = Graph()
    let x = graph.addValue(Value(name: "x", dtype: .float32, shape: Shape([2])))
    #expect(throws: EdgeError.self) { try graph.addNode(.transpose([1]), name: "t", inputs: [x], outputNames: ["y"]) }
    #expect(throws: EdgeError.self) { try graph.addNode(.transpose([0]), name: "t", inputs: [x], outputNames: ["y", "z"]) }
    #expect(throws: EdgeError.self) { try graph.addNode(.transpose([0]), name: "t", inputs: [7], outputNames: ["y"]) }
    #expect(throws: EdgeError.self) { try graph.addNode(.transpose([0]), name: "t", inputs: [Node.noValue], outputNames: ["y"]) }
    #expect(graph.nodes.isEmpty && graph.values.count == 1)
  }

  @Test func inferredFollowsAChangedInput() throws {
    var graph = Graph()
    let x = graph.addValue(Value(name: "x", dtype: .float32, shape: Shape([n, 8, 8, 3])))
    graph.inputs = [x]
    let y = try graph.addNode(pool(.max, window(2, stride: 2)), name: "p", inputs: [x], outputNames: ["p"])[0]
    graph.outputs = try graph.addNode(.unary(relu), name: "r", inputs: [y], outputNames: ["y"])
    graph.values[x].shape = Shape([n, 6, 4, 3])
    #expect(throws: EdgeError.self) { try graph.validate() }
    let result = try graph.inferred()
    try result.validate()
    #expect(result.values[result.outputs[0]].shape.dims == [n, 3, 2, 3])
  }
}

/// Operators on integers, booleans and indices: what they give, and what they refuse.
@Suite struct TypedInferenceTests {
  private func type(_ dtype: DType, _ dims: Int...) -> TensorType { TensorType(dtype, Shape(dims)) }

  @Test func results() throws {
    let table: [(Operator, [TensorType], TensorType)] = [
      (.binary(.add, .none), [type(.uint16, n, 3), type(.uint16, 3)], type(.uint16, n, 3)),
      (.binary(.divide, .none), [type(.float64, n, 3), type(.float64, 3)], type(.float64, n, 3)),
      (.binary(.equal, .none), [type(.float64, 4), type(.float64, 1)], type(.bool, 4)),
      (.binary(.less, .none), [type(.float32, 4, 1), type(.float32, 3)], type(.bool, 4, 3)),
      (.binary(.and, .none), [type(.bool, 4), type(.bool, 4)], type(.bool, 4)),
      (.binary(.power, .none), [type(.int32, 4), type(.float32, 1)], type(.int32, 4)),
      (.binary(.power, .none), [type(.float32, 4), type(.int64)], type(.float32, 4)),
      (.unary(UnaryFunction(.not)), [type(.int8, 4)], type(.int8, 4)),
      (.unary(UnaryFunction(.isNaN)), [type(.float32, n)], type(.bool, n)),
      (.select, [type(.bool, 4, 1), type(.uint64, 3), type(.uint64, 1)], type(.uint64, 4, 3)),
      (.reduce(.argMax, axes: [1], keepDims: false), [type(.uint8, n, 5)], type(.int64, n)),
      (.reduce(.sum, axes: [0], keepDims: true), [type(.int32, 0, 5)], type(.int32, 1, 5)),
      (.scan(.sum, axis: 0, exclusive: false, reverse: true), [type(.float32, 5, 2)], type(.float32, 5, 2)),
      (.matMul, [type(.int32, n, 2, 3), type(.int32, 3, 4)], type(.int32, n, 2, 4)),
      (.take(Indexing(.slices, axis: 1)), [type(.int16, n, 9, 2), type(.int32, 3, 4)], type(.int16, n, 3, 4, 2)),
      (.take(Indexing(.elements, axis: 1)), [type(.bool, 3, 9), type(.int64, 3, 4)], type(.bool, 3, 4)),
      (.take(Indexing(.tuples, axis: 1)), [type(.float32, n, 9, 2, 5), type(.int64, n, 7, 2)], type(.float32, n, 7, 5)),
      (.put(Indexing(.tuples, axis: 0), .add), [type(.int8, 9, 2), type(.int64, 7, 1), type(.int8, 7, 2)], type(.int8, 9, 2)),
      (.cast(.bfloat16), [type(.uint32, n, 0)], type(.bfloat16, n, 0)),
      (.bitCast(.int32), [type(.float32, n, 2)], type(.int32, n, 2)),
    ]
    for (op, inputs, expected) in table { #expect(try infer(op, inputs) == [expected], "\(op.name)") }
    let best = try infer(.topK(axis: 1, k: 2, largest: false), [type(.uint8, n, 5)], outputs: 2)
    #expect(best == [type(.uint8, n, 2), type(.int64, n, 2)])
  }

  @Test func quantizedElementsAreChosenAndOrderedAsTheyAre() throws {
    let scale = Quantization(scale: 0.5, zeroPoint: 3)
    let x = TensorType(.uint8, Shape([n, 5]), scale)
    #expect(try infer(.select, [type(.bool, 5), x, x]) == [x])
    #expect(try infer(.reduce(.argMax, axes: [1], keepDims: false), [x]) == [type(.int64, n)])
    #expect(
      try infer(.topK(axis: 1, k: 2, largest: true), [x], outputs: 2) == [TensorType(.uint8, Shape([n, 2]), scale), type(.int64, n, 2)])
    let other = TensorType(.uint8, Shape([n, 5]), Quantization(scale: 0.25, zeroPoint: 3))
    #expect(throws: EdgeError.self) { _ = try infer(.select, [type(.bool, 5), x, other], outputs: 1) }
  }

  @Test func refusals() {
    let table: [(Operator, [TensorType])] = [
      (.binary(.add, .none), [type(.int32, 4), type(.int64, 4)]), (.binary(.add, .none), [type(.bool, 4), type(.bool, 4)]),
      (.binary(.add, Clamp(min: 0, max: 6)), [type(.int32, 4), type(.int32, 4)]),
      (.binary(.and, .none), [type(.float32, 4), type(.float32, 4)]), (.binary(.power, .none), [type(.float64, 4), type(.float64, 4)]),
      (.binary(.add, .none), [type(.float16, 4), type(.float16, 4)]), (.binary(.add, .none), [type(.float64, 4), type(.float32, 4)]),
      (.unary(UnaryFunction(.not)), [type(.float32, 4)]), (.unary(UnaryFunction(.exp)), [type(.int32, 4)]),
      (.unary(UnaryFunction(.isNaN)), [type(.int32, 4)]), (.select, [type(.uint8, 4), type(.int8, 4), type(.int8, 4)]),
      (.select, [type(.bool, 4), type(.int8, 4), type(.int16, 4)]), (.select, [type(.bool, 4), type(.int8, 3), type(.int8, 4)]),
      (.reduce(.argMax, axes: [0, 1], keepDims: false), [type(.uint8, 4, 5)]),
      (.reduce(.argMin, axes: [0], keepDims: false), [type(.uint8, 0)]),
      (.scan(.product, axis: 2, exclusive: false, reverse: false), [type(.int32, 4, 5)]),
      (.take(Indexing(.slices, axis: 0)), [type(.int32, 4), type(.float32, 2)]),
      (.take(Indexing(.slices, axis: 0)), [type(.int32, n), type(.int32, 2)]),
      (.take(Indexing(.slices, axis: 1)), [type(.int32, 4), type(.int32, 2)]),
      (.take(Indexing(.elements, axis: 0)), [type(.int32, 4, 3), type(.int32, 2, 4)]),
      (.take(Indexing(.elements, axis: 0)), [type(.int32, 0, 3), type(.int32, 2, 3)]),
      (.take(Indexing(.tuples, axis: 0)), [type(.int32, 4, 3), type(.int32, 2, 3)]),
      (.take(Indexing(.tuples, axis: 1)), [type(.int32, 4, 3), type(.int32, 2, 1)]),
      (.put(Indexing(.elements, axis: 0), .replace), [type(.int32, 4), type(.int64, 2), type(.int32, 3)]),
      (.put(Indexing(.elements, axis: 0), .replace), [type(.int32, 4), type(.int64, 2), type(.int16, 2)]),
      (.topK(axis: 0, k: 5, largest: true), [type(.int32, 4)]), (.topK(axis: 0, k: -1, largest: true), [type(.int32, 4)]),
      (.matMul, [type(.int32, 2, 3), type(.int8, 3, 2)]), (.bitCast(.int16), [type(.float32, 4)]), (.bitCast(.bool), [type(.uint8, 4)]),
    ]
    for (index, (op, inputs)) in table.enumerated() {
      #expect(throws: EdgeError.self, "row \(index): \(op.name)") { _ = try infer(op, inputs, outputs: 1) }
    }
  }
}

@Suite struct RecurrentInferenceTests {
  private func type(_ dtype: DType, _ dims: Int...) -> TensorType { TensorType(dtype, Shape(dims)) }
  private let absent = TensorType(.bool, Shape([-9]))

  /// `absent` stands for an input that is not there.
  private func results(_ op: Recurrent, _ inputs: [TensorType]) throws -> [TensorType] {
    var graph = Graph()
    var ids: [ValueID] = []
    for (index, input) in inputs.enumerated() {
      ids.append(input == absent ? Node.noValue : graph.addValue(Value(name: Text("x\(index)"), dtype: input.dtype, shape: input.shape)))
    }
    return try graph.resultTypes(of: .recurrent(op), name: "node", inputs: ids)
  }

  @Test func shapes() throws {
    let state = type(.float32, n, 5)
    let lstm = try results(
      Recurrent(.lstm),
      [type(.float32, 9, n, 20), type(.float32, 20, 5), absent, state, state, type(.float32, 15), type(.int32, n)])
    #expect(lstm == [type(.float32, 9, n, 5), state, state])
    var gru = Recurrent(.gru)
    gru.isBatchFirst = true
    gru.resetsAfterProduct = true
    let two = try results(gru, [type(.float32, n, 9, 15), type(.float32, 15, 5), type(.float32, 5), absent, absent, absent, type(.int64, n)])
    #expect(two == [type(.float32, n, 9, 5), state])
    #expect(try results(Recurrent(.rnn), [type(.float32, n, 9, 5), type(.float32, 5, 5)]).count == 2)
  }

  @Test func refusals() {
    let (x, w) = (type(.float32, 9, 2, 20), type(.float32, 20, 5))
    let state = type(.float32, 2, 5)
    var clipped = Recurrent(.lstm)
    clipped.clip = -1
    var unbounded = Recurrent(.lstm)
    unbounded.h.outputScale = .nan
    var backwards = Recurrent(.lstm)
    backwards.f = Recurrent.Activation(UnaryFunction(.clamp, alpha: 1, beta: 0))
    var typed = Recurrent(.lstm)
    typed.g = Recurrent.Activation(UnaryFunction(.isNaN))
    let table: [(Recurrent, [TensorType])] = [
      (Recurrent(.lstm), [x]), (Recurrent(.lstm), [type(.float32, 9, 20), w]), (Recurrent(.lstm), [x, type(.float32, 20, 5, 1)]),
      (Recurrent(.lstm), [x, type(.float32, 20, 0)]), (Recurrent(.gru), [x, w]), (Recurrent(.lstm), [x, type(.float32, 16, 4)]),
      (Recurrent(.lstm), [x, type(.float32, 20, n)]), (Recurrent(.lstm), [type(.int32, 9, 2, 20), w]),
      (Recurrent(.lstm), [x, type(.int8, 20, 5)]), (Recurrent(.lstm), [x, w, type(.float32, 5)]),
      (Recurrent(.gru), [type(.float32, 9, 2, 15), type(.float32, 15, 5), type(.float32, 5)]),
      (Recurrent(.gru), [type(.float32, 9, 2, 15), type(.float32, 15, 5), absent, state, state]),
      (Recurrent(.lstm), [x, w, absent, type(.float32, 5, 2)]), (Recurrent(.lstm), [x, w, absent, state, type(.float32, 1, 5)]),
      (Recurrent(.lstm), [x, w, absent, absent, absent, type(.float32, 20)]),
      (Recurrent(.rnn), [type(.float32, 9, 2, 5), type(.float32, 5, 5), absent, absent, absent, type(.float32, 15)]),
      (Recurrent(.lstm), [x, w, absent, absent, absent, absent, type(.int32, 9)]),
      (Recurrent(.lstm), [x, w, absent, absent, absent, absent, type(.float32, 2)]),
      (Recurrent(.lstm), [type(.float32, 9, 2, 20), type(.float32, 20, 1 << 62)]),
      (clipped, [x, w]), (unbounded, [x, w]), (backwards, [x, w]), (typed, [x, w]),
    ]
    for (index, (op, inputs)) in table.enumerated() {
      #expect(throws: EdgeError.self, "row \(index)") { _ = try results(op, inputs) }
    }
  }

  @Test func text() {
    var op = Recurrent(.gru)
    op.isReverse = true
    op.resetsAfterProduct = true
    op.clip = 2
    #expect(Operator.recurrent(op).name == "GRU")
    #expect(Operator.recurrent(op).attributeText == "Sigmoid Tanh reverse reset after product clip 2.0")
  }
}
