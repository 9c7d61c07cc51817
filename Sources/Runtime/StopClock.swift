import CPlatform

/// Turns the ticks of a clock of unknown rate into nanoseconds: compares them with the system's clock since it was made, so the
/// longer it runs the better it knows the rate. A processor that slept, or was put back to an earlier state, ticks from elsewhere:
/// then the comparison begins anew.
struct StopClock {
  /// Both clocks at one moment.
  private struct Reading {
    var nanoseconds: UInt64, ticks: UInt64

    /// Again where something came between.
    init() {
      var attempt = 0
      repeat {
        nanoseconds = ep_nanoseconds()
        ticks = ep_ticks()
        attempt &+= 1
      } while attempt < 3 && ep_nanoseconds() &- nanoseconds > 1000
    }
  }

  private let made: UInt64
  private var base: Reading, last: Reading
  /// Nanoseconds of a tick.
  private var rate = 1.0
  /// The rate is that of a millisecond at least.
  private var isKnown = false

  /// Nanoseconds between readings whose rates are compared.
  private static let interval = 1e6

  init() {
    base = Reading()
    last = base
    made = base.nanoseconds
  }

  /// Compares the clocks. Until the next time the same ticks are the same nanoseconds.
  mutating func calibrate() {
    let now = Reading()
    let passed = Double(now.nanoseconds &- last.nanoseconds), counted = Double(now.ticks &- last.ticks)
    if isKnown, passed > StopClock.interval || counted * rate > StopClock.interval {
      last = now
      if !((passed - counted * rate).magnitude < passed / 64) {
        base = now
        return
      }
    }
    guard now.nanoseconds > base.nanoseconds, now.ticks > base.ticks else { return }
    let time = Double(now.nanoseconds &- base.nanoseconds)
    rate = time / Double(now.ticks &- base.ticks)
    if time > StopClock.interval { isKnown = true }
  }

  /// How long so many ticks are.
  func duration(_ ticks: UInt64) -> UInt64 {
    let time = Double(ticks) * rate
    return time < 0x1p63 ? UInt64(time) : 1 << 63
  }

  /// Since the clock was made.
  func time(_ ticks: UInt64) -> UInt64 {
    let since = Double(Int64(bitPattern: ticks &- base.ticks)) * rate + Double(base.nanoseconds &- made)
    return since > 0 ? since < 0x1p63 ? UInt64(since) : 1 << 63 : 0
  }
}
