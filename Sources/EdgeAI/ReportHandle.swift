import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Compression
import Format
import Graph
#endif

/// What an `edgeai_report *` points to.
final class ReportHandle {
  let report: CompressionReport
  let allocator: UnsafePointer<ep_allocator>?
  private let names: TextPool
  private let texts: [(name: Int, op: Int, tensor: Int, reason: Int)]
  private let stageTexts: [Int]

  private init(
    _ report: CompressionReport, _ allocator: UnsafePointer<ep_allocator>?, _ names: TextPool,
    _ texts: [(name: Int, op: Int, tensor: Int, reason: Int)], _ stageTexts: [Int]
  ) {
    self.report = report
    self.allocator = allocator
    self.names = names
    self.texts = texts
    self.stageTexts = stageTexts
  }

  /// Completes the report with the real sizes of both files.
  static func make(
    _ report: inout CompressionReport, _ before: Graph, _ after: Graph, _ allocator: UnsafePointer<ep_allocator>?
  ) throws(EdgeError) -> ReportHandle {
    report.fileBytesBefore = try encodeModel(before).count
    report.fileBytesAfter = try encodeModel(after).count
    var pool = TextPool()
    var texts: [(name: Int, op: Int, tensor: Int, reason: Int)] = []
    for layer in report.layers { texts.append((pool.add(layer.name), pool.add(layer.op), pool.add(layer.tensor), pool.add(layer.reason))) }
    var stageTexts: [Int] = []
    for stage in report.stages { stageTexts.append(pool.add(stage.name)) }
    try pool.freeze()
    return ReportHandle(report, allocator, pool, texts, stageTexts)
  }

  func stage(_ index: Int) -> edgeai_stage_info {
    var info = edgeai_stage_info()
    info.name = names[stageTexts[index]]
    info.file_bytes = UInt64(clamping: report.stages[index].fileBytes)
    info.nanoseconds = UInt64(clamping: report.stages[index].nanoseconds)
    return info
  }

  func stageLayer(_ stage: Int, _ index: Int) -> edgeai_stage_layer_info {
    let layer = report.stages[stage].layers[index]
    var info = edgeai_stage_layer_info()
    info.name = names[texts[report.weightLayers[index]].name]
    info.weights = UInt64(clamping: layer.weights)
    info.kept = UInt64(clamping: layer.kept)
    info.bits = UInt64(clamping: layer.bits)
    info.bytes = UInt64(clamping: layer.bytes)
    info.nanoseconds = UInt64(clamping: layer.nanoseconds)
    let error = layer.error ?? ErrorMeter()
    info.measured = error.count > 0 ? 1 : 0
    info.sqnr_db = error.sqnr
    return info
  }

  func layer(_ index: Int) -> edgeai_layer_info {
    let layer = report.layers[index]
    var info = edgeai_layer_info()
    info.dtype = Int32(layer.dtype.rawValue)
    info.name = names[texts[index].name]
    info.op = names[texts[index].op]
    info.tensor = names[texts[index].tensor]
    info.reason = names[texts[index].reason]
    info.rank = copyDims(layer.shape, to: &info.dims)
    info.bytes_before = UInt64(clamping: layer.bytesBefore)
    info.bytes_after = UInt64(clamping: layer.bytesAfter)
    let error = layer.error ?? ErrorMeter()
    info.measured = error.count > 0 ? 1 : 0
    info.sqnr_db = error.sqnr
    info.cosine = error.cosine
    info.weights = UInt64(layer.weights)
    info.kept = UInt64(layer.kept)
    return info
  }

  var summary: edgeai_report_info {
    var info = edgeai_report_info()
    info.layer_count = UInt64(report.layers.count)
    info.float_layer_count = UInt64(report.floatLayerCount)
    info.samples = UInt64(report.samples)
    info.bytes_before = UInt64(clamping: report.fileBytesBefore ?? 0)
    info.bytes_after = UInt64(clamping: report.fileBytesAfter ?? 0)
    var worst = ErrorMeter()
    for output in report.outputs where output.error.count > 0 && (worst.count == 0 || output.error.sqnr < worst.sqnr) {
      worst = output.error
    }
    info.output_sqnr_db = worst.sqnr
    info.output_cosine = worst.cosine
    return info
  }
}

private func allocator(ofReport report: OpaquePointer?) -> UnsafePointer<ep_allocator>? {
  report.map { object($0, ReportHandle.self).allocator } ?? nil
}

@_cdecl("edgeai_report_describe") @implementation
public func edgeai_report_describe(
  _ report: OpaquePointer!, _ info: UnsafeMutablePointer<edgeai_report_info>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofReport: report)) { () throws(EdgeError) in
    try fill(info, "edgeai_report_info", try object(report, ReportHandle.self, "report").summary)
  }
}

@_cdecl("edgeai_report_layer_count") @implementation
public func edgeai_report_layer_count(_ report: OpaquePointer!) -> Int {
  report == nil ? 0 : object(report, ReportHandle.self).report.layers.count
}

@_cdecl("edgeai_report_layer") @implementation
public func edgeai_report_layer(
  _ report: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<edgeai_layer_info>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofReport: report)) { () throws(EdgeError) in
    let report = try object(report, ReportHandle.self, "report")
    try fill(info, "edgeai_layer_info", report.layer(try checked(index, below: report.report.layers.count, "index")))
  }
}

@_cdecl("edgeai_report_stage_count") @implementation
public func edgeai_report_stage_count(_ report: OpaquePointer!) -> Int {
  report == nil ? 0 : object(report, ReportHandle.self).report.stages.count
}

@_cdecl("edgeai_report_stage") @implementation
public func edgeai_report_stage(
  _ report: OpaquePointer!, _ stage: Int, _ info: UnsafeMutablePointer<edgeai_stage_info>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofReport: report)) { () throws(EdgeError) in
    let report = try object(report, ReportHandle.self, "report")
    try fill(info, "edgeai_stage_info", report.stage(try checked(stage, below: report.report.stages.count, "stage")))
  }
}

@_cdecl("edgeai_report_stage_layer_count") @implementation
public func edgeai_report_stage_layer_count(_ report: OpaquePointer!) -> Int {
  report == nil ? 0 : object(report, ReportHandle.self).report.weightLayers.count
}

@_cdecl("edgeai_report_stage_layer") @implementation
public func edgeai_report_stage_layer(
  _ report: OpaquePointer!, _ stage: Int, _ layer: Int, _ info: UnsafeMutablePointer<edgeai_stage_layer_info>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofReport: report)) { () throws(EdgeError) in
    let report = try object(report, ReportHandle.self, "report")
    let stage = try checked(stage, below: report.report.stages.count, "stage")
    try fill(info, "edgeai_stage_layer_info", report.stageLayer(stage, try checked(layer, below: report.report.weightLayers.count, "layer")))
  }
}

@_cdecl("edgeai_report_write_json") @implementation
public func edgeai_report_write_json(
  _ report: OpaquePointer!, _ buffer: UnsafeMutablePointer<CChar>!, _ capacity: Int, _ length: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofReport: report)) { () throws(EdgeError) in
    try give(try object(report, ReportHandle.self, "report").report.json, buffer, capacity, length)
  }
}

@_cdecl("edgeai_report_destroy") @implementation
public func edgeai_report_destroy(_ report: OpaquePointer!) {
  destroy(report, ReportHandle.self)
}
