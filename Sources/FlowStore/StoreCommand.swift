import FlowModel
import Postgres

/// A command that the store can carry out. Adding a command is one file that conforms a value of `FlowModel` to this.
public protocol StoreCommand: Sendable {
    associatedtype Outcome: Sendable

    /// Checks the command and makes an operation of it. Does no I/O; runs on the caller's thread.
    func prepare(_ resources: StoreResources) throws(StateError) -> PreparedCommand<Outcome>
}

/// A checked command, ready to be queued.
public struct PreparedCommand<Outcome: Sendable>: Sendable {
    enum Form: Sendable {
        /// Changes of one flow go through one connection, in the order of their arrival.
        case change(Change, outcome: @Sendable (ChangeOutcome) -> Outcome?)
        case load(LoadOperation, outcome: @Sendable (LoadOutcome) -> Outcome?)
        case query(Query<Outcome>, shard: UInt64?)
    }

    let form: Form

    init(_ form: Form) { self.form = form }

    /// One statement that reads.
    init(reading query: Query<Outcome>) { form = .query(query, shard: nil) }
}

extension PreparedCommand where Outcome == SavedVersion {
    init(_ change: Change) {
        form = .change(change) { if case .saved(let saved) = $0 { saved } else { nil } }
    }
}

extension PreparedCommand where Outcome == CheckpointRecord {
    init(_ change: Change) {
        form = .change(change) { if case .checkpoint(let record) = $0 { record } else { nil } }
    }
}

extension PreparedCommand where Outcome == LoadOutcome {
    init(_ load: LoadOperation) { form = .load(load) { $0 } }
}

/// What a change answers.
enum ChangeOutcome: Sendable, Equatable {
    case saved(SavedVersion)
    case checkpoint(CheckpointRecord)
}

/// What the row of a change's statement says.
enum Answer: Sendable {
    case done(ChangeOutcome)
    /// Nothing was changed.
    case refused(StateError)
    /// Somebody committed a change of the flow after the statement's snapshot was taken, and the statement waited for it: it changed
    /// nothing, and its snapshot cannot tell why. A new snapshot can.
    case raced
}

/// One statement with an answer of its own.
struct Query<Value: Sendable>: SingleOperation {
    typealias Outcome = Result<Value, StateError>

    let statement: Statement
    let parameters: Parameters
    /// Long reads do not share a batch.
    var runsAlone = true
    /// Runs on the connection's thread.
    let read: @Sendable (ResultRows) throws(PostgresError) -> Outcome

    var cost: Int { parameters.byteCount }

    func enqueue(into pipeline: inout Pipeline) { pipeline.execute(statement, parameters) }

    func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<Self> {
        guard results.count == 1 else { throw .protocolViolation("\(results.count) results for one statement") }
        return .finished(try read(results[0]))
    }
}
