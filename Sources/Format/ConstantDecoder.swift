import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Decodes constants, one after the other, into given memory; beyond that it needs tables of a fixed size.
struct ConstantDecoder {
  private let main: MixingCoder
  private let streamEnd: Int
  private var fast: RansMatrix?
  private var fixed: FixedMatrix?
  private let row: Storage
  /// Patterns of the symbols.
  private let palette: Storage

  init(_ main: MixingCoder, streamEnd: Int) throws(EdgeError) {
    self.main = main
    self.streamEnd = streamEnd
    row = try Storage.allocate(2 * SymbolAlphabet.longestRow)
    palette = try Storage.allocate(8 * SymbolAlphabet.most)
  }

  private var symbols: UnsafeMutablePointer<UInt16> { row.base.assumingMemoryBound(to: UInt16.self) }
  private var patterns: UnsafeMutablePointer<UInt64> { palette.base.assumingMemoryBound(to: UInt64.self) }

  private mutating func fastCoder() throws(EdgeError) -> RansMatrix {
    if let fast { return fast }
    let coder = try RansMatrix(decoding: true)
    fast = coder
    return coder
  }

  private mutating func fixedCoder() throws(EdgeError) -> FixedMatrix {
    if let fixed { return fixed }
    let coder = try FixedMatrix()
    fixed = coder
    return coder
  }

  /// Writes the elements of `value`, coded in this form, to memory for all of them; `chunk` is what it has behind the main stream,
  /// at `offset` in the file.
  mutating func read(
    _ value: Value, _ form: ConstantForm, _ chunk: UnsafeRawBufferPointer, _ offset: Int, to: UnsafeMutableRawPointer
  ) throws(EdgeError) {
    let matrix = ConstantMatrix(value.shape)
    let keys = ElementKeys(value.dtype)
    do throws(EdgeError) {
      switch form.kind {
      case .raw: if let from = chunk.baseAddress { to.copyMemory(from: from, byteCount: chunk.count) }
      case .split: try readSplit(to, keys, 0..<matrix.count, columns: matrix.columns, chunk, offset)
      case .sparse: try readSparse(to, keys, matrix, form, chunk, offset)
      case .list:
        var neighbour: UInt64 = 0
        var index = 0
        while index < matrix.count, !main.isTruncated {
          neighbour = main.element(0, bytes: keys.bytes, neighbour: neighbour, isReal: value.dtype.isFloatingPoint)
          keys.store(keys.unrotated(neighbour), to, index)
          index &+= 1
        }
      case .mixed, .fast, .huffman, .fixed: try readSymbols(to, value.dtype, keys, matrix, form, chunk, offset)
      }
      if main.isTruncated { throw EdgeError(.truncatedModel, "the main stream ends early", byteOffset: streamEnd) }
    } catch {
      var placed = error
      placed.tensor = value.name
      throw placed
    }
  }

  /// Elements of which the highest byte is coded, into their places of the constant.
  private mutating func readSplit(
    _ to: UnsafeMutableRawPointer, _ keys: ElementKeys, _ places: Range<Int>, columns: Int, _ chunk: UnsafeRawBufferPointer, _ offset: Int
  ) throws(EdgeError) {
    let plainBytes = (keys.bytes - 1) * places.count
    guard chunk.count >= plainBytes else {
      throw EdgeError(.truncatedModel, "the constant ends inside its low bytes", byteOffset: offset + chunk.count)
    }
    let coder = try fastCoder()
    let coded = chunk.count - plainBytes
    coder.begin(UnsafeRawBufferPointer(rebasing: chunk[..<coded]), columns: columns, symbols: 256, zero: 128, hasFlags: false)
    let shift = UInt64(8 * (keys.bytes - 1))
    var at = coded
    var start = places.lowerBound
    while start < places.upperBound, !coder.isTruncated {
      let count = min(columns, places.upperBound - start)
      coder.code(symbols, count)
      var column = 0
      while column < count {
        var pattern = UInt64(symbols[column]) << shift
        var plane: UInt64 = 0
        while plane < shift {
          pattern |= UInt64(chunk[at]) << plane
          at &+= 1
          plane &+= 8
        }
        keys.store(keys.unrotated(pattern), to, start &+ column)
        column &+= 1
      }
      start += count
    }
    coder.end()
    try check(coder, offset + coded)
  }

  /// Elements that are not zero are decoded to the end of the constant and then move, the first ones first, to where their flags are.
  private mutating func readSparse(
    _ to: UnsafeMutableRawPointer, _ keys: ElementKeys, _ matrix: ConstantMatrix, _ form: ConstantForm, _ chunk: UnsafeRawBufferPointer, _ offset: Int
  ) throws(EdgeError) {
    // A bit for each element.
    let flags = try Storage.allocate(matrix.count / 8 + 1)
    ep_zero(flags.base, flags.count)
    let bits = flags.base.assumingMemoryBound(to: UInt8.self)
    let coder = try fastCoder()
    coder.begin(
      UnsafeRawBufferPointer(rebasing: chunk[..<form.flagBytes]), columns: matrix.columns, symbols: 2, zero: 0, hasFlags: true)
    var others = 0
    var start = 0
    while start < matrix.count {
      let count = min(matrix.columns, matrix.count - start)
      coder.code(symbols, count)
      if coder.isTruncated || coder.isBroken { break }
      var column = 0
      while column < count {
        if symbols[column] != 0 {
          let place = start &+ column
          bits[place >> 3] |= 1 << UInt8(truncatingIfNeeded: place & 7)
          others &+= 1
        }
        column &+= 1
      }
      start += count
    }
    coder.end()
    try check(coder, offset + form.flagBytes)
    try readSplit(
      to, keys, matrix.count - others..<matrix.count, columns: SymbolAlphabet.longestRow,
      UnsafeRawBufferPointer(rebasing: chunk[form.flagBytes...]), offset + form.flagBytes)
    var next = matrix.count - others
    var place = 0
    while place < matrix.count {
      var pattern: UInt64 = 0
      if bits[place >> 3] >> UInt8(truncatingIfNeeded: place & 7) & 1 != 0 {
        pattern = keys.pattern(to, next)
        next &+= 1
      }
      keys.store(pattern, to, place)
      place &+= 1
    }
  }

