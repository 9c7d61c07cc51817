import CPlatform

// Rows of bytes that a block multiplies (BlockU8.swift): where they lie, and their sums.

/// Rows may be windows that are read in image lines (LinesU8.swift), which takes a loop around each tile or places of steps
/// that a panel keeps: where there are none and products are slower it gains little for its size.
#if ISA_AVX512VNNI || ISA_AVX2
@inline(__always) var readsLinesU8: Bool { true }
#else
@inline(__always) var readsLinesU8: Bool { false }
#endif

/// The runs of memory that a row is made of, or that a block's rows lie in: how many, and the bytes from one to the next.
/// Where rows are not read in lines there is one, and nothing to pass on.
struct RunsU8 {
  #if ISA_AVX512VNNI || ISA_AVX2
  var count = 1, distance = 0
  #else
  @inline(__always) var count: Int { 1 }
  @inline(__always) var distance: Int { 0 }
  #endif

  @inline(__always) init() {}

  @inline(__always) init(_ count: Int, _ distance: Int) {
    #if ISA_AVX512VNNI || ISA_AVX2
    self.count = count
    self.distance = distance
    #endif
  }

  /// Of rows whose runs are of `steps` steps.
  @inline(__always) func window(_ steps: Int) -> TileWindow {
    var window = TileWindow(steps: steps)
    (window.lines, window.lineStride) = (count, distance)
    return window
  }
}

/// The rows of a product as they lie in memory.
struct RowsU8 {
  var start: UnsafeRawPointer
  /// Rows of a line, bytes from row to row.
  var count: Int, stride: Int
  /// Steps of a row, all its runs together.
  let steps: Int
  var runs = RunsU8()
  /// Lines of rows, whose results follow each other.
  var lines = RunsU8()
  #if ISA_AVX2
  /// The same rows as bytes, which lie at `start` as words.
  var bytes: UnsafeRawPointer
  var byteStride = 0
  #endif

  init(_ start: UnsafeRawPointer, _ count: Int, _ stride: Int, steps: Int) {
    self.start = start
    self.count = count
    self.stride = stride
    self.steps = steps
    #if ISA_AVX2
    bytes = start
    #endif
  }

  /// Rows of bytes `stride` apart; where bytes are words too, those stay where they are.
  @inline(__always) mutating func read(_ start: UnsafeRawPointer, _ stride: Int) {
    #if ISA_AVX2
    (bytes, byteStride) = (start, stride)
    #else
    (self.start, self.stride) = (start, stride)
    #endif
  }

  @inline(__always) var runSteps: Int { runs.count > 1 ? steps / runs.count : steps }

  @inline(__always) mutating func moveToNextLine() {
    start += lines.distance
    #if ISA_AVX2
    bytes += lines.distance / 2
    #endif
  }
}

/// Steps of a row of `k` activations, and bytes of a packed panel of so many.
#if ISA_AVX2
@inline(__always) func stepsU8(_ k: Int) -> Int { divideUp(k, 4) &* 2 }
@inline(__always) func panelBytesU8(_ steps: Int) -> Int { MixedPanel.size(steps) }
#else
@inline(__always) func stepsU8(_ k: Int) -> Int { divideUp(k, dotGroup) }
@inline(__always) func panelBytesU8(_ steps: Int) -> Int {
  panelWidth &* (8 &+ steps &* dotGroup &* MemoryLayout<DotWeight>.size)
}
#endif

/// The sums of `count` rows of `k` bytes, times `factor`: what a zero point of the other operand adds to a product.
@inline(never)
func sumRowsU8(
  _ k: Int, _ rows: UnsafeRawPointer, _ stride: Int, _ count: Int, _ factor: Int32,
  _ sums: UnsafeMutablePointer<Int32>
) {
  var row = 0
  while row < count {
    let from = (rows + row &* stride).assumingMemoryBound(to: UInt8.self)
    #if ISA_NEONDOT
    // Four rows at a time: to add up the lanes of one takes as long as those of four.
    if row &+ 4 <= count && k % 16 == 0 {
      let second = from + stride, third = second + stride, fourth = third + stride
      var (s0, s1, s2, s3) = (VI(repeating: 0), VI(repeating: 0), VI(repeating: 0), VI(repeating: 0))
      var i = 0
      while i < k {
        s0 = en_add_bytes(s0, from + i)
        s1 = en_add_bytes(s1, second + i)
        s2 = en_add_bytes(s2, third + i)
        s3 = en_add_bytes(s3, fourth + i)
        i &+= 16
      }
      let four = vpaddq_s32(vpaddq_s32(s0, s1), vpaddq_s32(s2, s3)) &* VI(repeating: factor)
      UnsafeMutableRawPointer(sums + row).storeBytes(of: four, as: VI.self)
      row &+= 4
      continue
    }
    #endif
    var total = VI(repeating: 0)
    var i = 0
    while i &+ lanes <= k {
      total = total &+ widenBytes(from + i)
      i &+= lanes
    }
    if i < k { total = total &+ widenBytesPart(from + i, k &- i) }
    sums[row] = total.laneSum &* factor
    row &+= 1
  }
}
