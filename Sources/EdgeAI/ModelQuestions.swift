import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A C view of a value. `batch` replaces the symbolic dimension when given.
func tensorInfo(
  _ value: Value, name: UnsafePointer<CChar>?, batch: Int? = nil, extent: Extent?
) throws(EdgeError) -> edgeai_tensor_info {
  var info = edgeai_tensor_info()
  info.bounded_axis = Int32(clamping: extent?.axis ?? -1)
  info.dtype = Int32(value.dtype.rawValue)
  info.name = name
  let shape = batch.map { value.shape.withBatch($0) } ?? value.shape
  info.rank = copyDims(shape, to: &info.dims)
  guard let bytes = value.byteCount(batch: batch ?? 1) else {
    throw EdgeError(.limitExceeded, "the tensor has more bytes than memory can", tensor: value.name)
  }
  info.bytes = UInt64(bytes)
  info.quantization_axis = -1
  info.is_constant = value.constant == nil ? 0 : 1
  if let quantization = value.quantization, let scale = quantization.scales.first {
    info.quantization = quantization.axis == nil ? EDGEAI_QUANTIZATION_PER_TENSOR : EDGEAI_QUANTIZATION_PER_AXIS
    info.quantization_axis = Int32(clamping: quantization.axis ?? -1)
    info.scale_count = Int32(clamping: quantization.scales.count)
    info.scale = scale
    info.zero_point = quantization.zeroPoints.first ?? 0
  }
  return info
}

/// Writes a shape into a `dims` field and returns its rank.
func copyDims(_ shape: Shape, to field: UnsafeMutableRawPointer) -> Int32 {
  let rank = min(shape.rank, Int(EDGEAI_MAX_RANK))
  for axis in 0..<rank { field.storeBytes(of: Int64(shape[axis]), toByteOffset: axis &* 8, as: Int64.self) }
  return Int32(rank)
}

@_cdecl("edgeai_model_describe") @implementation
public func edgeai_model_describe(
  _ model: OpaquePointer!, _ info: UnsafeMutablePointer<edgeai_model_info>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    var answer = edgeai_model_info()
    answer.source = model.source
    answer.name = model.name
    let graph = model.outline
    for value in graph.values {
      if let constant = value.constant { answer.constant_bytes &+= UInt64(constant.byteCount) }
    }
    var isRead = [Bool](repeating: false, count: graph.values.count)
    for node in graph.nodes {
      for id in node.inputs where id >= 0 && id < isRead.count { isRead[id] = true }
      answer.multiply_adds &+= graph.multiplyAdds(of: node)
    }
    answer.parameters = graph.parameters(in: isRead.indices.filter { isRead[$0] })
    answer.input_count = UInt64(graph.callerInputs.count)
    answer.output_count = UInt64(graph.callerOutputs.count)
    answer.op_count = UInt64(graph.nodes.count)
    answer.tensor_count = UInt64(graph.values.count)
    answer.metadata_count = UInt64(graph.metadata.count)
    try fill(info, "edgeai_model_info", answer)
  }
}

/// The common part of the four functions that describe a tensor of a model.
private func describe(
  _ model: OpaquePointer?, _ index: Int, _ info: UnsafeMutablePointer<edgeai_tensor_info>?, _ error: UnsafeMutablePointer<edgeai_error>?,
  _ list: (Graph) -> [ValueID]?
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let ids = list(model.outline)
    let index = try checked(index, below: ids?.count ?? model.outline.values.count, "index")
    let id = ids?[index] ?? index
    try fill(info, "edgeai_tensor_info", try tensorInfo(model.outline.values[id], name: model.valueName(id), extent: model.extents[id]))
  }
}

@_cdecl("edgeai_model_input_count") @implementation
public func edgeai_model_input_count(_ model: OpaquePointer!) -> Int {
  model == nil ? 0 : object(model, ModelHandle.self).outline.callerInputs.count
}

@_cdecl("edgeai_model_input_info") @implementation
public func edgeai_model_input_info(
  _ model: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<edgeai_tensor_info>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  describe(model, index, info, error) { $0.callerInputs }
}

@_cdecl("edgeai_model_output_count") @implementation
public func edgeai_model_output_count(_ model: OpaquePointer!) -> Int {
  model == nil ? 0 : object(model, ModelHandle.self).outline.callerOutputs.count
}

