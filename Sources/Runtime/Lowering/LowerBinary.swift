import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What is known of a convolution or dense layer that takes signs: its weights' rows where it can run on bits, or why it cannot.
struct BinaryLayer {
  var rows: SignRows?
  var reason: StaticString = ""
}

/// A tensor of signs as bits, and the block of branches and loops in which they are made.
struct SignBits {
  var place: BufferPlace
  var block: Int
}

/// Layers of signs: binary activations with binary or ternary weights (Rastegari et al. 2016).
///
///     before   x -> Binarize -> Convolution -> Binarize -> Convolution -> y
///     steps    x -> binarize => conv_binary => conv_binary -> y          => bits
///
/// Bits exist between steps alone: a value that somebody else reads is there in float too.
extension Lowering {
  /// Looks at all layers whose operand holds signs.
  func findBinaryLayers() {
    for (number, node) in graph.nodes.enumerated() {
      let groups: Int
      switch node.op {
      case .convolution(let op): groups = op.groups
      case .dense: groups = 1
      default: continue
      }
      guard let x = node.input(0), let weights = node.input(1), graph.holdsSigns(x, index) else { continue }
      binaryLayers[number] = binaryLayer(node, weights, groups)
      source?.forget()
    }
  }

  private func binaryLayer(_ node: Node, _ weights: ValueID, _ groups: Int) -> BinaryLayer {
    if groups != 1 { return BinaryLayer(reason: "signs in float: more than one group") }
    if let bias = node.input(2), graph.values[bias].constant == nil || dtype(bias) != .float32 {
      return BinaryLayer(reason: "signs in float: the bias is not constant")
    }
    guard dtype(node.outputs[0]) == .float32, let rows = graph.signRows(weights) else {
      return BinaryLayer(reason: "signs in float: the weights of a channel are not -a, 0 and a")
    }
    var products = rows.hasZeros ? 2 : 1
    for size in shape(weights).dropFirst() {
      products = products.multipliedReportingOverflow(by: size).overflow ? Int.max : products &* size
    }
    if products > 65535 { return BinaryLayer(reason: "signs in float: the sums are too long") }
    if kernels.own(Int32(EK_CONV_BINARY)) == nil { return BinaryLayer(reason: "signs in float: no binary kernel for this instruction set") }
    return BinaryLayer(rows: rows)
  }

  /// Appends the step of a layer that takes signs. False, with a note why, where it cannot run on bits, and where none are.
  func lowerBinaryLayer(_ node: Node, _ geometry: ek_conv, _ clamp: Clamp) throws(EdgeError) -> Bool {
    guard let layer = binaryLayers[current] else { return false }
    guard let rows = layer.rows else {
      note = Text(layer.reason)
      return false
    }
    let (x, weights, y) = (try required(node, 0), try required(node, 1), node.outputs[0])
    let residual = node.input(3)
    let channels = Int(geometry.c_out)
    var bias: [Float]?
    if let value = node.input(2) { bias = graph.values[value].constant?.array(of: Float.self) }
    if let bias, bias.count != channels { throw error(.shapeMismatch, "needs one element for each channel", value: node.inputs[2]) }
    if let residual, shape(residual) != shape(y) || dtype(residual) != .float32 {
      throw error(.shapeMismatch, "has not the result's shape and type", value: residual)
    }
    var arguments = geometry
    arguments.planes = rows.hasZeros ? 2 : 1
    arguments.x_stride = try int32(Lowering.signBytes(Int(arguments.c_in)))
    (arguments.y_stride, arguments.residual_stride) = (arguments.c_out, arguments.c_out)
    (arguments.clamp_min, arguments.clamp_max) = (clamp.min, clamp.max)
    var slots: [SlotUse] = [.read(0, try signs(x)), .read(1, try operand(weights))]
    note = rows.hasZeros ? "ternary weights" : "binary weights"
    let target = residual == nil ? signTarget(y) : nil
    if let target {
      arguments.y_bits = 1
      arguments.y_stride = try int32(Lowering.signBytes(channels))
      let most = Int(arguments.kh) &* Int(arguments.kw) &* Int(arguments.c_in)
      slots.append(.read(2, try derived(Lowering.thresholds(rows.scales, bias, clamp, most))))
      slots.append(.write(6, try addSigns(target, channels)))
      note += Text("; writes the signs of \(graph.values[target].name)")
    } else {
      if let value = node.input(2) { slots.append(.read(2, try operand(value))) }
      slots.append(.read(3, try derived(rows.scales)))
      if let residual { slots.append(.read(4, try operand(residual))) }
      slots.append(.write(6, try result(y)))
    }
    let taps = Int64(arguments.kh) &* Int64(arguments.kw) &* Int64(arguments.c_in)
    try emit(
      Int(EK_CONV_BINARY), arguments, slots, packs: 5, packSources: [1, 2, 3],
      multiplyAdds: Int64(arguments.n) &* Int64(arguments.oh) &* Int64(arguments.ow) &* taps &* Int64(channels))
    if target == nil { writers[y] = steps.count - 1 }
    return true
  }

