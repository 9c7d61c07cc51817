#if !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

// Transposed convolution by plain ones. With stride 1 it is a convolution whose windows are turned around, with
// (k - 1) dilation - p of padding. With stride s the results fall in s classes along an axis, phases: each sees its own taps only, every
// s-th of the window, and is a convolution of stride 1 with them. A phase without taps is the bias alone. Sums run over
// the taps in reverse order, in one order however the work is shared.
//
// Depthwise layers are the same with the depthwise kernel where the stride is 1; else each result of a line adds its taps. Small
// images have a form of their own (TransposeProducts.swift). Rare geometries (stride and dilation together, strides of more than
// 64 phases, more padding than windows reach) are left to the reference.

/// One phase along an axis: the results first, first + stride, ...
private struct PhaseAxis {
  let first: Int, count: Int
  /// Taps, the last of which is number `residue` of the window; padding before the image.
  let taps: Int, padding: Int

  init(_ residue: Int, _ stride: Int32, _ kernel: Int32, _ pad: Int32, _ size: Int32) {
    let stride = Int(stride), pad = Int(pad)
    let offset = (residue &- pad) % stride
    first = offset < 0 ? offset &+ stride : offset
    count = first < Int(size) ? (Int(size) &- 1 &- first) / stride &+ 1 : 0
    taps = residue < Int(kernel) ? (Int(kernel) &- 1 &- residue) / stride &+ 1 : 0
    padding = taps &- 1 &- (first &+ pad &- residue) / stride
  }
}

private struct TransposePlan {
  enum Form { case reference, plain, strided, products }

  let c: ek_conv
  let form: Form
  let isDepthwise: Bool
  let depth: Int, columns: Int
  /// Lines of a phase that a unit computes; blocks of them.
  let blockLines: Int, blocks: Int

  @_optimize(size)
  init(_ args: UnsafeRawPointer) {
    c = args.assumingMemoryBound(to: ek_conv.self).pointee
    isDepthwise = c.groups == c.c_in && c.c_out == c.c_in && c.groups > 1
    depth = Int(c.c_in) / Int(c.groups)
    columns = Int(c.c_out) / Int(c.groups)
    if !isDepthwise && TransposeProducts(c).suits {
      form = .products
    } else if c.stride_h == 1 && c.stride_w == 1 {
      form = c.pad_top <= (c.kh &- 1) &* c.dilation_h && c.pad_left <= (c.kw &- 1) &* c.dilation_w ? .plain : .reference
    } else {
      // Phases are counted through, so a model must not make too many.
      let isPlain = c.dilation_h == 1 && c.dilation_w == 1 && Int(c.stride_h) &* Int(c.stride_w) <= 64
      form =
        isPlain && TransposePlan.reaches(c.stride_h, c.kh, c.pad_top, c.oh) && TransposePlan.reaches(c.stride_w, c.kw, c.pad_left, c.ow)
        ? .strided : .reference
    }
    let lines = divideUp(Int(c.oh), Int(c.stride_h)), width = divideUp(Int(c.ow), Int(c.stride_w))
    let most = larger(12 &* tileRows / width, 1)
    blockLines = divideUp(lines, divideUp(lines, most))
    blocks = divideUp(lines, blockLines)
  }

  /// No phase begins behind the image's first line.
  private static func reaches(_ stride: Int32, _ kernel: Int32, _ pad: Int32, _ size: Int32) -> Bool {
    var residue = 0
    while residue < Int(stride) {
      let axis = PhaseAxis(residue, stride, kernel, pad, size)
      if axis.taps > 0 && axis.count > 0 && axis.padding < 0 { return false }
      residue &+= 1
    }
    return true
  }

  /// The plain convolution, of stride 1.
  var turned: ek_conv {
    var turned = c
    turned.pad_top = (c.kh &- 1) &* c.dilation_h &- c.pad_top
    turned.pad_left = (c.kw &- 1) &* c.dilation_w &- c.pad_left
    return turned
  }

  /// The convolution of a phase.
  func phase(_ rows: PhaseAxis, _ columns: PhaseAxis) -> ek_conv {
    var phase = c
    phase.stride_h = 1
    phase.stride_w = 1
    phase.kh = Int32(truncatingIfNeeded: rows.taps)
    phase.kw = Int32(truncatingIfNeeded: columns.taps)
    phase.pad_top = Int32(truncatingIfNeeded: rows.padding)
    phase.pad_left = Int32(truncatingIfNeeded: columns.padding)
    phase.oh = Int32(truncatingIfNeeded: rows.count)
    phase.ow = Int32(truncatingIfNeeded: columns.count)
    return phase
  }

  func row(_ residue: Int) -> PhaseAxis { PhaseAxis(residue, c.stride_h, c.kh, c.pad_top, c.oh) }
  func column(_ residue: Int) -> PhaseAxis { PhaseAxis(residue, c.stride_w, c.kw, c.pad_left, c.ow) }

