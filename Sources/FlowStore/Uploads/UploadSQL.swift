import FlowModel
import Postgres

/// The statements of uploads. `$1` tenant, `$2` flow id.
enum UploadSQL {
    /// Begins the upload `$3` (a reference) as the call `$4`, with the id `$5` or NULL; an earlier upload with the id loses it, and is given
    /// up unless it was saved. No row: another one with the id began at the same moment.
    static let begin = Statement(
        name: "begin_upload",
        sql: """
            WITH earlier AS (
                UPDATE flowstate.state_upload u SET upload_id = NULL, is_given_up = u.saved_version IS NULL, owner = 0
                WHERE u.tenant = $1 AND u.flow_id = $2 AND u.upload_id = $5 RETURNING 1)
            INSERT INTO flowstate.state_upload (tenant, flow_id, reference, owner, upload_id)
            SELECT $1, $2, $3, $4, $5 FROM (SELECT count(*) FROM earlier) e
            ON CONFLICT (tenant, flow_id, upload_id) WHERE upload_id IS NOT NULL DO NOTHING RETURNING 1
            """, parameterTypes: [.text, .text, .bytea, .int8, .text])

    /// Continues the upload with the id `$3` as the call `$4`.
    static let resume = Statement(
        name: "resume_upload",
        sql: """
            UPDATE flowstate.state_upload u SET owner = $4, touched_at = statement_timestamp()
            WHERE u.tenant = $1 AND u.flow_id = $2 AND u.upload_id = $3 AND NOT u.is_given_up
            RETURNING u.reference, u.received
            """, parameterTypes: [.text, .text, .text, .int8])

    /// Stores the part `$6` of the upload `$3`, as the call `$4`, behind the `$5` bytes that are there: `$7` codec, `$8` bytes of the state in
    /// it, `$9` their digest, `$10` as stored. No row: another call continues the upload, or it was given up.
    static let append = Statement(
        name: "append_state_part",
        sql: """
            WITH u AS (
                UPDATE flowstate.state_upload u
                SET received = u.received + $8, stored = u.stored + octet_length($10), touched_at = statement_timestamp()
                WHERE \(isOwn) AND u.received = $5 RETURNING 1)
            INSERT INTO flowstate.state_part (tenant, flow_id, reference, part, codec, size, digest, bytes)
            SELECT $1, $2, $3, $6, $7, $8, $9, $10 FROM u RETURNING 1
            """, parameterTypes: [.text, .text, .bytea, .int8, .int8, .int4, .int2, .int4, .bytea, .bytea])

    /// From now on the upload stays for as long as it takes to save it.
    static let keep = Statement(
        name: "keep_upload",
        sql: """
            UPDATE flowstate.state_upload u SET touched_at = statement_timestamp() WHERE \(isOwn) AND u.received = $5 RETURNING 1
            """, parameterTypes: [.text, .text, .bytea, .int8, .int8])

    /// The same of an upload `$3` that versions have.
    static let touch = Statement(
        name: "touch_upload",
        sql: """
            UPDATE flowstate.state_upload u SET touched_at = statement_timestamp()
            WHERE u.tenant = $1 AND u.flow_id = $2 AND u.reference = $3 AND (NOT u.is_given_up OR u.saved_version IS NOT NULL) RETURNING 1
            """, parameterTypes: [.text, .text, .bytea])

    /// The upload `$3` was saved as version `$4`.
    static let saved = Statement(
        name: "upload_was_saved",
        sql: """
            UPDATE flowstate.state_upload u SET saved_version = $4 WHERE u.tenant = $1 AND u.flow_id = $2 AND u.reference = $3 RETURNING 1
            """, parameterTypes: [.text, .text, .bytea, .int8])

    /// The upload `$3` of the call `$4` is not what its client meant to send.
    static let giveUp = Statement(
        name: "give_up_upload",
        sql: """
            UPDATE flowstate.state_upload u SET upload_id = NULL, is_given_up = u.saved_version IS NULL, owner = 0
            WHERE u.tenant = $1 AND u.flow_id = $2 AND u.reference = $3 AND u.owner = $4 RETURNING 1
            """, parameterTypes: [.text, .text, .bytea, .int8])

