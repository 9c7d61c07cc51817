import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Export
import Format
import Graph
#endif

/// The image of a model that can be saved: of an `.edgeai` file, or of an ONNX one.
private func image(_ model: OpaquePointer?, isOnnx: Bool) throws(EdgeError) -> Storage {
  let model = try object(model, ModelHandle.self, "model")
  try model.requireRunnable()
  return isOnnx ? try exportOnnx(model.graph) : try encodeModel(model.graph)
}

private func saveFile(
  _ model: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ error: UnsafeMutablePointer<edgeai_error>?, isOnnx: Bool
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let path = try required(path, "path")
    let image = try image(model, isOnnx: isOnnx)
    try writeFile(path, UnsafeRawBufferPointer(start: image.base, count: image.count))
  }
}

private func measure(
  _ model: OpaquePointer?, _ bytes: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<edgeai_error>?, isOnnx: Bool
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let bytes = try required(bytes, "bytes")
    bytes.pointee = try image(model, isOnnx: isOnnx).count
  }
}

private func saveMemory(
  _ model: OpaquePointer?, _ buffer: UnsafeMutableRawPointer?, _ capacity: Int, _ written: UnsafeMutablePointer<Int>?,
  _ error: UnsafeMutablePointer<edgeai_error>?, isOnnx: Bool
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let buffer = try required(buffer, "buffer")
    let image = try image(model, isOnnx: isOnnx)
    guard capacity < 0 || capacity >= image.count else {
      throw EdgeError(.bufferTooSmall, "the model takes \(image.count) bytes; there is room for \(capacity)")
    }
    buffer.copyMemory(from: image.base, byteCount: image.count)
    written?.pointee = image.count
  }
}

@_cdecl("edgeai_model_save_file") @implementation
public func edgeai_model_save_file(
  _ model: OpaquePointer!, _ path: UnsafePointer<CChar>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { saveFile(model, path, error, isOnnx: false) }

@_cdecl("edgeai_model_save_memory_required") @implementation
public func edgeai_model_save_memory_required(
  _ model: OpaquePointer!, _ bytes: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { measure(model, bytes, error, isOnnx: false) }

@_cdecl("edgeai_model_save_memory") @implementation
public func edgeai_model_save_memory(
  _ model: OpaquePointer!, _ buffer: UnsafeMutableRawPointer!, _ capacity: Int, _ written: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { saveMemory(model, buffer, capacity, written, error, isOnnx: false) }

@_cdecl("edgeai_model_export_onnx_file") @implementation
public func edgeai_model_export_onnx_file(
  _ model: OpaquePointer!, _ path: UnsafePointer<CChar>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { saveFile(model, path, error, isOnnx: true) }

@_cdecl("edgeai_model_export_onnx_memory_required") @implementation
public func edgeai_model_export_onnx_memory_required(
  _ model: OpaquePointer!, _ bytes: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { measure(model, bytes, error, isOnnx: true) }

@_cdecl("edgeai_model_export_onnx_memory") @implementation
public func edgeai_model_export_onnx_memory(
  _ model: OpaquePointer!, _ buffer: UnsafeMutableRawPointer!, _ capacity: Int, _ written: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { saveMemory(model, buffer, capacity, written, error, isOnnx: true) }
