#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// NON_MAX_SUPPRESSION_V4 and V5, and the custom operator TFLite_Detection_PostProcess: their results have a fixed size, with
// zeros after the last detection.

extension TfliteImporter {
  func importNonMaxSuppression(_ code: TfliteCode) throws(EdgeError) {
    var (boxes, scores) = (try inputValue(0), try inputValue(1))
    guard shapeOf(scores).rank == 1, shapeOf(boxes).dims == [shapeOf(scores)[0], 4] else { throw malformed("boxes and scores do not belong together") }
    try requireFloat(boxes)
    try requireFloat(scores)
    if code == .nonMaxSuppressionV5, try scalar(try input(5)) != 0 { throw reject("soft suppression is not supported") }
    let most = try integers(try input(2))
    guard most.count == 1, most[0] > 0 else { throw reject("the number of boxes must be positive") }
    let count = shapeOf(scores)[0]
    boxes = try helper(.reshape(Shape([1, count, 4])), [boxes])
    let line = scores
    scores = try helper(.reshape(Shape([1, 1, count])), [scores])
    let (found, valid) = try suppressed(boxes, scores, most: most[0], overlap: try scalar(try input(3)), threshold: try scalar(try input(4)))
    let which = try helper(.gather(axis: 1, indices: [2], scalarIndex: true), [found])
    let places = try fitted(try helper(.crop(axis: 0, .whole(.zero)), [which]), to: most[0])
    try compute(.cast(.int32), [places])
    if code == .nonMaxSuppressionV5 {
      let values = try helper(.take(Indexing(.slices, axis: 0)), [line, which])
      try setResult(try fitted(try helper(.crop(axis: 0, .whole(.zero)), [values]), to: most[0]), output: 1)
    }
    try compute(.cast(.int32), [valid], output: code == .nonMaxSuppressionV5 ? 2 : 1)
  }

  /// Rows of batch, class and box, and how many.
  private func suppressed(
    _ boxes: ValueID, _ scores: ValueID, most: Int, overlap: Float, threshold: Float
  ) throws(EdgeError) -> (rows: ValueID, count: ValueID) {
    var op = NonMaxSuppression(bound: 2, most: most, overlap: overlap, threshold: threshold, isCentered: false)
    op.bound = Operator.nonMaxSuppression(op).mostEntries([shapeOf(boxes), shapeOf(scores)], batch: 1) ?? 2
    let results = try emit(.nonMaxSuppression(op), [boxes, scores], [helperName(nodeName), helperName(nodeName)])
    return (results[0], results[1])
  }

  /// So many rows: the first ones, or with rows of zeros after them.
  private func fitted(_ value: ValueID, to rows: Int) throws(EdgeError) -> ValueID {
    let shape = shapeOf(value)
    var (first, last) = ([Int](repeating: 0, count: shape.rank), shape.dims)
    if shape[0] > rows {
      last[0] = rows
      return try helper(.slice(starts: first, ends: last, steps: [Int](repeating: 1, count: shape.rank)), [value])
    }
    last = first
    first[0] = rows - shape[0]
    return first[0] == 0 ? value : try helper(.pad(.constant, before: last, after: first, value: 0), [value])
  }

