#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Conversion of constants: element types and layouts.
enum OnnxConversion {
  /// Elements of a file in the imported type. `source` has `count` elements of `type`.
  static func convert(_ source: TensorData, _ type: OnnxElementType, count: Int) throws(EdgeError) -> TensorData {
    switch type {
    case .float, .uint8, .int8, .uint16, .int16, .int32, .uint32, .int64, .uint64:
      return try aligned(source, to: type.byteCount)
    case .bool:
      return try map(source, UInt8.self, count) { $0 == 0 ? UInt8(0) : 1 }
    case .uint4, .int4: return try widened(source, count, isSigned: type == .int4)
    case .double: return try map(source, Double.self, count) { Float($0) }
    case .float16: return try map(source, UInt16.self, count) { Float(half: $0) }
    case .bfloat16: return try map(source, UInt16.self, count) { Float(bfloat: $0) }
    }
  }

  /// The same bytes at an address that elements of a size may have; a copy when they are elsewhere.
  static func aligned(_ data: TensorData, to size: Int) throws(EdgeError) -> TensorData {
    if UInt(bitPattern: data.base) % UInt(size) == 0 { return data }
    let storage = try Storage.allocate(data.byteCount)
    if data.byteCount > 0 { storage.base.copyMemory(from: data.base, byteCount: data.byteCount) }
    return try whole(storage)
  }

  /// Two elements in a byte, the first in its low half, as bytes.
  private static func widened(_ source: TensorData, _ count: Int, isSigned: Bool) throws(EdgeError) -> TensorData {
    let storage = try Storage.allocate(count)
    var index = 0
    while index < count {
      let pair = source.base.load(fromByteOffset: index / 2, as: UInt8.self)
      var element = index % 2 == 0 ? pair & 15 : pair >> 4
      if isSigned, element > 7 { element |= 0xF0 }
      storage.base.storeBytes(of: element, toByteOffset: index, as: UInt8.self)
      index &+= 1
    }
    return try whole(storage)
  }

  private static func whole(_ storage: Storage) throws(EdgeError) -> TensorData {
    guard let data = TensorData(storage, offset: 0, byteCount: storage.count) else {
      throw EdgeError(.internalError, "a constant lies outside its storage")
    }
    return data
  }

  private static func map<From: BitwiseCopyable, To: BitwiseCopyable>(
    _ source: TensorData, _ type: From.Type, _ count: Int, _ convert: (From) -> To
  ) throws(EdgeError) -> TensorData {
    let storage = try Storage.allocate(count * MemoryLayout<To>.stride)
    let from = source.base
    var index = 0
    while index < count {
      let element = from.loadUnaligned(fromByteOffset: index &* MemoryLayout<From>.stride, as: From.self)
      storage.base.storeBytes(of: convert(element), toByteOffset: index &* MemoryLayout<To>.stride, as: To.self)
      index &+= 1
    }
    return try whole(storage)
  }

  /// A dense tensor of 4-byte elements, or of bytes, with its axes permuted: result axis i is source axis
  /// `permutation[i]`. The data itself when only axes of one element move.
  static func permuted(_ data: TensorData, dims: [Int], _ permutation: [Int], bytes: Bool = false) throws(EdgeError) -> TensorData {
    let moved = permutation.filter { dims[$0] > 1 }
    var isSame = true
    for index in 1..<max(moved.count, 1) where moved[index] < moved[index - 1] { isSame = false }
    if isSame { return data }

    let strides = Shape(dims).strides
    let outDims = permutation.map { dims[$0] }
    let outStrides = permutation.map { strides[$0] }
    let storage = try Storage.allocate(data.byteCount)
    let inner = outDims.count - 1
    var index = [Int](repeating: 0, count: outDims.count)
    var offset = 0
    var written = 0
    let total = bytes ? data.byteCount : data.byteCount / 4
    while written < total {
      var from = offset
      let end = written &+ outDims[inner]
      let step = outStrides[inner]
      while bytes && written < end {
        let element = data.base.load(fromByteOffset: from, as: UInt8.self)
        storage.base.storeBytes(of: element, toByteOffset: written, as: UInt8.self)
        from &+= step
        written &+= 1
      }
      while written < end {
        let element = data.base.loadUnaligned(fromByteOffset: from &* 4, as: UInt32.self)
        storage.base.storeBytes(of: element, toByteOffset: written &* 4, as: UInt32.self)
        from &+= step
        written &+= 1
      }
      // Step the outer axes like an odometer.
      var axis = inner - 1
      while axis >= 0 {
        index[axis] += 1
        offset &+= outStrides[axis]
        if index[axis] < outDims[axis] { break }
        offset &-= outStrides[axis] &* outDims[axis]
        index[axis] = 0
        axis -= 1
      }
    }
    return try whole(storage)
  }

  /// Float elements multiplied by a factor.
  static func scaled(_ data: TensorData, by factor: Float) throws(EdgeError) -> TensorData {
    if factor == 1 { return data }
    return try map(data, Float.self, data.byteCount / 4) { $0 * factor }
  }

  /// Whether a relative path names something below the folder it starts from.
  static func staysBelow(_ path: Text) -> Bool {
    if path.isEmpty || path.utf8.first == UInt8(ascii: "/") { return false }
    for byte in path.utf8 where byte == 0 || byte == UInt8(ascii: "\\") || byte == UInt8(ascii: ":") { return false }
    for part in path.parts(separator: UInt8(ascii: "/")) where part == ".." || part.isEmpty { return false }
    return true
  }
}
