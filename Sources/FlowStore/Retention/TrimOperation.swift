import FlowModel
import Postgres

/// Removes what pins versions of a flow, in one transaction: all but the newest checkpoints and archives, and perhaps its events and notifications.
struct TrimOperation: SingleOperation {
    struct Outcome: Sendable, Equatable {
        var checkpoints: Int64 = 0
        var archives: Int64 = 0
        var events: Int64 = 0
    }

    let key: FlowKey
    let actor: String
    /// So many stay; nil: all.
    let checkpoints: Int64?
    let archives: Int64?
    let removesEvents: Bool

    var cost: Int { 256 }
    var company: Company { .nobody }
    var lockOrder: UInt64? { Digest.shard(of: key) }

    func enqueue(into pipeline: inout Pipeline) {
        // Before the others write theirs.
        if removesEvents {
            var parameters = Parameters()
            parameters.append(key.tenant)
            parameters.append(key.flowID)
            pipeline.execute(CleanupSQL.removeEvents, parameters)
            pipeline.execute(CleanupSQL.removeNotifications, parameters)
        }
        if let checkpoints { pipeline.execute(CleanupSQL.trimCheckpoints, parameters(keeping: checkpoints)) }
        if let archives { pipeline.execute(CleanupSQL.trimArchives, parameters(keeping: archives)) }
    }

    private func parameters(keeping count: Int64) -> Parameters {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(count)
        parameters.append(actor)
        return parameters
    }

    func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<TrimOperation> {
        var outcome = Outcome()
        var next = results.makeIterator()
        func count() throws(PostgresError) -> Int64 {
            guard let rows = next.next() else { throw .protocolViolation("\(results.count) results for what was to be removed") }
            return try rows.int64(0, 0)
        }
        if removesEvents {
            outcome.events = try count()
            _ = next.next()
        }
        if checkpoints != nil { outcome.checkpoints = try count() }
        if archives != nil { outcome.archives = try count() }
        return .finished(outcome)
    }
}
