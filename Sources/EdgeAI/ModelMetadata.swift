import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

@_cdecl("edgeai_model_metadata_count") @implementation
public func edgeai_model_metadata_count(_ model: OpaquePointer!) -> Int {
  model == nil ? 0 : object(model, ModelHandle.self).outline.metadata.count
}

@_cdecl("edgeai_model_metadata_at") @implementation
public func edgeai_model_metadata_at(
  _ model: OpaquePointer!, _ index: Int, _ key: UnsafeMutablePointer<UnsafePointer<CChar>?>!,
  _ value: UnsafeMutablePointer<UnsafePointer<CChar>?>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let key = try required(key, "key")
    let value = try required(value, "value")
    let texts = model.metadataText(try checked(index, below: model.outline.metadata.count, "index"))
    key.pointee = texts.key
    value.pointee = texts.value
  }
}

@_cdecl("edgeai_model_metadata_find") @implementation
public func edgeai_model_metadata_find(_ model: OpaquePointer!, _ key: UnsafePointer<CChar>!) -> UnsafePointer<CChar>! {
  guard let model, let key else { return nil }
  let object = object(model, ModelHandle.self)
  for index in 0..<object.outline.metadata.count {
    let texts = object.metadataText(index)
    if let known = texts.key, equal(known, key) { return texts.value }
  }
  return nil
}

private func equal(_ a: UnsafePointer<CChar>, _ b: UnsafePointer<CChar>) -> Bool {
  var index = 0
  while a[index] == b[index] {
    if a[index] == 0 { return true }
    index &+= 1
  }
  return false
}

@_cdecl("edgeai_model_metadata_set") @implementation
public func edgeai_model_metadata_set(
  _ model: OpaquePointer!, _ key: UnsafePointer<CChar>!, _ value: UnsafePointer<CChar>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let key = try text(key, "key")
    guard !key.isEmpty else { throw EdgeError(.invalidArgument, "key is empty") }
    let value = value == nil ? nil : try text(value, "value")
    // A reader takes each name and value that is set.
    let limits = Limits()
    if value != nil, key.utf8.count > limits.maximumNameBytes {
      throw EdgeError(.limitExceeded, "a key has \(key.utf8.count) bytes, the limit is \(limits.maximumNameBytes): '\(key)'")
    }
    if let value, value.utf8.count > limits.maximumMetadataBytes {
      throw EdgeError(.limitExceeded, "a value has \(value.utf8.count) bytes, the limit is \(limits.maximumMetadataBytes): that of '\(key)'")
    }
    try model.setMetadata(key, value)
  }
}
