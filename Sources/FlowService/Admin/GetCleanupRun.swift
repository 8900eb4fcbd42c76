import FlowAccess
import FlowModel
import WireMessages

enum GetCleanupRun: UnaryFlowMethod {
    static let method = MethodDescriptor.getCleanupRun
    static let scope = Scope.admin

    static func command(_ request: GetCleanupRunRequest, _ context: CallContext) throws(StateError) -> GetCleanupRunCommand {
        GetCleanupRunCommand(tenant: context.identity.tenant)
    }

    static func response(_ run: CleanupRun?, flowID: String) -> GetCleanupRunResponse {
        guard let run else { return GetCleanupRunResponse() }
        return GetCleanupRunResponse(
            holder: run.holder, startedAt: run.startedAt.message, finishedAt: run.finishedAt?.message,
            flowID: run.flowID, removed: run.counts.message(isIncomplete: run.finishedAt == nil))
    }

    static func flowID(_ request: GetCleanupRunRequest) -> String { "" }
}
