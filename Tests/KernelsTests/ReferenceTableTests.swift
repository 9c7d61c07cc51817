import CPlatform
import Testing

@Suite struct ReferenceTableTests {
  @Test func hasEveryOperation() {
    var names = Set<String>()
    // Winograd's form, sparse ones and bfloat16 are ways to the result of a plain convolution.
    let ways = [EK_CONV_WINOGRAD_F32, EK_CONV_WINOGRAD_U8, EK_CONV_SPARSE_F32, EK_CONV_SPARSE_U8, EK_CONV_BF16, EK_DEPTHWISE_BF16]
    for operation in 0..<EK_OPERATION_COUNT where !ways.contains(operation) {
      let kernel = referenceTable.kernel(operation)
      #expect(kernel != nil, "operation \(operation)")
      guard let kernel else { continue }
      let name = String(cString: kernel.name)
      #expect(name.hasSuffix("_reference"))
      #expect(names.insert(name).inserted, "\(name) twice")
      #expect(kernel.units != nil && kernel.scratch_bytes != nil && kernel.packed_bytes == nil && kernel.pack == nil)
    }
  }

  /// The harness sees a write beyond the end and before the start.
  @Test func canariesNoticeStrayWrites() {
    for offset in [-1, 10] {
      let buffer = CanaryBuffer(bytes: 10, fill: 0)
      #expect(buffer.isIntact)
      buffer.pointer.storeBytes(of: 0x5A, toByteOffset: offset, as: UInt8.self)
      #expect(!buffer.isIntact)
    }
  }
}
