import FlowModel
import Postgres

/// One way through everything that is stored, removing what retention no longer keeps: a page of flows at a time, a flow at a time, in
/// small transactions on a connection of its own. It may stop anywhere and begin anew; two at once only find less to do.
struct CleanupPass {
    /// Flows looked at by a statement.
    static let pageSize: Int64 = 1_000

    let store: StateStore
    let command: CleanupCommand
    /// Whether to stop: nobody waits any more, or too little time is left. Asked between transactions.
    let isOver: @Sendable () -> Bool
    /// Called after each transaction that removed something and after each page, with what was looked at last.
    let progress: (_ tenant: String, _ flowID: String, _ counts: CleanupCounts) async throws(StateError) -> Void

    private(set) var counts = CleanupCounts()
    private var isStopped: Bool { counts.rows >= limit || isOver() }
    private var limit: Int64 { command.maximumRows == 0 ? CleanupCommand.defaultMaximumRows : command.maximumRows }

    init(
        store: StateStore, command: CleanupCommand, isOver: @escaping @Sendable () -> Bool,
        progress: @escaping (String, String, CleanupCounts) async throws(StateError) -> Void = { _, _, _ in }
    ) {
        self.store = store
        self.command = command
        self.isOver = isOver
        self.progress = progress
    }

    mutating func run() async throws(StateError) -> CleanupResult {
        if let tenant = command.tenant {
            try await clean(tenant)
        } else {
            var last = ""
            while !isStopped, let tenant = try await nextTenant(after: last) {
                do throws(StateError) {
                    try await clean(tenant)
                } catch {
                    guard Self.concernsOne(error) else { throw error }
                    store.log(error)
                }
                last = tenant
            }
        }
        if command.tenant == nil, !command.isDryRun, !isStopped { counts.idempotencyRecords += try await store.purgeIdempotency() }
        return CleanupResult(counts: counts, isIncomplete: isStopped)
    }

    /// What one tenant or flow is to blame for: the others are looked at nevertheless.
    private static func concernsOne(_ error: StateError) -> Bool {
        switch error {
        case .internalFault, .dataLoss, .contention, .deadlineExceeded, .flowNotFound: true
        default: false
        }
    }

    private mutating func clean(_ tenant: String) async throws(StateError) {
        try await cleanDeleted(tenant)
        var definitions = try await definitions(of: tenant)
        if let flowType = command.flowType { definitions = definitions.filter { $0.key == Name(flowType) } }
        if definitions.isEmpty { return }
        var last = ""
        while !isStopped, let page = try await page(of: tenant, after: last, types: definitions.keys.map(\.text)) {
            for (flowType, flows) in Dictionary(grouping: page.flows, by: { Name($0.flowType) }) where !isStopped {
                if let latest = definitions[flowType] { try await clean(flows, of: tenant, latest) }
            }
            last = page.lastID
            try await progress(tenant, last, counts)
        }
    }

    // MARK: Deleted flows

    private mutating func cleanDeleted(_ tenant: String) async throws(StateError) {
        guard let hours = store.cleanup.deletedFlowHours else { return }
        var policy = RetentionPolicy()
        (policy.versions, policy.checkpoints, policy.archives) = (1, 0, 0)
        var after = DeletedFlow(flowID: "", versions: 0, deletedAt: .min)
        while !isStopped {
            let flows = try await deleted(of: tenant, hours: hours, after: after)
            guard let last = flows.last else { return }
            after = last
            for some in Self.portions(flows, by: { $0.versions }) {
                let found = try await figures(some.map(\.flowID), of: tenant, policy, isDeleted: true)
                let figures = Dictionary(found.map { ($0.flowID, $0) }) { first, _ in first }
                for flow in some where !isStopped {
                    if let figures = figures[flow.flowID], try await !remove(figures, of: tenant, policy, isDeleted: true) { continue }
                    if !command.isDryRun { try await markGone(FlowKey(stored: tenant, flowID: flow.flowID)) }
                    counts.flows += 1
                }
            }
            try await progress(tenant, last.flowID, counts)
        }
    }

    // MARK: Flows of a definition

