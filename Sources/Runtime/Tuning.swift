import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Who chooses how a step is computed, where several ways lead to the same result.
///
/// A choice is one number: `form | set << 8 | parts << 16 | identity << 32`. Form: of a convolution in Winograd's form
/// the results along the side of a square; of a convolution that leaves out zeros `ek_conv.sparse << 4`; 0 for the plain form
/// and for all other steps; `LoweredStep.chained` is added where a later step's chain runs the step. Set: the raw value of the kernel's
/// instruction set. Parts: how many are handed out to the threads. Identity: see `LoweredStep.identity`.
public enum StepChoices: Sendable {
  /// The planner.
  case planned
  /// The planner, for steps that cannot have this form or set. Steps are chained where they can be if the form says so, else none is.
  case preferred(UInt64)
  /// A tuning: what `Plan.tuning` gave.
  case given([UInt64])

  static func choice(form: UInt8, isa: InstructionSet) -> UInt64 { UInt64(form) | UInt64(isa.rawValue) << 8 }
}

/// The choices of a plan as words, for other sessions of the same model:
///
///     "EATUNE01"; checksum of what follows this word; set | steps << 8 | threads << 32 | precision << 48 | compact << 56; one
///     choice a step
///
/// They may come from anywhere: nothing is believed that the plan does not confirm.
enum Tuning {
  static let headerWords = 3
  // The last two bytes grow when the meaning of a choice changes.
  private static let magic: UInt64 = 0x3130_454E_5554_4145

  static func mismatch(_ message: Text) -> EdgeError { EdgeError(.tuningMismatch, message) }

  static func words(_ steps: [LoweredStep], _ options: SessionOptions) -> [UInt64] {
    var words = [magic, 0, machine(options, steps: steps.count)]
    for step in steps { words.append(step.choice) }
    words[1] = words.withUnsafeBytes { checksum($0) }
    return words
  }

  /// What a tuning is for besides its steps.
  static func machine(_ options: SessionOptions, steps: Int) -> UInt64 {
    UInt64(options.isa?.rawValue ?? 0) | (UInt64(steps) & mostSteps) << 8 | UInt64(options.threads) << 32 | UInt64(options.precision.rawValue) << 48
      | (options.compact ? 1 << 56 : 0)
  }

  private static let mostSteps: UInt64 = 0xFF_FFFF

  private static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    UInt64(ep_crc32c(0, bytes.baseAddress.map { $0 + 16 }, bytes.count &- 16))
  }

  /// Reads words from a caller's bytes. Throws `tuningMismatch` where they were not written by this version.
  static func words(_ bytes: UnsafeRawBufferPointer) throws(EdgeError) -> [UInt64] {
    func word(_ index: Int) -> UInt64 { bytes.loadUnaligned(fromByteOffset: index &* 8, as: UInt64.self) }
    // A caller's number of bytes may be wrong: no more is read than a tuning with this head has.
    let count = bytes.count / 8
    guard bytes.count % 8 == 0, count >= headerWords, word(0) == magic, word(2) >> 8 & mostSteps == UInt64(count - headerWords),
      word(1) == checksum(bytes)
    else { throw mismatch("the tuning is damaged, or of another version") }
    var words: [UInt64] = []
    while words.count < count { words.append(word(words.count)) }
    return words
  }
}

extension StepChoices {
  /// What a caller's bytes give. Throws `tuningMismatch`.
  public init(tuning bytes: UnsafeRawBufferPointer) throws(EdgeError) { self = .given(try Tuning.words(bytes)) }
}

extension LoweredStep {
  /// The choice that gives this step again.
  var choice: UInt64 {
    StepChoices.choice(form: isChained ? form | LoweredStep.chained : form, isa: isa) | UInt64(UInt16(truncatingIfNeeded: chunks)) << 16 | UInt64(identity) << 32
  }

  /// What steps have in common that may share choices: operation, element type, sizes and work, as one number.
  /// `byteCount`: of the step's tensors as floats, since whether they are pairs may depend on the choices for other steps.
  func identify(_ info: StepInfo, byteCount: Int) {
    var kind = operation
    switch Int(operation) {
    case Int(EK_CONV_WINOGRAD_F32), Int(EK_CONV_BF16), Int(EK_CONV_SPARSE_F32): kind = Int32(EK_CONV_F32)
    case Int(EK_CONV_WINOGRAD_U8), Int(EK_CONV_SPARSE_U8): kind = Int32(EK_CONV_U8)
    case Int(EK_DEPTHWISE_BF16): kind = Int32(EK_DEPTHWISE_F32)
    default: break
    }
    // What is packed depends on the choice for the next step, of which packing is none.
    let bytes = operation == LoweredStep.packing ? 0 : Int64(byteCount)
    var words = (Int64(kind) << 8 | Int64(info.dtype.rawValue), multiplyAdds, bytes, Int64(info.outputShape.dims.last ?? 1))
    identity = ep_crc32c(0, &words, MemoryLayout.size(ofValue: words))
  }
}

extension Lowering {
  /// What is wanted of the step emitted next; nil leaves it to the planner.
  var wish: UInt64? { wish(ahead: 0) }

  /// The same of a step that others come before.
  func wish(ahead: Int) -> UInt64? {
    switch choices {
    case .planned: return nil
    case .preferred(let choice): return choice
    case .given(let words):
      let index = steps.count &+ ahead &+ Tuning.headerWords
      return index < words.count ? words[index] : nil
    }
  }

  /// The kernel for the next step, of those the set and the sets it builds on have; nil where they have none.
  func chosen(_ operation: Int32, ahead: Int = 0) -> (kernel: ek_kernel, isa: InstructionSet)? {
    kernels.own(operation, from: wish(ahead: ahead).map { InstructionSet(rawValue: UInt8(truncatingIfNeeded: $0 >> 8)) } ?? nil)
  }

  /// Shares out the steps as a tuning says, once their units are known. Throws `tuningMismatch` where it is of something else,
  /// or of choices that the steps did not come out as, because they cannot.
  func apply(_ tuning: [UInt64], _ options: SessionOptions) throws(EdgeError) {
    guard tuning.count == steps.count &+ Tuning.headerWords, tuning[2] == Tuning.machine(options, steps: steps.count) else {
      throw Tuning.mismatch("the tuning is of another model, instruction set, number of threads, precision or compactness")
    }
    for index in steps.indices {
      var choice = tuning[index &+ Tuning.headerWords]
      let most = UInt64(max(min(steps[index].units, 0xFFFF), 1))
      // How many units there are depends on whether x is pairs, so on the choices for other steps.
      if steps[index].operation == Int32(EK_CONV_BF16), choice >> 16 & 0xFFFF > most { choice = choice & ~0xFFFF_0000 | most << 16 }
      let parts = Int32(UInt16(truncatingIfNeeded: choice >> 16))
      if parts == 1 || parts > 1 && options.threads > 1 && Int64(parts) <= steps[index].units { steps[index].chunks = parts }
      if choice != steps[index].choice { throw Tuning.mismatch("the tuning is of another model or batch: step \(index) differs") }
    }
  }
}

extension Plan {
  /// The choices of this plan for `StepChoices.given`.
  public var tuning: [UInt64] { Tuning.words(lowered, options) }
}
