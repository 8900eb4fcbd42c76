import JSON

/// An array or object has `"maximum"` entries at most.
struct SizeRule: StateRule {
    static let kind = "size"

    private let maximum: Int

    init(_ reader: inout RuleReader) { maximum = reader.count("maximum") ?? 0 }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard let count = try value?.count(report.budget), count > maximum else { return }
        report.add(path, "has \(count) entries, more than \(maximum)")
    }
}
