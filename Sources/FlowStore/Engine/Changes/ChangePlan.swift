import FlowModel
import JSON

/// Decides which changes of a batch are written together. Pure.
///
/// All changes of one flow take the same path, which keeps their order: as one group, or each by its own statement behind all groups. New
/// checkpoints share a statement where they are the only changes of their flows.
struct ChangePlan {
    /// The changes of one flow, by their indexes in the batch, in order.
    struct Flow {
        let key: FlowKey
        fileprivate(set) var changes: [Int]
    }

    struct Single: Equatable {
        /// Its index in the batch, and that of its flow in `flows`.
        let index: Int
        let flow: Int
    }

    /// In lock order: in the order of their first changes, and by key where shards are equal.
    private(set) var flows: [Flow] = []
    /// Groups of flows that must exist, and of flows that must not.
    private(set) var updates: [SaveGroup] = []
    private(set) var creations: [SaveGroup] = []
    /// Groups all of whose saves lose, if the head is where it is known to be.
    private(set) var conflicts: [SaveGroup] = []
    /// Changes that have a statement each. Creators create flows; they are sent one after the other before all changes of existing flows,
    /// and only when there are no `creations`.
    private(set) var creators: [Single] = []
    private(set) var singles: [Single] = []
    /// New checkpoints of flows that the batch does not change otherwise: two or more, in one statement.
    private(set) var checkpoints: [Single] = []
    /// Flows whose bases are read first; their saves are retried.
    private(set) var fetches: [Int] = []
    /// Changes that are retried without being sent, since an earlier change of their flow may have to be retried.
    private(set) var deferred: [Int] = []

    /// - Parameters:
    ///   - known: the flow's newest version, if it is known to exist.
    ///   - needsBase: whether the save needs its flow's bases, and they are not known.
    init(_ changes: [Change], known: (_ flow: Flow) -> FlowVersion?, needsBase: (_ change: Change, _ flow: Flow) -> Bool) {
        var keys = Set<IdempotencyKey>()
        var createdIDs = Set<Name>()
        flows = Self.byFlow(changes)
        for (place, flow) in flows.enumerated() {
            if flow.changes.contains(where: { needsBase(changes[$0], flow) }) {
                fetches.append(place)
                continue
            }
            if changes.count > 1, flow.changes.count == 1, changes[flow.changes[0]].sharedCheckpoint != nil {
                checkpoints.append(Single(index: flow.changes[0], flow: place))
                continue
            }
            // A change that is alone in its batch runs its own statement, which answers whatever happened: one round trip. So do changes
            // that run one by one because their batch was rolled back, which keeps their order.
            guard changes.count > 1, let group = Self.group(place, flow, changes, known), Self.isFirst(group, flow.key.tenant, &keys) else {
                addSingles(place, changes, known)
                continue
            }
            switch group.start {
            case .present where group.count == 0: conflicts.append(group)
            case .present: updates.append(group)
            // The rows that an INSERT returns are told apart by their flow ids.
            case .absent where createdIDs.insert(Name(flow.key.flowID)).inserted: creations.append(group)
            case .absent: addSingles(place, changes, known)
            }
        }
        if checkpoints.count == 1 {
            singles += checkpoints
            checkpoints = []
        }
        // Rows that do not exist yet cannot be locked before (`HeadLock`), so all creations run in one order: by one statement, or each by
        // its own.
        if !creators.isEmpty {
            for group in creations { addSingles(group.flow, changes, known) }
            creations = []
        }
        singles.sort { ($0.flow, $0.index) < ($1.flow, $1.index) }
        // Tries of one request that generate a flow id each conflict at their idempotency key. They come behind all other flows, as in the
        // statement for many.
        let order = { (single: Single) in (changes[single.index].makesFlowID ? 1 : 0, single.flow, single.index) }
        creators.sort { order($0) < order($1) }
    }

