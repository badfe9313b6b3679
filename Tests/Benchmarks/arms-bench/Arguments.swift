/// What the command line asks for.
struct Arguments {
  static let usage = """
    usage: arms-bench MODEL [--json] [--routes | --batches] [--threads N] [--image FILE] [--seconds S]

      MODEL      a model file with candidates, or without: some are then added in memory
      --json     print JSON in place of tables
      --routes   measure the latency of routes alone, beside the peak
      --batches  measure queries that are scored together alone
      --threads  measure with so many threads; by default with 1 and with 2
      --image    the JPEG or PNG file to decode; by default one of 12 megapixels is drawn
      --seconds  how long each figure is measured; by default 1
    """

  var model = ""
  var json = false
  var routesOnly = false
  var batchesOnly = false
  var image: String?
  var seconds = 1.0
  var threads = [1, 2]
  /// Load, route and report on this process, for the parent to read; not for users.
  var asChild = false

  /// Reads the arguments; nil if they are wrong.
  init?(_ arguments: [String]) {
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      switch argument {
      case "--json": json = true
      case "--routes": routesOnly = true
      case "--batches": batchesOnly = true
      case "--child": asChild = true
      case "--image":
        guard let value = rest.popFirst() else { return nil }
        image = value
      case "--threads":
        guard let value = rest.popFirst().flatMap(Int.init), value > 0 else { return nil }
        threads = [value]
      case "--seconds":
        guard let value = rest.popFirst().flatMap(Double.init), value > 0 else { return nil }
        seconds = value
      default:
        guard model.isEmpty, !argument.hasPrefix("-") else { return nil }
        model = argument
      }
    }
    if model.isEmpty { return nil }
  }
}
