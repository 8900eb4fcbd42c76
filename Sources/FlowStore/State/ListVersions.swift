import FlowModel
import JSON
import Postgres

extension ListVersionsCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) {
        try filter.check(limits: limits)
        switch subject {
        case .flow(let flowID), .ancestors(let flowID, _): _ = try FlowKey(tenant: tenant, flowID: flowID, limits: limits)
        case .flows(let labels):
            try labels.check(limits: limits, field: "flow_labels")
            if labels.isEmpty { throw .invalidArgument(field: "flow_labels", message: "must not be empty") }
            if order != .labelDescending {
                throw .invalidArgument(field: "order", message: "versions of several flows are listed in the order of their labels")
            }
        }
        if case .ancestors(_, let label) = subject {
            try NameRule.check(label, field: "ancestors_of_label", maximumBytes: limits.idBytes)
            if filter.labelBefore != nil || filter.isNewestOfLabel {
                throw .invalidArgument(field: "ancestors_of_label", message: "cannot be combined with label_before or newest_of_label")
            }
        }
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Page<ListedVersion> {
        let size = try StateCheck(limits: store.limits).pageSize(pageSize)
        if case .flows(let labels) = subject {
            _ = try await store.flows(of: tenant, labels: labels, limit: store.limits.flowsPerCall, for: context)
        }
        let page = try await matching(size, in: store, for: context)
        guard includesStates || includesWrites else { return page }
        return try await contents(in: store, for: context).load(page)
    }

    /// Versions that match the filter of metadata, which PostgreSQL does not know: pages are read until enough have been found, or looked at.
    private func matching(_ size: Int, in store: StateStore, for context: OperationContext) async throws(StateError) -> Page<ListedVersion>
    {
        var token = pageToken
        guard !filter.metadata.isEmpty else { return try await rows(size, after: token, in: store, for: context) }
        var (found, seen): ([ListedVersion], Int) = ([], 0)
        let limits = store.limits
        let bytes = context.reservedBytes
        while true {
            let page = try await rows(min(max(size, Self.lookedAt), limits.maximumPageSize), after: token, in: store, for: context)
            seen += page.elements.count
            let texts = page.elements.map(\.record.metadata)
            let filter = filter
            let matches = try await store.compute(texts + [filter.metadata], context) { budget throws(StateError) in
                let members = try filter.members(limits: limits, budget: budget)
                var matches: [Bool] = []
                for text in texts { matches.append(try members?.isPart(of: text, limits: limits, budget: budget) ?? true) }
                return matches
            }
            for (place, version) in page.elements.enumerated() where matches[place] {
                found.append(version)
                // Those behind it are looked at again.
                if found.count == size {
                    let isLast = page.next == nil && place == page.elements.count - 1
                    return made(found, next: isLast ? nil : self.token(after: version))
                }
            }
            token = page.next
            if token == nil || seen >= Self.mostLookedAt { return made(found, next: token) }
            context.release(to: bytes + found.reduce(0) { $0 + $1.record.metadata.count })
        }
    }

    private func made(_ versions: [ListedVersion], next: PageToken?) -> Page<ListedVersion> {
        var page = Page(elements: versions, next: next)
        page.byteCount = versions.reduce(0) { $0 + $1.record.metadata.count + PageSQL.rowBytes }
        return page
    }

    /// Versions of which a filter sees the metadata: in one go, and for one page.
    private static let lookedAt = 200
    private static let mostLookedAt = 2_000

