#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Attributes of the current node, and parameters that moved from attributes to inputs between operator sets.

extension OnnxImporter {
  private func attribute(_ name: Text) -> OnnxAttribute? {
    let found = node.attributes.first { $0.name == name }
    found?.isAskedFor = true
    return found
  }

  private func attribute(_ name: Text, _ kind: OnnxAttribute.Kind) throws(EdgeError) -> OnnxAttribute? {
    if let attribute = attribute(name) {
      guard attribute.kind == kind.rawValue else {
        throw EdgeError(
          .malformedModel, "\(node.type): attribute '\(name)' has type \(attribute.kind), not \(kind.rawValue)", node: nodeName,
          nodeIndex: nodeIndex, byteOffset: attribute.byteOffset)
      }
      return attribute
    }
    return nil
  }

  func integerAttribute(_ name: Text) throws(EdgeError) -> Int? { try attribute(name, .integer)?.integer }
  func integerAttribute(_ name: Text, _ standard: Int) throws(EdgeError) -> Int { try integerAttribute(name) ?? standard }
  func floatAttribute(_ name: Text) throws(EdgeError) -> Float? { try attribute(name, .float)?.float }
  func floatAttribute(_ name: Text, _ standard: Float) throws(EdgeError) -> Float { try floatAttribute(name) ?? standard }
  func textAttribute(_ name: Text, _ standard: Text) throws(EdgeError) -> Text { try attribute(name, .text)?.text ?? standard }
  func integersAttribute(_ name: Text) throws(EdgeError) -> [Int]? { try attribute(name, .integers)?.integers }
  func floatsAttribute(_ name: Text) throws(EdgeError) -> [Float]? { try attribute(name, .floats)?.floats }
  func textsAttribute(_ name: Text) throws(EdgeError) -> [Text]? { try attribute(name, .texts)?.texts }
  func tensorAttribute(_ name: Text) throws(EdgeError) -> OnnxTensor? { try attribute(name, .tensor)?.tensors.first }
  func graphAttribute(_ name: Text) throws(EdgeError) -> OnnxGraph? { try attribute(name, .graph)?.graphs.first }
  @discardableResult
  func hasAttribute(_ name: Text) -> Bool { attribute(name) != nil }

  /// Refuses attributes that no import of the node asked for: standard values in their place would give other results.
  func refuseStrangeAttributes() throws(EdgeError) {
    for attribute in node.attributes where !attribute.isAskedFor && !OnnxImporter.isHarmless(attribute.name) {
      var error = malformed("no attribute '\(attribute.name)' in operator set \(opset)")
      error.byteOffset = attribute.byteOffset
      throw error
    }
  }

  /// Attributes that mean nothing to inference, or to the forms of their operators that do not ask for them.
  private static func isHarmless(_ name: Text) -> Bool {
    OnnxName(text: name).isOne(
      of: """
        consumed_inputs momentum seed stash_type saturate round_mode precision softmax_precision chunk_size sorted output_sequence \
        storage_order mask_index_type past_present_share_buffer rotary_embedding_dim mask_filter_value q_num_heads kv_num_heads \
        block_size output_dtype activation_alpha activation_beta activation_params noop_with_empty_axes extrapolation_value \
        cubic_coeff_a exclude_outside antialias keep_aspect_ratio_policy num_heads dtype
        """)
  }

  /// A size-like attribute list: `count` numbers from `minimum` to 2^24, or the standard value.
  func sizesAttribute(_ name: Text, count: Int, standard: Int, minimum: Int) throws(EdgeError) -> [Int] {
    guard let values = try integersAttribute(name) else { return [Int](repeating: standard, count: count) }
    guard values.count == count else { throw malformed("attribute '\(name)' has \(values.count) numbers, not \(count)") }
    for value in values where value < minimum || value > 1 << 24 { throw malformed("attribute '\(name)' has the value \(value)") }
    return values
  }

  /// Elements of an input that must be known integers; nil when the input is absent.
  func integersInput(_ index: Int, _ what: Text) throws(EdgeError) -> [Int]? {
    guard let id = try optionalInput(index) else { return nil }
    guard let known = operands[id].known else { throw reject("\(what) ('\(operands[id].name)') must be constant") }
    guard known.dims.count <= 1 else { throw malformed("\(what) must be a vector", operand: id) }
    guard known.dtype != .float32 else { throw malformed("\(what) must be integers", operand: id) }
    guard let integers = known.integers else { throw reject("\(what) ('\(operands[id].name)') depends on the batch size") }
    return integers
  }

  /// Elements of an input that must be a known float vector; nil when the input is absent.
  func floatsInput(_ index: Int, _ what: Text) throws(EdgeError) -> [Float]? {
    guard let id = try optionalInput(index) else { return nil }
    guard let known = operands[id].known, let reals = known.reals else {
      throw reject("\(what) ('\(operands[id].name)') must be constant")
    }
    return reals
  }

  /// Axes from an attribute up to an operator set, from an input since. Not normalized; nil when absent.
  func axes(inputSince opset: Int, input: Int = 1) throws(EdgeError) -> [Int]? {
    self.opset < opset ? try integersAttribute("axes") : try integersInput(input, "axes")
  }

  /// An axis counted from the front.
  func normalized(_ axis: Int, rank: Int) throws(EdgeError) -> Int {
    guard axis >= -rank, axis < rank else { throw malformed("axis \(axis) does not exist in \(rank) dimensions") }
    return axis < 0 ? axis + rank : axis
  }

  /// Distinct axes counted from the front, in ascending order.
  func normalized(_ axes: [Int], rank: Int) throws(EdgeError) -> [Int] {
    var isListed = [Bool](repeating: false, count: rank)
    for axis in axes {
      let axis = try normalized(axis, rank: rank)
      if isListed[axis] { throw malformed("axis \(axis) is listed twice") }
      isListed[axis] = true
    }
    return (0..<rank).filter { isListed[$0] }
  }
}
