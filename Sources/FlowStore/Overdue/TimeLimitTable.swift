import FlowModel
import Postgres

extension StateStore {
    /// See `FlowDefinition.limitTable`; nil: the flow's definition has no limits, or it has none.
    func limitTable(of key: FlowKey, for context: OperationContext) async throws(StateError) -> String? {
        if resources.cache.lookup(key)?.flowType?.isEmpty ?? false { return nil }
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        var query = Query<(flowType: String, revision: Int64?)?>(statement: Self.followed, parameters: parameters) {
            rows throws(PostgresError) in
            rows.count == 0 ? .success(nil) : .success((try rows.text(0, 0), try rows.int64IfPresent(0, 1)))
        }
        query.goesWithOthers()
        guard let followed = try await ask(query, for: context) else { return nil }
        return try await definition(of: followed.flowType, revision: followed.revision, tenant: key.tenant, context)?.definition.limitTable
    }

    private static let followed = Statement(
        name: "followed_definition",
        sql: "SELECT f.flow_type, f.definition_revision FROM flowstate.flow f WHERE f.tenant = $1 AND f.flow_id = $2",
        parameterTypes: [.text, .text])
}
