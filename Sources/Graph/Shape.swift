/// Dimensions of a tensor, outermost first. One dimension value is symbolic: `Shape.batch`, the number of
/// samples, which a session fixes. All others are known and not negative.
public struct Shape: Equatable, Sendable {
  /// The symbolic batch dimension.
  public static let batch = -1
  /// Highest rank the library handles.
  public static let maximumRank = 8

  public var dims: [Int]

  public init(_ dims: [Int]) { self.dims = dims }

  public var rank: Int { dims.count }
  public var hasBatch: Bool { dims.contains(Shape.batch) }

  public subscript(index: Int) -> Int {
    get { dims[index] }
    set { dims[index] = newValue }
  }

  /// Number of elements, with `batch` for the symbolic dimension; nil on overflow.
  public func elementCount(batch: Int = 1) -> Int? {
    var count = 1
    for dim in dims {
      let (product, overflow) = count.multipliedReportingOverflow(by: dim == Shape.batch ? batch : dim)
      if overflow { return nil }
      count = product
    }
    return count
  }

  /// The same shape with the symbolic dimension replaced.
  public func withBatch(_ batch: Int) -> Shape { Shape(dims.map { $0 == Shape.batch ? batch : $0 }) }

  /// "[N, 28, 28, 1]"
  public var text: String {
    var text = "["
    for (index, dim) in dims.enumerated() {
      if index > 0 { text += ", " }
      text += dim == Shape.batch ? "N" : "\(dim)"
    }
    return text + "]"
  }
}
