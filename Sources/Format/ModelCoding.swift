/// How the constants of a saved model are coded.
public enum ModelCoding: Int32, Sendable {
  /// As they are in memory, so that they can be used in place: version 1 of the format.
  case none = 0
  /// Relative indices and Huffman codes, as Deep Compression has them.
  case huffman = 1
  /// Adaptive arithmetic coding: as a rule the smallest. It does not try Huffman codes, which can be a percent smaller where there
  /// is too little to learn from.
  case adaptive = 2
}
