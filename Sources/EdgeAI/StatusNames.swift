import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

@_cdecl("edgeai_status_name") @implementation
public func edgeai_status_name(_ status: edgeai_status) -> UnsafePointer<CChar>! {
  cString(describe(status).name)
}

@_cdecl("edgeai_status_string") @implementation
public func edgeai_status_string(_ status: edgeai_status) -> UnsafePointer<CChar>! {
  cString(describe(status).sentence)
}

private func describe(_ status: edgeai_status) -> (name: StaticString, sentence: StaticString) {
  switch status {
  case EDGEAI_OK: return ("EDGEAI_OK", "success")
  case EDGEAI_ERROR_INVALID_ARGUMENT: return ("EDGEAI_ERROR_INVALID_ARGUMENT", "an argument is invalid")
  case EDGEAI_ERROR_SHAPE_MISMATCH: return ("EDGEAI_ERROR_SHAPE_MISMATCH", "a shape or a size does not match")
  case EDGEAI_ERROR_DTYPE_MISMATCH: return ("EDGEAI_ERROR_DTYPE_MISMATCH", "an element type does not match")
  case EDGEAI_ERROR_BUFFER_TOO_SMALL: return ("EDGEAI_ERROR_BUFFER_TOO_SMALL", "a buffer is too small")
  case EDGEAI_ERROR_ABI_MISMATCH: return ("EDGEAI_ERROR_ABI_MISMATCH", "the caller's header does not match the library")
  case EDGEAI_ERROR_FREE_SHAPE: return ("EDGEAI_ERROR_FREE_SHAPE", "the shape of an input is open and must be given")
  case EDGEAI_ERROR_TUNING_MISMATCH: return ("EDGEAI_ERROR_TUNING_MISMATCH", "a tuning is damaged or of something else")
  case EDGEAI_ERROR_MALFORMED_MODEL: return ("EDGEAI_ERROR_MALFORMED_MODEL", "the model file is malformed")
  case EDGEAI_ERROR_TRUNCATED_MODEL: return ("EDGEAI_ERROR_TRUNCATED_MODEL", "the model file is cut off")
  case EDGEAI_ERROR_CHECKSUM_MISMATCH: return ("EDGEAI_ERROR_CHECKSUM_MISMATCH", "a checksum of the model file does not match")
  case EDGEAI_ERROR_NEWER_VERSION: return ("EDGEAI_ERROR_NEWER_VERSION", "the model file is of a newer version")
  case EDGEAI_ERROR_INVALID_GRAPH: return ("EDGEAI_ERROR_INVALID_GRAPH", "the network is inconsistent")
  case EDGEAI_ERROR_OUT_OF_MEMORY: return ("EDGEAI_ERROR_OUT_OF_MEMORY", "there is not enough memory")
  case EDGEAI_ERROR_LIMIT_EXCEEDED: return ("EDGEAI_ERROR_LIMIT_EXCEEDED", "a limit is exceeded")
  case EDGEAI_ERROR_UNSUPPORTED_OPERATOR: return ("EDGEAI_ERROR_UNSUPPORTED_OPERATOR", "an operator is not supported")
  case EDGEAI_ERROR_UNSUPPORTED_FEATURE: return ("EDGEAI_ERROR_UNSUPPORTED_FEATURE", "this build or processor cannot do it")
  case EDGEAI_ERROR_IO: return ("EDGEAI_ERROR_IO", "a file could not be read or written")
  case EDGEAI_ERROR_CANCELLED: return ("EDGEAI_ERROR_CANCELLED", "stopped on request")
  case EDGEAI_ERROR_INTERNAL: return ("EDGEAI_ERROR_INTERNAL", "a defect of the library")
  default: return ("EDGEAI_ERROR_UNKNOWN", "an unknown status")
  }
}

@_cdecl("edgeai_dtype_name") @implementation
public func edgeai_dtype_name(_ dtype: Int32) -> UnsafePointer<CChar>! {
  guard let raw = UInt8(exactly: dtype), let dtype = DType(rawValue: raw) else { return cString("unknown") }
  return cString(dtype.name)
}

@_cdecl("edgeai_dtype_size") @implementation
public func edgeai_dtype_size(_ dtype: Int32) -> Int {
  guard let raw = UInt8(exactly: dtype), let dtype = DType(rawValue: raw) else { return 0 }
  return dtype.byteCount
}

@_cdecl("edgeai_error_init") @implementation
public func edgeai_error_init(_ error: UnsafeMutablePointer<edgeai_error>!, _ struct_size: Int) {
  var empty = edgeai_error()
  empty.byte_offset = -1
  empty.node_index = -1
  initialize(error, struct_size, empty)
}
