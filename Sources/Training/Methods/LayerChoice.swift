#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

/// A number for each layer: one for all, and others by name.
public struct LayerNumbers {
  public var common: Double
  /// The last that fits counts; see `LayerValue`.
  public var layers: [LayerValue]
  public init(_ common: Double, _ layers: [LayerValue] = []) {
    self.common = common
    self.layers = layers
  }

  func value(for name: Text) -> Double { LayerValue.last(layers, for: name) ?? common }

  /// Throws `invalidArgument` for a number outside the range, or a name that no layer has.
  func check(_ low: Double, _ high: Double, _ what: Text, _ step: TrainingGraph) throws(EdgeError) {
    guard common >= low, common <= high else { throw EdgeError(.invalidArgument, "\(what) is out of range") }
    for entry in layers {
      guard entry.value >= low, entry.value <= high else {
        throw EdgeError(.invalidArgument, "\(what) of '\(entry.name)' is out of range", node: entry.name)
      }
      guard step.layers.contains(where: { LayerValue.last([entry], for: $0.name) != nil }) else {
        throw EdgeError(.invalidArgument, "no layer that learns is named \(entry.name)", node: entry.name)
      }
    }
  }
}

/// The share of the way from `first` to `last` step, cubed from the end: most goes early, when what is left can still make up for it
/// (Zhu and Gupta 2017).
func cubicRamp(_ step: Int, first: Int, last: Int) -> Double {
  if step >= last { return 1 }
  if step <= first { return 0 }
  let rest = 1 - Double(step - first) / Double(last - first)
  return 1 - rest * rest * rest
}

/// Uniform in [0, 1) from a seed and two numbers: the upper bits of the hash of `ek_random`.
func uniform(_ seed: Int64, _ number: Int, _ index: Int) -> Double {
  let key = UInt64(bitPattern: seed) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(truncatingIfNeeded: number)
  return Double(WeightInitializer.mix(WeightInitializer.mix(key) &+ UInt64(truncatingIfNeeded: index)) >> 40) / Double(1 << 24)
}
