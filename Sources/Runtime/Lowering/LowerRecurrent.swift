import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension Lowering {
  func lowerRecurrent(_ node: Node, _ op: Recurrent) throws(EdgeError) {
    let gates = try required(node, 0)
    let dims = shape(gates)
    let weights = try required(node, 1)
    let hidden = shape(weights)[1]
    let (steps, batch) = op.isBatchFirst ? (dims[1], dims[0]) : (dims[0], dims[1])
    var arguments = ek_recurrent()
    arguments.kind = Int32(op.kind.rawValue)
    arguments.steps = try int32(steps)
    arguments.batch = try int32(batch)
    arguments.hidden = try int32(hidden)
    _ = try int32(dims[2])
    arguments.reverse = op.isReverse ? 1 : 0
    arguments.reset_after_product = op.resetsAfterProduct ? 1 : 0
    arguments.couple_gates = op.couplesGates ? 1 : 0
    arguments.clip = op.clip
    arguments.cell_clip = op.cellClip
    arguments.f = Lowering.activation(op.f)
    arguments.g = Lowering.activation(op.g)
    arguments.h = Lowering.activation(op.h)
    (arguments.step_stride, arguments.row_stride) = op.isBatchFirst ? (1, Int64(steps)) : (Int64(batch), 1)
    var slots: [SlotUse] = []
    for position in 0..<7 {
      if let value = node.input(position) { slots.append(.read(position, try operand(value))) }
    }
    if let lengths = node.input(6) { arguments.length_type = Int32(dtype(lengths).rawValue) }
    // Nobody needs memory for states that nobody reads.
    if readers[node.outputs[0]] > 0 { slots.append(.write(8, try result(node.outputs[0]))) }
    for (index, output) in node.outputs.enumerated().dropFirst() { slots.append(.write(8 + index, try result(output))) }
    let (products, overflow) = (try count(gates)).multipliedReportingOverflow(by: hidden)
    try emit(Int(EK_RECURRENT_F32), arguments, slots, packs: 7, packSources: [1, 2], multiplyAdds: overflow ? .max : Int64(products))
  }

  private static func activation(_ activation: Recurrent.Activation) -> ek_activation {
    ek_activation(
      function: Int32(activation.function.kind.rawValue), alpha: activation.function.alpha, beta: activation.function.beta,
      input_scale: activation.inputScale, input_offset: activation.inputOffset, output_scale: activation.outputScale)
  }
}
