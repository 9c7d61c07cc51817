import Graph

/// A tensor of doubles for the naive interpreter.
struct Tensor {
  var dims: [Int]
  var data: [Double]

  init(_ dims: [Int], _ data: [Double]) {
    self.dims = dims
    self.data = data
    precondition(data.count == dims.reduce(1, *))
  }

  init(_ dims: [Int], _ make: ([Int]) -> Double) {
    self.dims = dims
    data = allIndices(dims).map(make)
  }

  private func place(_ index: [Int]) -> Int {
    var flat = 0
    for (axis, i) in index.enumerated() { flat = flat * dims[axis] + i }
    return flat
  }

  subscript(index: [Int]) -> Double {
    get { data[place(index)] }
    set { data[place(index)] = newValue }
  }

  /// Reads with broadcasting: missing and unit dimensions repeat.
  func broadcast(_ index: [Int]) -> Double {
    let tail = index.suffix(dims.count)
    return self[zip(dims, tail).map { $0 == 1 ? 0 : $1 }]
  }
}

func allIndices(_ dims: [Int]) -> [[Int]] {
  var result: [[Int]] = [[]]
  for dim in dims { result = result.flatMap { prefix in (0..<dim).map { prefix + [$0] } } }
  return result
}

/// What each operator means, written for clarity: loops over indices, in double. Gives all results of a node.
func naive(_ op: Operator, _ inputs: [Tensor?], outputDims: [[Int]]) -> [Tensor] {
  let x = inputs[0]!
  let dims = outputDims[0]
  func optional(_ index: Int) -> Tensor? { index < inputs.count ? inputs[index] : nil }
  func one(_ make: ([Int]) -> Double) -> [Tensor] { [Tensor(dims, make)] }
  switch op {
  case .convolution(let c):
    let w = inputs[1]!
    let (group, groupOut) = (x.dims[3] / c.groups, dims[3] / c.groups)
    return one { i in
      var sum = optional(2)?.data[i[3]] ?? 0
      for kh in 0..<w.dims[1] {
        for kw in 0..<w.dims[2] {
          let h = i[1] * c.window.strideHeight + kh * c.window.dilationHeight - c.window.padTop
          let v = i[2] * c.window.strideWidth + kw * c.window.dilationWidth - c.window.padLeft
          if h < 0 || v < 0 || h >= x.dims[1] || v >= x.dims[2] { continue }
          for k in 0..<group { sum += x[[i[0], h, v, i[3] / groupOut * group + k]] * w[[i[3], kh, kw, k]] }
        }
      }
      if let residual = optional(3) { sum += residual[i] }
      return min(max(sum, Double(c.clamp.min)), Double(c.clamp.max))
    }
  case .transposedConvolution(let c):
    let w = inputs[1]!
    let (group, groupOut) = (x.dims[3] / c.groups, dims[3] / c.groups)
    return one { i in
      var sum = optional(2)?.data[i[3]] ?? 0
      for h in 0..<x.dims[1] {
        for v in 0..<x.dims[2] {
          for kh in 0..<w.dims[1] where h * c.window.strideHeight + kh * c.window.dilationHeight - c.window.padTop == i[1] {
            for kw in 0..<w.dims[2] where v * c.window.strideWidth + kw * c.window.dilationWidth - c.window.padLeft == i[2] {
              for k in 0..<group { sum += x[[i[0], h, v, i[3] / groupOut * group + k]] * w[[i[3], kh, kw, k]] }
            }
          }
        }
      }
      return min(max(sum, Double(c.clamp.min)), Double(c.clamp.max))
    }
  case .dense(let clamp):
    let w = inputs[1]!
    return one { i in
      var sum = optional(2)?.data[i[i.count - 1]] ?? 0
      for k in 0..<w.dims[1] { sum += x[i.dropLast() + [k]] * w[[i[i.count - 1], k]] }
      if let residual = optional(3) { sum += residual[i] }
      return min(max(sum, Double(clamp.min)), Double(clamp.max))
    }
  case .matMul:
    let b = inputs[1]!
    return one { i in
      (0..<x.dims[x.dims.count - 1]).reduce(0) { $0 + x.broadcast(i.dropLast() + [$1]) * b.broadcast(i.dropLast(2) + [$1, i[i.count - 1]]) }
    }
  case .batchNormalization(let epsilon):
    return one { i in
      let c = i[i.count - 1]
      return (x[i] - inputs[3]!.data[c]) / (inputs[4]!.data[c] + Double(epsilon)).squareRoot() * inputs[1]!.data[c] + inputs[2]!.data[c]
    }
  case .binary(let function, let clamp):
    return one { i in
      let (a, b) = (x.broadcast(i), inputs[1]!.broadcast(i))
      let v: Double
      switch function {
      case .add: v = a + b
      case .subtract: v = a - b
      case .multiply: v = a * b
      case .divide: v = a / b
      case .minimum: v = min(a, b)
      case .maximum: v = max(a, b)
      case .prelu: v = a < 0 ? a * b : a
      case .gate: return Double(clamp.min) < b && b < Double(clamp.max) ? a : 0
      default: fatalError("not in these tests")
      }
      return min(max(v, Double(clamp.min)), Double(clamp.max))
    }
  case .unary(let f):
    return one { i in
      let v = x[i]
      switch f.kind {
      case .clamp: return min(max(v, Double(f.alpha)), Double(f.beta))
      case .leakyRelu: return v < 0 ? v * Double(f.alpha) : v
      case .hardSigmoid: return max(0, min(1, Double(f.alpha) * v + Double(f.beta)))
      case .hardSwish: return v * max(0, min(1, v / 6 + 0.5))
      case .abs: return abs(v)
      case .negate: return -v
      case .binarize: return v >= 0 ? 1 : -1
      default: fatalError("not in these tests")
      }
    }
  case .pool(let p):
    return one { i in
      var values: [Double] = []
      var padded = 0
      for kh in 0..<p.window.kernelHeight {
        for kw in 0..<p.window.kernelWidth {
          let h = i[1] * p.window.strideHeight + kh * p.window.dilationHeight - p.window.padTop
          let v = i[2] * p.window.strideWidth + kw * p.window.dilationWidth - p.window.padLeft
          if h < x.dims[1] + p.window.padBottom && v < x.dims[2] + p.window.padRight { padded += 1 }
          if h < 0 || v < 0 || h >= x.dims[1] || v >= x.dims[2] { continue }
          values.append(x[[i[0], h, v, i[3]]])
        }
      }
      if p.kind == .max { return values.max() ?? -Double(Float.greatestFiniteMagnitude) }
      let divisor = p.countIncludesPad ? padded : values.count
      return divisor == 0 ? 0 : values.reduce(0, +) / Double(divisor)
    }
  case .reduce(let function, let axes, let keepDims):
    return one { i in
      var outer = i
      if !keepDims { for axis in axes.sorted() { outer.insert(0, at: axis) } }
      var values: [Double] = []
      for inner in allIndices(axes.map { x.dims[$0] }) {
        var index = outer
        for (position, axis) in axes.enumerated() { index[axis] = inner[position] }
        values.append(x[index])
      }
      switch function {
      case .mean: return values.reduce(0, +) / Double(values.count)
      case .sum: return values.reduce(0, +)
      case .max: return values.max()!
      case .min: return values.min()!
      case .product: return values.reduce(1, *)
      case .l1: return values.reduce(0) { $0 + abs($1) }
      case .l2: return values.reduce(0) { $0 + $1 * $1 }.squareRoot()
      case .sumSquare: return values.reduce(0) { $0 + $1 * $1 }
      default: fatalError("not in these tests")
      }
    }
  case .softmax(let axis, let log):
    return one { i in
      func at(_ k: Int) -> Double {
        var index = i
        index[axis] = k
        return x[index]
      }
      let values = (0..<x.dims[axis]).map(at)
      let largest = values.max()!
      let sum = values.reduce(0) { $0 + exponential($1 - largest) }
      return log ? x[i] - largest - logarithm(sum) : exponential(x[i] - largest) / sum
    }
  case .concat(let axis):
    return one { i in
      var k = i[axis]
      for part in inputs {
        if k < part!.dims[axis] {
          var index = i
          index[axis] = k
          return part![index]
        }
        k -= part!.dims[axis]
      }
      fatalError("past the last part")
    }
  case .split(let axis, let sizes):
    var start = 0
    return zip(outputDims, sizes).map { dims, size in
      defer { start += size }
      return Tensor(dims) { i in
        var index = i
        index[axis] += start
        return x[index]
      }
    }
  case .slice(let starts, _, let steps):
    return one { i in x[i.indices.map { starts[$0] + i[$0] * steps[$0] }] }
  case .pad(let mode, let before, _, let value):
    return one { i in
      var index: [Int] = []
      for axis in i.indices {
        var k = i[axis] - before[axis]
        let n = x.dims[axis]
        if k < 0 || k >= n {
          switch mode {
          case .constant: return Double(value)
          case .edge: k = min(max(k, 0), n - 1)
          case .reflect: k = k < 0 ? -k : 2 * (n - 1) - k
          }
        }
        index.append(k)
      }
      return x[index]
    }
  case .transpose(let order):
    return one { i in
      var index = i
      for (position, axis) in order.enumerated() { index[axis] = i[position] }
      return x[index]
    }
  case .reshape, .cast: return [Tensor(dims, x.data)]
  case .quantize, .dequantize, .requantize: return [x]
  case .expand: return one { x.broadcast($0) }
  case .gather(let axis, let indices, let scalar):
    return one { i in
      var index = i
      if scalar { index.insert(Int(indices[0]), at: axis) } else { index[axis] = Int(indices[i[axis]]) }
      return x[index]
    }
  case .layerNormalization(let epsilon):
    return one { i in
      let row = (0..<x.dims[i.count - 1]).map { x[i.dropLast() + [$0]] }
      let mean = row.reduce(0, +) / Double(row.count)
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
      return (x[i] - mean) / (variance + Double(epsilon)).squareRoot() * inputs[1]!.broadcast(i) + (optional(2)?.broadcast(i) ?? 0)
    }
  case .localResponseNormalization(let size, let alpha, let beta, let bias):
    precondition(beta == 0.5)
    return one { i in
      let c = i[i.count - 1]
      var sum = 0.0
      for k in max(0, c - (size - 1) / 2)...min(x.dims[i.count - 1] - 1, c + size / 2) {
        let v = x[i.dropLast() + [k]]
        sum += v * v
      }
      return x[i] / (Double(bias) + Double(alpha) / Double(size) * sum).squareRoot()
    }
  case .resize(let r):
    return one { i in
      let vertical = naiveTaps(r, i[1], x.dims[1], r.height, Double(r.scaleHeight))
      let horizontal = naiveTaps(r, i[2], x.dims[2], r.width, Double(r.scaleWidth))
      var sum = 0.0
      for (h, wh) in vertical { for (v, ww) in horizontal { sum += wh * ww * x[[i[0], h, v, i[3]]] } }
      return sum
    }
  case .convolutionWeightGradient(let c):
    let dy = inputs[1]!
    return one { i in
      var sum = 0.0
      for p in allIndices(dy.dims.dropLast()) {
        let h = p[1] * c.window.strideHeight + i[1] * c.window.dilationHeight - c.window.padTop
        let v = p[2] * c.window.strideWidth + i[2] * c.window.dilationWidth - c.window.padLeft
        if h < 0 || v < 0 || h >= x.dims[1] || v >= x.dims[2] { continue }
        sum += x[[p[0], h, v, i[0] / (dims[0] / c.groups) * dims[3] + i[3]]] * dy[p + [i[0]]]
      }
      return sum
    }
  case .poolGradient(let p):
    var result = Tensor(dims) { _ in 0 }
    let dy = inputs[1]!
    for i in allIndices(dy.dims) {
      var pixels: [[Int]] = []
      var padded = 0
      for kh in 0..<p.window.kernelHeight {
        for kw in 0..<p.window.kernelWidth {
          let h = i[1] * p.window.strideHeight + kh * p.window.dilationHeight - p.window.padTop
          let v = i[2] * p.window.strideWidth + kw * p.window.dilationWidth - p.window.padLeft
          if h < x.dims[1] + p.window.padBottom && v < x.dims[2] + p.window.padRight { padded += 1 }
          if h >= 0 && v >= 0 && h < x.dims[1] && v < x.dims[2] { pixels.append([i[0], h, v, i[3]]) }
        }
      }
      if p.kind == .max {
        let best = pixels.map { x[$0] }.max()
        if let first = pixels.first(where: { x[$0] == best }) { result[first] += dy[i] }
      } else {
        for pixel in pixels { result[pixel] += dy[i] / Double(p.countIncludesPad ? padded : pixels.count) }
      }
    }
    return [result]
  case .batchStatistics:
    let columns = dims[0]
    func column(_ c: Int) -> [Double] { stride(from: c, to: x.data.count, by: columns).map { x.data[$0] } }
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    return [
      Tensor(dims) { mean(column($0[0])) },
      Tensor(dims) { i in
        let values = column(i[0])
        return mean(values.map { ($0 - mean(values)) * ($0 - mean(values)) })
      },
    ]
  case .batchNormalizationGradient(let epsilon):
    let dy = inputs[1]!
    let columns = x.dims.last!
    let rows = Double(x.data.count / columns)
    let inverse = inputs[4]!.data.map { 1 / ($0 + Double(epsilon)).squareRoot() }
    var (scale, bias) = ([Double](repeating: 0, count: columns), [Double](repeating: 0, count: columns))
    for i in x.data.indices {
      bias[i % columns] += dy.data[i]
      scale[i % columns] += dy.data[i] * (x.data[i] - inputs[3]!.data[i % columns]) * inverse[i % columns]
    }
    let gradient = x.data.indices.map { i in
      let c = i % columns
      let normal = (x.data[i] - inputs[3]!.data[c]) * inverse[c]
      return inputs[2]!.data[c] * inverse[c] * (dy.data[i] - bias[c] / rows - normal * scale[c] / rows)
    }
    return [Tensor(dims, gradient), Tensor([columns], scale), Tensor([columns], bias)]
  case .optimizerStep(let step):
    let rates = inputs[2]!.data
    let (l, d) = (rates[0] * Double(step.rate), rates[4] * Double(step.decay))
    var (w, m, v) = ([Double](), [Double](), [Double]())
    for i in x.data.indices {
      var (own, g) = (x.data[i], inputs[1]!.data[i] * (optional(3)?.data[0] ?? 1))
      var (first, second) = (inputs[4]!.data[i], optional(5)?.data[i] ?? 0)
      if step.kind == .adamW { own -= l * d * own } else { g += d * own }
      switch step.kind {
      case .sgd, .nesterov:
        first = rates[1] * first + g
        own -= l * (step.kind == .sgd ? first : g + rates[1] * first)
      case .adam, .adamW:
        first = rates[1] * first + (1 - rates[1]) * g
        second = rates[2] * second + (1 - rates[2]) * g * g
        own -= l * (first / rates[5]) / ((second / rates[6]).squareRoot() + rates[3])
      case .rmsprop:
        first = rates[2] * first + (1 - rates[2]) * g * g
        own -= l * g / (first.squareRoot() + rates[3])
      }
      w.append(own)
      m.append(first)
      v.append(second)
    }
    return [w, m, v].prefix(1 + step.momentCount).map { Tensor(dims, $0) }
  default: fatalError("not in these tests")
  }
}

