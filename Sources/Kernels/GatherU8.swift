import CPlatform

// Lays out the input windows of output pixels as rows of a matrix (im2col of one block).

/// Copies windows of one group of channels.
struct WindowsU8 {
  private let args: UnsafePointer<ek_conv>
  private let x: UnsafePointer<UInt8>
  private let end: UnsafePointer<UInt8>
  private let channels: Int
  private let pixelStride: Int

  init(_ args: UnsafePointer<ek_conv>, group: Int) {
    let a = args.pointee
    self.args = args
    channels = Int(a.c_in / a.groups)
    pixelStride = Int(a.x_stride)
    let first = a.x.assumingMemoryBound(to: UInt8.self)
    x = first + group &* channels
    end = first + ((Int(a.n) &* Int(a.h) &* Int(a.w) &- 1) &* pixelStride &+ Int(a.c_in))
  }

  /// Writes `count` windows from output pixel `first` on, `rowBytes` apart. The bytes between a window and the
  /// next row are left undefined; up to 64 bytes beyond the last row are overwritten.
  @inline(never)
  func gather(_ first: Int, _ count: Int, _ rows: UnsafeMutableRawPointer, _ rowBytes: Int) {
    let a = args.pointee
    let width = Int(a.ow), height = Int(a.oh)
    var column = first % width
    var line = first / width % height
    var image = x + first / (width &* height) &* Int(a.h) &* Int(a.w) &* pixelStride
    var row = rows
    var left = count
    while left > 0 {
      window(a, image, line, column, row)
      row += rowBytes
      left &-= 1
      column &+= 1
      if column == width {
        column = 0
        line &+= 1
        if line == height {
          line = 0
          image += Int(a.h) &* Int(a.w) &* pixelStride
        }
      }
    }
  }

  @inline(__always)
  private func window(
    _ a: ek_conv, _ image: UnsafePointer<UInt8>, _ line: Int, _ column: Int, _ row: UnsafeMutableRawPointer
  ) {
    let h = Int(a.h), w = Int(a.w), kw = Int(a.kw)
    let top = line &* Int(a.stride_h) &- Int(a.pad_top)
    let leftEdge = column &* Int(a.stride_w) &- Int(a.pad_left)
    let tapBytes = channels &* activationBytes
    let lineBytes = kw &* tapBytes
    let oneRun = a.dilation_w == 1 && channels == pixelStride && leftEdge >= 0 && leftEdge &+ kw <= w
    var to = row
    var tap = 0
    while tap < Int(a.kh) {
      let y = top &+ tap &* Int(a.dilation_h)
      if y < 0 || y >= h {
        fill(to, kw &* channels, a.x_zero_point)
      } else if oneRun {
        copy(to, image + (y &* w &+ leftEdge) &* pixelStride, kw &* channels)
      } else {
        var part = to
        var column = leftEdge
        var left = kw
        while left > 0 {
          if column < 0 || column >= w {
            fill(part, channels, a.x_zero_point)
          } else {
            copy(part, image + (y &* w &+ column) &* pixelStride, channels)
          }
          part += tapBytes
          column &+= Int(a.dilation_w)
          left &-= 1
        }
      }
      to += lineBytes
      tap &+= 1
    }
  }

  /// Copies in whole sixteens where that stays inside the tensor: what is written too much is overwritten by the
  /// next run, or lies behind the last row.
  @inline(__always)
  private func copy(_ to: UnsafeMutableRawPointer, _ from: UnsafePointer<UInt8>, _ count: Int) {
    if count &+ 15 <= end - from {
      var i = 0
      while i < count {
        moveActivations(to + i &* activationBytes, from + i)
        i &+= 16
      }
    } else {
      var i = 0
      while i < count {
        put(to, i, from[i])
        i &+= 1
      }
    }
  }

  @inline(__always)
  private func fill(_ to: UnsafeMutableRawPointer, _ count: Int, _ value: Int32) {
    let byte = UInt8(truncatingIfNeeded: value)
    var i = 0
    while i < count {
      put(to, i, byte)
      i &+= 1
    }
  }

  @inline(__always)
  private func put(_ to: UnsafeMutableRawPointer, _ i: Int, _ byte: UInt8) {
    if activationBytes == 1 {
      to.storeBytes(of: byte, toByteOffset: i, as: UInt8.self)
    } else {
      to.storeBytes(of: Int16(byte), toByteOffset: 2 &* i, as: Int16.self)
    }
  }
}
