#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Weights of one convolution or dense layer as symmetric int8 in [-127, 127] and its bias as int32 with scale
/// x.scale * w.scale[c].
///
/// - The scale of a channel is its greatest magnitude / 127, of a layer (one scale for all) likewise, however small: below the least
///   scale there is (`QuantizationParameters.leastWeightScale`) a channel adds nothing to any result.
/// - A dead channel, all of whose weights are 0, has a scale that puts its bias at 2^22 steps, so the bias keeps its
///   precision; without a bias, scale 1.
/// - A bias beyond 2^30 steps would overflow int32 together with the products: the channel's scale is widened until
///   it fits. `widened` counts such channels.
struct QuantizedWeights {
  private static let biasLimit = 1_073_741_824.0
  private static let deadBiasSteps = 4_194_304.0

  let weights: TensorData
  let scales: [Float]
  let bias: [Int32]?
  let widened: Int

  /// `weights`: float [channels][depth]; `bias`: a number for each channel. Nil when a product sum could overflow
  /// int32 even so.
  init?(
    _ weights: TensorData, channels: Int, depth: Int, bias: [Float]?, inputScale: Float, perChannel: Bool
  ) throws(EdgeError) {
    let source = weights.base
    let least = QuantizationParameters.leastWeightScale(inputScale: inputScale)
    func bounded(_ scale: Double) -> Float { Float(min(max(scale, least), Double(QuantizationParameters.maximumScale))) }
    func weight(_ index: Int) -> Float { source.loadUnaligned(fromByteOffset: index &* 4, as: Float.self) }

    var largest = [Float](repeating: 0, count: channels)
    for channel in 0..<channels {
      var most: Float = 0
      var index = channel &* depth
      let end = index &+ depth
      while index < end {
        most = max(most, weight(index).magnitude)
        index &+= 1
      }
      largest[channel] = most
    }
    var widened = 0
    var scales: [Float] = []
    for channel in 0..<channels {
      let magnitude = Double(bias.map { $0[channel].magnitude } ?? 0)
      var scale: Float
      if largest[channel] > 0 {
        scale = Float(max(Double(largest[channel]) / 127, least))
      } else {
        let wanted = magnitude / (Double(inputScale) * QuantizedWeights.deadBiasSteps)
        scale = magnitude > 0 ? bounded(wanted) : perChannel ? 1 : Float(least)
      }
      let needed = magnitude / (Double(inputScale) * QuantizedWeights.biasLimit)
      if Double(scale) < needed {
        scale = bounded(needed).nextUp
        widened += 1
      }
      scales.append(scale)
    }
    if !perChannel {
      var shared = Float(least)
      for scale in scales { shared = max(shared, scale) }
      if largest.allSatisfy({ $0 == 0 }), bias == nil { shared = 1 }
      scales = [Float](repeating: shared, count: channels)
    }

    let storage = try Storage.allocate(channels &* depth)
    for channel in 0..<channels {
      let inverse = 1 / Double(scales[channel])
      var sum = 0
      var index = channel &* depth
      let end = index &+ depth
      while index < end {
        let rounded = QuantizationParameters.roundHalfEven(Double(weight(index)) * inverse)
        let q = Int8(max(-127, min(127, rounded)))
        storage.base.storeBytes(of: q, toByteOffset: index, as: Int8.self)
        sum &+= Int(q.magnitude)
        index &+= 1
      }
      if Double(sum) * 255 >= QuantizedWeights.biasLimit { return nil }
    }
    guard let data = TensorData(storage, offset: 0, byteCount: storage.count) else { return nil }
    self.weights = data
    self.scales = perChannel ? scales : Array(scales.prefix(1))
    self.widened = widened
    if let bias {
      var quantized: [Int32] = []
      for channel in 0..<channels {
        let steps = QuantizationParameters.roundHalfEven(Double(bias[channel]) / (Double(inputScale) * Double(scales[channel])))
        quantized.append(Int32(max(-QuantizedWeights.biasLimit, min(QuantizedWeights.biasLimit, steps))))
      }
      self.bias = quantized
    } else {
      self.bias = nil
    }
  }
}
