import FlowModel

/// Which changes of a batch are written together. Pure.
///
/// All changes of one flow go the same way, so that they keep their order: as one group, or each by its own statement behind all groups.
struct ChangePlan {
    /// Groups of flows that must be there, and of flows that must not.
    private(set) var updates: [SaveGroup] = []
    private(set) var creations: [SaveGroup] = []
    /// By their places in the batch, in order.
    private(set) var singles: [Int] = []
    /// Saves whose flow is asked for its bases first; they come again.
    private(set) var fetches: [[Int]] = []

    /// - Parameter needsBase: whether the save at this place should know its flow's bases and does not.
    init(_ changes: [Change], needsBase: (Change) -> Bool) {
        var keys = Set<IdempotencyKey>()
        var createdIDs = Set<String>()
        for indices in Self.byFlow(changes) {
            let first = changes[indices[0]]
            if indices.contains(where: { needsBase(changes[$0]) }) {
                fetches.append(indices)
                continue
            }
            // One that is alone needs nobody else's statement, and its own answers whatever happened: one round trip. So it is too for
            // those that run one by one because their batch was undone, which keeps them in their order.
            guard changes.count > 1, let group = Self.group(indices, changes), Self.isFirst(group, first.key.tenant, &keys) else {
                singles += indices
                continue
            }
            switch group.start {
            case .present: updates.append(group)
            // The rows that an INSERT returns are told apart by their flow ids.
            case .absent where createdIDs.insert(first.key.flowID).inserted: creations.append(group)
            case .absent: singles += indices
            }
        }
        singles.sort()
    }

    /// Places by flow, in order of the flows' first changes.
    private static func byFlow(_ changes: [Change]) -> [[Int]] {
        var places: [FlowKey: Int] = [:]
        var flows: [[Int]] = []
        for (index, change) in changes.enumerated() {
            if let place = places[change.key] {
                flows[place].append(index)
            } else {
                places[change.key] = flows.count
                flows.append([index])
            }
        }
        return flows
    }

    private static func group(_ indices: [Int], _ changes: [Change]) -> SaveGroup? {
        var saves: [(index: Int, save: SaveChange)] = []
        saves.reserveCapacity(indices.count)
        for index in indices {
            guard case .save(let save) = changes[index].work, !changes[index].progress.runsAlone else { return nil }
            saves.append((index, save))
        }
        return SaveGroup(saves)
    }

    private struct IdempotencyKey: Hashable {
        let tenant: String
        let key: [UInt8]
    }

    /// Two requests with one key in one statement would both find it unused.
    private static func isFirst(_ group: SaveGroup, _ tenant: String, _ keys: inout Set<IdempotencyKey>) -> Bool {
        guard let key = group.idempotencyKey else { return true }
        return keys.insert(IdempotencyKey(tenant: tenant, key: Array(key.utf8))).inserted
    }
}
