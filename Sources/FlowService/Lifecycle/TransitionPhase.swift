import FlowAccess
import FlowModel
import FlowStore
import WireMessages

enum TransitionPhase: UnaryFlowMethod {
    static let method = MethodDescriptor.transitionPhase
    static let scope = Scope.write

    static func command(
        _ request: TransitionPhaseRequest, _ context: CallContext
    ) throws(StateError) -> TakeStepCommand<TransitionCommand> {
        var precondition = Precondition.none
        switch request.precondition {
        case .expectedVersion(let version): precondition = .expected(version)
        case .anyVersion(let isSet): precondition = try Precondition(anyVersion: isSet)
        case nil: break
        }
        let step = try context.step(request.flowID, precondition, request.leaseToken, request.idempotencyKey)
        return TakeStepCommand(
            TransitionCommand(
                step, phase: request.phase, reason: request.reason, phaseData: request.phaseData, isForced: request.force,
                checkpointID: context.makeID()))
    }

    static func response(_ outcome: LifecycleOutcome, flowID: String) -> TransitionPhaseResponse {
        TransitionPhaseResponse(flow: outcome.head.message, from: outcome.from, replayed: outcome.replayed)
    }

    static func flowID(_ request: TransitionPhaseRequest) -> String { request.flowID }
}
