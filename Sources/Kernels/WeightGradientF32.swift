#if !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

// The gradient of a convolution's weights: for each output o and element of the window k the sum over all output pixels of
// dy[pixel][o] x[window of the pixel][k]. That is a matrix product whose inner dimension are pixels, so neither operand needs to be
// packed: a step takes one pixel, a few elements of one operand in all lanes, and vectors of the other (WeightGradientTiles.swift).
//
// A window is segments of neighbouring elements: one for each line of it, in copies of image lines (`PaddedLines`) or in the
// image where nothing is padded. A unit of work is a range of a segment by a range of outputs, over all pixels, which are passed in
// blocks that stay in the second level cache. Sums of a block are added to those before it, so their order depends on the layer
// alone. The units of one call share what is prepared for a block.

struct WeightGradientPlan {
  let args: UnsafePointer<ek_conv>
  /// Channels and outputs of a group.
  let depth: Int, outputs: Int
  /// Segments of a window, and their elements.
  let segments: Int, run: Int
  /// Vectors are of outputs, and elements of windows are what is broadcast: windows of a few elements fill no vectors.
  let lanesAreOutputs: Bool
  /// Lines with their padding are copied; dy is copied, with zeros up to a whole panel.
  let copiesLines: Bool, copiesGradient: Bool
  /// How a segment and the outputs are cut for units.
  let runStep: Int, runParts: Int, outputStep: Int, outputParts: Int
  /// Output lines of a block: whole images, or a part of one.
  let blockImages: Int, blockLines: Int, blocks: Int

  @_optimize(size)
  init(_ pointer: UnsafeRawPointer) {
    args = pointer.assumingMemoryBound(to: ek_conv.self)
    let c = args.pointee
    let groups = Int(c.groups), kw = Int(c.kw), oh = Int(c.oh), ow = Int(c.ow)
    depth = Int(c.c_in) / groups
    outputs = Int(c.c_out) / groups
    let joinsTaps = c.dilation_w == 1
    segments = Int(c.kh) &* (joinsTaps ? 1 : kw)
    run = depth &* (joinsTaps ? kw : 1)

    // Multiplications for each pixel, in vectors.
    let across = segments &* divideUp(run, lanes) &* outputs, along = segments &* run &* divideUp(outputs, lanes)
    lanesAreOutputs = along < across && segments &* run &* roundedUp(outputs, panelWidth) <= 16 << 10
    let spanH = (oh &- 1) &* Int(c.stride_h) &+ (Int(c.kh) &- 1) &* Int(c.dilation_h) &+ 1
    let spanW = (ow &- 1) &* Int(c.stride_w) &+ (kw &- 1) &* Int(c.dilation_w) &+ 1
    let isInside = c.pad_top == 0 && c.pad_left == 0 && spanH <= Int(c.h) && spanW <= Int(c.w)
    let isCompact = kw == 1 || !joinsTaps || Int(c.x_stride) == depth
    copiesLines = !isInside || !isCompact || !lanesAreOutputs && run % lanes != 0
    copiesGradient = lanesAreOutputs && outputs % lanes != 0

    // Enough units to share, of some multiplications for each pixel.
    if lanesAreOutputs {
      (outputStep, outputParts) = (panelWidth, divideUp(outputs, panelWidth))
      // Fewer than four rows of one register wait for their sums.
      let parts = smaller(divideUp(16, segments &* outputParts &* groups), larger(run / 4, 1))
      runStep = divideUp(run, parts)
      runParts = divideUp(run, runStep)
    } else {
      (runStep, runParts) = (panelWidth, divideUp(run, panelWidth))
      let parts = smaller(divideUp(16, segments &* runParts &* groups), divideUp(outputs, 8))
      outputStep = roundedUp(divideUp(outputs, parts), smaller(4, outputs))
      outputParts = divideUp(outputs, outputStep)
    }

    // Floats that a block reads for each output line; 64 pixels at least, for which a tile pays.
    let lineFloats = smaller(Int(c.stride_h), Int(c.kh)) &* spanW &* depth &+ ow &* outputs
    let lines = larger((96 << 10) / larger(lineFloats, 1), divideUp(64, ow))
    if lines >= oh {
      blockImages = smaller(lines / oh, Int(c.n))
      blockLines = oh
    } else {
      blockImages = 1
      blockLines = divideUp(oh, divideUp(oh, lines))
    }
    blocks = divideUp(Int(c.n), blockImages) &* divideUp(oh, blockLines)
  }

