import JSON

/// The texts of notifications.
extension NotificationRequest {
    /// A strategy succeeded; inserted with the version that it makes.
    static func recovered(
        id: String, flowID: String, _ strategy: RecoveryStrategy, broken version: FlowVersion, violations: [Violation],
        quarantineID: String
    ) -> NotificationRequest {
        let how =
            switch strategy {
            case .repair: "it was repaired"
            case .checkpoint: "it went back to a checkpoint"
            case .version: "it went back to an earlier version"
            case .reset: "it begins anew"
            }
        return NotificationRequest(
            id: id, level: .warning, title: "flow \"\(flowID)\" was recovered: \(how)",
            message: "version \(version) was broken\(summary(violations)); version \(version + 1) took its place. "
                + "Compare them; the broken one is in quarantine as \(quarantineID).")
    }

    /// No strategy succeeded.
    package static func recoveryFailed(
        id: String, flowID: String, broken version: FlowVersion, violations: [Violation], tried: [String]
    ) -> NotificationRequest {
        NotificationRequest(
            id: id, level: .error, title: "flow \"\(flowID)\" could not be recovered",
            message: "version \(version) is broken\(summary(violations)). Tried: \(tried.joined(separator: ", ")). "
                + "Recover it to a checkpoint of your choice, or save a right state.")
    }

    /// The flow now has the status of errors.
    static func errorReported(
        id: String, flowID: String, phase: String, status: String, error: String, isRetryable: Bool
    ) -> NotificationRequest {
        let place = phase.isEmpty ? "" : " in phase \"\(phase)\""
        let next = isRetryable ? "The flow can try again by itself." : "Look at its state and its errors."
        return NotificationRequest(
            id: id, level: isRetryable ? .warning : .error, title: "flow \"\(flowID)\" has status \"\(status)\": an error\(place)",
            message: (error.isEmpty ? "Nothing more was reported." : error) + "\n" + next)
    }

    /// A time limit has passed.
    static func overdue(id: String, flowID: String, _ what: String, since time: Timestamp) -> NotificationRequest {
        NotificationRequest(
            id: id, level: .warning, title: "flow \"\(flowID)\" is overdue",
            message: "It is \(what): overdue since \(time.text). Look at what it waits for.")
    }

    private static func summary(_ violations: [Violation]) -> String {
        guard let first = violations.first else { return "" }
        let more = violations.count == 1 ? "" : ", and \(violations.count - 1) more"
        return " (\(first.path.isEmpty ? "" : first.path + " ")\(first.message)\(more))"
    }
}

extension RecoverFlowCommand {
    /// For the version that replaces a broken one.
    package func notification(
        _ strategy: RecoveryStrategy, broken version: FlowVersion, violations: [Violation]
    ) -> NotificationRequest {
        .recovered(
            id: notificationID, flowID: key.flowID, strategy, broken: version, violations: violations, quarantineID: quarantineID)
    }
}
