/// Index of a value in its graph.
public typealias ValueID = Int

/// A tensor: an input, a constant or the result of one node.
///
/// A value type one reference wide: passes hand tensors and nodes around a lot, and copying every field at every
/// place costs much code. The fields are copied when one of a shared tensor is changed.
public struct Value {
  private final class Content {
    var name: Text
    var dtype: DType
    var shape: Shape
    var quantization: Quantization?
    var constant: TensorData?

    init(_ name: Text, _ dtype: DType, _ shape: Shape, _ quantization: Quantization?, _ constant: TensorData?) {
      self.name = name
      self.dtype = dtype
      self.shape = shape
      self.quantization = quantization
      self.constant = constant
    }
  }

  private var content: Content

  @inline(never)
  public init(name: Text, dtype: DType, shape: Shape, quantization: Quantization? = nil, constant: TensorData? = nil) {
    content = Content(name, dtype, shape, quantization, constant)
  }

  @inline(never)
  private mutating func makeUnique() {
    if isKnownUniquelyReferenced(&content) { return }
    content = Content(content.name, content.dtype, content.shape, content.quantization, content.constant)
  }

  public var name: Text {
    get { content.name }
    set { makeUnique(); content.name = newValue }
  }
  public var dtype: DType {
    get { content.dtype }
    set { makeUnique(); content.dtype = newValue }
  }
  public var shape: Shape {
    get { content.shape }
    set { makeUnique(); content.shape = newValue }
  }
  /// Non-nil when the integers stand for real numbers.
  public var quantization: Quantization? {
    get { content.quantization }
    set { makeUnique(); content.quantization = newValue }
  }
  /// Contents, when known.
  public var constant: TensorData? {
    get { content.constant }
    set { makeUnique(); content.constant = newValue }
  }

  /// Bytes of the tensor for a batch size; nil on overflow.
  public func byteCount(batch: Int = 1) -> Int? {
    guard let count = shape.elementCount(batch: batch) else { return nil }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: dtype.byteCount)
    return overflow ? nil : bytes
  }
}

/// One operation. A value type one reference wide, like `Value`.
public struct Node {
  /// Stands for a missing optional input.
  public static let noValue: ValueID = -1

  private final class Content {
    var name: Text
    var op: Operator
    var inputs: [ValueID]
    var outputs: [ValueID]

    init(_ name: Text, _ op: Operator, _ inputs: [ValueID], _ outputs: [ValueID]) {
      self.name = name
      self.op = op
      self.inputs = inputs
      self.outputs = outputs
    }
  }

  private var content: Content

  @inline(never)
  public init(name: Text, op: Operator, inputs: [ValueID], outputs: [ValueID]) {
    content = Content(name, op, inputs, outputs)
  }

  @inline(never)
  private mutating func makeUnique() {
    if isKnownUniquelyReferenced(&content) { return }
    content = Content(content.name, content.op, content.inputs, content.outputs)
  }

  public var name: Text {
    get { content.name }
    set { makeUnique(); content.name = newValue }
  }
  public var op: Operator {
    get { content.op }
    set { makeUnique(); content.op = newValue }
  }
  public var inputs: [ValueID] {
    get { content.inputs }
    set { makeUnique(); content.inputs = newValue }
  }
  public var outputs: [ValueID] {
    get { content.outputs }
    set { makeUnique(); content.outputs = newValue }
  }

  /// The input at an index, or nil when it is absent.
  @inline(never)
  public func input(_ index: Int) -> ValueID? {
    index < inputs.count && inputs[index] != Node.noValue ? inputs[index] : nil
  }
}

/// A network: values and the nodes between them, in an order in which every node follows its inputs.
/// A graph is a value; passes are functions `(Graph) throws(EdgeError) -> Graph`.
public struct Graph {
  public var name: Text
  public var values: [Value] = []
  public var nodes: [Node] = []
  public var inputs: [ValueID] = []
  public var outputs: [ValueID] = []
  /// State that outlives a run: the last `states.count` inputs and as many last outputs, in the same order. What a run
  /// leaves in the output is what the next one finds in the input; the first run finds the constant named here, or zeros
  /// where it is `Node.noValue`.
  public var states: [ValueID] = []
  /// Free text carried from the source file and to the saved one.
  public var metadata: [(key: Text, value: Text)] = []

  public init(name: Text = "") { self.name = name }

  /// The inputs that a caller gives: all but the state.
  public var callerInputs: [ValueID] { states.isEmpty ? inputs : Array(inputs.dropLast(states.count)) }
  /// The outputs that a caller gets.
  public var callerOutputs: [ValueID] { states.isEmpty ? outputs : Array(outputs.dropLast(states.count)) }

  @discardableResult
  public mutating func addValue(_ value: Value) -> ValueID {
    values.append(value)
    return values.count - 1
  }

  /// A constant from an array.
  public mutating func addConstant<T: BitwiseCopyable>(
    _ name: Text, _ dtype: DType, _ shape: Shape, _ elements: [T], quantization: Quantization? = nil
  ) throws(EdgeError) -> ValueID {
    let data = try TensorData(elements)
    return addValue(Value(name: name, dtype: dtype, shape: shape, quantization: quantization, constant: data))
  }
}
