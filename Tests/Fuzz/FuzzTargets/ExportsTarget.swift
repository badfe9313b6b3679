import CARMS

/// The input is a list of calls with their arguments: every pointer right or NULL, every handle right, freed, of
/// another kind or invented, every number any.
func fuzzExports(_ bytes: UnsafeRawBufferPointer) {
  var calls = ExportCalls(ByteSource(bytes))
  for _ in 0..<64 where !calls.source.isEmpty { calls.next() }
  calls.freeAll()
}

private struct ExportCalls {
  let source: ByteSource
  private var handles: [OpaquePointer?] = [nil]

  init(_ source: ByteSource) { self.source = source }

  mutating func next() {
    switch source.next(UInt8.self) % 20 {
    case 0: open()
    case 1: free()
    case 2: describe()
    case 3: reload()
    case 4...8: changeCandidates()
    case 9...11: listCandidates()
    case 12, 13: encode()
    case 14, 15: embedding()
    case 16: tokenize()
    case 17: prepare()
    case 18: score()
    default: route()
    }
  }

  mutating func freeAll() {
    for handle in handles {
      arms_router_free(handle)
      arms_question_free(handle)
      arms_image_free(handle)
    }
  }

  // MARK: Arguments

  /// A handle that was given out, perhaps of another kind or freed since, or any number.
  private func handle() -> OpaquePointer? {
    source.once(in: 8)
      ? OpaquePointer(bitPattern: source.next(UInt.self)) : handles[source.below(handles.count)]
  }

  /// Mostly a router.
  private func router() -> OpaquePointer? {
    source.once(in: 4) ? handle() : Host.routers[source.below(Host.routers.count)]
  }

  /// `count` structs in exactly the memory that the size which they claim takes, filled with drawn bytes; or NULL.
  private func structs<T: BitwiseCopyable>(
    _ type: T.Type, count: Int = 1, filled: Bool = true,
    _ change: (UnsafeMutablePointer<T>) -> Void = { _ in }
  ) -> UnsafeMutablePointer<T>? {
    if source.once(in: 16) { return nil }
    let sound = MemoryLayout<T>.size
    let size = source.once(in: 8) ? source.choose([0, 1, 4, sound - 8, sound + 8, 65_536, 65_537]) : sound
    let start = source.block(count * max(size, sound))
    for index in 0..<count {
      let element = start + index * size
      if size < sound && index > 0 { break }
      if filled { element.copyMemory(from: source.take(min(size, sound))) }
      let typed = element.assumingMemoryBound(to: T.self)
      change(typed)
      element.storeBytes(of: UInt32(size), as: UInt32.self)
    }
    return start.assumingMemoryBound(to: T.self)
  }

  /// Names, or NULL, and how many.
  private func names() -> (UnsafePointer<UnsafePointer<CChar>?>?, Int) {
    if source.once(in: 8) { return (nil, Int(source.next(Int64.self))) }
    let count = source.below(4)
    let list = source.block(8 * count).assumingMemoryBound(to: UnsafePointer<CChar>?.self)
    for index in 0..<count { list[index] = name() }
    return (UnsafePointer(list), count)
  }

  /// A name, often one of a candidate that is there.
  private func name() -> UnsafePointer<CChar>? {
    guard source.once(in: 2) else { return source.string() }
    let known = source.choose(["small", "medium", "large", "new", ""])
    let copy = source.block(known.utf8.count + 1)
    known.utf8CString.withUnsafeBytes { copy.copyMemory(from: $0) }
    return UnsafePointer(copy.assumingMemoryBound(to: CChar.self))
  }

  /// A buffer of `count` values and its capacity, or NULL and any capacity.
  private func buffer<T>(_ type: T.Type) -> (UnsafeMutablePointer<T>?, Int) {
    if source.once(in: 8) { return (nil, Int(source.next(Int32.self))) }
    let count = source.once(in: 2) ? 4_096 : source.below(64)
    return (source.block(count * MemoryLayout<T>.stride).assumingMemoryBound(to: T.self), count)
  }

  /// Where a count is written, or NULL.
  private func counter() -> UnsafeMutablePointer<Int>? {
    source.once(in: 16) ? nil : source.block(8).assumingMemoryBound(to: Int.self)
  }

  private func text() -> (UnsafePointer<CChar>?, Int) {
    let text = source.string()
    return (text, source.once(in: 8) || text == nil ? -1 : text.map { string in length(string) } ?? 0)
  }

