#if !ISA_SSE2 && !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

// The kernels of both sparse forms, chosen by `ek_conv.sparse`.

/// One of the forms.
private protocol SparseForm {
  associatedtype E: SparseElements
  /// Its lanes are pixels.
  static var hasPixelLanes: Bool { get }
  static func units(_ a: ek_conv) -> Int
  static func scratchBytes(_ a: ek_conv) -> Int
  static func packedBytes(_ a: ek_conv) -> Int
  static func pack(_ a: ek_conv, _ packed: UnsafeMutableRawPointer)
  static func run(_ a: ek_conv, _ begin: Int, _ end: Int, _ scratch: UnsafeMutableRawPointer)
}

extension SparsePanels: SparseForm {
  static var hasPixelLanes: Bool { false }
}
extension SparsePixels: SparseForm {
  static var hasPixelLanes: Bool { true }
}

/// Both forms, of which `Pixels` may be the other one again where there is none.
private enum SparseForms<Panels: SparseForm, Pixels: SparseForm> where Panels.E == Pixels.E {
  @inline(__always) private static func conv(_ args: UnsafeRawPointer?) -> ek_conv {
    args.unsafelyUnwrapped.assumingMemoryBound(to: ek_conv.self).pointee
  }

  @inline(__always) static func units(_ args: UnsafeRawPointer?) -> Int64 {
    let a = conv(args)
    if !SparseShape<Panels.E>.takes(a) { return 0 }
    if Int(a.sparse) == EK_SPARSE_PANELS { return Int64(Panels.units(a)) }
    return Int(a.sparse) == EK_SPARSE_PIXELS && Pixels.hasPixelLanes ? Int64(Pixels.units(a)) : 0
  }

  @inline(__always) static func scratchBytes(_ args: UnsafeRawPointer?) -> Int64 {
    let a = conv(args)
    return Int64(Int(a.sparse) == EK_SPARSE_PANELS ? Panels.scratchBytes(a) : Pixels.scratchBytes(a))
  }

  @inline(__always) static func packedBytes(_ args: UnsafeRawPointer?) -> Int64 {
    let a = conv(args)
    return Int64(Int(a.sparse) == EK_SPARSE_PANELS ? Panels.packedBytes(a) : Pixels.packedBytes(a))
  }

  @inline(__always) static func pack(_ args: UnsafeRawPointer?, _ packed: UnsafeMutableRawPointer?) {
    let a = conv(args)
    guard let packed else { return }
    if Int(a.sparse) == EK_SPARSE_PANELS { Panels.pack(a, packed) } else { Pixels.pack(a, packed) }
  }

  @inline(__always) static func run(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
    let a = conv(args)
    guard let scratch else { return }
    if Int(a.sparse) == EK_SPARSE_PANELS {
      Panels.run(a, Int(begin), Int(end), scratch)
    } else {
      Pixels.run(a, Int(begin), Int(end), scratch)
    }
  }
}

private typealias FormsF32 = SparseForms<SparsePanels<SparseF32>, SparsePixels<SparseF32>>
#if ISA_NEON
private typealias FormsU8 = SparseForms<SparsePanels<SparseU8>, SparsePanels<SparseU8>>
#else
private typealias FormsU8 = SparseForms<SparsePanels<SparseU8>, SparsePixels<SparseU8>>
#endif

func sparseUnitsF32(_ args: UnsafeRawPointer?) -> Int64 { FormsF32.units(args) }
func sparseScratchF32(_ args: UnsafeRawPointer?) -> Int64 { FormsF32.scratchBytes(args) }
func sparsePackedBytesF32(_ args: UnsafeRawPointer?) -> Int64 { FormsF32.packedBytes(args) }
func sparsePackF32(_ args: UnsafeRawPointer?, _ packed: UnsafeMutableRawPointer?) { FormsF32.pack(args, packed) }
func sparseRunF32(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  FormsF32.run(args, begin, end, scratch)
}

func sparseUnitsU8(_ args: UnsafeRawPointer?) -> Int64 { FormsU8.units(args) }
func sparseScratchU8(_ args: UnsafeRawPointer?) -> Int64 { FormsU8.scratchBytes(args) }
func sparsePackedBytesU8(_ args: UnsafeRawPointer?) -> Int64 { FormsU8.packedBytes(args) }
func sparsePackU8(_ args: UnsafeRawPointer?, _ packed: UnsafeMutableRawPointer?) { FormsU8.pack(args, packed) }
func sparseRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  FormsU8.run(args, begin, end, scratch)
}
#endif