@_cdecl("edgeai_model_output_info") @implementation
public func edgeai_model_output_info(
  _ model: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<edgeai_tensor_info>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  describe(model, index, info, error) { $0.callerOutputs }
}

@_cdecl("edgeai_model_tensor_count") @implementation
public func edgeai_model_tensor_count(_ model: OpaquePointer!) -> Int {
  model == nil ? 0 : object(model, ModelHandle.self).outline.values.count
}

@_cdecl("edgeai_model_tensor_info") @implementation
public func edgeai_model_tensor_info(
  _ model: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<edgeai_tensor_info>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  describe(model, index, info, error) { _ in nil }
}

@_cdecl("edgeai_model_tensor_data") @implementation
public func edgeai_model_tensor_data(
  _ model: OpaquePointer!, _ index: Int, _ data: UnsafeMutablePointer<UnsafeRawPointer?>!, _ bytes: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let data = try required(data, "data")
    let bytes = try required(bytes, "bytes")
    let index = try checked(index, below: model.outline.values.count, "index")
    let value = model.outline.values[index]
    guard value.constant != nil, let constant = try model.keptGraph().values[index].constant else {
      throw EdgeError(.invalidArgument, "the tensor is not constant", tensor: value.name)
    }
    data.pointee = constant.base
    bytes.pointee = constant.byteCount
  }
}

@_cdecl("edgeai_model_tensor_scales") @implementation
public func edgeai_model_tensor_scales(
  _ model: OpaquePointer!, _ index: Int, _ scales: UnsafeMutablePointer<Float>!, _ zero_points: UnsafeMutablePointer<Int32>!,
  _ capacity: Int, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let value = model.outline.values[try checked(index, below: model.outline.values.count, "index")]
    guard let quantization = value.quantization else {
      throw EdgeError(.invalidArgument, "the tensor is not quantized", tensor: value.name)
    }
    let count = quantization.scales.count
    guard capacity < 0 || capacity >= count else {
      throw EdgeError(.bufferTooSmall, "the tensor has \(count) scales; there is room for \(capacity)", tensor: value.name)
    }
    for position in 0..<count {
      scales?[position] = quantization.scales[position]
      zero_points?[position] = position < quantization.zeroPoints.count ? quantization.zeroPoints[position] : 0
    }
  }
}

@_cdecl("edgeai_model_op_count") @implementation
public func edgeai_model_op_count(_ model: OpaquePointer!) -> Int {
  model == nil ? 0 : object(model, ModelHandle.self).outline.nodes.count
}

@_cdecl("edgeai_model_op_info") @implementation
public func edgeai_model_op_info(
  _ model: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<edgeai_op_info>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let index = try checked(index, below: model.outline.nodes.count, "index")
    let node = model.outline.nodes[index]
    var answer = edgeai_op_info()
    answer.index = Int32(clamping: index)
    answer.name = model.nodeName(index)
    answer.type = model.nodeType(index)
    answer.parameters = model.outline.parameters(in: node.inputs)
    answer.multiply_adds = model.outline.multiplyAdds(of: node)
    answer.input_count = Int32(clamping: node.inputs.count)
    answer.output_count = Int32(clamping: node.outputs.count)
    try fill(info, "edgeai_op_info", answer)
  }
}

/// The common part of the two functions that list an operator's tensors.
private func operand(
  _ model: OpaquePointer?, _ op: Int, _ position: Int, _ tensor: UnsafeMutablePointer<Int64>?,
  _ error: UnsafeMutablePointer<edgeai_error>?, _ list: (Node) -> [ValueID]
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let tensor = try required(tensor, "tensor")
    let ids = list(model.outline.nodes[try checked(op, below: model.outline.nodes.count, "op")])
    tensor.pointee = Int64(ids[try checked(position, below: ids.count, "position")])
  }
}

@_cdecl("edgeai_model_op_input") @implementation
public func edgeai_model_op_input(
  _ model: OpaquePointer!, _ op: Int, _ position: Int, _ tensor: UnsafeMutablePointer<Int64>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  operand(model, op, position, tensor, error) { $0.inputs }
}

@_cdecl("edgeai_model_op_output") @implementation
public func edgeai_model_op_output(
  _ model: OpaquePointer!, _ op: Int, _ position: Int, _ tensor: UnsafeMutablePointer<Int64>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  operand(model, op, position, tensor, error) { $0.outputs }
}
