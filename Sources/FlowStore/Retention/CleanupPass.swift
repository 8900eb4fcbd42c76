import FlowModel
import JSON
import Postgres
import Resources

/// One pass through all flows, which removes what retention no longer keeps: a page of flows at a time, a flow at a time, in small
/// transactions on a connection of its own. It may stop anywhere, and another pass continues from there; two at once only find less to do.
///
/// A flow with a fault (damage, a lock, a limit or a time-out of PostgreSQL) is skipped and logged. Only an unavailable database ends the
/// pass.
struct CleanupPass {
    /// Flows read by a statement.
    static let pageSize: Int64 = 1_000
    /// The most versions read by a statement; a flow with more is read in ranges.
    var versionsAtOnce: Int64 = 100_000
    /// Versions read by a statement about a range of one flow.
    var rangeSize: Int64 = 50_000
    /// The most rows beside versions that a transaction removes.
    private static let trimStep: Int64 = 1_000
    /// The most flows skipped one after the other: with more, the flows are not the cause.
    private static let mostSkippedInARow = 100
    /// Lines in the log about skipped flows.
    private static let mostTold = 10
    /// How long a lost connection may take to come back.
    private static let patience = Duration.seconds(10)

    let store: StateStore
    let command: CleanupCommand
    /// Whether to stop: the call has ended, or too little time is left. Asked between transactions.
    let isOver: @Sendable () -> Bool
    /// Called before a flow is begun and after each transaction and each page, with the current flow.
    let progress: (_ place: CleanupPlace, _ counts: CleanupCounts) async throws(StateError) -> Void

    private(set) var counts = CleanupCounts()
    /// The flow up to which everything is done.
    private(set) var place: CleanupPlace
    private var skippedInARow = 0

    private var limit: Int64 { command.maximumRows == 0 ? CleanupCommand.defaultMaximumRows : command.maximumRows }
    private var rowsLeft: Int64 { limit - counts.rows }
    private var isStopped: Bool { rowsLeft <= 0 || isOver() }

    init(
        store: StateStore, command: CleanupCommand, from place: CleanupPlace = .start, isOver: @escaping @Sendable () -> Bool,
        progress: @escaping (CleanupPlace, CleanupCounts) async throws(StateError) -> Void = { _, _ in }
    ) {
        self.store = store
        self.command = command
        self.place = place
        self.isOver = isOver
        self.progress = progress
    }

    mutating func run() async throws(StateError) -> CleanupResult {
        let isIncomplete = try await cleanAll()
        if counts.skipped > Self.mostTold { store.logSkipped(more: counts.skipped - Int64(Self.mostTold)) }
        return CleanupResult(counts: counts, isIncomplete: isIncomplete, next: isIncomplete ? place.token(command) : nil)
    }

    private mutating func cleanAll() async throws(StateError) -> Bool {
        if let tenant = command.tenant {
            if place.tenant != tenant { place = CleanupPlace(tenant: tenant, flowID: "") }
            try await cleanTenant()
        } else {
            var isIncluded = true
            while !isStopped, let tenant = try await nextTenant(from: place.tenant, isIncluded: isIncluded) {
                if tenant != place.tenant { place = CleanupPlace(tenant: tenant, flowID: "") }
                try await cleanTenant()
                isIncluded = false
            }
        }
        if command.tenant == nil, !command.isDryRun, !isStopped {
            counts.idempotencyRecords += try await store.purgeIdempotency(limit: rowsLeft, isOver: isOver)
        }
        return isStopped
    }

    /// A fault of a tenant as a whole must not leave out the others.
    private mutating func cleanTenant() async throws(StateError) {
        do throws(StateError) {
            if place.flowID.isEmpty { try await cleanDeleted() }
            try await cleanFlows()
        } catch {
            try await skip("", error)
        }
    }

    private func key(_ flowID: String) -> FlowKey { FlowKey(stored: place.tenant, flowID: flowID) }

    /// Skips a flow and logs it, unless the flow is not the cause.
    private mutating func skip(_ flowID: String, _ error: StateError) async throws(StateError) {
        if case .cancelled = error { throw error }
        guard !isOver(), await isDatabaseThere(), skippedInARow < Self.mostSkippedInARow else { throw error }
        skippedInARow += 1
        counts.skipped += 1
        if counts.skipped <= Self.mostTold { store.logSkipped(key(flowID), error) }
    }

    /// A lost connection may be back at once: then this flow was the cause.
    private func isDatabaseThere() async -> Bool {
        let end = Instant.now + Self.patience
        while !store.database.group(for: .background).isAvailable {
            guard !isOver(), Instant.now < end, (try? await Task.sleep(for: .milliseconds(50))) != nil else { return false }
        }
        return true
    }

    // MARK: Deleted flows

