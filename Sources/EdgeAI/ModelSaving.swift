import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Format
import Graph
#endif

/// The `.edgeai` image of a model that can be saved.
private func image(_ model: OpaquePointer?) throws(EdgeError) -> Storage {
  let model = try object(model, ModelHandle.self, "model")
  try model.requireRunnable()
  return try encodeModel(model.graph)
}

@_cdecl("edgeai_model_save_file") @implementation
public func edgeai_model_save_file(
  _ model: OpaquePointer!, _ path: UnsafePointer<CChar>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let path = try required(path, "path")
    let image = try image(model)
    try writeFile(path, UnsafeRawBufferPointer(start: image.base, count: image.count))
  }
}

@_cdecl("edgeai_model_save_memory_required") @implementation
public func edgeai_model_save_memory_required(
  _ model: OpaquePointer!, _ bytes: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let bytes = try required(bytes, "bytes")
    bytes.pointee = try image(model).count
  }
}

@_cdecl("edgeai_model_save_memory") @implementation
public func edgeai_model_save_memory(
  _ model: OpaquePointer!, _ buffer: UnsafeMutableRawPointer!, _ capacity: Int, _ written: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let buffer = try required(buffer, "buffer")
    let image = try image(model)
    guard capacity < 0 || capacity >= image.count else {
      throw EdgeError(.bufferTooSmall, "the model takes \(image.count) bytes; there is room for \(capacity)")
    }
    buffer.copyMemory(from: image.base, byteCount: image.count)
    written?.pointee = image.count
  }
}
