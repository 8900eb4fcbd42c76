import FlowModel
import Postgres

extension RenewLeaseCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) { try StateCheck(limits: limits).check(self) }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> FlowLease {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(token)
        parameters.append(Double(ttlMilliseconds ?? store.limits.leaseMilliseconds) / 1_000)
        let token = token
        let row = try await store.changeLease(LeaseSQL.renew, parameters, of: key, for: context) { row in
            row.token != token || row.lease == nil || row.millisecondsLeft <= 0
        }
        guard row.isChanged, let lease = row.lease else { throw row.lost(key.flowID) }
        return lease
    }
}

extension ReleaseLeaseCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) {
        try StateCheck(limits: limits).check(leaseToken: token, isRequired: true)
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        parameters.append(token)
        parameters.append(actor)
        let token = token
        let row = try await store.changeLease(LeaseSQL.release, parameters, of: key, for: context) { row in
            row.token != token || row.lease == nil
        }
        // Given back before, by an earlier try: fine.
        if !row.isChanged, row.token != token { throw row.lost(key.flowID) }
        store.resources.leaseLine.wake(key)
    }
}

extension GetLeaseCommand: TaskCommand {
    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> FlowLease? {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        let flowID = key.flowID
        var query = Query<FlowLease?>(statement: LeaseSQL.get, parameters: parameters) { rows throws(PostgresError) in
            guard rows.count > 0 else { return .failure(.flowNotFound(flowID: flowID, deleted: false)) }
            if try rows.bool(0, 5) { return .failure(.flowNotFound(flowID: flowID, deleted: true)) }
            return .success(try rows.bool(0, 0) ? try LeaseRow.lease(rows, flowID: flowID) : nil)
        }
        query.goesWithOthers()
        return try await store.ask(query, for: context)
    }
}
