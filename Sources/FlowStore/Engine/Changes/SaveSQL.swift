import FlowModel
import Postgres

/// The statements of a save: four ways to write the head, with or without idempotency key, checkpoint and pending writes, and a short one.
struct SaveSQL {
    enum Head: Int, CaseIterable {
        /// The flow must not exist.
        case create
        /// The flow must exist.
        case update
        /// The flow must exist, and its head be locked (`HeadLock`).
        case updateHeld
        /// The flow must be deleted, and its head be locked. It becomes what `create` would make, with its next number.
        case revive
        /// Whether the flow exists or not. It may wait for a transaction that creates the flow and for one that changes it, so it runs
        /// alone.
        case append
    }

    private static let statements: [Statement] = Head.allCases.flatMap { head in
        [false, true].flatMap { idempotent in
            [false, true].flatMap { checkpoint in
                [false, true].map { make(head, idempotent: idempotent, checkpoint: checkpoint, writes: $0) }
            }
        }
    }

    /// With a version to quarantine, or a notification: such saves expect a version, and make no checkpoint.
    private static let noting = [Head.update, .updateHeld].flatMap { head in
        [false, true].flatMap { quarantines in
            [false, true].flatMap { notifies in
                [false, true].map {
                    make(head, idempotent: $0, checkpoint: false, writes: false, quarantines: quarantines, notifies: notifies)
                }
            }
        }
    }

    static func noting(held: Bool, idempotent: Bool, quarantines: Bool, notifies: Bool) -> Statement {
        noting[(held ? 8 : 0) + (quarantines ? 4 : 0) + (notifies ? 2 : 0) + (idempotent ? 1 : 0)]
    }

    static func statement(_ head: Head, idempotent: Bool, checkpoint: Bool, writes: Bool) -> Statement {
        statements[head.rawValue * 8 + (idempotent ? 4 : 0) + (checkpoint ? 2 : 0) + (writes ? 1 : 0)]
    }

    /// Writes the next version, or writes nothing and returns no row, in seven eighths of the time of the statement that can tell why. For
    /// a save with neither idempotency key nor checkpoint, nor a value that few have, whose flow probably exists.
    static let short = Statement(
        name: "save_short",
        sql: """
            WITH head AS (UPDATE flowstate.flow f \(head(0, rare: false).update + shortCondition + returning))
            \(version(parent: usualParent, rare: false))
            RETURNING \(ChangeSQL.written)::smallint, version, created_at, NULL::boolean, NULL::text, NULL::boolean, NULL::text,
                NULL::bytea, digest, NULL::text, NULL::bigint
            """,
        parameterTypes: SaveParameters.singleTypes)