    private mutating func cleanDeleted() async throws(StateError) {
        guard let hours = store.cleanup.deletedFlowHours else { return }
        var policy = RetentionPolicy()
        (policy.versions, policy.checkpoints, policy.quarantined) = (1, 0, 0)
        var after = DeletedFlow(flowID: "", versions: 0, deletedAt: .min)
        while !isStopped {
            let flows = try await deleted(of: place.tenant, hours: hours, after: after)
            guard let last = flows.last else { return }
            after = last
            let sizes = flows.map { CleanupPortion.Flow(id: $0.flowID, versions: $0.versions) }
            let found = try await totals(sizes, policy, isDeleted: true)
            let totals = Dictionary(found.map { ($0.flowID, $0) }) { first, _ in first }
            for flow in flows where !isStopped {
                if try await cleanDeleted(flow, totals[flow.flowID], policy) { counts.flows += 1 }
            }
            try await progress(place, counts)
        }
    }

    /// - Returns: whether nothing is left of it.
    private mutating func cleanDeleted(
        _ flow: DeletedFlow, _ totals: FlowTotals?, _ policy: RetentionPolicy
    ) async throws(StateError) -> Bool {
        do throws(StateError) {
            guard try await remove(totals ?? FlowTotals(flowID: flow.flowID), policy, isDeleted: true) else { return false }
            if !command.isDryRun { try await markGone(key(flow.flowID)) }
            skippedInARow = 0
            return true
        } catch {
            try await skip(flow.flowID, error)
            return false
        }
    }

    // MARK: Flows of a definition

    /// The work for a flow.
    private enum Work {
        case delete(Flow)
        case remove(FlowTotals, RetentionPolicy)

        var flowID: String {
            switch self {
            case .delete(let flow): flow.flowID
            case .remove(let totals, _): totals.flowID
            }
        }
    }

    private mutating func cleanFlows() async throws(StateError) {
        var definitions = try await definitions(of: place.tenant)
        if let flowType = command.flowType { definitions = definitions.filter { $0.key == Name(flowType) } }
        if definitions.isEmpty { return }
        while !isStopped, let page = try await page(of: place.tenant, after: place.flowID, types: definitions.keys.map(\.text)) {
            var work: [Work] = []
            for (flowType, flows) in Dictionary(grouping: page.flows, by: { Name($0.flowType) }) {
                if let latest = definitions[flowType] { work += try await self.work(flows, latest) }
            }
            // In the order of their ids, so that one id records the progress.
            work.sort { $0.flowID.utf8.lexicographicallyPrecedes($1.flowID.utf8) }
            for item in work {
                if isStopped { return }
                guard try await carryOut(item) else { return }
                place.flowID = item.flowID
            }
            place.flowID = page.lastID
            try await progress(place, counts)
        }
    }

    private mutating func work(_ flows: [Flow], _ latest: FoundDefinition) async throws(StateError) -> [Work] {
        let policy = latest.definition.retention
        var work: [Work] = []
        var remaining: [CleanupPortion.Flow] = []
        for flow in flows {
            do throws(StateError) {
                if let hours = policy.endedHours, flow.age > Double(hours) * 3_600, try await hasEnded(flow, latest) {
                    work.append(.delete(flow))
                    continue
                }
            } catch {
                try await skip(flow.flowID, error)
            }
            remaining.append(CleanupPortion.Flow(id: flow.flowID, versions: policy.limitsVersions ? flow.versions : 0))
        }
        for totals in try await totals(remaining, policy, isDeleted: false) { work.append(.remove(totals, policy)) }
        return work
    }

    /// - Returns: whether the flow is done; false: stopped in the middle of it.
    private mutating func carryOut(_ work: Work) async throws(StateError) -> Bool {
        do throws(StateError) {
            try await progress(CleanupPlace(tenant: place.tenant, flowID: work.flowID), counts)
            switch work {
            case .delete(let flow): try await delete(flow)
            case .remove(let totals, let policy): if try await !remove(totals, policy, isDeleted: false), isStopped { return false }
            }
            skippedInARow = 0
        } catch {
            try await skip(work.flowID, error)
        }
        return true
    }

    /// By the revision that the flow follows, whatever the latest says.
    private func hasEnded(_ flow: Flow, _ latest: FoundDefinition) async throws(StateError) -> Bool {
        let revision = flow.definitionRevision ?? latest.revision
        let definition =
            revision == latest.revision
            ? latest.definition
            : try await store.definition(of: flow.flowType, revision: revision, tenant: place.tenant, OperationContext())?.definition
        return definition?.isEnded(phase: flow.phase, status: flow.status) ?? false
    }

    private mutating func delete(_ flow: Flow) async throws(StateError) {
        if !command.isDryRun {
            let deletion = DeleteFlowCommand(key: key(flow.flowID), actor: command.actor, precondition: .expected(flow.version))
            do throws(StateError) {
                _ = try await store.run(deletion)
            } catch .versionConflict(_, _, _) {
                return  // The flow is in use again.
            } catch .flowNotFound(_, _) {
                return
            }
        }
        counts.endedFlows += 1
    }

    // MARK: Totals

