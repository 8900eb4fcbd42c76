/// A fault that makes a document unusable for what it is to describe, and its place.
package struct DocumentFault: Error, Sendable, Equatable {
    /// JSON Pointer into the document.
    package var path: String
    /// What is wrong and what would be right.
    package var message: String

    package init(path: String, message: String) {
        self.path = path
        self.message = message
    }
}

extension DocumentFault: CustomStringConvertible {
    package var description: String { path.isEmpty ? message : "\(path): \(message)" }
}

/// The faults in a part of a document: all are counted, the first ones listed. A document of a megabyte can have more faults than bytes,
/// and each may list names.
package struct FaultList {
    private static let maximum = 100
    /// Limit of a path, and of a message: a name may be as long as the document.
    private static let maximumBytes = 2_000

    package private(set) var first: [DocumentFault] = []
    /// Faults that are counted but not listed.
    package private(set) var left = 0

    package init() {}

    package var isEmpty: Bool { first.isEmpty }

    package mutating func add(_ path: @autoclosure () -> String, _ message: @autoclosure () -> String) {
        guard first.count < Self.maximum else {
            left += 1
            return
        }
        first.append(DocumentFault(path: path().prefixed(Self.maximumBytes), message: message().prefixed(Self.maximumBytes)))
    }

    package mutating func take(_ others: FaultList) {
        let taken = others.first.prefix(Self.maximum - first.count)
        first += taken
        left += others.first.count - taken.count + others.left
    }
}
