#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Operator numbers of the format. They never change; a new operator takes the next one.
enum OperatorCode: UInt16 {
  case convolution = 1
  case transposedConvolution
  case dense
  case matMul
  case batchNormalization
  case unary
  case binary
  case pool
  case reduce
  case softmax
  case concat
  case split
  case slice
  case pad
  case resize
  case transpose
  case reshape
  case expand
  case gather
  case localResponseNormalization
  case quantize
  case dequantize
  case requantize
  case cast
  case select
  case scan
  case take
  case put
  case topK
  case bitCast
  case recurrent
  case when
  case otherwise
  case merge
  case loop
  case next
  case nonZero
  case crop
  case unique
  case nonMaxSuppression
  case layerNormalization
  case convolutionWeightGradient
  case poolGradient
  case batchStatistics
  case batchNormalizationGradient
  case optimizerStep
  case random
}

extension FormatByteWriter {
  private mutating func window(_ window: Window) {
    for value in [
      window.kernelHeight, window.kernelWidth, window.strideHeight, window.strideWidth, window.padTop, window.padLeft,
      window.padBottom, window.padRight, window.dilationHeight, window.dilationWidth,
    ] { i32(value) }
  }

  private mutating func clamp(_ clamp: Clamp) {
    f32(clamp.min)
    f32(clamp.max)
  }

  private mutating func convolution(_ c: Convolution) {
    window(c.window)
    i32(c.groups)
    clamp(c.clamp)
  }

  private mutating func pool(_ pool: Pool) {
    u8(pool.kind.rawValue)
    window(pool.window)
    flag(pool.ceilMode)
    flag(pool.countIncludesPad)
  }

  /// Attributes in the order of Documentation/format.md; gives the operator's number.
  mutating func attributes(of op: Operator) -> OperatorCode {
    switch op {
    case .convolution(let c):
      convolution(c)
      return .convolution
    case .convolutionWeightGradient(let c):
      convolution(c)
      return .convolutionWeightGradient
    case .transposedConvolution(let c):
      window(c.window)
      i32(c.groups)
      i32(c.outputPadHeight)
      i32(c.outputPadWidth)
      clamp(c.clamp)
      return .transposedConvolution
    case .dense(let c):
      clamp(c)
      return .dense
    case .matMul: return .matMul
    case .batchNormalization(let epsilon):
      f32(epsilon)
      return .batchNormalization
    case .unary(let function):
      u8(function.kind.rawValue)
      f32(function.alpha)
      f32(function.beta)
      return .unary
    case .binary(let function, let c):
      u8(function.rawValue)
      clamp(c)
      return .binary
    case .pool(let p):
      pool(p)
      return .pool
    case .poolGradient(let p):
      pool(p)
      return .poolGradient
    case .batchStatistics: return .batchStatistics
    case .batchNormalizationGradient(let epsilon):
      f32(epsilon)
      return .batchNormalizationGradient
    case .optimizerStep(let step):
      u8(step.kind.rawValue)
      f32(step.rate)
      f32(step.decay)
      return .optimizerStep
    case .random(let seed):
      // In halves: Int may have 32 bits.
      i32(Int(Int32(truncatingIfNeeded: seed)))
      i32(Int(Int32(truncatingIfNeeded: seed >> 32)))
      return .random
    case .reduce(let function, let axes, let keepDims):
      u8(function.rawValue)
      flag(keepDims)
      i64s(axes)
      return .reduce
    case .softmax(let axis, let log):
      i32(axis)
      flag(log)
      return .softmax
    case .concat(let axis):
      i32(axis)
      return .concat
    case .split(let axis, let sizes):
      i32(axis)
      i64s(sizes)
      return .split
    case .slice(let starts, let ends, let steps):
      i64s(starts)
      i64s(ends)
      i64s(steps)
      return .slice
    case .pad(let mode, let before, let after, let value):
      u8(mode.rawValue)
      f32(value)
      i64s(before)
      i64s(after)
      return .pad
    case .resize(let resize):
      u8(resize.mode.rawValue)
      u8(resize.coordinates.rawValue)
      u8(resize.nearest.rawValue)
      flag(resize.excludeOutside)
      i64(resize.height)
      i64(resize.width)
      f32(resize.scaleHeight)
      f32(resize.scaleWidth)
      f32(resize.cubicCoefficient)
      return .resize
    case .transpose(let permutation):
      i64s(permutation)
      return .transpose
    case .reshape(let shape):
      i64s(shape.dims)
      return .reshape
    case .expand(let shape):
      i64s(shape.dims)
      return .expand
    case .gather(let axis, let indices, let scalarIndex):
      i32(axis)
      flag(scalarIndex)
      u32(indices.count)
      for index in indices { i32(Int(index)) }
      return .gather
    case .localResponseNormalization(let size, let alpha, let beta, let bias):
      i32(size)
      f32(alpha)
      f32(beta)
      f32(bias)
      return .localResponseNormalization
    case .layerNormalization(let epsilon):
      f32(epsilon)
      return .layerNormalization
    case .quantize: return .quantize
    case .dequantize: return .dequantize
    case .requantize: return .requantize
    case .cast(let dtype):
      u8(dtype.rawValue)
      return .cast
    case .bitCast(let dtype):
      u8(dtype.rawValue)
      return .bitCast
    case .select: return .select
    case .scan(let function, let axis, let exclusive, let reverse):
      u8(function.rawValue)
      i32(axis)
      flag(exclusive)
      flag(reverse)
      return .scan
    case .take(let indexing):
      self.indexing(indexing)
      return .take
    case .put(let indexing, let function):
      self.indexing(indexing)
      u8(function.rawValue)
      return .put
    case .topK(let axis, let k, let largest):
      i32(axis)
      i64(k)
      flag(largest)
      return .topK
    case .recurrent(let recurrent):
      u8(recurrent.kind.rawValue)
      flag(recurrent.isReverse)
      flag(recurrent.isBatchFirst)
      flag(recurrent.resetsAfterProduct)
      flag(recurrent.couplesGates)
      f32(recurrent.clip)
      f32(recurrent.cellClip)
      activation(recurrent.f)
      activation(recurrent.g)
      activation(recurrent.h)
      return .recurrent
    case .nonZero(let bound):
      i64(bound)
      return .nonZero
    case .crop(let axis, let crop):
      i32(axis)
      switch crop {
      case .first(let bound):
        u8(0)
        i64(bound)
      case .whole(let fill):
        u8(1)
        u8(fill.rawValue)
      }
      return .crop
    case .unique(let axis, let sorted, let bound):
      i32(axis)
      flag(sorted)
      i64(bound)
      return .unique
    case .nonMaxSuppression(let op):
      i64(op.bound)
      i64(op.most)
      f32(op.overlap)
      flag(op.threshold != nil)
      f32(op.threshold ?? 0)
      flag(op.isCentered)
      return .nonMaxSuppression
    case .when: return .when
    case .otherwise: return .otherwise
    case .merge: return .merge
    case .loop: return .loop
    case .next(let stacked, let length):
      i32(stacked)
      i64(length)
      return .next
    }
  }