    /// What to remove of flows, a portion at a time; if PostgreSQL refuses a portion, flow by flow, and one flow range by range.
    private mutating func totals(
        _ flows: [CleanupPortion.Flow], _ policy: RetentionPolicy, isDeleted: Bool
    ) async throws(StateError) -> [FlowTotals] {
        var result: [FlowTotals] = []
        for portion in CleanupPortion.portions(flows, most: versionsAtOnce) where !isOver() {
            let isRanged = portion.count == 1 && portion[0].versions > versionsAtOnce
            do throws(StateError) {
                result +=
                    isRanged
                    ? try await ranged(portion[0].id, policy, isDeleted: isDeleted)
                    : try await totals(portion.map(\.id), of: place.tenant, policy, isDeleted: isDeleted)
            } catch {
                guard !isOver(), await isDatabaseThere() else { throw error }
                for flow in portion where !isOver() {
                    do throws(StateError) {
                        result += try await ranged(flow.id, policy, isDeleted: isDeleted)
                    } catch {
                        try await skip(flow.id, error)
                    }
                }
            }
        }
        return result
    }

    /// The same for a flow with too many versions for one statement.
    private func ranged(_ flowID: String, _ policy: RetentionPolicy, isDeleted: Bool) async throws(StateError) -> [FlowTotals] {
        // Everything beside the versions.
        var others = policy
        (others.versions, others.versionHours, others.versionBytes) = (nil, nil, nil)
        var totals =
            try await self.totals([flowID], of: place.tenant, others, isDeleted: isDeleted).first
            ?? FlowTotals(flowID: flowID)
        var (end, places, bytes) = (FlowVersion.max, Int64(0), Int64(0))
        while policy.limitsVersions, !isOver() {
            let range = try await range(of: key(flowID), policy, below: end, places: places, bytes: bytes)
            if totals.floor == 0, let newest = range.newestToGo {
                totals.floor = newest + 1
                // Only a dry run needs their number beforehand.
                guard command.isDryRun else {
                    totals.versions = .max
                    break
                }
                (end, places, bytes) = (newest + 1, 1, 0)
                continue
            }
            if totals.floor > 0 {
                totals.versions += range.freeVersions
                totals.bytes += range.freeBytes
            }
            guard range.versions == rangeSize else { break }
            (end, places, bytes) = (range.lowest, places + range.versions, bytes + range.bytes)
        }
        return totals.isEmpty ? [] : [totals]
    }

    // MARK: Removing

    /// - Returns: whether all of it was removed.
    private mutating func remove(_ totals: FlowTotals, _ policy: RetentionPolicy, isDeleted: Bool) async throws(StateError) -> Bool {
        if command.isDryRun {
            count(totals)
            return true
        }
        guard try await trim(totals, policy, isDeleted: isDeleted) else { return false }
        if totals.versions == 0 { return true }
        if isStopped { return false }
        let place = isDeleted ? place : CleanupPlace(tenant: place.tenant, flowID: totals.flowID)
        var isWhole = true
        let pruned = try await store.pruneVersions(
            of: key(totals.flowID), below: totals.floor, actor: command.actor, limit: rowsLeft
        ) { pruned throws(StateError) in
            counts.versions += pruned.versions
            counts.bytes += pruned.bytes
            try await progress(place, counts)
            isWhole = !isStopped
            return isWhole
        }
        // A person may be able to repair it.
        if let damage = pruned.damage { throw damage }
        return isWhole
    }

    /// - Returns: whether all of it was removed.
    private mutating func trim(_ totals: FlowTotals, _ policy: RetentionPolicy, isDeleted: Bool) async throws(StateError) -> Bool {
        var left = TrimOperation.Outcome(
            checkpoints: totals.checkpoints, quarantined: totals.quarantined, events: totals.events,
            notifications: isDeleted ? Self.trimStep : 0)
        while !left.isEmpty, !isStopped {
            var most = min(rowsLeft, Self.trimStep)
            func some(_ rows: Int64) -> Int64 {
                let some = min(rows, most)
                most -= some
                return some
            }
            let limit = TrimOperation.Outcome(
                checkpoints: some(left.checkpoints), quarantined: some(left.quarantined), events: some(left.events),
                notifications: left.notifications)
            let trimmed = try await store.runInBackground(
                TrimOperation(
                    key: key(totals.flowID), actor: command.actor, checkpointsKept: policy.checkpoints ?? .max,
                    quarantinedKept: policy.quarantined ?? .max, limit: limit))
            counts.checkpoints += trimmed.checkpoints
            counts.quarantined += trimmed.quarantined
            counts.events += trimmed.events
            // Does not wait for rows that are locked, or were removed meanwhile.
            left.checkpoints -= limit.checkpoints
            left.quarantined -= limit.quarantined
            left.events -= limit.events
            left.notifications = trimmed.notifications == Self.trimStep ? Self.trimStep : 0
        }
        return left.isEmpty
    }

    /// Counts it as if it had been removed, within the limit.
    private mutating func count(_ totals: FlowTotals) {
        func some(_ rows: Int64) -> Int64 { max(0, min(rows, rowsLeft)) }
        counts.checkpoints += some(totals.checkpoints)
        counts.quarantined += some(totals.quarantined)
        counts.events += some(totals.events)
        let versions = some(totals.versions)
        // The bytes of only a part of the versions are not known.
        if versions == totals.versions { counts.bytes += totals.bytes }
        counts.versions += versions
    }
}
