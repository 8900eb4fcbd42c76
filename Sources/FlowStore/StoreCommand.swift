import FlowModel
import Postgres

/// A command that the store can carry out: one SQL statement, its parameters, and what its rows mean. Adding a command is one file that
/// conforms a value of `FlowModel` to this.
public protocol StoreCommand: Sendable {
    associatedtype Outcome: Sendable

    /// Checks the command and makes the statement of it. Pure; runs on the caller's thread.
    func prepare(limits: Limits) throws(StateError) -> PreparedCommand<Outcome>
}

/// A checked command, ready to be queued. It holds the bytes to send and what decoding needs, no more.
public struct PreparedCommand<Outcome: Sendable>: Sendable {
    enum Lane: Sendable {
        /// Changes of one flow go through one connection, in the order of their arrival.
        case writer(shard: UInt64)
        case reader
    }

    let lane: Lane
    let statement: Statement
    let parameters: Parameters
    /// Long reads do not share a batch.
    let runsAlone: Bool
    /// Bytes of a large answer, as far as they are known.
    let replyBytes: Int
    /// Runs on the connection's thread. A conflict is an answer, not an error: it must not fail the neighbours in the batch.
    let decode: @Sendable (ResultRows) throws(PostgresError) -> Answer<Outcome>

    init(
        lane: Lane, statement: Statement, parameters: Parameters, runsAlone: Bool = false,
        replyBytes: Int = 0,
        decode: @escaping @Sendable (ResultRows) throws(PostgresError) -> Answer<Outcome>
    ) {
        self.lane = lane
        self.statement = statement
        self.parameters = parameters
        self.runsAlone = runsAlone
        self.replyBytes = replyBytes
        self.decode = decode
    }
}

/// What the rows of a statement say.
enum Answer<Outcome: Sendable>: Sendable {
    case done(Outcome)
    /// Nothing was changed.
    case refused(StateError)
    /// The answer takes another statement.
    case continued(PreparedCommand<Outcome>)
    /// Somebody committed a change of the flow after the statement's snapshot was taken, and the statement waited for it: it changed
    /// nothing, and its snapshot cannot tell why. A new snapshot can.
    case raced
}

/// A prepared command as the Postgres room runs it.
struct StoreOperation<Value: Sendable>: Operation {
    let command: PreparedCommand<Value>

    var cost: Int { command.parameters.byteCount + command.replyBytes }
    var runsAlone: Bool { command.runsAlone }
    /// A flow's changes lock its head; its shard is a hash of its key, the same on every server.
    var lockOrder: UInt64 { if case .writer(let shard) = command.lane { shard } else { 0 } }

    func enqueue(into pipeline: inout Pipeline) {
        pipeline.execute(command.statement, command.parameters)
    }

    func decode(_ results: [ResultRows]) throws(PostgresError) -> Answer<Value> {
        guard results.count == 1 else { throw .protocolViolation("\(results.count) results for one statement") }
        return try command.decode(results[0])
    }
}
