import FlowModel
import Postgres

/// Locks the heads of flows in the order in which they are given.
///
/// Transactions that lock the same rows in different orders deadlock. A batch is in the order of its flows' shards, the same on every
/// server, but the statements of a batch are in the order of their kinds. So a batch that changes flows by more than one statement locks
/// all its heads first, and every other row (versions, checkpoints, keys) is locked after the head of its flow. The statements behind it
/// see what was committed before the locks were granted.
///
/// They may see a flow that did not exist when the heads were locked. To wait for it would break the order, so these statements skip flows
/// that are not `isHeld`, and the changes of those are retried.
enum HeadLock {
    static func enqueue(_ keys: [FlowKey], into pipeline: inout Pipeline) {
        pipeline.execute(statement, LoadSQL.parameters(check: keys))
    }

    /// Whether this transaction has locked the head `f`, or written it. It only reads the row, and so never waits.
    static let isHeld = "(f.xmax = pg_current_xact_id()::xid OR f.xmin = pg_current_xact_id()::xid)"

    /// The nested loop takes the elements one after the other. OFFSET 0 keeps the planner from joining in another way (`LoadSQL.heads`).
    /// FOR UPDATE: a weaker lock could share the row with a lock of another transaction, and `isHeld` would not recognise it.
    private static let statement = Statement(
        name: "lock_heads",
        sql: """
            SELECT g.i FROM generate_series(1, $1) g(i) CROSS JOIN LATERAL (
                SELECT FROM flowstate.flow f WHERE f.tenant = ($2)[g.i] AND f.flow_id = ($3)[g.i] OFFSET 0 FOR UPDATE) f
            """,
        parameterTypes: [.int4, .textArray, .textArray])
}
