import FlowModel
import Postgres

extension ListCheckpointsCommand: TaskCommand {
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Page<CheckpointRecord> {
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
        parameters.append(Int64(store.pageBytes))
        let (flowID, seal) = (key.flowID, fingerprint)
        let query = Query<Page<CheckpointRecord>>(statement: Self.statement, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count > 0 else { return .failure(.flowNotFound(flowID: flowID, deleted: false)) }
            var records: [(CheckpointRecord, InsertionOrder.Position)] = []
            for row in 0..<rows.count {
                guard let record = try CheckpointRow.record(rows, row) else { continue }
                records.append((record, try InsertionOrder.position(rows, row, from: CheckpointRow.columnCount)))
            }
            let found = try rows.int64IfPresent(0, CheckpointRow.columnCount + InsertionOrder.types.count) ?? 0
            return .success(Page(records, found: found, size: size, list: .checkpoints, fingerprint: seal))
        }
        return try await store.page(query, rows: size + 1, rowBytes: CheckpointRow.largestBytes(store.limits), for: context)
    }

    static let statement = Statement(
        name: "list_checkpoints",
        sql: """
            SELECT \(CheckpointRow.columns), \(InsertionOrder.columns("c", id: "checkpoint_id")), c.found
            FROM flowstate.flow f LEFT JOIN LATERAL (\(rows)) c ON true
            WHERE f.tenant = $1 AND f.flow_id = $2
            ORDER BY \(InsertionOrder.newestFirst("c", id: "checkpoint_id"))
            """,
        parameterTypes: [.text, .text, .int8] + InsertionOrder.types + [.int8])

    private static let rows = PageSQL.fitting(
        """
        SELECT * FROM flowstate.checkpoint c
        WHERE c.tenant = $1 AND c.flow_id = $2 AND \(InsertionOrder.isAfter("c", id: "checkpoint_id", first: 4))
        ORDER BY \(InsertionOrder.newestFirst("c", id: "checkpoint_id")) LIMIT $3
        """,
        as: "c", order: InsertionOrder.newestFirst("c", id: "checkpoint_id"),
        size: PageSQL.octets("c.checkpoint_id", "c.name", "c.description", "c.actor"), bytes: "$7")
}
