import FlowModel
import WireMessages

enum Cleanup: FlowMethod {
    static let name = "Cleanup"

    static func command(_ request: CleanupRequest, _ context: RequestContext) throws(StateError) -> CleanupCommand {
        CleanupCommand(
            tenant: request.tenant.given, flowType: request.flowType.given, isDryRun: request.dryRun, maximumRows: request.maxRows,
            actor: context.caller.actor)
    }

    static func response(_ result: CleanupResult, flowID: String) -> CleanupResponse {
        result.counts.message(isIncomplete: result.isIncomplete)
    }

    static func flowID(_ request: CleanupRequest) -> String { "" }
}

extension CleanupCounts {
    func message(isIncomplete: Bool) -> CleanupResponse {
        CleanupResponse(
            versions: versions, flows: flows, idempotencyRecords: idempotencyRecords, quarantined: quarantined, events: events,
            bytes: bytes, more: isIncomplete, checkpoints: checkpoints, endedFlows: endedFlows)
    }
}
