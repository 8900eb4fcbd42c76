import Compression
import FlowModel
import Postgres

extension DeleteFlowCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> SavedVersion {
        var content = RequestContent(operation: "delete")
        content.append(key.flowID)
        content.append(precondition)
        let requestDigest = content.digest

        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(precondition.expectedVersion)
        parameters.append(VersionKind.deleted.rawValue)
        parameters.append(actor)
        parameters.append(bytes: XXH3.digest([]))
        parameters.append(StateCodec.raw.rawValue)
        if let idempotencyKey {
            parameters.append(idempotencyKey)
            parameters.append(bytes: requestDigest)
        }
        let (flowID, expected, onlyExpired) = (key.flowID, precondition.expectedVersion, onlyExpired)
        let interpreter = ResultInterpreter(
            flowID: flowID, expected: expected, idempotencyKey: idempotencyKey, requestDigest: requestDigest, needsFlow: true
        ) { flow in
            if let refusal = ResultInterpreter.commonRefusal(flow, flowID: flowID, expected: expected) { return refusal }
            // It was renewed, or someone took its lease.
            return onlyExpired ? .versionConflict(flowID: flowID, expected: expected ?? 0, actual: flow.version) : nil
        }
        let place = onlyExpired ? 2 : idempotencyKey == nil ? 0 : 1
        let single = Change.SingleStatement(
            statement: Self.held[place], first: Self.first[place], parameters: parameters
        ) { rows throws(PostgresError) in try interpreter.answer(rows) }
        return try await store.make(Change(key, store.resources, .statement(single)), for: context)
    }

    private static let first = statements(held: false)
    private static let held = statements(held: true)

    private static func statements(held: Bool) -> [Statement] {
        [statement(held: held), statement(held: held, idempotent: true), statement(held: held, expired: true)]
    }

    private static func statement(held: Bool, idempotent: Bool = false, expired: Bool = false) -> Statement {
        var types: [OID] = [.text, .text, .int8, .int2, .text, .bytea, .int2]
        var change = ChangeSQL(
            head: """
                UPDATE flowstate.flow f SET \(TombstoneSQL.head)
                WHERE f.tenant = $1 AND f.flow_id = $2 AND ($3 IS NULL OR f.version = $3) AND f.deleted_at IS NULL
                    \(expired ? "AND " + ExpirySQL.isOver : "")
                    \(held ? "AND " + HeadLock.isHeld : "") \(ChangeSQL.guardCondition(idempotent: idempotent))
                RETURNING \(TombstoneSQL.returning)
                """,
            version: TombstoneSQL.version(flowID: "$2", kind: "$4", actor: "$5", digest: "$6", codec: "$7", from: "head h"),
            digest: "$6::bytea")
        if idempotent {
            change.keyParameter = types.count + 1
            types += [.text, .bytea]
        }
        let name = (held ? "delete_held_flow" : "delete_flow") + (idempotent ? "_idempotent" : "") + (expired ? "_expired" : "")
        return Statement(name: name, sql: change.text, parameterTypes: types)
    }
}
