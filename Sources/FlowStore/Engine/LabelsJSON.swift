import FlowModel

/// Labels as PostgreSQL's `jsonb` reads and prints them: one object, every value a string.
enum LabelsJSON {
    /// Labels contain no control characters (`Labels.check`), so only two characters need an escape (RFC 8259 §7).
    static func encode(_ labels: Labels) -> String {
        var text = "{"
        for entry in labels.entries {
            if text.utf8.count > 1 { text += "," }
            append(entry.name, to: &text)
            text += ":"
            append(entry.value, to: &text)
        }
        text += "}"
        return text
    }

    /// A removed label is null, which `jsonb_strip_nulls` removes after the merge.
    static func encode(_ changes: LabelChanges) -> String {
        var text = "{"
        for entry in changes.entries {
            if text.utf8.count > 1 { text += "," }
            append(entry.name, to: &text)
            text += ":"
            if let value = entry.value { append(value, to: &text) } else { text += "null" }
        }
        return text + "}"
    }

    private static func append(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { text += "\\" }
            text.unicodeScalars.append(scalar)
        }
        text += "\""
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
