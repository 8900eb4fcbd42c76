import FlowModel
import Postgres

extension ListVersionsCommand: TaskCommand {
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Page<VersionRecord> {
        let size = try StateCheck(limits: store.limits).pageSize(pageSize)
        var fingerprint = Fingerprint()
        fingerprint.combine(key.tenant)
        fingerprint.combine(key.flowID)
        fingerprint.combine(newestFirst ? 1 : 0)
        let after = try position(fingerprint)

        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(after)
        parameters.append(Int64(size + 1))
        parameters.append(Int64(store.pageBytes))
        let (flowID, seal) = (key.flowID, fingerprint)
        let query = Query<Page<VersionRecord>>(
            statement: newestFirst ? Self.newestFirstStatement : Self.oldestFirstStatement, parameters: parameters
        ) {
            rows throws(PostgresError) in
            guard rows.count > 0 else { return .failure(.flowNotFound(flowID: flowID, deleted: false)) }
            var records: [VersionRecord] = []
            records.reserveCapacity(rows.count)
            for row in 0..<rows.count {
                if let record = try VersionRow.record(rows, row) { records.append(record) }
            }
            let found = try rows.int64IfPresent(0, VersionRow.columnCount) ?? 0
            return .success(
                Page(records, size: size, isCut: found > Int64(records.count)) {
                    PageToken(list: .versions, fingerprint: seal, position: PageToken.Position(number: $0.version))
                })
        }
        return try await store.page(query, rows: size + 1, rowBytes: VersionRow.largestBytes(store.limits), for: context)
    }

    /// The version after which the page begins.
    private func position(_ fingerprint: Fingerprint) throws(StateError) -> FlowVersion {
        guard let pageToken else { return newestFirst ? .max : 0 }
        return try pageToken.position(list: .versions, fingerprint: fingerprint).number
    }

    private static let newestFirstStatement = statement("list_versions_newest_first", comparison: "<", order: "DESC")
    private static let oldestFirstStatement = statement("list_versions_oldest_first", comparison: ">", order: "ASC")

    private static func statement(_ name: String, comparison: String, order: String) -> Statement {
        let rows = VersionRow.selected(
            where: "v.tenant = $1 AND v.flow_id = $2 AND v.version \(comparison) $3", order: order, limit: "$4", bytes: "$5")
        return Statement(
            name: name,
            sql: """
                SELECT v.* FROM flowstate.flow f LEFT JOIN LATERAL (
                    SELECT \(VersionRow.columns), v.found FROM (\(rows)) v) v ON true
                WHERE f.tenant = $1 AND f.flow_id = $2
                ORDER BY v.version \(order)
                """,
            parameterTypes: [.text, .text, .int8, .int8, .int8])
    }
}

extension Page {
    /// A page of at most `size` rows, from a query for one more.
    ///
    /// - Parameter isCut: rows behind the last one were left out for their size.
    init(_ rows: [Element], size: Int, isCut: Bool = false, token: (Element) -> PageToken) {
        let shown = Array(rows.prefix(size))
        self.init(elements: shown, next: rows.count > size || isCut ? shown.last.map(token) : nil)
    }
}
