import FlowModel
import Postgres

extension StateStore {
    /// Removes the versions of a flow below `floor`, but for the newest version and those that a checkpoint or the quarantine pins. Every
    /// version that stays reads as before: what was stored as a patch against a version that goes is stored anew first.
    ///
    /// It may fail, be killed or cut off between any two transactions: each leaves a flow that reads, saves and restores as before, and the
    /// next pruning goes on. Other servers may change the flow meanwhile; saves do not wait, since it has a connection of its own.
    ///
    /// - Parameters:
    ///   - step: Versions removed by a transaction at most; several take `Limits.batchBytes` at most.
    ///   - limit: Versions removed at most.
    ///   - afterStep: Called after each transaction with what it removed; answers whether to go on.
    /// - Returns: what was removed, and whether something had to be left that a damaged version refers to.
    /// - Throws: `flowNotFound`; `contention` when a version stays locked, or another pruning of the flow is in the way.
    @discardableResult
    public func pruneVersions(
        of key: FlowKey, below floor: FlowVersion, actor: String, step: Int64 = 1_000, limit: Int64 = .max,
        afterStep: (PrunedVersions) async throws(StateError) -> Bool = { _ in true }
    ) async throws(StateError) -> PrunedVersions {
        // What is known may refer to a version that goes.
        defer { resources.cache.forget(key) }
        var pruned = PrunedVersions()
        for attempt in 1... {
            let pruning = FlowPruning(store: self, key: key, actor: actor, step: step)
            switch try await pruning.run(below: floor, limit: limit, &pruned, afterStep) {
            case .done: return pruned
            case .raced where attempt < FlowPruning.maximumAttempts:
                try? await Task.sleep(for: FlowPruning.pause * attempt)
            case .raced: throw .contention
            }
        }
        return pruned
    }
}

public struct PrunedVersions: Sendable, Equatable {
    public var versions: Int64 = 0
    /// Of their states, as they were stored.
    public var bytes: Int64 = 0
    /// Why a version that stays could not be stored anew: it and what it refers to were left as they are.
    public var damage: StateError?
}