    private mutating func clean(_ flows: [Flow], of tenant: String, _ latest: FoundDefinition) async throws(StateError) {
        let policy = latest.definition.retention
        var remaining: [Flow] = []
        for flow in flows {
            if let hours = policy.endedHours, flow.age > Double(hours) * 3_600, try await hasEnded(flow, of: tenant, latest) {
                if isStopped { return }
                try await delete(flow, of: tenant)
            } else {
                remaining.append(flow)
            }
        }
        for some in Self.portions(remaining, by: policy.limitsVersions ? { $0.versions } : nil) {
            for figures in try await figures(some.map(\.flowID), of: tenant, policy, isDeleted: false) where !isStopped {
                try await remove(figures, of: tenant, policy, isDeleted: false)
            }
        }
    }

    /// By the revision that the flow follows, whatever the latest says.
    private func hasEnded(_ flow: Flow, of tenant: String, _ latest: FoundDefinition) async throws(StateError) -> Bool {
        let revision = flow.definitionRevision ?? latest.revision
        let definition =
            revision == latest.revision
            ? latest.definition : try await store.definition(of: flow.flowType, revision: revision, tenant: tenant)
        return definition?.isEnd(phase: flow.phase, status: flow.status) ?? false
    }

    private mutating func delete(_ flow: Flow, of tenant: String) async throws(StateError) {
        if !command.isDryRun {
            let deletion = DeleteFlowCommand(
                key: FlowKey(stored: tenant, flowID: flow.flowID), actor: command.actor, precondition: .expected(flow.version))
            do throws(StateError) {
                _ = try await store.run(deletion)
            } catch .versionConflict(_, _, _) {
                return  // Somebody goes on with it.
            } catch .flowNotFound(_, _) {
                return
            }
        }
        counts.endedFlows += 1
    }

    // MARK: Removing

    /// - Returns: whether all of it went.
    @discardableResult
    private mutating func remove(
        _ figures: Figures, of tenant: String, _ policy: RetentionPolicy, isDeleted: Bool
    ) async throws(StateError) -> Bool {
        if command.isDryRun {
            count(figures)
            return true
        }
        let key = FlowKey(stored: tenant, flowID: figures.flowID)
        if figures.checkpoints + figures.archives + figures.events > 0 {
            let trimmed = try await store.runInBackground(
                TrimOperation(
                    key: key, actor: command.actor, checkpoints: figures.checkpoints > 0 ? policy.checkpoints : nil,
                    archives: figures.archives > 0 ? policy.archives : nil, removesEvents: isDeleted))
            counts.checkpoints += trimmed.checkpoints
            counts.quarantined += trimmed.archives
            counts.events += trimmed.events
        }
        if figures.versions == 0 { return true }
        var isWhole = true
        do throws(StateError) {
            try await store.pruneVersions(of: key, below: figures.floor, actor: command.actor) { pruned throws(StateError) in
                counts.versions += pruned.versions
                counts.bytes += pruned.bytes
                try await progress(tenant, figures.flowID, counts)
                isWhole = !isStopped
                return isWhole
            }
        } catch {
            // Such as: what should stay refers to it and cannot be read. Perhaps a person can mend it.
            guard Self.concernsOne(error) else { throw error }
            return false
        }
        return isWhole
    }

    /// A statement looks at so many versions at most, or at one flow.
    private static let versionsAtOnce: Int64 = 100_000

    private static func portions<Element>(_ flows: [Element], by versions: ((Element) -> Int64)?) -> [[Element]] {
        guard let versions else { return flows.isEmpty ? [] : [flows] }
        var (portions, sum): ([[Element]], Int64) = ([], versionsAtOnce)
        for flow in flows {
            let next = max(versions(flow), 1)
            if portions.isEmpty || sum + next > versionsAtOnce {
                portions.append([])
                sum = 0
            }
            portions[portions.count - 1].append(flow)
            sum += next
        }
        return portions
    }

    private mutating func count(_ figures: Figures) {
        counts.versions += figures.versions
        counts.bytes += figures.bytes
        counts.checkpoints += figures.checkpoints
        counts.quarantined += figures.archives
        counts.events += figures.events
    }
}
