import FlowAccess
import FlowModel
import WireMessages

enum GetSummary: UnaryFlowMethod {
    static let method = MethodDescriptor.getSummary
    static let scope = Scope.read

    static func command(_ request: GetSummaryRequest, _ context: CallContext) throws(StateError) -> GetSummaryCommand {
        GetSummaryCommand(key: try context.key(request.flowID))
    }

    static func response(_ summary: FlowSummary, flowID: String) -> GetSummaryResponse {
        GetSummaryResponse(
            flow: summary.head.message, phases: summary.phases.map(phase), versionCount: summary.versions,
            checkpointCount: summary.checkpoints, errorCount: summary.errors, recoveryCount: summary.recoveries,
            lastError: summary.lastError, storedBytes: summary.storedBytes)
    }

    private static func phase(_ phase: FlowSummary.Phase) -> PhaseSummary {
        let progress: PhaseProgress =
            switch phase.progress {
            case .pending: .pending
            case .active: .active
            case .complete: .complete
            case .left: .left
            }
        return PhaseSummary(
            phase: phase.name, progress: progress, enteredAt: phase.enteredAt?.message, completedAt: phase.completedAt?.message)
    }

    static func flowID(_ request: GetSummaryRequest) -> String { request.flowID }
}
