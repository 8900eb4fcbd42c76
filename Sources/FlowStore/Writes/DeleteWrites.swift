import FlowModel
import Postgres

extension DeleteWritesCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    /// In portions: a flow may have any number of writes, and other changes are not to wait for all of them.
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Int64 {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(actor)
        parameters.append(filter.channel)
        parameters.append(filter.taskID)
        parameters.append(Self.portion)
        parameters.append(leaseToken)
        if let label = filter.versionLabel { parameters.append(label) }
        let statement = filter.versionLabel == nil ? Self.ofFlow : Self.ofVersion
        let (flowID, leaseToken) = (key.flowID, leaseToken)
        var total: Int64 = 0
        while true {
            let single = Change.SingleStatement(statement: statement, parameters: parameters) { rows throws(PostgresError) in
                let refusal = try WriteRow.refusal(rows, flowID: flowID, leaseToken: leaseToken, mayBeDeleted: true)
                if let refusal { return .refused(refusal) }
                return .done(.removed(try rows.int64(0, 4)))
            }
            let removed = try await store.make(Change(key, store.resources, .statement(single)), for: context) { $0.removed }
            total += removed
            if removed < Self.portion { return total }
        }
    }

    private static let portion: Int64 = 1_000
    static let ofFlow = statement("delete_writes", condition: "")
    static let ofVersion = statement("delete_writes_of_version", condition: "AND w.version_label = $8")

    private static func statement(_ name: String, condition: String) -> Statement {
        let types: [OID] = [.text, .text, .text, .text, .text, .int8, .int8]
        return Statement(
            name: name,
            sql: """
                WITH \(WriteRow.head(leaseToken: "$7")),
                old AS (
                    SELECT w.version_label, w.task_id, w.write_index FROM flowstate.flow_write w
                    WHERE EXISTS (SELECT FROM head f WHERE f.allowed) AND w.tenant = $1 AND w.flow_id = $2 \(condition)
                        AND ($4 IS NULL OR w.channel = $4) AND ($5 IS NULL OR w.task_id = $5)
                    LIMIT $6),
                gone AS (
                    DELETE FROM flowstate.flow_write w USING old o
                    WHERE w.tenant = ANY (ARRAY[$1]) AND w.flow_id = $2 AND w.version_label = o.version_label
                        AND w.task_id = o.task_id AND w.write_index = o.write_index
                    RETURNING 1),
                audit AS (
                    INSERT INTO flowstate.flow_event (tenant, flow_id, kind, actor, detail, created_at)
                    SELECT $1, $2, 'writes_deleted', $3, jsonb_build_object('writes', count(*)), statement_timestamp()
                    FROM gone HAVING count(*) > 0 AND EXISTS (SELECT FROM head f WHERE f.deleted IS NOT NULL))
                SELECT \(WriteRow.headColumns), (SELECT count(*) FROM gone) FROM head f
                """,
            parameterTypes: condition.isEmpty ? types : types + [.text])
    }
}
