#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Bytes that a constant takes in a file with adaptive coding, its place in the description, what coders learn from other
/// constants and the time that the file has for all of them apart; 0 for a value that is no constant. Throws `outOfMemory`.
public func codedByteCount(_ value: Value) throws(EdgeError) -> Int {
  let coded = try encodeConstant(value)
  return coded.bytes.count - coded.form
}

/// How many elements a constant has, how many of them are zero (`ElementKeys.isZero`: -0 is not), and how many different values: `Int.max` for more than the coder
/// tells apart (4096).
public func constantCensus(_ value: Value) throws(EdgeError) -> (count: Int, zeros: Int, values: Int) {
  guard let constant = value.constant, let count = value.shape.elementCount(), count > 0 else { return (0, 0, 0) }
  let keys = ElementKeys(value.dtype)
  let zeros = keys.zeroCount(constant.base, count)
  var table = try ValueTable()
  let isWhole = table.add(keys, constant.base, count)
  return (count, zeros, isWhole ? table.patterns.count : Int.max)
}
