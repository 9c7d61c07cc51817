import CPlatform
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
  #if ISA_NEON || ISA_NEONDOT
  // NEON multiplies by one lane of a register, so the elements of two steps are one load.
  /// The row elements of two steps, from `p` on.
  static func pair(_ p: UnsafeRawPointer) -> Vector
  static func accumulateFirst(_ sum: inout Sum, _ pair: Vector, _ panel: Vector)
  static func accumulateSecond(_ sum: inout Sum, _ pair: Vector, _ panel: Vector)
  /// Ends what the compiler may reorder with the next row (edgeai_neon.h says why).
  static func settle(_ a: inout Sum, _ b: inout Sum)
  #endif
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
  /// Sums that begin with `low` and `high` in every row.
  init(_ low: Operation.Sum, _ high: Operation.Sum)
  /// One step of any arithmetic with these sums: `a` is the element of the first row, `stride` the bytes from row to row.
  mutating func step<Step: TileOperation>(
    _: Step.Type, _ a: UnsafeRawPointer, _ stride: Int, _ low: Step.Vector, _ high: Step.Vector
  ) where Step.Sum == Operation.Sum
  #if ISA_NEON || ISA_NEONDOT
  /// Where each row begins.
  associatedtype Addresses
  static func addresses(_ a: UnsafeRawPointer, _ stride: Int) -> Addresses
  /// Two steps, `offset` bytes behind the addresses.
  mutating func stepPair(_ rows: Addresses, _ offset: Int, _ panel: PanelPair<Operation.Vector>)
  /// Sums of the first row.
  var first: (low: Operation.Sum, high: Operation.Sum) { get }
  /// Adds to sums that have just begun what their rows have of their own; the first row here is number `row`.
  mutating func begin<Terms: RowTerms>(_ row: Int, _ terms: Terms) where Terms.Sum == Operation.Sum
  /// As `finish`, for an even number of rows.
  func finishPairs<Sink: PairSink>(_ sink: inout Sink) where Sink.Sum == Operation.Sum
  #endif
  func finish<Sink: TileSink>(_ row: Int, _ sink: Sink) where Sink.Sum == Operation.Sum
}

#if ISA_NEON || ISA_NEONDOT
/// What the sums of a row begin with besides what all rows have.
protocol RowTerms {
  associatedtype Sum: SIMD
  func add(_ row: Int, _ low: inout Sum, _ high: inout Sum)
}

/// Takes the finished sums of two rows at a time, from the first row on.
protocol PairSink {
  associatedtype Sum: SIMD
  mutating func take(_ first: (low: Sum, high: Sum), _ second: (low: Sum, high: Sum))
}

/// The panel's vectors of two steps.
struct PanelPair<Vector> {
  let firstLow: Vector, firstHigh: Vector, secondLow: Vector, secondHigh: Vector
}
#endif

extension Tile {
  /// Adds `steps` steps of neighbouring elements of each row, and moves the panel behind theirs.
  @inline(__always)
  mutating func add(_ steps: Int, _ a: UnsafeRawPointer, _ stride: Int, _ panel: inout UnsafePointer<Operation.Vector>) {
    var a = a
    var left = steps
    #if ISA_NEON || ISA_NEONDOT
    let rows = Self.addresses(a, stride)
    let end = steps / 2 &* 2 &* Operation.elementBytes
    var offset = 0
    while offset < end {
      // The last load from the panel is at its start, so that it can move the pointer too.
      let secondLow = panel[2], secondHigh = panel[3]
      en_loads_end()
      stepPair(rows, offset, PanelPair(firstLow: panel[0], firstHigh: panel[1], secondLow: secondLow, secondHigh: secondHigh))
      offset &+= 2 &* Operation.elementBytes
      panel += 4
    }
    left &= 1
    a += offset
    #endif
    while left > 0 {
      step(a, stride, panel[0], panel[1])
      a += Operation.elementBytes
      panel += 2
      left &-= 1
    }
  }

  @inline(__always) init() { self.init(Operation.Sum(), Operation.Sum()) }

