import FlowModel
import Postgres

/// The statements of a save: four ways to write the head, with or without idempotency key and checkpoint, and a short one.
struct SaveSQL {
    enum Head: Int, CaseIterable {
        /// The flow must not exist.
        case create
        /// The flow must exist.
        case update
        /// The flow must exist, and its head be locked (`HeadLock`).
        case updateHeld
        /// Whether the flow exists or not. It may wait for a transaction that creates the flow and for one that changes it, so it runs
        /// alone.
        case append
    }

    /// By `index(head:idempotent:checkpoint:)`.
    private static let statements: [Statement] = Head.allCases.flatMap { head in
        [false, true].flatMap { idempotent in
            [false, true].map { checkpoint in make(head, idempotent: idempotent, checkpoint: checkpoint) }
        }
    }

    /// With a version to quarantine, or a notification: such saves expect a version, and make no checkpoint.
    private static let noting = [Head.update, .updateHeld].flatMap { head in
        [false, true].flatMap { quarantines in
            [false, true].flatMap { notifies in
                [false, true].map { make(head, idempotent: $0, checkpoint: false, quarantines: quarantines, notifies: notifies) }
            }
        }
    }

    static func noting(held: Bool, idempotent: Bool, quarantines: Bool, notifies: Bool) -> Statement {
        noting[(held ? 8 : 0) + (quarantines ? 4 : 0) + (notifies ? 2 : 0) + (idempotent ? 1 : 0)]
    }

    static func statement(_ head: Head, idempotent: Bool, checkpoint: Bool) -> Statement {
        statements[head.rawValue * 4 + (idempotent ? 2 : 0) + (checkpoint ? 1 : 0)]
    }

    /// Writes the next version, or writes nothing and returns no row, in seven eighths of the time of the statement that can tell why. For
    /// a save with neither idempotency key nor checkpoint whose flow probably exists.
    static let short = Statement(
        name: "save_short",
        sql: """
            WITH head AS (UPDATE flowstate.flow f \(update(0) + updateCondition + returning))
            \(version)
            RETURNING \(ChangeSQL.written)::smallint, version, created_at, NULL::boolean, NULL::text, NULL::boolean, NULL::text,
                NULL::bytea, digest, NULL::text, NULL::bigint
            """,
        parameterTypes: types)

    /// `$1`…`$22`, then the idempotency key and the request's digest, then the checkpoint's id, name, description and distance.
    private static let types: [OID] = [
        .text, .text, .int8,  // tenant, flow_id, expected version
        .text, .text, .text, .float8, .text,  // flow_type, phase, status, progress, labels (NULL keeps them)
        .int2, .text, .text,  // kind, actor, content_type
        .bytea, .int8, .bytea, .int2,  // state, size, digest, codec
        .int8, .text, .bytea,  // parent_version, version_label, metadata
        .int8,  // base_version
        .text, .int8,  // label changes (NULL: none), definition_revision of a flow that is made or moved
        .int4,  // how many labels a flow may have (NULL: there are no label changes)
    ]

