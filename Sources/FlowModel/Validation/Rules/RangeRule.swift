import JSON

/// A number lies between `"minimum"` and `"maximum"`, both included; compared exactly, however many digits it has.
struct RangeRule: StateRule {
    static let kind = "range"

    private let minimum: JSONValue?
    private let maximum: JSONValue?

    init(_ reader: inout RuleReader) {
        minimum = reader.number("minimum")
        maximum = reader.number("maximum")
        if minimum == nil, maximum == nil { reader.fault("", "a range needs a minimum, a maximum or both") }
        if let minimum, let maximum, JSONNumber.isLess(maximum.text, minimum.text) {
            reader.fault("maximum", "is below the minimum: no number can be in the range")
        }
    }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard let value, value.kind == .number else { return }
        try report.budget.spend(2 + (2 * value.size + (minimum?.size ?? 0) + (maximum?.size ?? 0)) / 16)
        if let minimum, JSONNumber.isLess(value.text, minimum.text) {
            report.add(path, "is \(value.shown), below \(minimum.shown)")
        }
        if let maximum, JSONNumber.isLess(maximum.text, value.text) {
            report.add(path, "is \(value.shown), above \(maximum.shown)")
        }
    }
}
