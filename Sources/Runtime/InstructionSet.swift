import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A family of kernels. Raw values are those of the C header.
public enum InstructionSet: UInt8, Equatable, Sendable {
  case reference = 0
  case sse2, avx2, avx512vnni, neon, neondot, avx512bf16

  /// All sets, slowest first.
  public static var all: [InstructionSet] { [.reference, .sse2, .avx2, .avx512vnni, .avx512bf16, .neon, .neondot] }

  public var name: StaticString {
    switch self {
    case .reference: return "reference"
    case .sse2: return "sse2"
    case .avx2: return "avx2"
    case .avx512vnni: return "avx512vnni"
    case .avx512bf16: return "avx512bf16"
    case .neon: return "neon"
    case .neondot: return "neondot"
    }
  }

  /// The set that every CPU with this one has too, and that serves the operations this one leaves out.
  var base: InstructionSet? {
    switch self {
    case .avx512vnni: return .avx2
    case .avx512bf16: return .avx512vnni
    case .neondot: return .neon
    default: return nil
    }
  }

  /// The set is in this build and this CPU runs it.
  public var isAvailable: Bool {
    if self == .reference { return true }
    #if arch(x86_64)
    let features = ep_cpu_features()
    switch self {
    case .sse2: return true
    case .avx2: return features & UInt32(EP_CPU_AVX2) != 0
    case .avx512vnni: return features & UInt32(EP_CPU_AVX512VNNI) != 0
    case .avx512bf16: return features & UInt32(EP_CPU_AVX512BF16) != 0
    default: return false
    }
    #elseif arch(arm64)
    let features = ep_cpu_features()
    switch self {
    case .neon: return features & UInt32(EP_CPU_NEON) != 0
    case .neondot: return features & UInt32(EP_CPU_DOTPROD) != 0
    default: return false
    }
    #else
    return false
    #endif
  }

  /// The fastest set of this CPU.
  public static var best: InstructionSet {
    var best = InstructionSet.reference
    for set in all where set.isAvailable { best = set }
    return best
  }

  /// The set a session uses: the one asked for, else the one the environment variable EDGEAI_ISA names, else the
  /// fastest. Throws `invalidArgument` for an unknown name, `unsupportedFeature` for a set this CPU or build lacks.
  public static func resolve(_ requested: InstructionSet?) throws(EdgeError) -> InstructionSet {
    var chosen = requested
    if chosen == nil, let text = Text("EDGEAI_ISA").withCString({ ep_environment($0) }), text.pointee != 0 {
      let name = Text(cString: text)
      for set in all where name == Text(set.name) { chosen = set }
      if chosen == nil { throw EdgeError(.invalidArgument, "EDGEAI_ISA names no instruction set: \(name)") }
    }
    guard let chosen else { return best }
    guard chosen.isAvailable else {
      throw EdgeError(.unsupportedFeature, "instruction set \(chosen.name) is not available on this CPU or in this build")
    }
    return chosen
  }
}

/// The kernels a plan chooses from: those of one instruction set and of the sets it builds on, and the reference for what they lack.
struct KernelSet {
  let isa: InstructionSet
  /// The set itself, its base, that one's base.
  private var chain: [(isa: InstructionSet, kernels: [ek_kernel])] = []
  private let reference: [ek_kernel]

  init(_ isa: InstructionSet) {
    self.isa = isa
    reference = KernelSet.load(.reference)
    var next: InstructionSet? = isa
    while let set = next {
      chain.append((set, set == .reference ? reference : KernelSet.load(set)))
      next = set.base
    }
  }

  private static func load(_ isa: InstructionSet) -> [ek_kernel] {
    let table = UnsafeMutablePointer<ek_table>.allocate(capacity: 1)
    defer { table.deallocate() }
    table.initialize(to: ek_table())
    switch isa {
    case .reference: ek_fill_reference(table)
    #if arch(x86_64)
    case .sse2: ek_fill_sse2(table)
    case .avx2: ek_fill_avx2(table)
    case .avx512vnni: ek_fill_avx512vnni(table)
    case .avx512bf16: ek_fill_avx512bf16(table)
    #elseif arch(arm64)
    case .neon: ek_fill_neon(table)
    case .neondot: ek_fill_neondot(table)
    #endif
    default: break
    }
    var kernels: [ek_kernel] = []
    for operation in 0..<Int32(EK_OPERATION_COUNT) { kernels.append(ek_table_kernel(table, operation).pointee) }
    return kernels
  }

  /// The kernel of this set or the nearest below it, or of the nearest at or below `set`, which is one of these; nil where they
  /// have none.
  func own(_ operation: Int32, from set: InstructionSet? = nil) -> (kernel: ek_kernel, isa: InstructionSet)? {
    var highest: (kernel: ek_kernel, isa: InstructionSet)?
    var isReached = set == nil
    for (isa, kernels) in chain {
      isReached = isReached || isa == set
      let kernel = kernels[Int(operation)]
      if kernel.run == nil { continue }
      if isReached { return (kernel, isa) }
      if highest == nil { highest = (kernel, isa) }
    }
    return highest
  }

  /// The reference kernel; nil where the build has none.
  func reference(_ operation: Int32) -> ek_kernel? {
    let kernel = reference[Int(operation)]
    return kernel.run == nil ? nil : kernel
  }
}
