import Graph

/// A tensor of the interpreter: row-major.
struct Tensor {
  var dims: [Int]
  var data: [Double]

  init(_ dims: [Int], _ data: [Double]) {
    self.dims = dims
    self.data = data
  }

  init(_ dims: [Int], repeating value: Double = 0) { self.init(dims, Array(repeating: value, count: dims.reduce(1, *))) }

  func offset(_ index: [Int]) -> Int {
    var offset = 0
    for (axis, place) in index.enumerated() { offset = offset * dims[axis] + place }
    return offset
  }

  subscript(index: [Int]) -> Double {
    get { data[offset(index)] }
    set { data[offset(index)] = newValue }
  }

  /// Reads as if broadcast to a shape of at least this rank.
  func broadcast(_ index: [Int]) -> Double {
    let extra = index.count - dims.count
    return self[dims.indices.map { dims[$0] == 1 ? 0 : index[$0 + extra] }]
  }
}

/// Every index of a shape, in row-major order.
func indices(_ dims: [Int]) -> [[Int]] {
  if dims.contains(0) { return [] }
  var result: [[Int]] = []
  var index = [Int](repeating: 0, count: dims.count)
  while true {
    result.append(index)
    var axis = dims.count - 1
    while axis >= 0 {
      index[axis] += 1
      if index[axis] < dims[axis] { break }
      index[axis] = 0
      axis -= 1
    }
    if axis < 0 { return result }
  }
}

/// Runs a float graph one operator after the other, as plainly as its definition, in double precision.
/// It shares no code with the library.
func interpret(_ graph: Graph, inputs: [Tensor], batch: Int) -> [Tensor] {
  var values = [Tensor?](repeating: nil, count: graph.values.count)
  for (id, tensor) in zip(graph.inputs, inputs) { values[id] = tensor }
  for (id, value) in graph.values.enumerated() {
    guard let constant = value.constant else { continue }
    values[id] = Tensor(value.shape.dims, constant.array(of: Float.self).map { Double($0) })
  }
  for node in graph.nodes {
    let arguments = node.inputs.map { $0 == Node.noValue ? nil : values[$0]! }
    let results = node.outputs.map { graph.values[$0].shape.withBatch(batch).dims }
    for (id, tensor) in zip(node.outputs, evaluate(node.op, arguments, results)) { values[id] = tensor }
  }
  return graph.outputs.map { values[$0]! }
}

private func clamped(_ x: Double, _ clamp: Clamp) -> Double { min(max(x, Double(clamp.min)), Double(clamp.max)) }

