import FlowModel
import Postgres

extension StateStore {
    /// How often a flow is looked at again that was changed while its report was made.
    private static let overdueAttempts = 10

    /// Reports flows that are in their phase, or have their status, for longer than their definition allows, as that says. Call it from time
    /// to time; several servers may do so at once: a limit is reported in the commit that marks it as reported, and only once.
    ///
    /// A flow that cannot be reported is logged and left to the next call.
    ///
    /// - Returns: how many were reported.
    @discardableResult
    package func reportOverdue(batch: Int = 100) async throws(StateError) -> Int {
        var (reported, place): (Int, OverdueSQL.Place?) = (0, nil)
        while !Task.isCancelled {
            let flows = try await rowsInBackground(OverdueSQL.found, OverdueSQL.parameters(limit: batch, after: place)) {
                rows, row throws(PostgresError) in
                try OverdueSQL.flow(rows, row)
            }
            let results = await concurrently(flows, width: 16) { (flow: OverdueFlow) async throws(StateError) in
                try await self.reportOrLog(flow)
            }
            for result in results where try result.get() { reported += 1 }
            guard flows.count == batch, let last = flows.last else { break }
            place = OverdueSQL.Place(dueAt: last.mark.dueAt, key: last.key)
        }
        return reported
    }

    /// - Returns: whether it was reported here.
    /// - Throws: what concerns other flows too.
    private func reportOrLog(_ flow: OverdueFlow) async throws(StateError) -> Bool {
        do throws(StateError) {
            return try await report(flow)
        } catch {
            switch error {
            case .databaseUnavailable, .overloaded, .cancelled: throw error
            default:
                logUnreported(flow.key, error)
                return false
            }
        }
    }

    private func report(_ found: OverdueFlow) async throws(StateError) -> Bool {
        var next: OverdueFlow? = found
        for _ in 0..<Self.overdueAttempts {
            guard let flow = next else { return false }
            do throws(StateError) {
                return try await act(on: flow)
            } catch {
                // It was saved meanwhile, perhaps by the recovery that its policy asks for, or reported by another server.
                switch error {
                case .versionConflict, .flowNotFound: next = try await overdueFlow(flow.key)
                default: throw error
                }
            }
        }
        return false
    }

    /// As it is now; nil: it is overdue no more.
    private func overdueFlow(_ key: FlowKey) async throws(StateError) -> OverdueFlow? {
        var parameters = Parameters()
        parameters.append(key.tenant)
        parameters.append(key.flowID)
        let query = Query<OverdueFlow?>(statement: OverdueSQL.one, parameters: parameters) { rows throws(PostgresError) in
            rows.count == 0 ? .success(nil) : .success(try OverdueSQL.flow(rows, 0))
        }
        return try await ask(query, for: OperationContext())
    }

    func act(on flow: OverdueFlow) async throws(StateError) -> Bool {
        let context = OperationContext()
        let definition = try await definition(of: flow.flowType, revision: flow.definitionRevision, tenant: flow.key.tenant, context)
        let action = flow.action(by: definition?.definition, actor: Self.cleanupActor, notificationID: IDGenerator.next())
        var parameters = OverdueSQL.parameters(flow)
        switch action {
        case .notify(let notification):
            parameters.append(notification)
            let query = Query<Bool>(statement: OverdueSQL.notify, parameters: parameters) { rows throws(PostgresError) in
                .success(rows.count > 0)
            }
            let isNotified = try await ask(query, shard: Shard.of(flow.key), for: context)
            if isNotified { log(notification, about: flow.key) }
            return isNotified
        case .report(let report):
            _ = try await run(TakeStepCommand(report))
            return true
        case .forget(let all):
            parameters.append(all)
            parameters.append(flow.version)
            let query = Query<Void>(statement: OverdueSQL.forget, parameters: parameters) { _ in .success(()) }
            try await ask(query, shard: Shard.of(flow.key), for: context)
            return false
        }
    }
}
