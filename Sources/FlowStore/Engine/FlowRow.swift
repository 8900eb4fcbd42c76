import FlowModel
import Postgres

/// The columns of a head, in the order in which `FlowRow.head` reads them.
enum FlowRow {
    static let headColumns = """
        f.version, f.flow_type, f.phase, f.status, f.progress, f.labels::text, f.created_at, f.updated_at, f.deleted_at, \
        f.definition_revision, f.expires_at, f.phase_due_at, f.status_due_at
        """
    static let headColumnCount = 13
    /// Bytes of a head in a list.
    static let listedBytes = PageSQL.octets("f.flow_id", "f.flow_type", "f.phase", "f.status", "f.labels::text")

    /// The most bytes that a head may take.
    static func largestBytes(_ limits: Limits) -> Int {
        limits.labels * (2 * limits.labelBytes + 8) + 4 * limits.idBytes + PageSQL.rowBytes
    }

    /// - Parameter first: the column of the head's version.
    static func head(_ rows: ResultRows, _ row: Int, from first: Int = 0, key: FlowKey) throws(PostgresError) -> FlowHead {
        let labels = try rows.text(row, first + 5)
        guard let labels = LabelsJSON.decode(labels) else { throw .protocolViolation("labels are \(labels)") }
        return FlowHead(
            key: key,
            flowType: try rows.text(row, first + 1),
            version: try rows.int64(row, first),
            phase: try rows.text(row, first + 2),
            status: try rows.text(row, first + 3),
            progress: try rows.doubleIfPresent(row, first + 4),
            labels: labels,
            createdAt: Timestamp(microseconds: try rows.timestamp(row, first + 6)),
            updatedAt: Timestamp(microseconds: try rows.timestamp(row, first + 7)),
            deletedAt: try rows.timestampIfPresent(row, first + 8).map { Timestamp(microseconds: $0) },
            definitionRevision: try rows.int64IfPresent(row, first + 9),
            expiresAt: try rows.timestampIfPresent(row, first + 10).map { Timestamp(microseconds: $0) },
            phaseDueAt: try rows.timestampIfPresent(row, first + 11).map { Timestamp(microseconds: $0) },
            statusDueAt: try rows.timestampIfPresent(row, first + 12).map { Timestamp(microseconds: $0) })
    }

    /// Invalidates the flow's checkpoints in the caches of all servers. `cause`: has a row if they have changed.
    static func nextCheckpointEpoch(_ cause: String) -> String {
        """
        UPDATE flowstate.flow f SET checkpoint_epoch = f.checkpoint_epoch + 1
        WHERE f.tenant = $1 AND f.flow_id = $2 AND EXISTS (SELECT FROM \(cause))
        """
    }
}

/// The columns of a version without its state, in the order in which `VersionRow.record` reads them.
enum VersionRow {
    /// For rows of `selected`.
    static let columns = own + ", v.checkpoints, " + rest
    /// For rows joined with the head `f`, which knows whether there ever was a checkpoint.
    static let loadedColumns = own + ", CASE f.checkpoint_epoch WHEN 0 THEN '{}' ELSE \(checkpoints) END, " + rest
    private static let rest = "v.parent_label, v.tags::text, v.removed_at IS NOT NULL"
    static let columnCount = 17
    /// Placeholders for rows of a union that are not versions.
    static let nulls = """
        NULL::bigint, NULL::bigint, NULL::smallint, NULL::text, NULL::text, NULL::bigint, NULL::bytea, NULL::text, NULL::text, \
        NULL::double precision, NULL::text, NULL::bytea, NULL::timestamptz, NULL::text[], NULL::text, NULL::text, NULL::boolean
        """

    private static let own = """
        v.version, v.parent_version, v.kind, v.actor, v.content_type, v.size, v.digest, v.phase, v.status, v.progress, \
        v.version_label, v.metadata, v.created_at
        """
    private static let checkpoints = """
        ARRAY(SELECT coalesce(p.name, p.checkpoint_id) FROM flowstate.checkpoint p \
        WHERE p.tenant = v.tenant AND p.flow_id = v.flow_id AND p.version = v.version ORDER BY 1)
        """

    /// Bytes that the state of the version `v` takes, in its row or in parts: those that versions share count for each.
    static func storedBytes(_ v: String) -> String {
        """
        CASE WHEN \(v).codec = \(StateCodec.parts.rawValue) THEN (
            SELECT u.stored FROM flowstate.state_upload u
            WHERE u.tenant = \(v).tenant AND u.flow_id = \(v).flow_id AND u.reference = \(v).state)
        ELSE octet_length(\(v).state) END
        """
    }

    /// One version of the flow (`$1`, `$2`) as `v`, for a join; it cannot be pruned until the commit. (The planner does not pull up a query
    /// that locks. In one that it pulls up it may use two columns of the key instead of three while tables were never analysed.)
    static func locked(_ number: String) -> String {
        """
        LATERAL (SELECT * FROM flowstate.flow_version w WHERE w.tenant = $1 AND w.flow_id = $2 AND w.version = \(number)
            FOR KEY SHARE) v
        """
    }

