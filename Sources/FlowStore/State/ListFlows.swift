import FlowModel
import Postgres

extension ListFlowsCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Page<FlowHead> {
        let size = try StateCheck(limits: store.limits).pageSize(pageSize)
        let seal = fingerprint
        var query = ListFlowsQuery(tenant: tenant, order: order)
        query.add(filter)
        if let pageToken { query.add(after: try pageToken.position(list: .flows, fingerprint: seal)) }
        let pageBytes = store.pageBytes
        let searches = store.resources.listSearches
        let listed = searchKey(seal, size: size)
        let search = searches.search(listed)
        let (statement, parameters) = query.finish(limit: Int64(size + 1), bytes: Int64(pageBytes), search: search)
        let (tenant, order) = (tenant, order)
        var reading = Query<Page<FlowHead>>(statement: statement, parameters: parameters) {
            rows throws(PostgresError) in
            var heads: [FlowHead] = []
            heads.reserveCapacity(rows.count)
            var bytes = 0
            for row in 0..<rows.count {
                bytes += rows.byteCount(ofRow: row)
                if bytes > pageBytes, !heads.isEmpty { break }
                let key = FlowKey(stored: tenant, flowID: try rows.text(row, FlowRow.headColumnCount))
                heads.append(try FlowRow.head(rows, row, key: key))
            }
            let found = rows.count > 0 ? try rows.int64(0, FlowRow.headColumnCount + 1) : 0
            // Without rows nothing was found either way.
            if let crowd = rows.count > 0 ? try rows.int64IfPresent(0, FlowRow.headColumnCount + 2) : 0, order.isByChange {
                searches.sorted(listed, after: search, crowd: crowd)
            }
            return .success(
                Page(heads, size: size, isCut: Int64(heads.count) < found) { last in
                    PageToken(list: .flows, fingerprint: seal, position: ListFlowsQuery.position(of: last, order: order))
                })
        }
        // Dashboards ask for the same page at the same time.
        reading.sharesAnswer()
        return try await store.page(
            reading, rows: size + 1, rowBytes: FlowRow.largestBytes(store.limits), surplus: PageSQL.portion, for: context)
    }

    func searchKey(_ fingerprint: Fingerprint, size: Int) -> ListSearches.Key {
        ListSearches.Key(
            fingerprint: fingerprint.value, size: size, isFirst: pageToken == nil,
            isNarrow: !filter.labels.isEmpty || !filter.flowIDPrefix.isEmpty)
    }

    var fingerprint: Fingerprint {
        var fingerprint = Fingerprint()
        fingerprint.combine(tenant)
        fingerprint.combine(order.rawValue)
        for value in [filter.flowType, filter.phase, filter.status] {
            fingerprint.combine(value.map { [$0] } ?? [])
        }
        fingerprint.combine(LabelsJSON.encode(filter.labels))
        for time in [filter.created.start, filter.created.end, filter.updated.start, filter.updated.end] {
            fingerprint.combine(time?.microseconds ?? .max)
        }
        fingerprint.combine(filter.flowIDPrefix)
        fingerprint.combine(filter.includeDeleted ? 1 : 0)
        return fingerprint
    }
}

extension FlowOrder {
    var isByChange: Bool { self == .updatedAscending || self == .updatedDescending }
}
