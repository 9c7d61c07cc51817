#if !ISA_SSE2 && !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

/// Sums of one output for a few registers of pixels.
private protocol PixelTile {
  associatedtype Operation: TileOperation where Operation.Sum == Operation.Vector
  static var registers: Int { get }
  init()
  mutating func step(_ x: UnsafePointer<Operation.Vector>, _ weight: Operation.Vector)
  func store(_ to: UnsafeMutablePointer<Operation.Sum>)
}

private struct OneRegister<Operation: TileOperation>: PixelTile where Operation.Sum == Operation.Vector {
  private var sum = Operation.Sum()
  @inline(__always) static var registers: Int { 1 }
  @inline(__always) init() {}
  @inline(__always) mutating func step(_ x: UnsafePointer<Operation.Vector>, _ weight: Operation.Vector) {
    Operation.accumulate(&sum, x[0], weight)
  }
  @inline(__always) func store(_ to: UnsafeMutablePointer<Operation.Sum>) { to[0] = sum }
}

private struct Registers<First: PixelTile, Last: PixelTile>: PixelTile where First.Operation == Last.Operation {
  typealias Operation = First.Operation
  private var first = First(), last = Last()
  @inline(__always) static var registers: Int { First.registers &+ Last.registers }
  @inline(__always) init() {}
  @inline(__always) mutating func step(_ x: UnsafePointer<Operation.Vector>, _ weight: Operation.Vector) {
    first.step(x, weight)
    last.step(x + First.registers, weight)
  }
  @inline(__always) func store(_ to: UnsafeMutablePointer<Operation.Sum>) {
    first.store(to)
    last.store(to + First.registers)
  }
}

/// The sparse form whose lanes are pixels (Elsen and others 2019, "Fast sparse convnets"). Packed, sizes rounded up to 64 bytes:
///
///     begins   Int32 [outputs + 1]           the first entry of each output
///     heads    [outputs]                     SparseHead
///     entries  [entries]                     Int32 step, UInt32 word of weights
///
/// A unit of work is a block of pixels, whose rows are transposed in scratch, by a block of panels of outputs, whose results are
/// transposed back together. The blocks of panels of the same pixels follow each other, so a thread transposes rows once.
enum SparsePixels<E: SparseLanes> {
  /// Registers of a block of pixels.
  private static var registers: Int { 4 }
  /// Outputs transposed back together.
  private static var panelColumns: Int { 16 }
  /// Rows that are copied before they are transposed.
  private static var copiedRows: Int { 16 }

  private static func headsOffset(_ shape: SparseShape<E>) -> Int { roundedUp(4 &* (shape.columns &+ 1), 64) }
  private static func entriesOffset(_ shape: SparseShape<E>) -> Int { headsOffset(shape) &+ roundedUp(8 &* shape.columns, 64) }

  static func packedBytes(_ a: ek_conv) -> Int {
    let shape = SparseShape<E>(a)
    return entriesOffset(shape) &+ roundedUp(8 &* shape.entries(a, 1), 64)
  }

  static func pack(_ a: ek_conv, _ packed: UnsafeMutableRawPointer) {
    let shape = SparseShape<E>(a)
    let begins = packed.assumingMemoryBound(to: Int32.self)
    let heads = (packed + headsOffset(shape)).assumingMemoryBound(to: SparseHead.self)
    let first = packed + entriesOffset(shape)
    var entry = first
    var column = 0
    while column < shape.columns {
      begins[column] = Int32(truncatingIfNeeded: (entry - first) / 8)
      heads[column] = shape.head(a, column)
      shape.steps(a, column, 1) { step in
        entry.storeBytes(of: Int32(truncatingIfNeeded: step), as: Int32.self)
        entry.storeBytes(of: shape.word(a, column, step), toByteOffset: 4, as: UInt32.self)
        entry += 8
      }
      column &+= 1
    }
    begins[column] = Int32(truncatingIfNeeded: (entry - first) / 8)
  }

  // MARK: Units

  private struct Blocks {
    /// Pairs of registers of pixels, and the blocks of one or two pairs.
    let pairs: Int, count: Int
    let panels: Int, blockPanels: Int, panelBlocks: Int

    init(_ shape: SparseShape<E>) {
      pairs = divideUp(shape.rows, 2 &* lanes)
      count = divideUp(pairs, 2)
      panels = divideUp(shape.columns, panelColumns)
      blockPanels = larger(divideUp(panels, divideUp(16, count)), 1)
      panelBlocks = divideUp(panels, blockPanels)
    }

    /// The first register of a block.
    func first(_ block: Int) -> Int { smaller(4 &* block, 2 &* pairs) }
  }

  static func units(_ a: ek_conv) -> Int {
    let blocks = Blocks(SparseShape<E>(a))
    return blocks.count &* blocks.panelBlocks
  }

