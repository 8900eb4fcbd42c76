import FlowModel
import Postgres

/// A command that the store can carry out. Adding a command is one file that conforms a value of `FlowModel` to this.
package protocol StoreCommand: Sendable {
    associatedtype Outcome: Sendable

    /// Checks the command and queues it. Never blocks; may be called from any thread. Each command does so itself rather than the store for
    /// all of them, so that its path to the connection group is compiled for its own types.
    ///
    /// - Parameter completion: called exactly once unless this throws, on the context's executor, possibly before this returns.
    /// - Throws: what is wrong with the command; nothing was queued then.
    func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<Outcome, StateError>) -> Void
    ) throws(StateError)
}

/// The result of a change.
enum ChangeOutcome: Sendable, Equatable {
    case saved(SavedVersion)
    case checkpoint(CheckpointRecord)
}

/// The meaning of the row of a change's statement.
enum Answer: Sendable {
    case done(ChangeOutcome)
    /// Nothing was changed.
    case refused(StateError)
    /// Another change of the flow was committed after the statement's snapshot was taken, and the statement waited for it: it changed
    /// nothing, and its snapshot cannot tell why. A new snapshot can.
    case retry
}
