import Graph
import Testing

@testable import Runtime

/// Transposes around matrix products: products read and write through strides instead.
@Suite struct TransposedProductTests {
  /// softmax(split(q) split(k)^T) split(v), joined, of float32 or between uint8 tensors.
  private struct Attention {
    var graph = Graph()
    var scores: ValueID = Node.noValue, joined: ValueID = Node.noValue, splitKey: ValueID = Node.noValue
    let quantized: Bool
    private var count = 0

    init(quantized: Bool, length: Int = 5, heads: Int = 3, width: Int = 4) throws {
      self.quantized = quantized
      let parts = try (0..<3).map { index in
        try activation(graph.input("x\(index)", [Shape.batch, length, heads * width]))
      }
      func split(_ x: ValueID, _ order: [Int]) throws -> ValueID {
        try add(.transpose(order), [try add(.reshape(Shape([Shape.batch, length, heads, width])), [x])])
      }
      splitKey = try split(parts[1], [0, 2, 3, 1])
      scores = try add(.matMul, [try split(parts[0], [0, 2, 1, 3]), splitKey], scale: 0.05)
      let seen = try add(.softmax(axis: 3, log: false), [scores], scale: 1 / 256, zero: 0)
      joined = try add(.transpose([0, 2, 1, 3]), [try add(.matMul, [seen, try split(parts[2], [0, 2, 1, 3])], scale: 0.02)])
      graph.outputs = [try result(try add(.reshape(Shape([Shape.batch, length, heads * width])), [joined]))]
    }

    private static let type = Quantization(scale: 0.0123, zeroPoint: 120)

    private mutating func activation(_ x: ValueID) throws -> ValueID {
      guard quantized else { return x }
      count += 1
      return try graph.addNode(
        .quantize, name: "q\(count)", inputs: [x], outputNames: ["q\(count)"], results: [ElementType(.uint8, Attention.type)])[0]
    }

    mutating func result(_ x: ValueID) throws -> ValueID {
      guard quantized else { return x }
      count += 1
      return try graph.addNode(.dequantize, name: "d\(count)", inputs: [x], outputNames: ["d\(count)"])[0]
    }

    /// With a scale the result has a type of its own, else its operand's.
    private mutating func add(_ op: Operator, _ inputs: [ValueID], scale: Float? = nil, zero: Int32 = 128) throws -> ValueID {
      count += 1
      let own = scale.map { Quantization(scale: $0, zeroPoint: zero) } ?? graph.values[inputs[0]].quantization
      let types = quantized ? [ElementType(.uint8, own)] : []
      return try graph.addNode(op, name: "n\(count)", inputs: inputs, outputNames: ["n\(count)"], results: types)[0]
    }
  }

  private func check(_ attention: Attention, transposes: Int, observed: [ValueID] = [], batch: Int = 2) throws {
    let graph = attention.graph
    var random = Random(5)
    let x = graph.inputs.map { random.floats(graph.values[$0].shape.elementCount(batch: batch)!) }
    let expected = interpret(graph, batch: batch, x)
    var first: [[UInt8]]?
    for isa in InstructionSet.all where isa.isAvailable {
      for threads in [1, 3] {
        let runner = try Runner(graph) {
          $0.batch = batch
          $0.isa = isa
          $0.threads = threads
          $0.observed = observed
        }
        #expect(runner.plan.steps.filter { $0.operatorName == "Transpose" }.count == transposes)
        let bytes = try runner.bytes(x)
        if attention.quantized {
          #expect(first == nil || first == bytes, "\(isa)")
          first = bytes
        }
        for index in graph.outputs.indices {
          let bound = attention.quantized ? 0.02 * 2.5 : 1e-5
          for (a, e) in zip(runner.output(index, Float.self), expected[graph.outputs[index]]!.data) { #expect(abs(Double(a) - e) <= bound) }
        }
      }
    }
  }

  @Test(arguments: [false, true]) func attentionCopiesNothing(_ quantized: Bool) throws {
    try check(try Attention(quantized: quantized), transposes: 0)
    try check(try Attention(quantized: quantized, length: 33, heads: 2, width: 32), transposes: 0)
    try check(try Attention(quantized: quantized, length: 1, heads: 3, width: 7), transposes: 0, batch: 1)
  }

  /// Whoever else reads a transposed tensor finds it in its own order.
  @Test(arguments: [false, true]) func otherReadersNeedTheTranspose(_ quantized: Bool) throws {
    var attention = try Attention(quantized: quantized)
    attention.graph.outputs.append(try attention.result(attention.splitKey))
    try check(attention, transposes: 1)
    attention = try Attention(quantized: quantized)
    try check(attention, transposes: 1, observed: [attention.splitKey])
    // The product's own order is asked for as well.
    attention = try Attention(quantized: quantized)
    let product = attention.graph.nodes[attention.graph.producer(of: attention.joined)!].inputs[0]
    try check(attention, transposes: 1, observed: [product])
  }
}
