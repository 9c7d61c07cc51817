import CPlatform

/// Turns the ticks of a clock of unknown rate into nanoseconds: compares them with the system's clock since it was made, so the
/// longer it runs the better it knows the rate.
struct StopClock {
  private let ticks: UInt64
  private let nanoseconds: UInt64
  /// Nanoseconds of a tick.
  private var rate = 1.0

  init() {
    nanoseconds = ep_nanoseconds()
    ticks = ep_ticks()
  }

  /// Compares the clocks. Until the next time the same ticks are the same nanoseconds.
  mutating func calibrate() {
    let passed = ep_nanoseconds() &- nanoseconds
    let counted = ep_ticks() &- ticks
    if passed > 0, counted > 0 { rate = Double(passed) / Double(counted) }
  }

  /// How long so many ticks are.
  func duration(_ ticks: UInt64) -> UInt64 {
    let time = Double(ticks) * rate
    return time < 0x1p63 ? UInt64(time) : 1 << 63
  }

  /// Since the clock was made.
  func time(_ ticks: UInt64) -> UInt64 { duration(ticks &- self.ticks) }
}
