#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Weights to begin training with: uniform numbers between -bound and bound, each a function of the seed, the number of its
/// tensor and its place alone. Only integers, square roots and single products are used, so they are the same bits everywhere.
struct WeightInitializer {
  /// How large the weights of a layer are. `fanIn` is the number of products in one result, `fanOut` the number of results that
  /// one input enters; both counted without the borders of images.
  enum Scale {
    /// Variance 2 / fanIn, for layers that a ReLU follows (He et al. 2015).
    case he
    /// Variance 2 / (fanIn + fanOut), for the others (Glorot and Bengio 2010).
    case glorot
  }

  private let seed: UInt64
  private var tensor: UInt64 = 0

  init(seed: UInt64) { self.seed = seed }

  /// The next tensor. Throws `outOfMemory`.
  mutating func next(_ count: Int, _ scale: Scale, fanIn: Int, fanOut: Int) throws(EdgeError) -> TensorData? {
    let storage = try Storage.allocate(count * 4)
    // A uniform number's variance is the third of its bound's square.
    let bound = (scale == .he ? 6 / Float(fanIn) : 6 / (Float(fanIn) + Float(fanOut))).squareRoot()
    fill(storage.base.assumingMemoryBound(to: Float.self), count, step: bound / 16_777_216)
    return TensorData(storage, offset: 0, byteCount: count * 4)
  }

  private mutating func fill(_ target: UnsafeMutablePointer<Float>, _ count: Int, step: Float) {
    // The numbers of the runtime's operator `random` (edgeai_kernels.h), with the tensor in place of the run.
    let start = WeightInitializer.mix(seed &* 0x9E37_79B9_7F4A_7C15 &+ tensor)
    tensor &+= 1
    var place = 0
    while place < count {
      // Odd numbers between -2^24 and 2^24: exact as Float, as many on both sides of 0, and none is 0.
      let bits = WeightInitializer.mix(start &+ UInt64(truncatingIfNeeded: place)) >> 40
      target[place] = Float(Int32(truncatingIfNeeded: bits) &* 2 &- 16_777_215) * step
      place &+= 1
    }
  }

  /// The finalizer of SplitMix64 (Steele et al. 2014).
  static func mix(_ number: UInt64) -> UInt64 {
    var z = number
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