  /// SSD post-processing: boxes from encodings and anchors, suppression, the best detections.
  func importDetectionPostProcess() throws(EdgeError) {
    guard let bytes = node.customOptions else { throw malformed("the options are missing") }
    let options = try FlexbufferMap(bytes)
    func integer(_ key: StaticString, _ standard: Int) throws(EdgeError) -> Int {
      guard let number = try options.number(key) else { return standard }
      guard number >= 0, number <= 16_777_216 else { throw reject("option '\(key)' is out of range") }
      return Int(number)
    }
    func real(_ key: StaticString) throws(EdgeError) -> Float {
      guard let number = try options.number(key) else { throw malformed("option '\(key)' is missing") }
      return Float(number)
    }
    let (most, classes) = (try integer("max_detections", 0), try integer("num_classes", 0))
    let (encodings, predictions, anchors) = (try floats(0), try floats(1), try floats(2))
    let (shape, scoreShape) = (shapeOf(encodings), shapeOf(predictions))
    guard shape.rank == 3, shape[0] == 1, scoreShape.rank == 3, scoreShape[0] == 1 else { throw reject("supported only for one sample") }
    let (count, columns) = (shape[1], scoreShape[2])
    guard shape[2] >= 4, scoreShape[1] == count, shapeOf(anchors).dims == [count, 4], classes > 0, columns >= classes, most > 0 else {
      throw malformed("encodings \(shape.text), scores \(scoreShape.text) and \(classes) classes do not belong together")
    }
    let boxes = try decoded(encodings, anchors, [try real("y_scale"), try real("x_scale"), try real("h_scale"), try real("w_scale")])
    let scores = try helper(.slice(starts: [0, 0, columns - classes], ends: [1, count, columns], steps: [1, 1, 1]), [predictions])
    let overlap = try real("nms_iou_threshold")
    // Here a score may be the threshold itself.
    let threshold = try real("nms_score_threshold").nextDown
    let all = try helper(.reshape(Shape([1, count, 4])), [boxes])
    let kinds: ValueID, values: ValueID, which: ValueID, found: ValueID
    if try options.number("use_regular_nms") ?? 0 != 0 {
      let byClass = try helper(.transpose([0, 2, 1]), [scores])
      let perClass = try integer("detections_per_class", 100)
      let (rows, number) = try suppressed(all, byClass, most: perClass, overlap: overlap, threshold: threshold)
      let picked = try helper(.take(Indexing(.tuples, axis: 0)), [byClass, rows])
      let bound = shapeOf(picked)[0]
      let best = try emit(
        .topK(axis: 0, k: min(most, bound), largest: true), [try helper(.crop(axis: 0, .whole(.lowest)), [picked])],
        [helperName(nodeName), helperName(nodeName)])
      let limit = try graph.addConstant(helperName(nodeName), .int64, Shape([]), [Int64(most)])
      found = try helper(.binary(.minimum, .none), [number, limit])
      let top = try helper(.take(Indexing(.slices, axis: 0)), [rows, best[1]])
      func counted(_ value: ValueID) throws(EdgeError) -> ValueID {
        try helper(.crop(axis: 0, .first(bound: max(shapeOf(value)[0], 2))), [value, found])
      }
      kinds = try counted(try helper(.gather(axis: 1, indices: [1], scalarIndex: true), [top]))
      which = try counted(try helper(.gather(axis: 1, indices: [2], scalarIndex: true), [top]))
      values = try counted(best[0])
    } else {
      guard try integer("max_classes_per_detection", 1) == 1 || classes == 1 else { throw reject("more than one class for a detection is not supported") }
      let best = try helper(.reduce(.max, axes: [0, 2], keepDims: false), [scores])
      let kind = try helper(.reduce(.argMax, axes: [2], keepDims: false), [scores])
      let (rows, number) = try suppressed(
        all, try helper(.reshape(Shape([1, 1, count])), [best]), most: most, overlap: overlap, threshold: threshold)
      found = number
      which = try helper(.gather(axis: 1, indices: [2], scalarIndex: true), [rows])
      kinds = try helper(.take(Indexing(.slices, axis: 0)), [try helper(.reshape(Shape([count])), [kind]), which])
      values = try helper(.take(Indexing(.slices, axis: 0)), [best, which])
    }
    let parts = [try helper(.take(Indexing(.slices, axis: 0)), [boxes, which]), try helper(.cast(.float32), [kinds]), values]
    for (index, part) in parts.enumerated() {
      let rows = try fitted(try helper(.crop(axis: 0, .whole(.zero)), [part]), to: most)
      try compute(.reshape(Shape([1] + shapeOf(rows).dims)), [rows], output: index)
    }
    try compute(.reshape(Shape([1])), [try helper(.cast(.float32), [found])], output: 3)
  }

  private func floats(_ index: Int) throws(EdgeError) -> ValueID {
    let tensor = try input(index)
    if isConstant(tensor) { return try floatValue(tensor) }
    let x = try value(tensor)
    return hasScale(x) ? try helper(.dequantize, [x]) : x
  }

  /// Corners (y, x, y, x) [count, 4] of boxes encoded relative to anchors of (y, x, height, width).
  private func decoded(_ encodings: ValueID, _ anchors: ValueID, _ scales: [Float]) throws(EdgeError) -> ValueID {
    for scale in scales where !(scale.isFinite && scale > 0) { throw malformed("a scale is not positive") }
    let shape = shapeOf(encodings)
    var rows = try helper(.reshape(Shape([shape[1], shape[2]])), [encodings])
    func columns(_ x: ValueID, _ first: Int32, _ count: Int32) throws(EdgeError) -> ValueID {
      try helper(.gather(axis: 1, indices: Array(first..<(first + count)), scalarIndex: false), [x])
    }
    func binary(_ function: BinaryFunction, _ a: ValueID, _ b: ValueID) throws(EdgeError) -> ValueID {
      try helper(.binary(function, .none), [a, b])
    }
    rows = try binary(.divide, try columns(rows, 0, 4), try graph.addConstant(helperName(nodeName), .float32, Shape([4]), scales))
    let (origin, size) = (try columns(anchors, 0, 2), try columns(anchors, 2, 2))
    let center = try binary(.add, try binary(.multiply, try columns(rows, 0, 2), size), origin)
    let half = try graph.addConstant(helperName(nodeName), .float32, Shape([]), [Float(0.5)])
    let reach = try binary(.multiply, try binary(.multiply, try helper(.unary(UnaryFunction(.exp)), [try columns(rows, 2, 2)]), half), size)
    return try helper(.concat(axis: 1), [try binary(.subtract, center, reach), try binary(.add, center, reach)])
  }
}
