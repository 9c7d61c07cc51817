import CPlatform
import Foundation
import Testing

// What every kernel test uses: the tables of this CPU, repeatable random data, memory that notices strays, and
// one way to run a kernel.
//
//     let bytes = withTestMemory { memory in
//       var args = ek_conv()
//       args.x = memory.input(random.floats(count))
//       ...
//       return memory.output(of: kernel, bytes: count * 4) { y in args.y = y; return args }
//     }

// MARK: Tables

/// A filled kernel table. Immutable; its pointers are to code and constants.
struct KernelTable: CustomTestStringConvertible, @unchecked Sendable {
  let table: ek_table

  init(_ fill: (UnsafeMutablePointer<ek_table>) -> Void) {
    var table = ek_table()
    fill(&table)
    self.table = table
  }

  var isa: String { String(cString: table.isa) }
  var testDescription: String { isa }

  /// The kernel of an operation (`EK_*`), or nil where this set leaves it to the reference.
  func kernel(_ operation: Int) -> ek_kernel? {
    var copy = table
    let kernel = ek_table_entry(&copy, Int32(operation)).pointee
    return kernel.run == nil ? nil : kernel
  }
}

let referenceTable = KernelTable(ek_fill_reference)

/// The tables of this build that the CPU can run, the reference left out.
let simdTables: [KernelTable] = {
  let features = ep_cpu_features()
  var tables: [KernelTable] = []
  #if arch(x86_64)
  tables.append(KernelTable(ek_fill_sse2))
  if features & UInt32(EP_CPU_AVX2) != 0 { tables.append(KernelTable(ek_fill_avx2)) }
  if features & UInt32(EP_CPU_AVX512VNNI) != 0 { tables.append(KernelTable(ek_fill_avx512vnni)) }
  if features & UInt32(EP_CPU_AVX512BF16) != 0 { tables.append(KernelTable(ek_fill_avx512bf16)) }
  #elseif arch(arm64)
  tables.append(KernelTable(ek_fill_neon))
  if features & UInt32(EP_CPU_DOTPROD) != 0 { tables.append(KernelTable(ek_fill_neondot)) }
  #endif
  return tables
}()

/// Those that other sets build on, and which therefore have every tiled operation.
let baseTables: [KernelTable] = simdTables.filter { !["avx512vnni", "avx512bf16", "neondot"].contains($0.isa) }

/// Those with kernels for float32 and integers, which the bfloat16 set leaves to AVX-512 VNNI.
let plainTables: [KernelTable] = simdTables.filter { $0.isa != "avx512bf16" }

/// Every table this CPU can run, the reference first.
let availableTables: [KernelTable] = [referenceTable] + simdTables

/// The reference kernel of an operation, e.g. `reference(EK_CONV_F32)`.
func reference(_ operation: Int) -> ek_kernel { referenceTable.kernel(operation)! }

// MARK: Random data

/// SplitMix64: the same values on every machine for a seed.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
  mutating func float(_ range: ClosedRange<Float> = -1...1) -> Float {
    range.lowerBound + (range.upperBound - range.lowerBound) * Float(next() >> 40) * 0x1p-24
  }
  mutating func floats(_ count: Int, _ range: ClosedRange<Float> = -1...1) -> [Float] {
    (0..<count).map { _ in float(range) }
  }
  mutating func bytes(_ count: Int, _ range: ClosedRange<Int> = 0...255) -> [UInt8] {
    (0..<count).map { _ in UInt8(int(range)) }
  }
  mutating func weights(_ count: Int, _ range: ClosedRange<Int> = -128...127) -> [Int8] {
    (0..<count).map { _ in Int8(int(range)) }
  }
  mutating func int32s(_ count: Int, _ range: ClosedRange<Int>) -> [Int32] { (0..<count).map { _ in Int32(int(range)) } }
}

// MARK: Memory

/// Where a tensor lies in its pages: against the inaccessible page after it, or the one before it.
enum Placement: CaseIterable { case end, start }

/// The memory of one test case. Inputs are read-only and border on an inaccessible page: a stray read or any
/// write kills the test process. Outputs and scratch have canary bytes on both sides: a stray write is recorded
/// as an issue.
final class TestMemory {
  static let canaryBytes = 256
  static let fill: UInt8 = 0xA5
  private static let page = Int(sysconf(Int32(_SC_PAGESIZE)))
  private var mappings: [(UnsafeMutableRawPointer, Int)] = []

