/// The frame of every change of a flow: one statement that compares and increments the head, inserts the version, keeps the idempotency
/// record, and answers one row whatever happened.
///
///     WITH idem AS (the record of this idempotency key, if there is one),
///          …,                                     what the change looks up first
///          head AS (INSERT or UPDATE of flow, RETURNING),  nothing when the change is not to be
///          ver  AS (INSERT INTO flow_version … FROM head),
///          kept AS (INSERT INTO idempotency … FROM head),
///          …                                      what else is written FROM head
///     SELECT 1 … FROM head                        written
///     UNION ALL SELECT 2 … FROM idem              the key was used before
///     UNION ALL SELECT 3 … FROM flow              not written: how the flow stands
///
/// Why this is right with many sessions (PostgreSQL manual, 13.2.1, READ COMMITTED): an UPDATE that meets a row that another transaction
/// is changing waits, and then looks at its WHERE again on the row as that transaction left it. So of two that expect version 5 one
/// updates and the other finds 6 and updates nothing. Everything else in the statement still sees the snapshot from before, so row 3 may
/// show version 5 to the loser, or (when both create the flow) there may be no row at all. Such an answer contradicts itself and is
/// decoded as `raced`: the command is submitted again, and its new snapshot shows what happened. Two sessions that race with one
/// idempotency key: the second INSERT into `idempotency` fails (23505) after it waited; the Postgres room runs the operation again, alone,
/// and now `idem` is there. In a batch, which is one transaction, each statement sees what those before it wrote.
struct ChangeSQL {
    /// The position of the idempotency key's parameter; the request's digest is the next one. nil: the change has no key.
    var keyParameter: Int?
    /// CTEs in front of `head`.
    var lookups: [String] = []
    /// Must end its WHERE with `guardCondition` and return `version` and `updated_at`.
    var head: String
    /// `INSERT INTO flowstate.flow_version …`, FROM head.
    var version: String
    /// CTEs behind it.
    var additions: [String] = []
    /// Expressions over `head` (as h) for the answer and the idempotency record.
    var digest: String
    var checkpointID = "NULL::text"
    var restoredVersion = "NULL::bigint"
    /// What the change does to the labels that the flow `f` has, if they are merged.
    var labels: LabelSQL?
    /// Whether a lookup forbids the change; a boolean expression without `head`.
    var blocked = "false"
    /// From which tables row 1 and the record are read.
    var source = "head h"

    static let written: Int16 = 1
    static let replayed: Int16 = 2
    static let standing: Int16 = 3

    /// For the WHERE of `head`: nothing is written when the key was used.
    static func guardCondition(idempotent: Bool) -> String {
        idempotent ? "AND NOT EXISTS (SELECT FROM idem)" : ""
    }

    var text: String {
        var ctes: [String] = []
        if let keyParameter {
            ctes.append("idem AS (SELECT * FROM flowstate.idempotency WHERE tenant = $1 AND key = $\(keyParameter))")
        }
        ctes += lookups
        ctes.append("head AS (\(head))")
        ctes.append("ver AS (\(version))")
        if let keyParameter {
            ctes.append(
                """
                kept AS (INSERT INTO flowstate.idempotency (tenant, key, request_digest, flow_id, version, version_created_at,
                    state_digest, checkpoint_id, restored_version)
                    SELECT $1, $\(keyParameter), $\(keyParameter + 1), $2, h.version, h.updated_at, \(digest), \(checkpointID), \(restoredVersion)
                    FROM \(source))
                """)
        }
        ctes += additions
        var answers = [
            """
            SELECT \(Self.written)::smallint, h.version, h.updated_at, NULL::boolean, NULL::text, NULL::boolean, NULL::text, NULL::bytea,
                \(digest), \(checkpointID), \(restoredVersion) FROM \(source)
            """
        ]
        if keyParameter != nil {
            answers.append(
                """
                SELECT \(Self.replayed)::smallint, i.version, i.version_created_at, NULL, NULL, NULL, i.flow_id, i.request_digest,
                    i.state_digest, i.checkpoint_id, i.restored_version FROM idem i
                """)
        }
        answers.append(
            """
            SELECT \(Self.standing)::smallint, f.version, f.updated_at, f.deleted_at IS NOT NULL, f.flow_type, \(blocked), NULL, NULL,
                NULL, NULL, \(labels?.excess ?? "NULL")
            FROM flowstate.flow f
            WHERE f.tenant = $1 AND f.flow_id = $2 AND NOT EXISTS (SELECT FROM head)
            """ + (keyParameter == nil ? "" : " AND NOT EXISTS (SELECT FROM idem)"))
        return "WITH " + ctes.joined(separator: ",\n") + "\n" + answers.joined(separator: "\nUNION ALL\n")
    }
}
