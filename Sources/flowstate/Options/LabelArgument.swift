import ArgumentParser

/// `key=value`; the value may be empty and may contain `=`.
struct LabelArgument: ExpressibleByArgument, Equatable {
    let key: String
    let value: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else { return nil }
        key = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }

    /// - Throws: `ValidationError` when a key is there twice: one of the two values would be lost.
    static func check(_ labels: [LabelArgument]) throws {
        var seen: Set<String> = []
        for label in labels where !seen.insert(label.key).inserted {
            throw ValidationError("The label '\(label.key)' is there twice.")
        }
    }

    /// - Precondition: `check` has passed.
    static func dictionary(_ labels: [LabelArgument]) -> [String: String] {
        Dictionary(labels.map { ($0.key, $0.value) }, uniquingKeysWith: { _, last in last })
    }
}
