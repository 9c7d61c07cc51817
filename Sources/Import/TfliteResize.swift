#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR.

extension TfliteImporter {
  func importResize(_ code: TfliteCode) throws(EdgeError) {
    let x = try inputValue(0)
    let shape = shapeOf(x)
    let size = try integers(try input(1))
    let isLinear = code == .resizeBilinear
    // The linear one's table begins with two fields of old files.
    let options = try options(isLinear ? 15 : 74)
    let first = isLinear ? 2 : 0
    let aligns = try options.bool(first)
    let centers = try options.bool(first + 1)
    guard shape.rank == 4, shape[1] > 0, shape[2] > 0, size.count == 2, size[0] > 0, size[1] > 0 else {
      throw malformed("sizes must be positive", tensor: inputs[0])
    }
    var resize = Resize(
      mode: isLinear ? .linear : .nearest, coordinates: aligns ? .alignCorners : centers ? .halfPixel : .asymmetric, height: size[0],
      width: size[1], scaleHeight: Float(size[0]) / Float(shape[1]), scaleWidth: Float(size[1]) / Float(shape[2]))
    // Of equally near pixels the later one, of integers the larger; without centers or corners it is the one at or before the position.
    resize.nearest = isLinear || aligns || centers ? .roundPreferCeil : .floor
    if isLinear { try compute(.resize(resize), [x]) } else { try move(.resize(resize), [x]) }
  }
}
