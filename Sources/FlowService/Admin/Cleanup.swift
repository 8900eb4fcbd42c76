import FlowAccess
import FlowModel
import WireMessages

enum Cleanup: UnaryFlowMethod {
    static let method = MethodDescriptor.cleanup
    static let scope = Scope.admin

    static func command(_ request: CleanupRequest, _ context: CallContext) throws(StateError) -> CleanupCommand {
        CleanupCommand(
            tenant: context.identity.tenant, flowType: request.flowType.given, isDryRun: request.dryRun, maximumRows: request.maxRows,
            cursor: request.cursor.given.map { PageToken(text: $0) }, actor: context.identity.actor)
    }

    static func response(_ result: CleanupResult, flowID: String) -> CleanupResponse {
        result.counts.message(isIncomplete: result.isIncomplete, cursor: result.next)
    }

    static func flowID(_ request: CleanupRequest) -> String { "" }
}

extension CleanupCounts {
    func message(isIncomplete: Bool, cursor: PageToken? = nil) -> CleanupResponse {
        CleanupResponse(
            versions: versions, flows: flows, quarantined: quarantined, events: events, bytes: bytes, more: isIncomplete,
            checkpoints: checkpoints, endedFlows: endedFlows, skipped: skipped, cursor: cursor?.text ?? "")
    }
}