  /// Appends the step of a binarization whose result is needed as bits alone. False where it is needed in float.
  func lowerBinarize(_ node: Node) throws(EdgeError) -> Bool {
    let (x, y) = (try required(node, 0), node.outputs[0])
    if signBits[y] != nil { return true }
    guard dtype(x) == .float32, isReadAsBits(y), let channels = shape(x).last else { return false }
    try emitBinarize(try operand(x), channels, to: try addSigns(y, channels), of: x)
    return true
  }

  // MARK: Bits

  /// Bytes of a pixel of signs.
  static func signBytes(_ channels: Int) -> Int { (channels &+ 63) / 64 &* 8 }

  /// Memory for a value's signs.
  private func addSigns(_ value: ValueID, _ channels: Int) throws(EdgeError) -> BufferPlace {
    let (bytes, overflow) = (try count(value) / channels).multipliedReportingOverflow(by: Lowering.signBytes(channels))
    if overflow { throw error(.limitExceeded, "the tensor's size overflows", value: value) }
    let place = temporary(bytes)
    signBits[value] = SignBits(place: place, block: flow.blocks[current])
    return place
  }

  /// A value's signs, which are made here where they are not there yet.
  private func signs(_ value: ValueID) throws(EdgeError) -> BufferPlace {
    // What another branch made may not have been made in this run.
    if let bits = signBits[value], bits.block == flow.blocks[current] || isReadAsBits(value) { return bits.place }
    guard let channels = shape(value).last else { throw error(.shapeMismatch, "has no channels", value: value) }
    let place = try addSigns(value, channels)
    try emitBinarize(try operand(value), channels, to: place, of: value)
    return place
  }

  private func emitBinarize(_ x: BufferPlace, _ channels: Int, to y: BufferPlace, of value: ValueID) throws(EdgeError) {
    var arguments = ek_binarize()
    arguments.pixels = Int64(try count(value) / channels)
    arguments.c = try int32(channels)
    arguments.y_stride = try int32(Lowering.signBytes(channels))
    try emit(Int(EK_BINARIZE), arguments, [.read(0, x), .write(1, y)])
  }

  /// Whether a value is an operand of layers that run on bits, and nothing else.
  private func isReadAsBits(_ value: ValueID) -> Bool {
    guard !isPinned[value], let producer = index.producer(of: value), case .unary = graph.nodes[producer].op else { return false }
    for reader in index.consumers[value] {
      guard binaryLayers[reader]?.rows != nil, graph.nodes[reader].inputs[0] == value, graph.nodes[reader].input(3) != value
      else { return false }
    }
    return !index.consumers[value].isEmpty
  }

  /// The binarized value of y, where y is needed for that alone.
  private func signTarget(_ y: ValueID) -> ValueID? {
    guard !isPinned[y], index.isUsedOnce(y) else { return nil }
    let reader = index.consumers[y][0]
    guard case .unary(let function) = graph.nodes[reader].op, function.kind == .binarize, flow.blocks[reader] == flow.blocks[current]
    else { return nil }
    let target = graph.nodes[reader].outputs[0]
    return isReadAsBits(target) ? target : nil
  }

  /// For each channel the least sum of `most` signs whose result is not negative, by the kernels' own arithmetic, which never
  /// falls when the sum grows; most + 1 where there is none.
  private static func thresholds(_ scales: [Float], _ bias: [Float]?, _ clamp: Clamp, _ most: Int) -> [Int32] {
    var thresholds: [Int32] = []
    for channel in scales.indices {
      var (low, high) = (0 &- most, most &+ 1)
      while low < high {
        let middle = low &+ (high &- low) / 2
        var value = Float(middle) * scales[channel]
        if let bias { value = value + bias[channel] }
        let raised = value < clamp.min ? clamp.min : value
        if (raised > clamp.max ? clamp.max : raised) >= 0 { high = middle } else { low = middle &+ 1 }
      }
      thresholds.append(Int32(truncatingIfNeeded: low))
    }
    return thresholds
  }
}
