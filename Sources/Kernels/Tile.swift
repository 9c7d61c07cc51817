// The register tile of every matrix kernel. Sums live in a struct built recursively from single rows, which the
// compiler keeps in registers as a whole; arrays, tuples and loops over rows do not stay there.
//
// A tile multiplies a few rows of activations, read in place, with one panel of packed weights: for each step
// one element of a row (a float, or a group of int8) and two neighbouring vectors of the panel.

/// The arithmetic of one step.
protocol TileOperation {
  associatedtype Sum: SIMD
  /// A vector of the packed panel, and of a broadcast row element.
  associatedtype Vector
  /// Bytes a row advances by at each step.
  static var elementBytes: Int { get }
  /// The row element at `p` in all lanes.
  static func broadcast(_ p: UnsafeRawPointer) -> Vector
  static func accumulate(_ sum: inout Sum, _ element: Vector, _ panel: Vector)
}

/// Takes the finished sums of a tile, row by row.
protocol TileSink {
  associatedtype Sum: SIMD
  /// `low`, `high`: the panel's first and second vector of columns. A narrow row passes `low` twice.
  func take(_ row: Int, _ low: Sum, _ high: Sum)
}

protocol Tile {
  associatedtype Operation: TileOperation
  static var rows: Int { get }
  init()
  /// One step: `a` is the element of the first row, `stride` the bytes from row to row.
  mutating func step(_ a: UnsafeRawPointer, _ stride: Int, _ low: Operation.Vector, _ high: Operation.Vector)
  func finish<Sink: TileSink>(_ row: Int, _ sink: Sink) where Sink.Sum == Operation.Sum
}

extension Tile {
  /// Multiplies `rows` rows, `stride` bytes apart, with a panel of `steps` x 2 vectors.
  @inline(__always)
  static func product(
    _ steps: Int, _ a: UnsafeRawPointer, _ stride: Int, _ panel: UnsafePointer<Operation.Vector>
  ) -> Self {
    var tile = Self()
    var a = a, panel = panel
    var left = steps
    while left > 0 {
      tile.step(a, stride, panel[0], panel[1])
      a += Operation.elementBytes
      panel += 2
      left &-= 1
    }
    return tile
  }
}

/// The inner dimension as the runs of memory it is made of: `lines` lines of `taps` taps of `steps` neighbouring
/// elements. A plain matrix row is one run; a convolution window read in place has a run for each line or tap.
struct TileWindow {
  var lines = 1, taps = 1
  var steps: Int
  /// Bytes from line to line and from tap to tap.
  var lineStride = 0, tapStride = 0

  @inline(__always) init(steps: Int) { self.steps = steps }

  /// Length of the inner dimension.
  @inline(__always) var total: Int { lines &* taps &* steps }
}

extension Tile {
  /// Multiplies `rows` windows, `stride` bytes apart, with a panel.
  @inline(__always)
  static func product(
    _ window: TileWindow, _ a: UnsafeRawPointer, _ stride: Int, _ panel: UnsafePointer<Operation.Vector>
  ) -> Self {
    var tile = Self()
    var panel = panel
    var line = a
    var lines = window.lines
    while lines > 0 {
      var tap = line
      var taps = window.taps
      while taps > 0 {
        var a = tap
        var left = window.steps
        while left > 0 {
          tile.step(a, stride, panel[0], panel[1])
          a += Operation.elementBytes
          panel += 2
          left &-= 1
        }
        tap += window.tapStride
        taps &-= 1
      }
      line += window.lineStride
      lines &-= 1
    }
    return tile
  }
}

/// One row by two vectors of columns.
struct WideRow<Operation: TileOperation>: Tile {
  var low: Operation.Sum, high: Operation.Sum

  @inline(__always) static var rows: Int { 1 }
  @inline(__always) init() { low = Operation.Sum(); high = Operation.Sum() }

  @inline(__always)
  mutating func step(_ a: UnsafeRawPointer, _ stride: Int, _ low: Operation.Vector, _ high: Operation.Vector) {
    let element = Operation.broadcast(a)
    Operation.accumulate(&self.low, element, low)
    Operation.accumulate(&self.high, element, high)
  }

  @inline(__always)
  func finish<Sink: TileSink>(_ row: Int, _ sink: Sink) where Sink.Sum == Operation.Sum { sink.take(row, low, high) }
}

/// One row by the first vector of columns only: for a last panel that is at most half full.
struct NarrowRow<Operation: TileOperation>: Tile {
  var low: Operation.Sum

  @inline(__always) static var rows: Int { 1 }
  @inline(__always) init() { low = Operation.Sum() }

  @inline(__always)
  mutating func step(_ a: UnsafeRawPointer, _ stride: Int, _ low: Operation.Vector, _ high: Operation.Vector) {
    Operation.accumulate(&self.low, Operation.broadcast(a), low)
  }

  @inline(__always)
  func finish<Sink: TileSink>(_ row: Int, _ sink: Sink) where Sink.Sum == Operation.Sum { sink.take(row, low, low) }
}

/// The rows of one tile above those of another.
struct TilePair<Top: Tile, Bottom: Tile>: Tile where Top.Operation == Bottom.Operation {
  typealias Operation = Top.Operation
  var top: Top, bottom: Bottom

  @inline(__always) static var rows: Int { Top.rows &+ Bottom.rows }
  @inline(__always) init() { top = Top(); bottom = Bottom() }

  @inline(__always)
  mutating func step(_ a: UnsafeRawPointer, _ stride: Int, _ low: Operation.Vector, _ high: Operation.Vector) {
    top.step(a, stride, low, high)
    bottom.step(a + Top.rows &* stride, stride, low, high)
  }

  @inline(__always)
  func finish<Sink: TileSink>(_ row: Int, _ sink: Sink) where Sink.Sum == Operation.Sum {
    top.finish(row, sink)
    bottom.finish(row &+ Top.rows, sink)
  }
}

typealias Rows2<Row: Tile> = TilePair<Row, Row>
typealias Rows4<Row: Tile> = TilePair<Rows2<Row>, Rows2<Row>>
typealias Rows5<Row: Tile> = TilePair<Rows4<Row>, Row>
typealias Rows6<Row: Tile> = TilePair<Rows4<Row>, Rows2<Row>>
typealias Rows7<Row: Tile> = TilePair<Rows6<Row>, Row>
typealias Rows8<Row: Tile> = TilePair<Rows4<Row>, Rows4<Row>>
typealias Rows12<Row: Tile> = TilePair<Rows8<Row>, Rows4<Row>>
typealias Rows14<Row: Tile> = TilePair<Rows8<Row>, Rows6<Row>>
