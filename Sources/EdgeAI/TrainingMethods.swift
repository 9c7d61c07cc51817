import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
import Training
#endif

/// The defaults of a kind; nothing but the kind for one that there is not. Written out, because an object of the method's class
/// would be allocated.
private func defaultMethod(_ kind: Int32) -> edgeai_training_method {
  var method = edgeai_training_method()
  method.kind = kind
  switch kind {
  case EDGEAI_TRAINING_MAGNITUDE_PRUNING:
    method.sparsity = 0.9
    method.last = 1000
    method.every = 100
  case EDGEAI_TRAINING_NETWORK_SURGERY:
    method.kept_biases = 1
    method.c = 1
    method.gamma = 1e-4
    method.power = 1
    method.margin = 0.1
    method.biases = 1
    method.last = 10000
    method.every = 1
  case EDGEAI_TRAINING_SHARED_WEIGHTS: method.most = 256
  case EDGEAI_TRAINING_SLIMMING: method.penalty = 1e-4
  case EDGEAI_TRAINING_ENTROPY_PENALTY:
    method.penalty = 1e-6
    method.width = 0.5
  case EDGEAI_TRAINING_QUANTIZATION_AWARE:
    method.bits = 8
    method.activation_bits = 8
    method.fold_normalization = 1
    method.delay = 100
    method.freeze = Int64.max
    method.momentum = 0.99
  case EDGEAI_TRAINING_BINARY_WEIGHTS: method.values = EDGEAI_TRAINING_BINARY
  case EDGEAI_TRAINING_EIGHT_BIT: method.range_normalization = 1
  default: break
  }
  return method
}

@_cdecl("edgeai_training_method_init") @implementation
public func edgeai_training_method_init(_ method: UnsafeMutablePointer<edgeai_training_method>!, _ kind: Int32, _ struct_size: Int) {
  initialize(method, struct_size, defaultMethod(kind))
}

/// The method that a caller's structure describes; it checks its numbers when it is applied.
private func trainingMethod(_ chosen: edgeai_training_method) throws(EdgeError) -> TrainingMethod {
  let layers = try layerValues(chosen.layers, chosen.layer_count)
  switch chosen.kind {
  case EDGEAI_TRAINING_MAGNITUDE_PRUNING:
    let method = MagnitudePruning()
    method.sparsity = LayerNumbers(chosen.sparsity, layers)
    method.isGlobal = chosen.across_layers != 0
    method.first = Int(clamping: chosen.first)
    method.last = Int(clamping: chosen.last)
    method.every = Int(clamping: chosen.every)
    return method
  case EDGEAI_TRAINING_NETWORK_SURGERY:
    let method = NetworkSurgery()
    method.kept = LayerNumbers(chosen.kept, layers)
    method.keptBiases = LayerNumbers(chosen.kept_biases, try layerValues(chosen.bias_layers, chosen.bias_layer_count))
    method.every = Int(clamping: chosen.every)
    method.c = LayerNumbers(chosen.c, try layerValues(chosen.c_layers, chosen.c_layer_count))
    method.gamma = chosen.gamma
    method.power = Int(chosen.power)
    method.margin = chosen.margin
    method.includesBiases = chosen.biases != 0
    method.first = Int(clamping: chosen.first)
    method.stop = Int(clamping: chosen.last)
    return method
  case EDGEAI_TRAINING_SHARED_WEIGHTS:
    let method = SharedWeights()
    method.most = Int(chosen.most)
    return method
  case EDGEAI_TRAINING_SLIMMING:
    let method = Slimming()
    method.lambda = chosen.penalty
    return method
  case EDGEAI_TRAINING_ENTROPY_PENALTY:
    let method = EntropyPenalty()
    method.lambda = LayerNumbers(chosen.penalty, layers)
    method.width = chosen.width
    return method
  case EDGEAI_TRAINING_QUANTIZATION_AWARE:
    let method = QuantizationAware()
    method.bits = LayerNumbers(chosen.bits, layers)
    method.activationBits = Int(chosen.activation_bits)
    method.learnsStep = chosen.learn_step != 0
    method.delay = Int(clamping: chosen.delay)
    method.foldsNormalization = chosen.fold_normalization != 0
    method.freeze = Int(clamping: chosen.freeze)
    method.momentum = chosen.momentum
    return method
  case EDGEAI_TRAINING_BINARY_WEIGHTS:
    let method = BinaryWeights()
    guard let kind = UInt8(exactly: chosen.values).flatMap({ BinaryWeights.Kind(rawValue: $0) }) else {
      throw EdgeError(.invalidArgument, "there are no binary weights of kind \(chosen.values)")
    }
    method.kind = kind
    method.includesFirst = chosen.include_first != 0
    method.includesLast = chosen.include_last != 0
    return method
  case EDGEAI_TRAINING_EIGHT_BIT:
    let method = EightBit()
    method.usesRange = chosen.range_normalization != 0
    return method
  default: throw EdgeError(.invalidArgument, "there is no method of training \(chosen.kind)")
  }
}

/// A caller's list of methods. NULL is allowed for an empty one.
func trainingMethods(_ list: UnsafePointer<edgeai_training_method>?, _ count: Int) throws(EdgeError) -> [TrainingMethod] {
  guard count != 0 else { return [] }
  guard count > 0, count <= 64, let list else { throw EdgeError(.invalidArgument, "methods is NULL, or there are more than 64") }
  var place = UnsafeRawPointer(list)
  var result: [TrainingMethod] = []
  for _ in 0..<count {
    // A newer header's elements are larger, and so is the distance between them.
    let method = try options(
      place.assumingMemoryBound(to: edgeai_training_method.self), edgeai_training_method(), "edgeai_training_method")
    guard method.struct_size % UInt32(MemoryLayout<edgeai_training_method>.alignment) == 0 else {
      throw EdgeError(.abiMismatch, "edgeai_training_method.struct_size is \(method.struct_size)")
    }
    place += Int(method.struct_size)
    result.append(try trainingMethod(method))
  }
  return result
}
