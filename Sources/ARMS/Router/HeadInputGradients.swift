/// Where the gradients of what a head reads go, for encoders that are trained with it; nil: not wanted.
///
/// The gradient of a candidate's profile embedding `m_j` is that of its residual `delta_j`.
package struct HeadInputGradients {
  /// `[queries, d_t]`: of `q`.
  package var question: UnsafeMutablePointer<Float>?
  /// `[queries, d_v]`: of `g`. Of several images each has this divided by their number; of none it is the
  /// gradient of the learned vector.
  package var image: UnsafeMutablePointer<Float>?
  /// `[images, tokens, d_p]`: of `X`, one query's images after the other's; only `patches` writes it.
  package var tokens: UnsafeMutablePointer<Float>?

  /// Makes a set of places.
  package init(
    question: UnsafeMutablePointer<Float>? = nil, image: UnsafeMutablePointer<Float>? = nil,
    tokens: UnsafeMutablePointer<Float>? = nil
  ) {
    self.question = question
    self.image = image
    self.tokens = tokens
  }
}
