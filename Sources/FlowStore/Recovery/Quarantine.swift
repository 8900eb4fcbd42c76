import FlowModel
import Postgres

extension ListQuarantineCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) {
        if let flowID { try NameRule.check(flowID, field: "flow_id", maximumBytes: limits.idBytes) }
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Page<QuarantineRecord> {
        let size = try StateCheck(limits: store.limits).pageSize(pageSize)
        var fingerprint = Fingerprint()
        fingerprint.combine(tenant)
        fingerprint.combine(flowID ?? "")
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(flowID)
        parameters.append(Int64(size + 1))
        parameters.append(try PageToken.position(pageToken, list: .quarantine, fingerprint: fingerprint))
        parameters.append(Int64(store.pageBytes))
        let (tenant, seal) = (tenant, fingerprint)
        let query = Query<Page<QuarantineRecord>>(statement: QuarantineRow.list, parameters: parameters) { rows throws(PostgresError) in
            var records: [(QuarantineRecord, InsertionOrder.Position)] = []
            for row in 0..<rows.count {
                let position = try InsertionOrder.position(rows, row, from: QuarantineRow.columnCount)
                records.append((try QuarantineRow.record(rows, row, tenant: tenant), position))
            }
            let found = rows.count > 0 ? try rows.int64(0, QuarantineRow.columnCount + InsertionOrder.types.count) : 0
            return .success(Page(records, found: found, size: size, list: .quarantine, fingerprint: seal))
        }
        // An entry may have any number of violations.
        return try await store.page(query, rows: size + 1, rowBytes: store.pageBytes, for: context)
    }
}

extension GetQuarantinedCommand: TaskCommand {
    package struct Outcome: Sendable {
        package let record: QuarantineRecord
        let snapshot: Snapshot
        package var state: [UInt8] { snapshot.state }
    }

    package func check(limits: Limits) throws(StateError) { try NameRule.check(id, field: "id", maximumBytes: limits.idBytes) }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Outcome {
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(id)
        let (tenant, id) = (tenant, id)
        var query = Query<QuarantineRecord>(statement: QuarantineRow.get, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count > 0 else { return .failure(.quarantinedNotFound(id: id)) }
            return .success(try QuarantineRow.record(rows, 0, tenant: tenant))
        }
        query.goesWithOthers()
        let record = try await store.ask(query, for: context)
        do throws(StateError) {
            var load = LoadCommand(key: record.key, selector: .version(record.version))
            load.findsRemoved = true
            // Such a state is left out.
            load.findsParts = true
            return Outcome(record: record, snapshot: try await store.snapshot(load, for: context))
        } catch .versionNotFound(_, _) {
            // It was cleaned up between the two statements.
            throw .quarantinedNotFound(id: id)
        }
    }
}

private enum QuarantineRow {
    private static func columns(_ version: String) -> String {
        """
        q.quarantine_id, q.flow_id, q.version, q.reason, q.violations, \(version).content_type, \(version).size, \(version).digest, \
        q.created_at
        """
    }
    static let columnCount = 9
    private static let source = """
        flowstate.quarantine q JOIN LATERAL (SELECT * FROM flowstate.flow_version w
            WHERE w.tenant = q.tenant AND w.flow_id = q.flow_id AND w.version = q.version OFFSET 0) v ON true
        """

    static func record(_ rows: ResultRows, _ row: Int, tenant: String) throws(PostgresError) -> QuarantineRecord {
        QuarantineRecord(
            id: try rows.text(row, 0), key: FlowKey(stored: tenant, flowID: try rows.text(row, 1)), version: try rows.int64(row, 2),
            reason: try rows.text(row, 3), violations: QuarantineRequest.violations(try rows.bytes(row, 4)),
            contentType: try rows.text(row, 5), size: try rows.int64(row, 6), digest: try rows.bytes(row, 7),
            createdAt: Timestamp(microseconds: try rows.timestamp(row, 8)))
    }

    static let list = Statement(
        name: "list_quarantine",
        sql: """
            SELECT \(columns("q")), \(InsertionOrder.columns("q", id: "quarantine_id")), q.found FROM (\(rows)) q
            """,
        parameterTypes: [.text, .text, .int8] + InsertionOrder.types + [.int8])

    private static let rows = PageSQL.fitting(
        """
        SELECT q.*, v.content_type, v.size, v.digest FROM \(source)
        WHERE q.tenant = $1 AND ($2 IS NULL OR q.flow_id = $2) AND \(InsertionOrder.isAfter("q", id: "quarantine_id", first: 4))
        ORDER BY \(InsertionOrder.newestFirst("q", id: "quarantine_id")) LIMIT $3
        """,
        as: "q", order: InsertionOrder.newestFirst("q", id: "quarantine_id"),
        size: PageSQL.octets("q.quarantine_id", "q.flow_id", "q.reason", "q.violations", "q.content_type"), bytes: "$7")

    static let get = Statement(
        name: "get_quarantined", sql: "SELECT \(columns("v")) FROM \(source) WHERE q.tenant = $1 AND q.quarantine_id = $2",
        parameterTypes: [.text, .text])
}
