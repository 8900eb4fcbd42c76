import Foundation

/// Text for people goes to standard output, or to standard error when JSON goes to standard output.
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
                // Atomically would put a file in the place of a device or a pipe.
                try json.write(to: URL(fileURLWithPath: path), options: isRegular(path) ? .atomic : [])
            } catch {
                throw BenchError.cannotWrite(path, error.localizedDescription)
            }
        }
    }

    /// Whether there is a regular file, or nothing yet.
    private static func isRegular(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG
    }
}
