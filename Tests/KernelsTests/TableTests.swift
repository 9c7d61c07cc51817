import CPlatform
import Testing

@Test func referenceTableNamesItself() {
  var table = ek_table()
  ek_fill_reference(&table)
  #expect(String(cString: table.isa) == "reference")
  ek_fill_avx2(&table)
  #expect(String(cString: table.isa) == "avx2")
}
