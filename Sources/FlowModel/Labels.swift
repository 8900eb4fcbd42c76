/// Names and values that a client attaches to a flow, and that lists filter by.
///
/// Kept sorted by the bytes of the name, each name once (the last one given wins), so that equal labels are equal values. Names are
/// compared by bytes, not by Swift's canonical equivalence.
package struct Labels: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package var name: String
        package var value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }

        package static func == (left: Entry, right: Entry) -> Bool {
            left.name.utf8.elementsEqual(right.name.utf8) && left.value.utf8.elementsEqual(right.value.utf8)
        }
    }

    package let entries: [Entry]

    package static let none = Labels([])

    package init(_ entries: [Entry]) {
        if zip(entries, entries.dropFirst()).allSatisfy({ $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
            self.entries = entries
            return
        }
        var sorted: [Entry] = []
        sorted.reserveCapacity(entries.count)
        // The standard library's sort is stable in practice but not by promise, so the position breaks ties.
        let order = entries.enumerated().sorted { left, right in
            if left.element.name.utf8.elementsEqual(right.element.name.utf8) { return left.offset < right.offset }
            return left.element.name.utf8.lexicographicallyPrecedes(right.element.name.utf8)
        }
        for (_, entry) in order {
            if let last = sorted.last, last.name.utf8.elementsEqual(entry.name.utf8) { sorted.removeLast() }
            sorted.append(entry)
        }
        self.entries = sorted
    }

    package init(_ pairs: KeyValuePairs<String, String>) {
        self.init(pairs.map { Entry(name: $0.key, value: $0.value) })
    }

    package var isEmpty: Bool { entries.isEmpty }

    package subscript(name: String) -> String? {
        entries.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
    }

    /// - Throws: `StateError.invalidArgument` for `labels`: too many, too long, control characters (PostgreSQL's `jsonb`, in which
    ///   labels are searched, cannot hold `\u0000`).
    package func check(limits: Limits, field: String = "labels") throws(StateError) {
        if entries.count > limits.labels {
            throw .invalidArgument(field: field, message: "are \(entries.count), the limit is \(limits.labels)")
        }
        for entry in entries {
            try NameRule.check(entry.name, field: "\(field) name", maximumBytes: limits.labelBytes)
            try NameRule.check(entry.value, field: "\(field)[\"\(entry.name)\"]", maximumBytes: limits.labelBytes, mayBeEmpty: true)
        }
    }
}
