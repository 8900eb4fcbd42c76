/// A fault that makes a document unusable as a definition, and its place.
package struct DefinitionFault: Error, Sendable, Equatable {
    /// JSON Pointer into the document.
    package var path: String
    /// What is wrong and what would be right.
    package var message: String
}

extension DefinitionFault: CustomStringConvertible {
    package var description: String { path.isEmpty ? message : "\(path): \(message)" }
}

/// The faults in a part of a document: all are counted, the first ones listed. A document of a megabyte can have more faults than bytes,
/// and each may list names.
struct FaultList {
    private static let maximum = 100
    /// Limit of a path, and of a message: a name may be as long as the document.
    private static let maximumBytes = 2_000

    private(set) var first: [DefinitionFault] = []
    /// Faults that are counted but not listed.
    private(set) var left = 0

    var isEmpty: Bool { first.isEmpty }

    mutating func add(_ path: @autoclosure () -> String, _ message: @autoclosure () -> String) {
        guard first.count < Self.maximum else {
            left += 1
            return
        }
        first.append(DefinitionFault(path: path().prefixed(Self.maximumBytes), message: message().prefixed(Self.maximumBytes)))
    }

    mutating func take(_ others: FaultList) {
        let taken = others.first.prefix(Self.maximum - first.count)
        first += taken
        left += others.first.count - taken.count + others.left
    }
}
