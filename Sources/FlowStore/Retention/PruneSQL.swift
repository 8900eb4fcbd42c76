import Postgres

/// The statements of a pruning. `$1` tenant, `$2` flow id, `$3` the floor.
enum PruneSQL {
    private static let types: [OID] = [.text, .text, .int8]

    /// Versions below the floor that a checkpoint or the quarantine pins.
    private static let pinned = """
        SELECT c.version FROM flowstate.checkpoint c WHERE c.tenant = $1 AND c.flow_id = $2 AND c.version < $3
        UNION SELECT q.version FROM flowstate.quarantine q WHERE q.tenant = $1 AND q.flow_id = $2 AND q.version < $3
        """

    /// Versions that must not be removed. `$4` the newest version when the floor was raised, `$5` the versions up to it that refer below
    /// the floor.
    ///
    /// Versions refer to others through `VersionChain.maximumDepth` steps at most, so these are the bases of remaining versions, the bases
    /// of those, and so on.
    private static let needed = """
        pinned AS (\(pinned)),
        holding AS (
            SELECT v.base_version FROM pinned p JOIN flowstate.flow_version v
                ON v.tenant = $1 AND v.flow_id = $2 AND v.version = p.version WHERE v.base_version IS NOT NULL
            UNION SELECT v.base_version FROM flowstate.flow_version v
                WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version = ANY ($5) AND v.base_version IS NOT NULL
            UNION SELECT v.base_version FROM flowstate.flow_version v
                WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version > $4 AND v.base_version < $3),
        needed AS (
            SELECT p.version FROM pinned p
            UNION SELECT h.base_version FROM holding h\(further))
        """

    /// The bases of what `holding` has, after each further step.
    private static let further = (1..<VersionChain.maximumDepth).map { steps in
        let joins = (1...steps).map { step in
            let last = step == 1 ? "h" : "b\(step - 1)"
            return """
                JOIN flowstate.flow_version b\(step)
                    ON b\(step).tenant = $1 AND b\(step).flow_id = $2 AND b\(step).version = \(last).base_version
                """
        }
        return """

            UNION SELECT b\(steps).base_version FROM holding h \(joins.joined(separator: " "))
                WHERE b\(steps).base_version IS NOT NULL
            """
    }.joined()

    /// Waits for the saves in progress, which may refer to versions below. The newest version is never removed.
    static let raise = Statement(
        name: "prune_raise",
        sql: """
            UPDATE flowstate.flow f SET base_floor = greatest(f.base_floor, least($3, f.version))
            WHERE f.tenant = $1 AND f.flow_id = $2 RETURNING least($3, f.version), f.base_floor, f.version
            """, parameterTypes: types)

    /// Remaining versions that refer below the floor, and whether their bases may be removed. It reads the remaining versions, not those to
    /// remove, which may be a million. Of the pinned versions only those whose base may be removed are returned.
    static let dependents = Statement(
        name: "prune_dependents",
        sql: """
            WITH pinned AS (\(pinned))
            SELECT v.version, v.base_version NOT IN (SELECT p.version FROM pinned p) FROM flowstate.flow_version v
                WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version >= $3 AND v.base_version < $3
            UNION ALL
            SELECT v.version, true FROM pinned p JOIN flowstate.flow_version v
                ON v.tenant = $1 AND v.flow_id = $2 AND v.version = p.version
                WHERE v.base_version NOT IN (SELECT o.version FROM pinned o)
            ORDER BY 1
            """, parameterTypes: types)

    /// The `$7` newest versions below `$6` that may be removed, and the bytes of their states.
    static let candidates = Statement(
        name: "prune_candidates",
        sql: """
            WITH \(needed)
            SELECT v.version, octet_length(v.state)::bigint FROM flowstate.flow_version v
            WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version < $6 AND v.version NOT IN (SELECT n.version FROM needed n)
            ORDER BY v.version DESC LIMIT $7
            """, parameterTypes: types + [.int8, .int8Array, .int8, .int8])

    /// NOWAIT: see `FlowPruning`. `$3` versions.
    static let lock = Statement(
        name: "prune_lock",
        sql: """
            SELECT v.version FROM flowstate.flow_version v WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version = ANY ($3)
            FOR UPDATE NOWAIT
            """, parameterTypes: [.text, .text, .int8Array])

    /// Removes the writes of labels that no other version has than those that are `gone`.
    private static let writes = """
        DELETE FROM flowstate.flow_write w
        WHERE w.tenant = $1 AND w.flow_id = $2
            AND w.version_label IN (SELECT g.version_label FROM gone g WHERE g.version_label IS NOT NULL)
            AND NOT EXISTS (
                SELECT FROM flowstate.flow_version v
                WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version_label = w.version_label
                    AND v.version NOT IN (SELECT g.version FROM gone g))
        """

    /// Removes those of the locked versions `$6` that are not needed, by `$7`.
    static let remove = Statement(
        name: "prune_remove",
        sql: """
            WITH \(needed),
            gone AS (DELETE FROM flowstate.flow_version v
                WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version = ANY ($6) AND v.version NOT IN (SELECT n.version FROM needed n)
                RETURNING v.version, v.version_label, \(VersionRow.storedBytes("v")) AS bytes),
            writes AS (\(writes)),
            audit AS (INSERT INTO flowstate.flow_event (tenant, flow_id, kind, version, actor, detail, created_at)
                SELECT $1, $2, 'versions_pruned', max(g.version), $7,
                    jsonb_build_object('versions', count(*), 'bytes', sum(g.bytes)), statement_timestamp()
                FROM gone g HAVING count(*) > 0)
            SELECT count(*), coalesce(sum(g.bytes), 0)::bigint FROM gone g
            """, parameterTypes: types + [.int8, .int8Array, .int8Array, .text])

    /// Stores the version `$3` with the codec `$4` against `$5`, or whole, as `$6`. Returns no row when the floor is no longer `$7`, or
    /// `$5` was removed; FOR KEY SHARE keeps it from being removed until the commit.
    static let repack = Statement(
        name: "prune_repack",
        sql: """
            WITH head AS (
                SELECT f.base_floor FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_id = $2 AND f.base_floor = $7 FOR SHARE),
            anchor AS (
                SELECT w.version FROM head h CROSS JOIN LATERAL (SELECT w.version FROM flowstate.flow_version w
                    WHERE w.tenant = $1 AND w.flow_id = $2 AND w.version = $5 AND h.base_floor = $7 FOR KEY SHARE) w)
            UPDATE flowstate.flow_version v SET codec = $4, base_version = $5, state = $6
            FROM head h WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version = $3 AND ($5 IS NULL OR EXISTS (SELECT FROM anchor))
            RETURNING v.version
            """, parameterTypes: [.text, .text, .int8, .int2, .int8, .bytea, .int8])
}
