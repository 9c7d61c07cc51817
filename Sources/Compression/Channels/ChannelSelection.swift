#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Chooses classes of channels to remove, so that every value keeps some and every layer what the options ask for.
struct ChannelSelection {
  private let dependencies: ChannelDependencies
  private let options: ChannelOptions
  /// By the root of a class.
  private(set) var isRemoved: [Bool]
  /// For each class the values with its channels, and their indices there, one entry for each channel.
  private var places: [[ValueID]]
  private var indices: [[Int]]
  /// For each value what must stay balanced in it.
  private var balances: [[ChannelBalance]]
  private var isLayer: [Bool]
  /// How many channels of layers may still go.
  private var budget = Double.infinity
  /// Channels of each value that stay so far, and that must.
  private var kept: [Int]
  private var least: [Int]

  init(_ dependencies: ChannelDependencies, _ options: ChannelOptions) {
    self.dependencies = dependencies
    self.options = options
    let count = dependencies.classes.count
    isRemoved = [Bool](repeating: false, count: count)
    places = [[ValueID]](repeating: [], count: count)
    indices = [[Int]](repeating: [], count: count)
    balances = [[ChannelBalance]](repeating: [], count: dependencies.axes.count)
    isLayer = [Bool](repeating: false, count: dependencies.axes.count)
    kept = dependencies.axes.map { $0?.labels.count ?? 0 }
    least = kept.map { min($0, 1) }
    for (value, axis) in dependencies.axes.enumerated() {
      guard let axis else { continue }
      for (index, label) in axis.labels.enumerated() {
        let root = dependencies.classes.root(label)
        places[root].append(value)
        indices[root].append(index)
      }
    }
    for balance in dependencies.balances { balances[balance.value].append(balance) }
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
        guard isRemoved[root] || remove(root, uneven: true) else {
          throw EdgeError(.invalidArgument, "without channel \(channel) of layer '\(name)' something would have no channels left", node: name)
        }
      }
    }
    for balance in dependencies.balances where balance.missing > 0 {
      let name = dependencies.graph.values[balance.value].name
      throw EdgeError(.invalidArgument, "the groups of '\(name)' would keep different numbers of channels", tensor: name)
    }
  }

  /// The classes of the lowest scores, as many as the options ask for.
  mutating func choose(_ scores: ChannelScores) throws(EdgeError) {
    // Half a channel for the rounding of the fraction.
    var all = 0.5
    for name in options.layers
    where !dependencies.layers.contains(where: { QuantizerOptions.matches(name, dependencies.graph.nodes[$0].name) }) {
      throw EdgeError(.invalidArgument, "no layer with channels is named \(name)", node: name)
    }
    for number in dependencies.layers {
      let node = dependencies.graph.nodes[number]
      let value = node.outputs[0]
      guard kept[value] > 0 else { continue }
      isLayer[value] = true
      let own = options.layers.firstIndex { QuantizerOptions.matches($0, node.name) }
      let share = own.map { options.fractions[$0] } ?? (options.isGlobal ? 1 : options.fraction)
      least[value] = fewest(kept[value], share)
      all += Double(kept[value]) * Double(options.fraction)
    }
    var order: [Int] = []
    for root in places.indices where !places[root].isEmpty && dependencies.classes.reason(root) == nil { order.append(root) }
    order = sortedIndices(order.count) { scores.scores[order[$0]] < scores.scores[order[$1]] }.map { order[$0] }
    if options.isGlobal { budget = all }
    // What a balance does not allow now it may allow later.
    var isChanged = true
    while isChanged {
      isChanged = false
      for root in order where !isRemoved[root] {
        if remove(root, uneven: false) { isChanged = !dependencies.balances.isEmpty }
      }
    }
    align(order)
  }

  /// The fewest channels that a layer of so many may keep.
  private func fewest(_ count: Int, _ share: Float) -> Int {
    // A thousandth of a channel for the rounding of the share.
    var fewest = count - Int(Double(count) * Double(share) + 0.001)
    let multiple = options.multiple
    if multiple > 1, multiple < count { fewest = max((fewest + multiple / 2) / multiple, 1) * multiple } else if multiple > 1 { fewest = count }
    return min(max(fewest, options.minimum, 1), count)
  }

  /// Gives channels back, the best first, until every balance and multiple holds. It ends because nothing is wrong when all
  /// are there.
  private mutating func align(_ order: [Int]) {
    while true {
      var isChanged = false
      var fallback = -1
      for root in order.reversed() where isRemoved[root] {
        let before = wrong(root)
        if before == 0 { continue }
        count(root, 1)
        if wrong(root) < before {
          isRemoved[root] = false
          isChanged = true
        } else {
          count(root, -1)
          if fallback < 0 { fallback = root }
        }
      }
      if isChanged { continue }
      if fallback < 0 { return }
      count(fallback, 1)
      isRemoved[fallback] = false
    }
  }

  /// How many channels balances and multiples are away from what they must be, in the values that a class goes through.
  private func wrong(_ root: Int) -> Int {
    var wrong = 0
    var last = Node.noValue
    // Entries of one value stand together.
    for value in places[root] where value != last {
      last = value
      for balance in balances[value] { wrong += balance.missing }
      let rest = kept[value] % options.multiple
      if isLayer[value], rest > 0, kept[value] < dependencies.axes[value]?.labels.count ?? 0 { wrong += options.multiple - rest }
    }
    return wrong
  }

  /// Adds the channels of a class to what stays, or takes them away.
  private mutating func count(_ root: Int, _ step: Int) {
    for (value, index) in zip(places[root], indices[root]) {
      kept[value] += step
      if isLayer[value] { budget += Double(step) }
      for balance in balances[value] { balance.kept[index / balance.size] += step }
    }
  }

  /// Whether every value a class goes through still has what it needs, and no more went than may.
  private func isSpared(_ root: Int) -> Bool {
    if budget < 0 { return false }
    for value in places[root] {
      if kept[value] < least[value] { return false }
      for balance in balances[value] {
        for count in balance.kept where count < 1 { return false }
      }
    }
    return true
  }

  /// Removes a class if every value can spare its channels. Groups that must be of one size then differ by one at most,
  /// unless they may be `uneven`.
  private mutating func remove(_ root: Int, uneven: Bool) -> Bool {
    count(root, -1)
    var isAllowed = isSpared(root)
    if !uneven {
      for value in places[root] {
        for balance in balances[value] where balance.spread > 1 { isAllowed = false }
      }
    }
    if isAllowed { isRemoved[root] = true } else { count(root, 1) }
    return isAllowed
  }
}