    /// The flows that the batch changes, in its order.
    var changedFlows: [FlowKey] {
        let changed = Set(updates.map(\.flow)).union(singles.map(\.flow)).union(checkpoints.map(\.flow))
        return flows.indices.filter { changed.contains($0) }.map { flows[$0].key }
    }

    /// Gives each change of a flow its own statement.
    private mutating func addSingles(_ place: Int, _ changes: [Change], _ known: (_ flow: Flow) -> FlowVersion?) {
        let flow = flows[place]
        let isThere = known(flow) != nil
        for (number, index) in flow.changes.enumerated() {
            let change = changes[index]
            let makesFlow = number == 0 && change.mustCreate
            let creates = makesFlow || number == 0 && change.mayCreate && change.rounds.seemsAbsent && !isThere
            let single = Single(index: index, flow: place)
            if creates, changes.count > 1 { creators.append(single) } else { singles.append(single) }
            // Only its result tells whether the flow exists now.
            if change.mayCreate, !makesFlow, !isThere {
                deferred += flow.changes.dropFirst(number + 1)
                return
            }
        }
    }

    private static func byFlow(_ changes: [Change]) -> [Flow] {
        var places: [FlowKey: Int] = [:]
        places.reserveCapacity(changes.count)
        var flows: [Flow] = []
        flows.reserveCapacity(changes.count)
        var (shard, hasEqualShards): (UInt64?, Bool) = (nil, false)
        for (index, change) in changes.enumerated() {
            if let place = places[change.key] {
                flows[place].changes.append(index)
            } else {
                if change.shard == shard { hasEqualShards = true }
                shard = change.shard
                places[change.key] = flows.count
                flows.append(Flow(key: change.key, changes: [index]))
            }
        }
        if hasEqualShards { sortEqualShards(&flows, changes) }
        return flows
    }

    /// Sorts flows of one shard by key: they are in their order of arrival, which differs from server to server.
    private static func sortEqualShards(_ flows: inout [Flow], _ changes: [Change]) {
        let shard = { (flow: Flow) in changes[flow.changes[0]].shard }
        var begin = 0
        while begin < flows.count {
            var end = begin + 1
            while end < flows.count, shard(flows[end]) == shard(flows[begin]) { end += 1 }
            if end - begin > 1 { flows[begin..<end].sort { $0.key.precedes($1.key) } }
            begin = end
        }
    }

    private static func group(
        _ place: Int, _ flow: Flow, _ changes: [Change], _ known: (_ flow: Flow) -> FlowVersion?
    ) -> SaveGroup? {
        let saves = flow.changes.lazy.compactMap { index -> (index: Int, save: SaveChange)? in
            guard case .save(let save) = changes[index].work, !changes[index].rounds.isAlone else { return nil }
            return (index, save)
        }
        let group = SaveGroup(saves, flow: place, labelLimit: changes[flow.changes[0]].resources.limits.labels) { known(flow) }
        return group?.members.count == flow.changes.count ? group : nil
    }

    private struct IdempotencyKey: Hashable {
        let tenant: Name
        let key: Name
    }

    /// In one statement, two requests with one key would both find it unused.
    private static func isFirst(_ group: SaveGroup, _ tenant: String, _ keys: inout Set<IdempotencyKey>) -> Bool {
        guard let key = group.idempotencyKey else { return true }
        return keys.insert(IdempotencyKey(tenant: Name(tenant), key: Name(key))).inserted
    }
}

extension FlowKey {
    /// By bytes, tenants first.
    func precedes(_ other: FlowKey) -> Bool {
        if tenant.utf8.elementsEqual(other.tenant.utf8) { return flowID.utf8.lexicographicallyPrecedes(other.flowID.utf8) }
        return tenant.utf8.lexicographicallyPrecedes(other.tenant.utf8)
    }
}

