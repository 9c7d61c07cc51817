#if !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

// Sums over the rows of each channel, and the normalization made of them: rows of channels, four registers of columns at a time.
// Rows of few channels are read several at once, as one row that fills the registers.

/// Columns that are computed together.
@inline(__always) private var groupColumns: Int { 4 &* lanes }

/// Rows read as one, at least 1.
@inline(__always) private func foldedRows(_ channels: Int) -> Int { larger(groupColumns / larger(channels, 1), 1) }

/// Up to four registers of neighbouring elements.
private struct Columns {
  var v0: VF, v1: VF, v2: VF, v3: VF

  @inline(__always) init() { (v0, v1, v2, v3) = (VF(), VF(), VF(), VF()) }

  @inline(__always) init(_ p: UnsafePointer<Float>) {
    (v0, v1, v2, v3) = (VF.load(p), VF.load(p + lanes), VF.load(p + 2 &* lanes), VF.load(p + 3 &* lanes))
  }

  @inline(__always) func store(_ p: UnsafeMutablePointer<Float>) {
    v0.store(p)
    v1.store(p + lanes)
    v2.store(p + 2 &* lanes)
    v3.store(p + 3 &* lanes)
  }
}

/// The channels' values, repeated for each of the rows that are read as one.
private func repeated(_ values: UnsafePointer<Float>, _ channels: Int, _ rows: Int, _ to: UnsafeMutablePointer<Float>) {
  var row = 0
  while row < rows {
    copyFloats(to + row &* channels, values, channels)
    row &+= 1
  }
}

// MARK: Sums

func channelSumsUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(args.assumingMemoryBound(to: ek_channel_sums.self).pointee.blocks)
}

/// Means and two sums of the columns of a group.
func channelSumsScratch(_ args: UnsafeRawPointer?) -> Int64 { Int64(3 &* groupColumns &* 4) }

func channelSumsRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args, let scratch else { return }
  let a = args.assumingMemoryBound(to: ek_channel_sums.self).pointee
  guard let x = a.x, let y = a.y else { return }
  let channels = Int(a.c), rows = Int(a.rows), blockRows = divideUp(rows, Int(a.blocks))
  let isGradient = Int(a.function) == EK_SUMS_GRADIENT
  let folded = foldedRows(channels), width = channels &* folded
  let means = scratch.assumingMemoryBound(to: Float.self)
  var block = Int(begin)
  while block < Int(end) {
    let first = smaller(block &* blockRows, rows), count = smaller(blockRows, rows &- first)
    let own = y + block &* channels &* (isGradient ? 2 : 1)
    var column = 0
    while column < width {
      let columns = smaller(groupColumns, width &- column)
      var sums = ChannelSums(
        function: Int(a.function), columns: columns, rows: count / folded, stride: width, x: x + (first &* channels &+ column),
        dy: a.dy.map { $0 + (first &* channels &+ column) }, means: means, sums: means + groupColumns)
      if folded == 1 {
        if let mean = a.mean { copyFloats(means, mean + column, columns) } else { zeroFloats(means, columns) }
        sums.add()
        copyFloats(own + column, sums.sums, columns)
        if isGradient { copyFloats(own + (channels &+ column), sums.sums + groupColumns, columns) }
      } else {
        if let mean = a.mean { repeated(mean, channels, folded, means) } else { zeroFloats(means, columns) }
        sums.add()
        // What is left is less than one row of registers.
        sums.x += sums.rows &* width
        if let dy = sums.dy { sums.dy = dy + sums.rows &* width }
        sums.columns = count % folded &* channels
        sums.join(channels, own, isGradient)
      }
      column &+= groupColumns
    }
    block &+= 1
  }
}

private struct ChannelSums {
  let function: Int
  var columns: Int
  let rows: Int, stride: Int
  var x: UnsafePointer<Float>
  var dy: UnsafePointer<Float>?
  let means: UnsafePointer<Float>
  let sums: UnsafeMutablePointer<Float>

