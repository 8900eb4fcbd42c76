import FlowModel
import Postgres

extension GetDefinitionCommand: StoreCommand {
    package func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<DefinitionRecord, StateError>) -> Void
    ) throws(StateError) {
        try check(limits: store.limits)
        let (flowType, revision) = (flowType, revision)
        if let record = BuiltInDefinitions.record(flowType) {
            let isThere = revision == nil || revision == record.revision
            let result: Result<DefinitionRecord, StateError> =
                isThere ? .success(record) : .failure(.definitionNotFound(flowType: flowType, revision: revision ?? 0))
            return context.executor.execute { completion(result) }
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
        store.submit(query, context, completion)
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
