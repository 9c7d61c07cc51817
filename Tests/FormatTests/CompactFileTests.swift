import CPlatform
import Foundation
@testable import Format
import Graph
import Testing

private let codings: [ModelCoding] = [.huffman, .adaptive]

private func encoded(_ graph: Graph, _ coding: ModelCoding) throws -> [UInt8] {
  let storage = try encodeModel(graph, coding)
  return Array(UnsafeRawBufferPointer(start: storage.base, count: storage.count))
}

private struct Random {
  var state: UInt64
  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
  mutating func below(_ bound: Int) -> Int { Int(next() >> 33) % bound }
  mutating func unit() -> Float { Float(next() >> 40) / Float(1 << 24) }
}

/// Constants alone, which no node reads.
private func graph(_ constants: [(DType, [Int], [UInt8])]) throws -> Graph {
  var graph = Graph(name: "constants")
  for (index, (dtype, dims, bytes)) in constants.enumerated() {
    graph.addValue(Value(name: Text("c\(index)"), dtype: dtype, shape: Shape(dims), constant: try TensorData(bytes)))
  }
  return graph
}

private func expectSame(_ graph: Graph, _ comment: String = "", _ line: Int = #line) throws {
  let plain = try encoded(graph)
  for coding in codings {
    let bytes = try encoded(graph, coding)
    do {
      let again = try decoded(bytes)
      #expect(try encoded(again) == plain, "\(comment), \(coding), line \(line)")
    } catch let error as EdgeError { Issue.record("\(comment), \(coding), line \(line): \(error.message), tensor \(error.tensor), byte \(error.byteOffset)") }
    #expect(try encoded(graph, coding) == bytes, "\(comment), \(coding): other bytes the second time, line \(line)")
  }
}

private func bytes<T: BitwiseCopyable>(_ elements: some Sequence<T>) -> [UInt8] { Array(elements).withUnsafeBytes { [UInt8]($0) } }

@Test func codedConstantsComeBackBitForBit() throws {
  var random = Random(state: 88_172_645_463_325_252)
  let types: [DType] = [
    .float32, .uint8, .int8, .int32, .int64, .bool, .float16, .float64, .int16, .uint16, .uint32, .uint64, .bfloat16,
  ]
  for dims in [[], [0], [1], [7], [3, 0, 2], [1, 1, 1], [5, 9], [64, 3, 3, 7], [2, 70_000], [300, 41]] {
    let count = Shape(dims).elementCount() ?? 0
    for dtype in types {
      // Random patterns, patterns of one value, few of them, and many zeros.
      for (values, zeros) in [(Int.max, 0), (1, 0), (2, 50), (13, 90), (300, 70), (5000, 99)] where values != Int.max || count < 10_000 {
        let palette = (0..<min(values, 6000)).map { _ in random.next() }
        var data = [UInt8](repeating: 0, count: count * dtype.byteCount)
        for index in 0..<count where random.below(100) >= zeros {
          let pattern = values == Int.max ? random.next() : palette[random.below(palette.count)]
          for byte in 0..<dtype.byteCount { data[index * dtype.byteCount + byte] = UInt8(truncatingIfNeeded: pattern >> UInt64(8 * byte)) }
        }
        if dtype == .bool { data = data.map { $0 & 1 } }
        if count * dtype.byteCount > 300_000, dtype != .float32, dtype != .int8 { continue }
        try expectSame(graph([(dtype, dims, data)]), "\(dtype) \(dims), \(values) values, \(zeros) % zeros")
      }
    }
  }
}

@Test func specialNumbersKeepTheirBits() throws {
  let special: [Float] = [0, -0.0, .infinity, -.infinity, .nan, Float(bitPattern: 0x7FC0_1234), Float(bitPattern: 0xFF80_0001), .leastNonzeroMagnitude, -1, 1]
  try expectSame(graph([(.float32, [special.count], bytes(special))]))
  let long = (0..<5000).map { special[($0 * 7) % special.count] }
  try expectSame(graph([(.float32, [50, 100], bytes(long))]))
  let doubles: [Double] = [0, -0.0, .nan, .infinity, 0.1, -0.1]
  try expectSame(graph([(.float64, [6], bytes(doubles))]))
}

