/// Begins a panel of `count` columns with their bias.
func packBias(_ bias: UnsafePointer<Float>?, _ count: Int, _ panel: UnsafeMutablePointer<Float>) {
  if let bias { packRow(bias, count, panel) } else { zeroFloats(panel, panelWidth) }
}

/// Writes `k` elements of `count` columns; element (k, column) is at `k * step + column * columnStep`.
func packColumns(
  _ source: UnsafePointer<Float>, _ columnStep: Int, _ step: Int, _ k: Int, _ count: Int, _ weights: UnsafeMutablePointer<Float>
) {
  if columnStep == 1 && RowStep.readsInPlace {
    var i = 0
    while i < k {
      packRow(source + i &* step, count, weights + i &* panelWidth)
      i &+= 1
    }
    return
  }
  // A stretch of k at a time, so that the lines written stay in the cache while all columns pass.
  var start = 0
  let words = RowStep.words(k)
  while start < words {
    let end = smaller(start &+ 64, words)
    var column = 0
    while column < panelWidth {
      let from = source + column &* columnStep
      var i = start
      while i < end {
        weights[i &* panelWidth &+ column] = if column < count { RowStep.word(from, i, step, k) } else { 0 }
        i &+= 1
      }
      column &+= 1
    }
    start = end
  }
}

/// One row of a panel from `count` neighbouring floats, the rest 0.
@inline(__always)
private func packRow(_ from: UnsafePointer<Float>, _ count: Int, _ to: UnsafeMutablePointer<Float>) {
  if count >= panelWidth {
    VF.load(from).store(to)
    VF.load(from + lanes).store(to + lanes)
  } else {
    loadPart(from, smaller(count, lanes)).store(to)
    loadPart(from + smaller(count, lanes), larger(count &- lanes, 0)).store(to + lanes)
  }
}
