import FlowModel

/// Which changes of a batch are written together. Pure.
///
/// All changes of one flow go the same way, so that they keep their order: as one group, or each by its own statement behind all groups.
struct ChangePlan {
    /// The changes of one flow, by their places in the batch, in order.
    struct Flow {
        let key: FlowKey
        fileprivate(set) var changes: [Int]
    }

    struct Single: Equatable {
        /// Its place in the batch, and that of its flow in `flows`.
        let index: Int
        let flow: Int
    }

    /// In the order of their first changes.
    private(set) var flows: [Flow] = []
    /// Groups of flows that must be there, and of flows that must not.
    private(set) var updates: [SaveGroup] = []
    private(set) var creations: [SaveGroup] = []
    /// In the order of the batch.
    private(set) var singles: [Single] = []
    /// Flows that are asked for their bases first; their saves come again.
    private(set) var fetches: [Int] = []

    /// - Parameter needsBase: whether the save should know its flow's bases and does not; `flow` is the place in `flows`.
    init(_ changes: [Change], needsBase: (_ change: Change, _ flow: Flow) -> Bool) {
        var keys = Set<IdempotencyKey>()
        var createdIDs = Set<Name>()
        flows = Self.byFlow(changes)
        for (place, flow) in flows.enumerated() {
            if flow.changes.contains(where: { needsBase(changes[$0], flow) }) {
                fetches.append(place)
                continue
            }
            // One that is alone needs nobody else's statement, and its own answers whatever happened: one round trip. So it is too for
            // those that run one by one because their batch was undone, which keeps them in their order.
            guard changes.count > 1, let group = Self.group(place, flow, changes), Self.isFirst(group, flow.key.tenant, &keys) else {
                singles += flow.changes.map { Single(index: $0, flow: place) }
                continue
            }
            switch group.start {
            case .present: updates.append(group)
            // The rows that an INSERT returns are told apart by their flow ids.
            case .absent where createdIDs.insert(Name(flow.key.flowID)).inserted: creations.append(group)
            case .absent: singles += flow.changes.map { Single(index: $0, flow: place) }
            }
        }
        // Rows that are not there cannot be locked before (`HeadLock`), so what may make flows goes in one order: by one statement, or each by
        // its own.
        if singles.contains(where: { changes[$0.index].mayCreate }) {
            singles += creations.flatMap { group in group.members.map { Single(index: $0.index, flow: group.flow) } }
            creations = []
        }
        singles.sort { $0.index < $1.index }
    }

    /// The flows that the batch changes and that may be there, in its order.
    func lockedFlows(_ changes: [Change]) -> [FlowKey] {
        let fetched = Set(fetches)
        return flows.indices.filter { place in
            !fetched.contains(place) && flows[place].changes.contains { !changes[$0].mustCreate }
        }.map { flows[$0].key }
    }

    private static func byFlow(_ changes: [Change]) -> [Flow] {
        var places: [FlowKey: Int] = [:]
        places.reserveCapacity(changes.count)
        var flows: [Flow] = []
        flows.reserveCapacity(changes.count)
        for (index, change) in changes.enumerated() {
            if let place = places[change.key] {
                flows[place].changes.append(index)
            } else {
                places[change.key] = flows.count
                flows.append(Flow(key: change.key, changes: [index]))
            }
        }
        return flows
    }

    private static func group(_ place: Int, _ flow: Flow, _ changes: [Change]) -> SaveGroup? {
        var saves: [(index: Int, save: SaveChange)] = []
        saves.reserveCapacity(flow.changes.count)
        for index in flow.changes {
            guard case .save(let save) = changes[index].work, !changes[index].progress.runsAlone else { return nil }
            saves.append((index, save))
        }
        return SaveGroup(saves, flow: place)
    }

    private struct IdempotencyKey: Hashable {
        let tenant: Name
        let key: Name
    }

    /// Two requests with one key in one statement would both find it unused.
    private static func isFirst(_ group: SaveGroup, _ tenant: String, _ keys: inout Set<IdempotencyKey>) -> Bool {
        guard let key = group.idempotencyKey else { return true }
        return keys.insert(IdempotencyKey(tenant: Name(tenant), key: Name(key))).inserted
    }
}
