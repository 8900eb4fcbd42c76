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