  /// Copies values to guarded read-only memory. `.start` is page-aligned, `.end` aligned to the element only.
  func input<T>(_ values: [T], _ placement: Placement = .end) -> UnsafeRawPointer {
    let bytes = values.count * MemoryLayout<T>.stride
    let usable = max(1, (bytes + Self.page - 1) / Self.page) * Self.page
    let total = usable + 2 * Self.page
    let base = mmap(nil, total, PROT_NONE, MAP_PRIVATE | Int32(MAP_ANONYMOUS), -1, 0)!
    mappings.append((base, total))
    let inner = base + Self.page
    mprotect(inner, usable, PROT_READ | PROT_WRITE)
    memset(inner, Int32(Self.fill), usable)
    let place = placement == .end ? inner + usable - bytes : inner
    values.withUnsafeBytes { if bytes > 0 { memcpy(place, $0.baseAddress!, bytes) } }
    mprotect(inner, usable, PROT_READ)
    return UnsafeRawPointer(place)
  }

  func floats(_ values: [Float], _ placement: Placement = .end) -> UnsafePointer<Float> {
    input(values, placement).assumingMemoryBound(to: Float.self)
  }

  func indices(_ values: [Int32], _ placement: Placement = .end) -> UnsafePointer<Int32> {
    input(values, placement).assumingMemoryBound(to: Int32.self)
  }

  func release() {
    for (base, size) in mappings { munmap(base, size) }
    mappings = []
  }

  /// Runs a kernel on an output of `bytes` bytes (first filled with `fill`) and returns the whole of it.
  ///
  /// - `initial`: what the output holds beforehand, for kernels that work in place.
  /// - `misalignment`: bytes from a 64-byte boundary to the output.
  /// - `arguments`: builds the argument structure from the output's address.
  func output<Arguments>(
    of kernel: ek_kernel, bytes: Int, partition: Partition = .whole, initial: [UInt8]? = nil, misalignment: Int = 0,
    sourceLocation: SourceLocation = #_sourceLocation, _ arguments: (UnsafeMutableRawPointer) -> Arguments
  ) -> [UInt8] {
    let buffer = CanaryBuffer(bytes: bytes, misalignment: misalignment, fill: Self.fill)
    if let initial { initial.withUnsafeBytes { buffer.pointer.copyMemory(from: $0.baseAddress!, byteCount: bytes) } }
    run(kernel, arguments(buffer.pointer), partition: partition, sourceLocation: sourceLocation)
    let name = String(cString: kernel.name)
    if !buffer.isIntact { Issue.record("\(name) wrote outside its output", sourceLocation: sourceLocation) }
    return buffer.contents
  }

  /// Runs a kernel under every partition, expects the same bytes from each, and returns them.
  func outputOfAnyPartition<Arguments>(
    of kernel: ek_kernel, bytes: Int, initial: [UInt8]? = nil, misalignment: Int = 0,
    sourceLocation: SourceLocation = #_sourceLocation, _ arguments: (UnsafeMutableRawPointer) -> Arguments
  ) -> [UInt8] {
    let results = Partition.all.map {
      output(
        of: kernel, bytes: bytes, partition: $0, initial: initial, misalignment: misalignment,
        sourceLocation: sourceLocation, arguments)
    }
    for (result, partition) in zip(results, Partition.all) where result != results[0] {
      Issue.record(
        "\(String(cString: kernel.name)): partition \(partition) gives other bytes", sourceLocation: sourceLocation)
    }
    return results[0]
  }
}

func withTestMemory<Result>(_ body: (TestMemory) throws -> Result) rethrows -> Result {
  let memory = TestMemory()
  defer { memory.release() }
  return try body(memory)
}

