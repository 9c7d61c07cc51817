#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.

extension OnnxImporter {
  func importLoss() throws(EdgeError) {
    let id = try input(0)
    let shape = operands[id].shape
    guard shape.rank >= 2, shape[1] > 0 else { throw wrongShape("\(shape.text) has no classes", operand: id) }
    var scores = try floatTensor(id)
    if node.type == "SoftmaxCrossEntropyLoss" {
      scores = try part(.softmax(axis: 1, log: true), [scores])
      try setResult(scores, output: 1)
    }
    let target = try input(1)
    guard operands[target].shape.dims == [shape[0]] + shape.dims[2...] else {
      throw wrongShape("targets \(operands[target].shape.text) do not fit \(shape.text)", operand: target)
    }
    var classes = try part(.cast(.int64), [try tensor(target)])
    var counts: ValueID?
    if let ignored = try integerAttribute("ignore_index") {
      counts = try unary(.not, try binary(.equal, classes, try number(Double(ignored), .int64)))
    }
    if let counts { classes = try part(.select, [counts, classes, try number(0, .int64)]) }
    let place = try reshaped(classes, [shape[0], 1] + shape.dims[2...])
    let picked = try reshaped(try part(.take(Indexing(.elements, axis: 1)), [scores, place]), operands[target].shape.dims)
    var loss = try unary(.negate, picked)
    var weights: ValueID?
    if let id = try optionalInput(2) { weights = try part(.take(Indexing(.slices, axis: 0)), [try floatTensor(id), classes]) }
    if let counts {
      let one = try number(1, .float32)
      weights = try part(.select, [counts, weights ?? one, try number(0, .float32)])
    }
    if let weights { loss = try binary(.multiply, loss, weights) }
    let axes = Array(0..<shape.rank - 1)
    switch try textAttribute("reduction", "mean") {
    case "none": break
    case "sum": loss = try reduce(.sum, loss, axes, keepDims: false)
    case "mean":
      if let weights {
        loss = try binary(.divide, try reduce(.sum, loss, axes, keepDims: false), try reduce(.sum, weights, axes, keepDims: false))
      } else {
        loss = try reduce(.mean, loss, axes, keepDims: false)
      }
    case let other: throw malformed("attribute 'reduction' is '\(other)'")
    }
    try setResult(loss)
  }
}