  var unitsOfGroup: Int { segments &* runParts &* outputParts }
  var units: Int { Int(args.pointee.groups) &* unitsOfGroup }
  var blockPixels: Int { blockImages &* blockLines &* Int(args.pointee.ow) }

  // Scratch: two places for each pixel, a tile's sums, lines, dy, sums of all outputs.
  var placeBytes: Int { roundedUp(blockPixels &* 2 &* MemoryLayout<Int>.stride, 64) }
  var lineFloats: Int {
    // A vector may reach behind the last window.
    copiesLines ? roundedUp(blockImages &* PaddedLines(args.pointee, depth).words(blockLines) &+ panelWidth, 16) : 0
  }
  var gradientWidth: Int { roundedUp(outputs, panelWidth) }
  var gradientFloats: Int { copiesGradient ? blockPixels &* gradientWidth : 0 }
  var sumFloats: Int { lanesAreOutputs ? segments &* run &* gradientWidth : 0 }
  var scratchBytes: Int { placeBytes &+ (gradientTileFloats &+ lineFloats &+ gradientFloats &+ sumFloats) &* 4 }
}

func weightGradientUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  if isDepthwise(args) { return depthwiseGradientUnits(args) }
  return Int64(WeightGradientPlan(args).units)
}

func weightGradientScratch(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args, !isDepthwise(args) else { return 0 }
  return Int64(WeightGradientPlan(args).scratchBytes)
}

private func isDepthwise(_ args: UnsafeRawPointer) -> Bool {
  let c = args.assumingMemoryBound(to: ek_conv.self).pointee
  return c.groups == c.c_in && c.c_out == c.c_in && c.groups > 1
}

func weightGradientRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  if isDepthwise(args) { return depthwiseGradientRun(args, Int(begin), Int(end)) }
  guard let scratch else { return }
  let plan = WeightGradientPlan(args)
  let perGroup = plan.unitsOfGroup
  var unit = Int(begin)
  while unit < Int(end) {
    let group = unit / perGroup
    let last = smaller(Int(end), (group &+ 1) &* perGroup)
    var block = WeightGradientBlock(plan, group, scratch)
    while block.number < plan.blocks {
      block.prepare()
      var own = unit
      while own < last {
        block.add(own % perGroup)
        own &+= 1
      }
      block.number &+= 1
    }
    if plan.lanesAreOutputs {
      while unit < last {
        block.storeTransposed(unit % perGroup)
        unit &+= 1
      }
    }
    unit = last
  }
}

/// One block of pixels of a group: where its operands lie.
private struct WeightGradientBlock {
  let plan: WeightGradientPlan
  let c: ek_conv
  /// First channel of the group; the group's part of the result.
  let x: UnsafePointer<Float>, gradient: UnsafePointer<Float>
  let y: UnsafeMutablePointer<Float>
  /// Of each pixel: bytes to its gradient, and to its window.
  let places: UnsafeMutablePointer<Int>
  let tile: UnsafeMutablePointer<Float>, lines: UnsafeMutablePointer<Float>, copy: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>
  let padded: PaddedLines
  var number = 0
  /// Of the block that is prepared.
  private var pixels = 0

  @_optimize(size)
  init(_ plan: WeightGradientPlan, _ group: Int, _ scratch: UnsafeMutableRawPointer) {
    self.plan = plan
    c = plan.args.pointee
    // The planner gives all three; without them nothing is done.
    x = floats(c.x) + group &* plan.depth
    gradient = floats(c.weights) + group &* plan.outputs
    y = UnsafeMutablePointer(mutating: floats(c.y)) + group &* plan.outputs &* plan.segments &* plan.run
    places = scratch.assumingMemoryBound(to: Int.self)
    tile = (scratch + plan.placeBytes).assumingMemoryBound(to: Float.self)
    lines = tile + gradientTileFloats
    copy = lines + plan.lineFloats
    sums = copy + plan.gradientFloats
    padded = PaddedLines(c, plan.depth)
  }

  private var windowBase: UnsafePointer<Float> { plan.copiesLines ? UnsafePointer(lines) : x }
  private var gradientBase: UnsafePointer<Float> { plan.copiesGradient ? UnsafePointer(copy) : gradient }

