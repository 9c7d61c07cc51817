// libFuzzer entry for the TFLite importer: any bytes give a graph, a list of unsupported operators or a typed
// error, and a graph that comes out is valid, prints, plans and runs.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTflite(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  var limits = Limits()
  // Small, so that inputs stay fast and a size that is not checked shows up as an allocation.
  limits.maximumNodes = 2000
  limits.maximumValues = 8000
  limits.maximumTensorBytes = 1 << 16
  do throws(EdgeError) {
    let result = try importTflite(UnsafeRawBufferPointer(start: data, count: size), owner: nil, limits: limits)
    if result.unsupported.isEmpty {
      do throws(EdgeError) { try result.graph.validate() } catch { fatalError("import gave a broken graph: \(error.message)") }
      runGraph(result.graph)
    }
  } catch {
    checkError(error)
  }
  return 0
}
