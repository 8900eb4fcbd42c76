import FlowAccess
import FlowModel
import WireMessages

enum RecoverFlow: UnaryFlowMethod {
    static let method = MethodDescriptor.recoverFlow
    static let scope = Scope.write

    static func command(_ request: RecoverFlowRequest, _ context: CallContext) throws(StateError) -> RecoverFlowCommand {
        RecoverFlowCommand(
            key: try context.key(request.flowID), actor: context.identity.actor, strategy: try strategy(request.strategy),
            checkpoint: request.checkpoint.given, isDryRun: request.dryRun, reason: request.reason,
            idempotencyKey: request.idempotencyKey.given, recoveryID: context.makeID(), quarantineID: context.makeID(),
            notificationID: context.makeID())
    }

    private static func strategy(
        _ strategy: WireMessages.RecoveryStrategy
    ) throws(StateError) -> FlowModel.RecoveryStrategy? {
        switch strategy {
        case .unspecified: return nil
        case .repair: return .repair
        case .rollbackCheckpoint: return .checkpoint
        case .rollbackVersion: return .version
        case .reset: return .reset
        default: throw .invalidArgument(field: "strategy", message: "is \(strategy.rawValue), which this server does not know")
        }
    }

    static func response(_ record: RecoveryRecord, flowID: String) -> RecoverFlowResponse {
        RecoverFlowResponse(recovery: record.message(flowID: flowID), replayed: record.replayed)
    }

    static func flowID(_ request: RecoverFlowRequest) -> String { request.flowID }
}

extension RecoveryRecord {
    func message(flowID: String) -> Recovery {
        let strategy: WireMessages.RecoveryStrategy =
            switch strategy {
            case nil: .unspecified
            case .repair: .repair
            case .checkpoint: .rollbackCheckpoint
            case .version: .rollbackVersion
            case .reset: .reset
            }
        return Recovery(
            id: id, flowID: flowID, state: isPlanned ? .planned : .succeeded, strategy: strategy, brokenVersion: brokenVersion,
            recoveredVersion: recoveredVersion,
            steps: steps.map { RecoveryStep(action: $0.action, version: $0.version, outcome: $0.outcome) },
            violations: violations.map(\.wire), quarantineID: quarantineID, startedAt: time.message, finishedAt: time.message, actor: actor,
            diff: diff)
    }
}
