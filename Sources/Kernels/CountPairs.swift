#if ISA_AVX2
import _Builtin_intrinsics.intel

// Two rows of signs at a time on AVX2. Half a byte of each of two rows chooses a table, whose bytes hold a count of at most 4 for
// each row. Three of these add up in half bytes, so 3 lookups, 4 additions and a shift count the differing bits of 2 rows, 32
// channels and 3 half bytes: 8 instructions for 768 products, where one row at a time takes 12.
//
// Let a, b be what three steps count for the two rows, and A, B the sums of these. The bytes a + 16 b are added up, which gives
// A + 16 B modulo 256. Shifted right by four bits as words of 16 they are added up again, byte by byte: in odd bytes that is B, in
// even ones B + 16 A', where A' is the odd neighbour's A, whose half byte comes in. While no sum is above 255, all four of a word
// are found again: the odd B, with it the odd A, with it the even B, with it the even A.

/// Makes the tables in which rows look up, for all pairs of half bytes, or for those of one row: for each half byte of a weight, in
/// how many bits it differs from that of the first row, and 16 times in how many from that of the second.
@inline(never)
func fillTables(_ tables: UnsafeMutableRawPointer, areOfPairs: Bool) {
  let ones = _mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4)
  let halfBytes = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  @inline(__always) func counts(_ halfByte: Int) -> __m128i {
    _mm_shuffle_epi8(ones, _mm_xor_si128(halfBytes, _mm_set1_epi8(Int8(truncatingIfNeeded: halfByte))))
  }
  var table = tables
  var second = 0
  while second < (areOfPairs ? 16 : 1) {
    let other = areOfPairs ? _mm_slli_epi16(counts(second), 4) : _mm_setzero_si128()
    var first = 0
    while first < 16 {
      table.storeBytes(of: _mm_or_si128(counts(first), other), as: __m128i.self)
      table += 16
      first &+= 1
    }
    second &+= 1
  }
}

/// The table at the offset that an element holds, in both halves of a register.
@inline(__always) private func table(_ tables: UnsafeRawPointer, _ element: UnsafeRawPointer) -> CountStep.Vector {
  let offset = Int(element.loadUnaligned(as: UInt16.self))
  return _mm256_broadcastsi128_si256(tables.loadUnaligned(fromByteOffset: offset, as: __m128i.self))
}

/// Sums of one row or two for a panel.
private protocol RunSums {
  associatedtype Tables
  /// Steps that are added together.
  static var steps: Int { get }
  static func lookUp(_ tables: UnsafeRawPointer, _ elements: UnsafeRawPointer) -> Tables
  init()
  mutating func add(_ tables: Tables, _ panel: UnsafePointer<CountStep.Vector>)
  /// Adds them to the counts of the first row, behind which are those of the second.
  func finish(_ counts: UnsafeMutablePointer<Count>)
}

private struct PairSums: RunSums {
  private var lowSum = CountStep.Sum(), highSum = CountStep.Sum()
  private var lowShifted = CountStep.Sum(), highShifted = CountStep.Sum()

  @inline(__always) static var steps: Int { stepsTogether }
  @inline(__always) init() {}

  @inline(__always)
  static func lookUp(_ tables: UnsafeRawPointer, _ elements: UnsafeRawPointer) -> (CountStep.Vector, CountStep.Vector, CountStep.Vector) {
    let next = elements + CountStep.elementBytes
    return (table(tables, elements), table(tables, next), table(tables, next + CountStep.elementBytes))
  }

  @inline(__always)
  mutating func add(_ tables: (CountStep.Vector, CountStep.Vector, CountStep.Vector), _ panel: UnsafePointer<CountStep.Vector>) {
    PairSums.add(tables, panel, &lowSum, &lowShifted)
    PairSums.add(tables, panel + 1, &highSum, &highShifted)
  }

  @inline(__always)
  private static func add(
    _ tables: (CountStep.Vector, CountStep.Vector, CountStep.Vector), _ panel: UnsafePointer<CountStep.Vector>,
    _ sum: inout CountStep.Sum, _ shifted: inout CountStep.Sum
  ) {
    var counts = CountStep.Sum()
    CountStep.accumulate(&counts, tables.0, panel[0])
    CountStep.accumulate(&counts, tables.1, panel[2])
    CountStep.accumulate(&counts, tables.2, panel[4])
    sum = sum &+ counts
    shifted = shifted &+ unsafeBitCast(unsafeBitCast(counts, to: CountWords.self) &>> 4, to: CountStep.Sum.self)
  }

