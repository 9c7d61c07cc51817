import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Memory a step reads or writes. Its address is known when a session is frozen. An object, as a step is: planning looks at single
/// fields of elements of arrays, and what is not inlined would copy all of them.
final class PlannedBuffer {
  enum Kind {
    /// The arena, at `offset`, while `firstStep...lastStep` run.
    case arena
    case input(Int)
    case output(Int)
    /// Contents of a graph constant, used in place.
    case constant(TensorData)
    /// Contents made by lowering (tables, scales, re-laid weights), copied into the session's block where runs read them.
    case derived(Storage)
  }

  var kind: Kind
  var byteCount: Int
  var firstStep = Int.max
  var lastStep = -1
  /// Holds pairs of bfloat16 in half the bytes of floats. See `Lowering.storePairs`.
  var isPairs = false
  /// Keeps its contents until the end of the run.
  var isObserved = false
  /// Contents that were made, and that runs read: they stand in the session's block. Set by planning.
  var isKept = false
  /// In the arena or among the derived constants, set by planning.
  var offset = 0

  init(kind: Kind, byteCount: Int) {
    self.kind = kind
    self.byteCount = byteCount
  }

  /// Derived, or a constant that is made when it is read.
  var isMade: Bool {
    switch kind {
    case .constant(let data): return data.isOnDemand
    case .derived: return true
    default: return false
    }
  }

  var isArena: Bool {
    if case .arena = kind { return true }
    return false
  }
}

/// A tensor's memory: bytes of a buffer from an offset on.
struct BufferPlace: Equatable {
  var buffer: Int
  var offset = 0
}

/// One pointer of an argument structure.
struct SlotUse {
  var slot: Int
  var place: BufferPlace
  var writes = false
}

/// One kernel call, or a decision about the next one: arguments without addresses, and what their pointers stand for.
final class LoweredStep {
  var operation: Int32
  /// Index of the graph node it belongs to, or -1 (copies to outputs).
  var node: Int
  var kernel: ek_kernel
  /// The set the kernel is from, but where a kernel of AVX-512 BF16 writes pairs in its place (`storePairs`).
  var isa: InstructionSet
  /// The argument structure. 8-byte elements keep it aligned.
  var arguments: [UInt64]
  var slots: [SlotUse]
  /// Slot to receive the packed weights, when the kernel packs.
  var packedSlot: Int?
  /// Operands that the kernel reads just before it writes the same element: the result may take their place.
  var inPlaceSlots: [Int]
  var multiplyAdds: Int64 = 0
  /// What the step takes of the time of a plain one with so many multiply-adds.
  var workShare: Float = 1
  /// Lines of windows that the kernel may have to copy first.
  var windowLines: Int64 = 0
  var note = Text()
  /// Slot of the number of entries that may not be above `bound`; -1 for none.
  var countSlot = -1
  var bound = 0
  /// Not `none`: no kernel runs.
  var control = ControlStep.none
  /// The step that a control step may go on with.
  var target = 0
  /// See `StepChoices`.
  var form: UInt8 = 0
  /// What the step runs besides itself, band by band.
  var chain: Chain?
  /// A later step's chain runs it.
  var isChained = false

  /// Operation number of a step that packs the operands of the next one. See `PackCall`.
  static let packing: Int32 = -2
  /// Beside the form in a choice: the step is chained.
  static let chained: UInt8 = 0x80

  // Set by `Plan`.
  var identity: UInt32 = 0
  var units: Int64 = 0
  var chunks: Int32 = 1
  var isLong = false
  /// Known before where it depends on what is packed.
  var packedBytes = 0
  var packedOffset = 0
  /// An earlier step has packed the same.
  var isPackedBefore = false
  /// For each thread.
  var scratchBytes = 0
  /// From the beginning of the arena.
  var scratchOffset = 0

  init(
    operation: Int32, node: Int, kernel: ek_kernel, isa: InstructionSet, arguments: [UInt64], slots: [SlotUse], packedSlot: Int? = nil,
    inPlaceSlots: [Int] = []
  ) {
    self.operation = operation
    self.node = node
    self.kernel = kernel
    self.isa = isa
    self.arguments = arguments
    self.slots = slots
    self.packedSlot = packedSlot
    self.inPlaceSlots = inPlaceSlots
  }

  /// Whether an operand is read when it is packed, and never again. All kernels that pack do so with their weights, in slot 1.
  func readsOnlyToPack(_ use: SlotUse) -> Bool { packedSlot != nil && packedBytes > 0 && use.slot == 1 }

  /// The argument structure, which is an `Arguments`.
  func load<Arguments: BitwiseCopyable>(_: Arguments.Type) -> Arguments {
    arguments.withUnsafeBytes { $0.loadUnaligned(as: Arguments.self) }
  }

  /// Changes the argument structure, which is an `Arguments`.
  func changeArguments<Arguments: BitwiseCopyable>(_ change: (inout Arguments) -> Void) {
    arguments.withUnsafeMutableBytes { bytes in
      var value = bytes.load(as: Arguments.self)
      change(&value)
      bytes.storeBytes(of: value, as: Arguments.self)
    }
  }

  /// Adds a remark to those that are there.
  func remark(_ text: Text) {
    if !note.isEmpty { note += "; " }
    note += text
  }
}

extension [UInt64] {
  /// Writes an address into a pointer slot of an argument structure.
  mutating func setPointer(_ slot: Int, _ pointer: UnsafeRawPointer?) {
    withUnsafeMutableBytes { bytes in
      bytes.storeBytes(of: pointer, toByteOffset: slot &* MemoryLayout<UnsafeRawPointer?>.size, as: UnsafeRawPointer?.self)
    }
  }
}
