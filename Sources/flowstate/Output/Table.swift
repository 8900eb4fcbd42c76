/// Aligned columns of text. Rows arrive in portions: columns never get narrower, so that later portions stay under the header.
struct Table {
    struct Column {
        /// The field of the record that the column shows; also its title, in capitals.
        let name: String
        let alignsRight: Bool

        static func left(_ name: String) -> Column { Column(name: name, alignsRight: false) }
        static func right(_ name: String) -> Column { Column(name: name, alignsRight: true) }

        var title: String { name.uppercased() }
    }

    private static let gap = "  "

    private let columns: [Column]
    private var widths: [Int]
    private var hasHeader = false

    init(_ columns: [Column]) {
        self.columns = columns
        widths = columns.map { TerminalText.width($0.title) }
    }

    /// The lines of more rows, each with its line feed; the first portion begins with the header.
    mutating func lines(_ records: [Record]) -> String {
        let rows = records.map { record in columns.map { record[$0.name].cell } }
        for row in rows {
            for (index, cell) in row.enumerated() { widths[index] = max(widths[index], TerminalText.width(cell)) }
        }
        let header = hasHeader ? [] : [columns.map(\.title)]
        hasHeader = true
        return (header + rows).map(line).joined()
    }

    private func line(_ cells: [String]) -> String {
        var line = ""
        for (index, cell) in cells.enumerated() {
            let padding = String(repeating: " ", count: widths[index] - TerminalText.width(cell))
            line += (index == 0 ? "" : Self.gap) + (columns[index].alignsRight ? padding + cell : cell + padding)
        }
        while line.last == " " { line.removeLast() }
        return line + "\n"
    }

    /// One record as lines of name and value; fields of nested records have those records' names as prefixes, unless it is the only
    /// message there and its names are no others'. Fields without a value are left out.
    static func lines(_ record: Record) -> String {
        let rows = rows(record, prefix: "")
        let width = rows.map { TerminalText.width($0.name) }.max() ?? 0
        return rows.map { name, value in
            name + String(repeating: " ", count: width - TerminalText.width(name)) + gap + value + "\n"
        }.joined()
    }

    private static func rows(_ record: Record, prefix: String) -> [(name: String, value: String)] {
        let messages = record.fields.filter { $0.value.isMessage }
        let names = Set((messages.first?.value.inner?.fields ?? []).map(\.name))
        let isPlain = messages.count == 1 && !record.fields.contains { names.contains($0.name) }
        return record.fields.flatMap { name, value -> [(name: String, value: String)] in
            if let inner = value.inner { return rows(inner, prefix: isPlain && value.isMessage ? prefix : prefix + name + ".") }
            let cell = value.cell
            return cell.isEmpty ? [] : [(prefix + name, cell)]
        }
    }
}
