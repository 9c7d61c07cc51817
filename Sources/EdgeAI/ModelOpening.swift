import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Format
import Graph
import Import
#endif

private func defaultModelOptions() -> edgeai_model_options {
  let limits = Limits()
  var options = edgeai_model_options()
  options.max_file_bytes = UInt64(limits.maximumFileBytes)
  options.max_tensor_bytes = UInt64(limits.maximumTensorBytes)
  options.max_operators = UInt64(limits.maximumNodes)
  options.max_tensors = UInt64(limits.maximumValues)
  options.max_name_bytes = UInt64(limits.maximumNameBytes)
  return options
}

@_cdecl("edgeai_model_options_init") @implementation
public func edgeai_model_options_init(_ options: UnsafeMutablePointer<edgeai_model_options>!, _ struct_size: Int) {
  initialize(options, struct_size, defaultModelOptions())
}

extension Limits {
  fileprivate init(_ options: edgeai_model_options) {
    self.init()
    maximumFileBytes = Int(clamping: options.max_file_bytes)
    maximumTensorBytes = Int(clamping: options.max_tensor_bytes)
    maximumNodes = Int(clamping: options.max_operators)
    maximumValues = Int(clamping: options.max_tensors)
    maximumNameBytes = Int(clamping: options.max_name_bytes)
  }
}

/// The caller's shapes and values of inputs; values are copied.
private func inputBindings(_ chosen: edgeai_model_options) throws(EdgeError) -> [InputBinding] {
  guard chosen.binding_count > 0 else { return [] }
  guard chosen.binding_count <= UInt64(Limits().maximumValues) else {
    throw EdgeError(.invalidArgument, "binding_count is \(chosen.binding_count)")
  }
  var place = try required(UnsafeRawPointer(chosen.bindings), "bindings")
  var result: [InputBinding] = []
  for _ in 0..<Int(chosen.binding_count) {
    let caller = place.assumingMemoryBound(to: edgeai_input_binding.self)
    // A newer header's elements are larger, and so is the distance between them.
    let binding = try options(caller, edgeai_input_binding(), "edgeai_input_binding")
    guard binding.struct_size % UInt32(MemoryLayout<edgeai_input_binding>.alignment) == 0 else {
      throw EdgeError(.abiMismatch, "edgeai_input_binding.struct_size is \(binding.struct_size)")
    }
    place += Int(binding.struct_size)
    result.append(try inputBinding(binding))
  }
  return result
}

private func inputBinding(_ binding: edgeai_input_binding) throws(EdgeError) -> InputBinding {
  let name: Text = binding.name == nil ? "" : try text(binding.name, "edgeai_input_binding.name")
  guard binding.rank >= 0, binding.rank <= EDGEAI_MAX_RANK else {
    throw EdgeError(.invalidArgument, "input '\(name)' is given \(binding.rank) dimensions", tensor: name)
  }
  var dims: [Int] = []
  withUnsafeBytes(of: binding.dims) { bytes in
    for axis in 0..<Int(binding.rank) { dims.append(Int(clamping: bytes.loadUnaligned(fromByteOffset: axis &* 8, as: Int64.self))) }
  }
  guard let data = binding.data else {
    guard binding.bytes == 0 else { throw EdgeError(.invalidArgument, "the value of input '\(name)' is NULL and has bytes", tensor: name) }
    return InputBinding(name: name, dims: dims)
  }
  guard let raw = UInt8(exactly: binding.dtype), let dtype = DType(rawValue: raw) else {
    throw EdgeError(.invalidArgument, "the value of input '\(name)' has element type \(binding.dtype)", tensor: name)
  }
  guard let count = Int(exactly: binding.bytes) else {
    throw EdgeError(.invalidArgument, "the value of input '\(name)' has \(binding.bytes) bytes", tensor: name)
  }
  guard let needed = Shape(dims).elementCount(), !needed.multipliedReportingOverflow(by: dtype.byteCount).overflow,
    needed * dtype.byteCount == count
  else {
    throw EdgeError(.shapeMismatch, "the value of input '\(name)' has \(count) bytes; its shape is \(Shape(dims).text)", tensor: name)
  }
  let storage = try Storage.allocate(count)
  if count > 0 { storage.base.copyMemory(from: data, byteCount: count) }
  return InputBinding(name: name, dims: dims, dtype: dtype, data: TensorData(storage, offset: 0, byteCount: count))
}

@_cdecl("edgeai_model_open_file") @implementation
public func edgeai_model_open_file(
  _ path: UnsafePointer<CChar>!, _ options: UnsafePointer<edgeai_model_options>!, _ model: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  open(options, model, error) { (limits, bindings, onDemand) throws(EdgeError) in
    let path = try required(path, "path")
    let file = try MappedFile.open(path, limits: limits)
    let companions = CompanionFiles(besideFile: Text(cString: path), limits: limits)
    let opened = try read(file.bytes, owner: file, limits, bindings, onDemand) { (location) throws(EdgeError) in try companions.contents(location) }
    // Most weights are copies in the kernels' layout by now; of those used in place, what is read again comes back.
    if opened.source != EDGEAI_SOURCE_EDGEAI { file.rest() }
    return opened
  }
}

