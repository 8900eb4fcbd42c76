/// Limits of a patch and of its result: a few bytes can ask for very much, since copying a document into itself doubles it each time. A
/// `WorkBudget` bounds the work of applying it.
package struct PatchLimits: Sendable, Equatable {
    /// Operations in one patch.
    package var operations: Int
    /// Bytes of the document, after every operation.
    package var resultBytes: Int
    /// The nesting of arrays and objects, in the patch's values and in the document after every operation.
    package var depth: Int

    package init(operations: Int, resultBytes: Int, depth: Int) {
        self.operations = operations
        self.resultBytes = resultBytes
        self.depth = depth
    }
}
