#if !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

// Transposed convolution of small images, whose results see more padding than image: the products of every input pixel with all taps
// of the weights are one matrix product, in which no padding takes part, and each result then adds those that reach it. A unit is
// an image, whose products stay in the second level cache.

struct TransposeProducts {
  let c: ek_conv
  let depth: Int, columns: Int
  /// Products of a pixel: for each tap those of all results of the group.
  let products: Int

  init(_ c: ek_conv) {
    self.c = c
    depth = Int(c.c_in) / Int(c.groups)
    columns = Int(c.c_out) / Int(c.groups)
    products = Int(c.kh) &* Int(c.kw) &* columns
  }

  /// Costs less than the plain form, in multiplications of vectors; an addition takes a load of its own.
  var suits: Bool {
    guard c.n >= 4, scratchFloats <= 128 << 10, c.stride_h == 1 || c.dilation_h == 1, c.stride_w == 1 || c.dilation_w == 1 else { return false }
    // Each result adds one of so many taps.
    let phases = Int(c.stride_h) &* Int(c.stride_w), taps = Int(c.kh) &* Int(c.kw)
    let results = Int(c.oh) &* Int(c.ow) &* taps &* divideUp(columns, lanes) / phases
    let own = Int(c.h) &* Int(c.w) &* depth &* divideUp(products, lanes) &+ 2 &* results
    return own &* 10 < results &* depth &* 9
  }

  var scratchFloats: Int { Int(c.h) &* Int(c.w) &* products }
  private var groupFloats: Int { divideUp(products, panelWidth) &* panelSize(depth) }
  /// Panels, and behind them room for weights in their columns' order.
  var packedFloats: Int { Int(c.groups) &* groupFloats &+ products &* depth }

  func pack(_ weights: UnsafePointer<Float>, _ packed: UnsafeMutablePointer<Float>) {
    let ordered = packed + Int(c.groups) &* groupFloats
    let taps = Int(c.kh) &* Int(c.kw)
    var group = 0
    while group < Int(c.groups) {
      let from = weights + group &* columns &* taps &* depth
      var tap = 0
      while tap < taps {
        var column = 0
        while column < columns {
          copyFloats(ordered + (tap &* columns &+ column) &* depth, from + (column &* taps &+ tap) &* depth, depth)
          column &+= 1
        }
        tap &+= 1
      }
      packColumns(ordered, depth, 1, nil, depth, 0, products, packed + group &* groupFloats)
      group &+= 1
    }
  }

  func run(_ image: Int, _ scratch: UnsafeMutableRawPointer?) {
    guard let x = c.x, let y = c.y, let packed = c.packed, let scratch else { return }
    let pixels = Int(c.h) &* Int(c.w), stride = Int(c.x_stride)
    let from = x.assumingMemoryBound(to: Float.self) + image &* pixels &* stride
    let sums = scratch.assumingMemoryBound(to: Float.self)
    let plain = FloatTarget(y: sums, stride: products, residual: nil, residualStride: 0, low: -.infinity, high: .infinity)
    let place = image &* Int(c.oh) &* Int(c.ow)
    var group = 0
    while group < Int(c.groups) {
      multiplyBlock(
        FloatRows(pixels, depth, from + group &* depth, stride &* 4), products,
        packed.assumingMemoryBound(to: Float.self) + group &* groupFloats, plain)
      let first = group &* columns
      let target = FloatTarget(
        y: y.assumingMemoryBound(to: Float.self) + (place &* Int(c.y_stride) &+ first), stride: Int(c.y_stride),
        residual: c.residual.map { $0.assumingMemoryBound(to: Float.self) + (place &* Int(c.residual_stride) &+ first) },
        residualStride: Int(c.residual_stride), low: c.clamp_min, high: c.clamp_max)
      let bias = c.bias.map { $0.assumingMemoryBound(to: Float.self) + first }
      var channel = 0
      while channel &+ lanes <= columns {
        add(sums, channel, bias, target, WholeLanes())
        channel &+= lanes
      }
      if channel < columns { add(sums, channel, bias, target, PartLanes(count: columns &- channel)) }
      group &+= 1
    }
  }

  /// The taps along an axis that reach a result: number and input position of the first, which each next one is a step from.
  @inline(__always)
  private func taps(_ result: Int, _ stride: Int32, _ dilation: Int32, _ size: Int32) -> (tap: Int, position: Int) {
    let position = result / Int(stride), tap = result &- position &* Int(stride)
    let behind = position &- Int(size) &+ 1
    let skipped = behind > 0 ? divideUp(behind, Int(dilation)) : 0
    return (tap &+ skipped &* Int(stride), position &- skipped &* Int(dilation))
  }

  /// A vector of channels of every result.
  @inline(never)
  private func add<L: ChannelLanes>(
    _ sums: UnsafePointer<Float>, _ channel: Int, _ bias: UnsafePointer<Float>?, _ target: FloatTarget, _ part: L
  ) {
    let bias = if let bias { part.load(bias + channel) } else { VF(repeating: 0) }
    let w = Int(c.w), kw = Int(c.kw), kh = Int(c.kh)
    let strideH = Int(c.stride_h), strideW = Int(c.stride_w), dilationH = Int(c.dilation_h), dilationW = Int(c.dilation_w)
    let step = strideW &* columns &- dilationW &* products
    var number = 0
    var oy = 0
    while oy < Int(c.oh) {
      let rows = taps(oy &+ Int(c.pad_top), c.stride_h, c.dilation_h, c.h)
      var ox = 0
      while ox < Int(c.ow) {
        let first = taps(ox &+ Int(c.pad_left), c.stride_w, c.dilation_w, c.w)
        var sum = VF()
        var (ky, iy) = rows
        while ky < kh && iy >= 0 {
          var p = sums + ((iy &* w &+ first.position) &* products &+ (ky &* kw &+ first.tap) &* columns &+ channel)
          var (kx, ix) = first
          while kx < kw && ix >= 0 {
            sum += part.load(p)
            p += step
            kx &+= strideW
            ix &-= dilationW
          }
          ky &+= strideH
          iy &-= dilationH
        }
        sum += bias
        if let residual = target.residual { sum += part.load(residual + (number &* target.residualStride &+ channel)) }
        part.store(clamped(sum, target), target.y + (number &* target.stride &+ channel))
        number &+= 1
        ox &+= 1
      }
      oy &+= 1
    }
  }
}
#endif