    private static func make(
        _ head: Head, idempotent: Bool, checkpoint: Bool, writes: Bool, quarantines: Bool = false, notifies: Bool = false
    ) -> Statement {
        // The idempotency key and the request's digest follow, then what the checkpoint, the writes, the quarantine and the notification need.
        var types = SaveParameters.singleTypes
        var change = ChangeSQL(
            head: "", version: head == .revive ? firstOfLife : version, digest: "\(SaveParameters.single(.digest))::bytea")
        change.labels = self.head(0).labels
        change.latestLabel = latestLabel
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
                    SELECT $1, $2, $\(id), $\(id + 1), h.version - $\(id + 3), $\(id + 2), \(SaveParameters.single(.actor)), h.updated_at FROM head h)
                """)
        }
        if writes {
            let insertion = WriteRow.insertion(
                first: types.count + 1, label: SaveParameters.single(.versionLabel), actor: SaveParameters.single(.actor),
                time: "h.updated_at", isEarly: "false", from: "head h")
            types += WriteRow.insertedTypes
            change.additions.append("writes AS (\(insertion))")
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
        let columns = self.head(checkpoint ? 1 : 0)
        switch head {
        case .create:
            change.head = columns.insertion + " WHERE true " + condition + " ON CONFLICT (tenant, flow_id) DO NOTHING" + returning
        case .revive:
            change.head = "UPDATE flowstate.flow f " + columns.revival + reviveCondition + condition + returning
        case .update, .updateHeld:
            if head == .updateHeld { condition += " AND " + HeadLock.isHeld }
            change.head = "UPDATE flowstate.flow f " + columns.update + updateCondition + condition + returning
        case .append:
            change.head =
                columns.insertion + " WHERE true " + hasBase + condition + " ON CONFLICT (tenant, flow_id) DO UPDATE " + columns.update
                + " WHERE " + changeable + returning
        }
        let name =
            (quarantines ? "quarantine_and_" : "") + (notifies ? "notify_and_" : "") + "save_\(head)" + (idempotent ? "_idempotent" : "")
            + (checkpoint ? "_checkpoint" : "") + (writes ? "_writes" : "")
        return Statement(name: name, sql: change.text, parameterTypes: types)
    }

    /// What a save of a flow that is not changed answers.
    ///
    /// - Parameter checkpoint: the parameter with the name of its checkpoint; NULL: it makes none.
    static func refusal(checkpoint: String) -> String {
        var change = ChangeSQL(head: "", version: "", digest: "")
        change.labels = head(0).labels
        change.latestLabel = latestLabel
        change.blocked = """
            EXISTS (SELECT FROM flowstate.checkpoint c WHERE c.tenant = $1 AND c.flow_id = $2 AND c.name = \(checkpoint))
            """
        return change.refusal
    }

    /// - Parameter epoch: what the save adds to `checkpoint_epoch`.
    private static func head(_ epoch: Int, rare: Bool = true) -> SaveHeadSQL {
        SaveHeadSQL(
            value: SaveParameters.single, epoch: epoch, kind: SaveParameters.single(.kind),
            reported: rare ? DueSQL.time(SaveParameters.single(.overdueFound)) : nil, rare: rare,
            labelLimit: SaveParameters.singleLabelLimit)
    }

    private static let changeable = head(0).isChangeable + " AND " + head(0).labels.fits

    /// A flow that does not exist has no base for its first version, whatever this server has cached.
    private static let hasBase = """
        AND (\(SaveParameters.single(.base)) IS NULL OR EXISTS (SELECT FROM flowstate.flow g WHERE g.tenant = $1 AND g.flow_id = $2))
        """ + " "

    private static let reviveCondition = """
         WHERE f.tenant = $1 AND f.flow_id = $2 AND f.deleted_at IS NOT NULL AND \(HeadLock.isHeld)
        """ + " "

    private static let usualCondition = """
         WHERE f.tenant = $1 AND f.flow_id = $2 AND \(head(0).isExpected)
            AND (\(SaveParameters.single(.parentVersion)) IS NULL OR f.version >= \(SaveParameters.single(.parentVersion)))
            AND \(head(0).isUsuallyChangeable) AND \(head(0).labels.fits)
        """ + " "

    private static let shortCondition = usualCondition + "AND \(head(0, rare: false).leavesLimits) "

    private static let updateCondition = usualCondition + "AND \(head(0).allowsLease) AND \(isExpectedLabel) AND \(isDue) "

    private static let isDue = DueSQL.isDue(DueSQL.time(SaveParameters.single(.overdueSince)))

    private static let isExpectedLabel = """
        (\(SaveParameters.single(.expectedLabel)) IS NULL
            OR coalesce(\(latestLabel), '') = \(SaveParameters.single(.expectedLabel)))
        """

    /// The label of the latest version of the flow `f`.
    private static let latestLabel = """
        (SELECT n.version_label FROM flowstate.flow_version n
            WHERE n.tenant = f.tenant AND n.flow_id = f.flow_id AND n.version = f.version)
        """

    private static let returning = " RETURNING " + head(0).returning

    private static let usualParent = "coalesce(\(SaveParameters.single(.parentVersion)), nullif(h.version - 1, 0))"

    private static let version = version(parent: usualParent)

    /// The version with which a flow is revived comes from none.
    private static let firstOfLife = version(parent: "NULL::bigint")

    private static func version(parent: String, rare: Bool = true) -> String {
        SaveVersionSQL(
            head: SaveParameters.single, row: SaveParameters.single, number: "h.version", parent: parent, rare: rare, carried: { $1 }
        ).insertion(from: "head h")
    }
}

/// Statements that write many groups of saves at once: parameters are arrays, with one element for each group or for each saved row.
///
///     WITH head AS (UPDATE or INSERT of flow, one row a group, RETURNING),  no row for a group whose head does not match
///          ver  AS (INSERT INTO flow_version … one row for each save of a group FROM head),
///          kept AS (INSERT INTO idempotency …)
///     SELECT … FROM head
///
/// A group without a row in the result was not written, for whatever reason: each of its saves runs by its own statement (`ChangeSQL`),
/// which can tell why. So the usual case pays only for the three writes. Elements are taken by subscript: unnest() would put one array
/// after the other through a tuple store.
struct SaveGroupSQL: Hashable {
    /// What the heads of the groups must be.
    enum Form: Int, CaseIterable {
        /// Flows that must not exist.
        case create
        /// Flows that must exist.
        case update
        /// Flows that must exist, and whose heads are locked (`HeadLock`).
        case updateHeld

        fileprivate var name: String {
            switch self {
            case .create: "create_flows"
            case .update: "save_flows"
            case .updateHeld: "save_held_flows"
            }
        }
    }

    let form: Form
    /// Groups have an idempotency key: every one, or some of those that create flows.
    let idempotent: Bool
    /// Some group has several rows. If none has, a row has the index of its group, which spares PostgreSQL a join for each.
    let chained: Bool
    /// Some save has a value that few have (`SaveParameter.isRare`).
    let rare: Bool

    static let all = Form.allCases.flatMap { form in
        [false, true].flatMap { idempotent in
            [false, true].flatMap { chained in
                [false, true].map { SaveGroupSQL(form: form, idempotent: idempotent, chained: chained, rare: $0) }
            }
        }
    }

    private static let statements = all.map { sql in
        Statement(
            name: sql.form.name + (sql.idempotent ? "_idempotent" : "") + (sql.chained ? "_chained" : "")
                + (sql.rare ? "_rare" : ""),
            sql: sql.text,
            parameterTypes: SaveParameters.groupTypes(idempotent: sql.idempotent, rare: sql.rare))
    }

    var statement: Statement { Self.statements[form.rawValue * 8 + (idempotent ? 4 : 0) + (chained ? 2 : 0) + (rare ? 1 : 0)] }

    /// The element of a flow (`g`), or of a row (`r`).
    private func at(_ value: SaveValue, _ index: String) -> String { "(\(SaveParameters.groups(value, rare: rare)))[\(index)]" }

    private var text: String {
        var parts = ["WITH head AS (\(form == .create ? creation : update))", "ver AS (\(version))"]
        if idempotent { parts.append("kept AS (\(record))") }
        return parts.joined(separator: ",\n") + "\nSELECT h.i, h.version, h.updated_at FROM head h"
    }

    private var head: SaveHeadSQL {
        SaveHeadSQL(value: { at($0, "g.i") }, count: at(.count, "g.i"), rare: rare, labelLimit: "$2")
    }

    /// Writes nothing when the key was used.
    private var guardCondition: String {
        guard idempotent else { return "" }
        return """
             AND NOT EXISTS (SELECT FROM flowstate.idempotency d
                WHERE d.tenant = \(at(.tenant, "g.i")) AND d.key = \(at(.key, at(.first, "g.i"))) OFFSET 0)
            """
    }

    /// The tenant is compared by ANY: with a plain `=` the planner would also consider a merge join that reads the whole index in its
    /// order, and choose it while `flow` seems to have next to no rows.
    private var update: String {
        """
        UPDATE flowstate.flow f \(head.update)
        FROM generate_series(1, $1) g(i)
        WHERE f.tenant = ANY (ARRAY[\(head[.tenant])]) AND f.flow_id = \(head[.flowID]) AND \(head.isExpected) AND \(head.isChangeable)
            AND ($2 IS NULL OR \(head[.labelChanges]) IS NULL OR \(LabelSQL.count(head.labels.merged)) <= $2)\(guardCondition)
            \(form == .updateHeld ? "AND " + HeadLock.isHeld : "")
        RETURNING g.i, \(head.returning)
        """
    }

    private var creation: String {
        """
        \(head.insertion)
        FROM generate_series(1, $1) g(i)
        WHERE true\(guardCondition)
        ON CONFLICT (tenant, flow_id) DO NOTHING
        RETURNING array_position(\(SaveParameters.groups(.flowID, rare: rare)), f.flow_id) AS i, \(head.returning)
        """
    }

    private var version: String {
        let first = at(.first, "h.i")
        let row = chained ? "r.i" : "h.i"
        let number = chained ? "h.version - \(at(.count, "h.i")) + 1 + r.i - \(first)" : "h.version"
        let source =
            chained ? "head h CROSS JOIN LATERAL generate_series(\(first), \(first) + \(at(.count, "h.i")) - 1) r(i)" : "head h"
        return SaveVersionSQL(
            head: { at($0, "h.i") }, row: { at($0, row) }, number: number, parent: "nullif(\(number) - 1, 0)",
            rare: rare, carried: { "coalesce(\(at($0, row)), \($1))" }
        ).insertion(from: source)
    }

    private var record: String {
        let row = at(.first, "h.i")
        return """
            INSERT INTO flowstate.idempotency (tenant, key, request_digest, flow_id, version, version_created_at, state_digest)
            SELECT \(at(.tenant, "h.i")), \(at(.key, row)), \(at(.requestDigest, row)), \(at(.flowID, "h.i")), h.version, h.updated_at,
                \(at(.digest, row))
            FROM head h WHERE \(at(.key, row)) IS NOT NULL
            """
    }
}
