import FlowModel
import WireMessages

enum GetCleanupRun: FlowMethod {
    static let name = "GetCleanupRun"

    static func command(_ request: GetCleanupRunRequest, _ context: RequestContext) throws(StateError) -> GetCleanupRunCommand {
        GetCleanupRunCommand()
    }

    static func response(_ run: CleanupRun?, flowID: String) -> GetCleanupRunResponse {
        guard let run else { return GetCleanupRunResponse() }
        return GetCleanupRunResponse(
            holder: run.holder, startedAt: run.startedAt.message, finishedAt: run.finishedAt?.message, tenant: run.tenant,
            flowID: run.flowID, removed: run.counts.message(isIncomplete: run.finishedAt == nil))
    }

    static func flowID(_ request: GetCleanupRunRequest) -> String { "" }
}
