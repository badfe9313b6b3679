/// A tensor of a model file: what it is, and its elements in place.
struct TensorInfo: @unchecked Sendable {
  let name: String
  let type: TensorType
  /// Row-major, numpy's order: the last dimension is contiguous. GGUF stores the same numbers reversed.
  /// Every dimension is at least 1, and the bytes that they make fit an `Int` if the type is known here.
  let shape: [Int]
  /// The elements, little-endian, aligned to the file's `general.alignment`; empty if the type is not known
  /// here.
  let data: UnsafeRawBufferPointer
  /// What the elements live in.
  let owner: Owner

  /// Whether the type is known here. What is not can neither be read nor copied.
  var isKnown: Bool { type.elementSize != nil }

  /// What keeps the elements of a tensor alive.
  enum Owner: Sendable {
    case file(FileBytes)
    case memory(AlignedBuffer)
    /// Whoever made the tensor, for as long as it is used.
    case caller

    var object: AnyObject? {
      switch self {
      case .file(let bytes): bytes
      case .memory(let buffer): buffer
      case .caller: nil
      }
    }
  }
}

/// A tensor as the header describes it, before its data has been found.
struct TensorHeader {
  let name: String
  let type: TensorType
  let shape: [Int]
  /// Bytes from the start of the data section.
  let offset: UInt64
  /// Bytes of the data; 0 if the type is not known here.
  let size: Int

  /// The fewest bytes of an entry: length and one byte of a name, number of dimensions, type, offset.
  static let minimumSize = 8 + 1 + 4 + 4 + 8

  /// Takes one entry of the tensor table and checks that its size can be computed.
  init(_ cursor: inout ByteCursor, index: Int) throws(ARMSError) {
    let name = try cursor.name("tensor \(index)")
    self.name = name
    let rank = try cursor.uint32("the rank of tensor \(quoted(name))")
    guard rank <= GGUF.dimensionLimit else {
      throw cursor.invalid(
        "tensor \(quoted(name)) has \(rank) dimensions; at most \(GGUF.dimensionLimit) are allowed")
    }
    var shape: [Int] = []
    for _ in 0..<rank {
      let number = try cursor.uint64("the shape of tensor \(quoted(name))")
      guard let dimension = Int(exactly: number), dimension > 0 else {
        throw cursor.invalid("tensor \(quoted(name)) has a dimension of \(number); at least 1 is wanted")
      }
      shape.append(dimension)
    }
    self.shape = shape.reversed()
    type = TensorType(rawValue: try cursor.uint32("the type of tensor \(quoted(name))"))
    offset = try cursor.uint64("the offset of tensor \(quoted(name))")
    guard type.elementSize != nil else {
      size = 0
      return
    }
    guard let size = type.size(of: self.shape) else {
      throw cursor.invalid("tensor \(quoted(name)), \(type) \(self.shape), has more than 2^63 bytes")
    }
    self.size = size
  }
}
