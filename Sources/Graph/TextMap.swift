/// Numbers by name: one hash table for all that the library looks up by text. The standard library's dictionary and set
/// would be compiled once for each pair of types.
public struct TextMap {
  private var keys: [Text] = []
  private var values: [Int] = []
  /// Indices into `keys` by hash, double hashing; -1 is free. A power of two long, at most half full.
  private var slots = [Int](repeating: -1, count: 8)

  public init() {}

  /// The number of a name.
  @inline(never)
  public subscript(key: Text) -> Int? {
    let index = slots[slot(key)]
    return index < 0 ? nil : values[index]
  }

  /// Gives a name a number, in place of the one it had.
  @inline(never)
  public mutating func set(_ key: Text, _ value: Int) {
    let place = slot(key)
    if slots[place] >= 0 {
      values[slots[place]] = value
      return
    }
    slots[place] = keys.count
    keys.append(key)
    values.append(value)
    if keys.count * 2 > slots.count { grow() }
  }

  /// Adds a name; false when it was there.
  @inline(never)
  public mutating func insert(_ key: Text) -> Bool {
    if self[key] != nil { return false }
    set(key, 0)
    return true
  }

  /// Adds the name, or where it is there the first of NAME/2, NAME/3 and so on that is not, and gives it.
  @inline(never)
  public mutating func insertApart(_ name: Text) -> Text {
    var own = name
    if let known = self[name] {
      var number = max(known, 1)
      repeat {
        number += 1
        own = Text("\(name)/\(number)")
      } while self[own] != nil
      // The last number tried, so that many equal names take no longer than as many different ones.
      set(name, number)
    }
    set(own, 1)
    return own
  }

  /// Where a name is, or would stand. The step comes from other bits of the hash than the start, so that a file full of
  /// names made to meet in one place does not make a long way.
  private func slot(_ key: Text) -> Int {
    let mask = slots.count - 1
    let hash = key.hashValue
    let step = hash >> (Int.bitWidth / 2) | 1
    var place = hash & mask
    while slots[place] >= 0, keys[slots[place]] != key { place = (place &+ step) & mask }
    return place
  }

  private mutating func grow() {
    slots = [Int](repeating: -1, count: slots.count * 2)
    for index in keys.indices { slots[slot(keys[index])] = index }
  }
}
