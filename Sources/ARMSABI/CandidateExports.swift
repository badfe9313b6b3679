import ARMS
public import CARMS

/// Adds candidates, all or none. Documented in `arms.h`.
@_cdecl("arms_candidates_add") @implementation
public func arms_candidates_add(
  _ router: OpaquePointer?, _ candidates: UnsafePointer<arms_candidate>?, _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    var converted: [Candidate] = []
    let given = try HostStructs(candidates, count, "candidates")
    for index in 0..<given.count {
      converted.append(try convert(given[index], "candidates[\(index)]", describedFor: router))
    }
    try router.add(converted)
  }
}

/// Replaces what is known of candidates, all or none. Documented in `arms.h`.
@_cdecl("arms_candidates_update") @implementation
public func arms_candidates_update(
  _ router: OpaquePointer?, _ candidates: UnsafePointer<arms_candidate>?, _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    var updates: [(candidate: Candidate, kept: CandidateFields)] = []
    let given = try HostStructs(candidates, count, "candidates")
    for index in 0..<given.count {
      let candidate = try convert(given[index], "candidates[\(index)]", describedFor: nil)
      updates.append((candidate, kept(given[index].flags)))
    }
    try router.update(updates)
  }
}

/// What the host's flags keep.
private func kept(_ flags: UInt32) -> CandidateFields {
  let fields: [(arms_candidate_flag, CandidateFields)] = [
    (ARMS_CANDIDATE_KEEP_ENABLED, .isEnabled), (ARMS_CANDIDATE_KEEP_COST, .cost),
    (ARMS_CANDIDATE_KEEP_LATENCY, .latency), (ARMS_CANDIDATE_KEEP_TEMPERATURE, .temperature),
    (ARMS_CANDIDATE_KEEP_BIAS, .bias), (ARMS_CANDIDATE_KEEP_MAX_IMAGES, .maxImages),
  ]
  return fields.reduce(into: []) { kept, field in
    if flags & UInt32(field.0.rawValue) != 0 { kept.insert(field.1) }
  }
}

/// A candidate of the host; it must be described for a router, or must not be.
private func convert(
  _ candidate: arms_candidate, _ label: String, describedFor router: Router?
) throws(ARMSError) -> Candidate {
  let name = try string(candidate.name, "\(label).name")
  // Only of those that are there already something is kept.
  let known = UInt32(
    router == nil ? 2 * ARMS_CANDIDATE_KEEP_MAX_IMAGES.rawValue - 1 : ARMS_CANDIDATE_KEEP_ENABLED.rawValue - 1
  )
  guard candidate.flags & ~known == 0 else {
    throw ARMSError(.invalidArgument, "\(label).flags is \(candidate.flags); the known flags are \(known)")
  }
  guard candidate.max_images >= -1 else {
    throw ARMSError(.invalidArgument, "\(label).max_images is \(candidate.max_images); -1 or more is wanted")
  }
  func has(_ flag: arms_candidate_flag) -> Bool { candidate.flags & UInt32(flag.rawValue) != 0 }
  var result = Candidate(
    name: name, profile: "",
    cost: has(ARMS_CANDIDATE_HAS_COST) ? candidate.cost : nil,
    latency: has(ARMS_CANDIDATE_HAS_LATENCY) ? candidate.latency : nil,
    temperature: candidate.temperature == 0 ? 1 : candidate.temperature, bias: candidate.bias,
    maxImages: candidate.max_images == 0 ? nil : Int(max(0, candidate.max_images)),
    isEnabled: !has(ARMS_CANDIDATE_DISABLED), router: Int(candidate.router))
  try describe(&result, candidate, label, for: router)
  return result
}

