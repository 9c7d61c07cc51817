import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What a kernel's work is cut into when it runs in a chain. Each case knows one argument structure.
enum BandKind: UInt8 {
  /// `ek_conv` of one image, from some of its output lines to others.
  case depthwise
  /// `ek_conv` with windows of one pixel: each output line is made of the same line of the operand.
  case pointwise
  /// `ek_matmul`: rows of the left operand and of the result.
  case product
  /// `ek_softmax` over the last axis.
  case softmax
  /// `ek_binary` whose left operand and result are rows; the right one broadcasts: a mask, or a bias for each distance.
  case binary
  /// `EK_MASK` that keeps rows where its mask is set, or where it is not, and takes anything that broadcasts elsewhere.
  case kept, keptOutside

  /// The result takes its operand's place.
  var isInPlace: Bool { rawValue >= BandKind.softmax.rawValue }
  /// Of the operand that is rows.
  var slot: Int { self == .kept ? 1 : self == .keptOutside ? 2 : 0 }
}

/// Lines of an image, or rows of a matrix: `first ..< end` of item `item`.
struct Band {
  var item: Int, first: Int, end: Int
}

extension BandKind {
  /// Makes arguments of the whole tensors those of a band. `source` and `target`: where the item would begin of whose operand and
  /// result a part is there, when they are not in the tensors. `lines`, `lineBytes`: of an item of the result.
  func cut(
    _ arguments: UnsafeMutableRawPointer, to band: Band, elementBytes: Int, lines: Int, lineBytes: Int, source: UnsafeMutableRawPointer?,
    target: UnsafeMutableRawPointer?
  ) {
    let count = band.end &- band.first
    switch self {
    case .depthwise, .pointwise:
      let c = arguments.assumingMemoryBound(to: ek_conv.self)
      let lineBytes = Int(c.pointee.w) &* Int(c.pointee.x_stride) &* elementBytes
      let x = source.map { UnsafeRawPointer($0) } ?? c.pointee.x.map { $0 + band.item &* Int(c.pointee.h) &* lineBytes }
      // Lines above the image are padding, and so are those behind its end, as ever.
      let top = self == .depthwise ? band.first &* Int(c.pointee.stride_h) &- Int(c.pointee.pad_top) : band.first
      let from = max(top, 0)
      c.pointee.x = x.map { $0 + from &* lineBytes }
      let pixel = (band.item &* Int(c.pointee.oh) &+ band.first) &* Int(c.pointee.ow)
      let pixelBytes = Int(c.pointee.y_stride) &* elementBytes
      c.pointee.y = target.map { $0 + band.first &* Int(c.pointee.ow) &* pixelBytes } ?? c.pointee.y.map { $0 + pixel &* pixelBytes }
      c.pointee.residual = c.pointee.residual.map { $0 + pixel &* Int(c.pointee.residual_stride) &* elementBytes }
      c.pointee.n = 1
      c.pointee.oh = Int32(truncatingIfNeeded: count)
      if self == .depthwise {
        c.pointee.h = Int32(truncatingIfNeeded: Int(c.pointee.h) &- from)
        c.pointee.pad_top = Int32(truncatingIfNeeded: from &- top)
      } else {
        c.pointee.h = c.pointee.oh
      }
    case .product:
      let c = arguments.assumingMemoryBound(to: ek_matmul.self)
      let rowBytes = (a: Int(c.pointee.a_row_stride) &* elementBytes, y: Int(c.pointee.y_row_stride) &* elementBytes)
      let a = source.map { UnsafeRawPointer($0) }
        ?? c.pointee.a.map { $0 + matrix(c, band.item, c.pointee.a_group_stride, c.pointee.a_batch_stride) &* elementBytes }
      let y = target ?? c.pointee.y.map { $0 + matrix(c, band.item, c.pointee.y_group_stride, c.pointee.y_batch_stride) &* elementBytes }
      c.pointee.a = a.map { $0 + band.first &* rowBytes.a }
      c.pointee.b = c.pointee.b.map { $0 + matrix(c, band.item, c.pointee.b_group_stride, c.pointee.b_batch_stride) &* elementBytes }
      c.pointee.y = y.map { $0 + band.first &* rowBytes.y }
      // As if it were the first of as many matrices, so that the kernel cuts it no finer; only that one's units are run.
      (c.pointee.inner_batch, c.pointee.m) = (c.pointee.batch, Int64(count))
    case .softmax:
      // It stands between two others, so it has no tensors.
      let c = arguments.assumingMemoryBound(to: ek_softmax.self)
      let offset = band.first &* Int(c.pointee.axis) &* elementBytes
      c.pointee.x = source.map { UnsafeRawPointer($0 + offset) }
      c.pointee.y = target.map { $0 + offset }
      c.pointee.outer = Int64(count)
    case .binary, .kept, .keptOutside:
      // The kernel computes a part of the whole, which would begin so far before the item.
      let whole = band.item &* lines
      let first = Int64((whole &+ band.first) &* (lineBytes / elementBytes)), end = first &+ Int64(count &* (lineBytes / elementBytes))
      let rows = source.map { UnsafeRawPointer($0 - whole &* lineBytes) }, y = target.map { $0 - whole &* lineBytes }
      arguments.storeBytes(of: rows, toByteOffset: slot &* MemoryLayout<UnsafeRawPointer?>.size, as: UnsafeRawPointer?.self)
      if self == .binary {
        let c = arguments.assumingMemoryBound(to: ek_binary.self)
        (c.pointee.y, c.pointee.first, c.pointee.end) = (y, first, end)
      } else {
        let c = arguments.assumingMemoryBound(to: ek_typed.self)
        (c.pointee.y, c.pointee.first, c.pointee.end) = (y, first, end)
      }
    }
  }

