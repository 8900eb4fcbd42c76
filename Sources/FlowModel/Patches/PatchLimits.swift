/// How large a patch may be, and what comes out of it: a few bytes can ask for very much, since copying a document into itself doubles it
/// each time. What it takes to apply is counted by a `WorkBudget`.
public struct PatchLimits: Sendable, Equatable {
    /// Operations in one patch.
    public var operations: Int
    /// Of the document, after every operation.
    public var resultBytes: Int
    /// Arrays and objects in each other, in the patch's values and in the document after every operation.
    public var depth: Int

    public init(_ limits: Limits = Limits()) {
        operations = limits.patchOperations
        resultBytes = limits.stateBytes
        depth = limits.jsonDepth
    }
}
