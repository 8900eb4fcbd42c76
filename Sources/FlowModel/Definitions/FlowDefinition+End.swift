extension FlowDefinition {
    /// Whether flows of this type can end: a phase is terminal, or a status is final.
    package var hasEnd: Bool { phases.contains(where: \.isTerminal) || statuses.contains { isFinal($0.name) } }

    /// Whether a flow with this phase and status has ended: its phase is terminal or its status final. Retention, recovery, transitions,
    /// saves that name a phase, and error reports all use this.
    package func isEnded(phase: String, status: String) -> Bool { self.phase(phase)?.isTerminal == true || isFinal(status) }

    /// Whether no status may follow this one.
    package func isFinal(_ status: String) -> Bool { self.status(status)?.next?.isEmpty == true }
}
