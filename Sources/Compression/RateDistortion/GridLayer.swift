#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The weights of a layer and whole numbers in their place, chosen for the least of error + price * bits. The error is that of
/// the layer's result, as far as moments of its input are known, else that of the weights.
final class GridLayer {
  /// Magnitudes of symbols.
  static let limit = 1023

  let layer: WeightLayer
  let weights: [Float]
  let factors: [MomentFactor]
  /// The power of the layer's result about its mean, in the unit of errors; 0 when all weights are.
  let power: Double
  /// What the square of an error of a weight adds to the error, on average over the weights that are not zero.
  let meanGain: Double
  let kept: Int
  private let largest: Float
  /// With two rows above and two columns in front that stay zero: every symbol has neighbours.
  private let symbols: UnsafeMutablePointer<Int32>
  private let stride: Int
  private let storage: Storage
  private let costs: SymbolCosts

  struct Outcome {
    var step: Float
    var bits: Double
    var error: Double
  }

  private init(
    _ layer: WeightLayer, _ weights: [Float], _ factors: [MomentFactor], power: Double, meanGain: Double, kept: Int, largest: Float, _ storage: Storage,
    _ costs: SymbolCosts
  ) {
    (self.layer, self.weights, self.factors, self.power, self.meanGain, self.kept) = (layer, weights, factors, power, meanGain, kept)
    self.largest = largest
    (self.storage, self.costs) = (storage, costs)
    stride = layer.columns + 2
    symbols = storage.base.assumingMemoryBound(to: Int32.self) + (2 * stride + 2)
  }

  /// `factors`: for parts of the columns, or none. Throws `limitExceeded`, `outOfMemory`.
  static func make(_ layer: WeightLayer, _ weights: [Float], _ factors: [MomentFactor]) throws(EdgeError) -> GridLayer {
    let bytes = try checkedProduct(try checkedProduct(layer.rows + 2, layer.columns + 2), 4)
    let storage = try Storage.allocate(bytes)
    let (power, gain, kept, largest) = measure(layer, weights, factors)
    return GridLayer(
      layer, weights, factors, power: power, meanGain: gain, kept: kept, largest: largest, storage, try SymbolCosts(limit: limit))
  }

  private static func measure(_ layer: WeightLayer, _ weights: [Float], _ factors: [MomentFactor]) -> (Double, Double, Int, Float) {
    var (power, gain) = (0.0, 0.0)
    var kept = 0
    var largest: Float = 0
    let rowsOfGroup = max(layer.rows / layer.groups, 1)
    weights.withUnsafeBufferPointer { weights in
      guard let base = weights.baseAddress else { return }
      var row = 0
      while row < layer.rows {
        let line = base + row &* layer.columns
        var column = 0
        while column < layer.columns {
          if line[column] != 0 {
            kept &+= 1
            largest = max(largest, line[column].magnitude)
            if factors.isEmpty {
              power += Double(line[column]) * Double(line[column])
              gain += 1
            }
          }
          column &+= 1
        }
        for factor in factors {
          let matrix = factor.matrix(group: row / rowsOfGroup)
          column = 0
          while column < factor.columns {
            let entries = matrix + column &* factor.columns
            let entry = Double(floatDotProduct(entries, line + factor.start, column &+ 1))
            power += entry * entry
            if line[factor.start &+ column] != 0 { gain += Double(entries[column]) * Double(entries[column]) }
            column &+= 1
          }
        }
        row &+= 1
      }
    }
    return (power, kept > 0 ? gain / Double(kept) : 0, kept, largest)
  }

  /// The distance of a grid, so large that the largest weight has a symbol, and no larger than that every symbol is a number.
  func usable(_ step: Double) -> Float {
    min(max(Float(step), largest / Float(GridLayer.limit), .leastNormalMagnitude), .greatestFiniteMagnitude / Float(GridLayer.limit))
  }

  /// Chooses the symbols for a distance of the grid. `price`: of a bit, in the unit of errors. `isNew`: costs begin with those of
  /// the nearest symbols; else with what the symbols before were.
  func quantize(step: Float, price: Double, keepsZeros: Bool, isNew: Bool = true) throws(EdgeError) -> Outcome {
    if isNew {
      costs.clear()
      round(step)
    }
    var outcome = Outcome(step: step, bits: 0, error: 0)
    let errors = try RowErrors(layer.columns)
    for _ in 0..<(isNew ? 2 : 1) {
      costs.update()
      costs.clear()
      outcome.bits = 0
      outcome.error = 0
      weights.withUnsafeBufferPointer { weights in
        guard let base = weights.baseAddress else { return }
        var row = 0
        while row < layer.rows {
          choose(row, base + row &* layer.columns, errors, Float(price), keepsZeros, &outcome)
          row &+= 1
        }
      }
    }
    return outcome
  }

  /// The whole part, at most the limit; also of what is no number.
  @inline(__always)
  private static func whole(_ magnitude: Float) -> Int32 { magnitude < Float(limit) ? Int32(magnitude) : Int32(limit) }

