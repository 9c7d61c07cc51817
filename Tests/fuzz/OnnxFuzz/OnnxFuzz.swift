// libFuzzer entry for the ONNX importer: any bytes give a graph, a list of unsupported operators or a typed
// error, and a graph that comes out is valid, prints, plans and runs.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOnnx(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  var limits = Limits()
  // Small, so that inputs stay fast and a size that is not checked shows up as an allocation.
  limits.maximumNodes = 2000
  limits.maximumValues = 8000
  limits.maximumTensorBytes = 1 << 16
  if !importAndRun(data, size, limits, []) { return 0 }
  // Shapes are open: once more with some, the last one a value where it may be.
  var bindings: [InputBinding] = []
  for rank in [4, 2, 1] { bindings.append(InputBinding(name: "", dims: [Int](([2, 4, 6, 6] as [Int]).prefix(rank)))) }
  do throws(EdgeError) {
    bindings.append(InputBinding(name: "shape", dims: [2], dtype: .int64, data: try TensorData([2, -1] as [Int64])))
  } catch {
    checkError(error)
  }
  for count in 1...bindings.count { _ = importAndRun(data, size, limits, [InputBinding](bindings.suffix(count))) }
  _ = importAndRun(data, size, limits, [InputBinding](bindings.prefix(1)))
  return 0
}

/// Whether the model wants shapes of its inputs.
private func importAndRun(_ data: UnsafePointer<UInt8>?, _ size: Int, _ limits: Limits, _ bindings: [InputBinding]) -> Bool {
  do throws(EdgeError) {
    let result = try importOnnx(
      UnsafeRawBufferPointer(start: data, count: size), owner: nil, limits: limits, bindings: bindings,
      externalData: { (location: Text) throws(EdgeError) -> Storage in
        if location.utf8.first != UInt8(ascii: "w") { throw EdgeError(.ioError, "no such file") }
        return try Storage.allocate(256)
      })
    if result.unsupported.isEmpty {
      do throws(EdgeError) { try result.graph.validate() } catch { fatalError("import gave a broken graph: \(error.message)") }
      runGraph(result.graph)
    }
  } catch {
    checkError(error)
    return error.status == .freeShape
  }
  return false
}
