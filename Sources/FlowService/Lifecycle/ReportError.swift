import FlowAccess
import FlowModel
import FlowStore
import WireMessages

enum ReportError: UnaryFlowMethod {
    static let method = MethodDescriptor.reportError
    static let scope = Scope.write

    static func command(
        _ request: ReportErrorRequest, _ context: CallContext
    ) throws(StateError) -> TakeStepCommand<ReportErrorCommand> {
        let step = try context.step(request.flowID, .none, request.leaseToken, request.idempotencyKey)
        return TakeStepCommand(
            ReportErrorCommand(
                step, phase: request.phase.given, errorType: request.errorType, message: request.message, details: request.details,
                isRetryable: request.retryable, notificationID: context.makeID()))
    }

    static func response(_ outcome: LifecycleOutcome, flowID: String) -> ReportErrorResponse {
        ReportErrorResponse(flow: outcome.head.message, recoveryID: outcome.recoveryID, replayed: outcome.replayed)
    }

    static func flowID(_ request: ReportErrorRequest) -> String { request.flowID }
}
