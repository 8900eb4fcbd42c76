import FlowModel
import Postgres

extension ListCheckpointsCommand: StoreCommand {
    public func submit(
        to store: StateStore, context: OperationContext,
        completion: @escaping @Sendable (Result<Page<CheckpointRecord>, StateError>) -> Void
    ) throws(StateError) {
        let size = try StateCheck(limits: store.limits).pageSize(pageSize)
        var fingerprint = Fingerprint()
        fingerprint.combine(key.tenant)
        fingerprint.combine(key.flowID)
        let after = try position(fingerprint)

        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(after)
        parameters.append(Int64(size + 1))
        let (flowID, seal) = (key.flowID, fingerprint)
        let query = Query<Page<CheckpointRecord>>(statement: Self.statement, parameters: parameters) {
            rows throws(PostgresError) in
            guard rows.count > 0 else { return .failure(.flowNotFound(flowID: flowID, deleted: false)) }
            var records: [CheckpointRecord] = []
            for row in 0..<rows.count {
                if let record = try CheckpointRow.record(rows, row) { records.append(record) }
            }
            return .success(
                Page(records, size: size) {
                    PageToken(list: .checkpoints, fingerprint: seal, position: PageToken.Position(text: $0.id))
                })
        }
        store.submit(query, context, completion)
    }

    /// The id before which the page begins; nil for the first page.
    private func position(_ fingerprint: Fingerprint) throws(StateError) -> String? {
        guard let pageToken else { return nil }
        return try pageToken.position(list: .checkpoints, fingerprint: fingerprint).text
    }

    /// Ids are UUIDv7: their order is the order in which the checkpoints were made, and it needs no index but the primary key.
    private static let statement = Statement(
        name: "list_checkpoints",
        sql: """
            SELECT c.* FROM flowstate.flow f LEFT JOIN LATERAL (
                SELECT \(CheckpointRow.columns) FROM flowstate.checkpoint c
                WHERE c.tenant = $1 AND c.flow_id = $2 AND ($3 IS NULL OR c.checkpoint_id < $3)
                ORDER BY c.checkpoint_id DESC LIMIT $4) c ON true
            WHERE f.tenant = $1 AND f.flow_id = $2
            ORDER BY c.checkpoint_id DESC
            """,
        parameterTypes: [.text, .text, .text, .int8])
}
