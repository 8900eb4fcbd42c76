import JSON

/// A deprecated value is present beside its replacement: `"beside": pointer`.
struct DeprecatedRule: StateRule {
    static let kind = "deprecated"

    private let replacement: JSONPointer

    init(_ reader: inout RuleReader) { replacement = reader.pointer("beside") ?? .root }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard value != nil, try context.root.value(at: replacement, report.budget)?.unlessNull != nil else { return }
        report.add(path, "is deprecated; \(replacement) says the same")
    }
}
