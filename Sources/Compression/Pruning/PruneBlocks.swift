#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The weights of a layer divided into blocks, which are numbered row of blocks by row of blocks. A row of blocks does not
/// reach over a group of channels, a block not over a tap; what is left at the ends makes smaller blocks.
struct PruneBlocks {
  let layer: WeightLayer
  let rows: Int
  let columns: Int
  private let rowsOfGroup: Int
  private let blocksDown: Int
  private let blocksAcross: Int

  init(_ layer: WeightLayer, rows: Int, columns: Int) {
    self.layer = layer
    rowsOfGroup = max(layer.rows / max(layer.groups, 1), 1)
    self.rows = min(rows, rowsOfGroup)
    self.columns = min(columns, layer.channels)
    blocksDown = (rowsOfGroup + self.rows - 1) / self.rows
    blocksAcross = (layer.channels + self.columns - 1) / self.columns
  }

  var count: Int { layer.rows / rowsOfGroup * blocksDown * (layer.columns / layer.channels) * blocksAcross }

  /// Calls `body` for each block with its first row and column and the ends of both.
  @inline(__always)
  private func forEach(_ body: (_ block: Int, _ row: Int, _ rowEnd: Int, _ column: Int, _ columnEnd: Int) -> Void) {
    var block = 0
    var group = 0
    while group < layer.rows {
      let groupEnd = group &+ rowsOfGroup
      var row = group
      while row < groupEnd {
        let rowEnd = min(row &+ rows, groupEnd)
        var tap = 0
        while tap < layer.columns {
          let tapEnd = tap &+ layer.channels
          var column = tap
          while column < tapEnd {
            let columnEnd = min(column &+ columns, tapEnd)
            body(block, row, rowEnd, column, columnEnd)
            block &+= 1
            column = columnEnd
          }
          tap = tapEnd
        }
        row = rowEnd
      }
      group = groupEnd
    }
  }

  /// The mean over each block of |w| (`norm` 1) or w^2, times the square (or the number itself with norm 2) of
  /// `importance` [groups][columns] where that is given. Infinite where a number is not finite.
  func scores(_ weights: UnsafePointer<Float>, norm: Int, importance: UnsafePointer<Float>?) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { scores, written in
      forEach { block, row, rowEnd, column, columnEnd in
        var sum: Float = 0
        var r = row
        while r < rowEnd {
          let line = weights + r &* layer.columns
          let factors = importance.map { $0 + r / rowsOfGroup &* layer.columns }
          var c = column
          while c < columnEnd {
            let w = line[c]
            if let factors { sum += w * w * factors[c] } else { sum += norm == 2 ? w * w : w.magnitude }
            c &+= 1
          }
          r &+= 1
        }
        sum /= Float((rowEnd &- row) &* (columnEnd &- column))
        scores[block] = sum.isFinite ? sum : .infinity
      }
      written = count
    }
  }

  /// Sets the `removed` blocks of the smallest scores to zero; of equal ones the first.
  func remove(_ removed: Int, _ scores: [Float], _ weights: UnsafeMutablePointer<Float>) {
    let smallest = SmallestScores([scores], count: removed)
    var ties = smallest.ties
    scores.withUnsafeBufferPointer { scores in
      forEach { block, row, rowEnd, column, columnEnd in
        if scores[block] > smallest.limit { return }
        if scores[block] == smallest.limit {
          if ties == 0 { return }
          ties &-= 1
        }
        var r = row
        while r < rowEnd {
          (weights + (r &* layer.columns &+ column)).update(repeating: 0, count: columnEnd &- column)
          r &+= 1
        }
      }
    }
  }

  /// Sets all but the `kept` greatest scores of each block to zero; of equal ones the last go first. For blocks of one row,
  /// with a score for each weight.
  func keep(_ kept: Int, _ scores: [Float], _ weights: UnsafeMutablePointer<Float>) {
    scores.withUnsafeBufferPointer { scores in
      forEach { _, row, _, column, columnEnd in
        let first = row &* layer.columns
        var place = first &+ column
        while place < first &+ columnEnd {
          // How many of the block come before this one.
          var better = 0
          var other = first &+ column
          while other < first &+ columnEnd, better < kept {
            if scores[other] > scores[place] || (scores[other] == scores[place] && other < place) { better &+= 1 }
            other &+= 1
          }
          if better >= kept { weights[place] = 0 }
          place &+= 1
        }
      }
    }
  }
}
