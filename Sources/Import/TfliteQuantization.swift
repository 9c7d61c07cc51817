#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// QUANTIZE, DEQUANTIZE and CAST.

extension TfliteImporter {
  func importConversion(_ code: TfliteCode) throws(EdgeError) {
    let source = try input(0)
    switch code {
    case .quantize:
      let x = try value(source)
      guard try innerType(try output()).quantization != nil else { throw malformed("the result has no scale") }
      if hasScale(x) { return try setResult(x) }
      try compute(.quantize, [x])
    case .dequantize:
      // float16 and quantized constants become float32 ones.
      let x = isConstant(source) ? try floatValue(source) : try value(source)
      if graph.values[x].dtype == .float32 { return try setResult(x) }
      try compute(.dequantize, [x])
    default:
      let x = try value(source)
      let type = try innerType(try output())
      if type == ElementType(graph.values[x].dtype, graph.values[x].quantization) { return try setResult(x) }
      guard type.dtype == .float32, !hasScale(x), graph.values[x].dtype == .uint8 || graph.values[x].dtype == .bool
      else { throw reject("a cast from \(graph.values[x].dtype.name) to \(type.dtype.name) is not supported") }
      try compute(.cast(.float32), [x])
    }
  }
}