private func evaluate(_ op: Operator, _ inputs: [Tensor?], _ results: [[Int]]) -> [Tensor] {
  let x = inputs[0]!
  let dims = results[0]
  func optional(_ position: Int) -> Tensor? { position < inputs.count ? inputs[position] : nil }
  func each(_ value: ([Int]) -> Double) -> [Tensor] { [Tensor(dims, indices(dims).map(value))] }

  switch op {
  case .convolution(let convolution):
    let (weights, window) = (inputs[1]!, convolution.window)
    let perGroup = weights.dims[3]
    return each { i in
      var sum = optional(2).map { $0.data[i[3]] } ?? 0
      let first = i[3] / (dims[3] / convolution.groups) * perGroup
      for ky in 0..<window.kernelHeight {
        for kx in 0..<window.kernelWidth {
          let y = i[1] * window.strideHeight - window.padTop + ky * window.dilationHeight
          let z = i[2] * window.strideWidth - window.padLeft + kx * window.dilationWidth
          guard y >= 0, y < x.dims[1], z >= 0, z < x.dims[2] else { continue }
          for c in 0..<perGroup { sum += x[[i[0], y, z, first + c]] * weights[[i[3], ky, kx, c]] }
        }
      }
      return clamped(sum + (optional(3)?[i] ?? 0), convolution.clamp)
    }
  case .transposedConvolution(let convolution):
    let (weights, window) = (inputs[1]!, convolution.window)
    var result = Tensor(dims)
    let (groupIn, groupOut) = (weights.dims[3], dims[3] / convolution.groups)
    for i in indices(x.dims) {
      let group = i[3] / groupIn
      for o in 0..<groupOut {
        for ky in 0..<window.kernelHeight {
          for kx in 0..<window.kernelWidth {
            let y = i[1] * window.strideHeight - window.padTop + ky * window.dilationHeight
            let z = i[2] * window.strideWidth - window.padLeft + kx * window.dilationWidth
            guard y >= 0, y < dims[1], z >= 0, z < dims[2] else { continue }
            result[[i[0], y, z, group * groupOut + o]] += x[i] * weights[[group * groupOut + o, ky, kx, i[3] % groupIn]]
          }
        }
      }
    }
    for i in indices(dims) { result[i] = clamped(result[i] + (optional(2)?.data[i[3]] ?? 0), convolution.clamp) }
    return [result]
  case .dense(let clamp):
    let weights = inputs[1]!
    return each { i in
      let o = i[i.count - 1]
      var sum = optional(2)?.data[o] ?? 0
      for k in 0..<weights.dims[1] { sum += x[Array(i.dropLast()) + [k]] * weights[[o, k]] }
      return clamped(sum + (optional(3)?[i] ?? 0), clamp)
    }
  case .matMul:
    let b = inputs[1]!
    return each { i in
      let depth = x.dims[x.dims.count - 1]
      let (head, row, column) = (Array(i.dropLast(2)), i[i.count - 2], i[i.count - 1])
      func part(_ tensor: Tensor, _ last: [Int]) -> Double { tensor.broadcast(Array(head) + last) }
      return (0..<depth).reduce(0) { $0 + part(x, [row, $1]) * part(b, [$1, column]) }
    }
  case .batchNormalization(let epsilon):
    let vectors = (1...4).map { inputs[$0]!.data }
    return each { i in
      let c = i[i.count - 1]
      return (x[i] - vectors[2][c]) / (vectors[3][c] + Double(epsilon)).squareRoot() * vectors[0][c] + vectors[1][c]
    }
  case .unary(let function): return each { apply(function, x[$0]) }
  case .binary(let function, let clamp):
    let b = inputs[1]!
    if function == .gate {
      return each { Double(clamp.min) < b.broadcast($0) && b.broadcast($0) < Double(clamp.max) ? x.broadcast($0) : 0 }
    }
    return each { clamped(apply(function, x.broadcast($0), b.broadcast($0)), clamp) }
  case .pool(let pool):
    let window = pool.window
    return each { i in
      var (sum, largest, count, padded) = (0.0, -Double.infinity, 0, 0)
      for ky in 0..<window.kernelHeight {
        for kx in 0..<window.kernelWidth {
          let y = i[1] * window.strideHeight - window.padTop + ky * window.dilationHeight
          let z = i[2] * window.strideWidth - window.padLeft + kx * window.dilationWidth
          if y < x.dims[1] + window.padBottom && z < x.dims[2] + window.padRight { padded += 1 }
          guard y >= 0, y < x.dims[1], z >= 0, z < x.dims[2] else { continue }
          sum += x[[i[0], y, z, i[3]]]
          largest = max(largest, x[[i[0], y, z, i[3]]])
          count += 1
        }
      }
      return pool.kind == .max ? largest : sum / Double(pool.countIncludesPad ? padded : max(count, 1))
    }
  case .reduce(let function, let axes, let keepDims):
    var parts: [[Int]: [Double]] = [:]
    for i in indices(x.dims) {
      var key: [Int] = []
      for axis in i.indices {
        if !axes.contains(axis) { key.append(i[axis]) } else if keepDims { key.append(0) }
      }
      parts[key, default: []].append(x[i])
    }
    return each { apply(function, parts[$0]!) }
  case .softmax(let axis, let log):
    return each { i in
      let line = (0..<x.dims[axis]).map { place -> Double in
        var index = i
        index[axis] = place
        return x[index]
      }
      let top = line.max()!
      let sum = line.reduce(0) { $0 + exponential($1 - top) }
      return log ? x[i] - top - logarithm(sum) : exponential(x[i] - top) / sum
    }
  case .concat(let axis):
    return each { i in
      var place = i
      for input in inputs {
        if place[axis] < input!.dims[axis] { return input![place] }
        place[axis] -= input!.dims[axis]
      }
      return .nan
    }
  case .split(let axis, let sizes):
    var start = 0
    return zip(sizes, results).map { size, dims in
      defer { start += size }
      return Tensor(dims, indices(dims).map { i in
        var place = i
        place[axis] += start
        return x[place]
      })
    }
  case .slice(let starts, _, let steps): return each { i in x[i.indices.map { starts[$0] + i[$0] * steps[$0] }] }
  case .pad(let mode, let before, _, let value):
    return each { i in
      var place = i.indices.map { i[$0] - before[$0] }
      for axis in place.indices where place[axis] < 0 || place[axis] >= x.dims[axis] {
        let last = x.dims[axis] - 1
        switch mode {
        case .constant: return Double(value)
        case .edge: place[axis] = min(max(place[axis], 0), last)
        case .reflect: place[axis] = place[axis] < 0 ? -place[axis] : 2 * last - place[axis]
        }
      }
      return x[place]
    }
  case .transpose(let permutation):
    return each { i in
      var place = i
      for (axis, source) in permutation.enumerated() { place[source] = i[axis] }
      return x[place]
    }
  case .reshape: return [Tensor(dims, x.data)]
  case .expand: return each { x.broadcast($0) }
  case .gather(let axis, let gathered, let scalar):
    return each { i in
      var place = i
      if scalar { place.insert(Int(gathered[0]), at: axis) } else { place[axis] = Int(gathered[i[axis]]) }
      return x[place]
    }
  case .layerNormalization(let epsilon):
    return each { i in
      let row = (0..<x.dims.last!).map { x[Array(i.dropLast()) + [$0]] }
      let mean = row.reduce(0, +) / Double(row.count)
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
      let normal = (x[i] - mean) / (variance + Double(epsilon)).squareRoot()
      return normal * inputs[1]!.broadcast(i) + (inputs.count > 2 ? inputs[2]!.broadcast(i) : 0)
    }
  case .localResponseNormalization(let size, let alpha, let beta, let bias):
    return each { i in
      let c = i[i.count - 1]
      var sum = 0.0
      for other in max(0, c - (size - 1) / 2)...min(x.dims.last! - 1, c + size / 2) {
        let neighbour = x[Array(i.dropLast()) + [other]]
        sum += neighbour * neighbour
      }
      return x[i] / power(Double(bias) + Double(alpha) / Double(size) * sum, Double(beta))
    }
  case .resize(let resize):
    precondition(resize.mode == .nearest && resize.coordinates == .asymmetric && resize.nearest == .floor)
    return each { i in
      let y = min(Int(Double(i[1]) / Double(resize.scaleHeight)), x.dims[1] - 1)
      let z = min(Int(Double(i[2]) / Double(resize.scaleWidth)), x.dims[2] - 1)
      return x[[i[0], y, z, i[3]]]
    }
  case .cast: return [x]
  default: preconditionFailure("the interpreter does not have \(op.name)")
  }
}
