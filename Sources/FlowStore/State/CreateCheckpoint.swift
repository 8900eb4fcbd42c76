import FlowModel
import Postgres

extension CreateCheckpointCommand: TaskCommand {
    package func answerBytes(limits: Limits) -> Int { CheckpointRow.largestBytes(limits) }

    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> CheckpointRecord {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(checkpoint.id)
        parameters.append(checkpoint.name)
        parameters.append(version)
        parameters.append(checkpoint.description)
        parameters.append(actor)
        let (flowID, name, version) = (key.flowID, checkpoint.name, version)
        let single = Change.SingleStatement(statement: Self.statement, parameters: parameters, checkpoint: self) {
            rows throws(PostgresError) in
            guard rows.count == 1 else { return .refused(.flowNotFound(flowID: flowID, deleted: false)) }
            if let record = try CheckpointRow.record(rows, 0) { return .done(.checkpoint(record)) }
            if try rows.bool(0, 6) { return .refused(.flowNotFound(flowID: flowID, deleted: true)) }
            // The flow was created after the heads were locked.
            guard try rows.bool(0, 8) else { return .retry }
            guard try rows.bool(0, 7) else {
                return .refused(.versionNotFound(flowID: flowID, selector: version.map { "version \($0)" } ?? "newest version"))
            }
            // The id was generated for this call: only the name can be taken.
            return .refused(.checkpointAlreadyExists(flowID: flowID, checkpoint: name ?? ""))
        }
        return try await store.make(Change(key, store.resources, .statement(single)), for: context) { $0.checkpoint }
    }

    /// ON CONFLICT DO NOTHING waits for another session that inserts the same name, and then inserts nothing. FOR KEY SHARE waits for a
    /// session that prunes the version, and then finds none; a later pruning finds the checkpoint.
    static let statement = Statement(
        name: "create_checkpoint",
        sql: """
            WITH target AS (
                SELECT v.version FROM flowstate.flow f
                JOIN LATERAL (SELECT w.version FROM flowstate.flow_version w
                    WHERE w.tenant = $1 AND w.flow_id = $2 AND w.version = coalesce($5, f.version)
                        AND w.removed_at IS NULL FOR KEY SHARE) v ON true
                WHERE f.tenant = $1 AND f.flow_id = $2 AND f.deleted_at IS NULL AND \(HeadLock.isHeld)),
            made AS (
                INSERT INTO flowstate.checkpoint
                    (tenant, flow_id, checkpoint_id, name, version, description, actor, created_at)
                SELECT $1, $2, $3, $4, t.version, $6, $7, statement_timestamp() FROM target t
                ON CONFLICT (tenant, flow_id, name) WHERE name IS NOT NULL DO NOTHING
                RETURNING *),
            head AS (\(FlowRow.nextCheckpointEpoch("made"))),
            audit AS (
                INSERT INTO flowstate.flow_event (tenant, flow_id, kind, version, actor, detail, created_at)
                SELECT $1, $2, 'checkpoint_created', c.version, $7,
                    jsonb_build_object('checkpoint_id', c.checkpoint_id, 'name', c.name), c.created_at FROM made c)
            SELECT \(CheckpointRow.columns), f.deleted_at IS NOT NULL, EXISTS (SELECT FROM target), \(HeadLock.isHeld)
            FROM flowstate.flow f LEFT JOIN made c ON true WHERE f.tenant = $1 AND f.flow_id = $2
            """,
        parameterTypes: [.text, .text, .text, .text, .int8, .text, .text])
}

/// The statement that creates checkpoints of many flows, one each: `CreateCheckpointCommand.statement` with arrays. A checkpoint that it does
/// not create, for whatever reason, has no row in its result. The rows are told apart by the ids of the checkpoints, which the server makes.
enum CheckpointGroupSQL {
    static func parameters(_ commands: [CreateCheckpointCommand]) -> Parameters {
        var parameters = Parameters()
        let count = commands.count
        parameters.append(Int32(clamping: count))
        parameters.append(texts: count) { commands[$0].key.tenant }
        parameters.append(texts: count) { commands[$0].key.flowID }
        parameters.append(texts: count) { commands[$0].checkpoint.id }
        parameters.append(texts: count) { commands[$0].checkpoint.name }
        parameters.append(bigints: count) { commands[$0].version }
        parameters.append(texts: count) { commands[$0].checkpoint.description }
        parameters.append(texts: count) { commands[$0].actor }
        return parameters
    }