/// Source positions and weights along one axis. Out-of-range taps repeat the border.
private func naiveTaps(_ r: Resize, _ index: Int, _ size: Int, _ target: Int, _ scale: Double) -> [(Int, Double)] {
  var position: Double
  switch r.coordinates {
  case .halfPixel: position = (Double(index) + 0.5) / scale - 0.5
  case .pytorchHalfPixel: position = target > 1 ? (Double(index) + 0.5) / scale - 0.5 : 0
  case .alignCorners: position = target > 1 ? Double(index) * Double(size - 1) / Double(target - 1) : 0
  case .asymmetric: position = Double(index) / scale
  }
  func clip(_ k: Int) -> Int { min(max(k, 0), size - 1) }
  switch r.mode {
  case .nearest:
    switch r.nearest {
    case .floor: position.round(.down)
    case .ceil: position.round(.up)
    case .roundPreferFloor: position = (position - 0.5).rounded(.up)
    case .roundPreferCeil: position = (position + 0.5).rounded(.down)
    }
    return [(clip(Int(position)), 1)]
  case .linear:
    let low = position.rounded(.down)
    return [(clip(Int(low)), 1 - (position - low)), (clip(Int(low) + 1), position - low)]
  case .cubic:
    let low = position.rounded(.down)
    let a = Double(r.cubicCoefficient)
    var taps = (-1...2).map { k -> (Int, Double) in
      let d = abs(position - low - Double(k))
      let w = d <= 1 ? (a + 2) * d * d * d - (a + 3) * d * d + 1 : a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a
      return (Int(low) + k, w)
    }
    if r.excludeOutside {
      taps = taps.filter { $0.0 >= 0 && $0.0 < size }
      let sum = taps.reduce(0) { $0 + $1.1 }
      taps = taps.map { ($0.0, $0.1 / sum) }
    }
    return taps.map { (clip($0.0), $0.1) }
  }
}

/// Series, so that the expectation shares nothing with the kernels' own functions.
func exponential(_ x: Double) -> Double {
  let halvings = 20
  let small = x / Double(1 << halvings)
  var result = 1 + small + small * small / 2 + small * small * small / 6
  for _ in 0..<halvings { result *= result }
  return result
}

func logarithm(_ x: Double) -> Double {
  var guess = 0.0
  for _ in 0..<60 { guess += 2 * (x - exponential(guess)) / (x + exponential(guess)) }
  return guess
}
