#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// How the elements of a constant are coded in a compact file.
struct ConstantForm {
  enum Kind: UInt8 {
    /// Bytes as they are in memory.
    case raw = 0
    /// The highest byte of each element fast-coded, the others as they are.
    case split
    /// One element after the other by the mixing coder.
    case list
    // Symbols for at most 4096 values, coded three ways.
    case mixed
    case fast
    case huffman
    /// Flags say which elements are zero, the others are split.
    case sparse
    /// Symbols with probabilities that are in the main stream; at most 256 symbols.
    case fixed

    /// Readers of version 2.0 do not know it.
    var isNew: Bool { self == .sparse || self == .fixed }
  }

  /// What values the symbols stand for, in order.
  enum Palette: UInt8 {
    /// Values that are listed.
    case list = 0
    /// Elements that follow each other, from one that is listed.
    case interval
    /// Multiples of one step, float32.
    case grid
    /// Multiples of a step for each entry of the first dimension, float32.
    case rows
  }

  /// Bytes of a constant that the mixing coder may code byte by byte.
  static let mostListedBytes = 4096
  /// Symbols, with eight more for each that is not zero, that it may code: they take a tenth of a second.
  static let mostMixedSteps = 1 << 20
  /// Fewer symbols do not pay for a table of probabilities.
  static let leastFixedSymbols = 4096

  var kind: Kind
  var palette = Palette.list
  var symbols = 0
  /// The most frequent symbol, which flags tell from the others.
  var zero = 0
  /// Symbol 0 of a grid is so many steps.
  var lowest = 0
  var hasFlags = false
  var plan: HuffmanPlan?
  /// Bytes behind the main stream.
  var chunkBytes = 0
  /// Those of them that hold the flags of a sparse constant.
  var flagBytes = 0

  var isPalette: Bool { kind == .mixed || kind == .fast || kind == .huffman || kind == .fixed }

  init(_ kind: Kind) { self.kind = kind }
}

/// A tensor as a matrix: a row for each entry of the first dimension, or rows of the greatest length.
struct ConstantMatrix {
  let count: Int
  let columns: Int
  /// Entries of the first dimension; 0 when they are not the rows.
  let rows: Int

  /// `shape` is that of a constant: without symbolic dimension, of a size that fits.
  init(_ shape: Shape) {
    count = shape.elementCount() ?? 0
    let first = shape.rank > 1 ? shape.dims[0] : 1
    let length = count > 0 ? count / first : 0
    columns = max(1, min(length, SymbolAlphabet.longestRow))
    rows = shape.rank > 1 && columns == length ? first : 0
  }
}

extension FormatByteWriter {
  mutating func constantForm(_ form: ConstantForm) {
    u8(form.kind.rawValue)
    if form.isPalette {
      u8(form.palette.rawValue)
      u32(form.symbols)
      u32(form.zero)
      if form.palette == .grid || form.palette == .rows { i32(form.lowest) }
    }
    switch form.kind {
    case .raw, .list, .mixed: return
    case .split, .fixed: break
    case .sparse: i64(form.flagBytes)
    case .fast: flag(form.hasFlags)
    case .huffman:
      guard let plan = form.plan else { return }
      u8(UInt8(truncatingIfNeeded: plan.gapBits))
      u32(plan.entries)
      bytes += plan.codes.lengths
      bytes += plan.gaps.lengths
    }
    i64(form.chunkBytes)
  }
}

extension FormatByteReader {
  /// How a constant of this type and shape is coded. Numbers are checked against each other; chunks are not looked at.
  mutating func constantForm(_ dtype: DType, _ matrix: ConstantMatrix) throws(EdgeError) -> ConstantForm {
    let number = try u8()
    guard let kind = ConstantForm.Kind(rawValue: number) else { throw malformed("unknown form \(number) of a constant") }
    var form = ConstantForm(kind)
    if form.isPalette {
      let number = try u8()
      guard let palette = ConstantForm.Palette(rawValue: number) else { throw malformed("unknown palette \(number)") }
      form.palette = palette
      form.symbols = try number32()
      form.zero = try number32()
      guard form.symbols > 0, form.symbols <= SymbolAlphabet.most, form.zero < form.symbols else {
        throw malformed("symbol \(form.zero) of \(form.symbols) symbols")
      }
      if palette == .grid || palette == .rows {
        form.lowest = try i32()
        guard dtype == .float32, palette == .grid || matrix.rows > 0 else { throw malformed("a grid of elements that have none") }
        guard form.lowest.magnitude <= UInt(SymbolAlphabet.most) else { throw malformed("a grid from \(form.lowest)") }
      }
    }
    switch kind {
    case .raw:
      form.chunkBytes = matrix.count * dtype.byteCount
      return form
    case .list, .mixed:
      // The coder is slow, so what it codes is small.
      let most = kind == .list ? ConstantForm.mostListedBytes / dtype.byteCount : ConstantForm.mostMixedSteps
      guard matrix.count <= most || form.symbols == 1 else { throw malformed("\(matrix.count) elements in a form for small constants") }
      return form
    case .split: break
    case .fixed:
      guard form.symbols <= FixedMatrix.most else { throw malformed("\(form.symbols) symbols in a form for \(FixedMatrix.most)") }
    case .sparse: form.flagBytes = try i64()
    case .fast: form.hasFlags = try flag()
    case .huffman: form.plan = try huffmanPlan(form.symbols)
    }
    form.chunkBytes = try i64()
    guard form.chunkBytes >= 0 else { throw malformed("a chunk of \(form.chunkBytes) bytes") }
    guard form.flagBytes >= 0, form.flagBytes <= form.chunkBytes else { throw malformed("\(form.flagBytes) bytes of flags in a chunk of \(form.chunkBytes)") }
    return form
  }

  private mutating func huffmanPlan(_ symbols: Int) throws(EdgeError) -> HuffmanPlan {
    let gapBits = Int(try u8())
    guard HuffmanStatistics.isGap(bits: gapBits) else { throw malformed("gaps of \(gapBits) bits") }
    let entries = try number32()
    guard let codes = HuffmanTable(lengths: try lengths(symbols)),
      let gaps = HuffmanTable(lengths: try lengths(gapBits == 0 ? 0 : 1 << gapBits))
    else { throw malformed("lengths of words that make no Huffman code") }
    return HuffmanPlan(gapBits: gapBits, entries: entries, codes: codes, gaps: gaps)
  }

  private mutating func lengths(_ count: Int) throws(EdgeError) -> [UInt8] {
    guard count <= remaining else { throw EdgeError(.truncatedModel, "the description ends inside a table", byteOffset: fileOffset) }
    var lengths: [UInt8] = []
    for _ in 0..<count { lengths.append(try u8()) }
    return lengths
  }
}
