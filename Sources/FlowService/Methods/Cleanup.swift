import FlowModel
import WireMessages

enum Cleanup: FlowMethod {
    static let name = "Cleanup"

    static func command(_ request: CleanupRequest, _ context: RequestContext) throws(StateError) -> CleanupCommand {
        CleanupCommand(
            tenant: request.tenant.given, flowType: request.flowType.given, isDryRun: request.dryRun, maximumRows: request.maxRows,
            cursor: request.cursor.given.map { PageToken(text: $0) }, actor: context.caller.actor)
    }

    static func response(_ result: CleanupResult, flowID: String) -> CleanupResponse {
        result.counts.message(isIncomplete: result.isIncomplete, cursor: result.next)
    }

    static func flowID(_ request: CleanupRequest) -> String { "" }
}

extension CleanupCounts {
    func message(isIncomplete: Bool, cursor: PageToken? = nil) -> CleanupResponse {
        CleanupResponse(
            versions: versions, flows: flows, idempotencyRecords: idempotencyRecords, quarantined: quarantined, events: events,
            bytes: bytes, more: isIncomplete, checkpoints: checkpoints, endedFlows: endedFlows, skipped: skipped,
            cursor: cursor?.text ?? "")
    }
}
