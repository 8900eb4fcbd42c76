import FlowModel
import Postgres

/// Tells whether definitions were put since a tenant's were read. The time is PostgreSQL's; with the number of revisions it tells apart
/// what a database and its restored backup have.
struct DirectoryFingerprint: Sendable, Equatable {
    var revisions: Int64
    /// When the newest was put, in microseconds since 1970-01-01 00:00 UTC; nil: there is none.
    var newest: Int64?
}

extension StateStore {
    /// Reads what the directory has to know of a tenant: names and digests, and those only if something was put. It is for whichever saves
    /// wait for it, so it has no deadline of its own.
    func readDirectory(of tenant: String) {
        let directory = resources.directory
        let (known, begun) = directory.beginReading(tenant)
        let losses = database.connectionLosses
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(known?.fingerprint.revisions)
        parameters.append(timestamp: known?.fingerprint.newest)
        let types = BuiltInDefinitions.concerningSaves
        parameters.append(texts: types.count) { types[$0] }
        var query = Query<DefinitionDirectory.Entry>(statement: DirectorySQL.statement, parameters: parameters) {
            rows throws(PostgresError) in .success(try Self.entry(rows, of: tenant, known: known, begun: begun))
        }
        query.goesWithOthers()
        submit(query, OperationContext()) { [self] result in
            if !directory.finishReading(tenant, losses: losses, result) { readDirectory(of: tenant) }
        }
    }

    private static func entry(
        _ rows: ResultRows, of tenant: String, known: DefinitionDirectory.Entry?, begun: ContinuousClock.Instant
    ) throws(PostgresError) -> DefinitionDirectory.Entry {
        var types = DefinitionDirectory.builtIn
        var (fingerprint, usesBuiltIn) = (DirectoryFingerprint(revisions: 0, newest: nil), false)
        for row in 0..<rows.count {
            fingerprint = DirectoryFingerprint(revisions: try rows.int64(row, 0), newest: try rows.timestampIfPresent(row, 1))
            usesBuiltIn = try rows.bool(row, 2)
            guard let flowType = try rows.textIfPresent(row, 3) else { continue }
            types[Name(flowType)] = .stored(
                DefinitionReference(
                    tenant: tenant, flowType: flowType, revision: try rows.int64(row, 4), digest: try rows.bytes(row, 5)))
        }
        if let known, known.fingerprint == fingerprint { types = known.types }
        return DefinitionDirectory.Entry(types: types, fingerprint: fingerprint, usesBuiltIn: usesBuiltIn, time: begun)
    }
}

private enum DirectorySQL {
    static let statement = Statement(
        name: "read_directory",
        sql: """
            SELECT n.revisions, n.newest,
                EXISTS (SELECT FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_type = ANY ($4)), d.flow_type, d.revision, d.digest
            FROM (SELECT count(*) AS revisions, max(created_at) AS newest FROM flowstate.definition WHERE tenant = $1) n
            LEFT JOIN LATERAL (
                SELECT DISTINCT ON (flow_type) flow_type, revision, digest FROM flowstate.definition
                WHERE tenant = $1 AND (n.revisions, n.newest) IS DISTINCT FROM ($2, $3)
                ORDER BY flow_type, revision DESC) d ON true
            """,
        parameterTypes: [.text, .int8, .timestamptz, .textArray])
}