/// Saves of one flow that are written together: one update of its head, one row each. Pure.
///
/// The first save determines what the head must be (`start`), and so what the others find. If it expects a version that is known to be past,
/// the head must be the version that is known, and it loses. Each save either gets the next version or, when it expects another one, a
/// conflict, exactly as if they ran one after the other. Only PostgreSQL can tell whether the head is what the group needs; if not, nothing
/// of the group is written, and each save runs by its own statement.
struct SaveGroup {
    enum Start: Equatable {
        /// The flow must not exist.
        case absent
        /// The flow must exist, at this version if one is given.
        case present(FlowVersion?)
    }

    enum Outcome: Equatable {
        /// The version so many after the one that the flow had before the group.
        case saved(offset: Int)
        /// Refused: the flow was so many versions further by then.
        case conflict(after: Int)
    }

    struct Member: Equatable {
        /// Its index in the batch.
        let index: Int
        let outcome: Outcome
    }

    /// The flow's index in `ChangePlan.flows`.
    let flow: Int
    private(set) var start = Start.present(nil)
    private(set) var members: [Member] = []
    /// The number of members that are saved.
    private(set) var count = 0
    /// The new values of the head; nil keeps the old one.
    private(set) var flowType: String?
    private(set) var phase: String?
    private(set) var status: String?
    private(set) var progress: Double?
    private(set) var labels: Labels?
    private(set) var labelChanges: LabelChanges?
    /// How many labels a flow may have.
    let labelLimit: Int
    /// For a flow that the group creates.
    private(set) var definitionRevision: Int64?
    /// The fencing token that some save has; the others have none.
    private(set) var leaseToken: Int64?
    /// In milliseconds, as the last save that has one says.
    private(set) var ttl: Int64?
    /// Of the one phase and status that the saves have, if they have limits.
    private(set) var timeLimits: EnteredLimits?
    private(set) var idempotencyKey: String?

    /// - Parameters:
    ///   - saves: of one flow, in their order, with their indexes in the batch.
    ///   - known: the flow's newest version, if it is known.
    /// - Returns: nil when they cannot be written together.
    init?(
        _ saves: some Sequence<(index: Int, save: SaveChange)>, flow: Int, labelLimit: Int, known: () -> FlowVersion? = { nil }
    ) {
        self.flow = flow
        self.labelLimit = labelLimit
        if let past = Self.past(saves, known) { start = .present(past) }
        for (index, save) in saves {
            guard save.canShareStatement, add(index, save.command) else { return nil }
        }
        // The key's record decides over the whole group, so its save must be the only one.
        if idempotencyKey != nil, members.count > 1 { return nil }
        // A key that was used before answers whatever the save expects, and an unknown head refuses nothing.
        if count == 0, idempotencyKey != nil || start == .present(nil) { return nil }
    }

    /// The version that is known, if the first save that expects one expects a version before it.
    private static func past(_ saves: some Sequence<(index: Int, save: SaveChange)>, _ known: () -> FlowVersion?) -> FlowVersion? {
        var before: FlowVersion = 0
        for (_, save) in saves {
            switch save.command.precondition {
            case .none, .anyVersion: before += 1
            case .expectedLabel: return nil
            case .expected(let version):
                // As `add` has it: numbers from clients are not added to.
                guard version > 0, let known = known(), version - before < known else { return nil }
                return known
            }
        }
        return nil
    }

    private mutating func add(_ index: Int, _ command: SaveCommand) -> Bool {
        if let key = command.idempotencyKey { idempotencyKey = key }
        if let token = command.leaseToken {
            guard leaseToken ?? token == token else { return false }
            leaseToken = token
        }
        switch command.precondition {
        case .none, .anyVersion: break
        case .expectedLabel: return false
        case .expected(0):
            guard count == 0, start == .present(nil) else { return conflict(index, command) }
            start = .absent
        case .expected(let version) where version < 0: return conflict(index, command)
        case .expected(let version):
            // A client may expect any number: the count is subtracted from it, never added to it.
            switch start {
            case .absent where version != Int64(count): return conflict(index, command)
            case .absent: break
            case .present(let begin?) where version - Int64(count) != begin: return conflict(index, command)
            case .present(nil):
                let begin = version - Int64(count)
                guard begin >= 1 else { return false }
                start = .present(begin)
            case .present: break
            }
        }
        return append(index, command)
    }