  private mutating func activation(_ activation: Recurrent.Activation) {
    u8(activation.function.kind.rawValue)
    f32(activation.function.alpha)
    f32(activation.function.beta)
    f32(activation.inputScale)
    f32(activation.inputOffset)
    f32(activation.outputScale)
  }

  private mutating func indexing(_ indexing: Indexing) {
    u8(indexing.kind.rawValue)
    i32(indexing.axis)
  }
}

extension FormatByteReader {
  private mutating func window() throws(EdgeError) -> Window {
    var window = Window()
    window.kernelHeight = try i32()
    window.kernelWidth = try i32()
    window.strideHeight = try i32()
    window.strideWidth = try i32()
    window.padTop = try i32()
    window.padLeft = try i32()
    window.padBottom = try i32()
    window.padRight = try i32()
    window.dilationHeight = try i32()
    window.dilationWidth = try i32()
    return window
  }

  private mutating func clamp() throws(EdgeError) -> Clamp { Clamp(min: try f32(), max: try f32()) }

  /// A one-byte enumeration.
  private mutating func choice<T: RawRepresentable>(_ type: T.Type, _ what: StaticString) throws(EdgeError) -> T
  where T.RawValue == UInt8 {
    let raw = try u8()
    guard let value = T(rawValue: raw) else { throw malformed("unknown \(what) \(raw)") }
    return value
  }

