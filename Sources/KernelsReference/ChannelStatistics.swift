import CPlatform

// Sums over rows for each channel, what is made of them, and the normalization that applies it.

// MARK: Sums

/// A unit is a block of rows.
func channelSumsUnits(_ raw: UnsafeRawPointer?) -> Int64 { Int64(arguments(raw, ek_channel_sums.self).pointee.blocks) }

func channelSums(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_channel_sums.self)
  let channels = int(a.pointee.c)
  let rows = int(a.pointee.rows)
  let blockRows = (rows &+ int(a.pointee.blocks) &- 1) / int(a.pointee.blocks)
  let function = Int(a.pointee.function)
  let sums = function == EK_SUMS_GRADIENT ? 2 : 1
  var block = int(begin)
  while block < int(end) {
    let y = a.pointee.y.unsafelyUnwrapped + block &* sums &* channels
    let first = block &* blockRows
    let last = first &+ blockRows < rows ? first &+ blockRows : rows
    var channel = 0
    while channel < channels {
      let mean = function == EK_SUMS_MEAN ? 0 : a.pointee.mean.unsafelyUnwrapped[channel]
      var sum: Float = 0
      var second: Float = 0
      var row = first
      while row < last {
        let x = a.pointee.x.unsafelyUnwrapped[row &* channels &+ channel]
        switch function {
        case EK_SUMS_MEAN: sum += x
        case EK_SUMS_VARIANCE: sum += (x - mean) * (x - mean)
        default:
          let gradient = a.pointee.dy.unsafelyUnwrapped[row &* channels &+ channel]
          sum += gradient
          second += gradient * (x - mean)
        }
        row &+= 1
      }
      y[channel] = sum
      if sums == 2 { y[channels &+ channel] = second }
      channel &+= 1
    }
    block &+= 1
  }
}

// MARK: What is made of them

private var combinedChannels: Int64 { 16 }

func channelCombineUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  (Int64(arguments(raw, ek_channel_combine.self).pointee.c) &+ combinedChannels &- 1) / combinedChannels
}

func channelCombine(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_channel_combine.self)
  let channels = int(a.pointee.c)
  let count = Float(int(a.pointee.rows))
  let function = Int(a.pointee.function)
  let last = int(end &* combinedChannels) < channels ? int(end &* combinedChannels) : channels
  var channel = int(begin &* combinedChannels)
  while channel < last {
    switch function {
    case EK_SUMS_MEAN, EK_SUMS_VARIANCE:
      a.pointee.y0.unsafelyUnwrapped[channel] = total(a, channel, of: 1, 0) / count
    default:
      let scale = a.pointee.scale.unsafelyUnwrapped[channel]
      let mean = a.pointee.mean.unsafelyUnwrapped[channel]
      let inverse = 1 / (a.pointee.variance.unsafelyUnwrapped[channel] + a.pointee.epsilon).squareRoot()
      let factors = a.pointee.factors.unsafelyUnwrapped + channel
      factors[0] = scale * inverse
      if function == EK_SUMS_NONE {
        factors[channels] = 0
        factors[2 &* channels] = a.pointee.bias.unsafelyUnwrapped[channel] - mean * factors[0]
      } else {
        let gradient = total(a, channel, of: 2, 0)
        let product = total(a, channel, of: 2, 1)
        a.pointee.y0.unsafelyUnwrapped[channel] = product * inverse
        a.pointee.y1.unsafelyUnwrapped[channel] = gradient
        factors[channels] = -factors[0] * inverse * inverse * product / count
        factors[2 &* channels] = -factors[0] * gradient / count - factors[channels] * mean
      }
    }
    channel &+= 1
  }
}

/// The sum over the blocks, each of which has `sums` of them.
@inline(__always)
private func total(_ a: UnsafePointer<ek_channel_combine>, _ channel: Int, of sums: Int, _ index: Int) -> Float {
  let channels = int(a.pointee.c)
  let parts = a.pointee.sums.unsafelyUnwrapped + (index &* channels &+ channel)
  var total = parts[0]
  var block = 1
  while block < int(a.pointee.blocks) {
    total += parts[block &* sums &* channels]
    block &+= 1
  }
  return total
}

// MARK: The normalization

func channelAffineUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_channel_affine.self)
  return blocks(a.pointee.rows &* Int64(a.pointee.c))
}

func channelAffine(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_channel_affine.self)
  let channels = int(a.pointee.c)
  let x = a.pointee.x.unsafelyUnwrapped
  let y = a.pointee.y.unsafelyUnwrapped
  let factors = a.pointee.factors.unsafelyUnwrapped
  let range = blockRange(begin, end, a.pointee.rows &* Int64(a.pointee.c))
  var i = range.begin
  var channel = channels > 0 ? range.begin % channels : 0
  while i < range.end {
    var value = x[i] * factors[channel]
    if let z = a.pointee.z { value = value + z[i] * factors[channels &+ channel] }
    y[i] = clamped(value + factors[2 &* channels &+ channel], a.pointee.clamp_min, a.pointee.clamp_max)
    channel &+= 1
    if channel == channels { channel = 0 }
    i &+= 1
  }
}
