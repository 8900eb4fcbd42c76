import FlowModel
import Postgres

/// Locks the heads of flows in the order in which they are given.
///
/// PostgreSQL finds a deadlock when two transactions lock the same rows in different orders. A batch is in the order of its flows' shards,
/// the same on every server, but the statements of a batch are in the order of their kinds. So a batch that takes more than one statement
/// locks all its heads first, and whatever else is locked (versions, checkpoints, keys) is locked behind the head of its flow. The lock is
/// the one that an UPDATE of the head takes; the statements behind it see what was committed before it was granted.
enum HeadLock {
    static func enqueue(_ keys: [FlowKey], into pipeline: inout Pipeline) {
        pipeline.execute(statement, LoadSQL.parameters(check: keys))
    }

    /// The nested loop takes the elements one after the other. OFFSET 0 keeps the planner from joining in another way (`LoadSQL.heads`).
    private static let statement = Statement(
        name: "lock_heads",
        sql: """
            SELECT g.i FROM generate_series(1, $1) g(i) CROSS JOIN LATERAL (
                SELECT FROM flowstate.flow f WHERE f.tenant = ($2)[g.i] AND f.flow_id = ($3)[g.i] OFFSET 0 FOR NO KEY UPDATE) f
            """,
        parameterTypes: [.int4, .textArray, .textArray])
}
