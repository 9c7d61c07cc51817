import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Operators whose results have a size that depends on data, on reference kernels.
extension Lowering {
  /// A step that writes or reads how many entries there are in `countSlot`.
  private func emitCounted<Arguments: BitwiseCopyable>(
    _ operation: Int, _ arguments: Arguments, _ slots: [SlotUse], countSlot: Int, bound: Int
  ) throws(EdgeError) {
    try emit(operation, arguments, slots)
    steps[steps.count - 1].countSlot = countSlot
    steps[steps.count - 1].bound = bound
  }

  func lowerNonZero(_ node: Node, bound: Int) throws(EdgeError) {
    let x = try required(node, 0)
    var arguments = ek_non_zero()
    arguments.elements = Int64(try size(x))
    arguments.bound = Int64(bound)
    fillField(&arguments.dims, shape(x))
    arguments.rank = try int32(shape(x).count)
    arguments.type = Int32(dtype(x).rawValue)
    try emitCounted(
      Int(EK_NON_ZERO), arguments,
      [.read(0, try operand(x)), .write(1, try result(node.outputs[0])), .write(2, try result(node.outputs[1]))], countSlot: 2, bound: bound)
  }

  func lowerCrop(_ node: Node, axis: Int, _ crop: Crop) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    var arguments = ek_crop()
    (arguments.outer, arguments.axis, arguments.inner) = try split(shape(x), at: axis, of: x)
    arguments.element_bytes = try int32(dtype(x).byteCount)
    arguments.bound = Int64(shape(y)[axis])
    let slots: [SlotUse] = [.read(0, try operand(x)), .write(1, try result(y))]
    switch crop {
    case .first(let bound):
      let count = try operand(try required(node, 1))
      try emitCounted(Int(EK_CROP), arguments, slots + [.read(2, count)], countSlot: 2, bound: bound)
    case .whole(let fill):
      guard let extent = extents[x] else { throw error(.invalidGraph, "no dimension depends on data", value: x) }
      withUnsafeMutableBytes(of: &arguments.fill) { $0.storeBytes(of: Lowering.bits(fill, dtype(x)), as: UInt64.self) }
      try emit(Int(EK_CROP), arguments, slots + [.read(2, try operand(extent.count))])
    }
  }

  /// An element's bytes.
  private static func bits(_ fill: Crop.Fill, _ dtype: DType) -> UInt64 {
    let isSigned = dtype == .int8 || dtype == .int16 || dtype == .int32 || dtype == .int64
    let sign: UInt64 = 1 << UInt64(dtype.byteCount &* 8 &- 1)
    switch fill {
    case .zero: return 0
    case .one: return dtype == .float32 ? UInt64(Float(1).bitPattern) : 1
    case .lowest: return dtype == .float32 ? UInt64((-Float.infinity).bitPattern) : isSigned ? sign : 0
    case .highest:
      return dtype == .float32 ? UInt64(Float.infinity.bitPattern) : dtype == .bool ? 1 : isSigned ? sign &- 1 : UInt64.max
    }
  }

  func lowerUnique(_ node: Node, axis: Int, sorted: Bool, bound: Int) throws(EdgeError) {
    let x = try required(node, 0)
    var arguments = ek_unique()
    (arguments.outer, arguments.axis, arguments.inner) = try split(shape(x), at: axis, of: x)
    arguments.bound = Int64(bound)
    arguments.type = Int32(dtype(x).rawValue)
    arguments.sorted = sorted ? 1 : 0
    var slots: [SlotUse] = [.read(0, try operand(x))]
    for (index, y) in node.outputs.enumerated() { slots.append(.write(index &+ 1, try result(y))) }
    try emitCounted(Int(EK_UNIQUE), arguments, slots, countSlot: 5, bound: bound)
  }

  func lowerNonMaxSuppression(_ node: Node, _ op: NonMaxSuppression) throws(EdgeError) {
    let (boxes, scores) = (try required(node, 0), try required(node, 1))
    var arguments = ek_nms()
    (arguments.batches, arguments.classes, arguments.box_count) = try split(shape(scores), at: 1, of: scores)
    arguments.most = Int64(op.most)
    arguments.bound = Int64(op.bound)
    arguments.overlap = op.overlap
    arguments.threshold = op.threshold ?? 0
    arguments.has_threshold = op.threshold == nil ? 0 : 1
    arguments.centered = op.isCentered ? 1 : 0
    try emitCounted(
      Int(EK_NON_MAX_SUPPRESSION), arguments,
      [
        .read(0, try operand(boxes)), .read(1, try operand(scores)), .write(2, try result(node.outputs[0])), .write(3, try result(node.outputs[1])),
      ], countSlot: 3, bound: op.bound)
  }
}
