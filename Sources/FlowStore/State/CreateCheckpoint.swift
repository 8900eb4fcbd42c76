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
        let single = Change.SingleStatement(statement: Self.statement, parameters: parameters) {
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
        return try await store.makeCheckpoint(Change(key, store.resources, .statement(single)), for: context)
    }

    /// ON CONFLICT DO NOTHING waits for another session that inserts the same name, and then inserts nothing. FOR KEY SHARE waits for a
    /// session that prunes the version, and then finds none; a later pruning finds the checkpoint.
    static let statement = Statement(
        name: "create_checkpoint",
        sql: """
            WITH target AS (
                SELECT v.version FROM flowstate.flow f
                JOIN LATERAL (SELECT w.version FROM flowstate.flow_version w
                    WHERE w.tenant = $1 AND w.flow_id = $2 AND w.version = coalesce($5, f.version) FOR KEY SHARE) v ON true
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
        return try await store.makeCheckpoint(Change(key, store.resources, .statement(single)), for: context)
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
