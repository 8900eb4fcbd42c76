import FlowModel
import Postgres

extension ListFlowsCommand: StoreCommand {
    public func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<Page<FlowHead>, StateError>) -> Void
    ) throws(StateError) {
        let check = StateCheck(limits: store.limits)
        try check.check(self)
        let size = try check.pageSize(pageSize)
        let seal = fingerprint
        var query = ListFlowsQuery(tenant: tenant, order: order)
        query.add(filter)
        if let pageToken { query.add(after: try pageToken.position(list: .flows, fingerprint: seal)) }
        let (statement, parameters) = query.finish(limit: Int64(size + 1))
        let (tenant, order, pageBytes) = (tenant, order, store.limits.pageBytes)
        var reading = Query<Page<FlowHead>>(statement: statement, parameters: parameters) {
            rows throws(PostgresError) in
            var heads: [FlowHead] = []
            heads.reserveCapacity(rows.count)
            var bytes = 0
            for row in 0..<rows.count {
                let key = FlowKey(stored: tenant, flowID: try rows.text(row, FlowRow.headColumnCount))
                let head = try FlowRow.head(rows, row, key: key)
                bytes += head.labelBytes
                if bytes > pageBytes, !heads.isEmpty { break }
                heads.append(head)
            }
            return .success(
                Page(heads, size: size, isCut: heads.count < rows.count) { last in
                    PageToken(list: .flows, fingerprint: seal, position: ListFlowsQuery.position(of: last, order: order))
                })
        }
        // Dashboards ask for the same page at the same time.
        reading.sharesAnswer()
        store.submit(reading, context, completion)
    }

    private var fingerprint: Fingerprint {
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

extension FlowHead {
    /// What its labels take in a page.
    fileprivate var labelBytes: Int { labels.entries.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count } }
}
