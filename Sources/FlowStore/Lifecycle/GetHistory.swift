import FlowModel
import Postgres

extension GetHistoryCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) {
        for kind in kinds { try NameRule.check(kind, field: "kinds", maximumBytes: limits.idBytes) }
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Page<HistoryRecord> {
        let size = try StateCheck(limits: store.limits).pageSize(pageSize)
        var fingerprint = Fingerprint()
        fingerprint.combine(key.tenant)
        fingerprint.combine(key.flowID)
        for kind in kinds { fingerprint.combine(kind) }
        let (place, isFirst) = (try place(fingerprint), pageToken == nil)

        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(place.version)
        parameters.append(place.event)
        parameters.append(Int64(size + 1))
        let versionKinds = VersionKind.allCases.filter { kinds.isEmpty || kinds.contains($0.name) }
        parameters.append(smallints: versionKinds.count) { versionKinds[$0].rawValue }
        parameters.append(!kinds.isEmpty)
        let eventKinds = kinds
        parameters.append(texts: eventKinds.count) { eventKinds[$0] }
        // Half for versions, half for events.
        parameters.append(Int64(store.pageBytes / 2))
        let (flowID, seal) = (key.flowID, fingerprint)
        let query = Query<Page<HistoryRecord>>(statement: Self.statement, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count > 0 || !isFirst else { return .failure(.flowNotFound(flowID: flowID, deleted: false)) }
            var (versions, events): ([VersionRecord], [EventRecord]) = ([], [])
            var (foundVersions, foundEvents): (Int64, Int64) = (0, 0)
            for row in 0..<rows.count {
                switch try Self.record(rows, row) {
                case .version(let version):
                    versions.append(version)
                    foundVersions = try rows.int64(row, VersionRow.columnCount + Self.eventColumns)
                case .event(let event):
                    events.append(event)
                    foundEvents = try rows.int64(row, VersionRow.columnCount + Self.eventColumns)
                case nil: break
                }
            }
            // Entries of one kind that were left out for their size may come before the next ones of the other kind.
            let (cutsVersions, cutsEvents) = (foundVersions > Int64(versions.count), foundEvents > Int64(events.count))
            var merge = HistoryMerge(place: place, versions: versions[...], events: events[...])
            let page = merge.next(size, endsWithVersions: cutsVersions, endsWithEvents: cutsEvents)
            return .success(
                Page(
                    elements: page,
                    next: merge.isEmpty && !cutsVersions && !cutsEvents
                        ? nil : PageToken(list: .history, fingerprint: seal, position: merge.place.position)))
        }
        return try await store.page(
            query, rows: 2 * (size + 1), rowBytes: VersionRow.largestBytes(store.limits), surplus: 2, for: context)
    }

    private func place(_ fingerprint: Fingerprint) throws(StateError) -> HistoryMerge.Place {
        guard let pageToken else { return HistoryMerge.Place() }
        guard let place = HistoryMerge.Place(try pageToken.position(list: .history, fingerprint: fingerprint)) else {
            throw .damagedPageToken
        }
        return place
    }

    private static func record(_ rows: ResultRows, _ row: Int) throws(PostgresError) -> HistoryRecord? {
        if let version = try VersionRow.record(rows, row) { return .version(version) }
        let first = VersionRow.columnCount
        guard let id = try rows.int64IfPresent(row, first) else { return nil }
        return .event(
            EventRecord(
                id: id, kind: try rows.text(row, first + 1), actor: try rows.text(row, first + 2),
                detail: Array(try rows.text(row, first + 3).utf8), createdAt: Timestamp(microseconds: try rows.timestamp(row, first + 4))))
    }

    private static let eventColumns = 5

    private static let events = PageSQL.fitting(
        """
        SELECT e.event_id, e.kind, e.actor, e.detail::text AS detail, e.created_at FROM flowstate.flow_event e
        WHERE e.tenant = $1 AND e.flow_id = $2 AND e.event_id < $4 AND (NOT $7 OR e.kind = ANY ($8))
        ORDER BY e.event_id DESC LIMIT $5
        """,
        as: "e", order: "e.event_id DESC", size: PageSQL.octets("e.kind", "e.actor", "e.detail"), bytes: "$9")

    /// A row for the flow itself, if it exists, tells an empty page from a flow that does not exist.
    private static let statement = Statement(
        name: "get_history",
        sql: """
            (SELECT \(VersionRow.nulls), NULL::bigint, NULL::text, NULL::text, NULL::text, NULL::timestamptz, NULL::bigint
                FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_id = $2)
            UNION ALL
            (SELECT \(VersionRow.columns), NULL, NULL, NULL, NULL, NULL, v.found FROM (
                \(VersionRow.selected(
                    where: "v.tenant = $1 AND v.flow_id = $2 AND v.version < $3 AND v.kind = ANY ($6)", order: "v.version DESC", limit: "$5",
                    bytes: "$9"))) v)
            UNION ALL
            (SELECT \(VersionRow.nulls), e.event_id, e.kind, e.actor, e.detail, e.created_at, e.found FROM (\(events)) e)
            """,
        parameterTypes: [.text, .text, .int8, .int8, .int8, .int2Array, .bool, .textArray, .int8])
}
