#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Chooses classes of channels to remove, so that every value keeps some and every layer what the options ask for.
struct ChannelSelection {
  private let dependencies: ChannelDependencies
  private let options: ChannelOptions
  /// By the root of a class.
  private(set) var isRemoved: [Bool]
  /// For each class the values with its channels, one entry for each channel.
  private var places: [[ValueID]]
  /// Channels of each value that stay so far, and that must.
  private var kept: [Int]
  private var least: [Int]

  init(_ dependencies: ChannelDependencies, _ options: ChannelOptions) {
    self.dependencies = dependencies
    self.options = options
    let count = dependencies.classes.count
    isRemoved = [Bool](repeating: false, count: count)
    places = [[ValueID]](repeating: [], count: count)
    kept = dependencies.axes.map { $0?.labels.count ?? 0 }
    least = kept.map { min($0, 1) }
    for (value, axis) in dependencies.axes.enumerated() {
      guard let axis else { continue }
      for label in axis.labels { places[dependencies.classes.root(label)].append(value) }
    }
  }

  /// Exactly these channels, with what depends on them.
  mutating func take() throws(EdgeError) {
    for (name, channels) in zip(options.chosen, options.channels) {
      guard let number = dependencies.layers.first(where: { dependencies.graph.nodes[$0].name == name }) else {
        throw EdgeError(.invalidArgument, "no layer with channels is named '\(name)'", node: name)
      }
      let node = dependencies.graph.nodes[number]
      let axis = dependencies.axes[node.outputs[0]]
      for channel in channels {
        guard channel >= 0, channel < dependencies.graph.values[node.outputs[0]].shape.dims.last ?? 0 else {
          throw EdgeError(.invalidArgument, "layer '\(name)' has no channel \(channel)", node: name)
        }
        guard let axis else { throw EdgeError(.invalidArgument, "channels of layer '\(name)' cannot be pruned", node: name) }
        if let reason = dependencies.classes.reason(axis.labels[channel]) {
          throw EdgeError(.invalidArgument, "channel \(channel) of layer '\(name)' cannot be pruned: \(reason)", node: name)
        }
        let root = dependencies.classes.root(axis.labels[channel])
        guard isRemoved[root] || remove(root) else {
          throw EdgeError(.invalidArgument, "without channel \(channel) of layer '\(name)' something would have no channels left", node: name)
        }
      }
    }
  }

  /// The classes of the lowest scores, as many as the options ask for.
  mutating func choose(_ scores: ChannelScores) throws(EdgeError) {
    var budget = 0.0
    for name in options.layers
    where !dependencies.layers.contains(where: { QuantizerOptions.matches(name, dependencies.graph.nodes[$0].name) }) {
      throw EdgeError(.invalidArgument, "no layer with channels is named \(name)", node: name)
    }
    var isLayer = [Bool](repeating: false, count: kept.count)
    for number in dependencies.layers {
      let node = dependencies.graph.nodes[number]
      let value = node.outputs[0]
      guard kept[value] > 0 else { continue }
      isLayer[value] = true
      let own = options.layers.firstIndex { QuantizerOptions.matches($0, node.name) }
      let share = own.map { options.fractions[$0] } ?? (options.isGlobal ? 1 : options.fraction)
      least[value] = fewest(kept[value], share)
      budget += Double(kept[value]) * Double(options.fraction)
    }
    var order: [Int] = []
    for root in places.indices where !places[root].isEmpty && dependencies.classes.reason(root) == nil { order.append(root) }
    order = sortedIndices(order.count) { scores.scores[order[$0]] < scores.scores[order[$1]] }.map { order[$0] }
    // Half a channel for the rounding of the fraction.
    budget += 0.5
    for root in order {
      let cost = places[root].filter { isLayer[$0] }.count
      if options.isGlobal, Double(cost) > budget { continue }
      if remove(root), options.isGlobal { budget -= Double(cost) }
    }
    if options.multiple > 1 { alignCounts(order, isLayer) }
  }

  /// The fewest channels that a layer of so many may keep.
  private func fewest(_ count: Int, _ share: Float) -> Int {
    // A thousandth of a channel for the rounding of the share.
    var fewest = count - Int(Double(count) * Double(share) + 0.001)
    let multiple = options.multiple
    if multiple > 1, multiple < count { fewest = max((fewest + multiple / 2) / multiple, 1) * multiple } else if multiple > 1 { fewest = count }
    return min(max(fewest, options.minimum, 1), count)
  }

  /// Gives channels back, the best first, until the number in every layer is a multiple. Numbers only grow, so it ends.
  private mutating func alignCounts(_ order: [Int], _ isLayer: [Bool]) {
    var isChanged = true
    while isChanged {
      isChanged = false
      for root in order.reversed() where isRemoved[root] {
        guard places[root].contains(where: { isLayer[$0] && kept[$0] % options.multiple != 0 }) else { continue }
        isRemoved[root] = false
        for value in places[root] { kept[value] += 1 }
        isChanged = true
      }
    }
  }

  /// Removes a class if every value can spare its channels.
  private mutating func remove(_ root: Int) -> Bool {
    for value in places[root] { kept[value] -= 1 }
    for value in places[root] where kept[value] < least[value] {
      for value in places[root] { kept[value] += 1 }
      return false
    }
    isRemoved[root] = true
    return true
  }
}
