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

    /// - Parameters:
    ///   - error: what the change would answer.
    ///   - state: the latest one, if it could be read.
    /// - Returns: the recovery's id, whether or not something helped; empty when there was nothing to do, or the policy has nothing of it.
    static func run(
        after error: StateError, _ trigger: RecoveryTrigger, of key: FlowKey, state: [UInt8]?, _ store: StateStore,
        _ context: OperationContext
    ) async -> String {
        if case .patchNotApplicable = error, let state, (try? JSONDocument(state, maximumDepth: store.limits.jsonDepth)) != nil {
            // The patch is for another state; nothing is wrong with this one.
            return ""
        }
        let command = RecoverFlowCommand.byPolicy(trigger, of: key, makeID: IDGenerator.next)
        do throws(StateError) {
            let record = try await FlowRecovery(command: command, store: store, context: context).run()
            return record.strategy == nil ? "" : record.id
        } catch .recoveryFailed(_, _) {
            return command.recoveryID
        } catch {
            store.logRecovery(of: key, failedWith: error)
            return ""
        }
    }
}