  private func check(_ coder: any SymbolRows, _ end: Int) throws(EdgeError) {
    if coder.isTruncated { throw EdgeError(.truncatedModel, "the coded constant ends early", byteOffset: end) }
    if coder.isBroken { throw EdgeError(.malformedModel, "the code of the constant makes no sense", byteOffset: end) }
  }

  private mutating func readSymbols(
    _ to: UnsafeMutableRawPointer, _ dtype: DType, _ keys: ElementKeys, _ matrix: ConstantMatrix, _ form: ConstantForm,
    _ chunk: UnsafeRawBufferPointer, _ offset: Int
  ) throws(EdgeError) {
    let steps = try readPalette(dtype, keys, matrix, form)
    // A constant of one value has no symbols.
    let coder: (any SymbolRows)?
    switch form.kind {
    case .fast:
      let fast = try fastCoder()
      fast.begin(chunk, columns: matrix.columns, symbols: form.symbols, zero: form.zero, hasFlags: form.hasFlags)
      coder = fast
    case .fixed:
      let fixed = try fixedCoder()
      let levels = main.levels([], form.symbols)
      if main.isTruncated { throw EdgeError(.truncatedModel, "the main stream ends early", byteOffset: streamEnd) }
      guard fixed.setLevels(levels) else {
        throw EdgeError(.malformedModel, "no symbol of the constant occurs", byteOffset: streamEnd)
      }
      fixed.begin(chunk)
      coder = fixed
    case .huffman:
      guard let plan = form.plan else { throw EdgeError(.internalError, "no Huffman code") }
      coder = HuffmanMatrix(plan, zero: form.zero, decoding: chunk)
    default:
      coder = form.symbols == 1 ? nil : try MixedMatrix(main, columns: matrix.columns, symbols: form.symbols, zero: form.zero)
    }
    if coder == nil { ep_zero(row.base, row.count) }
    var start = 0
    while start < matrix.count {
      let count = min(matrix.columns, matrix.count - start)
      if let coder {
        coder.code(symbols, count)
        if coder.isTruncated || coder.isBroken { break }
      }
      if form.palette == .rows {
        fillRow(to, start, count, steps[start / matrix.columns], form.lowest)
      } else {
        fill(to, keys, start, count)
      }
      start += count
    }
    if let coder {
      coder.end()
      try check(coder, offset + chunk.count)
    }
  }

  /// What symbols stand for; gives the steps of rows.
  private func readPalette(
    _ dtype: DType, _ keys: ElementKeys, _ matrix: ConstantMatrix, _ form: ConstantForm
  ) throws(EdgeError) -> [Float] {
    if form.palette == .grid || form.palette == .rows {
      let count = form.palette == .grid ? 1 : matrix.rows
      var steps: [Float] = []
      var neighbour: UInt64 = 0
      while steps.count < count, !main.isTruncated {
        neighbour = main.element(0, bytes: 4, neighbour: neighbour, isReal: true)
        steps.append(Float(bitPattern: UInt32(truncatingIfNeeded: keys.unrotated(neighbour))))
      }
      if main.isTruncated { throw EdgeError(.truncatedModel, "the main stream ends early", byteOffset: streamEnd) }
      if form.palette == .grid {
        for symbol in 0..<form.symbols { patterns[symbol] = UInt64((Float(form.lowest + symbol) * steps[0]).bitPattern) }
      }
      return steps
    }
    var key = keys.key(keys.unrotated(main.element(0, bytes: keys.bytes, neighbour: 0, isReal: dtype.isFloatingPoint)))
    var before: UInt64 = 0
    for symbol in 0..<form.symbols {
      if symbol > 0 {
        if form.palette == .list { before = main.magnitude(0, before: before) }
        key &+= form.palette == .list ? before : 1
      }
      patterns[symbol] = keys.pattern(ofKey: key)
    }
    return []
  }

  private func fill(_ to: UnsafeMutableRawPointer, _ keys: ElementKeys, _ start: Int, _ count: Int) {
    let (symbols, patterns) = (symbols, patterns)
    var column = 0
    if keys.bytes == 4 {
      let to = to.assumingMemoryBound(to: UInt32.self) + start
      while column < count {
        to[column] = UInt32(truncatingIfNeeded: patterns[Int(symbols[column])])
        column &+= 1
      }
      return
    }
    if keys.bytes == 1 {
      let to = to.assumingMemoryBound(to: UInt8.self) + start
      while column < count {
        to[column] = UInt8(truncatingIfNeeded: patterns[Int(symbols[column])])
        column &+= 1
      }
      return
    }
    while column < count {
      keys.store(patterns[Int(symbols[column])], to, start &+ column)
      column &+= 1
    }
  }

  private func fillRow(_ to: UnsafeMutableRawPointer, _ start: Int, _ count: Int, _ step: Float, _ lowest: Int) {
    let to = to.assumingMemoryBound(to: Float.self) + start
    var column = 0
    while column < count {
      to[column] = Float(lowest &+ Int(symbols[column])) * step
      column &+= 1
    }
  }
}
