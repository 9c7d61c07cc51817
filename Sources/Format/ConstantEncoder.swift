#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A constant in its form.
struct CodedConstant {
  let form: ConstantForm
  /// What stands behind the main stream.
  let chunk: [UInt8]
  /// This form, and with adaptive coding others that may stand in its place to save time.
  let ways: [CodingWay]

  /// `ways`: nil for this one alone, which takes no time or was named.
  init(_ form: ConstantForm, _ chunk: [UInt8] = [], ways: [CodingWay]? = nil) {
    self.form = form
    self.chunk = chunk
    self.ways = ways ?? [CodingWay(kind: form.kind, bytes: chunk.count, nanoseconds: 0)]
  }
}

/// Chooses how constants are coded, by what their values are, and codes them.
struct ConstantEncoder {
  private let coding: ModelCoding
  private let fast: RansMatrix
  private let fixed: FixedMatrix
  private let row: Storage

  init(_ coding: ModelCoding) throws(EdgeError) {
    self.coding = coding
    fast = try RansMatrix(decoding: false)
    fixed = try FixedMatrix()
    row = try Storage.allocate(2 * SymbolAlphabet.longestRow)
  }

  private var symbols: UnsafeMutablePointer<UInt16> { row.base.assumingMemoryBound(to: UInt16.self) }

  /// How a constant is coded: in the smallest form, or nearly, with what faster ones would take; or in the given one, which is among
  /// the ways of an earlier call.
  func form(_ value: Value, _ constant: TensorData, as kind: ConstantForm.Kind? = nil) throws(EdgeError) -> CodedConstant {
    let matrix = ConstantMatrix(value.shape)
    if matrix.count == 0 || kind == .raw { return raw(constant) }
    guard let source = try SymbolSource(value, constant, matrix) else { return try unstructured(value, constant, matrix, as: kind) }
    if source.form.symbols == 1 { return CodedConstant(source.form) }
    return coding == .huffman ? huffman(source, matrix) : try adaptive(source, matrix, as: kind)
  }

  private func huffman(_ source: SymbolSource, _ matrix: ConstantMatrix) -> CodedConstant {
    var form = source.form
    var statistics = HuffmanStatistics(symbols: form.symbols, zero: form.zero)
    eachRow(source, matrix) { statistics.add($0, $1) }
    let plan = statistics.best()
    let coder = HuffmanMatrix(plan, zero: form.zero, decoding: nil)
    code(source, matrix, coder)
    coder.end()
    form.kind = .huffman
    form.plan = plan
    form.chunkBytes = coder.output.count
    return CodedConstant(form, coder.output)
  }

  private func raw(_ constant: TensorData) -> CodedConstant {
    var form = ConstantForm(.raw)
    form.chunkBytes = constant.byteCount
    return CodedConstant(form, [UInt8](constant.bytes))
  }

  private func adaptive(_ source: SymbolSource, _ matrix: ConstantMatrix, as kind: ConstantForm.Kind?) throws(EdgeError) -> CodedConstant {
    let zeros = source.counts[source.form.zero]
    let hasFlags = zeros > matrix.count / 16
    let hasFewSymbols = source.form.symbols <= FixedMatrix.most
    let mayBeFixed = !hasFlags && hasFewSymbols && matrix.count >= ConstantForm.leastFixedSymbols
    func form(_ kind: ConstantForm.Kind) -> ConstantForm {
      var form = source.form
      form.kind = kind
      form.hasFlags = kind == .fast && hasFlags
      return form
    }
    func way(_ kind: ConstantForm.Kind, _ bytes: Int) -> CodingWay {
      CodingWay(kind: kind, bytes: bytes, nanoseconds: DecodingTime.symbols(form(kind), matrix, zeros: zeros))
    }
    func coded(_ kind: ConstantForm.Kind, _ ways: [CodingWay]?) throws(EdgeError) -> CodedConstant {
      let chunk = kind == .fast ? fast.output : kind == .fixed ? try fixedChunk(source, matrix) : []
      var form = form(kind)
      form.chunkBytes = chunk.count
      return CodedConstant(form, chunk, ways: ways)
    }
    func codeFast() {
      fast.begin(
        UnsafeRawBufferPointer(start: nil, count: 0), columns: matrix.columns, symbols: source.form.symbols, zero: source.form.zero,
        hasFlags: hasFlags)
      code(source, matrix, fast)
      fast.end()
    }
    if let kind {
      if kind == .fast { codeFast() }
      return try coded(kind, nil)
    }

    var mixedBytes = Int.max
    let steps = matrix.count.addingReportingOverflow((matrix.count - zeros) * 8)
    if !steps.overflow, steps.partialValue <= ConstantForm.mostMixedSteps {
      let coder = try MixingCoder(decoding: nil)
      code(source, matrix, try MixedMatrix(coder, columns: matrix.columns, symbols: source.form.symbols, zero: source.form.zero))
      coder.finish()
      mixedBytes = coder.output.count
    }
    let learned = try fast.snapshot()
    codeFast()
    let fastBytes = fast.output.count
    var ways: [CodingWay] = []
    var isFixed = false
    if hasFewSymbols {
      try setLevels(source)
      let fixedBytes = fixed.byteCount(source.counts) + source.form.symbols / 2
      ways.insert(way(.fixed, fixedBytes), at: 0)
      // Fixed probabilities may cost half a percent.
      isFixed = mayBeFixed && fixedBytes <= fastBytes + fastBytes / 200
    }
    if !isFixed { ways.insert(way(.fast, fastBytes), at: 0) }
    // The slow form has to save some 3 %, or 6 where a very fast one could be taken.
    if mixedBytes < fastBytes - fastBytes / (mayBeFixed ? 16 : 32) { ways.insert(way(.mixed, mixedBytes), at: 0) }
    let found = try coded(ways[0].kind, ways)
    if found.form.kind != .fast { fast.restore(learned) }
    return found
  }

