import JSON

/// In some phases a value is required: `"phases": […]`. Strings, arrays and objects must not be empty.
struct NotEmptyInPhaseRule: StateRule {
    static let kind = "not_empty_in_phase"

    private let phases: NameSet

    init(_ reader: inout RuleReader) { phases = reader.knownPhases("phases") }

    func check(
        _ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport
    ) throws(WorkStopped) {
        guard let phase = context.phase, phases.contains(phase) else { return }
        if value?.isEmpty ?? true { report.add(path, "is \(value == nil ? "missing" : "empty"); phase \(phase) needs it") }
    }
}
