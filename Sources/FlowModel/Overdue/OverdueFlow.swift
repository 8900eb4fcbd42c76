import JSON

/// Which time limits of a flow are reported: it was due at `dueAt`, and all that had passed at `foundAt` is reported at once.
package struct OverdueMark: Sendable, Equatable {
    package var dueAt: Timestamp
    package var foundAt: Timestamp

    package init(dueAt: Timestamp, foundAt: Timestamp) {
        self.dueAt = dueAt
        self.foundAt = foundAt
    }
}

/// A flow some time limit of which has passed, and which was not reported yet.
package struct OverdueFlow: Sendable, Equatable {
    package var key: FlowKey
    package var version: FlowVersion
    package var flowType: String
    package var definitionRevision: Int64?
    package var phase: String
    package var status: String
    package var isDeleted: Bool
    package var mark: OverdueMark
    /// Which of its limits have passed and were not reported.
    package var isOfPhase: Bool
    package var isOfStatus: Bool

    package init(
        key: FlowKey, version: FlowVersion, flowType: String, definitionRevision: Int64?, phase: String, status: String,
        isDeleted: Bool = false, mark: OverdueMark, isOfPhase: Bool, isOfStatus: Bool
    ) {
        self.key = key
        self.version = version
        self.flowType = flowType
        self.definitionRevision = definitionRevision
        self.phase = phase
        self.status = status
        self.isDeleted = isDeleted
        self.mark = mark
        self.isOfPhase = isOfPhase
        self.isOfStatus = isOfStatus
    }
}

/// What is done about an overdue flow.
package enum OverdueAction: Sendable, Equatable {
    /// Its limits are taken back: all, since it has ended, or those that have passed, since its definition has them no more.
    case forget(all: Bool)
    case notify(NotificationRequest)
    case report(OverdueReport)
}

extension OverdueFlow {
    /// Decides by the definition that the flow follows now; nil: it has none. Pure.
    ///
    /// - Parameter notificationID: generated for this call.
    package func action(by definition: FlowDefinition?, actor: String, notificationID: String) -> OverdueAction {
        guard let definition, !isDeleted, !definition.isEnded(phase: phase, status: status) else { return .forget(all: true) }
        let ofPhase = isOfPhase ? definition.phase(phase)?.limit : nil
        let ofStatus = isOfStatus ? definition.status(status)?.limit : nil
        var places: [String] = []
        if let ofPhase { places.append("in phase \"\(phase)\" for longer than \(ofPhase.seconds) s") }
        if let ofStatus { places.append("with status \"\(status)\" for longer than \(ofStatus.seconds) s") }
        if places.isEmpty { return .forget(all: false) }
        let what = places.joined(separator: " and ")
        guard ofPhase?.action == .reportError || ofStatus?.action == .reportError else {
            return .notify(.overdue(id: notificationID, flowID: key.flowID, what, since: mark.dueAt))
        }
        let request = LifecycleRequest(key: key, actor: actor, precondition: .expected(version))
        let report = ReportErrorCommand(
            request, errorType: OverdueReport.errorType, message: "overdue since \(mark.dueAt.text): \(what)",
            notificationID: notificationID)
        return .report(OverdueReport(report: report, mark: mark))
    }
}

/// The error report about an overdue flow. It is made only if no other server has made it.
package struct OverdueReport: Sendable, Equatable {
    package static let errorType = "overdue"

    package var report: ReportErrorCommand
    package var mark: OverdueMark
}

extension OverdueReport: LifecycleDecision {
    package static var operation: String { ReportErrorCommand.operation }
    package static var trigger: RecoveryTrigger { ReportErrorCommand.trigger }
    package var request: LifecycleRequest { report.request }
    package var content: [[UInt8]] { report.content }

    package func check(limits: Limits) throws(StateError) { try report.check(limits: limits) }

    package func next(
        _ snapshot: Snapshot, _ definition: FlowDefinition?, now: Timestamp, limits: Limits, budget: WorkBudget
    ) throws(StateError) -> SaveCommand {
        var command = try report.next(snapshot, definition, now: now, limits: limits, budget: budget)
        command.overdue = mark
        return command
    }
}