  /// How many of the units of arguments that were cut are the band's.
  func units(_ arguments: UnsafeRawPointer, of all: Int64) -> Int64 {
    self == .product ? all / arguments.assumingMemoryBound(to: ek_matmul.self).pointee.batch : all
  }

  /// Where a matrix of a batch begins.
  private func matrix(_ c: UnsafePointer<ek_matmul>, _ item: Int, _ groupStride: Int64, _ batchStride: Int64) -> Int {
    Int(ek_matrix_offset(c, Int64(item), groupStride, batchStride))
  }
}

/// The lines of its operand that a step needs for some of its result.
struct LineNeeds {
  /// Of windows; a step whose lines need one line each has the first values.
  var stride = 1, padding = 0, reach = 1
  /// Lines that there are.
  var lines = Int.max

  func first(_ line: Int) -> Int { max(line &* stride &- padding, 0) }
  func end(_ line: Int) -> Int { min((line &- 1) &* stride &- padding &+ reach, lines) }
  /// Of so many lines of the result.
  func most(_ count: Int) -> Int { min((count &- 1) &* stride &+ reach, lines) }
}

/// Steps that run band by band, each thread with bands of its own: what lies between them is in that thread's scratch, as much as
/// one band needs. The last step of a chain runs it, the others do nothing by themselves.
///
/// Kernels do not know of chains: a band of an image is a shorter image, a band of a matrix a matrix with fewer rows. Results
/// have the same bits, since a kernel's do not depend on how its work is cut. Where windows of neighbouring bands share lines, these
/// stay from one band to the next; a thread that begins with a band in the middle computes them once more.
struct Chain {
  struct Member {
    var step: Int
    var kind: BandKind
    /// Lines of its operand, which the member before it makes.
    var needs = LineNeeds()
    /// Bytes of a line of its result.
    var lineBytes = 0
    /// Where its result is in the scratch; -1 for the step's own tensor.
    var target = -1
  }

  /// In the order in which they run, which is that of the steps.
  var members: [Member]
  /// Images or matrices, lines or rows of each, and of a band.
  let items: Int, lines: Int
  var length = 1
  /// Offset of what is the kernels' in the scratch of a thread, and the size of all.
  var kernelScratch = 0, scratchBytes = 0

  init(_ members: [Member], items: Int, lines: Int) {
    self.members = members
    self.items = items
    self.lines = lines
  }

  var bandsOfItem: Int { (lines &+ length &- 1) / length }
  var bands: Int { items &* bandsOfItem }
}

/// A chain as a frozen step's arguments. Its members follow it in memory.
struct ChainCall {
  struct Member {
    var run: (@convention(c) (UnsafeRawPointer?, Int64, Int64, UnsafeMutableRawPointer?) -> Void)?
    var units: (@convention(c) (UnsafeRawPointer?) -> Int64)?
    /// Of the whole step.
    var arguments: UnsafeMutableRawPointer
    var byteCount: Int
    var elementBytes: Int
    var plan: Chain.Member
  }

