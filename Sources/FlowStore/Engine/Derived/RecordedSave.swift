import FlowModel
import Postgres

/// The recorded answer to a save with an idempotency key.
struct RecordedSave: Sendable {
    let requestDigest: [UInt8]
    let saved: SavedVersion

    /// nil: the key was not used.
    static func query(tenant: String, idempotencyKey: String) -> Query<RecordedSave?> {
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(idempotencyKey)
        var query = Query<RecordedSave?>(statement: statement, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count > 0 else { return .success(nil) }
            let saved = SavedVersion(
                flowID: try rows.text(0, 1), version: try rows.int64(0, 2), createdAt: try FlowRow.time(rows, 0, 3),
                digest: try rows.bytes(0, 4), checkpointID: try rows.textIfPresent(0, 5),
                restoredVersion: try rows.int64IfPresent(0, 6), replayed: true)
            return .success(RecordedSave(requestDigest: try rows.bytes(0, 0), saved: saved))
        }
        query.goesWithOthers()
        return query
    }

    private static let statement = Statement(
        name: "recorded_save",
        sql: """
            SELECT request_digest, flow_id, version, version_created_at, state_digest, checkpoint_id, restored_version
            FROM flowstate.idempotency WHERE tenant = $1 AND key = $2
            """,
        parameterTypes: [.text, .text])
}
