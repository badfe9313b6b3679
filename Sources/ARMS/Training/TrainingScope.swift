/// Which encoders are trained, and how much of them. The head, gate to classifier, and what is learned of each
/// candidate are always trained.
///
/// With ``TrainingOptions/adapters`` only adapters of the blocks' linear layers are trained, and no embeddings.
///
/// The paper trains everything; its ablation rows (Table 3) freeze one encoder. What is frozen is encoded once.
public struct TrainingScope: Sendable, Equatable {
  /// The last blocks of the text encoder that are trained; `Int.max`: all of it, embeddings included.
  public var textLayers: Int
  /// The last blocks of the image encoder that are trained, with what lies behind them; `Int.max`: all of it,
  /// embeddings included.
  public var imageLayers: Int

  /// Makes a scope.
  public init(textLayers: Int = 0, imageLayers: Int = 0) {
    self.textLayers = textLayers
    self.imageLayers = imageLayers
  }

  /// Both encoders are frozen.
  public static let head = TrainingScope()
  /// The whole text encoder; the image encoder is frozen.
  public static let text = TrainingScope(textLayers: .max)
  /// The whole image encoder; the text encoder is frozen.
  public static let image = TrainingScope(imageLayers: .max)
  /// Both encoders, whole.
  public static let all = TrainingScope(textLayers: .max, imageLayers: .max)
}