  private func setLevels(_ source: SymbolSource) throws(EdgeError) {
    guard fixed.setLevels(FixedMatrix.levels(source.counts)) else { throw EdgeError(.internalError, "a constant without symbols") }
  }

  private func fixedChunk(_ source: SymbolSource, _ matrix: ConstantMatrix) throws(EdgeError) -> [UInt8] {
    try setLevels(source)
    return try fixed.encoded(matrix.count, columns: matrix.columns, symbols) { source.fill($0, $1, $2) }
  }

  /// A constant of too many values: a short one is a list.
  private func unstructured(
    _ value: Value, _ constant: TensorData, _ matrix: ConstantMatrix, as kind: ConstantForm.Kind?
  ) throws(EdgeError) -> CodedConstant {
    guard constant.byteCount <= ConstantForm.mostListedBytes, kind == nil || kind == .list else {
      return try plain(value.dtype, constant, matrix, isNamed: kind != nil)
    }
    let list = ConstantForm(.list)
    if kind == .list || coding == .huffman { return CodedConstant(list) }
    let main = try MixingCoder(decoding: nil)
    try writeMain(value, constant, list, main)
    main.finish()
    let learned = try fast.snapshot()
    // A short one stays coded.
    let others = try plain(value.dtype, constant, matrix, isNamed: false).ways.filter { $0.kind != .raw }
    fast.restore(learned)
    let time = DecodingTime.list(matrix.count, bytes: value.dtype.byteCount, isReal: value.dtype.isFloatingPoint)
    return CodedConstant(list, ways: [CodingWay(kind: .list, bytes: main.output.count, nanoseconds: time)] + others)
  }

  /// Many elements may be zero, and exponents or highest bytes of the others still say something. A form that an earlier call named
  /// stays, though coders have learned something else by then and it may not pay.
  private func plain(_ dtype: DType, _ constant: TensorData, _ matrix: ConstantMatrix, isNamed: Bool) throws(EdgeError) -> CodedConstant {
    let keys = ElementKeys(dtype)
    let zeros = keys.zeroCount(constant.base, matrix.count)
    let learned = try fast.snapshot()
    var form = ConstantForm(.split)
    var chunk: [UInt8]
    var time = DecodingTime.split(matrix.count, bytes: keys.bytes)
    if zeros > matrix.count / 16 {
      form.kind = .sparse
      chunk = flags(keys, constant.base, matrix)
      form.flagBytes = chunk.count
      let others = try elements(keys, constant.base, matrix.count, zeros: zeros)
      chunk += split(keys, others.base, matrix.count - zeros, columns: SymbolAlphabet.longestRow)
      time = DecodingTime.sparse(matrix.count, zeros: zeros, bytes: keys.bytes)
    } else {
      chunk = split(keys, constant.base, matrix.count, columns: matrix.columns)
    }
    if !isNamed, chunk.count >= constant.byteCount - constant.byteCount / 64 {
      fast.restore(learned)
      return raw(constant)
    }
    form.chunkBytes = chunk.count
    let coded = CodingWay(kind: form.kind, bytes: chunk.count, nanoseconds: time)
    return CodedConstant(form, chunk, ways: [coded])
  }

