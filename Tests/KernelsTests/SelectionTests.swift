import CPlatform
import Testing

// Kernels whose results have as many entries as the data say, against their definitions: what is beyond the bound is
// counted and not written, what is beyond the entries is filled.

/// The first `bound` numbers of `found`, zeros after them.
private func bounded(_ found: [Int64], _ bound: Int) -> [Int64] {
  (0..<bound).map { $0 < found.count ? found[$0] : 0 }
}

/// Lexicographically, NaN after all numbers and equal to itself.
private func precedes(_ a: [Float], _ b: [Float]) -> Bool {
  for (x, y) in zip(a, b) where x != y && !(x.isNaN && y.isNaN) { return y.isNaN || x < y }
  return false
}

private func dims8(_ dims: [Int]) -> (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64) {
  let d = dims.map { Int64($0) } + [Int64](repeating: 1, count: 8 - dims.count)
  return (d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7])
}

@Suite struct SelectionTests {
  @Test(arguments: [0, 1, 5, 400, 900]) func nonZero(_ bound: Int) {
    var random = SeededRandom(UInt64(bound))
    let dims = [3, 20, 10]
    var x = (0..<600).map { _ in Float(random.int(0...1)) }
    (x[0], x[1], x[2], x[599]) = (.nan, -0.0, .leastNonzeroMagnitude, -.infinity)
    func check<T>(_ type: Int, _ x: [T], _ isZero: (T) -> Bool) {
      let places = x.indices.filter { !isZero(x[$0]) }
      let y: [Int64] = withTestMemory { memory in
        var a = ek_non_zero()
        a.x = memory.input(x)
        (a.elements, a.bound, a.dims, a.rank, a.type) = (Int64(x.count), Int64(bound), dims8(dims), 3, Int32(type))
        return elements(
          memory.outputOfAnyPartition(of: reference(EK_NON_ZERO), bytes: (3 * bound + 1) * 8) { y in
            a.y = y.assumingMemoryBound(to: Int64.self)
            a.count = a.y + 3 * bound
            return a
          })
      }
      #expect(y[3 * bound] == places.count)
      for axis in 0..<3 {
        let coordinates = places.map { Int64([$0 / 200, $0 / 10 % 20, $0 % 10][axis]) }
        #expect([Int64](y[axis * bound..<(axis + 1) * bound]) == bounded(coordinates, bound))
      }
    }
    check(EK_TYPE_FLOAT32, x) { $0 == 0 }
    check(EK_TYPE_INT64, x.map { $0 == 0 ? 0 : Int64.min }) { $0 == 0 }
    check(EK_TYPE_BOOL, [UInt8](repeating: 0, count: 600)) { $0 == 0 }
  }

  @Test(arguments: [-3, 0, 1, 4, 5, 6, 1 << 40]) func crop(_ wanted: Int) {
    let x = (0..<2 * 5 * 3).map { UInt16($0 + 1) }
    for bound in [1, 5, 7] {
      let y: [UInt16] = withTestMemory { memory in
        var a = ek_crop()
        a.x = memory.input(x)
        a.count = memory.input([Int64(wanted)]).assumingMemoryBound(to: Int64.self)
        (a.outer, a.axis, a.inner, a.bound, a.element_bytes) = (2, 5, 3, Int64(bound), 2)
        (a.fill.0, a.fill.1) = (0x34, 0x12)
        return elements(
          memory.outputOfAnyPartition(of: reference(EK_CROP), bytes: 2 * bound * 3 * 2) { y in
            a.y = y
            return a
          })
      }
      let taken = min(max(wanted, 0), 5, bound)
      for index in 0..<2 * bound * 3 {
        let (outer, entry, inner) = (index / (bound * 3), index / 3 % bound, index % 3)
        #expect(y[index] == (entry < taken ? x[(outer * 5 + entry) * 3 + inner] : 0x1234))
      }
    }
  }