  /// What a thread knows of a member's result while it runs: the lines that are in its scratch, and those to be computed next.
  struct Progress {
    var base: Int, first: Int, end: Int
  }

  let memberCount: Int
  let lines: Int, length: Int, bandsOfItem: Int
  /// In the scratch, which begins with the `Progress` of all members: the arguments of the call that is being made, and what is
  /// the kernels'.
  let arguments: Int, kernelScratch: Int

  static func byteCount(_ chain: Chain) -> Int { MemoryLayout<ChainCall>.stride &+ chain.members.count &* MemoryLayout<Member>.stride }
  static func progressBytes(_ members: Int) -> Int { (members &* MemoryLayout<Progress>.stride &+ 63) & ~63 }

  /// Stands in for a kernel.
  static let run: @convention(c) (UnsafeRawPointer?, Int64, Int64, UnsafeMutableRawPointer?) -> Void = { call, begin, end, scratch in
    guard let call, let scratch else { return }
    let chain = call.assumingMemoryBound(to: ChainCall.self)
    var number = Int(begin)
    while number < Int(end) {
      let first = number % chain.pointee.bandsOfItem &* chain.pointee.length
      let band = Band(
        item: number / chain.pointee.bandsOfItem, first: first, end: min(first &+ chain.pointee.length, chain.pointee.lines))
      chain.pointee.run(band, (call + MemoryLayout<ChainCall>.stride).assumingMemoryBound(to: Member.self), scratch, isFirst: number == Int(begin) || first == 0)
      number &+= 1
    }
  }

  /// `isFirst`: there is nothing of the band before it.
  private func run(_ band: Band, _ members: UnsafePointer<Member>, _ scratch: UnsafeMutableRawPointer, isFirst: Bool) {
    let progress = scratch.assumingMemoryBound(to: Progress.self)
    // From the last member to the first: what it has to add for the next one.
    var (first, end) = (band.first, band.end)
    var index = memberCount &- 1
    progress[index] = Progress(base: 0, first: first, end: end)
    while index > 0 {
      let needs = members[index].plan.needs
      index &-= 1
      let base = needs.first(first)
      // Nothing new is needed for nothing.
      let last = first < end ? needs.end(end) : base
      var there = isFirst ? base : progress[index].end
      let target = members[index].plan.target, lineBytes = members[index].plan.lineBytes
      if !isFirst, base < there, base > progress[index].base {
        (scratch + target).copyMemory(
          from: scratch + (target &+ (base &- progress[index].base) &* lineBytes), byteCount: (there &- base) &* lineBytes)
      }
      there = max(there, base)
      progress[index] = Progress(base: base, first: there, end: max(last, there))
      (first, end) = (progress[index].first, progress[index].end)
    }
    while index < memberCount {
      let own = progress[index]
      if own.first < own.end {
        let member = members + index
        (scratch + arguments).copyMemory(from: member.pointee.arguments, byteCount: member.pointee.byteCount)
        member.pointee.plan.kind.cut(
          scratch + arguments, to: Band(item: band.item, first: own.first, end: own.end), elementBytes: member.pointee.elementBytes,
          lines: lines, lineBytes: member.pointee.plan.lineBytes, source: index == 0 ? nil : place(members[index &- 1].plan, progress[index &- 1].base, scratch),
          target: place(member.pointee.plan, own.base, scratch))
        let units = member.pointee.plan.kind.units(scratch + arguments, of: member.pointee.units?(scratch + arguments) ?? 0)
        member.pointee.run?(scratch + arguments, 0, units, scratch + kernelScratch)
      }
      index &+= 1
    }
  }

  /// Where the item would begin of whose lines those from `base` on are in the scratch.
  private func place(_ member: Chain.Member, _ base: Int, _ scratch: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    member.target < 0 ? nil : scratch + (member.target &- base &* member.lineBytes)
  }
}

extension LoweredStep {
  /// Bytes of an element of the tensors that a chain's bands lie in.
  var elementBytes: Int {
    switch Int(operation) {
    case Int(EK_DEPTHWISE_U8), Int(EK_CONV_U8), Int(EK_MATMUL_U8), Int(EK_SOFTMAX_U8), Int(EK_BINARY_U8): return 1
    case Int(EK_MASK): return load(ek_typed.self).b_type == Int32(EK_TYPE_FLOAT32) ? 4 : 1
    default: return 4
    }
  }
}