  private static var registerBytes: Int { 4 &* lanes }

  /// Transposed rows, sums, results, residuals, copied rows.
  static func scratchBytes(_ a: ek_conv) -> Int {
    let shape = SparseShape<E>(a)
    return registers &* registerBytes &* (shape.steps &+ 1 &+ 2 &* panelColumns) &+ shape.gatheredBytes(copiedRows)
  }

  static func run(_ a: ek_conv, _ begin: Int, _ end: Int, _ scratch: UnsafeMutableRawPointer) {
    let shape = SparseShape<E>(a)
    let blocks = Blocks(shape)
    var transposedBlock = -1
    var unit = begin
    while unit < end {
      let block = unit / blocks.panelBlocks
      let first = blocks.first(block), count = blocks.first(block &+ 1) &- first
      let row = first &* lanes
      let rows = smaller(count &* lanes, shape.rows &- row)
      if block != transposedBlock { transposeRows(shape, a, row, rows, count &* lanes, scratch) }
      transposedBlock = block
      let product = Product(
        shape: shape, packed: a.packed, x: UnsafeRawPointer(scratch),
        sums: scratch + registers &* registerBytes &* shape.steps, rows: rows, output: E.moved(E.output(a), row, 0))
      var panel = unit % blocks.panelBlocks &* blocks.blockPanels
      let last = smaller(panel &+ blocks.blockPanels, blocks.panels)
      while panel < last {
        if count == 2 {
          product.multiply(Two.self, panel &* panelColumns)
        } else {
          product.multiply(Registers<Two, Two>.self, panel &* panelColumns)
        }
        panel &+= 1
      }
      unit &+= 1
    }
  }

  private typealias Two = Registers<OneRegister<E.Operation>, OneRegister<E.Operation>>

  private static func transposeRows(
    _ shape: SparseShape<E>, _ a: ek_conv, _ first: Int, _ count: Int, _ width: Int, _ scratch: UnsafeMutableRawPointer
  ) {
    let to = scratch.assumingMemoryBound(to: UInt32.self)
    let copies = scratch + registers &* registerBytes &* (shape.steps &+ 1 &+ 2 &* panelColumns)
    let together = shape.isInPlace ? count : copiedRows
    var done = 0
    while done < count {
      let part = smaller(together, count &- done)
      let (rows, stride) = shape.source(a, first &+ done, part, copies)
      transposeWords(rows, stride, part, shape.rowBytes, to + done, width, done &+ part == count ? width &- done : part)
      done &+= part
    }
  }

  /// A block of pixels with a panel of outputs.
  private struct Product {
    let shape: SparseShape<E>
    let packed: UnsafeRawPointer
    let x: UnsafeRawPointer
    let sums: UnsafeMutableRawPointer
    let rows: Int
    let output: E.Output

    @inline(never)
    func multiply<T: PixelTile>(_: T.Type, _ firstColumn: Int) where T.Operation == E.Operation {
      let spacing = T.registers &* lanes
      let results = sums + registers &* registerBytes
      let columns = smaller(panelColumns, shape.columns &- firstColumn)
      let target = E.moved(output, 0, firstColumn)
      var residual: UnsafePointer<VI>?
      if let (from, stride) = E.residual(target) {
        let to = results + panelColumns &* registers &* registerBytes
        transposeWords(
          from, stride &* E.elementBytes, rows, columns &* E.elementBytes, to.assumingMemoryBound(to: UInt32.self), spacing, spacing)
        residual = UnsafePointer(to.assumingMemoryBound(to: VI.self))
      }
      let begins = packed.assumingMemoryBound(to: Int32.self) + firstColumn
      let heads = (packed + headsOffset(shape)).assumingMemoryBound(to: SparseHead.self) + firstColumn
      var entry = packed + (entriesOffset(shape) &+ Int(begins[0]) &* 8)
      var column = 0
      while column < columns {
        var tile = T()
        let end = packed + (entriesOffset(shape) &+ Int(begins[column &+ 1]) &* 8)
        while entry < end {
          let step = Int(entry.load(as: Int32.self))
          tile.step(
            (x + step &* T.registers &* registerBytes).assumingMemoryBound(to: E.Operation.Vector.self),
            E.Operation.broadcast(entry + 4))
          entry += 8
        }
        let place = sums.assumingMemoryBound(to: E.Operation.Sum.self)
        tile.store(place)
        E.finish(place, T.registers, heads[column], column, target, residual, results.assumingMemoryBound(to: VI.self))
        column &+= 1
      }
      let (y, stride) = E.y(target)
      transposeWordsBack(
        results.assumingMemoryBound(to: UInt32.self), spacing, y, stride &* E.elementBytes, rows, columns &* E.elementBytes)
    }
  }
}
#endif
