/// What a save does to labels that its definition takes from the state: a value, or nil where the state has none and the label goes.
public struct LabelChanges: Sendable, Equatable {
    public struct Entry: Sendable, Equatable {
        public var name: String
        public var value: String?
    }

    /// Each name once.
    public private(set) var entries: [Entry]

    public static let none = LabelChanges([])

    init(_ entries: [Entry]) { self.entries = entries }

    /// These, and then `other`.
    public func followed(by other: LabelChanges) -> LabelChanges {
        LabelChanges(entries.filter { entry in !other.entries.contains { $0.name.utf8.elementsEqual(entry.name.utf8) } } + other.entries)
    }
}

extension Labels {
    public func applying(_ changes: LabelChanges) -> Labels {
        let untouched = entries.filter { entry in !changes.entries.contains { $0.name.utf8.elementsEqual(entry.name.utf8) } }
        return Labels(
            untouched
                + changes.entries.compactMap { change in change.value.map { Entry(name: change.name, value: $0) } })
    }
}

extension FlowDefinition {
    /// The labels of a state that is no JSON are those of an empty one. nil: this definition takes none.
    public func labelChanges(ofState state: [UInt8], limits: Limits) -> LabelChanges? {
        if labels.isEmpty { return nil }
        guard let document = try? JSONDocument(state, maximumDepth: limits.jsonDepth) else {
            return LabelChanges(labels.map { LabelChanges.Entry(name: $0.name, value: nil) })
        }
        return labelChanges(document.root, limits: limits)
    }

    /// The labels that a state has by this definition. What is no text, number or boolean, or is too long for a label, is none.
    func labelChanges(_ root: JSONValue, limits: Limits) -> LabelChanges? {
        if labels.isEmpty { return nil }
        return LabelChanges(
            labels.map { label in
                LabelChanges.Entry(name: label.name, value: root[label.path].flatMap { Self.labelValue($0, limits) })
            })
    }

    private static func labelValue(_ value: JSONValue, _ limits: Limits) -> String? {
        let text: String
        switch value.kind {
        case .string:
            guard let string = value.string else { return nil }
            text = string
        case .number, .boolean: text = String(decoding: value.text, as: UTF8.self)
        case .null, .array, .object: return nil
        }
        do throws(StateError) {
            try NameRule.check(text, field: "", maximumBytes: limits.labelBytes, mayBeEmpty: true)
            return text
        } catch {
            return nil
        }
    }
}