  private func length(_ string: UnsafePointer<CChar>) -> Int {
    source.below(String(cString: string).utf8.count + 1)
  }

  private func image(_ image: UnsafeMutablePointer<arms_image_input>) {
    let bytes = source.take(source.below(2_048))
    let copy = source.block(bytes.count)
    copy.copyMemory(from: bytes)
    image.pointee.data = source.once(in: 16) ? nil : UnsafeRawPointer(copy)
    image.pointee.size = bytes.count
    if source.once(in: 2) { image.pointee.stride = 0 }
    if source.once(in: 2) {
      image.pointee.flags &= 1
      image.pointee.reserved = 0
      image.pointee.format %= 6
      image.pointee.width %= 64
      image.pointee.height %= 64
    }
  }

  private func query(_ query: UnsafeMutablePointer<arms_query>) {
    let ways = source.next(UInt8.self)
    (query.pointee.text, query.pointee.text_length) = ways & 1 == 0 ? text() : (nil, 0)
    query.pointee.tokens = nil
    query.pointee.token_count = 0
    if ways & 2 != 0 {
      let count = source.below(40)
      let tokens = source.block(4 * count).assumingMemoryBound(to: Int32.self)
      for index in 0..<count { tokens[index] = source.once(in: 8) ? source.next() : Int32(source.below(137)) }
      (query.pointee.tokens, query.pointee.token_count) = (UnsafePointer(tokens), count)
    }
    query.pointee.question = ways & 4 != 0 ? handle() : nil
    let count = source.once(in: 2) ? 0 : source.below(4)
    query.pointee.image_count = UInt32(count)
    query.pointee.images = nil
    query.pointee.encoded_images = nil
    if ways & 8 != 0 {
      query.pointee.images = UnsafePointer(structs(arms_image_input.self, count: count, image))
    }
    if ways & 16 != 0 {
      let list = source.block(8 * count).assumingMemoryBound(to: OpaquePointer?.self)
      for index in 0..<count { list[index] = handle() }
      query.pointee.encoded_images = UnsafePointer(list)
    }
  }

  // MARK: Calls

  private mutating func open() {
    let options = structs(arms_open_options.self) { options in
      options.pointee.threads %= 4
      options.pointee.flags &= 3
    }
    var router: OpaquePointer?
    if let path = source.once(in: 8) ? source.string() : nil {
      Host.call { arms_router_open(path, options, &router, $0) }
    } else {
      Host.call { arms_router_open(Host.model(source.below(5)), options, &router, $0) }
    }
    handles.append(router)
  }

  private func reload() {
    let router = handle()
    if Host.routers.contains(where: { $0 == router }) { return }
    let options = structs(arms_reload_options.self) { $0.pointee.flags &= 3 }
    Host.call { arms_router_reload(router, Host.model(source.below(5)), options, $0) }
  }

  private func free() {
    let handle = handle()
    if Host.routers.contains(where: { $0 == handle }) { return }
    switch source.below(3) {
    case 0: arms_router_free(handle)
    case 1: arms_question_free(handle)
    default: arms_image_free(handle)
    }
  }

  private func describe() {
    switch source.below(3) {
    case 0: Host.call { arms_router_describe(router(), structs(arms_router_info.self, filled: false), $0) }
    case 1: Host.call { arms_router_metrics(router(), structs(arms_metrics.self, filled: false), $0) }
    default: Host.call { arms_router_memory(router(), structs(arms_memory.self, filled: false), $0) }
    }
    _ = arms_status_name(source.next())
    _ = arms_histogram_bound(source.next())
  }

  private func candidate(_ candidate: UnsafeMutablePointer<arms_candidate>) {
    let ways = source.next(UInt8.self)
    candidate.pointee.name = name()
    candidate.pointee.parameters = ways & 1 != 0 ? source.string() : nil
    candidate.pointee.architecture = ways & 2 != 0 ? source.string() : nil
    candidate.pointee.language_model = ways & 4 != 0 ? source.string() : nil
    candidate.pointee.vision_model = ways & 8 != 0 ? source.string() : nil
    candidate.pointee.profile = ways & 16 != 0 ? source.string() : nil
    candidate.pointee.embedding = nil
    if ways & 32 == 0 { candidate.pointee.embedding_count = 0 }
    if ways & 64 != 0 {
      let count = source.choose([32, 32, 32, 1, 31, 33])
      let values = source.block(4 * count).assumingMemoryBound(to: Float.self)
      for index in 0..<count { values[index] = source.float() }
      candidate.pointee.embedding = UnsafePointer(values)
      candidate.pointee.embedding_count = UInt64(count)
    }
    if ways & 128 == 0 {
      candidate.pointee.flags &= 7
      candidate.pointee.cost = 1
      candidate.pointee.latency = 2
      candidate.pointee.temperature = 0
      candidate.pointee.bias = 0
      candidate.pointee.max_images = 0
      candidate.pointee.router = 0
    }
  }

