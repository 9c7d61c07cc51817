/// How the constants of a saved model are coded.
public enum ModelCoding: Int32, Sendable {
  /// As they are in memory, so that they can be used in place: version 1 of the format.
  case none = 0
  /// Relative indices and Huffman codes, as Deep Compression has them.
  case huffman = 1
  /// Adaptive arithmetic coding, or Huffman codes where the whole file is smaller with them and has the time.
  case adaptive = 2
}
