#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// AVERAGE_POOL_2D, MAX_POOL_2D and L2_POOL_2D. Averages are over the pixels that are there.

extension TfliteImporter {
  func importPooling(_ code: TfliteCode) throws(EdgeError) {
    let options = try options(5)
    let x = try inputValue(0)
    if code == .l2Pool2d { try requireFloat(x) }
    let kernel = (height: try options.int32(4), width: try options.int32(3))
    let window = try window(options, over: shapeOf(x), kernel: kernel)
    let clamp = try clamp(try options.byte(5))
    if code == .l2Pool2d {
      let mean = try helper(.pool(Pool(.average, window: window)), [try binary(.multiply, x, x)])
      let root = try helper(.unary(UnaryFunction(.sqrt)), [mean])
      try compute(.unary(UnaryFunction(.clamp, alpha: clamp.min, beta: clamp.max)), [root])
    } else if isWide, code == .averagePool2d {
      try importWideAverage(x, window, clamp)
    } else if code == .maxPool2d {
      try move(.pool(Pool(.max, window: window)), [x], then: clamp)
    } else {
      let isSigned = try fileType(inputs[0]) == .int8
      try compute(.pool(Pool(isSigned ? .averageTiesOutward : .averageTiesUp, window: window)), [x], then: clamp)
    }
  }
}
