import FlowModel
import Postgres

extension ListDefinitionsCommand: TaskCommand {
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Page<DefinitionRecord> {
        let size = try StateCheck(limits: store.limits).pageSize(pageSize)
        var fingerprint = Fingerprint()
        fingerprint.combine(tenant)
        let after = try pageToken?.position(list: .definitions, fingerprint: fingerprint).text ?? ""

        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(after)
        parameters.append(Int64(size + 1))
        parameters.append(Int64(store.pageBytes))
        let seal = fingerprint
        let builtIn = BuiltInDefinitions.records.filter { after.utf8.lexicographicallyPrecedes($0.flowType.utf8) }
        let query = Query<Page<DefinitionRecord>>(statement: Self.statement, parameters: parameters) { rows throws(PostgresError) in
            var stored: [DefinitionRecord] = []
            for row in 0..<rows.count { stored.append(try DefinitionRow.record(rows, row, from: 1)) }
            // Built-in definitions behind rows that were left out for their size belong to a later page.
            let isCut = rows.count > 0 ? try rows.int64(0, 0) > Int64(rows.count) : false
            let shown = isCut ? stored.last.map { last in builtIn.filter { $0.isBefore(last) } } ?? [] : builtIn
            let records = (shown + stored).sorted { $0.isBefore($1) }
            return .success(
                Page(records, size: size, isCut: isCut) {
                    PageToken(list: .definitions, fingerprint: seal, position: PageToken.Position(text: $0.flowType))
                })
        }
        return try await store.page(
            query, rows: size + 1, rowBytes: store.limits.definitionBytes + 4 * store.limits.idBytes, for: context)
    }

    private static let rows = PageSQL.fitting(
        """
        SELECT DISTINCT ON (flow_type) * FROM flowstate.definition WHERE tenant = $1 AND flow_type > $2
        ORDER BY flow_type, revision DESC LIMIT $3
        """,
        as: "d", order: "d.flow_type", size: PageSQL.octets("d.flow_type", "d.document", "d.actor"), bytes: "$4")

    private static let statement = Statement(
        name: "list_definitions",
        sql: """
            SELECT d.found, \(DefinitionRow.columns) FROM (\(rows)) d
            """,
        parameterTypes: [.text, .text, .int8, .int8])
}

extension DefinitionRecord {
    fileprivate func isBefore(_ other: DefinitionRecord) -> Bool {
        flowType.utf8.lexicographicallyPrecedes(other.flowType.utf8)
    }
}