/// Sets profile and embedding, as the host gave them.
private func describe(
  _ result: inout Candidate, _ candidate: arms_candidate, _ label: String, for router: Router?
) throws(ARMSError) {
  let profile = Profile(
    name: result.name, parameters: try optionalString(candidate.parameters, "\(label).parameters"),
    architecture: try optionalString(candidate.architecture, "\(label).architecture"),
    languageModel: try optionalString(candidate.language_model, "\(label).language_model"),
    visionModel: try optionalString(candidate.vision_model, "\(label).vision_model"))
  let sentence = try optionalString(candidate.profile, "\(label).profile")
  let hasFields = profile != Profile(name: result.name)
  guard let router else {
    guard !hasFields, sentence == nil, candidate.embedding == nil else {
      throw ARMSError(
        .invalidArgument, "\(label) has a profile or an embedding; an update changes neither, leave them NULL"
      )
    }
    return
  }
  guard sentence == nil || !hasFields else {
    throw ARMSError(.invalidArgument, "\(label) has both a profile and profile fields; give one of them")
  }
  if let start = candidate.embedding {
    // Of an array whose length is wrong nothing is read.
    let width = try router.textWidth(of: result.router)
    guard candidate.embedding_count == width else {
      throw ARMSError(
        .invalidArgument, "\(label).embedding_count is \(candidate.embedding_count); \(width) is wanted")
    }
    result.embedding = Array(UnsafeBufferPointer(start: start, count: width))
    result.profile = sentence ?? (hasFields ? profile.sentence : "")
  } else {
    guard candidate.embedding_count == 0 else {
      throw ARMSError(
        .invalidArgument, "\(label).embedding is NULL although its count is \(candidate.embedding_count)")
    }
    result.profile = sentence ?? profile.sentence
  }
}

/// Removes candidates, all or none. Documented in `arms.h`.
@_cdecl("arms_candidates_remove") @implementation
public func arms_candidates_remove(
  _ router: OpaquePointer?, _ names: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    try router.remove(try strings(names, count, "names"))
  }
}

/// Enables or disables candidates, all or none. Documented in `arms.h`.
@_cdecl("arms_candidates_enable") @implementation
public func arms_candidates_enable(
  _ router: OpaquePointer?, _ names: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int, _ enabled: Int32,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    try router.enable(try strings(names, count, "names"), enabled != 0)
  }
}

/// Lists the candidates. Documented in `arms.h`.
@_cdecl("arms_candidates_list") @implementation
public func arms_candidates_list(
  _ router: OpaquePointer?, _ candidates: UnsafeMutablePointer<arms_candidate_info>?, _ capacity: Int,
  _ count: UnsafeMutablePointer<Int>?, _ generation: UnsafeMutablePointer<UInt64>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let listing = try ARMSABI.router(router).listing
    try deliver(
      structs: listing.candidates.indices.lazy.map {
        info(of: listing.candidates[$0], chosen: listing.chosen[$0])
      },
      to: candidates, capacity: capacity, count: try required(count, "count"), "candidates")
    generation?.pointee = listing.generation
  }
}

private func info(of candidate: Candidate, chosen: UInt64) -> arms_candidate_info {
  var info = arms_candidate_info()
  info.chosen = chosen
  if !candidate.isEnabled { info.flags |= UInt32(ARMS_CANDIDATE_DISABLED.rawValue) }
  if candidate.cost != nil { info.flags |= UInt32(ARMS_CANDIDATE_HAS_COST.rawValue) }
  if candidate.latency != nil { info.flags |= UInt32(ARMS_CANDIDATE_HAS_LATENCY.rawValue) }
  write(candidate.name, to: &info.name)
  info.cost = candidate.cost ?? 0
  info.latency = candidate.latency ?? 0
  info.temperature = candidate.temperature
  info.bias = candidate.bias
  info.beta = candidate.beta
  info.max_images = candidate.maxImages.map { $0 == 0 ? -1 : Int32(clamping: $0) } ?? 0
  info.router = UInt32(clamping: candidate.router)
  return info
}

/// Writes a candidate's profile sentence. Documented in `arms.h`.
@_cdecl("arms_candidate_profile") @implementation
public func arms_candidate_profile(
  _ router: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ buffer: UnsafeMutablePointer<CChar>?,
  _ capacity: Int, _ size: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    let profile = try router.profile(ofCandidate: try string(name, "name"))
    let bytes = profile.utf8.map { CChar(bitPattern: $0) } + [0]
    try deliver(bytes, to: buffer, capacity: capacity, count: try required(size, "required"), "buffer")
  }
}

/// Writes a candidate's profile embedding. Documented in `arms.h`.
@_cdecl("arms_candidate_embedding") @implementation
public func arms_candidate_embedding(
  _ router: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ embedding: UnsafeMutablePointer<Float>?,
  _ capacity: Int, _ count: UnsafeMutablePointer<Int>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    let values = try router.embedding(ofCandidate: try string(name, "name"))
    try deliver(
      values, to: embedding, capacity: capacity, count: try required(count, "required"), "embedding")
  }
}