  @Test(arguments: [(1, 40, 1), (2, 30, 1), (2, 20, 2), (1, 1, 3), (1, 0, 1)], [true, false])
  func unique(_ dims: (Int, Int, Int), _ isSorted: Bool) {
    let (outer, axis, inner) = dims
    var random = SeededRandom(UInt64(axis))
    let x = (0..<outer * axis * inner).map { _ in random.int(0...4) == 0 ? Float.nan : [-1, 0, 2][random.int(0...2)] }
    let entries = (0..<axis).map { entry in (0..<outer * inner).map { x[($0 / inner * axis + entry) * inner + $0 % inner] } }
    func isSame(_ a: Int, _ b: Int) -> Bool { !precedes(entries[a], entries[b]) && !precedes(entries[b], entries[a]) }
    var firsts: [Int] = []
    for entry in 0..<axis where !firsts.contains(where: { isSame($0, entry) }) { firsts.append(entry) }
    if isSorted { firsts.sort { precedes(entries[$0], entries[$1]) } }
    let inverse = (0..<axis).map { entry in Int64(firsts.firstIndex { isSame($0, entry) } ?? -1) }
    for bound in [1, 3, axis + 2] {
      let numbers = 2 * bound + axis + 1
      let all = withTestMemory { memory in
        var a = ek_unique()
        a.x = memory.input(x)
        (a.outer, a.axis, a.inner, a.bound) = (Int64(outer), Int64(axis), Int64(inner), Int64(bound))
        (a.type, a.sorted) = (Int32(EK_TYPE_FLOAT32), isSorted ? 1 : 0)
        return memory.outputOfAnyPartition(of: reference(EK_UNIQUE), bytes: numbers * 8 + outer * bound * inner * 4) { y in
          let first = y.assumingMemoryBound(to: Int64.self)
          (a.first, a.inverse, a.counts, a.count) = (first, first + bound, first + bound + axis, first + 2 * bound + axis)
          a.y = y + numbers * 8
          return a
        }
      }
      let found: [Int64] = elements([UInt8](all[..<(numbers * 8)]))
      #expect([Int64](found[..<bound]) == bounded(firsts.map { Int64($0) }, bound))
      #expect([Int64](found[bound..<bound + axis]) == inverse)
      let counts = firsts.indices.map { group in Int64(inverse.filter { $0 == group }.count) }
      #expect([Int64](found[(bound + axis)..<(2 * bound + axis)]) == bounded(counts, bound))
      #expect(found[numbers - 1] == firsts.count)
      let y: [Float] = elements([UInt8](all[(numbers * 8)...]))
      for index in y.indices {
        let (part, entry) = (index / (bound * inner) * inner + index % inner, index / inner % bound)
        let want = entry < firsts.count ? entries[firsts[entry]][part] : 0
        #expect(y[index] == want || y[index].isNaN && want.isNaN)
      }
    }
  }

  /// Corners of a box, smaller ones first: y, x, y, x.
  private func corners(_ box: [Float], _ isCentered: Bool) -> [Float] {
    if isCentered { return [box[1] - box[3] / 2, box[0] - box[2] / 2, box[1] + box[3] / 2, box[0] + box[2] / 2] }
    return [min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])]
  }

  private func overlap(_ a: [Float], _ b: [Float]) -> Float {
    let common = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    let all = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return common > 0 ? common / all : 0
  }

  @Test(arguments: [false, true], [1, 5, 40, 200]) func nonMaxSuppression(_ isCentered: Bool, _ bound: Int) {
    var random = SeededRandom(17)
    let (batches, classes, count) = (2, 3, 30)
    // Coordinates on a coarse grid and few different scores: many ties, boxes without area, boxes twice.
    let boxes = (0..<batches * count * 4).map { _ in Float(random.int(0...6)) }
    var scores = (0..<batches * classes * count).map { _ in Float(random.int(0...5)) / 5 }
    (scores[0], scores[40], scores[1]) = (.nan, .infinity, -.infinity)
    for (most, threshold) in [(0, nil), (3, nil), (100, 0.3), (100, 2)] as [(Int, Float?)] {
      // NaN has no place in an order; below a threshold it never comes up.
      if threshold == nil { scores[0] = 0.1 } else { scores[0] = .nan }
      var want: [Int64] = []
      for line in 0..<batches * classes {
        func box(_ index: Int) -> [Float] {
          let start = (line / classes * count + index) * 4
          return corners([Float](boxes[start..<start + 4]), isCentered)
        }
        let own = scores[line * count..<(line + 1) * count].map { $0 }
        var chosen: [Int] = []
        let candidates = own.indices.filter { threshold == nil || own[$0] > threshold! }
        for index in candidates.sorted(by: { own[$0] > own[$1] || own[$0] == own[$1] && $0 < $1 }) {
          if chosen.count < most, chosen.allSatisfy({ overlap(box($0), box(index)) <= 0.4 }) { chosen.append(index) }
        }
        for index in chosen { want += [Int64(line / classes), Int64(line % classes), Int64(index)] }
      }
      let y: [Int64] = withTestMemory { memory in
        var a = ek_nms()
        (a.boxes, a.scores) = (memory.floats(boxes), memory.floats(scores))
        (a.batches, a.classes, a.box_count, a.most, a.bound) = (2, 3, 30, Int64(most), Int64(bound))
        (a.overlap, a.threshold, a.has_threshold, a.centered) = (0.4, threshold ?? 0, threshold == nil ? 0 : 1, isCentered ? 1 : 0)
        return elements(
          memory.outputOfAnyPartition(of: reference(EK_NON_MAX_SUPPRESSION), bytes: (3 * bound + 1) * 8) { y in
            a.y = y.assumingMemoryBound(to: Int64.self)
            a.count = a.y + 3 * bound
            return a
          })
      }
      #expect(y[3 * bound] == want.count / 3)
      #expect([Int64](y[..<(3 * bound)]) == bounded(want, 3 * bound))
    }
  }
}
