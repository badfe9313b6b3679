// Routes a question about an image and prints the candidates, best first.
//
//   swift run -c release route MODEL IMAGE QUESTION

import ARMS
import Foundation

func route(model: String, image: String, question: String) throws {
  let router = try Router(path: model)
  let query = Query(question: question, images: [ImageInput(.path(image))])
  let decision = try router.route(query)

  // The same candidates once more, as a table of one query: a column for each.
  let names = decision.ranked.map(\.name)
  var logits = [Float](repeating: 0, count: names.count)
  try logits.withUnsafeMutableBufferPointer { buffer in
    let row = buffer.baseAddress
    _ = try router.score([query], candidates: names, output: .logit) { _ in row }
  }

  print(decision.name ?? "")
  for (index, (entry, logit)) in zip(decision.ranked, logits).enumerated() {
    let numbers = String(format: "confidence %.4f, logit %.4f", entry.confidence, logit)
    print("\(index + 1). \(entry.name): \(numbers)")
  }
}

func fail(_ message: String, status: Int32) -> Never {
  FileHandle.standardError.write(Data("\(message)\n".utf8))
  exit(status)
}

guard CommandLine.arguments.count == 4 else {
  fail("usage: route MODEL IMAGE QUESTION", status: 2)
}
do {
  try route(
    model: CommandLine.arguments[1], image: CommandLine.arguments[2],
    question: CommandLine.arguments[3])
} catch {
  fail("route: \(error)", status: 1)
}