/// The coder and who counts mean the same by a zero: a -0 has to come back, so it is none.
@Test func zerosHaveNoBits() throws {
  var graph = Graph()
  let id = try graph.addConstant("w", .float32, Shape([6]), [0, -0.0, 1, 0, .nan, -1] as [Float])
  #expect(try constantCensus(graph.values[id]) == (6, 2, 5))
  // As many -0 as a sparse constant needs zeros.
  var random = Random(state: 8)
  let mixed = (0..<8000).map { $0 % 5 == 0 ? -0.0 : 1 + random.unit() }
  let many = try graph.addConstant("many", .float32, Shape([80, 100]), mixed)
  #expect(try constantCensus(graph.values[many]).zeros == 0)
  #expect(try ConstantEncoder(.adaptive).form(graph.values[many], graph.values[many].constant!).form.kind == .split)
}

/// What values are is found, and coded so.
@Test func structureIsFound() throws {
  var random = Random(state: 42)
  func form(_ dtype: DType, _ dims: [Int], _ data: [UInt8], _ coding: ModelCoding = .adaptive) throws -> ConstantForm {
    let constant = try TensorData(data)
    try expectSame(graph([(dtype, dims, data)]))
    return try ConstantEncoder(coding).form(Value(name: "w", dtype: dtype, shape: Shape(dims), constant: constant), constant).form
  }
  let normal = (0..<40_000).map { _ in (random.unit() + random.unit() + random.unit() - 1.5) }
  let grid = try form(.float32, [100, 400], bytes(normal.map { ($0 * 50).rounded() * 0.037 + 0 }))
  #expect(grid.palette == .grid && grid.kind == .fixed)
  let steps = (0..<100).map { _ in 0.01 + random.unit() }
  let rows = try form(.float32, [100, 400], bytes(normal.enumerated().map { ($1 * 3).rounded() * steps[$0 / 400] + 0 }))
  #expect(rows.palette == .rows)
  #expect(rows.symbols == 9 || rows.symbols == 7 || rows.symbols == 11)
  let ternary = try form(.float32, [100, 400], bytes(normal.enumerated().map { abs($1) < 0.6 ? 0 : $1 < 0 ? -steps[$0 / 400] : steps[$0 / 400] }))
  #expect(ternary.palette == .rows && ternary.symbols == 3)
  let interval = try form(.int8, [100, 400], bytes(normal.map { Int8(($0 * 70).rounded()) }))
  #expect(interval.palette == .interval && interval.kind == .fixed)
  let list = try form(.float32, [100, 400], bytes(normal.map { ($0 * 4).rounded().squareRoot().isNaN ? 0.3 : ($0 * 4).rounded().squareRoot() }))
  #expect(list.palette == .list && list.isPalette)
  #expect(try form(.float32, [100, 400], bytes(normal)).kind == .split)
  #expect(try form(.float32, [10, 40], bytes(Array(normal[..<400]))).kind == .list)
  let sparse = normal.map { abs($0) < 0.6 ? 0 : $0 }
  #expect(try form(.float32, [100, 400], bytes(sparse)).kind == .sparse)
  #expect(try form(.float32, [100, 400], bytes(sparse), .huffman).kind == .sparse)
  #expect(try form(.float64, [30_000], bytes(sparse[..<30_000].map { Double(abs($0)).squareRoot() })).kind == .sparse)
  let noise = (0..<20_000).map { _ in UInt32(truncatingIfNeeded: random.next()) }
  #expect(try form(.uint32, [20_000], bytes(noise)).kind == .raw)
  let pruned = bytes(normal[..<1000].map { abs($0) < 1 ? Float(0) : $0 < 0 ? -0.5 : 0.25 })
  #expect(try form(.float32, [20, 50], pruned).kind == .mixed)
  #expect(try form(.float32, [20, 50], pruned, .huffman).kind == .huffman)
}