    /// The heads are locked before, in the order of the batch (`HeadLock`). OFFSET 0 and ANY: as in `SaveGroupSQL`, keys are looked up one
    /// after the other.
    static let statement = Statement(
        name: "create_checkpoints",
        sql: """
            WITH target AS (
                SELECT g.i, v.version FROM generate_series(1, $1) g(i)
                CROSS JOIN LATERAL (SELECT f.version FROM flowstate.flow f
                    WHERE f.tenant = ($2)[g.i] AND f.flow_id = ($3)[g.i] AND f.deleted_at IS NULL AND \(HeadLock.isHeld) OFFSET 0) h
                CROSS JOIN LATERAL (SELECT w.version FROM flowstate.flow_version w
                    WHERE w.tenant = ($2)[g.i] AND w.flow_id = ($3)[g.i] AND w.version = coalesce(($6)[g.i], h.version)
                    AND w.removed_at IS NULL OFFSET 0 FOR KEY SHARE) v),
            made AS (
                INSERT INTO flowstate.checkpoint
                    (tenant, flow_id, checkpoint_id, name, version, description, actor, created_at)
                SELECT ($2)[t.i], ($3)[t.i], ($4)[t.i], ($5)[t.i], t.version, ($7)[t.i], ($8)[t.i], statement_timestamp() FROM target t
                ON CONFLICT (tenant, flow_id, name) WHERE name IS NOT NULL DO NOTHING
                RETURNING *),
            head AS (
                UPDATE flowstate.flow f SET checkpoint_epoch = f.checkpoint_epoch + 1 FROM made c
                WHERE f.tenant = ANY (ARRAY[c.tenant]) AND f.flow_id = c.flow_id),
            audit AS (
                INSERT INTO flowstate.flow_event (tenant, flow_id, kind, version, actor, detail, created_at)
                SELECT c.tenant, c.flow_id, 'checkpoint_created', c.version, c.actor,
                    jsonb_build_object('checkpoint_id', c.checkpoint_id, 'name', c.name), c.created_at FROM made c)
            SELECT array_position($4, c.checkpoint_id), \(CheckpointRow.columns) FROM made c
            """,
        parameterTypes: [.int4, .textArray, .textArray, .textArray, .textArray, .int8Array, .textArray, .textArray])
}

extension DeleteCheckpointCommand: TaskCommand {
    package func answerBytes(limits: Limits) -> Int { CheckpointRow.largestBytes(limits) }

    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> CheckpointRecord {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(checkpoint)
        parameters.append(actor)
        let (flowID, checkpoint) = (key.flowID, checkpoint)
        let single = Change.SingleStatement(statement: Self.statement, parameters: parameters) {
            rows throws(PostgresError) in
            guard rows.count == 1 else { return .refused(.flowNotFound(flowID: flowID, deleted: false)) }
            if let record = try CheckpointRow.record(rows, 0) { return .done(.checkpoint(record)) }
            if try rows.bool(0, 6) { return .refused(.flowNotFound(flowID: flowID, deleted: true)) }
            guard try rows.bool(0, 7) else { return .retry }
            return .refused(.checkpointNotFound(flowID: flowID, checkpoint: checkpoint))
        }
        return try await store.make(Change(key, store.resources, .statement(single)), for: context) { $0.checkpoint }
    }

    /// The checkpoints of a deleted flow stay: with its versions they are its audit trail.
    private static let statement = Statement(
        name: "delete_checkpoint",
        sql: """
            WITH victim AS (\(CheckpointRow.named("$3"))),
            gone AS (
                DELETE FROM flowstate.checkpoint c USING victim x
                WHERE c.tenant = $1 AND c.flow_id = $2 AND c.checkpoint_id = x.checkpoint_id
                    AND EXISTS (SELECT FROM flowstate.flow f
                        WHERE f.tenant = $1 AND f.flow_id = $2 AND f.deleted_at IS NULL AND \(HeadLock.isHeld))
                RETURNING c.*),
            head AS (\(FlowRow.nextCheckpointEpoch("gone"))),
            audit AS (
                INSERT INTO flowstate.flow_event (tenant, flow_id, kind, version, actor, detail, created_at)
                SELECT $1, $2, 'checkpoint_deleted', c.version, $4,
                    jsonb_build_object('checkpoint_id', c.checkpoint_id, 'name', c.name), statement_timestamp() FROM gone c)
            SELECT \(CheckpointRow.columns), f.deleted_at IS NOT NULL, \(HeadLock.isHeld)
            FROM flowstate.flow f LEFT JOIN gone c ON true WHERE f.tenant = $1 AND f.flow_id = $2
            """,
        parameterTypes: [.text, .text, .text, .text])
}