  /// Floats of a phase's packed weights.
  func packedFloats(_ taps: Int) -> Int { Int(c.groups) &* divideUp(columns, panelWidth) &* panelSize(taps &* depth) }

  /// Of all phases before (row, column), which follow each other line by line.
  func packedOffset(_ row: Int, _ column: Int) -> Int {
    var offset = 0
    var y = 0
    while y <= row {
      var x = 0
      while x < (y < row ? Int(c.stride_w) : column) {
        offset &+= packedFloats(self.row(y).taps &* self.column(x).taps)
        x &+= 1
      }
      y &+= 1
    }
    return offset
  }
}

func transposeUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let plan = TransposePlan(args)
  switch plan.form {
  case .reference: return referenceKernel(EK_CONV_TRANSPOSE_F32).units(args)
  case .plain:
    var turned = plan.turned
    return plan.isDepthwise ? depthwiseUnits(&turned) : convUnits(&turned)
  case .products: return Int64(plan.c.n)
  case .strided where plan.isDepthwise: return Int64(plan.c.n) &* Int64(plan.c.oh)
  case .strided: return Int64(plan.c.n) &* Int64(plan.c.stride_h) &* Int64(plan.blocks)
  }
}

func transposeScratch(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let plan = TransposePlan(args)
  if plan.isDepthwise || plan.form == .reference { return 0 }
  if plan.form == .plain {
    var turned = plan.turned
    return convScratch(&turned)
  }
  if plan.form == .products { return Int64(TransposeProducts(plan.c).scratchFloats &* 4) }
  // The most lines and columns that a phase may have.
  let taps = divideUp(Int(plan.c.kh), Int(plan.c.stride_h)), width = divideUp(Int(plan.c.kw), Int(plan.c.stride_w))
  return Int64((plan.blockLines &+ taps) &* (divideUp(Int(plan.c.ow), Int(plan.c.stride_w)) &+ width) &* plan.depth &* 4)
}

func transposePackedBytes(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let plan = TransposePlan(args)
  if plan.isDepthwise && plan.form != .reference { return Int64(plan.c.kh) &* Int64(plan.c.kw) &* Int64(plan.c.c_out) &* 4 }
  switch plan.form {
  case .reference: return 64
  case .plain:
    var turned = plan.turned
    return convPackedBytes(&turned)
  case .products: return Int64(TransposeProducts(plan.c).packedFloats &* 4)
  case .strided: return Int64(plan.packedOffset(Int(plan.c.stride_h) &- 1, Int(plan.c.stride_w)) &* 4)
  }
}

@_optimize(size)
func transposePack(_ args: UnsafeRawPointer?, _ packed: UnsafeMutableRawPointer?) {
  guard let args, let packed else { return }
  let plan = TransposePlan(args)
  guard let source = plan.c.weights else { return }
  let out = packed.assumingMemoryBound(to: Float.self)
  if plan.form == .reference { return zeroFloats(out, 16) }
  if plan.form == .plain && !plan.isDepthwise {
    var turned = plan.turned
    return packConvolution(&turned, packed, isTurned: true)
  }
  let weights = source.assumingMemoryBound(to: Float.self)
  if plan.form == .products { return TransposeProducts(plan.c).pack(weights, out) }
  if plan.isDepthwise { return packDepthwise(plan.c, weights, isTurned: plan.form == .plain, out) }
  var y = 0
  while y < Int(plan.c.stride_h) {
    var x = 0
    while x < Int(plan.c.stride_w) {
      let at = out + plan.packedOffset(y, x)
      let rows = plan.row(y).taps, columns = plan.column(x).taps
      packPhase(plan, weights, y, x, rows, columns, at)
      x &+= 1
    }
    y &+= 1
  }
}

/// Panels of a phase: the taps of its lines and columns, the last first.
private func packPhase(
  _ plan: TransposePlan, _ weights: UnsafePointer<Float>, _ y: Int, _ x: Int, _ rows: Int, _ columns: Int, _ to: UnsafeMutablePointer<Float>
) {
  let kw = Int(plan.c.kw), filter = Int(plan.c.kh) &* kw &* plan.depth
  let bias = plan.c.bias?.assumingMemoryBound(to: Float.self)
  var out = to
  var first = 0
  while first < Int(plan.c.c_out) {
    // Panels do not cross groups.
    let count = smaller(panelWidth, plan.columns &- first % plan.columns)
    packBias(bias.map { $0 + first }, count, out)
    out += panelWidth
    var tap = rows &* columns
    while tap > 0 {
      tap &-= 1
      let ky = y &+ tap / columns &* Int(plan.c.stride_h), kx = x &+ tap % columns &* Int(plan.c.stride_w)
      packColumns(weights + (first &* filter &+ (ky &* kw &+ kx) &* plan.depth), filter, 1, plan.depth, count, out)
      out += plan.depth &* panelWidth
    }
    first &+= count
  }
}