/// Weights that stay as they are after pruning cost their own bytes and a flag; those that went, less than a bit.
@Test func prunedWeightsOfManyValuesCostWhatRemains() throws {
  var random = Random(state: 9)
  let data = (0..<200_000).map { _ in random.below(100) < 5 ? random.unit() - 0.5 : Float(0) }
  let kept = data.filter { $0 != 0 }.count
  // The entropy of a flag at 5 % is 0.29 bits; of a float, sign and exponent take a byte less some bits.
  let most = Double(kept) * 3.9 + Double(data.count) * 0.30 / 8 + 200
  #expect(try Double(encoded(graph([(.float32, [400, 500], bytes(data))]), .adaptive).count) < most)
}

/// Dense layers of few values that say nothing of each other have nothing to learn from.
@Test func huffmanCodesServeWhereTheyAreSmaller() throws {
  var random = Random(state: 77)
  var taken = 0
  for values in [3, 5, 8, 13, 16] {
    let palette = (0..<values).map { _ in random.unit() - 0.5 }
    for dims in [[20, 30], [40, 60], [50, 100]] {
      let layers = (0..<3).map { _ in (DType.float32, dims, bytes((0..<dims[0] * dims[1]).map { _ in palette[random.below(values)] })) }
      let made = try graph(layers)
      let (adaptive, huffman) = (try encoded(made, .adaptive), try encoded(made, .huffman))
      #expect(adaptive.count <= huffman.count)
      if adaptive == huffman { taken += 1 }
      try expectSame(made)
    }
  }
  #expect(taken > 0)
}

/// The coder learns: columns that are empty cost less than ones that are full here and there.
@Test func emptyColumnsCostLittle() throws {
  var random = Random(state: 7)
  func size(_ keeps: (Int) -> Bool) throws -> Int {
    let data = (0..<60_000).map { keeps($0 % 300) && random.below(100) < 10 ? Float(1 + random.below(3)) : 0 }
    return try encoded(graph([(.float32, [200, 300], bytes(data))]), .adaptive).count
  }
  // A tenth of the columns, with a tenth of their weights, against as many weights anywhere.
  let columns = try size { $0 % 10 == 3 }
  let anywhere = try encoded(
    graph([(.float32, [200, 300], bytes((0..<60_000).map { _ in random.below(1000) < 10 ? Float(1 + random.below(3)) : 0 }))]), .adaptive
  ).count
  #expect(Double(columns) < 0.75 * Double(anywhere))
}

/// LeNet-300-100 without weights: names, shapes, operators and everything of the container.
@Test func aSmallNetworkCostsFewBytesBesideItsWeights() throws {
  var graph = Graph(name: "lenet_300_100")
  var value = graph.addValue(Value(name: "data", dtype: .float32, shape: Shape([Shape.batch, 784])))
  graph.inputs = [value]
  var weightBytes = 0
  for (name, outputs, inputs) in [("ip1", 300, 784), ("ip2", 100, 300), ("ip3", 10, 100)] {
    let weights = try graph.addConstant(Text(name + ".weight"), .float32, Shape([outputs, inputs]), [Float](repeating: 0, count: outputs * inputs))
    let bias = try graph.addConstant(Text(name + ".bias"), .float32, Shape([outputs]), [Float](repeating: 0, count: outputs))
    weightBytes += 4 * outputs * (inputs + 1)
    let result = graph.addValue(Value(name: Text(name), dtype: .float32, shape: Shape([Shape.batch, outputs])))
    let clamp = name == "ip3" ? Clamp.none : Clamp(min: 0, max: .infinity)
    graph.nodes.append(Node(name: Text(name), op: .dense(clamp), inputs: [value, weights, bias], outputs: [result]))
    value = result
  }
  graph.outputs = [value]
  let file = try encoded(graph, .adaptive)
  #expect(file.count < 200)
  #expect(try encoded(decoded(file)).count > weightBytes)
  try expectSame(graph)
  try expectSame(sampleGraph())
}

