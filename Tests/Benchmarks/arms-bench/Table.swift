/// A value of a table.
enum Cell {
  case text(String)
  case count(Int)
  /// A number and how many digits of it are printed behind the point.
  case number(Double, digits: Int)

  static func milliseconds(_ value: Double) -> Cell { .number(value, digits: value < 1 ? 4 : 2) }
  static func ratio(_ value: Double) -> Cell { .number(value, digits: 3) }
  static func megabytes(_ bytes: Int) -> Cell { .number(Double(bytes) / 1e6, digits: 1) }

  var isText: Bool { if case .text = self { true } else { false } }

  var printed: String {
    switch self {
    case .text(let text): text
    case .count(let count): "\(count)"
    case .number(let value, let digits): fixed(value, digits)
    }
  }

  var json: String {
    switch self {
    case .text(let text): quoted(text)
    case .count, .number: printed
    }
  }
}

/// Figures of one kind: rows under named columns, which are the keys of the JSON as well.
struct Table {
  let name: String
  let columns: [String]
  private(set) var rows: [[Cell]] = []

  init(_ name: String, _ columns: [String]) {
    self.name = name
    self.columns = columns
  }

  mutating func add(_ row: [Cell]) { rows.append(row) }

  /// The table as text, columns aligned.
  var printed: String {
    let headings = columns.map { $0.split(separator: "_").joined(separator: " ") }
    let widths = columns.indices.map { column in
      rows.reduce(headings[column].count) { max($0, $1[column].printed.count) }
    }
    func line(_ cells: [String], left: [Bool]) -> String {
      zip(zip(cells, widths), left).map { cell, left in
        let padding = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
        return left ? cell.0 + padding : padding + cell.0
      }.joined(separator: "  ")
    }
    let left = columns.indices.map { rows.first?[$0].isText ?? true }
    let body = rows.map { line($0.map(\.printed), left: left) }
    return (["\(name)", line(headings, left: left)] + body).joined(separator: "\n") + "\n"
  }

  /// The rows as a JSON array of objects.
  var json: String {
    let objects = rows.map { row in
      "{" + zip(columns, row).map { "\(quoted($0)): \($1.json)" }.joined(separator: ", ") + "}"
    }
    return "[\n    " + objects.joined(separator: ",\n    ") + "\n  ]"
  }
}

/// A JSON object of tables by name.
func json(_ tables: [Table]) -> String {
  "{\n" + tables.map { "  \(quoted($0.name)): \($0.json)" }.joined(separator: ",\n") + "\n}"
}

private func quoted(_ text: String) -> String {
  let escaped = text.unicodeScalars.map { scalar -> String in
    switch scalar {
    case "\"", "\\": return "\\\(scalar)"
    case "\u{0}"..<"\u{20}":
      let hex = String(scalar.value, radix: 16)
      return "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
    default: return String(scalar)
    }
  }
  return "\"\(escaped.joined())\""
}

/// A number with `digits` digits behind the point.
private func fixed(_ value: Double, _ digits: Int) -> String {
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  let scaled = (abs(value) * scale).rounded()
  guard scaled < 1e15 else { return "\(value)" }
  let (whole, part) = Int(scaled).quotientAndRemainder(dividingBy: Int(scale))
  let sign = value < 0 ? "-" : ""
  if digits == 0 { return "\(sign)\(whole)" }
  let zeros = String(repeating: "0", count: digits - "\(part)".count)
  return "\(sign)\(whole).\(zeros)\(part)"
}
