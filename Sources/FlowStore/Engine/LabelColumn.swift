import FlowModel
import JSON

/// Labels as PostgreSQL's `jsonb` reads and prints them: one object, every value a string.
enum LabelsJSON {
    static func encode(_ labels: Labels) -> String {
        var object = JSONObjectText()
        for entry in labels.entries { object.add(entry.name, entry.value) }
        return object.text
    }

    /// A removed label is null, which `jsonb_strip_nulls` removes after the merge.
    static func encode(_ changes: LabelChanges) -> String {
        var object = JSONObjectText()
        for entry in changes.entries {
            if let value = entry.value { object.add(entry.name, value) } else { object.add(entry.name, json: "null") }
        }
        return object.text
    }

    /// Reads what `jsonb::text` prints for such an object; nil for anything else.
    static func decode(_ text: String) -> Labels? {
        if text == "{}" { return Labels.none }
        var rest = text.unicodeScalars[...]
        var entries: [Labels.Entry] = []
        guard rest.popFirst() == "{" else { return nil }
        while true {
            guard let name = string(&rest), take(": ", &rest), let value = string(&rest) else { return nil }
            entries.append(Labels.Entry(name: name, value: value))
            if rest.first == "}" { break }
            guard take(", ", &rest) else { return nil }
        }
        return rest.count == 1 ? Labels(entries) : nil
    }

    private static func string(_ rest: inout Substring.UnicodeScalarView) -> String? {
        guard rest.popFirst() == "\"" else { return nil }
        var value = String.UnicodeScalarView()
        while let scalar = rest.popFirst() {
            if scalar == "\"" { return String(value) }
            if scalar != "\\" {
                value.append(scalar)
            } else {
                guard let escaped = rest.popFirst(), escaped == "\"" || escaped == "\\" else { return nil }
                value.append(escaped)
            }
        }
        return nil
    }

    private static func take(_ text: String, _ rest: inout Substring.UnicodeScalarView) -> Bool {
        for scalar in text.unicodeScalars {
            guard rest.popFirst() == scalar else { return false }
        }
        return true
    }
}

/// The labels of a flow after merging those that its definition derives from the state (`LabelChanges`). Only the statement, which locks
/// the flow, knows how many they are.
struct LabelSQL {
    /// Expressions: the flow's labels, and the changes to merge.
    let labels: String
    let changes: String
    /// A parameter: how many labels a flow may have; NULL when nothing is merged, and then nothing is counted.
    let limit: String

    var merged: String { "jsonb_strip_nulls(\(labels) || \(changes)::jsonb)" }

    /// Whether the flow may have so many labels. One that already has more, because the limit was lowered, may keep as many as it has.
    var fits: String { "(\(limit) IS NULL OR \(Self.count(merged)) <= greatest(\(limit), \(Self.count(labels))))" }

    /// The number of labels when they are too many, else NULL.
    var excess: String { "CASE WHEN NOT \(fits) THEN \(Self.count(merged))::bigint END" }

    /// By a path: a subquery would be set up by each execution of the statement, even if it is not run.
    static func count(_ labels: String) -> String { "jsonb_array_length(jsonb_path_query_array(\(labels), '$.keyvalue()'))" }
}