@Test func goldenGraphsAreTheSameWhenCoded() throws {
  for url in try goldenFiles("golden/edgeai") { try expectSame(decoded(contents(url)), url.lastPathComponent) }
}

// ---- Damage ---------------------------------------------------------------------------------------------

/// A graph whose file has every form of a constant.
func formsGraph(_ coding: ModelCoding, fixed: Bool = false) throws -> Graph {
  var graph = try sampleGraph()
  var random = Random(state: 11)
  func add(_ dtype: DType, _ dims: [Int], _ data: [UInt8]) throws {
    graph.addValue(Value(name: Text("k\(graph.values.count)"), dtype: dtype, shape: Shape(dims), constant: try TensorData(data)))
  }
  try add(.float32, [30, 40], bytes((0..<1200).map { _ in random.unit() }))  // split
  try add(.float32, [6], bytes((0..<6).map { _ in random.unit() }))  // list
  try add(.float32, [30, 60], bytes((0..<1800).map { _ in random.below(3) == 0 ? random.unit() : 0 }))  // sparse
  try add(.uint32, [1100], bytes((0..<1100).map { _ in UInt32(truncatingIfNeeded: random.next()) }))  // raw
  try add(.int8, [40, 40], (0..<1600).map { _ in UInt8(truncatingIfNeeded: random.next()) })  // fast
  try add(.float32, [20, 30], bytes((0..<600).map { $0 % 7 == 0 ? Float(random.below(5)) * 0.3 : 0 }))  // mixed, a grid
  try add(.float32, [8, 9], bytes((0..<72).map { Float(random.below(3) - 1) * Float($0 / 9 + 1) * 0.17 + 0 }))  // rows
  try add(.float32, [9], bytes([Float](repeating: 2.5, count: 9)))  // one value
  if fixed { try add(.int8, [50, 100], (0..<5000).map { _ in UInt8(truncatingIfNeeded: random.below(9) + random.below(9)) }) }
  return graph
}

private func failure(_ bytes: [UInt8], _ limits: Limits = Limits()) -> EdgeError? {
  do {
    _ = try decoded(bytes, limits: limits)
    return nil
  } catch { return error }
}

private func resealed(_ bytes: [UInt8]) -> [UInt8] {
  var bytes = bytes
  let checksum = bytes[16...].withUnsafeBytes { ep_crc32c(0, $0.baseAddress, $0.count) }
  for i in 0..<4 { bytes[12 + i] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * i)) }
  return bytes
}

@Test func everyTruncationOfACodedFileIsRefused() throws {
  for (coding, fixed) in [(ModelCoding.huffman, false), (.adaptive, false), (.adaptive, true)] {
    let file = try encoded(formsGraph(coding, fixed: fixed), coding)
    for count in 0..<file.count where count < 600 || count % 13 == 0 {
      let error = try #require(failure(Array(file[..<count])), "a file cut to \(count) bytes was accepted")
      #expect(error.status == (count < 8 ? .malformedModel : .truncatedModel), "cut to \(count) bytes: \(error.message)")
      #expect(error.byteOffset >= 0)
    }
    #expect(failure(file + [0])?.status == .malformedModel)
  }
}

@Test func everyFlippedBitOfACodedFileIsRefused() throws {
  for coding in codings {
    let file = try encoded(sampleGraph(), coding)
    for offset in file.indices {
      for bit in 0..<8 {
        var damaged = file
        damaged[offset] ^= 1 << UInt8(bit)
        #expect(failure(damaged) != nil, "bit \(bit) of byte \(offset) flipped and accepted")
      }
    }
  }
}

