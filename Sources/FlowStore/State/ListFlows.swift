import FlowModel
import Postgres

extension ListFlowsCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Page<ListedFlow> {
        let page = try await rows(in: store, for: context)
        guard includesStates else { return page }
        let sizes = try await sizes(of: page.elements, in: store, for: context)
        return try await contents(sizes, in: store, for: context).load(page)
    }

    /// The states of the flows of a page, of the versions with which they are listed.
    private func contents(
        _ sizes: [FlowKey: Int64], in store: StateStore, for context: OperationContext
    ) -> PageContents<ListedFlow> {
        PageContents(
            store: store, token: { token(after: $0) }, expectedBytes: { Int(clamping: sizes[$0.head.key] ?? 0) },
            loadedBytes: { $0.snapshot?.state.count ?? 0 },
            load: { (flow: ListedFlow) async throws(StateError) in
                guard case .snapshot(let snapshot)? = try await load(flow.head, inFull: true, in: store, for: context) else {
                    return flow.head.isDeleted ? flow : nil
                }
                return ListedFlow(head: flow.head, snapshot: snapshot)
            })
    }

    /// The bytes of the states, which heads do not have.
    private func sizes(
        of flows: [ListedFlow], in store: StateStore, for context: OperationContext
    ) async throws(StateError) -> [FlowKey: Int64] {
        let results = await concurrently(flows.map(\.head), width: 32) { (head: FlowHead) async throws(StateError) in
            (head.key, try await load(head, inFull: false, in: store, for: context))
        }
        var sizes: [FlowKey: Int64] = [:]
        for result in results {
            if case (let key, .unchanged(_, let version)?) = try result.get() { sizes[key] = version.size }
        }
        return sizes
    }

    /// - Returns: nil: the flow is deleted, or its version was removed meanwhile.
    private func load(
        _ head: FlowHead, inFull: Bool, in store: StateStore, for context: OperationContext
    ) async throws(StateError) -> LoadOutcome? {
        if head.isDeleted { return nil }
        do throws(StateError) {
            var load = LoadCommand(key: head.key, selector: .version(head.version), ifVersionNot: inFull ? nil : head.version)
            // Such a state is left out.
            load.findsParts = true
            return try await store.load(load, for: context)
        } catch .versionNotFound {
            return nil
        }
    }

    private func token(after flow: ListedFlow) -> PageToken {
        PageToken(
            list: .flows, fingerprint: fingerprint, position: ListFlowsQuery.position(of: flow.head, order: order))
    }

    private func rows(in store: StateStore, for context: OperationContext) async throws(StateError) -> Page<ListedFlow> {
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
        var reading = Query<Page<ListedFlow>>(statement: statement, parameters: parameters) {
            rows throws(PostgresError) in
            var flows: [ListedFlow] = []
            flows.reserveCapacity(rows.count)
            var bytes = 0
            for row in 0..<rows.count {
                bytes += rows.byteCount(ofRow: row)
                if bytes > pageBytes, !flows.isEmpty { break }
                let key = FlowKey(stored: tenant, flowID: try rows.text(row, FlowRow.headColumnCount))
                flows.append(ListedFlow(head: try FlowRow.head(rows, row, key: key)))
            }
            let found = rows.count > 0 ? try rows.int64(0, FlowRow.headColumnCount + 1) : 0
            // Without rows nothing was found either way.
            if let crowd = rows.count > 0 ? try rows.int64IfPresent(0, FlowRow.headColumnCount + 2) : 0, order.isByChange {
                searches.sorted(listed, after: search, crowd: crowd)
            }
            return .success(Page(flows, size: size, isCut: Int64(flows.count) < found) { token(after: $0) })
        }
        // Dashboards ask for the same page at the same time.
        reading.sharesAnswer()
        return try await store.page(
            reading, rows: size + 1, rowBytes: FlowRow.largestBytes(store.limits), surplus: PageSQL.portion, for: context)
    }

    func searchKey(_ fingerprint: Fingerprint, size: Int) -> ListSearches.Key {
        ListSearches.Key(
            fingerprint: fingerprint.value, size: size, isFirst: pageToken == nil,
            isNarrow: !filter.labels.isEmpty || !filter.flowIDPrefix.isEmpty || filter.isOverdue)
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
        if filter.isOverdue { fingerprint.combine("overdue") }
        return fingerprint
    }
}

extension FlowOrder {
    var isByChange: Bool { self == .updatedAscending || self == .updatedDescending }
}
