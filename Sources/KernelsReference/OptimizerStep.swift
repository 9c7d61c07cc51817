import CPlatform

// A parameter's update by its gradient; units are blocks. The raw values of the kinds are those of the graph's operator.

private var sgd: Int32 { 0 }
private var nesterov: Int32 { 1 }
private var adam: Int32 { 2 }
private var adamW: Int32 { 3 }

func optimizerStepUnits(_ raw: UnsafeRawPointer?) -> Int64 { blocks(arguments(raw, ek_optimizer_step.self).pointee.count) }

func optimizerStep(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_optimizer_step.self).pointee
  let weights = a.w.unsafelyUnwrapped
  let gradients = a.g.unsafelyUnwrapped
  let rates = a.rates.unsafelyUnwrapped
  let rate = rates[0] * a.rate
  let (first, second, epsilon, decay) = (rates[1], rates[2], rates[3], rates[4] * a.decay)
  let range = blockRange(begin, end, a.count)
  var i = range.begin
  while i < range.end {
    var w = weights[i]
    var g = gradients[i]
    var m = a.m.unsafelyUnwrapped[i]
    if let factor = a.factor { g = g * factor[0] }
    if a.kind == adamW { w = w - rate * decay * w } else { g = g + decay * w }
    switch a.kind {
    case sgd:
      m = first * m + g
      w = w - rate * m
    case nesterov:
      m = first * m + g
      w = w - rate * (g + first * m)
    case adam, adamW:
      m = first * m + (1 - first) * g
      let v = second * a.v.unsafelyUnwrapped[i] + (1 - second) * g * g
      a.v_out.unsafelyUnwrapped[i] = v
      w = w - rate * (m / rates[5]) / ((v / rates[6]).squareRoot() + epsilon) - 0 * v
    default:
      m = second * m + (1 - second) * g * g
      w = w - rate * g / (m.squareRoot() + epsilon) - 0 * m
    }
    a.m_out.unsafelyUnwrapped[i] = m
    a.w_out.unsafelyUnwrapped[i] = w
    i &+= 1
  }
}
