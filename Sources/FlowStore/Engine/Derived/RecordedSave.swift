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
                flowID: try rows.text(0, 1), version: try rows.int64(0, 2), createdAt: Timestamp(microseconds: try rows.timestamp(0, 3)),
                digest: try rows.bytes(0, 4), checkpointID: try rows.textIfPresent(0, 5),
                restoredVersion: try rows.int64IfPresent(0, 6), replayed: true)
            return .success(RecordedSave(requestDigest: try rows.bytes(0, 0), saved: saved))
        }
        query.goesWithOthers()
        return query
    }

    /// The recorded answer to the same request; nil: the key was not used.
    ///
    /// - Throws: `idempotencyKeyReused`, when another request used it.
    static func find(
        _ idempotencyKey: String, of tenant: String, digest: [UInt8], in store: StateStore, for context: OperationContext
    ) async throws(StateError) -> SavedVersion? {
        guard let record = try await store.ask(query(tenant: tenant, idempotencyKey: idempotencyKey), for: context) else { return nil }
        guard record.requestDigest == digest else { throw .idempotencyKeyReused(key: idempotencyKey) }
        return record.saved
    }

    /// The answer to a request whose state is refused now: a retry of one that succeeded is answered again, even so.
    ///
    /// - Throws: the refusal, when there is none.
    static func find(
        after refusal: StateError, _ idempotencyKey: String?, of tenant: String, digest: [UInt8], in store: StateStore,
        for context: OperationContext
    ) async throws(StateError) -> SavedVersion {
        guard refusal.isOfContent, let idempotencyKey,
            let record = try? await store.ask(query(tenant: tenant, idempotencyKey: idempotencyKey), for: context),
            record.requestDigest == digest
        else { throw refusal }
        return record.saved
    }

    private static let statement = Statement(
        name: "recorded_save",
        sql: """
            SELECT request_digest, flow_id, version, version_created_at, state_digest, checkpoint_id, restored_version
            FROM flowstate.idempotency WHERE tenant = $1 AND key = $2
            """,
        parameterTypes: [.text, .text])
}
