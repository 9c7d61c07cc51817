#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Copies of typical inputs, for work that runs a network on them more than once.
///
/// Memory: the samples. A class without an initializer that throws, like all classes of the library.
public final class CalibrationSamples {
  private typealias Batch = (inputs: [Storage], count: Int)
  private var batches: [Batch] = []
  /// Samples held.
  public private(set) var count = 0

  public init() {}

  /// Copies samples. `inputs`: a pointer for each input of the graph, to that many dense samples one after another.
  /// Throws `shapeMismatch` for the number of inputs, `limitExceeded`, `outOfMemory`.
  public func add(_ graph: Graph, inputs: [UnsafeRawPointer], samples: Int) throws(EdgeError) {
    guard inputs.count == graph.callerInputs.count else {
      throw EdgeError(.shapeMismatch, "the model has \(graph.callerInputs.count) inputs, \(inputs.count) are given")
    }
    guard samples > 0 else { return }
    var copies: [Storage] = []
    for (index, input) in inputs.enumerated() {
      let value = graph.values[graph.inputs[index]]
      guard let bytes = value.byteCount() else { throw EdgeError(.limitExceeded, "the tensor's size overflows", tensor: value.name) }
      let copy = try Storage.allocate(try checkedProduct(bytes, samples))
      copy.base.copyMemory(from: input, byteCount: copy.count)
      copies.append(copy)
    }
    batches.append((copies, samples))
    count += samples
  }

  /// Calls `body` for each batch as it was added.
  public func forEachBatch(_ body: (_ inputs: [UnsafeRawPointer], _ samples: Int) throws(EdgeError) -> Void) throws(EdgeError) {
    for batch in batches { try body(batch.inputs.map { UnsafeRawPointer($0.base) }, batch.count) }
  }

  /// Calls `body` for each sample, in order: its number, pointers to the batch that it is in, and its place there.
  func forEach(_ body: (_ number: Int, _ inputs: [UnsafeRawPointer], _ sample: Int) throws(EdgeError) -> Void) throws(EdgeError) {
    var number = 0
    for batch in batches {
      let pointers = batch.inputs.map { UnsafeRawPointer($0.base) }
      for sample in 0..<batch.count {
        try body(number, pointers, sample)
        number += 1
      }
    }
  }
}

/// a b, or `limitExceeded`.
func checkedProduct(_ a: Int, _ b: Int) throws(EdgeError) -> Int {
  let (product, overflow) = a.multipliedReportingOverflow(by: b)
  if overflow { throw EdgeError(.limitExceeded, "a size overflows") }
  return product
}

extension Storage {
  /// Zeroed room for so many numbers. Throws `limitExceeded`, `outOfMemory`.
  static func floats(_ count: Int) throws(EdgeError) -> Storage { try allocate(try checkedProduct(count, MemoryLayout<Float>.stride)) }
  static func doubles(_ count: Int) throws(EdgeError) -> Storage { try allocate(try checkedProduct(count, MemoryLayout<Double>.stride)) }

  var floats: UnsafeMutablePointer<Float> { base.assumingMemoryBound(to: Float.self) }
  var doubles: UnsafeMutablePointer<Double> { base.assumingMemoryBound(to: Double.self) }
}
