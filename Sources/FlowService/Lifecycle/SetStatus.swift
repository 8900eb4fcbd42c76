import FlowAccess
import FlowModel
import FlowStore
import WireMessages

enum SetStatus: UnaryFlowMethod {
    static let method = MethodDescriptor.setStatus
    static let scope = Scope.write

    static func command(_ request: SetStatusRequest, _ context: CallContext) throws(StateError) -> TakeStepCommand<SetStatusCommand> {
        var precondition = Precondition.none
        switch request.precondition {
        case .expectedVersion(let version): precondition = .expected(version)
        case .anyVersion(let isSet): precondition = try Precondition(anyVersion: isSet)
        case nil: break
        }
        let step = try context.step(request.flowID, precondition, request.leaseToken, request.idempotencyKey)
        return TakeStepCommand(
            SetStatusCommand(
                step, status: request.status.given, progress: request.progress, setLabels: Labels(request.setLabels),
                removedLabels: request.removeLabels))
    }

    static func response(_ outcome: LifecycleOutcome, flowID: String) -> SetStatusResponse {
        SetStatusResponse(flow: outcome.head.message, replayed: outcome.replayed)
    }

    static func flowID(_ request: SetStatusRequest) -> String { request.flowID }
}
