import FlowModel
import Postgres

extension ForkFlowCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> SavedVersion {
        let requestDigest = requestDigest
        // The source may be gone by the time of a retry.
        if let idempotencyKey,
            let saved = try await RecordedSave.find(idempotencyKey, of: key.tenant, digest: requestDigest, in: store, for: context)
        {
            return saved
        }
        var load = LoadCommand(key: source, selector: selector)
        load.findsParts = true
        let snapshot = try await store.snapshot(load, for: context)
        if snapshot.version.kind == .deleted {
            throw .versionNotFound(flowID: source.flowID, selector: "state in version \(snapshot.version.version), which deleted the flow")
        }
        let definition = try await store.definition(for: snapshot.head, context)?.definition
        var parameters = parameters(snapshot.version.version, definition?.limitTable)
        if !withHistory { try await append(snapshot, to: &parameters, in: store, for: context) }
        if let idempotencyKey {
            parameters.append(idempotencyKey)
            parameters.append(bytes: requestDigest)
        }
        let flowID = key.flowID
        let interpreter = ResultInterpreter(
            flowID: flowID, expected: nil, idempotencyKey: idempotencyKey, requestDigest: requestDigest, needsFlow: false
        ) { flow in .flowAlreadyExists(flowID: flowID, version: flow.version, deleted: flow.isDeleted) }
        let statement = ForkSQL.statement(withHistory: withHistory, idempotent: idempotencyKey != nil)
        var single = Change.SingleStatement(statement: statement, first: statement, parameters: parameters) {
            rows throws(PostgresError) in
            try interpreter.answer(rows)
        }
        single.createsFlow = true
        // A history may be long: other changes do not wait for it.
        single.isLarge = withHistory || snapshot.parts != nil
        return try await store.make(Change(key, store.resources, .statement(single)), for: context)
    }

    private func parameters(_ version: FlowVersion, _ limitTable: String?) -> Parameters {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(source.flowID)
        parameters.append(version)
        parameters.append(actor)
        parameters.append(labels.map(LabelsJSON.encode))
        parameters.append(bytes: metadata.isEmpty ? nil : metadata)
        parameters.append(limitTable)
        return parameters
    }

    /// The state, stored anew: what the source refers to is not there.
    private func append(
        _ snapshot: Snapshot, to parameters: inout Parameters, in store: StateStore, for context: OperationContext
    ) async throws(StateError) {
        if let parts = snapshot.parts {
            parameters.append(bytes: parts.reference)
            parameters.append(StateCodec.parts.rawValue)
            parameters.append(VersionKind.forked.rawValue)
            return
        }
        try context.reserve(2 * snapshot.state.count)
        let zstd = store.resources.zstd
        let stored = try await store.compute([snapshot.state], context) { _ throws(StateError) in
            StateCompression.storeWhole(snapshot.state, zstd)
        }
        parameters.append(bytes: stored.bytes)
        parameters.append(stored.codec.rawValue)
        parameters.append(VersionKind.forked.rawValue)
    }

    private var requestDigest: [UInt8] {
        var content = RequestContent(operation: "fork")
        content.append(source.flowID)
        content.append(hasGeneratedFlowID ? nil : key.flowID)
        switch selector {
        case .version(let version): content.append(version)
        case .checkpoint(let name): content.append("checkpoint \(name)")
        case .label(let label): content.append("version_label \(label)")
        case .greatestLabel: content.append("greatest_version_label")
        case .latest, .time: content.append(nil as String?)
        }
        content.append(withHistory ? 1 : 0)
        content.append(labels.map(LabelsJSON.encode))
        content.append(metadata)
        return content.digest
    }
}

/// Makes a flow (`$1` tenant, `$2` id) from the version `$4` of the flow `$3`. `$5` actor, `$6` labels or NULL, `$7` metadata or NULL, `$8`
/// `FlowDefinition.limitTable` or NULL.
enum ForkSQL {
    static func statement(withHistory: Bool, idempotent: Bool) -> Statement {
        statements[(withHistory ? 2 : 0) + (idempotent ? 1 : 0)]
    }

    private static let statements = [false, true].flatMap { history in
        [false, true].map { make(withHistory: history, idempotent: $0) }
    }

    private static let source = """
        source AS (
            SELECT f.flow_type, f.labels, f.definition_revision, f.base_floor, f.first_version,
                f.created_at AS flow_created_at, v.* FROM flowstate.flow f
            JOIN LATERAL (SELECT * FROM flowstate.flow_version w WHERE w.tenant = $1 AND w.flow_id = $3 AND w.version = $4 OFFSET 0) v ON true
            WHERE f.tenant = $1 AND f.flow_id = $3)
        """