  /// The nearest symbols, for a first estimate of how often each occurs: rounded towards zero up to 0.6, as the price will make it.
  private func round(_ step: Float) {
    weights.withUnsafeBufferPointer { weights in
      var row = 0
      while row < layer.rows {
        let line = symbols + row &* stride
        var column = 0
        while column < layer.columns {
          let weight = weights[row &* layer.columns &+ column]
          let magnitude = GridLayer.whole(weight.magnitude / step + 0.4)
          costs.count(Int(magnitude), SymbolContext(line + column, stride: stride))
          line[column] = weight < 0 ? -magnitude : magnitude
          column &+= 1
        }
        row &+= 1
      }
    }
  }

  /// The symbols of a row, one after another: each is chosen for the weight and for what the errors before it have done to the
  /// result.
  private func choose(
    _ row: Int, _ weights: UnsafePointer<Float>, _ errors: RowErrors, _ price: Float, _ keepsZeros: Bool,
    _ outcome: inout Outcome
  ) {
    let step = outcome.step
    let line = symbols + row &* stride
    let group = row / max(layer.rows / layer.groups, 1)
    var part = 0
    var start = 0
    while start < layer.columns {
      let factor = part < factors.count ? factors[part] : nil
      let matrix = factor?.matrix(group: group)
      let columns = factor?.columns ?? layer.columns
      var column = 0
      var wrong = 0
      while column < columns {
        let place = start &+ column
        // The error so far, and what one of this weight adds.
        var (before, gain): (Float, Float) = (0, 1)
        if let matrix {
          let entries = matrix + column &* columns
          before = errors.dotProduct(entries, column, wrong: wrong)
          gain = entries[column]
        }
        let weight = weights[place]
        let context = SymbolContext(line + place, stride: stride)
        var symbol: Int32 = 0
        if !keepsZeros || weight != 0 {
          let target = (weight + before / gain) / step
          let scale = gain * gain * step * step
          let magnitude = target.magnitude
          var best = scale * magnitude * magnitude + price * costs.zero[context.zero &* 2]
          let low = GridLayer.whole(magnitude)
          let other = price * costs.zero[context.zero &* 2 &+ 1]
          let table = costs.magnitude + context.magnitude &* costs.stride
          var candidate = max(low &- 1, 1)
          let last = min(low &+ 1, Int32(GridLayer.limit))
          while candidate <= last {
            let error = magnitude - Float(candidate)
            let value = scale * error * error + other + price * table[Int(candidate)]
            if value < best {
              best = value
              symbol = candidate
            }
            candidate &+= 1
          }
          if symbol == 0 {
            outcome.bits += Double(costs.zero[context.zero &* 2])
          } else {
            outcome.bits += Double(costs.zero[context.zero &* 2 &+ 1] + table[Int(symbol)])
            if target < 0 { symbol = -symbol }
          }
        } else {
          outcome.bits += Double(costs.zero[context.zero &* 2])
        }
        line[place] = symbol
        costs.count(Int(symbol.magnitude), context)
        let error = weight - Float(symbol) * step
        errors.values[column] = error
        if error != 0 {
          errors.places[wrong] = Int32(truncatingIfNeeded: column)
          wrong &+= 1
        }
        let sum = Double(before + gain * error)
        outcome.error += sum * sum
        column &+= 1
      }
      start &+= columns
      part &+= 1
    }
  }

  /// The weights that the symbols stand for: symbol * step, rounded once.
  func values(step: Float) -> [Float] {
    [Float](unsafeUninitializedCapacity: layer.count) { values, written in
      var row = 0
      while row < layer.rows {
        let line = symbols + row &* stride
        var column = 0
        while column < layer.columns {
          values[row &* layer.columns &+ column] = Float(line[column]) * step
          column &+= 1
        }
        row &+= 1
      }
      written = layer.count
    }
  }
}

/// The errors of a row's weights, up to the one that is being chosen.
private struct RowErrors {
  let values: UnsafeMutablePointer<Float>
  /// Of those that are not zero.
  let places: UnsafeMutablePointer<Int32>
  private let storage: Storage

  init(_ columns: Int) throws(EdgeError) {
    storage = try Storage.allocate(try checkedProduct(columns, 8))
    values = storage.floats
    places = (storage.base + columns &* 4).assumingMemoryBound(to: Int32.self)
  }

  /// sum a error, of the first `count` errors, of which `wrong` are not zero. In pruned rows few are.
  @inline(never)
  func dotProduct(_ a: UnsafePointer<Float>, _ count: Int, wrong: Int) -> Float {
    if wrong &* 4 > count { return floatDotProduct(a, values, count) }
    var sum: Float = 0
    var index = 0
    while index < wrong {
      let place = Int(places[index])
      sum += a[place] * values[place]
      index &+= 1
    }
    return sum
  }
}
