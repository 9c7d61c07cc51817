// What every InstructionSet file offers, for its registers:
//
//   VF, VI                      a register of Float, of Int32 (equal lane counts)
//   MainTile, MiddleTile, SmallTile   the row counts of a register tile (Tile.swift)
//   minimum, maximum            float: NaN where the second operand is, so put the data second
//   multiplyAdd(a, b, c)        a * b + c, fused where the CPU fuses
//   squareRoot, toFloat, toInteger
//   loadPart(p, n)              the first n lanes from memory, 0 <= n <= lanes, the others zero
//   storePart(v, p, n)          the first n lanes to memory
//
// Partial loads and stores touch no byte outside the n elements.

/// Lanes of a register of 32-bit elements.
@inline(__always) var lanes: Int { VF.scalarCount }

/// The larger; NaN where either is.
@inline(__always) func maximumOrNaN(_ a: VF, _ b: VF) -> VF { maximum(a, b).replacing(with: a, where: a .!= a) }
/// The smaller; NaN where either is.
@inline(__always) func minimumOrNaN(_ a: VF, _ b: VF) -> VF { minimum(a, b).replacing(with: a, where: a .!= a) }

// Halves are joined until one lane is left.
extension SIMD4<Float> {
  @inline(__always) var laneSum: Float { (self[0] + self[2]) + (self[1] + self[3]) }
  @inline(__always) var largestLane: Float { Swift.max(Swift.max(self[0], self[2]), Swift.max(self[1], self[3])) }
}

extension SIMD8<Float> {
  @inline(__always) var laneSum: Float { (lowHalf + highHalf).laneSum }
  @inline(__always) var largestLane: Float { lowHalf.replacing(with: highHalf, where: lowHalf .< highHalf).largestLane }
}

extension SIMD16<Float> {
  @inline(__always) var laneSum: Float { (lowHalf + highHalf).laneSum }
  @inline(__always) var largestLane: Float { lowHalf.replacing(with: highHalf, where: lowHalf .< highHalf).largestLane }
}

extension SIMD4<Int32> {
  @inline(__always) var laneSum: Int32 { (self[0] &+ self[2]) &+ (self[1] &+ self[3]) }
}

extension SIMD8<Int32> {
  @inline(__always) var laneSum: Int32 { (lowHalf &+ highHalf).laneSum }
}

extension SIMD16<Int32> {
  @inline(__always) var laneSum: Int32 { (lowHalf &+ highHalf).laneSum }
}

extension SIMD {
  /// Loads a register from an address of any alignment.
  @inline(__always) static func load(_ p: UnsafePointer<Scalar>) -> Self {
    UnsafeRawPointer(p).loadUnaligned(as: Self.self)
  }

  @inline(__always) static func load(_ p: UnsafeMutablePointer<Scalar>) -> Self {
    UnsafeRawPointer(p).loadUnaligned(as: Self.self)
  }

  /// Stores a register to an address of any alignment.
  @inline(__always) func store(_ p: UnsafeMutablePointer<Scalar>) {
    UnsafeMutableRawPointer(p).storeBytes(of: self, as: Self.self)
  }
}

#if ISA_SSE2 || ISA_NEON || ISA_NEONDOT
@inline(__always) func loadPartOfFour<S: SIMDScalar & ExpressibleByIntegerLiteral>(_ p: UnsafePointer<S>, _ count: Int) -> SIMD4<S> {
  if count >= 4 { return SIMD4<S>.load(p) }
  var v = SIMD4<S>(repeating: 0)
  if count > 0 { v[0] = p[0] }
  if count > 1 { v[1] = p[1] }
  if count > 2 { v[2] = p[2] }
  return v
}

@inline(__always) func storePartOfFour<S: SIMDScalar>(_ v: SIMD4<S>, _ p: UnsafeMutablePointer<S>, _ count: Int) {
  if count >= 4 { return v.store(p) }
  if count > 0 { p[0] = v[0] }
  if count > 1 { p[1] = v[1] }
  if count > 2 { p[2] = v[2] }
}
#endif
