import FlowModel
import JSON
import Postgres
import Resources

/// The last change of a tenant's definitions (`StoreSchema.definitionChangesMigration`).
struct DirectoryChange: Sendable, Equatable {
    /// Generated anew by each change.
    var token: String
    var epoch: String
    var number: Int64
}

extension StateStore {
    /// Reads what the directory needs of a tenant: types, revisions and digests of the definitions that were put since the last reading. It
    /// serves all saves that wait for it, so it has no deadline of its own.
    ///
    /// - Parameter caller: who needs it first, and takes turns for it: a caller who saves for thousands of tenants delays their own saves.
    func readDirectory(of tenant: String, caller: UInt64) {
        let directory = resources.directory
        let (known, begun) = directory.beginReading(tenant)
        let losses = database.connectionLosses
        enqueue(Self.directoryQuery(of: tenant, known: known, begun: begun), OperationContext(caller: caller)) { [self] result in
            if !directory.finishReading(tenant, losses: losses, result) { readDirectory(of: tenant, caller: caller) }
        }
    }

    /// - Parameters:
    ///   - known: the entry from the last reading; nil: none.
    ///   - begun: when the reading began.
    static func directoryQuery(
        of tenant: String, known: DefinitionDirectory.Entry?, begun: Instant
    ) -> Query<DefinitionDirectory.Entry> {
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(known?.change?.token)
        parameters.append(known?.change?.epoch)
        parameters.append(known?.change?.number)
        let types = BuiltInDefinitions.concerningSaves
        parameters.append(texts: types.count) { types[$0] }
        var query = Query<DefinitionDirectory.Entry>(statement: DirectorySQL.statement, parameters: parameters) {
            rows throws(PostgresError) in .success(try entry(rows, of: tenant, known: known, begun: begun))
        }
        query.goesWithOthers()
        return query
    }

    private static func entry(
        _ rows: ResultRows, of tenant: String, known: DefinitionDirectory.Entry?, begun: Instant
    ) throws(PostgresError) -> DefinitionDirectory.Entry {
        guard rows.count > 0 else { throw .protocolViolation("a directory without a row") }
        let change = try rows.textIfPresent(0, 0).map { token throws(PostgresError) in
            DirectoryChange(token: token, epoch: try rows.text(0, 1), number: try rows.int64(0, 2))
        }
        // The rows continue the known entry, if there are any; otherwise they contain everything.
        let isContinued = known.map { $0.change == change } ?? false ? true : try rows.bool(0, 4)
        var types = isContinued ? known?.types ?? DefinitionDirectory.builtIn : DefinitionDirectory.builtIn
        for row in 0..<rows.count {
            guard let flowType = try rows.textIfPresent(row, 5) else { continue }
            types[Name(flowType)] = .stored(
                DefinitionReference(
                    tenant: tenant, flowType: flowType, revision: try rows.int64(row, 6), digest: try rows.bytes(row, 7)))
        }
        return DefinitionDirectory.Entry(types: types, change: change, usesBuiltIn: try rows.bool(0, 3), time: begun)
    }
}

enum DirectorySQL {
    static let statement = Statement(
        name: "read_directory",
        sql: """
            SELECT c.token, c.epoch, c.number, EXISTS (SELECT FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_type = ANY ($5)),
                c.is_continued, d.flow_type, d.revision, d.digest
            FROM (
                SELECT c.token::text, c.epoch::text, c.number, coalesce(c.epoch::text = $3, false) AND EXISTS (
                    SELECT FROM flowstate.definition k
                    WHERE k.tenant = $1 AND k.change_number = $4 AND k.change_token::text = $2) AS is_continued
                FROM (SELECT) one LEFT JOIN flowstate.definition_change c ON c.tenant = $1) c
            LEFT JOIN LATERAL (
                SELECT DISTINCT ON (n.flow_type) n.flow_type, n.revision, n.digest FROM (
                    SELECT * FROM flowstate.definition n
                    WHERE n.tenant = $1 AND c.token IS DISTINCT FROM $2 AND n.change_number > CASE WHEN c.is_continued THEN $4 ELSE -1 END
                    ORDER BY n.change_number OFFSET 0) n
                ORDER BY n.flow_type, n.revision DESC) d ON true
            """,
        parameterTypes: [.text, .text, .text, .int8, .textArray])
}