  @inline(__always)
  mutating func step(_ a: UnsafeRawPointer, _ stride: Int, _ low: Operation.Vector, _ high: Operation.Vector) {
    step(Operation.self, a, stride, low, high)
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
        tile.add(window.steps, tap, stride, &panel)
        tap += window.tapStride
        taps &-= 1
      }
      line += window.lineStride
      lines &-= 1
    }
    return tile
  }

  /// The same for windows that are one run of `steps`, with `low` and `high` added to each sum.
  @inline(__always)
  static func product(
    _ steps: Int, _ a: UnsafeRawPointer, _ stride: Int, _ panel: UnsafePointer<Operation.Vector>, _ low: Operation.Sum, _ high: Operation.Sum
  ) -> Self {
    var tile = Self(low, high)
    var panel = panel
    tile.add(steps, a, stride, &panel)
    return tile
  }

  /// The same for windows of one tap, with `low` and `high` added to each sum.
  @inline(__always)
  static func product(
    _ window: TileWindow, _ a: UnsafeRawPointer, _ stride: Int, _ panel: UnsafePointer<Operation.Vector>, _ low: Operation.Sum,
    _ high: Operation.Sum
  ) -> Self {
    var tile = Self(low, high)
    var panel = panel
    var line = a
    var lines = window.lines
    while lines > 0 {
      tile.add(window.steps, line, stride, &panel)
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
  @inline(__always) init(_ low: Operation.Sum, _ high: Operation.Sum) { self.low = low; self.high = high }

  @inline(__always)
  mutating func step<Step: TileOperation>(
    _: Step.Type, _ a: UnsafeRawPointer, _ stride: Int, _ low: Step.Vector, _ high: Step.Vector
  ) where Step.Sum == Operation.Sum {
    let element = Step.broadcast(a)
    Step.accumulate(&self.low, element, low)
    Step.accumulate(&self.high, element, high)
  }

  #if ISA_NEON || ISA_NEONDOT
  @inline(__always) static func addresses(_ a: UnsafeRawPointer, _: Int) -> UnsafeRawPointer { en_address(a) }

  @inline(__always)
  mutating func stepPair(_ row: UnsafeRawPointer, _ offset: Int, _ panel: PanelPair<Operation.Vector>) {
    let pair = Operation.pair(row + offset)
    Operation.accumulateFirst(&low, pair, panel.firstLow)
    Operation.accumulateFirst(&high, pair, panel.firstHigh)
    Operation.accumulateSecond(&low, pair, panel.secondLow)
    Operation.accumulateSecond(&high, pair, panel.secondHigh)
    Operation.settle(&low, &high)
  }

  @inline(__always) var first: (low: Operation.Sum, high: Operation.Sum) { (low, high) }

  @inline(__always)
  mutating func begin<Terms: RowTerms>(_ row: Int, _ terms: Terms) where Terms.Sum == Operation.Sum { terms.add(row, &low, &high) }

  /// A row alone is not a pair.
  @inline(__always) func finishPairs<Sink: PairSink>(_: inout Sink) where Sink.Sum == Operation.Sum {}
  #endif

  @inline(__always)
  func finish<Sink: TileSink>(_ row: Int, _ sink: Sink) where Sink.Sum == Operation.Sum { sink.take(row, low, high) }
}

/// One row by the first vector of columns only: for a last panel that is at most half full.
struct NarrowRow<Operation: TileOperation>: Tile {
  var low: Operation.Sum

  @inline(__always) static var rows: Int { 1 }
  @inline(__always) init(_ low: Operation.Sum, _: Operation.Sum) { self.low = low }

  @inline(__always)
  mutating func step<Step: TileOperation>(
    _: Step.Type, _ a: UnsafeRawPointer, _ stride: Int, _ low: Step.Vector, _ high: Step.Vector
  ) where Step.Sum == Operation.Sum {
    Step.accumulate(&self.low, Step.broadcast(a), low)
  }

  #if ISA_NEON || ISA_NEONDOT
  @inline(__always) static func addresses(_ a: UnsafeRawPointer, _: Int) -> UnsafeRawPointer { en_address(a) }

  @inline(__always)
  mutating func stepPair(_ row: UnsafeRawPointer, _ offset: Int, _ panel: PanelPair<Operation.Vector>) {
    let pair = Operation.pair(row + offset)
    Operation.accumulateFirst(&low, pair, panel.firstLow)
    Operation.accumulateSecond(&low, pair, panel.secondLow)
  }

  @inline(__always) var first: (low: Operation.Sum, high: Operation.Sum) { (low, low) }

  @inline(__always)
  mutating func begin<Terms: RowTerms>(_ row: Int, _ terms: Terms) where Terms.Sum == Operation.Sum {
    var unused = low
    terms.add(row, &low, &unused)
  }

  @inline(__always) func finishPairs<Sink: PairSink>(_: inout Sink) where Sink.Sum == Operation.Sum {}
  #endif

  @inline(__always)
  func finish<Sink: TileSink>(_ row: Int, _ sink: Sink) where Sink.Sum == Operation.Sum { sink.take(row, low, low) }
}

/// The rows of one tile above those of another.
struct TilePair<Top: Tile, Bottom: Tile>: Tile where Top.Operation == Bottom.Operation {
  typealias Operation = Top.Operation
  var top: Top, bottom: Bottom

  @inline(__always) static var rows: Int { Top.rows &+ Bottom.rows }
  @inline(__always) init(_ low: Operation.Sum, _ high: Operation.Sum) { top = Top(low, high); bottom = Bottom(low, high) }

  @inline(__always)
  mutating func step<Step: TileOperation>(
    _: Step.Type, _ a: UnsafeRawPointer, _ stride: Int, _ low: Step.Vector, _ high: Step.Vector
  ) where Step.Sum == Operation.Sum {
    top.step(Step.self, a, stride, low, high)
    bottom.step(Step.self, a + Top.rows &* stride, stride, low, high)
  }

  #if ISA_NEON || ISA_NEONDOT
  struct Addresses {
    let top: Top.Addresses, bottom: Bottom.Addresses
  }

  @inline(__always) static func addresses(_ a: UnsafeRawPointer, _ stride: Int) -> Addresses {
    Addresses(top: Top.addresses(a, stride), bottom: Bottom.addresses(a + Top.rows &* stride, stride))
  }

  @inline(__always)
  mutating func stepPair(_ rows: Addresses, _ offset: Int, _ panel: PanelPair<Operation.Vector>) {
    top.stepPair(rows.top, offset, panel)
    if Top.rows % 2 == 0 { en_loads_end() }
    bottom.stepPair(rows.bottom, offset, panel)
  }

  @inline(__always) var first: (low: Operation.Sum, high: Operation.Sum) { top.first }

  @inline(__always)
  mutating func begin<Terms: RowTerms>(_ row: Int, _ terms: Terms) where Terms.Sum == Operation.Sum {
    top.begin(row, terms)
    bottom.begin(row &+ Top.rows, terms)
  }

  @inline(__always) func finishPairs<Sink: PairSink>(_ sink: inout Sink) where Sink.Sum == Operation.Sum {
    if Top.rows == 1 { return sink.take(top.first, bottom.first) }
    top.finishPairs(&sink)
    bottom.finishPairs(&sink)
  }
  #endif

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
