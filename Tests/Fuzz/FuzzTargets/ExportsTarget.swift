import CARMS

/// The input is a list of calls with their arguments: every pointer right or NULL, every handle right, freed, of
/// another kind or invented, every number any.
func fuzzExports(_ bytes: UnsafeRawBufferPointer) {
  var calls = ExportCalls(ByteSource(bytes))
  for _ in 0..<64 where !calls.source.isEmpty { calls.next() }
  calls.freeAll()
}

private struct ExportCalls {
  private var draw: HostArguments
  var source: ByteSource { draw.source }

  init(_ source: ByteSource) { draw = HostArguments(source) }

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
    for handle in draw.handles {
      arms_router_free(handle)
      arms_question_free(handle)
      arms_image_free(handle)
    }
  }

  private mutating func open() {
    let options = draw.structs(arms_open_options.self) { options in
      options.pointee.threads %= 4
      options.pointee.flags &= 3
    }
    var router: OpaquePointer?
    if let path = source.once(in: 8) ? source.string() : nil {
      Host.call { arms_router_open(path, options, &router, $0) }
    } else {
      Host.call { arms_router_open(Host.model(source.below(5)), options, &router, $0) }
    }
    draw.handles.append(router)
  }

  private func reload() {
    let router = draw.handle()
    if Host.routers.contains(where: { $0 == router }) { return }
    let options = draw.structs(arms_reload_options.self) { $0.pointee.flags &= 3 }
    Host.call { arms_router_reload(router, Host.model(source.below(5)), options, $0) }
  }

  private func free() {
    let handle = draw.handle()
    if Host.routers.contains(where: { $0 == handle }) { return }
    switch source.below(3) {
    case 0: arms_router_free(handle)
    case 1: arms_question_free(handle)
    default: arms_image_free(handle)
    }
  }

  private func describe() {
    switch source.below(3) {
    case 0:
      Host.call {
        arms_router_describe(draw.router(), draw.structs(arms_router_info.self, filled: false), $0)
      }
    case 1:
      Host.call {
        arms_router_metrics(draw.router(), draw.structs(arms_router_counters.self, filled: false), $0)
      }
    default:
      Host.call { arms_router_memory(draw.router(), draw.structs(arms_memory.self, filled: false), $0) }
    }
    _ = arms_status_name(source.next())
    _ = arms_histogram_bound(source.next())
  }

  private func candidate(_ candidate: UnsafeMutablePointer<arms_candidate>) {
    let ways = source.next(UInt8.self)
    candidate.pointee.name = draw.name()
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
      candidate.pointee.flags &= 511
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
    if !draw.handles.contains(where: { $0 != nil }) {
      draw.handles.append(Host.open(Host.model(0), Host.options()))
    }
    let router = draw.handle()
    if Host.routers.contains(where: { $0 == router }) { return }
    let count = source.below(3)
    switch source.below(4) {
    case 0:
      Host.call {
        arms_candidates_add(router, draw.structs(arms_candidate.self, count: count, candidate), count, $0)
      }
    case 1:
      Host.call {
        arms_candidates_update(router, draw.structs(arms_candidate.self, count: count, candidate), count, $0)
      }
    case 2:
      let (names, count) = draw.names()
      Host.call { arms_candidates_remove(router, names, count, $0) }
    default:
      let (names, count) = draw.names()
      Host.call { arms_candidates_enable(router, names, count, source.next(), $0) }
    }
  }

  private func listCandidates() {
    switch source.below(3) {
    case 0:
      let capacity = source.below(6)
      Host.call {
        arms_candidates_list(
          draw.router(), draw.structs(arms_candidate_info.self, count: max(capacity, 1), filled: false),
          capacity,
          draw.counter(), nil, $0)
      }
    case 1:
      let (buffer, capacity) = draw.buffer(CChar.self)
      Host.call { arms_candidate_profile(draw.router(), draw.name(), buffer, capacity, draw.counter(), $0) }
    default:
      let (buffer, capacity) = draw.buffer(Float.self)
      Host.call { arms_candidate_embedding(draw.router(), draw.name(), buffer, capacity, draw.counter(), $0) }
    }
  }

  private mutating func encode() {
    var encoded: OpaquePointer?
    if source.once(in: 2) {
      let (text, length) = draw.text()
      Host.call { arms_question_encode(draw.router(), text, length, &encoded, $0) }
    } else {
      Host.call {
        arms_image_encode(draw.router(), draw.structs(arms_image_input.self, draw.image), &encoded, $0)
      }
    }
    draw.handles.append(encoded)
  }

  private func embedding() {
    let (buffer, capacity) = draw.buffer(Float.self)
    if source.once(in: 2) {
      Host.call { arms_question_embedding(draw.handle(), buffer, capacity, draw.counter(), $0) }
    } else {
      Host.call { arms_image_embedding(draw.handle(), buffer, capacity, draw.counter(), $0) }
    }
  }

  private func tokenize() {
    let ((text, length), (buffer, capacity)) = (draw.text(), draw.buffer(Int32.self))
    Host.call {
      arms_text_tokenize(draw.router(), text, length, buffer, capacity, draw.counter(), draw.counter(), $0)
    }
  }

  private func prepare() {
    let (buffer, capacity) = draw.buffer(Float.self)
    Host.call {
      arms_image_prepare(
        draw.router(), draw.structs(arms_image_input.self, draw.image), buffer, capacity, draw.counter(), $0)
    }
  }

  private func score() {
    let count = source.below(3)
    let queries = draw.structs(arms_query.self, count: count, draw.query)
    let options = draw.structs(arms_score_options.self) { options in
      (options.pointee.names, options.pointee.name_count) = draw.names()
      if source.once(in: 2) { options.pointee.output &= 1 }
    }
    let (buffer, capacity) = draw.buffer(Float.self)
    Host.call {
      arms_score(draw.router(), queries, count, options, buffer, capacity, draw.counter(), nil, $0)
    }
  }

  private func route() {
    let query = draw.structs(arms_query.self, draw.query)
    let options = draw.structs(arms_route_options.self) { options in
      (options.pointee.allowed, options.pointee.allowed_count) = source.once(in: 2) ? draw.names() : (nil, 0)
      options.pointee.second = source.once(in: 4) ? draw.handle() : nil
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
    let decision = draw.structs(arms_decision.self, filled: false)
    let capacity = source.below(5)
    let ranked = capacity > 0 ? draw.structs(arms_ranked.self, count: capacity, filled: false) : nil
    Host.call { arms_route(draw.router(), query, options, decision, ranked, capacity, $0) }
    let (buffer, floats) = draw.buffer(Float.self)
    let number = source.next(UInt32.self) % 3
    Host.call {
      arms_query_embedding(draw.router(), query, number, buffer, floats, draw.counter(), $0)
    }
  }
}
