#if !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

// The tiles of a weight gradient: rows are neighbouring elements of one operand, columns those of the other, and each step
// is a pixel. Both operands are found by lists of places, so one loop passes all pixels of a block, whatever lines they are of.

/// The pixels of a block: bytes from `rows` and from `columns` to a pixel's elements, in every second entry of a list.
struct GradientSteps {
  let count: Int
  var rows: UnsafePointer<Float>
  let rowPlaces: UnsafePointer<Int>
  let columns: UnsafePointer<Float>
  let columnPlaces: UnsafePointer<Int>

  init(
    count: Int, rows: UnsafePointer<Float>, rowPlaces: UnsafeMutablePointer<Int>, columns: UnsafePointer<Float>,
    columnPlaces: UnsafeMutablePointer<Int>
  ) {
    self.count = count
    self.rows = rows
    self.rowPlaces = UnsafePointer(rowPlaces)
    self.columns = columns
    self.columnPlaces = UnsafePointer(columnPlaces)
  }
}

/// Floats of the largest tile's sums.
var gradientTileFloats: Int { 14 &* panelWidth }

/// Stores sums as they are: what adds them to the result is shared by all tiles, which makes each a third of the code.
private struct SumSink: TileSink {
  let sums: UnsafeMutablePointer<Float>
  @inline(__always) func take(_ row: Int, _ low: VF, _ high: VF) {
    low.store(sums + row &* panelWidth)
    high.store(sums + (row &* panelWidth &+ lanes))
  }
}

@inline(__always)
private func tile<T: Tile>(_: T.Type, _ s: GradientSteps, _ high: Int, _ sums: UnsafeMutablePointer<Float>)
where T.Operation == FloatStep {
  var tile = T()
  var place = 0
  let end = 2 &* s.count
  while place < end {
    let panel = UnsafeRawPointer(s.columns) + s.columnPlaces[place]
    tile.step(
      UnsafeRawPointer(s.rows) + s.rowPlaces[place], 4, panel.loadUnaligned(as: VF.self), (panel + high).loadUnaligned(as: VF.self))
    place &+= 2
  }
  tile.finish(0, SumSink(sums: sums))
}

/// Two vectors of columns; narrow: one.
@inline(never) private func wide<T: Tile>(_ type: T.Type, _ s: GradientSteps, _ sums: UnsafeMutablePointer<Float>) where T.Operation == FloatStep {
  tile(type, s, lanes &* 4, sums)
}
@inline(never) private func narrow<T: Tile>(_ type: T.Type, _ s: GradientSteps, _ sums: UnsafeMutablePointer<Float>) where T.Operation == FloatStep {
  tile(type, s, 0, sums)
}

private typealias Wide = WideRow<FloatStep>
private typealias Narrow = NarrowRow<FloatStep>

/// Rows of the next tile. With a single vector of columns, fewer than four sums would wait for each other.
@inline(__always)
private func tileHeight(_ left: Int) -> Int {
  #if ISA_AVX512VNNI
  if left >= 14 && left != 16 && left != 24 { return 14 }
  if left == 9 || left == 10 { return 5 }
  if left >= 8 { return 8 }
  if left >= 5 && left != 6 { return 5 }
  #elseif ISA_NEON
  if left >= 12 && left != 16 { return 12 }
  if left >= 8 { return 8 }
  #elseif ISA_AVX2
  if left >= 6 && left != 8 { return 6 }
  #endif
  return left >= 4 ? 4 : left >= 2 ? 2 : 1
}

/// Products of `rows` rows and up to a panel of columns, added to those in `y`, or put there.
func gradientRows(
  _ rows: Int, _ columns: Int, _ steps: GradientSteps, _ sums: UnsafeMutablePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ stride: Int,
  isFirst: Bool
) {
  var steps = steps
  var y = y
  var left = rows
  let isWide = columns > lanes
  while left > 0 {
    let height = tileHeight(left)
    switch height {
    #if ISA_AVX512VNNI
    case 14: if isWide { wide(Rows14<Wide>.self, steps, sums) } else { narrow(Rows14<Narrow>.self, steps, sums) }
    case 8: if isWide { wide(Rows8<Wide>.self, steps, sums) } else { narrow(Rows8<Narrow>.self, steps, sums) }
    case 5: if isWide { wide(Rows5<Wide>.self, steps, sums) } else { narrow(Rows5<Narrow>.self, steps, sums) }
    #elseif ISA_NEON
    case 12: if isWide { wide(Rows12<Wide>.self, steps, sums) } else { narrow(Rows12<Narrow>.self, steps, sums) }
    case 8: if isWide { wide(Rows8<Wide>.self, steps, sums) } else { narrow(Rows8<Narrow>.self, steps, sums) }
    #elseif ISA_AVX2
    case 6: if isWide { wide(Rows6<Wide>.self, steps, sums) } else { narrow(Rows6<Narrow>.self, steps, sums) }
    #endif
    case 4: if isWide { wide(Rows4<Wide>.self, steps, sums) } else { narrow(Rows4<Narrow>.self, steps, sums) }
    case 2: if isWide { wide(Rows2<Wide>.self, steps, sums) } else { narrow(Rows2<Narrow>.self, steps, sums) }
    default: if isWide { wide(Wide.self, steps, sums) } else { narrow(Narrow.self, steps, sums) }
    }
    if isFirst { putSums(height, columns, sums, y, stride) } else { addSums(height, columns, sums, y, stride) }
    steps.rows += height
    y += height &* stride
    left &-= height
  }
}

@inline(never)
private func addSums(_ rows: Int, _ columns: Int, _ sums: UnsafeMutablePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ stride: Int) {
  var row = 0
  while row < rows {
    let from = sums + row &* panelWidth, to = y + row &* stride
    var column = 0
    while column < columns {
      let count = smaller(lanes, columns &- column)
      let sum = loadPart(to + column, count) + VF.load(from + column)
      storePart(sum, to + column, count)
      column &+= lanes
    }
    row &+= 1
  }
}

@inline(never)
private func putSums(_ rows: Int, _ columns: Int, _ sums: UnsafeMutablePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ stride: Int) {
  var row = 0
  while row < rows {
    copyFloats(y + row &* stride, sums + row &* panelWidth, columns)
    row &+= 1
  }
}
#endif