@_cdecl("edgeai_model_open_memory") @implementation
public func edgeai_model_open_memory(
  _ data: UnsafeRawPointer!, _ size: Int, _ options: UnsafePointer<edgeai_model_options>!,
  _ model: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  open(options, model, error) { (limits, bindings, onDemand) throws(EdgeError) in
    let data = try required(data, "data")
    guard size >= 0 else { throw EdgeError(.invalidArgument, "size is more than an object can have") }
    guard size <= limits.maximumFileBytes else {
      throw EdgeError(.limitExceeded, "the model has \(size) bytes; the limit is \(limits.maximumFileBytes)")
    }
    return try read(UnsafeRawBufferPointer(start: data, count: size), owner: nil, limits, bindings, onDemand, externalData: nil)
  }
}

private struct Opened {
  var graph: Graph
  /// Nil where all constants are in the graph.
  var coded: CodedModel?
  var source: Int32
  var unsupported: [UnsupportedOperator] = []
}

/// What both ways of opening have in common: options, allocator, handle.
private func open(
  _ caller: UnsafePointer<edgeai_model_options>?, _ model: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<edgeai_error>?, _ body: (Limits, [InputBinding], Bool) throws(EdgeError) -> Opened
) -> edgeai_status {
  // The allocator must be known before anything is allocated, so it is looked at first, by itself.
  var hook: UnsafePointer<edgeai_allocator>?
  if let caller, isPlausible(caller) { hook = caller.pointee.allocator }
  guard isUsable(hook) else { return report(error, EDGEAI_ERROR_INVALID_ARGUMENT, "the allocator is not filled in") }
  return call(error, allocator: platformAllocator(hook)) { () throws(EdgeError) in
    let model = try required(model, "model")
    let chosen = try options(caller, defaultModelOptions(), "edgeai_model_options")
    try requireUnused(chosen.reserved, "edgeai_model_options")
    let opened = try body(Limits(chosen), try inputBindings(chosen), chosen.decode_on_demand != 0)
    if chosen.allow_unsupported == 0, !opened.unsupported.isEmpty { throw unsupportedError(opened.unsupported) }
    let log = LogSink(function: chosen.log, context: chosen.log_context)
    let object = try ModelHandle.make(
      opened.graph, source: opened.source, unsupported: opened.unsupported, allocator: platformAllocator(hook), log: log,
      isValid: opened.unsupported.isEmpty, coded: opened.coded)
    if log.function != nil {
      log.write(EDGEAI_LOG_INFO, "opened '\(opened.graph.name)': \(opened.graph.nodes.count) operators, \(opened.graph.values.count) tensors")
      for item in opened.unsupported { log.write(EDGEAI_LOG_WARNING, "operator \(item.type) of '\(item.node)' is not supported: \(item.reason)") }
    }
    model.pointee = handle(object)
  }
}

/// The graph of a file's bytes, whichever format they have.
private func read(
  _ bytes: UnsafeRawBufferPointer, owner: AnyObject?, _ limits: Limits, _ bindings: [InputBinding], _ onDemand: Bool,
  externalData: ((Text) throws(EdgeError) -> Storage)?
) throws(EdgeError) -> Opened {
  guard bytes.count > 0 else { throw EdgeError(.truncatedModel, "the model is empty", byteOffset: 0) }
  let isOwn = isEdgeAIModel(bytes)
  guard bindings.isEmpty || !(isOwn || isTfliteModel(bytes)) else {
    throw EdgeError(.unsupportedFeature, "shapes and values of inputs can be given to ONNX models only; save the model for the shape you need")
  }
  if onDemand, let coded = CodedModel(bytes, owner: owner, limits: limits) {
    return Opened(graph: try coded.outline(), coded: coded, source: EDGEAI_SOURCE_EDGEAI)
  }
  if isOwn { return Opened(graph: try decodeModel(bytes, owner: owner, limits: limits), source: EDGEAI_SOURCE_EDGEAI) }
  if isTfliteModel(bytes) {
    let imported = try importTflite(bytes, owner: owner, limits: limits)
    return Opened(graph: imported.graph, source: EDGEAI_SOURCE_TFLITE, unsupported: imported.unsupported)
  }
  let imported = try importOnnx(bytes, owner: owner, limits: limits, bindings: bindings, externalData: externalData)
  return Opened(graph: imported.graph, source: EDGEAI_SOURCE_ONNX, unsupported: imported.unsupported)
}

@_cdecl("edgeai_model_destroy") @implementation
public func edgeai_model_destroy(_ model: OpaquePointer!) {
  destroy(model, ModelHandle.self)
}

@_cdecl("edgeai_model_check") @implementation
public func edgeai_model_check(_ model: OpaquePointer!, _ error: UnsafeMutablePointer<edgeai_error>!) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    try object(model, ModelHandle.self, "model").requireRunnable()
  }
}

@_cdecl("edgeai_model_unsupported_count") @implementation
public func edgeai_model_unsupported_count(_ model: OpaquePointer!) -> Int {
  model == nil ? 0 : object(model, ModelHandle.self).unsupported.count
}

@_cdecl("edgeai_model_unsupported_info") @implementation
public func edgeai_model_unsupported_info(
  _ model: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<edgeai_unsupported_info>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let index = try checked(index, below: model.unsupported.count, "index")
    let texts = model.unsupportedText(index)
    try fill(
      info, "edgeai_unsupported_info",
      edgeai_unsupported_info(
        struct_size: 0, node_index: Int32(clamping: model.unsupported[index].nodeIndex), node: texts.node, type: texts.type,
        reason: texts.reason))
  }
}
