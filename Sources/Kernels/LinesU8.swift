import CPlatform

/// Convolution windows read where they lie in copies of image lines with their padding. A window is then a run of memory for
/// each of its lines, filled up to whole steps whose weights are 0: nothing is gathered. It takes more steps, and leaves
/// remainders to the tiles at the end of each output line.
struct LinesU8 {
  /// Pixels of a line, runs of memory and steps of a row.
  let width: Int, runs: Int, steps: Int
  /// Bytes from row to row, and from run to run.
  let stride: Int, distance: Int
  /// Rows of an output line.
  private let pixels: Int
  /// Bytes of a copied line; lines from output line to output line, and that a window spans.
  private let lineBytes: Int, step: Int, reach: Int

  init(_ a: ek_conv) {
    let pixelBytes = Int(a.c_in) &* activationBytes
    pixels = Int(a.ow)
    runs = Int(a.kh)
    stride = Int(a.stride_w) &* pixelBytes
    width = (pixels &- 1) &* Int(a.stride_w) &+ Int(a.kw)
    steps = runs &* stepsU8(Int(a.kw) &* Int(a.c_in))
    lineBytes = width &* pixelBytes
    step = Int(a.stride_h)
    distance = Int(a.dilation_h) &* lineBytes
    reach = (runs &- 1) &* Int(a.dilation_h) &+ 1
  }

  /// Every window, run and line begins a multiple of `bytes` behind the first.
  func isAligned(to bytes: Int) -> Bool { stride % bytes == 0 && lineBytes % bytes == 0 }

  /// Lines that `count` output lines read, and their bytes.
  func count(_ count: Int) -> Int { (count &- 1) &* step &+ reach }
  func bytes(_ count: Int) -> Int { self.count(count) &* lineBytes }

  /// Output lines of a block for a layer of `panels` panels; 0 where gathering is the better choice.
  func blockLines(_ a: ek_conv, _ panels: Int) -> Int {
    let oh = Int(a.oh), k = runs &* Int(a.kw) &* Int(a.c_in)
    // Windows further apart than they are wide would copy pixels nobody reads.
    guard a.groups == 1, a.dilation_w == 1, a.kh &* a.kw > 1, a.stride_w <= a.kw, a.stride_h <= a.kh, a.x_stride == a.c_in,
      a.n > 0, oh > 0, pixels > 0, bytes(1) <= 384 << 10
    else { return 0 }
    // What lines take longer, and what gathering them costs.
    let longer = pixels &* (steps &- stepsU8(k)) &+ restSteps
    if 2 &* longer &* panels > pixels &* gatheringHalfSteps(k) { return 0 }
    // Few channels leave lines to be shared among threads; with many, weights are read for as many lines as there are.
    let most = divideUp(oh, smaller(divideUp(16, panels), 4))
    var lines = smaller(divideUp(8 &* tileRows, pixels), most)
    while lines < reach && lines < most && bytes(lines &+ 1) <= 32 << 10 { lines &+= 1 }
    while lines > 1 && bytes(lines) > 384 << 10 { lines &-= 1 }
    lines = divideUp(oh, divideUp(oh, lines))
    // A smaller last block leaves two threads unequal, an even number of equal blocks does not.
    return oh % lines != 0 && oh % (2 &* lines &+ 2) == 0 && lines < most && bytes(lines &+ 1) <= 32 << 10 ? lines &+ 1 : lines
  }

  #if ISA_AVX2
  /// Steps that the tiles at the end of an output line are worth beyond those of their rows, and what a line takes in itself.
  private var restSteps: Int {
    var left = pixels % tileRows, worth = 15
    while left > 0 {
      worth &+= 20 &+ steps / 8
      left &-= tileSize(left)
    }
    return worth
  }
  /// Twice the steps that a window is worth which is gathered, in words and in bytes.
  private func gatheringHalfSteps(_ k: Int) -> Int {
    isShortWindowU8(runs, k / runs) ? 12 : 6 &* runs &+ 3 &* k / 8
  }
  #else
  /// Steps that the tiles at the end of an output line are worth beyond those of their rows: the smallest wait for their sums.
  private var restSteps: Int {
    var left = pixels % tileRows, worth = 0
    while left > 0 {
      let size = tileSize(left)
      worth &+= (larger(size &+ 1, 4) &- size) &* steps
      left &-= size
    }
    return worth
  }
  /// Twice the steps that a window is worth which is gathered.
  private func gatheringHalfSteps(_ k: Int) -> Int { 6 &* runs &+ k / 16 }
  #endif

  /// The windows of `count` output lines in their copy.
  func rows(_ count: Int, _ copy: UnsafeRawPointer) -> RowsU8 {
    var rows = RowsU8(copy, pixels, stride, steps: steps)
    #if !ISA_AVX2
    rows.runs = RunsU8(runs, distance)
    #endif
    rows.lines = RunsU8(count, step &* lineBytes)
    return rows
  }
}
