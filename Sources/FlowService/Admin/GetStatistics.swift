import FlowAccess
import FlowModel
import WireMessages

enum GetStatistics: UnaryFlowMethod {
    static let method = MethodDescriptor.getStatistics
    static let scope = Scope.admin

    static func command(_ request: GetStatisticsRequest, _ context: CallContext) throws(StateError) -> GetStatisticsCommand {
        let tenant = context.identity.tenant
        if let other = request.tenant.given, !other.utf8.elementsEqual(tenant.utf8) {
            throw .unsupported(
                field: "tenant", message: "must be empty or the caller's own: this server does not know who may see another's")
        }
        guard let window = request.window else { return GetStatisticsCommand(tenant: tenant, flowType: request.flowType.given) }
        // A part of a second counts as a whole one, so that no window is shorter than what was asked for.
        let (seconds, attoseconds) = window.components
        return GetStatisticsCommand(
            tenant: tenant, flowType: request.flowType.given, windowSeconds: attoseconds > 0 && seconds < .max ? seconds + 1 : seconds)
    }

    static func response(_ statistics: FlowStatistics, flowID: String) -> GetStatisticsResponse {
        let seconds = Double(statistics.windowSeconds)
        return GetStatisticsResponse(
            flows: statistics.flows, deletedFlows: statistics.deletedFlows, versions: statistics.versions,
            checkpoints: statistics.checkpoints, stateBytes: statistics.stateBytes, storedBytes: statistics.storedBytes,
            byType: statistics.byType.map { $0.message(seconds) }, byStatus: statistics.byStatus.map(\.message),
            time: statistics.time.message, since: statistics.since.message, createdFlows: statistics.createdFlows,
            activity: statistics.activity.message(seconds),
            validationFailures: statistics.ruleFailures.map {
                ValidationFailures(flowType: $0.flowType, rule: $0.rule, refused: $0.refused, warned: $0.warned)
            },
            flowSample: statistics.flowSample, storageSample: statistics.storageSample, activitySample: statistics.activitySample)
    }

    static func flowID(_ request: GetStatisticsRequest) -> String { "" }
}

extension FlowStatistics.Count {
    fileprivate var message: FlowCount { FlowCount(value: value, flows: flows) }
}

extension FlowStatistics.FlowType {
    /// - Parameter seconds: the length of the window.
    fileprivate func message(_ seconds: Double) -> TypeStatistics {
        TypeStatistics(
            flowType: name, flows: flows, deletedFlows: deletedFlows, byStatus: byStatus.map(\.message),
            byPhase: byPhase.map { $0.message(seconds) }, createdFlows: createdFlows, activity: activity.message(seconds))
    }
}

extension FlowStatistics.Phase {
    fileprivate func message(_ seconds: Double) -> PhaseStatistics {
        PhaseStatistics(
            phase: name, flows: flows, entries: entries, exits: exits, exitsPerSecond: Double(exits) / seconds,
            timeInPhase: time.map { TimeInPhase(p50: .seconds($0.p50), p95: .seconds($0.p95), p99: .seconds($0.p99)) },
            activity: activity.message(seconds))
    }
}

extension FlowStatistics.Activity {
    fileprivate func message(_ seconds: Double) -> FlowActivity {
        FlowActivity(
            activeFlows: activeFlows, versions: versions, versionsPerSecond: Double(versions) / seconds, stateBytes: stateBytes,
            storedBytes: storedBytes, phasesCompleted: phasesCompleted, errorsReported: errorsReported, recoveries: recoveries,
            failedFlows: failedFlows, failureRate: failureRate, recoveredFlows: recoveredFlows, recoveryRate: recoveryRate)
    }
}