/// With its checksum made right again, a damaged file may be a good one; it never traps, and an error names a place.
@Test func resealedDamageOfACodedFileNeverTraps() throws {
  var limits = Limits()
  limits.maximumTensorBytes = 1 << 20
  limits.maximumFileBytes = 1 << 22
  var statuses = Set<Int32>()
  for (coding, fixed) in [(ModelCoding.huffman, false), (.adaptive, false), (.adaptive, true)] {
    let file = try encoded(formsGraph(coding, fixed: fixed), coding)
    var random = Random(state: 3)
    for offset in 16..<file.count where offset < 700 || random.below(10) == 0 {
      var damaged = file
      damaged[offset] = UInt8(truncatingIfNeeded: random.next())
      guard let error = failure(resealed(damaged), limits) else { continue }
      statuses.insert(error.status.code)
      #expect(
        error.byteOffset >= 0 || !error.node.isEmpty || !error.tensor.isEmpty || error.status == .limitExceeded || error.status == .invalidGraph,
        "byte \(offset): \(error.message)")
    }
  }
  #expect(statuses.contains(Status.malformedModel.code))
}

@Test func limitsOfCodedFilesAreKept() throws {
  let file = try encoded(formsGraph(.adaptive), .adaptive)
  for change in [
    { $0.maximumFileBytes = file.count }, { $0.maximumFileBytes = 100 }, { $0.maximumNodes = 2 }, { $0.maximumValues = 3 },
    { $0.maximumTensorBytes = 63 }, { $0.maximumNameBytes = 3 }, { $0.maximumMetadataBytes = 2 },
  ] as [(inout Limits) -> Void] {
    var limits = Limits()
    change(&limits)
    #expect(failure(file, limits)?.status == .limitExceeded)
  }
}

/// Few bytes that promise much: refused before memory is taken, or ended where the bytes end.
@Test func zerosArePricedBeforeTheyAreAllocated() throws {
  var graph = Graph(name: "bomb")
  graph.addValue(Value(name: "zeros", dtype: .int8, shape: Shape([1 << 20]), constant: try TensorData([UInt8](repeating: 0, count: 1 << 20))))
  let file = try encoded(graph, .adaptive)
  #expect(file.count < 100)
  var limits = Limits()
  limits.maximumTensorBytes = 1 << 19
  #expect(failure(file, limits)?.status == .limitExceeded)
  limits = Limits()
  limits.maximumFileBytes = 1 << 19
  #expect(failure(file, limits)?.status == .limitExceeded)
}

// ---- Fixed probabilities ----------------------------------------------------------------------------------

