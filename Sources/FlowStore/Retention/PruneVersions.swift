import FlowModel
import Postgres

extension StateStore {
    /// Prunes the versions of a flow below `floor`, except the newest version and those that a checkpoint or the quarantine pins. Every
    /// remaining version reads as before: a patch against a pruned version is stored anew first.
    ///
    /// It may fail, be killed or cut off between any two transactions: each leaves a flow that reads, saves and restores as before, and the
    /// next pruning continues. Other servers may change the flow meanwhile; saves do not wait, since pruning has a connection of its own.
    ///
    /// - Parameters:
    ///   - step: The most versions that a transaction removes; several together take at most `Limits.batchBytes`.
    ///   - limit: The most versions to remove.
    ///   - afterStep: Called after each transaction with what it removed; returns whether to continue.
    /// - Returns: what was removed, and whether versions were left because a damaged version refers to them.
    /// - Throws: `flowNotFound`; `contention` when a version stays locked, or another pruning of the flow interferes.
    @discardableResult
    package func pruneVersions(
        of key: FlowKey, below floor: FlowVersion, actor: String, step: Int64 = 1_000, limit: Int64 = .max,
        afterStep: (PrunedVersions) async throws(StateError) -> Bool = { _ in true }
    ) async throws(StateError) -> PrunedVersions {
        // The cache entry may refer to a pruned version.
        defer { resources.cache.invalidate(key) }
        var pruned = PrunedVersions()
        for attempt in 1... {
            let pruning = FlowPruning(store: self, key: key, actor: actor, step: step)
            switch try await pruning.run(below: floor, limit: limit, &pruned, afterStep) {
            case .done: return pruned
            case .retry where attempt < FlowPruning.maximumAttempts:
                try? await Task.sleep(for: FlowPruning.pause * attempt)
            case .retry: throw .contention
            }
        }
        return pruned
    }
}

package struct PrunedVersions: Sendable, Equatable {
    package var versions: Int64 = 0
    /// Bytes of their states as stored.
    package var bytes: Int64 = 0
    /// Why a remaining version could not be stored anew: it and the versions to which it refers were left as they are.
    package var damage: StateError?
}
