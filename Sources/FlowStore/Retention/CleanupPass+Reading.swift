import FlowModel
import JSON
import Postgres

/// The queries of a pass.
extension CleanupPass {
    struct DeletedFlow: Sendable {
        var flowID: String
        /// Versions that may still exist.
        var versions: Int64
        /// Microseconds since 1970-01-01 00:00 UTC.
        var deletedAt: Int64
    }

    struct Flow: Sendable {
        var flowID: String
        var flowType: String
        var version: FlowVersion
        /// Versions that may still exist.
        var versions: Int64
        var definitionRevision: Int64?
        var phase: String
        var status: String
        /// Seconds since the last change.
        var age: Double
    }

    struct FlowPage: Sendable {
        var lastID: String
        var flows: [Flow]
    }

    /// What to remove of a flow.
    struct FlowTotals: Sendable {
        var flowID: String
        /// Lower versions are removed unless they are pinned; 0: none are.
        var floor: FlowVersion = 0
        var versions: Int64 = 0
        var bytes: Int64 = 0
        var checkpoints: Int64 = 0
        var quarantined: Int64 = 0
        var events: Int64 = 0

        var isEmpty: Bool { versions == 0 && checkpoints == 0 && quarantined == 0 && events == 0 }
    }

    /// - Parameter isIncluded: whether the result may be `tenant` itself.
    func nextTenant(from tenant: String, isIncluded: Bool) async throws(StateError) -> String? {
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(isIncluded)
        return try await store.rowsInBackground(CleanupSQL.nextTenant, parameters) { rows, row throws(PostgresError) in
            try rows.text(row, 0)
        }.first
    }

    /// The definitions of a tenant that limit what is retained, built-in ones too, by type.
    func definitions(of tenant: String) async throws(StateError) -> [Name: FoundDefinition] {
        var parameters = Parameters()
        parameters.append(tenant)
        let stored = try await store.rowsInBackground(CleanupSQL.definitions, parameters) { rows, row throws(PostgresError) in
            DefinitionReference(
                tenant: tenant, flowType: try rows.text(row, 0), revision: try rows.int64(row, 1), digest: try rows.bytes(row, 2))
        }
        var definitions: [Name: FoundDefinition] = [:]
        for case .builtIn(let found) in DefinitionDirectory.builtIn.values { definitions[Name(found.definition.flowType)] = found }
        for reference in stored {
            // A definition that cannot be read is logged where it was tried, and limits nothing: another server may be able to read it.
            definitions[Name(reference.flowType)] = try? await store.definition(reference)
        }
        return definitions.filter { !$0.value.definition.retention.isEmpty }
    }

    func markGone(_ key: FlowKey) async throws(StateError) {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        try await store.runInBackground(Query(statement: CleanupSQL.markGone, parameters: parameters) { _ in .success(()) }).get()
    }

    func deleted(of tenant: String, hours: Int64, after last: DeletedFlow) async throws(StateError) -> [DeletedFlow] {
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(Double(hours) * 3_600)
        parameters.append(timestamp: last.deletedAt)
        parameters.append(last.flowID)
        parameters.append(Self.pageSize)
        parameters.append(command.flowType)
        return try await store.rowsInBackground(CleanupSQL.deleted, parameters) { rows, row throws(PostgresError) in
            DeletedFlow(flowID: try rows.text(row, 0), versions: try rows.int64(row, 1), deletedAt: try rows.timestamp(row, 2))
        }
    }

    /// nil: there are no more flows.
    func page(of tenant: String, after last: String, types: [String]) async throws(StateError) -> FlowPage? {
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(last)
        parameters.append(Self.pageSize)
        parameters.append(texts: types.count) { types[$0] }
        let rows = try await store.rowsInBackground(CleanupSQL.flows, parameters) { rows, row throws(PostgresError) in
            let lastID = try rows.text(row, 0)
            guard let flowID = try rows.textIfPresent(row, 1) else { return (lastID, Flow?.none) }
            return (
                lastID,
                Flow(
                    flowID: flowID, flowType: try rows.text(row, 2), version: try rows.int64(row, 3), versions: try rows.int64(row, 4),
                    definitionRevision: try rows.int64IfPresent(row, 5), phase: try rows.text(row, 6), status: try rows.text(row, 7),
                    age: try rows.double(row, 8))
            )
        }
        return rows.first.map { FlowPage(lastID: $0.0, flows: rows.compactMap { $0.1 }) }
    }

    func totals(
        _ flowIDs: [String], of tenant: String, _ policy: RetentionPolicy, isDeleted: Bool
    ) async throws(StateError) -> [FlowTotals] {
        if flowIDs.isEmpty { return [] }
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(texts: flowIDs.count) { flowIDs[$0] }
        parameters.append(policy.versions)
        parameters.append(policy.versionHours.map { Double($0) * 3_600 })
        parameters.append(policy.versionBytes)
        parameters.append(policy.checkpoints)
        parameters.append(policy.quarantined)
        parameters.append(isDeleted)
        parameters.append(policy.limitsVersions)
        return try await store.rowsInBackground(CleanupSQL.totals, parameters) { rows, row throws(PostgresError) in
            FlowTotals(
                flowID: try rows.text(row, 0), floor: try rows.int64(row, 1), versions: try rows.int64(row, 2),
                bytes: try rows.int64(row, 3), checkpoints: try rows.int64(row, 4), quarantined: try rows.int64(row, 5),
                events: try rows.int64(row, 6))
        }
    }

    /// A range of the versions of one flow, which has too many for one statement.
    struct Range: Sendable {
        var versions: Int64
        var lowest: FlowVersion
        var bytes: Int64
        var newestToGo: FlowVersion?
        /// Of versions that nothing pins.
        var freeVersions: Int64
        var freeBytes: Int64
    }

    func range(
        of key: FlowKey, _ policy: RetentionPolicy, below end: FlowVersion, places: Int64, bytes: Int64
    ) async throws(StateError) -> Range {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(policy.versions)
        parameters.append(policy.versionHours.map { Double($0) * 3_600 })
        parameters.append(policy.versionBytes)
        parameters.append(end)
        parameters.append(rangeSize)
        parameters.append(places)
        parameters.append(bytes)
        parameters.append(policy.checkpoints)
        parameters.append(policy.quarantined)
        let ranges = try await store.rowsInBackground(CleanupSQL.range, parameters) { rows, row throws(PostgresError) in
            Range(
                versions: try rows.int64(row, 0), lowest: try rows.int64(row, 1), bytes: try rows.int64(row, 2),
                newestToGo: try rows.int64IfPresent(row, 3), freeVersions: try rows.int64(row, 4), freeBytes: try rows.int64(row, 5))
        }
        guard let range = ranges.first else { throw .internalFault("a sum without a row") }
        return range
    }
}
