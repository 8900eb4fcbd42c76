import JSON

/// With one status a value must be, or must not be, a certain one: `"status": "completed", "equals": 100`, or `"differs_from"`.
struct ConsistentWithStatusRule: StateRule {
    static let kind = "consistent_with_status"

    private let status: String
    private let expected: JSONValue?
    private let excluded: JSONValue?

    init(_ reader: inout RuleReader) {
        status = reader.knownStatus("status")
        expected = reader.value("equals")
        excluded = reader.value("differs_from")
        if (expected == nil) == (excluded == nil) { reader.fault("", "give either equals or differs_from") }
    }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard let current = context.status, current.hasSameBytes(as: status) else { return }
        try report.budget.spend(bytes: (value?.size ?? 0) + (expected?.size ?? 0) + (excluded?.size ?? 0))
        if let expected, value.map({ !$0.isScalar(expected) }) ?? true {
            report.add(path, "is \(value?.shown ?? "missing"); with status \(status) it must be \(expected.shown)")
        }
        if let excluded, let value, value.isScalar(excluded) {
            report.add(path, "is \(value.shown), which does not fit status \(status)")
        }
    }
}
