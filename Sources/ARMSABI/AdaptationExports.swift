import ARMS
public import CARMS

/// Calibrates all candidates. Documented in `arms.h`.
@_cdecl("arms_router_calibrate") @implementation
public func arms_router_calibrate(
  _ router: OpaquePointer?, _ dataset: OpaquePointer?, _ strength: Double,
  _ generation: UnsafeMutablePointer<UInt64>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    let data = try ARMSABI.dataset(dataset, "dataset")
    let number =
      strength == 0 ? try router.calibrate(on: data) : try router.calibrate(on: data, strength: strength)
    generation?.pointee = number
  }
}

/// Learns candidates' own weights. Documented in `arms.h`.
@_cdecl("arms_candidates_fit") @implementation
public func arms_candidates_fit(
  _ router: OpaquePointer?, _ names: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int,
  _ dataset: OpaquePointer?, _ strength: Double, _ generation: UnsafeMutablePointer<UInt64>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    let names = try strings(names, count, "names")
    let data = try ARMSABI.dataset(dataset, "dataset")
    let number =
      strength == 0
      ? try router.fit(candidates: names, on: data)
      : try router.fit(candidates: names, on: data, strength: strength)
    generation?.pointee = number
  }
}

/// Goes on with training for new candidates. Documented in `arms.h`.
@_cdecl("arms_router_extend") @implementation
public func arms_router_extend(
  _ router: OpaquePointer?, _ names: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int,
  _ dataset: OpaquePointer?, _ options: UnsafePointer<arms_extension_options>?,
  _ callback: arms_progress_callback?, _ userData: UnsafeMutableRawPointer?,
  _ report: UnsafeMutablePointer<arms_extension_report>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let router = try ARMSABI.router(router)
    let names = try strings(names, count, "names")
    let data = try ARMSABI.dataset(dataset, "dataset")
    let given = try extensionOptions(options)
    if let report { try structSize(report, "report") }
    let result = try router.extend(
      to: names, on: data, replaying: given.replayed, heldOut: given.heldOut, validation: given.validation,
      number: given.number, options: given.options
    ) { progress in
      guard let callback else { return true }
      return ARMSABI.report(progress, to: callback, userData)
    }
    if let report { try write(convert(result), to: report, "report") }
    if result.isAccepted { logReplaced(generation: result.generation, by: "arms_router_extend") }
  }
}

/// Writes two routers as a cascade. Documented in `arms.h`.
@_cdecl("arms_router_join") @implementation
public func arms_router_join(
  _ first: OpaquePointer?, _ second: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ theta: Float,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let (first, second) = (try router(first, "first"), try router(second, "second"))
    try first.join(second, to: try string(path, "path"), theta: theta == 0 ? nil : theta)
  }
}

/// An extension as the host asked for it.
private struct GivenExtension {
  var number = 0
  var options = ExtensionOptions()
  var replayed: DataSet?
  var heldOut: DataSet?
  var validation: DataSet?
}

private func extensionOptions(
  _ pointer: UnsafePointer<arms_extension_options>?
) throws(ARMSError) -> GivenExtension {
  var result = GivenExtension()
  guard let pointer else { return result }
  let options = try read(pointer, "options")
  try unused(options.reserved, "options")
  (result.number, result.options.training) = try trainerOptions(options.training, "options.training")
  if let handle = options.replayed { result.replayed = try dataset(handle, "options.replayed") }
  if let handle = options.held_out { result.heldOut = try dataset(handle, "options.held_out") }
  if let handle = options.validation { result.validation = try dataset(handle, "options.validation") }
  let isHalf = options.replay_share == 0 && result.replayed != nil
  result.options.replayShare = isHalf ? 0.5 : options.replay_share
  result.options.distillation = options.distillation
  if options.tolerance != 0 { result.options.tolerance = options.tolerance < 0 ? 0 : options.tolerance }
  return result
}

private func convert(_ report: ExtensionReport) -> arms_extension_report {
  var result = arms_extension_report()
  result.accepted = report.isAccepted ? 1 : 0
  result.generation = report.generation
  guard let before = report.before, let after = report.after else { return result }
  result.held_out_count = UInt64(clamping: before.queries)
  result.loss_before = before.loss
  result.accuracy_before = before.accuracy
  result.exact_match_before = before.exactMatch
  result.loss_after = after.loss
  result.accuracy_after = after.accuracy
  result.exact_match_after = after.exactMatch
  return result
}
