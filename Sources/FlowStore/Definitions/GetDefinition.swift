import FlowModel
import Postgres

extension GetDefinitionCommand: TaskCommand {
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> DefinitionRecord {
        let (flowType, revision) = (flowType, revision)
        if let record = BuiltInDefinitions.record(flowType) {
            guard revision == nil || revision == record.revision else {
                throw .definitionNotFound(flowType: flowType, revision: revision ?? 0)
            }
            return record
        }
        var parameters = Parameters()
        parameters.append(tenant)
        parameters.append(flowType)
        parameters.append(revision)
        var query = Query<DefinitionRecord>(statement: Self.statement, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count > 0 else { return .failure(.definitionNotFound(flowType: flowType, revision: revision ?? 0)) }
            return .success(try DefinitionRow.record(rows, 0))
        }
        query.goesWithOthers()
        return try await store.ask(query, for: context)
    }

    private static let statement = Statement(
        name: "get_definition",
        sql: """
            SELECT \(DefinitionRow.columns) FROM flowstate.definition d
            WHERE d.tenant = $1 AND d.flow_type = $2 AND ($3 IS NULL OR d.revision = $3)
            ORDER BY d.revision DESC LIMIT 1
            """,
        parameterTypes: [.text, .text, .int8])
}