  private mutating func changeCandidates() {
    // A router of this input's own, so that the inputs do not depend on one another.
    if !handles.contains(where: { $0 != nil }) { handles.append(Host.open(Host.model(0), Host.options())) }
    let router = handle()
    if Host.routers.contains(where: { $0 == router }) { return }
    let count = source.below(3)
    switch source.below(4) {
    case 0:
      Host.call {
        arms_candidates_add(router, structs(arms_candidate.self, count: count, candidate), count, $0)
      }
    case 1:
      Host.call {
        arms_candidates_update(router, structs(arms_candidate.self, count: count, candidate), count, $0)
      }
    case 2:
      let (names, count) = names()
      Host.call { arms_candidates_remove(router, names, count, $0) }
    default:
      let (names, count) = names()
      Host.call { arms_candidates_enable(router, names, count, source.next(), $0) }
    }
  }

  private func listCandidates() {
    switch source.below(3) {
    case 0:
      let capacity = source.below(6)
      Host.call {
        arms_candidates_list(
          router(), structs(arms_candidate_info.self, count: max(capacity, 1), filled: false), capacity,
          counter(), nil, $0)
      }
    case 1:
      let (buffer, capacity) = buffer(CChar.self)
      Host.call { arms_candidate_profile(router(), name(), buffer, capacity, counter(), $0) }
    default:
      let (buffer, capacity) = buffer(Float.self)
      Host.call { arms_candidate_embedding(router(), name(), buffer, capacity, counter(), $0) }
    }
  }

  private mutating func encode() {
    var encoded: OpaquePointer?
    if source.once(in: 2) {
      let (text, length) = text()
      Host.call { arms_question_encode(router(), text, length, &encoded, $0) }
    } else {
      Host.call { arms_image_encode(router(), structs(arms_image_input.self, image), &encoded, $0) }
    }
    handles.append(encoded)
  }

  private func embedding() {
    let (buffer, capacity) = buffer(Float.self)
    if source.once(in: 2) {
      Host.call { arms_question_embedding(handle(), buffer, capacity, counter(), $0) }
    } else {
      Host.call { arms_image_embedding(handle(), buffer, capacity, counter(), $0) }
    }
  }

  private func tokenize() {
    let ((text, length), (buffer, capacity)) = (text(), buffer(Int32.self))
    Host.call { arms_text_tokenize(router(), text, length, buffer, capacity, counter(), counter(), $0) }
  }

  private func prepare() {
    let (buffer, capacity) = buffer(Float.self)
    Host.call {
      arms_image_prepare(router(), structs(arms_image_input.self, image), buffer, capacity, counter(), $0)
    }
  }

  private func score() {
    let count = source.below(3)
    let queries = structs(arms_query.self, count: count, query)
    let options = structs(arms_score_options.self) { options in
      (options.pointee.names, options.pointee.name_count) = names()
      if source.once(in: 2) { options.pointee.output &= 1 }
    }
    let (buffer, capacity) = buffer(Float.self)
    Host.call { arms_score(router(), queries, count, options, buffer, capacity, counter(), nil, $0) }
  }

  private func route() {
    let query = structs(arms_query.self, query)
    let options = structs(arms_route_options.self) { options in
      (options.pointee.allowed, options.pointee.allowed_count) = source.once(in: 2) ? names() : (nil, 0)
      options.pointee.second = source.once(in: 4) ? handle() : nil
      options.pointee.policy %= 4
      if source.once(in: 2) {
        options.pointee.theta = 0
        options.pointee.abstain_below = 0
        options.pointee.lambda = 1
        options.pointee.mu = 0
        options.pointee.max_cost = 0
        options.pointee.max_latency = 0
      }
    }
    let decision = structs(arms_decision.self, filled: false)
    let capacity = source.below(5)
    let ranked = capacity > 0 ? structs(arms_ranked.self, count: capacity, filled: false) : nil
    Host.call { arms_route(router(), query, options, decision, ranked, capacity, $0) }
  }
}
