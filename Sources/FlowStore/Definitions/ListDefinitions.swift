import FlowModel
import Postgres

extension ListDefinitionsCommand: StoreCommand {
    public func submit(
        to store: StateStore, context: OperationContext,
        completion: @escaping @Sendable (Result<Page<DefinitionRecord>, StateError>) -> Void
    ) throws(StateError) {
        let size = try StateCheck(limits: store.limits).pageSize(pageSize)
        var fingerprint = Fingerprint()
        fingerprint.combine(tenant)
        let after = try pageToken?.position(list: .definitions, fingerprint: fingerprint).text ?? ""

        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(after)
        parameters.append(Int64(size + 1))
        let seal = fingerprint
        let builtIn = BuiltInDefinitions.records.filter { after.utf8.lexicographicallyPrecedes($0.flowType.utf8) }
        let query = Query<Page<DefinitionRecord>>(statement: Self.statement, parameters: parameters) { rows throws(PostgresError) in
            var records = builtIn
            for row in 0..<rows.count { records.append(try DefinitionRow.record(rows, row)) }
            records.sort { $0.flowType.utf8.lexicographicallyPrecedes($1.flowType.utf8) }
            return .success(
                Page(records, size: size) {
                    PageToken(list: .definitions, fingerprint: seal, position: PageToken.Position(text: $0.flowType))
                })
        }
        store.submit(query, context, completion)
    }

    private static let statement = Statement(
        name: "list_definitions",
        sql: """
            SELECT DISTINCT ON (d.flow_type) \(DefinitionRow.columns) FROM flowstate.definition d
            WHERE d.tenant = $1 AND d.flow_type > $2
            ORDER BY d.flow_type, d.revision DESC LIMIT $3
            """,
        parameterTypes: [.text, .text, .int8])
}