    private static func make(
        _ head: Head, idempotent: Bool, checkpoint: Bool, quarantines: Bool = false, notifies: Bool = false
    ) -> Statement {
        var types = types
        var change = ChangeSQL(head: "", version: version, digest: "$14::bytea")
        change.labels = labels
        var condition = ChangeSQL.guardCondition(idempotent: idempotent)
        if idempotent {
            change.keyParameter = types.count + 1
            types += [.text, .bytea]
        }
        if checkpoint {
            let id = types.count + 1
            types += [.text, .text, .text, .int8]
            change.lookups.append(
                "taken AS (SELECT FROM flowstate.checkpoint WHERE tenant = $1 AND flow_id = $2 AND name = $\(id + 1))")
            condition += " AND NOT EXISTS (SELECT FROM taken)"
            change.blocked = "EXISTS (SELECT FROM taken)"
            change.checkpointID = "$\(id)::text"
            change.additions.append(
                """
                point AS (INSERT INTO flowstate.checkpoint
                    (tenant, flow_id, checkpoint_id, name, version, description, actor, created_at)
                    SELECT $1, $2, $\(id), $\(id + 1), h.version - $\(id + 3), $\(id + 2), $10, h.updated_at FROM head h)
                """)
        }
        if quarantines {
            let id = types.count + 1
            types += [.text, .text, .bytea]
            change.additions.append(
                """
                quarantine AS (INSERT INTO flowstate.quarantine (tenant, flow_id, quarantine_id, version, reason, violations, created_at)
                    SELECT $1, $2, $\(id), h.version - 1, $\(id + 1), $\(id + 2), h.updated_at FROM head h)
                """)
        }
        if notifies {
            let insertion = NotificationRow.insertion(first: types.count + 1, version: "h.version", time: "h.updated_at", from: "head h")
            types += NotificationRow.insertedTypes
            change.additions.append("note AS (\(insertion))")
        }
        let epoch = checkpoint ? 1 : 0
        switch head {
        case .create: change.head = create(epoch) + condition + " ON CONFLICT (tenant, flow_id) DO NOTHING" + returning
        case .update, .updateHeld:
            if head == .updateHeld { condition += " AND " + HeadLock.isHeld }
            change.head = "UPDATE flowstate.flow f " + update(epoch) + updateCondition + condition + returning
        case .append:
            change.head =
                create(epoch) + hasBase + condition + " ON CONFLICT (tenant, flow_id) DO UPDATE " + update(epoch) + " WHERE " + changeable
                + returning
        }
        let name =
            (quarantines ? "quarantine_and_" : "") + (notifies ? "notify_and_" : "") + "save_\(head)" + (idempotent ? "_idempotent" : "")
            + (checkpoint ? "_checkpoint" : "")
        return Statement(name: name, sql: change.text, parameterTypes: types)
    }

    /// - Parameter epoch: what the save adds to `checkpoint_epoch`.
    private static func create(_ epoch: Int) -> String {
        """
        INSERT INTO flowstate.flow AS f
            (tenant, flow_id, version, flow_type, phase, status, progress, labels, created_at, updated_at, checkpoint_epoch,
            definition_revision)
        SELECT $1, $2, 1, coalesce($4, ''), coalesce($5, ''), coalesce($6, ''), $7,
            coalesce($8::jsonb, jsonb_strip_nulls($20::jsonb), '{}'), statement_timestamp(), statement_timestamp(), \(epoch), $21
        WHERE true
        """ + " "
    }

    /// A version is never older than the one before, whatever the clock does.
    private static func update(_ epoch: Int) -> String {
        """
        SET version = f.version + 1, phase = coalesce($5, f.phase), status = coalesce($6, f.status),
            progress = coalesce($7, f.progress),
            labels = coalesce($8::jsonb, \(labels.merged), f.labels),
            definition_revision = CASE WHEN $9 = \(VersionKind.definitionMoved.rawValue) THEN $21 ELSE f.definition_revision END,
            updated_at = greatest(statement_timestamp(), f.updated_at), checkpoint_epoch = f.checkpoint_epoch + \(epoch)
        """
    }

    private static let labels = LabelSQL(labels: "f.labels", changes: "$20", limit: "$22")

    /// A base must exist: it may have been pruned, or never have been in this database. From the floor on, every version exists.
    private static let changeable = """
        f.deleted_at IS NULL AND ($4 IS NULL OR f.flow_type = $4) AND ($19 IS NULL OR $19 BETWEEN f.base_floor AND f.version)
            AND \(labels.fits)
        """

    /// A flow that does not exist has no base for its first version, whatever this server has cached.
    private static let hasBase = """
        AND ($19 IS NULL OR EXISTS (SELECT FROM flowstate.flow g WHERE g.tenant = $1 AND g.flow_id = $2))
        """ + " "

    private static let updateCondition = """
         WHERE f.tenant = $1 AND f.flow_id = $2 AND ($3 IS NULL OR f.version = $3) AND ($16 IS NULL OR f.version >= $16)
            AND \(changeable)
        """ + " "

    private static let returning = " RETURNING f.version, f.phase, f.status, f.progress, f.updated_at"

    /// The first version of a flow is always of the kind "created".
    private static let version = """
        INSERT INTO flowstate.flow_version (tenant, flow_id, version, parent_version, size, created_at, progress, kind, codec,
            digest, actor, content_type, phase, status, version_label, metadata, base_version, state)
        SELECT $1, $2, h.version, coalesce($16, nullif(h.version - 1, 0)), $13, h.updated_at, h.progress,
            CASE WHEN h.version = 1 THEN 1::smallint ELSE $9 END, $15, $14, $10, $11, h.phase, h.status, $17, $18, $19, $12
        FROM head h
        """
}
