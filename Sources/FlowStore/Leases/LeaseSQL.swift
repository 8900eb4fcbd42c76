import FlowModel
import Postgres

/// The lease of a flow (head `f`). A lease that has run out is kept until another holder takes it: its token is still the current one.
enum LeaseSQL {
    /// Whether a change may be made with a token, a parameter or NULL: without one it may.
    static func allows(_ token: String) -> String { "(\(token) IS NULL OR (f.lease_token = \(token) AND f.lease_holder IS NOT NULL))" }

    /// The token that a change must have, and who has it; NULL: no one.
    static let current = "f.lease_token, CASE WHEN \(isHeld) THEN f.lease_holder END"

    /// By the time of the statement: one that had to wait for the row may see a lease for a while longer, never shorter.
    static let isHeld = "f.lease_expires_at > statement_timestamp()"

    /// The same, false instead of NULL.
    static let isLive = isLive("f")

    /// Of a head by another name.
    static func isLive(_ head: String) -> String { "coalesce(\(head).lease_expires_at > statement_timestamp(), false)" }

    private static let returned = "f.lease_token, f.lease_holder, f.lease_acquired_at, f.lease_expires_at"

    // MARK: Statements

    /// Each changes the head and answers with one row: whether it did, the lease, whether the flow is deleted, and the milliseconds that the
    /// lease has left.
    private static func statement(
        _ name: String, set: String, where condition: String, audit: String? = nil, types: [OID]
    ) -> (first: Statement, held: Statement) {
        let make = { (isHeld: Bool) in
            Statement(
                name: isHeld ? "\(name)_held" : name,
                sql: """
                    WITH lease AS (
                        UPDATE flowstate.flow f SET \(set)
                        WHERE f.tenant = $1 AND f.flow_id = $2 AND f.deleted_at IS NULL AND \(condition)
                            \(isHeld ? "AND " + HeadLock.isHeld : "")
                        RETURNING f.version, \(returned))\(audit.map { ",\naudit AS (\($0))" } ?? "")
                    SELECT true, l.lease_token, l.lease_holder, l.lease_acquired_at, l.lease_expires_at, false, NULL::float8 FROM lease l
                    UNION ALL
                    SELECT false, \(returned), f.deleted_at IS NOT NULL,
                        (extract(epoch FROM f.lease_expires_at - statement_timestamp()) * 1000)::float8
                    FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_id = $2 AND NOT EXISTS (SELECT FROM lease)
                    """,
                parameterTypes: [.text, .text] + types)
        }
        return (make(false), make(true))
    }

    private static func event(_ kind: String, where condition: String) -> String {
        """
        INSERT INTO flowstate.flow_event (tenant, flow_id, kind, version, actor, detail, created_at)
            SELECT $1, $2, '\(kind)', l.version, $4, jsonb_build_object('holder', $3::text, 'token', l.lease_token), statement_timestamp()
            FROM lease l WHERE \(condition)
        """
    }

    /// `$3` holder, `$4` actor, `$5` seconds.
    static let acquire: (first: Statement, held: Statement) = {
        let isExtended = "f.lease_holder = $3 AND \(isLive)"
        return statement(
            "acquire_lease",
            set: """
                lease_token = CASE WHEN \(isExtended) THEN f.lease_token ELSE coalesce(f.lease_token, 0) + 1 END,
                    lease_acquired_at = CASE WHEN \(isExtended) THEN f.lease_acquired_at ELSE statement_timestamp() END,
                    lease_holder = $3, lease_expires_at = statement_timestamp() + make_interval(secs => $5)
                """,
            where: "(f.lease_holder = $3 OR NOT \(isLive))",
            audit: event("lease_acquired", where: "l.lease_acquired_at = statement_timestamp()"), types: [.text, .text, .float8])
    }()

    /// `$3` token, `$4` seconds.
    static let renew = statement(
        "renew_lease", set: "lease_expires_at = statement_timestamp() + make_interval(secs => $4)",
        where: "f.lease_token = $3 AND f.lease_holder IS NOT NULL AND \(isLive)", types: [.int8, .float8])

    /// `$3` token, `$4` actor. The holder is in the statement's snapshot of the head.
    static let release = statement(
        "release_lease", set: "lease_holder = NULL, lease_acquired_at = NULL, lease_expires_at = NULL",
        where: "f.lease_token = $3 AND f.lease_holder IS NOT NULL",
        audit: """
            INSERT INTO flowstate.flow_event (tenant, flow_id, kind, version, actor, detail, created_at)
                SELECT $1, $2, 'lease_released', l.version, $4,
                    jsonb_build_object('holder', f.lease_holder, 'token', l.lease_token), statement_timestamp()
                FROM lease l CROSS JOIN flowstate.flow f WHERE f.tenant = $1 AND f.flow_id = $2
            """, types: [.int8, .text])

    static let get = Statement(
        name: "get_lease",
        sql: """
            SELECT \(isLive), \(returned), f.deleted_at IS NOT NULL FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_id = $2
            """, parameterTypes: [.text, .text])
}

/// What a statement of `LeaseSQL` answered.
struct LeaseRow: Sendable, Equatable {
    var isChanged: Bool
    /// The token of the last lease; 0: there was none.
    var token: Int64
    /// nil: it was given back, or there was none.
    var lease: FlowLease?
    var isDeleted: Bool
    /// 0 or less: it has run out.
    var millisecondsLeft: Double

    init(_ rows: ResultRows, flowID: String) throws(PostgresError) {
        isChanged = try rows.bool(0, 0)
        token = try rows.int64IfPresent(0, 1) ?? 0
        isDeleted = try rows.bool(0, 5)
        millisecondsLeft = try rows.doubleIfPresent(0, 6) ?? 0
        lease = try Self.lease(rows, flowID: flowID)
    }

    static func lease(_ rows: ResultRows, flowID: String) throws(PostgresError) -> FlowLease? {
        guard let token = try rows.int64IfPresent(0, 1), let holder = try rows.textIfPresent(0, 2),
            let acquiredAt = try rows.timestampIfPresent(0, 3), let expiresAt = try rows.timestampIfPresent(0, 4)
        else { return nil }
        return FlowLease(
            flowID: flowID, holder: holder, token: token, acquiredAt: Timestamp(microseconds: acquiredAt),
            expiresAt: Timestamp(microseconds: expiresAt))
    }

    /// The lease of another holder, as an error tells it.
    func lost(_ flowID: String) -> StateError {
        .leaseLost(flowID: flowID, holder: millisecondsLeft > 0 ? lease?.holder ?? "" : "", token: token)
    }
}
