import FlowModel
import Postgres

/// Removes, in one transaction, a portion of a flow's rows beside its versions: all but the newest checkpoints and quarantined states,
/// which pin versions, and of a deleted flow its events and notifications.
struct TrimOperation: SingleOperation {
    /// Rows removed, or, as a limit, the most rows to remove.
    struct Outcome: Sendable, Equatable {
        var checkpoints: Int64 = 0
        var quarantined: Int64 = 0
        var events: Int64 = 0
        /// Not counted by any clean-up.
        var notifications: Int64 = 0

        var isEmpty: Bool { self == Outcome() }
    }

    let key: FlowKey
    let actor: String
    /// How many are retained.
    let checkpointsKept: Int64
    let quarantinedKept: Int64
    let limit: Outcome

    var cost: Int { 256 }
    var affinity: BatchAffinity { .exclusive }

    func enqueue(into pipeline: inout Pipeline) {
        pipeline.execute(CleanupSQL.lockHead, parameters())
        // Before the others insert theirs.
        for (statement, limit) in [(CleanupSQL.removeEvents, limit.events), (CleanupSQL.removeNotifications, limit.notifications)] {
            var parameters = parameters()
            parameters.append(limit)
            pipeline.execute(statement, parameters)
        }
        for (statement, kept, limit) in [
            (CleanupSQL.trimCheckpoints, checkpointsKept, limit.checkpoints),
            (CleanupSQL.trimQuarantined, quarantinedKept, limit.quarantined),
        ] {
            var parameters = parameters()
            parameters.append(kept)
            parameters.append(actor)
            parameters.append(limit)
            pipeline.execute(statement, parameters)
        }
    }

    private func parameters() -> Parameters {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        return parameters
    }

    func decode(_ results: [ResultRows]) throws(PostgresError) -> Step<TrimOperation> {
        guard results.count == 5 else { throw .protocolViolation("\(results.count) results for 5 statements") }
        return .finished(
            Outcome(
                checkpoints: try results[3].int64(0, 0), quarantined: try results[4].int64(0, 0), events: try results[1].int64(0, 0),
                notifications: try results[2].int64(0, 0)))
    }
}
