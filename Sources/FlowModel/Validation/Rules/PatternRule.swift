import JSON

/// A string matches a regular expression of RE2's syntax: `"pattern": "^[a-z]+$"`. As in JSON Schema it may match anywhere in the string; `^` and
/// `$` are its ends, a character is a code point, and nothing is normalized. A single surrogate is U+FFFD.
struct PatternRule: StateRule {
    static let kind = "pattern"

    /// nil only in a definition that was refused.
    private let pattern: TextPattern?

    init(_ reader: inout RuleReader) { pattern = reader.pattern("pattern") }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard let pattern, let value, value.kind == .string else { return }
        try report.budget.spend(pattern.steps(value.size))
        guard let isFound = value.string.flatMap({ pattern.isFound(in: $0) }) else {
            return report.add(path, "was not checked: there is no memory for a pattern of the definition")
        }
        if !isFound { report.add(path, "is \(value.shown), which does not match \(pattern.source)") }
    }
}
