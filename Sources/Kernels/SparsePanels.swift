#if !ISA_SSE2 && !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

/// The sparse form whose lanes are outputs. Packed, sizes rounded up to 64 bytes:
///
///     begins   Int32 [panels + 1]            the first entry of each panel
///     heads    [panels][heads][sparseWidth]  bias; or corrections, then scales
///     weights  [entries][sparseWidth]        words of the outputs
///     offsets  Int32 [entries]               bytes from a row's beginning to its word
///
/// A unit of work is a few tiles of rows by a block of panels. All panels of a tile follow each other: its rows are in the
/// first level cache, and of each panel's weights few are left to read.
enum SparsePanels<E: SparseElements> {
  private static var headBytes: Int { 8 &* sparseWidth }
  private static var stepBytes: Int { 4 &* sparseWidth }
  private static var tileRows: Int { SparseTile<E.Operation>.rows }

  private static func weightsOffset(_ shape: SparseShape<E>) -> Int { roundedUp(4 &* (shape.panels &+ 1), 64) &+ shape.panels &* headBytes }

  static func packedBytes(_ a: ek_conv) -> Int {
    let shape = SparseShape<E>(a)
    let entries = shape.entries(a, sparseWidth)
    return weightsOffset(shape) &+ entries &* stepBytes &+ roundedUp(4 &* entries, 64)
  }

  static func pack(_ a: ek_conv, _ packed: UnsafeMutableRawPointer) {
    let shape = SparseShape<E>(a)
    let begins = packed.assumingMemoryBound(to: Int32.self)
    let weights = packed + weightsOffset(shape)
    let offsets = (weights + shape.entries(a, sparseWidth) &* stepBytes).assumingMemoryBound(to: Int32.self)
    var head = packed + roundedUp(4 &* (shape.panels &+ 1), 64)
    var entry = 0
    var panel = 0
    while panel < shape.panels {
      begins[panel] = Int32(truncatingIfNeeded: entry)
      let column = panel &* sparseWidth
      let count = smaller(sparseWidth, shape.columns &- column)
      shape.steps(a, column, count) { step in
        let place = weights + entry &* stepBytes
        var i = 0
        while i < sparseWidth {
          place.storeBytes(of: 0, toByteOffset: 4 &* i, as: UInt32.self)
          i &+= 1
        }
        i = 0
        while i < count {
          E.place(shape.word(a, column &+ i, step), i, place)
          i &+= 1
        }
        offsets[entry] = Int32(truncatingIfNeeded: 4 &* step)
        entry &+= 1
      }
      var i = 0
      while i < sparseWidth {
        let values = i < count ? shape.head(a, column &+ i) : SparseHead()
        head.storeBytes(of: values.first, toByteOffset: 4 &* i, as: UInt32.self)
        head.storeBytes(of: values.second, toByteOffset: 4 &* (sparseWidth &+ i), as: UInt32.self)
        i &+= 1
      }
      head += headBytes
      panel &+= 1
    }
    begins[panel] = Int32(truncatingIfNeeded: entry)
  }

  // MARK: Units

  /// Rows of a unit, its panels, and how many such blocks of panels there are.
  private static func blocks(_ shape: SparseShape<E>) -> (rows: Int, panels: Int, count: Int) {
    // Tiles of one unit share nothing but the call.
    let rows = larger(smaller(divideUp(shape.rows, tileRows) / 32, 8), 1) &* tileRows
    // Few tiles are shared by their panels.
    let panels = larger(divideUp(shape.panels, divideUp(16, divideUp(shape.rows, rows))), 1)
    return (rows, panels, divideUp(shape.panels, panels))
  }

  static func units(_ a: ek_conv) -> Int {
    let shape = SparseShape<E>(a)
    let block = blocks(shape)
    return divideUp(shape.rows, block.rows) &* block.count
  }

  /// Copied rows of a tile, then results and residuals of outputs that do not fill a panel.
  static func scratchBytes(_ a: ek_conv) -> Int { SparseShape<E>(a).gatheredBytes(tileRows) &+ 2 &* partBytes }
  private static var partBytes: Int { 4 &* tileRows &* sparseWidth }

