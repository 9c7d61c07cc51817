import CPlatform

// The gradient of pooling. Windows overlap, so a unit is an image: each window adds to its pixels in turn.

func poolGradientUnits(_ raw: UnsafeRawPointer?) -> Int64 { Int64(arguments(raw, ek_pool_gradient.self).pointee.pool.n) }

func poolGradient(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_pool_gradient.self)
  let y = elements(a.pointee.pool.y, Float.self)
  let dy = a.pointee.dy.unsafelyUnwrapped
  let image = int(a.pointee.pool.h) &* int(a.pointee.pool.w) &* int(a.pointee.pool.c)
  var i = int(begin) &* image
  while i < int(end) &* image {
    y[i] = 0
    i &+= 1
  }
  // A pool's units are lines of results. Its pixels are dense, so offsets in x are those in its gradient.
  let (first, last) = (begin &* Int64(a.pointee.pool.oh), end &* Int64(a.pointee.pool.oh))
  if a.pointee.is_max == 0 {
    var share: Float = 0
    return pool(raw, first, last, start: { share = dy[$0] / Float($1) }, tap: { y[$0] += share }, finish: { _, _ in })
  }
  let x = elements(a.pointee.pool.x, Float.self)
  var best: Float = 0
  var place = -1
  pool(raw, first, last, tap: {
    let value = x[$0]
    if place < 0 || value > best || value != value && best == best {
      best = value
      place = $0
    }
  }) { offset, _ in
    if place >= 0 { y[place] += dy[offset] }
    place = -1
  }
}
