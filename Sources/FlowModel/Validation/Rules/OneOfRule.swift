/// A string is one of a list: `"values": […]`, or `"values": "phases"` or `"statuses"` for those of the definition.
struct OneOfRule: StateRule {
    static let kind = "one_of"

    private let values: NameList

    init(_ reader: inout RuleReader) { values = reader.nameList("values") }

    func check(_ value: JSONValue?, at path: JSONPointer, _ context: borrowing RuleContext, _ report: inout RuleReport) {
        guard let value, value.kind == .string else { return }
        if !values.contains(value, context.definition) {
            report.add(path, "is \(value.shown); it must be one of \(values.names(context.definition).joined(separator: ", "))")
        }
    }
}

/// Strings that a definition lists, or has as its phases or statuses.
enum NameList: Sendable {
    case listed([String])
    case phases
    case statuses

    func names(_ definition: FlowDefinition) -> [String] {
        switch self {
        case .listed(let names): names
        case .phases: definition.phases.map(\.name)
        case .statuses: definition.statuses.map(\.name)
        }
    }

    func contains(_ value: JSONValue, _ definition: FlowDefinition) -> Bool {
        switch self {
        case .listed(let names): names.contains { value.isString($0) }
        case .phases: definition.phases.contains { value.isString($0.name) }
        case .statuses: definition.statuses.contains { value.isString($0.name) }
        }
    }
}
