/// What a patch may cost: a few bytes of it can ask for very much. Copying the document into itself doubles it each time, and looking
/// into one place of a large array costs as much as the array.
public struct PatchLimits: Sendable, Equatable {
    /// Operations in one patch.
    public var operations: Int
    /// Of the document, after every operation.
    public var resultBytes: Int
    /// Arrays and objects in each other, in the patch's values and in the document after every operation.
    public var depth: Int
    /// Steps: an element that is looked at, an eighth of a member, or 16 bytes. To open the largest state that fits a message takes 8,000,000
    /// if it is nothing but small numbers, 16,000,000 if they have names.
    public var work: Int

    public init(_ limits: Limits = Limits()) {
        operations = limits.patchOperations
        work = limits.patchWork
        resultBytes = limits.stateBytes
        depth = limits.jsonDepth
    }
}

/// Counts the steps of one patch.
struct PatchWork {
    private(set) var left: Int

    /// Whether more was spent than there was.
    var isExceeded: Bool { left < 0 }

    init(_ steps: Int) { left = steps }

    mutating func spend(_ steps: Int) { left = max(-1, left) - steps }

    mutating func spend(bytes: Int) { spend(bytes / 16) }
}
