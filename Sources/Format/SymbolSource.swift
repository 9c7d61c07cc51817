#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A constant's elements, of which there are some, as symbols.
struct SymbolSource {
  private let keys: ElementKeys
  private let base: UnsafeRawPointer
  private let matrix: ConstantMatrix
  /// How symbols get their values; kind and coding are open.
  private(set) var form = ConstantForm(.mixed)
  /// How often each symbol occurs.
  private(set) var counts: [Int] = []
  private let table: ValueTable
  private var symbolOfNumber: [UInt16] = []
  /// Values of a palette that lists them, as keys in order; of an interval the first.
  private(set) var palette: [UInt64] = []
  /// One for a grid, one for each row, or none.
  private(set) var steps: [Float] = []

  /// Nil when there are too many values, or when symbols would take more than the elements themselves.
  init?(_ value: Value, _ constant: TensorData, _ matrix: ConstantMatrix) throws(EdgeError) {
    keys = ElementKeys(value.dtype)
    base = constant.base
    self.matrix = matrix
    var table = try ValueTable()
    let isPalette = table.add(keys, constant.base, matrix.count)
    self.table = table
    let listBits = isPalette ? choosePalette(value.dtype) : Int.max
    // Scales of rows pay where they are fewer than values.
    let isRows = value.dtype == .float32 && matrix.rows > 0 && UInt(bitPattern: constant.base) % 4 == 0 && (!isPalette || palette.count > 16) && chooseRows(below: listBits)
    guard isPalette || isRows else { return nil }
    let ownBits = matrix.count.multipliedReportingOverflow(by: 8 * keys.bytes)
    guard isRows || listBits < ownBits.partialValue || ownBits.overflow || keys.bytes == 1 || counts.count == 1 else { return nil }
    form.symbols = counts.count
    for (symbol, count) in counts.enumerated() where count > counts[form.zero] { form.zero = symbol }
  }

  private static func bits(_ symbols: Int) -> Int { Int.bitWidth - (symbols - 1).leadingZeroBitCount }

  /// A palette of all values; gives the bits that listing it and coding the symbols plainly take.
  private mutating func choosePalette(_ dtype: DType) -> Int {
    let found = table.patterns.map { keys.key($0) }
    let order = sortedIndices(found.count) { found[$0] < found[$1] }
    let sorted = order.map { found[$0] }
    symbolOfNumber = [UInt16](repeating: 0, count: order.count)
    let range = sorted[sorted.count - 1] - sorted[0]
    if range < UInt64(min(SymbolAlphabet.most, 2 * sorted.count + 16)), !dtype.isFloatingPoint {
      form.palette = .interval
      palette = [sorted[0]]
      counts = [Int](repeating: 0, count: Int(range) + 1)
      for (rank, number) in order.enumerated() { place(number, Int(sorted[rank] - sorted[0])) }
      return matrix.count * SymbolSource.bits(counts.count)
    }
    if dtype == .float32, sorted.count > 2, placeOnGrid(order) { return matrix.count * SymbolSource.bits(counts.count) }
    palette = sorted
    counts = [Int](repeating: 0, count: sorted.count)
    for (rank, number) in order.enumerated() { place(number, rank) }
    return matrix.count * SymbolSource.bits(counts.count) + sorted.count * 7 * keys.bytes
  }

  private mutating func place(_ number: Int, _ symbol: Int) {
    symbolOfNumber[number] = UInt16(truncatingIfNeeded: symbol)
    counts[symbol] = table.counts[number]
  }

  private mutating func placeOnGrid(_ order: [Int]) -> Bool {
    let values = order.map { Float(bitPattern: UInt32(truncatingIfNeeded: table.patterns[$0])) }
    guard let step = values.withUnsafeBufferPointer({ buffer in
      buffer.baseAddress.flatMap { UniformGrid.step($0, buffer.count) }
    }), step > 0, let first = UniformGrid.steps(values[0], step), let last = UniformGrid.steps(values[values.count - 1], step),
      Int(last - first) < min(SymbolAlphabet.most, 16 * values.count)
    else { return false }
    form.palette = .grid
    form.lowest = Int(first)
    steps = [step]
    counts = [Int](repeating: 0, count: Int(last - first) + 1)
    for (rank, number) in order.enumerated() { place(number, Int((UniformGrid.steps(values[rank], step) ?? first) - first)) }
    return true
  }

  /// A step for each row, if every row has one and it takes fewer bits than `limit`.
  private mutating func chooseRows(below limit: Int) -> Bool {
    var found: [Float] = []
    var (lowest, highest) = (Int32(0), Int32(0))
    let values = base.assumingMemoryBound(to: Float.self)
    for row in 0..<matrix.rows {
      guard let step = UniformGrid.step(values + row * matrix.columns, matrix.columns) else { return false }
      found.append(step)
      var column = 0
      while column < matrix.columns {
        let steps = step == 0 ? 0 : UniformGrid.steps(values[row &* matrix.columns &+ column], step) ?? 0
        if steps < lowest { lowest = steps }
        if steps > highest { highest = steps }
        column &+= 1
      }
    }
    let symbols = Int(highest - lowest) + 1
    guard symbols <= SymbolAlphabet.most, matrix.count * SymbolSource.bits(symbols) + 32 * matrix.rows < limit else { return false }
    form.palette = .rows
    form.lowest = Int(lowest)
    steps = found
    palette = []
    counts = [Int](repeating: 0, count: symbols)
    var start = 0
    let row = [UInt16](repeating: 0, count: matrix.columns)
    var buffer = row
    while start < matrix.count {
      buffer.withUnsafeMutableBufferPointer { symbols in
        if let symbols = symbols.baseAddress { fill(symbols, start, matrix.columns) }
      }
      for symbol in buffer { counts[Int(symbol)] += 1 }
      start += matrix.columns
    }
    return true
  }

  /// Symbols of the elements from `start` on.
  func fill(_ row: UnsafeMutablePointer<UInt16>, _ start: Int, _ count: Int) {
    if form.palette == .rows {
      let step = steps[start / matrix.columns]
      let values = base.assumingMemoryBound(to: Float.self) + start
      var column = 0
      while column < count {
        let steps = step == 0 ? 0 : Int(UniformGrid.steps(values[column], step) ?? 0)
        row[column] = UInt16(truncatingIfNeeded: steps &- form.lowest)
        column &+= 1
      }
      return
    }
    symbolOfNumber.withUnsafeBufferPointer { symbols in
      var last: UInt64 = 0
      var symbol: UInt16 = 0
      var column = 0
      while column < count {
        let pattern = keys.pattern(base, start &+ column)
        if column == 0 || pattern != last {
          symbol = symbols[table.number(pattern)]
          last = pattern
        }
        row[column] = symbol
        column &+= 1
      }
    }
  }
}
