import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

/// What an `edgeai_calibration *` points to.
final class CalibrationHandle {
  let model: ModelHandle
  let quantizer: QuantizerOptions
  let progress: CompressionProgress?
  let threads: Int
  private(set) var result: CalibrationResult?
  private let calibration: Calibration
  /// Copies of the first samples of each input, for the report.
  let kept: [Storage]
  private(set) var keptCount = 0
  private let keptCapacity: Int

  private init(
    _ model: ModelHandle, _ quantizer: QuantizerOptions, _ calibration: Calibration, _ progress: CompressionProgress?, threads: Int,
    kept: [Storage], keptCapacity: Int
  ) {
    self.model = model
    self.quantizer = quantizer
    self.calibration = calibration
    self.progress = progress
    self.threads = threads
    self.kept = kept
    self.keptCapacity = keptCapacity
  }

  /// Throws `invalidArgument` for an option, and what `Calibration` throws.
  static func make(_ model: ModelHandle, _ options: edgeai_quantize_options) throws(EdgeError) -> CalibrationHandle {
    try model.requireRunnable()
    guard let raw = UInt8(exactly: options.calibrator), let kind = CalibratorKind(rawValue: raw) else {
      throw EdgeError(.invalidArgument, "there is no calibrator \(options.calibrator)")
    }
    guard options.report_samples >= 0 else { throw EdgeError(.invalidArgument, "report_samples is negative") }
    guard options.threads >= 1, options.threads <= 256 else {
      throw EdgeError(.invalidArgument, "threads is \(options.threads); it must be 1 to 256")
    }
    let progress = progressHook(options.progress, options.progress_context)
    var settings = CalibrationOptions()
    settings.calibrator = kind
    settings.percentile = Double(options.percentile)
    settings.momentum = Double(options.momentum)
    settings.known = try tensorRanges(options.ranges, options.range_count)
    settings.threads = Int(options.threads)
    settings.progress = progress
    var quantizer = QuantizerOptions()
    quantizer.perChannel = options.per_channel != 0
    quantizer.strict = options.strict != 0
    quantizer.floatNames = try names(options.float_names, options.float_name_count, "float_names")
    quantizer.floatTypes = try names(options.float_types, options.float_type_count, "float_types")
    let graph = try model.graph
    try quantizer.validate(for: graph)
    var kept: [Storage] = []
    for id in model.outline.callerInputs {
      let (bytes, overflow) = (try sampleBytes(model.outline, id)).multipliedReportingOverflow(by: Int(options.report_samples))
      guard !overflow else { throw EdgeError(.limitExceeded, "report_samples is too large") }
      kept.append(try Storage.allocate(bytes))
    }
    return CalibrationHandle(
      model, quantizer, try Calibration.make(graph, settings), progress, threads: Int(options.threads), kept: kept,
      keptCapacity: Int(options.report_samples))
  }

  var sampleCount: Int { calibration.sampleCount }

  func feed(_ inputs: UnsafePointer<edgeai_span>?, _ count: Int) throws(EdgeError) {
    let batch = try SampleBatch(model.outline, inputs, count)
    let before = calibration.sampleCount
    do throws(EdgeError) {
      try calibration.feed(inputs: batch.pointers, samples: batch.samples)
    } catch {
      try keep(batch, calibration.sampleCount - before)
      throw error
    }
    try keep(batch, calibration.sampleCount - before)
  }

  /// Copies the first samples of a batch, of which `counted` were calibrated with, as long as there is room.
  private func keep(_ batch: SampleBatch, _ counted: Int) throws(EdgeError) {
    let fresh = min(keptCapacity - keptCount, counted)
    guard fresh > 0 else { return }
    for (index, id) in model.outline.callerInputs.enumerated() {
      let bytes = try sampleBytes(model.outline, id)
      (kept[index].base + keptCount * bytes).copyMemory(from: batch.pointers[index], byteCount: fresh * bytes)
    }
    keptCount += fresh
  }

  func finish() throws(EdgeError) {
    result = try calibration.finish()
  }
}

/// The caller's callback as the library's; nil when there is none.
func progressHook(_ function: edgeai_progress_fn?, _ context: UnsafeMutableRawPointer?) -> CompressionProgress? {
  guard let function else { return nil }
  return { stage, done, total in function(context, cString(stage), UInt64(clamping: done), UInt64(clamping: total)) == 0 }
}

/// Bytes of one sample of a graph's input.
func sampleBytes(_ graph: Graph, _ id: ValueID) throws(EdgeError) -> Int {
  guard let bytes = graph.values[id].byteCount(batch: 1), bytes > 0 else {
    throw EdgeError(.shapeMismatch, "the input has no elements", tensor: graph.values[id].name)
  }
  return bytes
}

/// Samples a caller hands over: one span for each input.
struct SampleBatch {
  var pointers: [UnsafeRawPointer] = []
  var samples = 0

  init(_ graph: Graph, _ inputs: UnsafePointer<edgeai_span>?, _ count: Int) throws(EdgeError) {
    let inputs = try required(inputs, "inputs")
    guard count == graph.callerInputs.count else {
      throw EdgeError(.shapeMismatch, "the model has \(graph.callerInputs.count) inputs; \(count) are given")
    }
    for (index, id) in graph.callerInputs.enumerated() {
      let value = graph.values[id]
      let bytes = try sampleBytes(graph, id)
      let span = inputs[index]
      guard let data = span.data else { throw EdgeError(.invalidArgument, "an input's data is NULL", tensor: value.name) }
      guard span.bytes >= bytes, span.bytes % bytes == 0 else {
        throw EdgeError(
          .shapeMismatch, "a sample of \(value.dtype.name) has \(bytes) bytes; \(span.bytes) are no whole number of them",
          tensor: value.name)
      }
      guard Int(bitPattern: data) % value.dtype.byteCount == 0 else {
        throw EdgeError(.invalidArgument, "the data is not aligned to \(value.dtype.byteCount) bytes", tensor: value.name)
      }
      guard index == 0 || span.bytes / bytes == samples else {
        throw EdgeError(.shapeMismatch, "the inputs hold different numbers of samples", tensor: value.name)
      }
      samples = span.bytes / bytes
      pointers.append(data)
    }
  }
}

/// A caller's list of strings. NULL is allowed for an empty one.
func names(_ list: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int, _ what: StaticString) throws(EdgeError) -> [Text] {
  guard count != 0 else { return [] }
  guard count > 0, let list else { throw EdgeError(.invalidArgument, "\(what) is NULL") }
  var result: [Text] = []
  for index in 0..<count { result.append(try text(list[index], what)) }
  return result
}
