/// Prints a list page by page: a table, or one JSON document with one entry per line.
struct ListWriter {
    private let console: Console
    private let name: String
    private var table: Table
    private var isEmpty = true

    /// - Parameter name: The list's key in the JSON document.
    init(_ console: Console, name: String, columns: [Table.Column]) {
        self.console = console
        self.name = name
        table = Table(columns)
    }

    /// - Parameter rows: what a table shows instead of the records themselves.
    mutating func append(_ records: [Record], rows: [Record]? = nil) throws {
        switch console.format {
        case .table: try console.write(table.lines(rows ?? records))
        case .json:
            var text = ""
            for record in records {
                text += (isEmpty ? beginning : ",\n") + record.json
                isEmpty = false
            }
            try console.write(text)
        }
    }

    /// - Parameter nextPageToken: Empty when the list is complete.
    mutating func finish(nextPageToken: String) throws {
        switch console.format {
        case .table:
            if !nextPageToken.isEmpty {
                console.note("there are more; --all shows them, --page-token \(TerminalText.line(nextPageToken)) continues")
            }
        case .json:
            let token = "\"next_page_token\":\(OutputValue.quoted(nextPageToken))}\n"
            try console.write(isEmpty ? "{\(OutputValue.quoted(name)):[],\(token)" : "\n],\(token)")
        }
    }

    /// Ends a complete list with a record about it as a whole.
    /// - Parameter name: The record's key in the JSON document.
    mutating func finish(_ name: String, _ record: Record) throws {
        switch console.format {
        case .table: try console.write("\n" + Table.lines(record))
        case .json: try console.write((isEmpty ? beginning : "\n") + "],\(OutputValue.quoted(name)):\(record.json)}\n")
        }
    }

    private var beginning: String { "{\(OutputValue.quoted(name)):[\n" }
}
