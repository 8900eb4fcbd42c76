/// Why a document is no definition that can work, and where in it.
public struct DefinitionFault: Error, Sendable, Equatable {
    /// JSON Pointer into the document.
    public var path: String
    /// What is wrong and what would be right.
    public var message: String
}

extension DefinitionFault: CustomStringConvertible {
    public var description: String { path.isEmpty ? message : "\(path): \(message)" }
}

/// Every fault found in a document; there is at least one.
public struct DefinitionFaults: Error, Sendable, Equatable {
    public var faults: [DefinitionFault]
}
