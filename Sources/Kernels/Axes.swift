import CPlatform

// The index space of strided kernels: up to eight axes, each with an extent and a step in two tensors. Axes that
// both tensors step through evenly are merged, so that most tensors come down to one or two.

struct Axis {
  var size: Int, p: Int, q: Int
}

struct Axes {
  private var storage: (Axis, Axis, Axis, Axis, Axis, Axis, Axis, Axis)
  private(set) var count: Int

  init() {
    let none = Axis(size: 1, p: 0, q: 0)
    storage = (none, none, none, none, none, none, none, none)
    count = 0
  }

  subscript(_ index: Int) -> Axis {
    @inline(__always) get {
      withUnsafePointer(to: storage) { UnsafeRawPointer($0).assumingMemoryBound(to: Axis.self)[index] }
    }
    @inline(__always) set {
      withUnsafeMutablePointer(to: &storage) {
        UnsafeMutableRawPointer($0).assumingMemoryBound(to: Axis.self)[index] = newValue
      }
    }
  }

  /// The innermost axis; a single element when there is none.
  var last: Axis { count > 0 ? self[count &- 1] : Axis(size: 1, p: 1, q: 1) }

  /// Appends an inner axis; one of extent 1 has no effect.
  mutating func append(_ axis: Axis) {
    if axis.size == 1 || count >= Int(EK_MAX_RANK) { return }
    self[count] = axis
    count &+= 1
  }

  /// Orders the axes by descending step in q, the order in which q lies in memory.
  mutating func sortByStep() {
    var i = 1
    while i < count {
      let axis = self[i]
      var j = i
      while j > 0 && self[j &- 1].q < axis.q {
        self[j] = self[j &- 1]
        j &-= 1
      }
      self[j] = axis
      i &+= 1
    }
  }

  /// Merges neighbouring axes that both tensors pass as one.
  mutating func merge() {
    var kept = 0
    var i = 1
    while i < count {
      let outer = self[kept], inner = self[i]
      if outer.p == inner.p &* inner.size && outer.q == inner.q &* inner.size {
        self[kept] = Axis(size: outer.size &* inner.size, p: inner.p, q: inner.q)
      } else {
        kept &+= 1
        self[kept] = inner
      }
      i &+= 1
    }
    if count > 0 { count = kept &+ 1 }
  }

  /// Takes an axis out.
  mutating func remove(_ index: Int) -> Axis {
    let axis = self[index]
    var i = index
    while i &+ 1 < count {
      self[i] = self[i &+ 1]
      i &+= 1
    }
    count &-= 1
    return axis
  }

  var elements: Int {
    var product = 1
    var i = 0
    while i < count {
      product = product &* self[i].size
      i &+= 1
    }
    return product
  }

  /// Offsets in p and q of the element with row-major number `index`.
  @inline(__always)
  func offsets(_ index: Int) -> (p: Int, q: Int) {
    var rest = index, p = 0, q = 0
    var i = count
    while i > 0 {
      i &-= 1
      let axis = self[i]
      let position = rest % axis.size
      rest = rest / axis.size
      p &+= position &* axis.p
      q &+= position &* axis.q
    }
    return (p, q)
  }

  /// Calls `body(index, p, q, count)` for the elements begin ..< end, a run of the last axis at a time.
  @inline(__always)
  func forEachRun(_ begin: Int, _ end: Int, _ body: (Int, Int, Int, Int) -> Void) {
    let inner = last.size
    var index = begin
    while index < end {
      let run = smaller(inner &- index % inner, end &- index)
      let at = offsets(index)
      body(index, at.p, at.q, run)
      index &+= run
    }
  }
}

/// A C array field of an argument structure.
@inline(__always) func field<T>(_ array: T, _ index: Int) -> Int {
  withUnsafePointer(to: array) { Int(UnsafeRawPointer($0).assumingMemoryBound(to: Int64.self)[index]) }
}
