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

  /// Number of elements, with `batch` for the symbolic dimension; nil on overflow. A dimension of zero hides no
  /// overflow of the others: with a count, every stride and every partial product fits as well.
  public func elementCount(batch: Int = 1) -> Int? {
    var count = 1
    var isEmpty = false
    for dim in dims {
      let size = dim == Shape.batch ? batch : dim
      if size == 0 {
        isEmpty = true
        continue
      }
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      if overflow { return nil }
      count = product
    }
    return isEmpty ? 0 : count
  }

  /// Elements between neighbours along each axis of a dense row-major tensor without symbolic dimension. They wrap
  /// around where `elementCount` is nil.
  public var strides: [Int] {
    var strides = [Int](repeating: 1, count: rank)
    var step = 1
    for axis in dims.indices.reversed() {
      strides[axis] = step
      step = step &* dims[axis]
    }
    return strides
  }

  /// The same shape with the symbolic dimension replaced.
  public func withBatch(_ batch: Int) -> Shape { Shape(dims.map { $0 == Shape.batch ? batch : $0 }) }

  /// "[N, 28, 28, 1]"
  public var text: Text {
    var text = Text("[")
    for (index, dim) in dims.enumerated() {
      if index > 0 { text += ", " }
      text += dim == Shape.batch ? "N" : Text("\(dim)")
    }
    return text + "]"
  }
}
