#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Operators that compute element by element or over other axes than that of the channels: labels stay where they are,
// and what matters is whether a zero stays a zero.

extension ChannelDependencies {
  /// The result's channels are the input's, where they lie on the last axis, or anywhere.
  func keepAxis(_ node: Node, atEnd: Bool) {
    let x = node.inputs[0]
    guard let axis = axis(node, x) else { return }
    guard !atEnd || axis.first == shape(x).rank - 1, isFloat(node.outputs[0]) else { return fixInputs(node) }
    axes[node.outputs[0]] = axis
  }

  /// Bias and mean of a channel that goes count as zero.
  func batchNormalization(_ node: Node) {
    let x = node.inputs[0]
    guard let axis = axis(node, x) else { return }
    guard axis.first == shape(x).rank - 1, node.inputs.dropFirst().allSatisfy({ graph.values[$0].constant != nil }) else {
      return fixInputs(node)
    }
    axes[node.outputs[0]] = axis.with(isZero: true)
  }

  func unary(_ node: Node, _ function: UnaryFunction) {
    guard var axis = axis(node, node.inputs[0]) else { return }
    switch function.kind {
    case .leakyRelu, .tanh, .hardSwish, .silu, .gelu, .geluTanh, .elu, .selu, .celu, .softsign, .mish, .erf, .sqrt, .abs, .negate, .floor,
      .ceil, .round, .sign, .sin, .tan, .asin, .atan, .sinh, .asinh, .atanh:
      break
    case .clamp where function.alpha <= 0 && function.beta >= 0: break
    case .thresholdedRelu where function.alpha >= 0: break
    case .clamp, .thresholdedRelu, .sigmoid, .hardSigmoid, .softplus, .exp, .cos, .acos, .cosh, .binarize:
      axis = axis.with(isZero: false)
    case .log, .reciprocal, .acosh, .not, .isNaN, .isInfinite:
      // Zero gives something that is not finite, or no float.
      return fixInputs(node)
    }
    guard isFloat(node.outputs[0]) else { return fixInputs(node) }
    axes[node.outputs[0]] = axis
  }

  func softmax(_ node: Node, _ softmaxAxis: Int) {
    guard let axis = axis(node, node.inputs[0]) else { return }
    guard axis.first != softmaxAxis else { return fixInputs(node) }
    axes[node.outputs[0]] = axis.with(isZero: false)
  }

  func reduce(_ node: Node, _ function: ReduceFunction, _ reduced: [Int], _ keepDims: Bool) {
    guard var axis = axis(node, node.inputs[0]) else { return }
    guard !reduced.contains(axis.first), isFloat(node.outputs[0]), function != .logSum else { return fixInputs(node) }
    if function == .logSumExp { axis = axis.with(isZero: false) }
    var place = axis.first
    if !keepDims {
      for other in reduced where other < axis.first { place -= 1 }
    }
    axes[node.outputs[0]] = axis.moved(to: place)
  }

  // MARK: Two operands

  /// How an operand meets the channels of the other one.
  enum Meeting {
    /// It has channels in the same place.
    case channels(ChannelAxis)
    /// It is a constant with a number for each channel.
    case vector
    /// It has the same for all channels: a constant of one number, or something else.
    case same(Float?)
    /// It has all the channels, which stay.
    case fixed
  }

  /// The axis of a broadcast operand that an axis of the result comes from; nil where it has none.
  static func place(_ axis: Int, _ operand: Shape, in result: Shape) -> Int? {
    let place = axis - (result.rank - operand.rank)
    return place < 0 ? nil : place
  }

  func meeting(_ node: Node, _ operand: ValueID, at axis: Int, count: Int, in result: Shape) -> Meeting {
    let value = graph.values[operand]
    guard let place = ChannelDependencies.place(axis, value.shape, in: result), value.shape[place] == count else {
      return axes[operand] == nil ? .same(value.scalar) : .fixed
    }
    if value.constant != nil { return count == 1 ? .same(value.scalar) : .vector }
    guard let other = self.axis(node, operand), other.first == place else { return .fixed }
    return .channels(other)
  }

  func binary(_ node: Node, _ function: BinaryFunction, _ clamp: Clamp) {
    let result = shape(node.outputs[0])
    // The channels that lie along all of an axis of the result; a single one may broadcast.
    var found: ChannelAxis?
    var (position, place) = (0, 0)
    for operand in 0..<2 where found == nil {
      guard let axis = axis(node, node.inputs[operand]) else { continue }
      position = operand
      place = axis.first + result.rank - shape(node.inputs[operand]).rank
      if result[place] == axis.labels.count { found = axis }
    }
    guard let axis = found, isFloat(node.outputs[0]) else { return fixInputs(node) }
    let meeting = meeting(node, node.inputs[1 - position], at: place, count: axis.labels.count, in: result)
    if case .fixed = meeting { return fixInputs(node) }
    var zero: [Bool] = []
    for index in axis.labels.indices {
      guard let isZero = isZero(function, axis.isZero[index], meeting, index, isFirst: position == 0) else { return fixInputs(node) }
      zero.append(isZero && clamp.min <= 0 && clamp.max >= 0)
    }
    if case .channels(let other) = meeting { join(axis.labels, other.labels) }
    axes[node.outputs[0]] = ChannelAxis(place, to: place, axis.labels, isZero: zero)
  }

  /// Whether the function's result is zero for a channel that goes; nil when it might not even be finite. Numbers that are
  /// added or compared along channels count as zero with them.
  private func isZero(_ function: BinaryFunction, _ isZero: Bool, _ meeting: Meeting, _ index: Int, isFirst: Bool) -> Bool? {
    switch function {
    case .add, .subtract:
      switch meeting {
      case .channels(let other): return isZero && other.isZero[index]
      case .vector: return isZero
      case .same(let number): return isZero && number == 0
      case .fixed: return nil
      }
    case .minimum, .maximum:
      switch meeting {
      case .channels(let other): return isZero && other.isZero[index]
      case .vector: return isZero
      case .same(let number):
        guard let number else { return false }
        return isZero && (function == .minimum ? number >= 0 : number <= 0)
      case .fixed: return nil
      }
    case .multiply:
      if case .channels(let other) = meeting { return isZero || other.isZero[index] }
      return isZero
    case .divide where isFirst:
      // A divisor that is computed might be zero.
      guard case .same(let number) = meeting, let number, number != 0 else { return nil }
      return isZero
    case .power where isFirst:
      guard case .same(let number) = meeting, let number, number > 0 else { return nil }
      return isZero
    case .prelu where isFirst: return isZero
    default: return nil
    }
  }
}
