import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

/// What an `edgeai_channel_report *` points to.
private final class ChannelReportHandle {
  let layers: [ChannelLayer]
  let allocator: UnsafePointer<ep_allocator>?
  private let texts: TextPool
  /// Of the names and the reasons, in turn.
  private let offsets: [Int]
  /// The kept channels of all layers, one layer after another.
  private let kept: Storage
  private let starts: [Int]

  init(_ layers: [ChannelLayer], _ allocator: UnsafePointer<ep_allocator>?) throws(EdgeError) {
    var pool = TextPool()
    var offsets: [Int] = []
    var starts: [Int] = []
    var indices: [UInt32] = []
    for layer in layers {
      offsets.append(pool.add(layer.name))
      offsets.append(pool.add(layer.reason))
      starts.append(indices.count)
      for channel in layer.kept { indices.append(UInt32(clamping: channel)) }
    }
    try pool.freeze()
    let storage = try Storage.allocate(indices.count * 4)
    indices.withUnsafeBytes { bytes in
      if let start = bytes.baseAddress { storage.base.copyMemory(from: start, byteCount: bytes.count) }
    }
    self.layers = layers
    self.allocator = allocator
    texts = pool
    self.offsets = offsets
    kept = storage
    self.starts = starts
  }

  func layer(_ index: Int) -> edgeai_channel_layer_info {
    var info = edgeai_channel_layer_info()
    info.before = UInt32(clamping: layers[index].before)
    info.after = UInt32(clamping: layers[index].kept.count)
    info.fixed = UInt32(clamping: layers[index].fixed)
    info.name = texts[offsets[index * 2]]
    info.reason = texts[offsets[index * 2 + 1]]
    info.kept = UnsafeRawPointer(kept.base + starts[index] &* 4).assumingMemoryBound(to: UInt32.self)
    return info
  }
}

private func defaultPruneChannelsOptions() -> edgeai_prune_channels_options {
  let defaults = ChannelOptions()
  var options = edgeai_prune_channels_options()
  options.fraction = defaults.fraction
  options.minimum = UInt32(clamping: defaults.minimum)
  options.multiple = UInt32(clamping: defaults.multiple)
  return options
}

@_cdecl("edgeai_prune_channels_options_init") @implementation
public func edgeai_prune_channels_options_init(_ options: UnsafeMutablePointer<edgeai_prune_channels_options>!, _ struct_size: Int) {
  initialize(options, struct_size, defaultPruneChannelsOptions())
}

/// The caller's options; texts and lists are copied.
private func channelOptions(_ caller: edgeai_prune_channels_options) throws(EdgeError) -> ChannelOptions {
  guard let raw = UInt8(exactly: caller.criterion), let criterion = ChannelOptions.Criterion(rawValue: raw) else {
    throw EdgeError(.invalidArgument, "there is no criterion \(caller.criterion)")
  }
  var options = ChannelOptions()
  options.criterion = criterion
  options.fraction = caller.fraction
  options.isGlobal = caller.global != 0
  options.isMasked = caller.masked != 0
  options.minimum = Int(clamping: caller.minimum)
  options.multiple = Int(clamping: caller.multiple)
  // A size beyond Int arrives as a negative number.
  guard caller.layer_count >= 0, caller.channels_count >= 0 else { throw EdgeError(.invalidArgument, "a count is out of range") }
  if caller.layer_count > 0 {
    let layers = try required(caller.layers, "layers")
    for index in 0..<caller.layer_count {
      options.layers.append(try text(layers[index].name, "edgeai_layer_fraction.name"))
      options.fractions.append(layers[index].fraction)
    }
  }
  if caller.channels_count > 0 {
    let chosen = try required(caller.channels, "channels")
    for index in 0..<caller.channels_count {
      var channels: [Int] = []
      guard chosen[index].channel_count >= 0 else { throw EdgeError(.invalidArgument, "channel_count is out of range") }
      if chosen[index].channel_count > 0 {
        let list = try required(chosen[index].channels, "edgeai_layer_channels.channels")
        for place in 0..<chosen[index].channel_count { channels.append(Int(clamping: list[place])) }
      }
      options.chosen.append(try text(chosen[index].name, "edgeai_layer_channels.name"))
      options.channels.append(channels)
    }
  }
  return options
}

/// Runs the model on all samples.
private func activations(
  _ graph: Graph, _ next: edgeai_data_fn, _ context: UnsafeMutableRawPointer?
) throws(EdgeError) -> ChannelActivations {
  let activations = try ChannelActivations.make(graph)
  try forEachBatch(graph, next, context) { (batch) throws(EdgeError) in
    try activations.feed(inputs: batch.pointers, samples: batch.samples)
  }
  return activations
}

@_cdecl("edgeai_prune_channels") @implementation
public func edgeai_prune_channels(
  _ model: OpaquePointer!, _ options: UnsafePointer<edgeai_prune_channels_options>!, _ data: edgeai_data_fn!,
  _ context: UnsafeMutableRawPointer!, _ pruned: UnsafeMutablePointer<OpaquePointer?>!, _ report: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  prune(model, options, data, context, pruned, report, error)
}

private func prune(
  _ model: OpaquePointer?, _ caller: UnsafePointer<edgeai_prune_channels_options>?, _ data: edgeai_data_fn?,
  _ context: UnsafeMutableRawPointer?, _ pruned: UnsafeMutablePointer<OpaquePointer?>?, _ report: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<edgeai_error>?
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let source = try object(model, ModelHandle.self, "model")
    let pruned = try required(pruned, "pruned")
    let chosen = try options(caller, defaultPruneChannelsOptions(), "edgeai_prune_channels_options")
    try requireUnused(chosen.reserved, "edgeai_prune_channels_options")
    try source.requireRunnable()
    let settings = try channelOptions(chosen)
    let original = try source.graph
    var measured: ChannelActivations?
    if settings.criterion == .activation, settings.chosen.isEmpty, let data {
      try settings.validate()
      measured = try activations(original, data, context)
    }
    let result = try original.channelsPruned(settings, activations: measured)
    let made = try ModelHandle.make(result.graph, source: EDGEAI_SOURCE_MEMORY, allocator: source.allocator, log: source.log)
    let layers = try ChannelReportHandle(result.layers, source.allocator)
    if let report { report.pointee = handle(layers) }
    pruned.pointee = handle(made)
  }
}

@_cdecl("edgeai_channel_report_layer_count") @implementation
public func edgeai_channel_report_layer_count(_ report: OpaquePointer!) -> Int {
  report == nil ? 0 : object(report, ChannelReportHandle.self).layers.count
}

private func allocator(ofChannelReport report: OpaquePointer?) -> UnsafePointer<ep_allocator>? {
  report.map { object($0, ChannelReportHandle.self).allocator } ?? nil
}

@_cdecl("edgeai_channel_report_layer") @implementation
public func edgeai_channel_report_layer(
  _ report: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<edgeai_channel_layer_info>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofChannelReport: report)) { () throws(EdgeError) in
    let report = try object(report, ChannelReportHandle.self, "report")
    try fill(info, "edgeai_channel_layer_info", report.layer(try checked(index, below: report.layers.count, "index")))
  }
}

@_cdecl("edgeai_channel_report_destroy") @implementation
public func edgeai_channel_report_destroy(_ report: OpaquePointer!) {
  destroy(report, ChannelReportHandle.self)
}