    private static func make(withHistory: Bool, idempotent: Bool) -> Statement {
        var types: [OID] = [.text, .text, .text, .int8, .text, .text, .bytea, .text]
        // `$9` the state, `$10` its codec, `$11` the version's kind.
        if !withHistory { types += [.bytea, .int2, .int2] }
        let time = withHistory ? "s.created_at" : "statement_timestamp()"
        var due = DueSQL.looking(up: "$8", phase: "s.phase", status: "s.status")
        due.time = "statement_timestamp()"
        var change = ChangeSQL(
            lookups: [source],
            head: """
                INSERT INTO flowstate.flow AS f (tenant, flow_id, version, flow_type, phase, status, progress, labels, created_at, updated_at,
                    definition_revision, base_floor, checkpoint_epoch, first_version, \(DueSQL.columns.joined(separator: ", ")))
                SELECT $1, $2, \(withHistory ? "s.version" : "1"), s.flow_type, s.phase, s.status, s.progress,
                    coalesce($6::jsonb, s.labels), \(withHistory ? "s.flow_created_at" : time), \(time), s.definition_revision,
                    \(withHistory ? "least(s.base_floor, s.version)" : "0"), \(withHistory ? "1" : "0"),
                    \(withHistory ? Self.firstVersion : "1"), \(DueSQL.columns.map(due.created).joined(separator: ", "))
                FROM source s WHERE true \(ChangeSQL.guardCondition(idempotent: idempotent))
                ON CONFLICT (tenant, flow_id) DO NOTHING
                RETURNING f.version, statement_timestamp() AS updated_at
                """,
            version: withHistory ? history : first, digest: "s.digest")
        change.restoredVersion = "s.version"
        change.source = "head h, source s"
        if withHistory { change.additions = [checkpoints, writes] }
        change.additions += parts(withHistory: withHistory)
        change.additions.append(events)
        if idempotent {
            change.keyParameter = types.count + 1
            types += [.text, .bytea]
        }
        let name = "fork_flow" + (withHistory ? "_with_history" : "") + (idempotent ? "_idempotent" : "")
        return Statement(name: name, sql: change.text, parameterTypes: types)
    }

    /// The beginning of the life that the source is of.
    private static let firstVersion = """
        CASE WHEN s.version >= s.first_version THEN s.first_version ELSE coalesce((
            SELECT max(w.version) FROM flowstate.flow_version w
            WHERE w.tenant = $1 AND w.flow_id = $3 AND w.version <= $4 AND w.kind = \(VersionKind.created.rawValue)), 1) END
        """

    private static let first = """
        INSERT INTO flowstate.flow_version (tenant, flow_id, version, size, created_at, progress, kind, codec, digest, actor, content_type,
            phase, status, metadata, state)
        SELECT $1, $2, 1, s.size, h.updated_at, s.progress, $11, $10, s.digest, $5, s.content_type, s.phase, s.status, $7, $9
        FROM head h, source s
        """

    /// As stored: patches keep their bases, which are copied as well. All are read in one snapshot.
    private static let history = """
        INSERT INTO flowstate.flow_version (tenant, flow_id, version, parent_version, size, created_at, progress, kind, codec, digest, actor,
            content_type, phase, status, version_label, metadata, state, base_version, parent_label, tags, removed_at)
        SELECT $1, $2, w.version, w.parent_version, w.size, w.created_at, w.progress, w.kind, w.codec, w.digest, w.actor,
            w.content_type, w.phase, w.status, w.version_label, CASE w.version WHEN $4 THEN coalesce($7, w.metadata) ELSE w.metadata END,
            w.state, w.base_version, w.parent_label, w.tags, w.removed_at
        FROM head h JOIN flowstate.flow_version w ON w.tenant = $1 AND w.flow_id = $3 AND w.version <= $4
        """

    private static let checkpoints = """
        points AS (
            INSERT INTO flowstate.checkpoint (tenant, flow_id, checkpoint_id, name, version, description, actor, created_at)
            SELECT $1, $2, gen_random_uuid()::text, c.name, c.version, c.description, c.actor, c.created_at
            FROM head h JOIN flowstate.checkpoint c ON c.tenant = $1 AND c.flow_id = $3 AND c.version <= $4
            ORDER BY \(InsertionOrder.columns("c", id: "checkpoint_id")))
        """

    private static let writes = """
        writes AS (
            INSERT INTO flowstate.flow_write (tenant, flow_id, version_label, path, task_id, write_index, channel, type, value, actor,
                created_at, is_early)
            SELECT $1, $2, w.version_label, w.path, w.task_id, w.write_index, w.channel, w.type, w.value, w.actor, w.created_at, false
            FROM head h JOIN flowstate.flow_write w ON w.tenant = $1 AND w.flow_id = $3
            WHERE EXISTS (
                SELECT FROM flowstate.flow_version v
                WHERE v.tenant = $1 AND v.flow_id = $3 AND v.version_label = w.version_label AND v.version <= $4))
        """

    /// The parts in which states are stored belong to their flow.
    private static func parts(withHistory: Bool) -> [String] {
        let references =
            withHistory
            ? """
            (SELECT w.state FROM flowstate.flow_version w
                WHERE w.tenant = $1 AND w.flow_id = $3 AND w.version <= $4 AND w.codec = \(StateCodec.parts.rawValue))
            """ : "(SELECT $9 WHERE $10 = \(StateCodec.parts.rawValue))"
        return [
            """
            uploads AS (
                INSERT INTO flowstate.state_upload (tenant, flow_id, reference, owner, received, stored, saved_version)
                SELECT $1, $2, u.reference, 0, u.received, u.stored, \(withHistory ? "u.saved_version" : "h.version")
                FROM head h JOIN flowstate.state_upload u ON u.tenant = $1 AND u.flow_id = $3 AND u.reference IN \(references))
            """,
            """
            parts AS (
                INSERT INTO flowstate.state_part (tenant, flow_id, reference, part, codec, size, digest, bytes)
                SELECT $1, $2, p.reference, p.part, p.codec, p.size, p.digest, p.bytes
                FROM head h JOIN flowstate.state_part p ON p.tenant = $1 AND p.flow_id = $3 AND p.reference IN \(references))
            """,
        ]
    }

    /// In the history of both flows.
    private static let events = """
        audit AS (
            INSERT INTO flowstate.flow_event (tenant, flow_id, kind, version, actor, detail, created_at)
            SELECT $1, e.flow_id, e.kind, e.version, $5, jsonb_build_object('flow_id', e.other, 'version', $4), h.updated_at
            FROM head h CROSS JOIN LATERAL (
                VALUES ($2, 'forked_from', h.version, $3), ($3, 'forked', $4, $2)) e(flow_id, kind, version, other))
        """
}