  /// Copies what has to be copied and lists the places of the block's pixels.
  mutating func prepare() {
    let parts = divideUp(Int(c.oh), plan.blockLines)
    let line = number % parts &* plan.blockLines, count = smaller(plan.blockLines, Int(c.oh) &- line)
    var image = number / parts &* plan.blockImages
    let end = smaller(image &+ plan.blockImages, Int(c.n))
    let ow = Int(c.ow), pixel = Int(c.x_stride)
    let step = Int(c.stride_w) &* (plan.copiesLines ? plan.depth : pixel) &* 4
    let lineStep = Int(c.stride_h) &* (plan.copiesLines ? padded.wordsOfLine : Int(c.w) &* pixel) &* 4
    let gradientStep = (plan.copiesGradient ? plan.gradientWidth : Int(c.y_stride)) &* 4
    var out = lines
    var place = places
    pixels = 0
    while image < end {
      let first = x + image &* Int(c.h) &* Int(c.w) &* pixel
      let number = (image &* Int(c.oh) &+ line) &* ow
      var window = UnsafeRawPointer(first + line &* Int(c.stride_h) &* Int(c.w) &* pixel) - UnsafeRawPointer(x)
      if plan.copiesLines {
        window = UnsafeRawPointer(out) - UnsafeRawPointer(lines)
        padded.copyLines(c, first, line, count, out)
        out += padded.words(count)
      }
      if plan.copiesGradient { copyGradient(number, count &* ow, copy + pixels &* plan.gradientWidth) }
      var own = plan.copiesGradient ? pixels &* gradientStep : number &* gradientStep
      var row = 0
      while row < count {
        var at = window &+ row &* lineStep
        var ox = 0
        while ox < ow {
          place[0] = own
          place[1] = at
          place += 2
          own &+= gradientStep
          at &+= step
          ox &+= 1
        }
        row &+= 1
      }
      pixels &+= count &* ow
      image &+= 1
    }
  }

  private func copyGradient(_ first: Int, _ count: Int, _ to: UnsafeMutablePointer<Float>) {
    var i = 0
    while i < count {
      let out = to + i &* plan.gradientWidth
      copyFloats(out, gradient + (first &+ i) &* Int(c.y_stride), plan.outputs)
      zeroFloats(out + plan.outputs, plan.gradientWidth &- plan.outputs)
      i &+= 1
    }
  }

  /// Where a unit's range begins: segment, element of it, output; and how far it goes.
  private func range(_ unit: Int) -> (segment: Int, element: Int, elements: Int, output: Int, outputs: Int) {
    let part = unit % plan.outputParts, rest = unit / plan.outputParts
    let element = rest % plan.runParts &* plan.runStep, output = part &* plan.outputStep
    return (
      rest / plan.runParts, element, smaller(plan.runStep, plan.run &- element), output, smaller(plan.outputStep, plan.outputs &- output))
  }

  /// Adds the block's products to a unit's sums.
  func add(_ unit: Int) {
    let r = range(unit)
    let taps = plan.segments / Int(c.kh)
    let tapStep = Int(c.dilation_w) &* (plan.copiesLines ? plan.depth : Int(c.x_stride))
    let lineStep = Int(c.dilation_h) &* (plan.copiesLines ? padded.wordsOfLine : Int(c.w) &* Int(c.x_stride))
    let window = windowBase + (r.segment / taps &* lineStep &+ r.segment % taps &* tapStep &+ r.element)
    let gradient = gradientBase + r.output
    let row = r.segment &* plan.run &+ r.element
    if plan.lanesAreOutputs {
      let width = plan.gradientWidth
      gradientRows(
        r.elements, r.outputs, GradientSteps(count: pixels, rows: window, rowPlaces: places + 1, columns: gradient, columnPlaces: places), tile,
        sums + (row &* width &+ r.output), width, isFirst: number == 0)
    } else {
      let width = plan.segments &* plan.run
      gradientRows(
        r.outputs, r.elements, GradientSteps(count: pixels, rows: gradient, rowPlaces: places, columns: window, columnPlaces: places + 1), tile,
        y + (r.output &* width &+ row), width, isFirst: number == 0)
    }
  }

  /// Sums whose lanes are outputs, to their places in the result.
  func storeTransposed(_ unit: Int) {
    let r = range(unit)
    let width = plan.segments &* plan.run, row = r.segment &* plan.run &+ r.element
    var output = r.output
    while output < r.output &+ r.outputs {
      var i = 0
      while i < r.elements {
        y[output &* width &+ row &+ i] = sums[(row &+ i) &* plan.gradientWidth &+ output]
        i &+= 1
      }
      output &+= 1
    }
  }
}

@inline(__always) private func floats(_ p: UnsafeRawPointer?) -> UnsafePointer<Float> {
  p.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
}
#endif