/// Writable memory between canaries, 64-byte aligned plus `misalignment`.
final class CanaryBuffer {
  private let base: UnsafeMutableRawPointer
  private let front: Int
  private let bytes: Int
  private static func canary(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: index &* 37 &+ 11) }

  init(bytes: Int, misalignment: Int = 0, fill: UInt8) {
    self.bytes = bytes
    front = TestMemory.canaryBytes + misalignment
    base = UnsafeMutableRawPointer.allocate(byteCount: front + bytes + TestMemory.canaryBytes, alignment: 64)
    for i in 0..<front + bytes + TestMemory.canaryBytes { base.storeBytes(of: Self.canary(i), toByteOffset: i, as: UInt8.self) }
    memset(base + front, Int32(fill), bytes)
  }

  deinit { base.deallocate() }

  var pointer: UnsafeMutableRawPointer { base + front }
  var contents: [UInt8] { [UInt8](UnsafeRawBufferPointer(start: base + front, count: bytes)) }
  var isIntact: Bool {
    for i in 0..<front + bytes + TestMemory.canaryBytes where i < front || i >= front + bytes {
      if base.load(fromByteOffset: i, as: UInt8.self) != Self.canary(i) { return false }
    }
    return true
  }
}

// MARK: Running

/// How the units of a kernel are dealt out.
enum Partition: CustomStringConvertible {
  /// One call with all units.
  case whole
  /// One call for each unit, the last first.
  case single
  /// Ranges of random length, in random order.
  case ranges(seed: UInt64)

  static let all: [Partition] = [.whole, .single, .ranges(seed: 1)]

  var description: String {
    switch self {
    case .whole: "whole"
    case .single: "single"
    case .ranges(let seed): "ranges(\(seed))"
    }
  }

  func ranges(_ units: Int64) -> [Range<Int64>] {
    switch self {
    case .whole: return [0..<units]
    case .single: return (0..<units).reversed().map { $0..<$0 + 1 }
    case .ranges(let seed):
      var random = SeededRandom(seed)
      var result: [Range<Int64>] = []
      var start: Int64 = 0
      while start < units {
        let end = min(units, start + Int64(random.int(1...5)))
        result.append(start..<end)
        start = end
      }
      return result.shuffled(using: &random)
    }
  }
}

/// Packs, allocates scratch (dirty, guarded), and runs all units. The output pointer is already in `arguments`.
func run<Arguments>(
  _ kernel: ek_kernel, _ arguments: Arguments, partition: Partition = .whole,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let name = String(cString: kernel.name)
  var packed: CanaryBuffer?
  var arguments = arguments
  if let packedBytes = kernel.packed_bytes {
    let size = withUnsafePointer(to: &arguments) { packedBytes($0) }
    let buffer = CanaryBuffer(bytes: Int(size), fill: 0xCC)
    withUnsafePointer(to: &arguments) { kernel.pack($0, buffer.pointer) }
    if !buffer.isIntact { Issue.record("\(name) packed outside its buffer", sourceLocation: sourceLocation) }
    if var convolution = arguments as? ek_conv {
      convolution.packed = UnsafeRawPointer(buffer.pointer)
      arguments = convolution as! Arguments
    } else if var recurrent = arguments as? ek_recurrent {
      recurrent.packed = UnsafeRawPointer(buffer.pointer)
      arguments = recurrent as! Arguments
    }
    packed = buffer
  }
  withUnsafePointer(to: &arguments) { pointer in
    let units = kernel.units(pointer)
    let scratch = CanaryBuffer(bytes: Int(kernel.scratch_bytes(pointer)), fill: 0xCC)
    for range in partition.ranges(units) { kernel.run(pointer, range.lowerBound, range.upperBound, scratch.pointer) }
    if !scratch.isIntact { Issue.record("\(name) wrote outside its scratch", sourceLocation: sourceLocation) }
  }
  if let packed, !packed.isIntact { Issue.record("\(name) wrote to its weights' canaries", sourceLocation: sourceLocation) }
}

// MARK: Comparing

/// The bytes of an output as elements.
func elements<T>(_ bytes: [UInt8], as type: T.Type = T.self) -> [T] {
  bytes.withUnsafeBytes { raw in
    (0..<bytes.count / MemoryLayout<T>.stride).map { raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.stride, as: T.self) }
  }
}

func bytes<T>(of values: [T]) -> [UInt8] { values.withUnsafeBytes { [UInt8]($0) } }

/// Steps between two floats on the line of representable numbers; NaN equals NaN, -0 and +0 are one step apart.
func ulpDistance(_ a: Float, _ b: Float) -> Int64 {
  if a.isNaN || b.isNaN { return a.isNaN && b.isNaN ? 0 : Int64.max }
  func ordinal(_ x: Float) -> Int64 {
    let bits = Int64(x.bitPattern & 0x7FFF_FFFF)
    return x.sign == .minus ? -bits - 1 : bits
  }
  return abs(ordinal(a) - ordinal(b))
}