  func add() {
    if columns == groupColumns { return addFour() }
    forEachVector(0, columns, { addOne($0, WholeLanes()) }, { addOne($0, PartLanes(count: $1)) })
  }

  /// One register of columns of a group with less than four.
  @inline(never) private func addOne<L: ChannelLanes>(_ column: Int, _ part: L) {
    let mean = part.load(means + column)
    var sum = VF(), second = VF()
    var p = x + column
    var gradient = (dy ?? x) + column
    var left = rows
    while left > 0 {
      let v = part.load(p), d = v - mean
      if function == EK_SUMS_MEAN {
        sum += v
      } else if function == EK_SUMS_VARIANCE {
        sum = multiplyAdd(d, d, sum)
      } else {
        let g = part.load(gradient)
        sum += g
        second = multiplyAdd(g, d, second)
        gradient += stride
      }
      p += stride
      left &-= 1
    }
    part.store(sum, sums + column)
    part.store(second, sums + (groupColumns &+ column))
  }

  @inline(never) private func addFour() {
    let mean = Columns(means)
    var sum = Columns(), second = Columns()
    var p = x
    var gradient = dy ?? x
    var left = rows
    while left > 0 {
      let v = Columns(p)
      if function == EK_SUMS_MEAN {
        sum.v0 += v.v0
        sum.v1 += v.v1
        sum.v2 += v.v2
        sum.v3 += v.v3
      } else {
        let d0 = v.v0 - mean.v0, d1 = v.v1 - mean.v1, d2 = v.v2 - mean.v2, d3 = v.v3 - mean.v3
        if function == EK_SUMS_VARIANCE {
          sum.v0 = multiplyAdd(d0, d0, sum.v0)
          sum.v1 = multiplyAdd(d1, d1, sum.v1)
          sum.v2 = multiplyAdd(d2, d2, sum.v2)
          sum.v3 = multiplyAdd(d3, d3, sum.v3)
        } else {
          let g = Columns(gradient)
          sum.v0 += g.v0
          sum.v1 += g.v1
          sum.v2 += g.v2
          sum.v3 += g.v3
          second.v0 = multiplyAdd(g.v0, d0, second.v0)
          second.v1 = multiplyAdd(g.v1, d1, second.v1)
          second.v2 = multiplyAdd(g.v2, d2, second.v2)
          second.v3 = multiplyAdd(g.v3, d3, second.v3)
          gradient += stride
        }
      }
      p += stride
      left &-= 1
    }
    sum.store(sums)
    second.store(sums + groupColumns)
  }

  /// Adds up the sums of rows that were read as one, and `columns` elements of rows that are left.
  func join(_ channels: Int, _ y: UnsafeMutablePointer<Float>, _ isGradient: Bool) {
    var channel = 0
    while channel < channels {
      var sum: Float = 0, second: Float = 0
      var i = channel
      while i < stride {
        sum += sums[i]
        second += sums[groupColumns &+ i]
        i &+= channels
      }
      i = channel
      while i < columns {
        let d = x[i] - means[channel]
        switch function {
        case EK_SUMS_MEAN: sum += x[i]
        case EK_SUMS_VARIANCE: sum += d * d
        default:
          if let dy {
            sum += dy[i]
            second += dy[i] * d
          }
        }
        i &+= channels
      }
      y[channel] = sum
      if isGradient { y[channels &+ channel] = second }
      channel &+= 1
    }
  }
}

// MARK: Normalization

/// Rows of a unit, whole folded ones.
private func affineRows(_ channels: Int) -> Int { roundedUp(divideUp(8192, larger(channels, 1)), foldedRows(channels)) }

func channelAffineUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let a = args.assumingMemoryBound(to: ek_channel_affine.self).pointee
  return Int64(divideUp(Int(a.rows), affineRows(Int(a.c))))
}

/// Three factors of the columns of a group.
func channelAffineScratch(_ args: UnsafeRawPointer?) -> Int64 { Int64(3 &* groupColumns &* 4) }

func channelAffineRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args, let scratch else { return }
  let a = args.assumingMemoryBound(to: ek_channel_affine.self).pointee
  guard let x = a.x, let y = a.y, let factors = a.factors else { return }
  let channels = Int(a.c), folded = foldedRows(channels), width = channels &* folded
  let first = Int(begin) &* affineRows(channels), rows = smaller(Int(end) &* affineRows(channels), Int(a.rows)) &- first
  let copies = scratch.assumingMemoryBound(to: Float.self)
  // A unit at a time of each group of columns, so that lines of the cache are read once.
  var done = 0
  while done < rows {
    let count = smaller(affineRows(channels), rows &- done), start = (first &+ done) &* channels
    var column = 0
    while column < width {
      let columns = smaller(groupColumns, width &- column)
      var row = 0
      while row < 3 {
        let from = factors + row &* channels
        if folded == 1 { copyFloats(copies + row &* groupColumns, from + column, columns) } else { repeated(from, channels, folded, copies + row &* groupColumns) }
        row &+= 1
      }
      let at = start &+ column
      affine(columns, count / folded, width, x + at, a.z.map { $0 + at }, copies, y + at, a.clamp_min, a.clamp_max)
      let left = count % folded &* channels
      if left > 0 {
        let end = at &+ count / folded &* width
        affine(left, 1, width, x + end, a.z.map { $0 + end }, copies, y + end, a.clamp_min, a.clamp_max)
      }
      column &+= groupColumns
    }
    done &+= count
  }
}

/// Products are rounded before they are added, not fused: every set gives the reference's bits.
@inline(never)
private func affine(
  _ columns: Int, _ rows: Int, _ stride: Int, _ x: UnsafePointer<Float>, _ z: UnsafePointer<Float>?, _ factors: UnsafePointer<Float>,
  _ y: UnsafeMutablePointer<Float>, _ low: Float, _ high: Float
) {
  let end = rows &* stride
  if columns < groupColumns {
    return forEachVector(
      0, columns, { affineOne($0, end, stride, x, z, factors, y, low, high, WholeLanes()) },
      { affineOne($0, end, stride, x, z, factors, y, low, high, PartLanes(count: $1)) })
  }
  let f = Columns(factors), g = Columns(factors + groupColumns), h = Columns(factors + 2 &* groupColumns)
  let low = VF(repeating: low), high = VF(repeating: high)
  var at = 0
  while at < end {
    var v = Columns(x + at)
    v.v0 *= f.v0
    v.v1 *= f.v1
    v.v2 *= f.v2
    v.v3 *= f.v3
    if let z {
      let w = Columns(z + at)
      v.v0 += w.v0 * g.v0
      v.v1 += w.v1 * g.v1
      v.v2 += w.v2 * g.v2
      v.v3 += w.v3 * g.v3
    }
    v.v0 = minimum(high, maximum(low, v.v0 + h.v0))
    v.v1 = minimum(high, maximum(low, v.v1 + h.v1))
    v.v2 = minimum(high, maximum(low, v.v2 + h.v2))
    v.v3 = minimum(high, maximum(low, v.v3 + h.v3))
    v.store(y + at)
    at &+= stride
  }
}

/// One register of columns of a group with less than four.
@inline(never)
private func affineOne<L: ChannelLanes>(
  _ column: Int, _ end: Int, _ stride: Int, _ x: UnsafePointer<Float>, _ z: UnsafePointer<Float>?, _ factors: UnsafePointer<Float>,
  _ y: UnsafeMutablePointer<Float>, _ low: Float, _ high: Float, _ part: L
) {
  let f = part.load(factors + column), g = part.load(factors + (groupColumns &+ column)), h = part.load(factors + (2 &* groupColumns &+ column))
  let low = VF(repeating: low), high = VF(repeating: high)
  var at = 0
  while at < end {
    var v = part.load(x + (at &+ column)) * f
    if let z { v += part.load(z + (at &+ column)) * g }
    part.store(minimum(high, maximum(low, v + h)), y + (at &+ column))
    at &+= stride
  }
}
#endif
