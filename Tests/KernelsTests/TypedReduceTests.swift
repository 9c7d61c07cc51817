import CPlatform
import Foundation
import Testing

private func reduced(
  _ operation: Int, _ function: Int, _ type: Int, _ bytes: [UInt8], _ dims: [Int], _ resultType: Int, size: Int, exclusive: Bool = false,
  reverse: Bool = false
) -> [UInt8] {
  withTestMemory { memory in
    var a = ek_typed_reduce()
    a.x = memory.input(bytes)
    (a.outer, a.axis, a.inner) = (Int64(dims[0]), Int64(dims[1]), Int64(dims[2]))
    (a.function, a.x_type, a.y_type) = (Int32(function), Int32(type), Int32(resultType))
    (a.exclusive, a.reverse) = (exclusive ? 1 : 0, reverse ? 1 : 0)
    let results = operation == EK_TYPED_SCAN ? dims.reduce(1, *) : dims[0] * dims[2]
    return memory.outputOfAnyPartition(of: reference(operation), bytes: results * size) { y in
      a.y = y
      return a
    }
  }
}

private func line<T>(_ x: [T], _ dims: [Int], _ result: Int) -> [T] {
  let (outer, inner) = (result / dims[2], result % dims[2])
  return (0..<dims[1]).map { x[(outer * dims[1] + $0) * dims[2] + inner] }
}

@Suite struct TypedReduceTests {
  @Test(arguments: [[2, 5, 3], [1, 1, 1], [3, 256, 2], [2, 257, 1], [1, 700, 2], [2, 0, 3]]) func integers(_ dims: [Int]) {
    var random = SeededRandom(7)
    let x = (0..<dims.reduce(1, *)).map { _ in Int16(truncatingIfNeeded: random.next()) }
    for function in EK_REDUCE_MEAN..<EK_REDUCE_TYPED_COUNT where function != EK_REDUCE_LOG_SUM && function != EK_REDUCE_LOG_SUM_EXP {
      if dims[1] == 0 && function == EK_REDUCE_MEAN { continue }
      let isIndex = function >= EK_REDUCE_ARG_MAX
      let y = reduced(
        EK_TYPED_REDUCE, function, EK_TYPE_INT16, bytes(of: x), dims, isIndex ? EK_TYPE_INT64 : EK_TYPE_INT16, size: isIndex ? 8 : 2)
      for result in 0..<dims[0] * dims[2] {
        let part = line(x, dims, result)
        let wide = part.map { Int($0) }
        if isIndex {
          let best = function <= EK_REDUCE_ARG_MAX_LAST ? part.max() : part.min()
          let isLast = function == EK_REDUCE_ARG_MAX_LAST || function == EK_REDUCE_ARG_MIN_LAST
          let want = isLast ? part.lastIndex { $0 == best } : part.firstIndex { $0 == best }
          #expect((elements(y) as [Int64])[result] == Int64(want ?? 0))
          continue
        }
        let want: Int
        switch function {
        case EK_REDUCE_MEAN: want = Int(Double(wide.reduce(0, +)) / Double(wide.count))
        case EK_REDUCE_SUM: want = wide.reduce(0, +)
        case EK_REDUCE_MAX: want = wide.max() ?? -32768
        case EK_REDUCE_MIN: want = wide.min() ?? 32767
        case EK_REDUCE_PROD: want = wide.reduce(1, &*)
        case EK_REDUCE_L1: want = wide.reduce(0) { $0 + abs($1) }
        case EK_REDUCE_L2: want = Int(Double(wide.reduce(0) { $0 + $1 * $1 }).squareRoot())
        default: want = wide.reduce(0) { $0 + $1 * $1 }
        }
        #expect((elements(y) as [Int16])[result] == Int16(truncatingIfNeeded: want), "function \(function)")
      }
    }
  }

  @Test func floatsAndExtremes() {
    func one(_ function: Int, _ x: [Float]) -> Float {
      (elements(reduced(EK_TYPED_REDUCE, function, EK_TYPE_FLOAT32, bytes(of: x), [1, x.count, 1], EK_TYPE_FLOAT32, size: 4)) as [Float])[0]
    }
    #expect(one(EK_REDUCE_LOG_SUM_EXP, [1000, 1000]) == 1000 + Float(log(2.0)))
    #expect(one(EK_REDUCE_LOG_SUM_EXP, []) == -.infinity && one(EK_REDUCE_LOG_SUM, []) == -.infinity)
    #expect(one(EK_REDUCE_LOG_SUM_EXP, [-.infinity, -.infinity]) == -.infinity)
    #expect(one(EK_REDUCE_LOG_SUM, [1, 2, 4]) == Float(log(7.0)))
    #expect(one(EK_REDUCE_MAX, []) == -.infinity && one(EK_REDUCE_MIN, []) == .infinity && one(EK_REDUCE_MEAN, []).isNaN)
    #expect(one(EK_REDUCE_MAX, [1, .nan, 3]).isNaN && one(EK_REDUCE_PROD, []) == 1)
    let big: [UInt64] = [3, .max, 5, .max]
    func index(_ function: Int) -> Int64 {
      (elements(reduced(EK_TYPED_REDUCE, function, EK_TYPE_UINT64, bytes(of: big), [1, 4, 1], EK_TYPE_INT64, size: 8)) as [Int64])[0]
    }
    #expect(index(EK_REDUCE_ARG_MAX) == 1 && index(EK_REDUCE_ARG_MAX_LAST) == 3 && index(EK_REDUCE_ARG_MIN) == 0)
  }