/// Of 5000 symbols and more, few and many, even and one of them almost alone, with the last group of eight incomplete.
@Test func fixedProbabilitiesComeBackAndCostTheirEntropy() throws {
  var random = Random(state: 77)
  for (count, kinds, skew) in [(5000, 2, 0), (5001, 256, 0), (70_007, 17, 3), (40_000, 256, 6), (9_999, 3, 40)] {
    let symbols = (0..<count).map { _ in UInt16((0...skew).map { _ in random.below(kinds) }.min()!) }
    var counts = [Int](repeating: 0, count: kinds)
    for symbol in symbols { counts[Int(symbol)] += 1 }
    let coder = try FixedMatrix()
    let levels = FixedMatrix.levels(counts)
    #expect(levels.allSatisfy { $0 >= 0 && $0 < 1 << FixedMatrix.levelBits } && coder.setLevels(levels))
    var row = [UInt16](repeating: 0, count: 1000)
    let chunk = try row.withUnsafeMutableBufferPointer { row in
      try coder.encoded(count, columns: 1000, row.baseAddress!) { row, start, count in
        for index in 0..<count { row[index] = symbols[start + index] }
      }
    }
    #expect(abs(coder.byteCount(counts) - chunk.count) <= chunk.count / 2000 + 8, "\(kinds) kinds: \(chunk.count) bytes, not \(coder.byteCount(counts))")
    let entropy = counts.reduce(0.0) { $0 + ($1 == 0 ? 0 : Double($1) * log2(Double(count) / Double($1))) }
    // Levels have three bits behind the first, probabilities 14 bits; eight states begin with 16 bits too many.
    #expect(Double(chunk.count) < entropy / 8 * 1.01 + 48, "\(kinds) kinds: \(chunk.count) bytes, entropy \(entropy / 8)")
    chunk.withUnsafeBytes { bytes in
      coder.begin(bytes)
      var found: [UInt16] = []
      while found.count < count {
        let length = min(1000, count - found.count)
        row.withUnsafeMutableBufferPointer { coder.code($0.baseAddress!, length) }
        found += row[..<length]
      }
      coder.end()
      #expect(found == symbols && !coder.isBroken && !coder.isTruncated)
    }
  }
  #expect(try !FixedMatrix().setLevels([0, 0, 0]))
}

/// A quantized layer large enough for fixed probabilities.
private func integerLayer(_ change: (inout Graph) throws -> Void = { _ in }) throws -> Graph {
  var random = Random(state: 9)
  var graph = Graph(name: "layer")
  let x = graph.addValue(Value(name: "x", dtype: .uint8, shape: Shape([Shape.batch, 80]), quantization: Quantization(scales: [0.37], zeroPoints: [3])))
  let scales = (0..<64).map { _ in 0.001 + random.unit() }
  let w = try graph.addConstant(
    "w", .int8, Shape([64, 80]), (0..<64 * 80).map { _ in Int8(random.below(30) + random.below(30) - 30) },
    quantization: Quantization(scales: scales, zeroPoints: [Int32](repeating: 0, count: 64), axis: 0))
  let b = try graph.addConstant(
    "b", .int32, Shape([64]), (0..<64).map { Int32($0 * 1000) },
    quantization: Quantization(scales: scales.map { Float(0.37) * $0 }, zeroPoints: [Int32](repeating: 0, count: 64), axis: 0))
  let y = graph.addValue(Value(name: "y", dtype: .uint8, shape: Shape([Shape.batch, 64]), quantization: Quantization(scales: [1], zeroPoints: [0])))
  graph.nodes.append(Node(name: "layer", op: .dense(.none), inputs: [x, w, b], outputs: [y]))
  graph.inputs = [x]
  graph.outputs = [y]
  try change(&graph)
  return graph
}

/// Scales of a bias that are products take nothing of the file; others come back as they are.
@Test func scalesOfBiasesAreProducts() throws {
  let products = try integerLayer()
  try products.validate()
  try expectSame(products)
  let other = try integerLayer { $0.values[2].quantization!.scales[63] = 0.25 }
  try expectSame(other)
  let (small, large) = (try encoded(products, .adaptive), try encoded(other, .adaptive))
  #expect(small[10] == 1 && large[10] == 1)
  // 24 of a scale's bits are as likely one as zero.
  #expect(small.count + 64 * 3 < large.count)
}

