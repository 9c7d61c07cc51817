// What both targets do with a graph that came out of a reader.

import CPlatform

/// An error must say something; one that blames the library is a finding.
func checkError(_ error: EdgeError) {
  if error.message.isEmpty || error.status == .internalError || error.status == .ok { fatalError("\(error.message)") }
}

/// Optimizes, plans and runs a valid graph with the reference kernels, in memory of exactly the planned size. Graphs
/// that would take long are only planned.
func runGraph(_ graph: Graph) {
  do throws(EdgeError) {
    try graph.validate()
    _ = graph.text.utf8.count
    try plan(graph)
    let optimized = try graph.optimized()
    do throws(EdgeError) { try optimized.validate() } catch { fatalError("optimized() broke the graph: \(error.message)") }
    try plan(optimized)
  } catch {
    checkError(error)
  }
}

private func plan(_ graph: Graph) throws(EdgeError) {
  var options = SessionOptions()
  options.isa = .reference
  options.batch = 2
  options.maximumIterations = 64
  let plan = try Plan(graph, options)
  var work: Int64 = 0
  for step in plan.steps { work = max(work, step.multiplyAdds) }
  guard plan.memoryRequired <= 1 << 22, plan.steps.count <= 64, work <= 1 << 18 else { return }
  let memory = try Storage.allocate(plan.memoryRequired)
  let session = try Session(plan, memory: memory.base, size: plan.memoryRequired)
  // Numbers that conversions trip over, and ordinary ones.
  let pattern: [Float] = [0.5, -1, 3e38, 0, -.infinity, 1e-40, .nan, 127.5, -0.0, 255]
  for (index, input) in graph.inputs.enumerated() {
    guard let bytes = graph.values[input].byteCount(batch: 2), let target = session.inputPointer(index) else { continue }
    for element in 0..<bytes / 4 {
      target.storeBytes(of: pattern[element % pattern.count], toByteOffset: element * 4, as: Float.self)
    }
  }
  _ = session.run()
  session.destroy()
}
