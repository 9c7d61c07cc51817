import Graph
import Testing

@Suite struct TextTests {
  @Test func validationTakesExactlyUtf8() {
    func isValid(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { Text(validating: $0) != nil } }
    // Every sequence of two bytes, every lead with every second byte and two continuations, against the standard library.
    for first in UInt8.min...UInt8.max {
      for second in UInt8.min...UInt8.max {
        for tail in [[], [0x80], [0x80, 0xBF], [0x41]] as [[UInt8]] {
          let bytes = [first, second] + tail
          #expect(isValid(bytes) == (String(validating: bytes, as: UTF8.self) != nil), "\(bytes)")
        }
      }
    }
    #expect(isValid([]))
    #expect(Text([0x61, 0xFF, 0xC3]).repaired == "a??" && Text("\u{E9}").repaired == "\u{E9}")
  }

  @Test func textsAreEqualWhenTheirBytesAre() {
    #expect(Text("e\u{301}") != Text("\u{E9}"))
    #expect(Set<Text>(["a", "b", "a", ""]).count == 3)
    #expect(Text("ab") + "c" == "abc")
  }

  @Test func numbersArePrintedAndRead() {
    for number in [0, 1, -1, 10, 905, Int.max, Int.min] { #expect(Text("\(number)").description == number.description) }
    #expect(Text("\(UInt64.max)").description == UInt64.max.description)
    for number in [0, 7, 1234567890, Int.max] { #expect(Text(number.description).decimal == number) }
    for text in ["", "-1", "+1", "1 ", "0x1", "9223372036854775808", "99999999999999999999"] as [Text] { #expect(text.decimal == nil) }
    let floats: [(Float, String)] = [
      (0.1, "0.1"), (1, "1.0"), (-0.0, "-0.0"), (0.5, "0.5"), (16_777_216, "16777216.0"), (150, "150.0"), (-10, "-10.0"), (1e20, "1e+20"), (1.5e-5, "0.000015"), (1e-7, "1e-07"), (.infinity, "inf"), (-.infinity, "-inf"),
      (.nan, "nan"),
    ]
    for (number, text) in floats { #expect(Text("\(number)").description == text) }
    for bits in stride(from: UInt32(1), to: 0x7F80_0000, by: 1_234_567) {
      #expect(Float(Text("\(Float(bitPattern: bits))").description) == Float(bitPattern: bits))
    }
    for number: Double in [0.1, 1 / 3, 1e300, 5e-324, -123456.789] {
      var text: Text = ""
      text.append(number)
      #expect(Double(text.description) == number)
    }
  }

  @Test func partsStandBetweenSeparators() {
    let slash = UInt8(ascii: "/")
    #expect(Text("a/bc//").parts(separator: slash) == ["a", "bc", "", ""])
    #expect(Text("").parts(separator: slash) == [""])
  }

  @Test func mapsKeepTheLastNumberOfEachName() {
    var map = TextMap()
    var expected: [String: Int] = [:]
    for step in 0..<3000 {
      let name = "n\(step * 7 % 1000)"
      #expect(map[Text(name)] == expected[name])
      map.set(Text(name), step)
      expected[name] = step
    }
    for (name, number) in expected { #expect(map[Text(name)] == number) }
    #expect(map["absent"] == nil)
    #expect(map.insert("absent") && !map.insert("absent") && map["absent"] == 0)
  }
}