  @Test(arguments: [[2, 5, 3], [1, 256, 2], [2, 513, 1]]) func runningSums(_ dims: [Int]) {
    var random = SeededRandom(9)
    let x = random.int32s(dims.reduce(1, *), -9...9)
    for function in [EK_REDUCE_SUM, EK_REDUCE_PROD] {
      for (exclusive, reverse) in [(false, false), (true, false), (false, true), (true, true)] {
        let y: [Int32] = elements(
          reduced(
            EK_TYPED_SCAN, function, EK_TYPE_INT32, bytes(of: x), dims, EK_TYPE_INT32, size: 4, exclusive: exclusive, reverse: reverse))
        for result in 0..<dims[0] * dims[2] {
          var part = line(x, dims, result)
          if reverse { part.reverse() }
          var total: Int32 = function == EK_REDUCE_SUM ? 0 : 1
          var want: [Int32] = []
          for value in part {
            let next = function == EK_REDUCE_SUM ? total &+ value : total &* value
            want.append(exclusive ? total : next)
            total = next
          }
          if reverse { want.reverse() }
          #expect(line(y, dims, result) == want)
        }
      }
    }
  }

  @Test(arguments: [1, 3, 300]) func topK(_ k: Int) {
    var random = SeededRandom(11)
    let dims = [2, 600, 3]
    var x = random.floats(3600).map { ($0 * 40).rounded() }
    x[5] = .nan
    for largest in [true, false] {
      let count = 2 * k * 3
      let both = withTestMemory { memory in
        var a = ek_top_k()
        a.x = memory.input(x)
        (a.outer, a.axis, a.inner, a.k) = (2, 600, 3, Int64(k))
        (a.type, a.largest) = (Int32(EK_TYPE_FLOAT32), largest ? 1 : 0)
        return memory.outputOfAnyPartition(of: reference(EK_TOP_K), bytes: count * 12) { y in
          a.indices = y
          a.values = y + count * 8
          return a
        }
      }
      let indices: [Int64] = elements(Array(both[..<(count * 8)]))
      let values: [Float] = elements(Array(both[(count * 8)...]))
      for result in 0..<6 {
        let part = line(x, dims, result)
        let order = part.indices.sorted {
          let (a, b) = (part[$0], part[$1])
          if a.isNaN || b.isNaN { return a.isNaN && b.isNaN ? $0 < $1 : largest ? a.isNaN : b.isNaN }
          return a == b ? $0 < $1 : largest ? a > b : a < b
        }
        #expect(line(indices, [2, k, 3], result).map { Int($0) } == Array(order[..<k]))
        #expect(line(values, [2, k, 3], result).map(\.bitPattern) == order[..<k].map { part[$0].bitPattern })
      }
    }
  }

  @Test func integerMatrices() {
    var random = SeededRandom(13)
    let (a, b) = (random.int32s(2 * 3 * 300, -99999...99999), random.int32s(300 * 4, -99999...99999))
    let y: [Int32] = elements(
      withTestMemory { memory in
        var args = ek_typed_matmul()
        (args.a, args.b, args.type) = (memory.input(a), memory.input(b), Int32(EK_TYPE_INT32))
        (args.batch, args.m, args.n, args.k, args.a_batch_stride, args.b_batch_stride) = (2, 3, 4, 300, 900, 0)
        return memory.outputOfAnyPartition(of: reference(EK_TYPED_MATMUL), bytes: 24 * 4) { y in
          args.y = y
          return args
        }
      })
    for row in 0..<6 {
      for column in 0..<4 {
        let want = (0..<300).reduce(Int32(0)) { $0 &+ a[row * 300 + $1] &* b[$1 * 4 + column] }
        #expect(y[row * 4 + column] == want)
      }
    }
  }

  /// Tuples of two numbers into a [3, 4, 5] tensor, rows of 5; negative and stray indices.
  @Test func takesAndPuts() {
    let x = (0..<60).map { Float($0) }
    let tuples: [Int64] = [0, 0, 2, -1, -3, 1, 7, -9]
    let rows = [0, 11, 1, 8]
    var args = ek_index()
    (args.row_elements, args.dims, args.rank, args.stride) = (5, tuple8([4]), 1, tuple8([0]))
    (args.index_stride, args.index_step, args.tuple) = (tuple8([2]), 1, 2)
    (args.extent, args.extent_stride) = (tuple8([3, 4]), tuple8([20, 5]))
    (args.index_type, args.type, args.function) = (Int32(EK_TYPE_INT64), Int32(EK_TYPE_FLOAT32), -1)
    let taken: [Float] = elements(
      withTestMemory { memory in
        args.x = memory.input(x)
        args.indices = memory.input(tuples)
        return memory.outputOfAnyPartition(of: reference(EK_TAKE), bytes: 80) { y in
          args.y = y
          return args
        }
      })
    #expect(taken == rows.flatMap { row in (0..<5).map { Float(row * 5 + $0) } })
    for function in [-1, EK_BINARY_ADD, EK_BINARY_MAXIMUM] {
      let updates = (0..<20).map { Float($0 * 7 - 30) }
      args.function = Int32(function)
      let put: [Float] = elements(
        withTestMemory { memory in
          args.x = memory.input(updates)
          args.indices = memory.input(tuples)
          return memory.output(of: reference(EK_PUT), bytes: 240, initial: bytes(of: x)) { y in
            args.y = y
            return args
          }
        })
      var want = x
      for (number, row) in rows.enumerated() {
        for element in 0..<5 {
          let (old, new) = (want[row * 5 + element], updates[number * 5 + element])
          want[row * 5 + element] = function < 0 ? new : function == EK_BINARY_ADD ? old + new : max(old, new)
        }
      }
      #expect(put == want)
    }
  }
}