    /// How far the upload with the id `$3` has come.
    static let progress = Statement(
        name: "get_upload",
        sql: """
            SELECT u.received, u.saved_version FROM flowstate.state_upload u
            WHERE u.tenant = $1 AND u.flow_id = $2 AND u.upload_id = $3 AND NOT u.is_given_up
            """, parameterTypes: [.text, .text, .text])

    /// The part `$4` of `$3`.
    static let part = Statement(
        name: "load_state_part",
        sql: """
            SELECT p.codec, p.size, p.digest, p.bytes FROM flowstate.state_part p
            WHERE p.tenant = $1 AND p.flow_id = $2 AND p.reference = $3 AND p.part = $4
            """, parameterTypes: [.text, .text, .bytea, .int4])

    private static let isOwn = """
        u.tenant = $1 AND u.flow_id = $2 AND u.reference = $3 AND u.owner = $4 AND NOT u.is_given_up
        """

    // MARK: Removal

    /// Whether a version has the parts of the upload `u`: first the one that is known to.
    private static let isInUse = """
        (EXISTS (SELECT FROM flowstate.flow_version v
            WHERE v.tenant = u.tenant AND v.flow_id = u.flow_id AND v.version = u.saved_version AND \(refers))
        OR EXISTS (SELECT FROM flowstate.flow_version v WHERE v.tenant = u.tenant AND v.flow_id = u.flow_id AND \(refers)))
        """
    private static let refers = "v.codec = \(StateCodec.parts.rawValue) AND v.state = u.reference"

    /// Up to `$5` uploads behind (`$1`, `$2`, `$3`) that were last touched more than `$4` seconds ago (an hour, of those that are given up), and
    /// that no version has; they are given up. A save that was under way when its upload was given up has long ended then. The lock of a version that is copied keeps it from being removed until the copy is committed (`VersionRow.locked`), so one of the
    /// two is seen here.
    static let abandon = Statement(
        name: "abandon_uploads",
        sql: """
            WITH old AS (
                SELECT u.tenant, u.flow_id, u.reference FROM flowstate.state_upload u
                WHERE (u.tenant, u.flow_id, u.reference) > ($1, $2, $3)
                    AND u.touched_at < statement_timestamp() - CASE WHEN u.is_given_up THEN least($4, 3600) ELSE $4 END * interval '1 second'
                    AND NOT \(isInUse)
                ORDER BY u.tenant, u.flow_id, u.reference LIMIT $5 FOR UPDATE SKIP LOCKED)
            UPDATE flowstate.state_upload u SET is_given_up = true, upload_id = NULL, owner = 0
            FROM old WHERE u.tenant = old.tenant AND u.flow_id = old.flow_id AND u.reference = old.reference
            RETURNING u.tenant, u.flow_id, u.reference
            """, parameterTypes: [.text, .text, .bytea, .float8, .int8])

    /// Removes up to `$4` parts of the upload `$3`, and with the last one the upload.
    static let remove = Statement(
        name: "remove_state_parts",
        sql: """
            WITH gone AS (
                DELETE FROM flowstate.state_part p WHERE p.tenant = $1 AND p.flow_id = $2 AND p.reference = $3 AND p.part IN (
                    SELECT o.part FROM flowstate.state_part o WHERE o.tenant = $1 AND o.flow_id = $2 AND o.reference = $3
                    ORDER BY o.part LIMIT $4)
                RETURNING 1),
            upload AS (
                DELETE FROM flowstate.state_upload u
                WHERE u.tenant = $1 AND u.flow_id = $2 AND u.reference = $3 AND (SELECT count(*) FROM gone) < $4)
            SELECT count(*) FROM gone
            """, parameterTypes: [.text, .text, .bytea, .int8])
}