  @inline(__always) func finish(_ counts: UnsafeMutablePointer<Count>) {
    PairSums.finish(lowSum, lowShifted, counts)
    PairSums.finish(highSum, highShifted, counts + countWidth / 2)
  }

  @inline(__always)
  private static func finish(_ sum: CountStep.Sum, _ shifted: CountStep.Sum, _ first: UnsafeMutablePointer<Count>) {
    let n = CountWords.scalarCount
    let second = first + countWidth
    let (s, t) = (unsafeBitCast(sum, to: CountWords.self), unsafeBitCast(shifted, to: CountWords.self))
    let secondOdd = t &>> 8
    let firstOdd = ((s &>> 8) &- (secondOdd &<< 4)) & 0xFF
    let secondEven = (t &- (firstOdd &<< 4)) & 0xFF
    let firstEven = (s &- (secondEven &<< 4)) & 0xFF
    (CountWords.load(first) &+ firstEven).store(first)
    (CountWords.load(first + n) &+ firstOdd).store(first + n)
    (CountWords.load(second) &+ secondEven).store(second)
    (CountWords.load(second + n) &+ secondOdd).store(second + n)
  }
}

/// Of a row alone.
private struct RowSums: RunSums {
  private var low = CountStep.Sum(), high = CountStep.Sum()

  @inline(__always) static var steps: Int { 1 }
  @inline(__always) init() {}
  @inline(__always) static func lookUp(_ tables: UnsafeRawPointer, _ elements: UnsafeRawPointer) -> CountStep.Vector {
    _mm256_and_si256(table(tables, elements), _mm256_set1_epi8(0x0F))
  }

  @inline(__always) mutating func add(_ table: CountStep.Vector, _ panel: UnsafePointer<CountStep.Vector>) {
    CountStep.accumulate(&low, table, panel[0])
    CountStep.accumulate(&high, table, panel[1])
  }

  @inline(__always) func finish(_ counts: UnsafeMutablePointer<Count>) { addCounts(low, high, counts) }
}

/// Adds what `rows` rows count in a run of steps: `panels` panels, 1 or 2, `panelBytes` apart, whose counts are `countsApart` apart.
func countRun(
  _ tables: UnsafeRawPointer, _ steps: Int, _ from: UnsafeRawPointer, _ rows: Int, _ rowBytes: Int, _ panel: UnsafePointer<CountStep.Vector>, _ panels: Int,
  _ panelBytes: Int, _ counts: UnsafeMutablePointer<Count>, _ countsApart: Int
) {
  var source = from
  var to = counts
  var row = 0
  while row &+ 2 <= rows {
    count(PairSums.self, tables, steps, source, panel, panels, panelBytes, to, countsApart)
    source += rowBytes
    to += 2 &* countWidth
    row &+= 2
  }
  if row < rows { count(RowSums.self, tables, steps, source, panel, panels, panelBytes, to, countsApart) }
}

@inline(__always)
private func count<Sums: RunSums>(
  _: Sums.Type, _ tables: UnsafeRawPointer, _ steps: Int, _ elements: UnsafeRawPointer, _ panel: UnsafePointer<CountStep.Vector>,
  _ panels: Int, _ panelBytes: Int, _ counts: UnsafeMutablePointer<Count>, _ countsApart: Int
) {
  var sums = Sums()
  var element = elements
  let end = elements + steps &* CountStep.elementBytes
  var place = panel
  if panels == 2 {
    var others = Sums()
    while element < end {
      let found = Sums.lookUp(tables, element)
      sums.add(found, place)
      others.add(found, (UnsafeRawPointer(place) + panelBytes).assumingMemoryBound(to: CountStep.Vector.self))
      element += Sums.steps &* CountStep.elementBytes
      place += 2 &* Sums.steps
    }
    others.finish(counts + countsApart)
  } else {
    while element < end {
      sums.add(Sums.lookUp(tables, element), place)
      element += Sums.steps &* CountStep.elementBytes
      place += 2 &* Sums.steps
    }
  }
  sums.finish(counts)
}
#endif
