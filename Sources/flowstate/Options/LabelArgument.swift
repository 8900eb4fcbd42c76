import ArgumentParser
import FlowStateClient

/// `key=value`; the value may be empty and may contain `=`.
struct LabelArgument: ExpressibleByArgument, Equatable {
    let key: String
    let value: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else { return nil }
        key = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }

    /// - Throws: `ValidationError` when a key is given twice: one of the two values would be lost.
    static func check(_ labels: [LabelArgument]) throws {
        var seen: Set<[UInt8]> = []
        for label in labels where !seen.insert(Array(label.key.utf8)).inserted {
            throw ValidationError("The label '\(label.key)' is given twice.")
        }
    }

    /// - Precondition: `check` has passed.
    static func map(_ labels: [LabelArgument]) -> StringMap {
        StringMap(labels.map { StringMap.Element(key: $0.key, value: $0.value) })
    }
}
