import FlowModel
import Postgres

/// Inserts a version of a flow whose latest one cannot be read: it records the error, and copies the bytes of the version before as stored,
/// with their digest, so that damage is still recognised. For error reports, which are recorded whatever the state.
struct DamagedVersionCopy {
    /// Expects the damaged version; its state is ignored.
    let command: SaveCommand

    func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> SavedVersion {
        var parameters = Parameters()
        parameters.append(command.key.tenant)
        parameters.append(command.key.flowID)
        parameters.append(command.precondition.expectedVersion)
        parameters.append(command.status)
        parameters.append(command.kind.rawValue)
        parameters.append(command.actor)
        parameters.append(bytes: command.metadata)
        parameters.append(timestamp: command.overdue?.dueAt.microseconds)
        parameters.append(timestamp: command.overdue?.foundAt.microseconds)
        if let notification = command.notification { parameters.append(notification) }
        if let idempotencyKey = command.idempotencyKey {
            parameters.append(idempotencyKey)
            parameters.append(bytes: command.requestDigest ?? [])
        }
        let (flowID, expected, isOverdue) = (command.key.flowID, command.precondition.expectedVersion, command.overdue != nil)
        let interpreter = ResultInterpreter(
            flowID: flowID, expected: expected, idempotencyKey: command.idempotencyKey, requestDigest: command.requestDigest ?? [],
            needsFlow: true
        ) { flow in
            if let error = ResultInterpreter.commonRefusal(flow, flowID: flowID, expected: expected) { return error }
            if isOverdue, !flow.isBlocked { return .versionConflict(flowID: flowID, expected: expected ?? 0, actual: flow.version) }
            return flow.isBlocked ? .dataLoss(flowID: flowID, version: flow.version, message: "its row is missing") : nil
        }
        let statement = Self.statements[(command.notification == nil ? 0 : 2) + (command.idempotencyKey == nil ? 0 : 1)]
        let single = Change.SingleStatement(statement: statement, parameters: parameters) {
            rows throws(PostgresError) in
            try interpreter.answer(rows)
        }
        return try await store.make(Change(command.key, store.resources, .statement(single)), for: context)
    }

    private static let statements = [false, true].flatMap { notifies in
        [false, true].map { statement(notifies: notifies, idempotent: $0) }
    }

    private static func statement(notifies: Bool, idempotent: Bool) -> Statement {
        var types: [OID] = [.text, .text, .int8, .text, .int2, .text, .bytea, .timestamptz, .timestamptz]
        var change = ChangeSQL(
            lookups: [
                """
                source AS (SELECT v.* FROM \(VersionRow.locked("$3"))),
                base AS (SELECT v.version FROM source s JOIN \(VersionRow.locked("s.base_version")) ON true)
                """
            ],
            head: """
                UPDATE flowstate.flow f SET version = f.version + 1, status = coalesce($4, f.status),
                    updated_at = greatest(statement_timestamp(), f.updated_at),
                    \(DueSQL(phase: "NULL::text", status: "$4", reported: "$9").changes)
                FROM source s WHERE f.tenant = $1 AND f.flow_id = $2 AND f.version = $3 AND f.deleted_at IS NULL
                    AND \(DueSQL.isDue("$8"))
                    AND (s.base_version IS NULL OR EXISTS (SELECT FROM base)) AND \(HeadLock.isHeld)
                    \(ChangeSQL.guardCondition(idempotent: idempotent))
                RETURNING f.version, f.phase, f.status, f.progress, f.updated_at
                """,
            version: """
                INSERT INTO flowstate.flow_version (tenant, flow_id, version, parent_version, size, created_at, progress, kind,
                    codec, digest, actor, content_type, phase, status, metadata, base_version, state)
                SELECT $1, $2, h.version, s.version, s.size, h.updated_at, h.progress, $5, s.codec, s.digest, $6, s.content_type,
                    h.phase, h.status, $7, s.base_version, s.state
                FROM head h, source s
                """,
            digest: "s.digest")
        change.source = "head h, source s"
        change.blocked = "NOT EXISTS (SELECT FROM source)"
        if notifies {
            let insertion = NotificationRow.insertion(first: types.count + 1, version: "h.version", time: "h.updated_at", from: "head h")
            types += NotificationRow.insertedTypes
            change.additions.append("note AS (\(insertion))")
        }
        if idempotent {
            change.keyParameter = types.count + 1
            types += [.text, .bytea]
        }
        let name = "copy_damaged" + (notifies ? "_notify" : "") + (idempotent ? "_idempotent" : "")
        return Statement(name: name, sql: change.text, parameterTypes: types)
    }
}