  static func run(_ a: ek_conv, _ begin: Int, _ end: Int, _ scratch: UnsafeMutableRawPointer) {
    let shape = SparseShape<E>(a)
    let block = blocks(shape)
    let part = scratch + shape.gatheredBytes(tileRows)
    let output = E.output(a)
    var unit = begin
    while unit < end {
      let firstPanel = unit % block.count &* block.panels
      let endPanel = smaller(firstPanel &+ block.panels, shape.panels)
      var row = unit / block.count &* block.rows
      let last = smaller(row &+ block.rows, shape.rows)
      while row < last {
        let tile = smaller(tileRows, last &- row)
        let (rows, stride) = shape.source(a, row, tile, scratch)
        var done = 0
        while done < tile {
          let product = Product(
            shape: shape, packed: a.packed, rows: rows + done &* stride, stride: stride,
            output: E.moved(output, row &+ done, 0), part: part)
          let left = tile &- done
          if left >= tileRows {
            product.multiply(SparseTile<E.Operation>.self, firstPanel, endPanel)
            done &+= tileRows
          } else if left >= 2 {
            product.multiply(Rows2<SparseRow<E.Operation>>.self, firstPanel, endPanel)
            done &+= 2
          } else {
            product.multiply(SparseRow<E.Operation>.self, firstPanel, endPanel)
            done &+= 1
          }
        }
        row &+= tile
      }
      unit &+= 1
    }
  }

  /// A tile of rows with some of the panels.
  private struct Product {
    let shape: SparseShape<E>
    let packed: UnsafeRawPointer
    let rows: UnsafeRawPointer
    let stride: Int
    let output: E.Output
    let part: UnsafeMutableRawPointer

    @inline(never)
    func multiply<T: Tile>(_: T.Type, _ first: Int, _ end: Int) where T.Operation == E.Operation {
      let begins = packed.assumingMemoryBound(to: Int32.self)
      let heads = packed + roundedUp(4 &* (shape.panels &+ 1), 64)
      let weights = packed + weightsOffset(shape)
      let offsets = (weights + Int(begins[shape.panels]) &* stepBytes).assumingMemoryBound(to: Int32.self)
      var panel = first
      while panel < end {
        let start = E.start(heads + panel &* headBytes)
        var tile = T(start.0, start.1)
        var offset = offsets + Int(begins[panel])
        let last = offsets + Int(begins[panel &+ 1])
        var vector = (weights + Int(begins[panel]) &* stepBytes).assumingMemoryBound(to: E.Operation.Vector.self)
        while offset < last {
          tile.step(rows + Int(offset[0]), stride, vector[0], vector[sparseVectors &- 1])
          vector += sparseVectors
          offset += 1
        }
        let column = panel &* sparseWidth
        let isPart = shape.columns &- column < sparseWidth
        let target = isPart ? partTarget(column, T.rows) : E.moved(output, 0, column)
        E.finish(tile, target, heads + panel &* headBytes)
        if isPart { storePart(column, T.rows) }
        panel &+= 1
      }
    }

    /// Memory for whole registers of a panel that is not full, with its residual.
    private func partTarget(_ column: Int, _ count: Int) -> E.Output {
      var residual: UnsafeRawPointer?
      if let (from, stride) = E.residual(E.moved(output, 0, column)) {
        let copy = part + partBytes
        copyPart(copy, sparseWidth, from, stride, column, count)
        residual = UnsafeRawPointer(copy)
      }
      return E.replaced(output, part, residual, sparseWidth)
    }

    private func storePart(_ column: Int, _ count: Int) {
      let (y, stride) = E.y(E.moved(output, 0, column))
      copyPart(y, stride, UnsafeRawPointer(part), sparseWidth, column, count)
    }

    /// Copies the outputs from `column` on of `count` rows. Strides are elements.
    @inline(never)
    private func copyPart(
      _ to: UnsafeMutableRawPointer, _ toStride: Int, _ from: UnsafeRawPointer, _ fromStride: Int, _ column: Int, _ count: Int
    ) {
      var row = 0
      while row < count {
        copyBytes(
          (to + row &* toStride &* E.elementBytes).assumingMemoryBound(to: UInt8.self),
          (from + row &* fromStride &* E.elementBytes).assumingMemoryBound(to: UInt8.self),
          (shape.columns &- column) &* E.elementBytes)
        row &+= 1
      }
    }
  }
}
#endif