    private mutating func conflict(_ index: Int, _ command: SaveCommand) -> Bool {
        // Whether the lease was lost, which comes first, only its own statement can tell.
        if command.leaseToken != nil { return false }
        members.append(Member(index: index, outcome: .conflict(after: count)))
        return true
    }

    private mutating func append(_ index: Int, _ command: SaveCommand) -> Bool {
        // The statement finds the parent among the versions from before.
        if command.parentLabel != nil, count > 0 { return false }
        // A flow that the group creates gets the type of its first save; an existing flow must have the type that any save names.
        if let type = command.flowType {
            if let known = flowType ?? (start == .absent && count > 0 ? "" : nil) {
                guard known.utf8.elementsEqual(type.utf8) else { return false }
            }
            flowType = type
        }
        // A row takes what its save leaves open from the head after the update, so no later save of the group may change that.
        let before = (phase: phase, status: status)
        guard Self.extends(&phase, command.phase, isFirst: count == 0), Self.extends(&status, command.status, isFirst: count == 0),
            Self.extends(&progress, command.progress, isFirst: count == 0)
        else { return false }
        guard takeLabels(of: command) else { return false }
        guard takeTimeLimits(of: command, after: before) else { return false }
        if let time = command.ttlMilliseconds { ttl = time }
        if count == 0 { definitionRevision = command.definitionRevision }
        count += 1
        members.append(Member(index: index, outcome: .saved(offset: count)))
        return true
    }

    /// The statement compares the final phase and status with those from before the group: a flow that leaves a phase on the way enters it
    /// anew.
    private mutating func takeTimeLimits(of command: SaveCommand, after before: (phase: String?, status: String?)) -> Bool {
        if command.phase == nil, command.status == nil { return true }
        if timeLimits == nil, command.timeLimits == nil { return true }
        let isSame = { (one: String?, other: String?) in one.map(Name.init) == other.map(Name.init) }
        guard count == 0 || timeLimits == command.timeLimits && isSame(before.phase, phase) && isSame(before.status, status) else {
            return false
        }
        timeLimits = command.timeLimits
        return true
    }

    /// The statement counts the labels of the final head: no head before it may have more.
    private mutating func takeLabels(of command: SaveCommand) -> Bool {
        if let labels = command.labels {
            if labelChanges != nil { return false }
            self.labels = labels
        }
        guard let changes = command.labelChanges else { return true }
        if let labels {
            let merged = labels.applying(changes)
            self.labels = merged
            return merged.entries.count <= labelLimit
        }
        if let labelChanges, !labelChanges.areCovered(by: changes) { return false }
        labelChanges = changes
        return true
    }

    /// Adds what the statement needs of the group.
    /// - Parameter stored: the states by index in the batch.
    func append(
        to heads: inout [SaveHead], _ rows: inout [SaveRow], _ key: FlowKey, _ changes: [Change], stored: [StoredState?]
    ) {
        let first = rows.count + 1
        var base: FlowVersion?
        var (phase, status, progress): (String?, String?, Double?) = (nil, nil, nil)
        for member in members {
            guard case .saved = member.outcome, case .save(let save) = changes[member.index].work, let stored = stored[member.index]
            else { continue }
            phase = save.command.phase ?? phase
            status = save.command.status ?? status
            progress = save.command.progress ?? progress
            if let next = stored.base { base = min(base ?? next, next) }
            rows.append(SaveRow(save, stored, phase: phase, status: status, progress: progress))
        }
        heads.append(SaveHead(self, key, first: first, base: base))
    }

    private static func extends<Value>(_ carried: inout Value?, _ value: Value?, isFirst: Bool) -> Bool {
        guard let value else { return true }
        if carried == nil, !isFirst { return false }
        carried = value
        return true
    }
}