  /// The operator of a number and its attributes. Values are checked for type only; `Graph.validate` does the rest.
  mutating func operation(_ number: UInt16) throws(EdgeError) -> Operator {
    guard let code = OperatorCode(rawValue: number) else {
      throw EdgeError(.unsupportedOperator, "operator number \(number) is not known to this version", byteOffset: fileOffset)
    }
    switch code {
    case .convolution: return .convolution(try convolution())
    case .convolutionWeightGradient: return .convolutionWeightGradient(try convolution())
    case .transposedConvolution:
      var convolution = TransposedConvolution(window: try window(), groups: try i32())
      convolution.outputPadHeight = try i32()
      convolution.outputPadWidth = try i32()
      convolution.clamp = try clamp()
      return .transposedConvolution(convolution)
    case .dense: return .dense(try clamp())
    case .matMul: return .matMul
    case .batchNormalization: return .batchNormalization(epsilon: try f32())
    case .unary: return .unary(try function())
    case .binary: return .binary(try choice(BinaryFunction.self, "binary function"), try clamp())
    case .pool: return .pool(try pool())
    case .poolGradient: return .poolGradient(try pool())
    case .batchStatistics: return .batchStatistics
    case .batchNormalizationGradient: return .batchNormalizationGradient(epsilon: try f32())
    case .optimizerStep:
      var step = OptimizerStep(try choice(OptimizerStep.Kind.self, "optimizer"))
      step.rate = try f32()
      step.decay = try f32()
      return .optimizerStep(step)
    case .random:
      let low = UInt32(truncatingIfNeeded: try i32())
      return .random(seed: Int64(try i32()) << 32 | Int64(low))
    case .reduce:
      let function = try choice(ReduceFunction.self, "reduction")
      let keepDims = try flag()
      return .reduce(function, axes: try i64s(), keepDims: keepDims)
    case .softmax: return .softmax(axis: try i32(), log: try flag())
    case .concat: return .concat(axis: try i32())
    case .split: return .split(axis: try i32(), sizes: try i64s())
    case .slice: return .slice(starts: try i64s(), ends: try i64s(), steps: try i64s())
    case .pad:
      let mode = try choice(PadMode.self, "padding mode")
      let value = try f32()
      return .pad(mode, before: try i64s(), after: try i64s(), value: value)
    case .resize:
      let mode = try choice(Resize.Mode.self, "resize mode")
      let coordinates = try choice(Resize.Coordinates.self, "coordinate transformation")
      let nearest = try choice(Resize.Nearest.self, "rounding mode")
      let excludeOutside = try flag()
      var resize = Resize(
        mode: mode, coordinates: coordinates, height: try i64(), width: try i64(), scaleHeight: try f32(), scaleWidth: try f32())
      resize.nearest = nearest
      resize.excludeOutside = excludeOutside
      resize.cubicCoefficient = try f32()
      return .resize(resize)
    case .transpose: return .transpose(try i64s())
    case .reshape: return .reshape(Shape(try i64s()))
    case .expand: return .expand(Shape(try i64s()))
    case .gather:
      let axis = try i32()
      let scalarIndex = try flag()
      let count = try count(recordBytes: 4)
      var indices: [Int32] = []
      indices.reserveCapacity(count)
      for _ in 0..<count { indices.append(Int32(truncatingIfNeeded: try i32())) }
      return .gather(axis: axis, indices: indices, scalarIndex: scalarIndex)
    case .localResponseNormalization:
      return .localResponseNormalization(size: try i32(), alpha: try f32(), beta: try f32(), bias: try f32())
    case .layerNormalization: return .layerNormalization(epsilon: try f32())
    case .quantize: return .quantize
    case .dequantize: return .dequantize
    case .requantize: return .requantize
    case .cast: return .cast(try choice(DType.self, "element type"))
    case .bitCast: return .bitCast(try choice(DType.self, "element type"))
    case .select: return .select
    case .scan:
      return .scan(try choice(ScanFunction.self, "running function"), axis: try i32(), exclusive: try flag(), reverse: try flag())
    case .take: return .take(try indexing())
    case .put: return .put(try indexing(), try choice(PutFunction.self, "update"))
    case .topK: return .topK(axis: try i32(), k: try i64(), largest: try flag())
    case .recurrent:
      var recurrent = Recurrent(try choice(Recurrent.Kind.self, "recurrent layer"))
      recurrent.isReverse = try flag()
      recurrent.isBatchFirst = try flag()
      recurrent.resetsAfterProduct = try flag()
      recurrent.couplesGates = try flag()
      recurrent.clip = try f32()
      recurrent.cellClip = try f32()
      recurrent.f = try activation()
      recurrent.g = try activation()
      recurrent.h = try activation()
      return .recurrent(recurrent)
    case .nonZero: return .nonZero(bound: try i64())
    case .crop:
      let axis = try i32()
      if try flag() { return .crop(axis: axis, .whole(try choice(Crop.Fill.self, "fill"))) }
      return .crop(axis: axis, .first(bound: try i64()))
    case .unique: return .unique(axis: try i32(), sorted: try flag(), bound: try i64())
    case .nonMaxSuppression:
      let (bound, most, overlap) = (try i64(), try i64(), try f32())
      let (hasThreshold, threshold) = (try flag(), try f32())
      guard hasThreshold || threshold.bitPattern == 0 else { throw malformed("a threshold that does not count") }
      return .nonMaxSuppression(
        NonMaxSuppression(bound: bound, most: most, overlap: overlap, threshold: hasThreshold ? threshold : nil, isCentered: try flag()))
    case .when: return .when
    case .otherwise: return .otherwise
    case .merge: return .merge
    case .loop: return .loop
    case .next: return .next(stacked: try i32(), length: try i64())
    }
  }

  private mutating func convolution() throws(EdgeError) -> Convolution {
    var convolution = Convolution(window: try window(), groups: try i32())
    convolution.clamp = try clamp()
    return convolution
  }

  private mutating func pool() throws(EdgeError) -> Pool {
    var pool = Pool(try choice(Pool.Kind.self, "pooling kind"), window: try window())
    pool.ceilMode = try flag()
    pool.countIncludesPad = try flag()
    return pool
  }

  private mutating func function() throws(EdgeError) -> UnaryFunction {
    UnaryFunction(try choice(UnaryFunction.Kind.self, "unary function"), alpha: try f32(), beta: try f32())
  }

  private mutating func activation() throws(EdgeError) -> Recurrent.Activation {
    var activation = Recurrent.Activation(try function())
    activation.inputScale = try f32()
    activation.inputOffset = try f32()
    activation.outputScale = try f32()
    return activation
  }

  private mutating func indexing() throws(EdgeError) -> Indexing {
    Indexing(try choice(Indexing.Kind.self, "indexing"), axis: try i32())
  }
}
