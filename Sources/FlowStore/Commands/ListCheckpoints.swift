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
        let after = try PageToken.position(pageToken, list: .checkpoints, fingerprint: fingerprint)

        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(Int64(size + 1))
        parameters.append(after)
        let (flowID, seal) = (key.flowID, fingerprint)
        let query = Query<Page<CheckpointRecord>>(statement: Self.statement, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count > 0 else { return .failure(.flowNotFound(flowID: flowID, deleted: false)) }
            var records: [(CheckpointRecord, InsertionOrder.Position)] = []
            for row in 0..<rows.count {
                guard let record = try CheckpointRow.record(rows, row) else { continue }
                records.append((record, try InsertionOrder.position(rows, row, from: CheckpointRow.columnCount)))
            }
            return .success(Page(records, size: size, list: .checkpoints, fingerprint: seal))
        }
        store.submit(query, context, completion)
    }

    static let statement = Statement(
        name: "list_checkpoints",
        sql: """
            SELECT \(CheckpointRow.columns), \(InsertionOrder.columns("c", id: "checkpoint_id"))
            FROM flowstate.flow f LEFT JOIN LATERAL (
                SELECT * FROM flowstate.checkpoint c
                WHERE c.tenant = $1 AND c.flow_id = $2 AND \(InsertionOrder.isAfter("c", id: "checkpoint_id", first: 4))
                ORDER BY \(InsertionOrder.newestFirst("c", id: "checkpoint_id")) LIMIT $3) c ON true
            WHERE f.tenant = $1 AND f.flow_id = $2
            ORDER BY \(InsertionOrder.newestFirst("c", id: "checkpoint_id"))
            """,
        parameterTypes: [.text, .text, .int8] + InsertionOrder.types)
}
