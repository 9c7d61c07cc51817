import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Steps that write their results where a movement of elements would take them, so that nothing has to move.
extension Lowering {
  /// The step that alone writes `x`, for `y` alone to read in the same block of branches and loops; nil when there is none.
  private func soleWriter(_ x: ValueID, _ y: ValueID) -> Int? {
    let index = writers[x]
    guard index >= 0, readers[x] == 1, graph.values[x].dtype == graph.values[y].dtype,
      graph.values[x].quantization == graph.values[y].quantization, steps[index].node >= 0,
      flow.blocks[steps[index].node] == flow.blocks[current], let place = places[x], buffers[place.buffer].isArena
    else { return nil }
    return index
  }

  /// Makes a step write to `target` what it would write to memory of its own.
  private func redirect(_ index: Int, _ x: ValueID, to target: BufferPlace) {
    if let place = places[x] {
      buffers[place.buffer] = PlannedBuffer(kind: .arena, byteCount: 0)
    }
    for use in steps[index].slots.indices where steps[index].slots[use].writes { steps[index].slots[use].place = target }
    buffers[target.buffer].firstStep = min(buffers[target.buffer].firstStep, index)
    buffers[target.buffer].lastStep = max(buffers[target.buffer].lastStep, index)
    places[x] = target
  }

  /// Lets a convolution or a pool write its channels between those of others: `x` is the part of `y` that begins with channel
  /// `start` of the `pixel` channels of each pixel. Whether it can.
  func writePart(_ x: ValueID, of y: ValueID, _ target: BufferPlace, from start: Int, pixel: Int) -> Bool {
    guard let index = soleWriter(x, y), let stride = Int32(exactly: pixel), !hasFixedArguments(index) else { return false }
    switch Int(steps[index].operation) {
    case Int(EK_QUANTIZE): return false
    case Int(EK_MAX_POOL_F32), Int(EK_MAX_POOL_U8), Int(EK_AVERAGE_POOL_F32), Int(EK_AVERAGE_POOL_U8):
      steps[index].changeArguments { (pool: inout ek_pool) in pool.y_stride = stride }
    default:
      steps[index].changeArguments { (convolution: inout ek_conv) in convolution.y_stride = stride }
    }
    redirect(index, x, to: BufferPlace(buffer: target.buffer, offset: target.offset &+ start &* dtype(y).byteCount))
    steps[index].remark(Text("writes its part of \(graph.values[y].name)"))
    return true
  }

  /// Lets a quantization of color pictures whose planes follow each other write pixels. Whether it can.
  func quantizesPixels(_ x: ValueID, _ y: ValueID, _ order: [Int]) throws(EdgeError) -> Bool {
    let dims = shape(x)
    guard order == [0, 2, 3, 1], dims[1] == 3, let index = soleWriter(x, y), Int(steps[index].operation) == Int(EK_QUANTIZE)
    else { return false }
    steps[index].changeArguments { (arguments: inout ek_quantize) in
      arguments.planes = 3
      arguments.pixels = Int64(dims[2]) &* Int64(dims[3])
    }
    redirect(index, x, to: try result(y))
    return true
  }
}
