import JSON

/// What a save does to labels that the definition derives from the state: a value, or nil to remove a label that the state no longer has.
package struct LabelChanges: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package var name: String
        package var value: String?
    }

    /// Unique by name.
    package private(set) var entries: [Entry]

    package static let none = LabelChanges([])

    init(_ entries: [Entry]) { self.entries = entries }

    var names: Set<Name> { Set(entries.map { Name($0.name) }) }

    /// Whether `other`, applied after these, changes the same labels and leaves no fewer of them, whatever other labels the flow has.
    package func areCovered(by other: LabelChanges) -> Bool {
        names == other.names && entries.count { $0.value != nil } <= other.entries.count { $0.value != nil }
    }

    package func followed(by other: LabelChanges) -> LabelChanges {
        let replaced = other.names
        return LabelChanges(entries.filter { !replaced.contains(Name($0.name)) } + other.entries)
    }
}

extension Labels {
    package func applying(_ changes: LabelChanges) -> Labels {
        let changed = changes.names
        let untouched = entries.filter { !changed.contains(Name($0.name)) }
        return Labels(
            untouched
                + changes.entries.compactMap { change in change.value.map { Entry(name: change.name, value: $0) } })
    }

    /// The number of labels after the changes when that is too many, else nil. A flow that already exceeds the limit, because it was
    /// lowered, may keep as many as it has.
    package func excess(after changes: LabelChanges, limits: Limits) -> Int? {
        let count = applying(changes).entries.count
        return count > max(limits.labels, entries.count) ? count : nil
    }
}

extension FlowDefinition {
    /// A state that is not JSON has the labels of an empty one. nil: this definition derives no labels.
    package func labelChanges(ofState state: [UInt8], limits: Limits, budget: WorkBudget) throws(StateError) -> LabelChanges? {
        if labels.isEmpty { return nil }
        return try StateError.counting { () throws(WorkStopped) in
            guard let document = try JSONDocument.parse(state, maximumDepth: limits.jsonDepth, budget).value else {
                return LabelChanges(labels.map { LabelChanges.Entry(name: $0.name, value: nil) })
            }
            return try labelChanges(document.root, limits: limits, budget: budget)
        }
    }

    /// The labels of a state by this definition. A value that is not a string, number or boolean, or is too long for a label, gives none.
    func labelChanges(_ root: JSONValue, limits: Limits, budget: WorkBudget) throws(WorkStopped) -> LabelChanges? {
        if labels.isEmpty { return nil }
        var entries: [LabelChanges.Entry] = []
        for label in labels {
            let value = try root.value(at: label.path, budget)
            // A value that is too long in any spelling is not decoded.
            let text = value.flatMap { $0.size <= 2 + 6 * limits.labelBytes ? Self.labelValue($0, limits) : nil }
            entries.append(LabelChanges.Entry(name: label.name, value: text))
        }
        return LabelChanges(entries)
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