  /// Which elements are not zero, fast-coded.
  private func flags(_ keys: ElementKeys, _ base: UnsafeRawPointer, _ matrix: ConstantMatrix) -> [UInt8] {
    fast.begin(UnsafeRawBufferPointer(start: nil, count: 0), columns: matrix.columns, symbols: 2, zero: 0, hasFlags: true)
    codeRows(matrix.count, matrix.columns) { keys.isZero(base, $0) ? 0 : 1 }
    return fast.output
  }

  /// The elements that are not zero, one after the other.
  private func elements(_ keys: ElementKeys, _ base: UnsafeRawPointer, _ count: Int, zeros: Int) throws(EdgeError) -> Storage {
    let others = try Storage.allocate((count - zeros) * keys.bytes)
    var (index, place) = (0, 0)
    while index < count {
      if !keys.isZero(base, index) {
        keys.store(keys.pattern(base, index), others.base, place)
        place &+= 1
      }
      index &+= 1
    }
    return others
  }

  /// The highest byte of each element, fast-coded, and behind them the others, the lowest first.
  private func split(_ keys: ElementKeys, _ base: UnsafeRawPointer, _ count: Int, columns: Int) -> [UInt8] {
    fast.begin(UnsafeRawBufferPointer(start: nil, count: 0), columns: columns, symbols: 256, zero: 128, hasFlags: false)
    let shift = UInt64(8 * (keys.bytes - 1))
    codeRows(count, columns) { UInt16(truncatingIfNeeded: keys.rotated(keys.pattern(base, $0)) >> shift) }
    let output = fast.output
    let size = output.count + (keys.bytes - 1) * count
    return [UInt8](unsafeUninitializedCapacity: size) { bytes, written in
      var at = 0
      while at < output.count {
        bytes[at] = output[at]
        at &+= 1
      }
      var index = 0
      while index < count {
        var rest = keys.rotated(keys.pattern(base, index))
        var plane = 1
        while plane < keys.bytes {
          bytes[at] = UInt8(truncatingIfNeeded: rest)
          rest >>= 8
          at &+= 1
          plane &+= 1
        }
        index &+= 1
      }
      written = at
    }
  }

  private func codeRows(_ count: Int, _ columns: Int, _ symbol: (Int) -> UInt16) {
    var start = 0
    while start < count {
      let length = min(columns, count - start)
      var column = 0
      while column < length {
        symbols[column] = symbol(start &+ column)
        column &+= 1
      }
      fast.code(symbols, length)
      start += length
    }
    fast.end()
  }

  /// What of a constant stands in the main stream.
  func writeMain(_ value: Value, _ constant: TensorData, _ form: ConstantForm, _ main: MixingCoder) throws(EdgeError) {
    let matrix = ConstantMatrix(value.shape)
    let keys = ElementKeys(value.dtype)
    if form.kind == .list {
      var neighbour: UInt64 = 0
      for index in 0..<matrix.count {
        neighbour = main.element(
          keys.rotated(keys.pattern(constant.base, index)), bytes: keys.bytes, neighbour: neighbour, isReal: value.dtype.isFloatingPoint)
      }
    }
    guard form.isPalette, let source = try SymbolSource(value, constant, matrix) else { return }
    var before: UInt64 = 0
    for (index, key) in source.palette.enumerated() {
      if index == 0 {
        _ = main.element(keys.rotated(keys.pattern(ofKey: key)), bytes: keys.bytes, neighbour: 0, isReal: value.dtype.isFloatingPoint)
      } else {
        before = main.magnitude(key - source.palette[index - 1], before: before)
      }
    }
    var neighbour: UInt64 = 0
    for step in source.steps {
      neighbour = main.element(keys.rotated(UInt64(step.bitPattern)), bytes: 4, neighbour: neighbour, isReal: true)
    }
    if form.kind == .fixed { _ = main.levels(FixedMatrix.levels(source.counts), form.symbols) }
    guard form.kind == .mixed, form.symbols > 1 else { return }
    code(source, matrix, try MixedMatrix(main, columns: matrix.columns, symbols: form.symbols, zero: form.zero))
  }

  private func code(_ source: SymbolSource, _ matrix: ConstantMatrix, _ coder: some SymbolRows) {
    eachRow(source, matrix) { coder.code($0, $1) }
  }

  private func eachRow(_ source: SymbolSource, _ matrix: ConstantMatrix, _ body: (UnsafeMutablePointer<UInt16>, Int) -> Void) {
    var start = 0
    while start < matrix.count {
      let count = min(matrix.columns, matrix.count - start)
      source.fill(symbols, start, count)
      body(symbols, count)
      start += count
    }
  }
}
