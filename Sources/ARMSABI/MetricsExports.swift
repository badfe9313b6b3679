import ARMS
public import CARMS

/// Says what a router has done. Documented in `arms.h`.
@_cdecl("arms_router_metrics") @implementation
public func arms_router_metrics(
  _ router: OpaquePointer?, _ metrics: UnsafeMutablePointer<arms_router_counters>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> arms_status {
  reporting(error) { () throws(ARMSError) in
    let counters = try ARMSABI.router(router).counters
    var result = arms_router_counters()
    result.stage_count = UInt32(clamping: MetricStage.allCases.count)
    result.routes = counters.count(.routes)
    result.scores = counters.count(.scores)
    result.scored_queries = counters.count(.scoredQueries)
    result.abstentions = counters.count(.abstentions)
    result.second_router = counters.count(.secondRouter)
    result.truncated_questions = counters.count(.truncatedQuestions)
    result.ignored_images = counters.count(.ignoredImages)
    result.reloads = counters.count(.reloads)
    result.reused_questions = counters.count(.reusedQuestions)
    result.reused_images = counters.count(.reusedImages)
    withUnsafeMutableBytes(of: &result.errors) { bytes in
      let errors = bytes.bindMemory(to: UInt64.self)
      for number in errors.indices { errors[number] = counters.errorCount(number) }
    }
    withUnsafeMutableBytes(of: &result.stages) { bytes in
      let stages = bytes.bindMemory(to: arms_histogram.self)
      for stage in MetricStage.allCases where stage.rawValue < stages.count {
        stages[stage.rawValue] = convert(counters.histogram(stage))
      }
    }
    try write(result, to: try required(metrics, "metrics"), "metrics")
  }
}

private func convert(_ histogram: Histogram) -> arms_histogram {
  var result = arms_histogram()
  result.count = histogram.count
  result.nanoseconds = histogram.nanoseconds
  withUnsafeMutableBytes(of: &result.buckets) { bytes in
    let buckets = bytes.bindMemory(to: UInt64.self)
    for (index, count) in zip(buckets.indices, histogram.buckets) { buckets[index] = count }
  }
  return result
}

/// The upper bound of a histogram's bucket. Documented in `arms.h`.
@_cdecl("arms_histogram_bound") @implementation
public func arms_histogram_bound(_ bucket: UInt32) -> UInt64 {
  Histogram.bound(ofBucket: Int(bucket)) ?? .max
}