/// Many scales are coded as large constants are: their exponents, and the other bytes as they are. Damage to them has a place or a limit.
@Test func manyScalesAreSplit() throws {
  var random = Random(state: 11)
  let scales = (0..<3000).map { _ in 0.001 + 0.01 * random.unit() }
  let graph = try integerLayer {
    try $0.addConstant(
      "many", .int8, Shape([3000, 2]), (0..<6000).map { Int8(truncatingIfNeeded: $0 * 37) },
      quantization: Quantization(scales: scales, zeroPoints: [Int32](repeating: 0, count: 3000), axis: 0))
  }
  try expectSame(graph)
  let (few, file) = (try encoded(integerLayer(), .adaptive), try encoded(graph, .adaptive))
  // Three bytes a scale, half a byte of its exponent, and the constant's own.
  #expect(file.count - few.count < 3000 * 7 / 2 + 6000 + 100)
  for offset in stride(from: 16, to: file.count, by: 31) {
    var damaged = file
    damaged[offset] ^= 0x55
    guard let error = failure(resealed(damaged)) else { continue }
    #expect(error.byteOffset >= 0 || !error.tensor.isEmpty || error.status == .limitExceeded || error.status == .invalidGraph, "byte \(offset): \(error.message)")
  }
  var limits = Limits()
  limits.maximumFileBytes = 20_000
  #expect(failure(file, limits)?.status == .limitExceeded)
}

@Test func minorVersionsAreWhatConstantsNeed() throws {
  var file = try encoded(integerLayer(), .adaptive)
  file[10] = 0
  #expect(failure(file)?.status == .malformedModel)
  file[10] = 2
  #expect(failure(file)?.status == .newerVersion)
  var older = try encoded(graph([(.float32, [8, 8], bytes((0..<64).map { Float($0) }))]), .adaptive)
  #expect(older[10] == 0)
  older[10] = 1
  #expect(failure(older)?.status == .malformedModel)
}

// ---- Codes ----------------------------------------------------------------------------------------------

@Test func huffmanCodesAreShortestAndNeverTooLong() throws {
  // Counts 1, 1, 2, 4 take 3, 3, 2, 1 bits.
  let table = HuffmanTable(counts: [4, 1, 0, 2, 1])
  #expect(table.lengths == [1, 3, 0, 2, 3])
  #expect(table.cost([4, 1, 0, 2, 1]) == 14)
  // Fibonacci's numbers make the deepest tree.
  var counts = [1, 1]
  while counts.count < 40 { counts.append(counts[counts.count - 1] + counts[counts.count - 2]) }
  let deep = HuffmanTable(counts: counts)
  #expect(deep.lengths.max()! <= UInt8(HuffmanTable.longest))
  #expect(deep.lengths.reduce(0) { $0 + 1 << (HuffmanTable.longest - Int($1)) } <= 1 << HuffmanTable.longest)
  #expect(HuffmanTable(lengths: deep.lengths) != nil)
  #expect(HuffmanTable(lengths: [1, 1, 1]) == nil)
  #expect(HuffmanTable(lengths: [16]) == nil)
}

@Test func fillersBridgeLongGaps() throws {
  // One weight in 700: gaps far beyond what eight bits say.
  var data = [Float](repeating: 0, count: 70_000)
  for index in stride(from: 699, to: data.count, by: 700) { data[index] = index % 1400 == 699 ? 1 : -2 }
  try expectSame(graph([(.float32, [70, 1000], bytes(data))]))
  let file = try encoded(graph([(.float32, [70, 1000], bytes(data))]), .huffman)
  #expect(file.count < 600)
}

@Test func probabilitiesAreLogisticAndBitsCostWhatTheySay() throws {
  // A bit that is one in 1 of 64 has an entropy of 0.116 bits; 20,000 of them 290 bytes.
  var random = Random(state: 5)
  let coder = try MixingCoder(decoding: nil)
  let bits = (0..<20_000).map { _ in random.below(64) == 0 ? 1 : 0 }
  for bit in bits { _ = coder.number(bit, bits: 1, 1, 2, 3, 4, set: 0) }
  coder.finish()
  #expect(coder.output.count < 310)
  let output = coder.output
  output.withUnsafeBytes { bytes in
    let decoder = try? MixingCoder(decoding: bytes)
    #expect(bits.allSatisfy { decoder?.number(0, bits: 1, 1, 2, 3, 4, set: 0) == $0 })
    #expect(decoder?.isAtEnd == true && decoder?.isTruncated == false)
  }
}
