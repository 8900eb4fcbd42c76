import Foundation

/// What people read goes to standard output, or to standard error when JSON goes to standard output.
enum Console {
    /// A remark, on standard error.
    static func note(_ text: String) { error("flowstate-bench: \(text)\n") }

    static func error(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

    static func output(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }

    /// Prints the table, and writes the report as JSON when that is asked for.
    static func write(_ report: some Encodable, table: String, json path: String?) throws {
        guard let path else { return output(table) }
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let json = try encoder.encode(report) + Data("\n".utf8)
        if path == "-" {
            error(table)
            FileHandle.standardOutput.write(json)
        } else {
            output(table)
            do {
                try json.write(to: URL(fileURLWithPath: path), options: .atomic)
            } catch {
                throw BenchError.cannotWrite(path, error.localizedDescription)
            }
        }
    }
}
