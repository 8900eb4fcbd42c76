import FlowModel
import JSON

/// Recovery that a change starts because it found the latest state broken.
///
/// Safe with any number of servers: a recovery examines what is wrong, and saves with the broken version expected, so of several at once
/// one writes, and the others find nothing wrong.
enum RecoveryByPolicy {
    /// Whether a broken latest state may have caused the error.
    static func concerns(_ error: StateError) -> Bool {
        switch error {
        case .dataLoss, .stateInvalid, .patchNotApplicable: true
        default: false
        }
    }

    enum Outcome: Sendable {
        /// Recovery was tried, successfully or not; its id.
        case ended(id: String)
        /// The latest version has changed meanwhile, and follows the rules.
        case changedMeanwhile
        /// Not needed, not in the policy, or failed.
        case notDone
    }

    /// - Parameters:
    ///   - error: the error of the change.
    ///   - snapshot: the latest version, if it could be read.
    static func run(
        after error: StateError, _ trigger: RecoveryTrigger, of key: FlowKey, snapshot: Snapshot?, _ store: StateStore,
        _ context: OperationContext
    ) async -> Outcome {
        if case .patchNotApplicable = error, let state = snapshot?.state, await isJSON(state, store, context) {
            // The patch is for another state; this one is not broken.
            return .notDone
        }
        let command = RecoverFlowCommand.byPolicy(trigger, of: key, makeID: IDGenerator.next)
        do throws(StateError) {
            let record = try await FlowRecovery(command: command, store: store, context: context).run()
            if record.strategy != nil { return .ended(id: record.id) }
            return record.brokenVersion == version(snapshot, error) ? .notDone : .changedMeanwhile
        } catch .recoveryFailed(_, _) {
            return .ended(id: command.recoveryID)
        } catch {
            store.logRecovery(of: key, failedWith: error)
            return .notDone
        }
    }

    /// The version that was found broken; nil: unknown.
    private static func version(_ snapshot: Snapshot?, _ error: StateError) -> FlowVersion? {
        if case .dataLoss(_, let version, _) = error { return version }
        return snapshot?.version.version
    }

    private static func isJSON(_ state: [UInt8], _ store: StateStore, _ context: OperationContext) async -> Bool {
        let limits = store.limits
        return await (try? store.compute([state], context) { _ in JSONText.fault(in: state, maximumDepth: limits.jsonDepth) == nil })
            ?? true
    }
}
