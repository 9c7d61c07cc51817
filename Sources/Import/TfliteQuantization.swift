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
      try setResult(x)
    case .dequantize:
      // float16 and quantized constants become float32 ones.
      let x = isConstant(source) ? try floatValue(source) : try value(source)
      if graph.values[x].dtype == .float32 { return try setResult(x) }
      try compute(.dequantize, [x])
    default:
      let x = try value(source)
      let type = try innerType(try output())
      if type == ElementType(graph.values[x].dtype, graph.values[x].quantization) { return try setResult(x) }
      guard type.quantization == nil, !hasScale(x) else { throw reject("a cast of quantized integers is not supported") }
      try compute(.cast(type.dtype), [x])
    }
  }
}
