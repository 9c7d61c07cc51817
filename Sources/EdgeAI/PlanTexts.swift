import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

/// What a plan said of its steps, kept when the plan itself is gone.
struct PlanTexts {
  /// The texts are offsets into `names`.
  struct Step {
    var name: Int, op: Int, kernel: Int, note: Int
    var nodeIndex: Int
    var isa: InstructionSet
    var dtype: DType
    var shape: Shape
    var byteCount: Int
    var multiplyAdds: Int64
    var parts: Int
    var operands: StepInfo.Operands
  }

  private(set) var steps: [Step] = []
  private(set) var names = TextPool()

  /// Throws `outOfMemory`.
  init(_ plan: [StepInfo]) throws(EdgeError) {
    for step in plan {
      steps.append(
        Step(
          name: names.add(step.node), op: names.add(step.operatorName), kernel: names.add(step.kernel), note: names.add(step.notes),
          nodeIndex: step.nodeIndex, isa: step.isa, dtype: step.dtype, shape: step.outputShape, byteCount: step.byteCount,
          multiplyAdds: step.multiplyAdds, parts: step.chunks, operands: step.operands))
    }
    try names.freeze()
  }

  func info(_ index: Int) -> edgeai_step_info {
    let step = steps[index]
    var answer = edgeai_step_info()
    answer.dtype = Int32(step.dtype.rawValue)
    answer.name = names[step.name]
    answer.op = names[step.op]
    answer.kernel = names[step.kernel]
    answer.isa = cString(step.isa.name)
    answer.note = names[step.note]
    answer.rank = copyDims(step.shape, to: &answer.dims)
    answer.op_index = Int32(clamping: step.nodeIndex)
    answer.result_bytes = UInt64(clamping: step.shape.elementCount() ?? 0) &* UInt64(step.dtype.byteCount)
    answer.bytes = UInt64(clamping: step.byteCount)
    answer.multiply_adds = UInt64(clamping: step.multiplyAdds)
    answer.parts = Int32(clamping: step.parts)
    return answer
  }
}
