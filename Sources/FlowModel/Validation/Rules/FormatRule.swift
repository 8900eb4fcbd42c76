import JSON

/// A string has the form of a `"uuid"` or a `"timestamp"` (ISO 8601), or is one of `"except"`.
struct FormatRule: StateRule {
    static let kind = "format"

    private enum Format: String, CaseIterable {
        case uuid, timestamp
    }

    private let format: Format
    private let exceptions: NameSet

    init(_ reader: inout RuleReader) {
        let name = reader.string("format")
        format = name.flatMap(Format.init) ?? .uuid
        if let name, Format(rawValue: name) == nil {
            reader.fault("format", "is \"\(name)\"; use \(Format.allCases.map(\.rawValue).joined(separator: " or "))")
        }
        exceptions = reader.names(reader.strings("except") ?? [])
    }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard let value, value.kind == .string, try !exceptions.contains(value, report.budget), let text = value.string else { return }
        let isRight =
            switch format {
            case .uuid: TextFormat.isUUID(text.utf8)
            case .timestamp: TextFormat.isTimestamp(text.utf8)
            }
        if isRight { return }
        let or = exceptions.isEmpty ? "" : ", nor \(exceptions.prefix(8).map { "\"\($0)\"" }.joined(separator: ", "))"
        report.add(path, "is \(value.shown), which is not \(format == .uuid ? "a UUID" : "an ISO 8601 timestamp")\(or)")
    }
}