/// For each tap of a depthwise layer a vector of all channels; turned: the last tap first.
private func packDepthwise(_ c: ek_conv, _ weights: UnsafePointer<Float>, isTurned: Bool, _ to: UnsafeMutablePointer<Float>) {
  let taps = Int(c.kh) &* Int(c.kw), channels = Int(c.c_out)
  var tap = 0
  while tap < taps {
    let from = weights + (isTurned ? taps &- 1 &- tap : tap), out = to + tap &* channels
    var channel = 0
    while channel < channels {
      out[channel] = from[channel &* taps]
      channel &+= 1
    }
    tap &+= 1
  }
}

func transposeRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let plan = TransposePlan(args)
  switch plan.form {
  case .reference: referenceKernel(EK_CONV_TRANSPOSE_F32).run(args, begin, end, scratch)
  case .plain:
    var turned = plan.turned
    if plan.isDepthwise {
      turned.weights = plan.c.packed
      depthwiseRun(&turned, begin, end, scratch)
    } else {
      convRun(&turned, begin, end, scratch)
    }
  case .strided, .products:
    var unit = Int(begin)
    while unit < Int(end) {
      if plan.form == .products {
        TransposeProducts(plan.c).run(unit, scratch)
      } else if plan.isDepthwise {
        DepthwiseTransposeRow(plan.c, unit).run()
      } else {
        transposePhases(plan, unit, scratch)
      }
      unit &+= 1
    }
  }
}

/// A block of lines of one phase of an image: all phases of their columns.
private func transposePhases(_ plan: TransposePlan, _ unit: Int, _ scratch: UnsafeMutableRawPointer?) {
  let c = plan.c
  let block = unit % plan.blocks, y = unit / plan.blocks % Int(c.stride_h), image = unit / plan.blocks / Int(c.stride_h)
  let rows = plan.row(y)
  let line = block &* plan.blockLines, count = smaller(plan.blockLines, rows.count &- line)
  guard count > 0, let x = c.x, let out = c.y, let packed = c.packed else { return }
  let pixels = x.assumingMemoryBound(to: Float.self) + image &* Int(c.h) &* Int(c.w) &* Int(c.x_stride)
  let place = (image &* Int(c.oh) &+ rows.first &+ line &* Int(c.stride_h)) &* Int(c.ow)
  var residue = 0
  while residue < Int(c.stride_w) {
    let columns = plan.column(residue)
    if columns.count > 0 {
      let own = place &+ columns.first
      let panels = packed.assumingMemoryBound(to: Float.self) + plan.packedOffset(y, residue)
      let target = FloatTarget(
        y: out.assumingMemoryBound(to: Float.self) + own &* Int(c.y_stride), stride: Int(c.stride_w) &* Int(c.y_stride),
        residual: c.residual.map { $0.assumingMemoryBound(to: Float.self) + own &* Int(c.residual_stride) },
        residualStride: Int(c.stride_w) &* Int(c.residual_stride), low: c.clamp_min, high: c.clamp_max)
      phaseLines(plan, plan.phase(rows, columns), pixels, line, count, panels, target, scratch)
    }
    residue &+= 1
  }
}

/// Lines line ..< line + count of a phase; those of the target are `stride_h` lines of the result apart.
private func phaseLines(
  _ plan: TransposePlan, _ phase: ek_conv, _ image: UnsafePointer<Float>, _ line: Int, _ count: Int, _ packed: UnsafePointer<Float>,
  _ target: FloatTarget, _ scratch: UnsafeMutableRawPointer?
) {
  guard let scratch else { return }
  let c = plan.c
  let taps = Int(phase.kh) &* Int(phase.kw)
  let groupFloats = divideUp(plan.columns, panelWidth) &* panelSize(taps &* plan.depth)
  let lines = PaddedLines(phase, plan.depth)
  var group = 0
  while group < Int(c.groups) {
    let source = image + group &* plan.depth
    var rows = FloatRows(Int(phase.ow), 0, source, 0)
    if taps > 0 {
      rows = lines.rows(phase, count, lines.copy(phase, source, line, count, scratch.assumingMemoryBound(to: Float.self)))
    }
    rows.lines = 1
    var own = target.moved(rows: 0, columns: group &* plan.columns)
    var i = 0
    while i < count {
      multiplyBlock(rows, plan.columns, packed + group &* groupFloats, own)
      rows.a += rows.lineStride
      own.y += Int(c.stride_h) &* Int(c.ow) &* Int(c.y_stride)
      if let residual = own.residual { own.residual = residual + Int(c.stride_h) &* Int(c.ow) &* Int(c.residual_stride) }
      i &+= 1
    }
    group &+= 1
  }
}
#endif
