import FlowAccess
import FlowModel
import FlowStore
import WireMessages

enum CompletePhase: UnaryFlowMethod {
    static let method = MethodDescriptor.completePhase
    static let scope = Scope.write

    static func command(
        _ request: CompletePhaseRequest, _ context: CallContext
    ) throws(StateError) -> TakeStepCommand<CompletePhaseCommand> {
        var precondition = Precondition.none
        switch request.precondition {
        case .expectedVersion(let version): precondition = .expected(version)
        case .anyVersion(let isSet): precondition = try Precondition(anyVersion: isSet)
        case nil: break
        }
        let step = try context.step(request.flowID, precondition, request.leaseToken, request.idempotencyKey)
        return TakeStepCommand(
            CompletePhaseCommand(
                step, phase: request.phase.given, results: request.results, metadata: request.metadata,
                checkpointID: context.makeID()))
    }

    static func response(_ outcome: LifecycleOutcome, flowID: String) -> CompletePhaseResponse {
        CompletePhaseResponse(flow: outcome.head.message, completed: outcome.completed, replayed: outcome.replayed)
    }

    static func flowID(_ request: CompletePhaseRequest) -> String { request.flowID }
}
