/// What is asked: one question and any number of images.
///
/// Memory that a query points to is only read during the call it is given to.
public struct Query {
  /// A question, in one of four ways.
  public enum Question {
    /// As text.
    case text(String)
    /// As UTF-8, checked when it is read.
    case utf8(UnsafeBufferPointer<UInt8>)
    /// As token ids, [CLS] and [SEP] included.
    case tokens(UnsafeBufferPointer<Int32>)
    /// As ``Router/encode(question:)`` gave it.
    case encoded(EncodedQuestion)
  }

  /// An image, in one of two ways.
  public enum Image {
    /// As the caller has it.
    case input(ImageInput)
    /// As ``Router/encode(image:)`` gave it.
    case encoded(EncodedImage)
  }

  /// The question.
  public var question: Question
  /// The images, in the order that the question means.
  public var images: [Image]

  /// Makes a query.
  public init(_ question: Question, images: [Image] = []) {
    self.question = question
    self.images = images
  }

  /// Makes a query of a text and images that are not encoded yet.
  public init(question: String, images: [ImageInput] = []) {
    self.init(.text(question), images: images.map { .input($0) })
  }
}

/// An encoded question: its pooled vector `q_i`. Immutable; outlives its router.
public final class EncodedQuestion: Sendable {
  /// `[d_t]`, of the first router's encoder.
  public var embedding: [Float] { encodings[0].embedding }
  /// Tokens that were read, [CLS] and [SEP] included.
  public var tokens: Int { encodings[0].tokens }
  /// Tokens before truncation.
  public var totalTokens: Int { encodings[0].totalTokens }

  /// What one encoder made of it.
  struct Encoding: Sendable {
    // The encoder itself is not kept: a host may hold on to this long after the weights were replaced.
    let encoder: EncoderIdentity
    let embedding: [Float]
    let tokens: Int
    let totalTokens: Int

    init(encoder: TextEncoder, embedding: [Float], tokens: Int, totalTokens: Int) {
      self.encoder = encoder.identity
      self.embedding = embedding
      self.tokens = tokens
      self.totalTokens = totalTokens
    }
  }

  /// One for each encoder of the router, at least one: a cascade's second router may have its own.
  let encodings: [Encoding]

  init(_ encodings: [Encoding]) { self.encodings = encodings }

  /// What `encoder`, or one of its name and width, made of it; nil if none did.
  func encoding(of encoder: TextEncoder) -> Encoding? {
    encodings.first { $0.encoder == encoder.identity && $0.embedding.count == encoder.width }
  }
}

/// An encoded image: its pooled vector `g_i` and, where a fusion needs them, its tokens `X_i`. Immutable;
/// outlives its router.
public final class EncodedImage: Sendable {
  /// `[d_v]`, of the first router's encoder; empty if its router has none.
  public var embedding: [Float] { encodings.first?.embedding ?? [] }

  /// What one encoder made of it.
  struct Encoding: Sendable {
    let encoder: EncoderIdentity
    let tokenCount: Int
    let patchWidth: Int
    let embedding: [Float]
    /// `[tokenCount, d_p]`, or nil if no fusion of its router reads tokens.
    let tokens: AlignedBuffer?

    init(encoder: ImageEncoder, embedding: [Float], tokens: AlignedBuffer?) {
      self.encoder = encoder.identity
      tokenCount = encoder.tokenCount
      patchWidth = encoder.patchWidth
      self.embedding = embedding
      self.tokens = tokens
    }
  }

  /// One for each encoder of the router.
  let encodings: [Encoding]

  init(_ encodings: [Encoding]) { self.encodings = encodings }

  /// What `encoder`, or one of its name and sizes, made of it; nil if none did.
  func encoding(of encoder: ImageEncoder) -> Encoding? {
    // A name is what a file says of itself: the sizes are compared all the same.
    encodings.first {
      $0.encoder == encoder.identity && $0.embedding.count == encoder.width
        && $0.tokenCount == encoder.tokenCount && $0.patchWidth == encoder.patchWidth
    }
  }
}
