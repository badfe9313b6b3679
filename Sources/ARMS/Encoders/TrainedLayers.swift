/// Which part of an encoder is trained: the blocks from one on and all that lies behind them, or everything.
struct TrainedLayers: Sendable, Equatable {
  /// The lowest block that is trained.
  let firstBlock: Int
  /// Whether what lies before the blocks is trained as well; the lowest block is then the first.
  let includesEmbeddings: Bool

  /// The last `count` of an encoder's blocks, or all for `Int.max`, with the embeddings unless adapters are trained;
  /// nil for none.
  ///
  /// Throws `invalidArgument` for more blocks than there are; `name` is the encoder's, for the message.
  init?(last count: Int, of blocks: Int, _ name: String, adapted: Bool = false) throws(ARMSError) {
    if count == 0 { return nil }
    if count == .max {
      (firstBlock, includesEmbeddings) = (0, !adapted)
      return
    }
    guard count >= 1, count <= blocks else {
      throw ARMSError(
        .invalidArgument,
        "\(name)_layers is \(count); 0 to \(blocks) blocks can be trained, or all with the embeddings")
    }
    (firstBlock, includesEmbeddings) = (blocks - count, false)
  }

  /// Whether the parameter of an encoder is trained. `name` is without a second router's prefix; `tower` is "t"
  /// or "v".
  func contain(_ name: String, tower: String) -> Bool {
    if includesEmbeddings { return true }
    guard name.hasPrefix("\(tower).blk.") else {
      // Behind the blocks; before them are the tables, the class token and their norm.
      return name.hasPrefix("v.post_ln.") || name.hasPrefix("v.projection.")
    }
    let number = name.dropFirst(tower.count + 5).prefix { $0 != "." }
    return Int(number).map { $0 >= firstBlock } ?? false
  }
}
