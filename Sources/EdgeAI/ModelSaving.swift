import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Export
import Format
import Graph
#endif

/// The image of a model that can be saved: of an `.edgeai` file whose constants are coded so, or of an ONNX one for nil.
private func image(_ model: OpaquePointer?, _ number: Int32?) throws(EdgeError) -> Storage {
  let model = try object(model, ModelHandle.self, "model")
  try model.requireRunnable()
  guard let number else { return try exportOnnx(try model.graph) }
  guard let coding = ModelCoding(rawValue: number) else { throw EdgeError(.invalidArgument, "coding is \(number)") }
  return try encodeModel(try model.graph, coding)
}

private func saveFile(
  _ model: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ error: UnsafeMutablePointer<edgeai_error>?, coding: Int32?
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let path = try required(path, "path")
    let image = try image(model, coding)
    try writeFile(path, UnsafeRawBufferPointer(start: image.base, count: image.count))
  }
}

private func measure(
  _ model: OpaquePointer?, _ bytes: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<edgeai_error>?, coding: Int32?
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let bytes = try required(bytes, "bytes")
    bytes.pointee = try image(model, coding).count
  }
}

private func saveMemory(
  _ model: OpaquePointer?, _ buffer: UnsafeMutableRawPointer?, _ capacity: Int, _ written: UnsafeMutablePointer<Int>?,
  _ error: UnsafeMutablePointer<edgeai_error>?, coding: Int32?
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let buffer = try required(buffer, "buffer")
    try give(try image(model, coding), to: buffer, capacity, written, "the model")
  }
}

/// Copies an image to the caller's buffer, whole or not at all. A capacity beyond `Int` arrives as a negative number.
func give(
  _ image: Storage, to buffer: UnsafeMutableRawPointer, _ capacity: Int, _ written: UnsafeMutablePointer<Int>?, _ what: StaticString
) throws(EdgeError) {
  guard capacity < 0 || capacity >= image.count else {
    throw EdgeError(.bufferTooSmall, "\(what) takes \(image.count) bytes; there is room for \(capacity)")
  }
  buffer.copyMemory(from: image.base, byteCount: image.count)
  written?.pointee = image.count
}

@_cdecl("edgeai_model_save_file") @implementation
public func edgeai_model_save_file(
  _ model: OpaquePointer!, _ path: UnsafePointer<CChar>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { saveFile(model, path, error, coding: EDGEAI_CODING_NONE) }

@_cdecl("edgeai_model_save_memory_required") @implementation
public func edgeai_model_save_memory_required(
  _ model: OpaquePointer!, _ bytes: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { measure(model, bytes, error, coding: EDGEAI_CODING_NONE) }

@_cdecl("edgeai_model_save_memory") @implementation
public func edgeai_model_save_memory(
  _ model: OpaquePointer!, _ buffer: UnsafeMutableRawPointer!, _ capacity: Int, _ written: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { saveMemory(model, buffer, capacity, written, error, coding: EDGEAI_CODING_NONE) }

@_cdecl("edgeai_model_export_onnx_file") @implementation
public func edgeai_model_export_onnx_file(
  _ model: OpaquePointer!, _ path: UnsafePointer<CChar>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { saveFile(model, path, error, coding: nil) }

@_cdecl("edgeai_model_export_onnx_memory_required") @implementation
public func edgeai_model_export_onnx_memory_required(
  _ model: OpaquePointer!, _ bytes: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { measure(model, bytes, error, coding: nil) }

@_cdecl("edgeai_model_export_onnx_memory") @implementation
public func edgeai_model_export_onnx_memory(
  _ model: OpaquePointer!, _ buffer: UnsafeMutableRawPointer!, _ capacity: Int, _ written: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { saveMemory(model, buffer, capacity, written, error, coding: nil) }

@_cdecl("edgeai_model_save_coded_file") @implementation
public func edgeai_model_save_coded_file(
  _ model: OpaquePointer!, _ coding: Int32, _ path: UnsafePointer<CChar>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { saveFile(model, path, error, coding: coding) }

@_cdecl("edgeai_model_save_coded_memory_required") @implementation
public func edgeai_model_save_coded_memory_required(
  _ model: OpaquePointer!, _ coding: Int32, _ bytes: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { measure(model, bytes, error, coding: coding) }

@_cdecl("edgeai_model_save_coded_memory") @implementation
public func edgeai_model_save_coded_memory(
  _ model: OpaquePointer!, _ coding: Int32, _ buffer: UnsafeMutableRawPointer!, _ capacity: Int,
  _ written: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status { saveMemory(model, buffer, capacity, written, error, coding: coding) }
