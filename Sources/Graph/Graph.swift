/// Index of a value in its graph.
public typealias ValueID = Int

/// A tensor: an input, a constant or the result of one node.
public struct Value {
  public var name: String
  public var dtype: DType
  public var shape: Shape
  /// Non-nil when the integers stand for real numbers.
  public var quantization: Quantization?
  /// Contents, when known.
  public var constant: TensorData?

  public init(name: String, dtype: DType, shape: Shape, quantization: Quantization? = nil, constant: TensorData? = nil) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.quantization = quantization
    self.constant = constant
  }

  /// Bytes of the tensor for a batch size; nil on overflow.
  public func byteCount(batch: Int = 1) -> Int? {
    guard let count = shape.elementCount(batch: batch) else { return nil }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: dtype.byteCount)
    return overflow ? nil : bytes
  }
}

/// One operation.
public struct Node {
  /// Stands for a missing optional input.
  public static let noValue: ValueID = -1

  public var name: String
  public var op: Operator
  public var inputs: [ValueID]
  public var outputs: [ValueID]

  public init(name: String, op: Operator, inputs: [ValueID], outputs: [ValueID]) {
    self.name = name
    self.op = op
    self.inputs = inputs
    self.outputs = outputs
  }

  /// The input at an index, or nil when it is absent.
  public func input(_ index: Int) -> ValueID? {
    index < inputs.count && inputs[index] != Node.noValue ? inputs[index] : nil
  }
}

/// A network: values and the nodes between them, in an order in which every node follows its inputs.
/// A graph is a value; passes are functions `(Graph) throws(EdgeError) -> Graph`.
public struct Graph {
  public var name: String
  public var values: [Value] = []
  public var nodes: [Node] = []
  public var inputs: [ValueID] = []
  public var outputs: [ValueID] = []
  /// Free text carried from the source file and to the saved one.
  public var metadata: [(key: String, value: String)] = []

  public init(name: String = "") { self.name = name }

  @discardableResult
  public mutating func addValue(_ value: Value) -> ValueID {
    values.append(value)
    return values.count - 1
  }

  /// A constant from an array.
  public mutating func addConstant<T: BitwiseCopyable>(
    _ name: String, _ dtype: DType, _ shape: Shape, _ elements: [T], quantization: Quantization? = nil
  ) throws(EdgeError) -> ValueID {
    let data = try TensorData(elements)
    return addValue(Value(name: name, dtype: dtype, shape: shape, quantization: quantization, constant: data))
  }
}
