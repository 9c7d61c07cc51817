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
    let isRun = step == 1 && RowStep.readsInPlace
    var column = isRun ? packFours(source + start, columnStep, end &- start, count, weights + start &* panelWidth) : 0
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

@inline(__always)
private func interleaved(_ a: SIMD2<Float>, _ b: SIMD2<Float>) -> SIMD4<Float> {
  var v = SIMD4<Float>()
  v.evenHalf = a
  v.oddHalf = b
  return v
}

/// Columns whose elements follow each other, four by four elements at a time; how many columns that were.
@inline(never)
private func packFours(_ source: UnsafePointer<Float>, _ columnStep: Int, _ k: Int, _ count: Int, _ to: UnsafeMutablePointer<Float>) -> Int {
  var column = 0
  while column &+ 4 <= count {
    let from = source + column &* columnStep
    var to = to + column
    var i = 0
    while i &+ 4 <= k {
      let a = SIMD4<Float>.load(from + i), b = SIMD4<Float>.load(from + (columnStep &+ i))
      let c = SIMD4<Float>.load(from + (2 &* columnStep &+ i)), d = SIMD4<Float>.load(from + (3 &* columnStep &+ i))
      let abLow = interleaved(a.lowHalf, b.lowHalf), cdLow = interleaved(c.lowHalf, d.lowHalf)
      let abHigh = interleaved(a.highHalf, b.highHalf), cdHigh = interleaved(c.highHalf, d.highHalf)
      SIMD4(lowHalf: abLow.lowHalf, highHalf: cdLow.lowHalf).store(to)
      SIMD4(lowHalf: abLow.highHalf, highHalf: cdLow.highHalf).store(to + panelWidth)
      SIMD4(lowHalf: abHigh.lowHalf, highHalf: cdHigh.lowHalf).store(to + 2 &* panelWidth)
      SIMD4(lowHalf: abHigh.highHalf, highHalf: cdHigh.highHalf).store(to + 3 &* panelWidth)
      to += 4 &* panelWidth
      i &+= 4
    }
    while i < k {
      var j = 0
      while j < 4 {
        to[j] = from[j &* columnStep &+ i]
        j &+= 1
      }
      to += panelWidth
      i &+= 1
    }
    column &+= 4
  }
  return column
}