    /// The row of one version of the flow (`$1`, `$2`), with what `columns` needs, as `v`.
    static func one(_ number: String) -> String {
        """
        SELECT \(own), \(checkpoints) AS checkpoints, v.parent_label, v.tags, v.removed_at FROM flowstate.flow_version v
        WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version = \(number) OFFSET 0
        """
    }

    /// The rows of versions that match `condition` (over `v`), in their order, as many as fit into a page (`PageSQL.fitting`).
    ///
    /// - Parameters:
    ///   - limit: the parameter with the number of versions, at most.
    ///   - bytes: the parameter with the bytes of the page.
    static func selected(where condition: String, order: String, limit: String, bytes: String) -> String {
        fitting(rows(where: condition, order: order, limit: limit), order: order, bytes: bytes)
    }

    /// The same, however many bytes they take.
    static func rows(where condition: String, order: String, limit: String) -> String {
        """
        SELECT \(own), \(checkpoints) AS checkpoints, v.parent_label, v.tags, v.removed_at, v.flow_id FROM flowstate.flow_version v
        WHERE \(condition) ORDER BY \(order) LIMIT \(limit)
        """
    }

    /// Those of `rows` that fit into a page.
    static func fitting(_ rows: String, order: String, bytes: String) -> String {
        PageSQL.fitting(
            rows, as: "v", order: order,
            size: PageSQL.octets(
                "v.actor", "v.content_type", "v.phase", "v.status", "v.version_label", "v.metadata", "v.parent_label", "v.tags::text")
                + " + pg_column_size(v.checkpoints)",
            bytes: bytes)
    }

    /// The most bytes that a version may take in a list, without the names of its checkpoints.
    static func largestBytes(_ limits: Limits) -> Int {
        limits.metadataBytes + limits.errorDetailsBytes + limits.descriptionBytes + 7 * limits.idBytes
            + limits.versionTags * (2 * limits.labelBytes + 8) + PageSQL.rowBytes
    }

    private static func tags(_ rows: ResultRows, _ row: Int, _ column: Int) throws(PostgresError) -> Labels {
        guard let text = try rows.textIfPresent(row, column) else { return .none }
        guard let tags = LabelsJSON.decode(text) else { throw .protocolViolation("tags are \(text)") }
        return tags
    }

    /// - Parameter first: the column of the version's number.
    /// - Returns: nil when that column is NULL: the outer join found no version.
    static func record(_ rows: ResultRows, _ row: Int, from first: Int = 0) throws(PostgresError) -> VersionRecord? {
        guard let version = try rows.int64IfPresent(row, first) else { return nil }
        let number = try rows.int16(row, first + 2)
        guard let kind = VersionKind(rawValue: number) else { throw .protocolViolation("version kind \(number)") }
        return VersionRecord(
            version: version,
            parentVersion: try rows.int64IfPresent(row, first + 1),
            kind: kind,
            actor: try rows.text(row, first + 3),
            contentType: try rows.text(row, first + 4),
            size: try rows.int64(row, first + 5),
            digest: try rows.bytes(row, first + 6),
            phase: try rows.text(row, first + 7),
            status: try rows.text(row, first + 8),
            progress: try rows.doubleIfPresent(row, first + 9),
            versionLabel: try rows.textIfPresent(row, first + 10),
            metadata: try rows.bytesIfPresent(row, first + 11) ?? [],
            createdAt: Timestamp(microseconds: try rows.timestamp(row, first + 12)),
            checkpoints: try rows.textArray(row, first + 13),
            parentLabel: try rows.textIfPresent(row, first + 14),
            tags: try tags(rows, row, first + 15),
            isRemoved: try rows.bool(row, first + 16))
    }
}

/// The columns of a checkpoint, in the order in which `CheckpointRow.record` reads them.
enum CheckpointRow {
    static let columns = "c.checkpoint_id, c.name, c.version, c.description, c.actor, c.created_at"
    static let columnCount = 6

    /// The most bytes that a checkpoint may take.
    static func largestBytes(_ limits: Limits) -> Int { limits.descriptionBytes + 4 * limits.idBytes + PageSQL.rowBytes }

    /// The checkpoint that `parameter` names: a name wins over an id.
    static func named(_ parameter: String) -> String {
        """
        SELECT * FROM flowstate.checkpoint c
        WHERE c.tenant = $1 AND c.flow_id = $2 AND (c.name = \(parameter) OR c.checkpoint_id = \(parameter))
        ORDER BY c.name IS NOT DISTINCT FROM \(parameter) DESC LIMIT 1
        """
    }

    /// - Returns: nil when the id's column is NULL.
    static func record(_ rows: ResultRows, _ row: Int, from first: Int = 0) throws(PostgresError) -> CheckpointRecord? {
        guard let id = try rows.textIfPresent(row, first) else { return nil }
        return CheckpointRecord(
            id: id,
            name: try rows.textIfPresent(row, first + 1),
            version: try rows.int64(row, first + 2),
            description: try rows.text(row, first + 3),
            actor: try rows.text(row, first + 4),
            createdAt: Timestamp(microseconds: try rows.timestamp(row, first + 5)))
    }
}
