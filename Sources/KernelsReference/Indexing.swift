import CPlatform

// Rows by run-time indices: gathering and scattering along an axis, element by element, or by tuples.

/// A unit is one row.
func takeUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_index.self)
  return withUnsafeBytes(of: a.pointee.dims) { elementCount(a.pointee.rank, extents($0)) }
}

func putUnits(_ raw: UnsafeRawPointer?) -> Int64 { takeUnits(raw) == 0 ? 0 : 1 }

/// Index of the first element of position i's row in the indexed tensor.
@inline(never)
private func position(_ args: UnsafePointer<ek_index>, _ i: Int) -> Int {
  var rest = i
  var offset = 0
  var place = 0
  withUnsafeBytes(of: args.pointee.dims) { dims in
    withUnsafeBytes(of: args.pointee.stride) { stride in
      withUnsafeBytes(of: args.pointee.index_stride) { indexStride in
        var axis = int(args.pointee.rank)
        while axis > 0 {
          axis &-= 1
          let extent = int(extents(dims)[axis])
          let quotient = rest / extent
          let at = rest &- quotient &* extent
          rest = quotient
          offset &+= at &* int(extents(stride)[axis])
          place &+= at &* int(extents(indexStride)[axis])
        }
      }
    }
  }
  withUnsafeBytes(of: args.pointee.extent) { extent in
    withUnsafeBytes(of: args.pointee.extent_stride) { stride in
      var number = 0
      while number < int(args.pointee.tuple) {
        let size = extents(extent)[number]
        let at = place &+ number &* int(args.pointee.index_step)
        var index =
          Int(args.pointee.index_type) == EK_TYPE_INT32
          ? Int64(elements(args.pointee.indices, Int32.self)[at]) : elements(args.pointee.indices, Int64.self)[at]
        if index < 0 { index = index &+ size }
        index = index < 0 ? 0 : index >= size ? size &- 1 : index
        offset &+= int(index) &* int(extents(stride)[number])
        number &+= 1
      }
    }
  }
  return offset
}

func byteCount(_ type: Int32) -> Int {
  switch Int(type) {
  case EK_TYPE_UINT8, EK_TYPE_INT8, EK_TYPE_BOOL: return 1
  case EK_TYPE_FLOAT16, EK_TYPE_BFLOAT16, EK_TYPE_INT16, EK_TYPE_UINT16: return 2
  case EK_TYPE_FLOAT32, EK_TYPE_INT32, EK_TYPE_UINT32: return 4
  default: return 8
  }
}

func take(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let args = arguments(raw, ek_index.self)
  let size = byteCount(args.pointee.type)
  let row = int(args.pointee.row_elements) &* size
  let x = args.pointee.x.unsafelyUnwrapped
  let y = args.pointee.y.unsafelyUnwrapped
  var i = int(begin)
  while i < int(end) {
    (y + i &* row).copyMemory(from: x + position(args, i) &* size, byteCount: row)
    i &+= 1
  }
}

func put(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard begin < end else { return }
  let args = arguments(raw, ek_index.self)
  let size = byteCount(args.pointee.type)
  let row = int(args.pointee.row_elements)
  let x = args.pointee.x.unsafelyUnwrapped
  let y = args.pointee.y.unsafelyUnwrapped
  let old = elements(scratch, Int64.self)
  let new = old + laneCount
  let count = int(takeUnits(raw))
  var i = 0
  while i < count {
    let at = position(args, i)
    if args.pointee.function < 0 {
      (y + at &* size).copyMemory(from: x + i &* row &* size, byteCount: row &* size)
    } else {
      var done = 0
      while done < row {
        let n = row &- done < laneCount ? row &- done : laneCount
        loadLanes(args.pointee.type, y, at &+ done, 1, n, old)
        loadLanes(args.pointee.type, x, i &* row &+ done, 1, n, new)
        _ = combineLanes(args.pointee.function, args.pointee.type, old, new, n)
        storeLanes(args.pointee.type, y, at &+ done, 1, n, old)
        done &+= n
      }
    }
    i &+= 1
  }
}
