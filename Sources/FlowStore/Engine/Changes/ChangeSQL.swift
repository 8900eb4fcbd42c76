/// The frame of every change of a flow: one statement that compares and increments the head, inserts the version, stores the idempotency
/// record, and returns one row whatever happened.
///
///     WITH idem AS (the record of this idempotency key, if there is one),
///          …,                                     what the change looks up first
///          head AS (INSERT or UPDATE of flow, RETURNING),  empty when the change must not be made
///          ver  AS (INSERT INTO flow_version … FROM head),
///          kept AS (INSERT INTO idempotency … FROM head),
///          …                                      what else is written FROM head
///     SELECT 1 … FROM head                        written
///     UNION ALL SELECT 2 … FROM idem              the key was used before
///     UNION ALL SELECT 3 … FROM flow              not written: the current head
///
/// Why this is right with many sessions (PostgreSQL manual, 13.2.1, READ COMMITTED): an UPDATE that meets a row that another transaction is
/// changing waits, and then evaluates its WHERE again on the row as that transaction left it. So of two changes that expect version 5 one
/// updates and the other finds 6 and updates nothing. Everything else in the statement still sees the snapshot from before, so row 3 may
/// show version 5 to the loser, or (when both create the flow) there may be no row at all. Such a result contradicts itself and is decoded
/// as `retry`: the change is submitted again, and its new snapshot shows what happened. When two sessions race with one idempotency key,
/// the second INSERT into `idempotency` waits and then fails (23505); the module Postgres runs the operation again, alone, and it finds
/// `idem`. In a batch, which is one transaction, each statement sees what those before it wrote.
struct ChangeSQL {
    /// The position of the idempotency key's parameter; the request's digest is the next one. nil: the change has no key.
    var keyParameter: Int?
    /// CTEs in front of `head`.
    var lookups: [String] = []
    /// Must end its WHERE with `guardCondition` and return `version` and `updated_at`.
    var head: String
    /// `INSERT INTO flowstate.flow_version …`, FROM head.
    var version: String
    /// CTEs behind it and the idempotency record.
    var additions: [String] = []
    /// Expressions over `head` (as h) for the answer and the idempotency record.
    var digest: String
    var checkpointID = "NULL::text"
    var restoredVersion = "NULL::bigint"
    /// The change of the labels of the flow `f`, if they are merged.
    var labels: LabelSQL?
    /// Whether a look-up forbids the change; a boolean expression without `head`.
    var blocked = "false"
    /// The tables from which row 1 and the record are read.
    var source = "head h"

    static let written: Int16 = 1
    static let replayed: Int16 = 2
    static let current: Int16 = 3

    /// For the WHERE of `head`: writes nothing when the key was used.
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
            SELECT \(Self.current)::smallint, f.version, f.updated_at, f.deleted_at IS NOT NULL, f.flow_type, \(blocked), NULL, NULL,
                NULL, NULL, \(labels?.excess ?? "NULL")
            FROM flowstate.flow f
            WHERE f.tenant = $1 AND f.flow_id = $2 AND NOT EXISTS (SELECT FROM head)
            """ + (keyParameter == nil ? "" : " AND NOT EXISTS (SELECT FROM idem)"))
        return "WITH " + ctes.joined(separator: ",\n") + "\n" + answers.joined(separator: "\nUNION ALL\n")
    }
}
