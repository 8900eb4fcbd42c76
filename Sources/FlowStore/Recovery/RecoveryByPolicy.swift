import FlowModel

/// Recovery that a change starts because it met a latest state that it could not be made of.
///
/// Safe with any number of servers: a recovery looks what is wrong, and saves with the broken version expected, so of several at once one
/// writes, and the others find nothing wrong.
enum RecoveryByPolicy {
    /// Whether the error can come from the latest state being broken.
    static func concerns(_ error: StateError) -> Bool {
        switch error {
        case .dataLoss, .stateInvalid, .patchNotApplicable: true
        default: false
        }
    }

    enum Outcome: Sendable {
        /// Recovery was tried, whether or not something helped; its id.
        case ended(id: String)
        /// The latest version is another one by now, and follows the rules.
        case changedMeanwhile
        /// Not needed, not in the policy, or failed.
        case notDone
    }

    /// - Parameters:
    ///   - error: what the change would answer.
    ///   - snapshot: the latest version, if it could be read.
    static func run(
        after error: StateError, _ trigger: RecoveryTrigger, of key: FlowKey, snapshot: Snapshot?, _ store: StateStore,
        _ context: OperationContext
    ) async -> Outcome {
        if case .patchNotApplicable = error, let state = snapshot?.state, await isJSON(state, store, context) {
            // The patch is for another state; nothing is wrong with this one.
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

    /// The version that was found broken; nil: it is not known.
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
