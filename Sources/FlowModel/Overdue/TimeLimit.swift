import JSON

/// How long a flow may stay in a phase or with a status, and what is done about one that stays longer.
package struct TimeLimit: Sendable, Equatable {
    package enum Action: String, Sendable, CaseIterable {
        /// A notification; the flow stays as it is.
        case notify
        /// An error report, as if a client had made it.
        case reportError = "report_error"
    }

    package var seconds: Int64
    package var action: Action

    /// A hundred years, since PostgreSQL's times are bounded.
    private static let mostSeconds = 876_600 * 3_600

    /// - Parameter ends: why a flow has no limit here; nil: it may have one.
    static func read(_ reader: inout ObjectReader, ends: String?) -> TimeLimit? {
        let (seconds, action) = (reader.count("limit_seconds", isRequired: false), action(&reader))
        guard let seconds else {
            if action != nil { reader.fault("on_overdue", "is used with \"limit_seconds\" only") }
            return nil
        }
        guard (1...mostSeconds).contains(seconds) else {
            reader.fault("limit_seconds", "is \(seconds); use a number from 1 to \(mostSeconds), or leave it out for no limit")
            return nil
        }
        if let ends {
            reader.fault("limit_seconds", "has no use: \(ends)")
            return nil
        }
        return TimeLimit(seconds: Int64(seconds), action: action ?? .notify)
    }

    private static func action(_ reader: inout ObjectReader) -> Action? {
        guard let name = reader.string("on_overdue", isRequired: false) else { return nil }
        if let action = Action(rawValue: name) { return action }
        reader.fault("on_overdue", "is \"\(name)\"; use \(Action.allCases.map(\.rawValue).joined(separator: ", "))")
        return nil
    }
}

/// The time limits of the phase and the status that a save gives its flow, in seconds; nil: none. They count from that save on if the flow
/// enters the phase, or gets the status, with it.
package struct EnteredLimits: Sendable, Equatable {
    package var phase: Int64?
    package var status: Int64?
    /// The flow has ended: it has no limits any more.
    package var endsFlow: Bool

    package init(phase: Int64? = nil, status: Int64? = nil, endsFlow: Bool = false) {
        self.phase = phase
        self.status = status
        self.endsFlow = endsFlow
    }
}

extension FlowDefinition {
    /// - Parameters:
    ///   - phase, status: nil: the save leaves them as they are.
    ///   - current: the flow's own, as far as they are known.
    /// - Returns: nil: no limit begins or ends.
    func limits(entering phase: String?, _ status: String?, from current: (phase: String, status: String)) -> EnteredLimits? {
        guard hasTimeLimits, phase != nil || status != nil else { return nil }
        return EnteredLimits(
            phase: phase.flatMap { self.phase($0)?.limit?.seconds }, status: status.flatMap { self.status($0)?.limit?.seconds },
            endsFlow: isEnded(phase: phase ?? current.phase, status: status ?? current.status))
    }

    /// The limits of all phases and statuses, for statements that find out themselves which ones the flow enters: JSON,
    /// `{"phases": {"paid": 60}, "statuses": {}}`. -1: the flow ends there. nil: there is no limit.
    package var limitTable: String? {
        guard hasTimeLimits else { return nil }
        var (byPhase, byStatus, table) = (JSONObjectText(), JSONObjectText(), JSONObjectText())
        for phase in phases {
            if let limit = phase.isTerminal ? -1 : phase.limit?.seconds { byPhase.add(phase.name, json: "\(limit)") }
        }
        for status in statuses {
            if let limit = isFinal(status.name) ? -1 : status.limit?.seconds { byStatus.add(status.name, json: "\(limit)") }
        }
        table.add("phases", json: byPhase.text)
        table.add("statuses", json: byStatus.text)
        return table.text
    }
}

extension SaveCommand {
    /// Takes the time limits of the phase and the status that it gives the flow.
    ///
    /// - Parameter current: where the flow is, if the save expects the version of which that is known.
    package mutating func takeLimits(of definition: FlowDefinition?, from current: CurrentPlace = .unknown) {
        let place = if case .at(let phase, let status) = current { (phase, status) } else { ("", "") }
        timeLimits = definition?.limits(entering: phase, status, from: place)
    }
}
