import FlowModel
import Postgres

extension AppendWritesCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> WriteCounts {
        // For the parameters of the statement.
        try context.reserve(writes.byteCount)
        var parameters = Parameters(reservingBytes: writes.byteCount)
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(versionLabel)
        parameters.append(actor)
        parameters.append(leaseToken)
        WriteRow.append(writes.merged(), to: &parameters)
        let (flowID, leaseToken) = (key.flowID, leaseToken)
        let single = Change.SingleStatement(statement: Self.statement, parameters: parameters) { rows throws(PostgresError) in
            if let refusal = try WriteRow.refusal(rows, flowID: flowID, leaseToken: leaseToken) { return .refused(refusal) }
            return .done(.writes(WriteCounts(added: try rows.int32(0, 4), replaced: try rows.int32(0, 5))))
        }
        return try await store.make(Change(key, store.resources, .statement(single)), for: context) { $0.writes }
    }

    /// A row that the conflict replaced has been locked before by this transaction (`xmax`); a new one has not.
    static let statement = Statement(
        name: "append_writes",
        sql: """
            WITH \(WriteRow.head(leaseToken: "$5")),
            source AS MATERIALIZED (
                SELECT NOT EXISTS (
                    SELECT FROM flowstate.flow_version v WHERE v.tenant = $1 AND v.flow_id = $2 AND v.version_label = $3) AS is_early
                FROM head f WHERE f.allowed AND f.deleted IS NOT TRUE),
            stored AS (
                \(WriteRow.insertion(
                    first: 6, label: "$3", actor: "$4", time: "statement_timestamp()", isEarly: "s.is_early", from: "source s"))
                RETURNING w.xmax = 0 AS is_new)
            SELECT \(WriteRow.headColumns), (SELECT count(*) FROM stored s WHERE s.is_new)::int4,
                (SELECT count(*) FROM stored s WHERE NOT s.is_new)::int4
            FROM head f
            """,
        parameterTypes: [.text, .text, .text, .text, .int8] + WriteRow.insertedTypes)
}