    private func rows(
        _ size: Int, after token: PageToken?, in store: StateStore, for context: OperationContext
    ) async throws(StateError) -> Page<ListedVersion> {
        let after = try position(token)
        var parameters = Parameters()
        parameters.append(tenant)
        let statement: Statement
        switch subject {
        case .ancestors(let flowID, let label):
            parameters.append(flowID)
            parameters.append(label)
            parameters.append(token == nil ? nil : after.version)
            parameters.append(Int64(size + 1))
            parameters.append(Int64(store.pageBytes))
            return try await ancestors(flowID, label, size, parameters, in: store, for: context)
        case .flow(let flowID):
            parameters.append(flowID)
            statement = ListVersionsSQL.statement(order, newestOfLabel: filter.isNewestOfLabel)
        case .flows(let labels):
            parameters.append(LabelsJSON.encode(labels))
            statement = ListVersionsSQL.ofFlows(newestOfLabel: filter.isNewestOfLabel)
        }
        parameters.append(after.version)
        parameters.append(after.label)
        parameters.append(Int64(size + 1))
        parameters.append(Int64(store.pageBytes))
        parameters.append(filter.labelBefore)
        parameters.append(filter.isOfPresentLife)
        if case .flows = subject { parameters.append(after.flowID) }
        let query = Query<Page<ListedVersion>>(statement: statement, parameters: parameters) { rows throws(PostgresError) in
            var versions: [ListedVersion] = []
            versions.reserveCapacity(rows.count)
            for row in 0..<rows.count {
                guard let record = try VersionRow.record(rows, row) else { continue }
                versions.append(ListedVersion(flowID: try flowID(rows, row), record: record))
            }
            if rows.count == 0, case .flow(let flowID) = subject { return .failure(.flowNotFound(flowID: flowID, deleted: false)) }
            let found = versions.isEmpty ? 0 : try rows.int64(0, VersionRow.columnCount)
            return .success(Page(versions, size: size, isCut: found > Int64(versions.count)) { self.token(after: $0) })
        }
        return try await store.page(query, rows: size + 1, rowBytes: VersionRow.largestBytes(store.limits), for: context)
    }

    private func flowID(_ rows: ResultRows, _ row: Int) throws(PostgresError) -> String {
        switch subject {
        case .flow(let flowID), .ancestors(let flowID, _): flowID
        case .flows: try rows.text(row, VersionRow.columnCount + 1)
        }
    }

    private func ancestors(
        _ flowID: String, _ label: String, _ size: Int, _ parameters: Parameters, in store: StateStore, for context: OperationContext
    ) async throws(StateError) -> Page<ListedVersion> {
        let isFirst = pageToken == nil
        let query = Query<Page<ListedVersion>>(statement: ListVersionsSQL.ancestors, parameters: parameters) { rows throws(PostgresError) in
            if rows.count == 0 { return .failure(.flowNotFound(flowID: flowID, deleted: false)) }
            var versions: [ListedVersion] = []
            for row in 0..<rows.count {
                guard let record = try VersionRow.record(rows, row) else { continue }
                versions.append(ListedVersion(flowID: flowID, record: record))
            }
            if isFirst, try !rows.bool(0, VersionRow.columnCount + 2) {
                return .failure(.versionNotFound(flowID: flowID, selector: "version labelled \"\(label)\""))
            }
            let found = versions.isEmpty ? 0 : try rows.int64(0, VersionRow.columnCount)
            return .success(Page(versions, size: size, isCut: found > Int64(versions.count)) { self.token(after: $0) })
        }
        return try await store.page(query, rows: size + 1, rowBytes: VersionRow.largestBytes(store.limits), for: context)
    }

    // MARK: Pages

    var fingerprint: Fingerprint {
        var fingerprint = Fingerprint()
        fingerprint.combine(tenant)
        switch subject {
        case .flow(let flowID): fingerprint.combine(flowID)
        case .flows(let labels): fingerprint.combine(LabelsJSON.encode(labels))
        case .ancestors(let flowID, let label): fingerprint.combine([flowID, label])
        }
        // Tokens of a server that knows two orders are valid here, and the other way around.
        fingerprint.combine(order == .oldestFirst ? 0 : order.rawValue)
        guard filter != VersionFilter() else { return fingerprint }
        fingerprint.combine(filter.labelBefore ?? "")
        fingerprint.combine((filter.isNewestOfLabel ? 1 : 0) + (filter.isOfPresentLife ? 2 : 0))
        for byte in filter.metadata { fingerprint.combine(byte: byte) }
        return fingerprint
    }

    private var list: PageToken.List {
        switch subject {
        case .flow: .versions
        case .flows: .versionsOfFlows
        case .ancestors: .ancestors
        }
    }

    func token(after version: ListedVersion) -> PageToken {
        let label = order == .labelDescending ? version.record.versionLabel ?? "" : ""
        var text = label
        if case .flows = subject { text += "\n" + version.flowID }
        return PageToken(
            list: list, fingerprint: fingerprint, position: PageToken.Position(number: version.version, text: text))
    }

    private func position(_ token: PageToken?) throws(StateError) -> ListVersionsSQL.Position {
        guard let token else { return .first(order) }
        let position = try token.position(list: list, fingerprint: fingerprint)
        // No name has a line feed.
        let parts = position.text.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        return ListVersionsSQL.Position(
            version: position.number, label: String(parts[0]), flowID: parts.count > 1 ? String(parts[1]) : "")
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
