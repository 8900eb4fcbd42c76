import FlowModel

/// The columns of a flow's time limits: `phase_due_at` and `status_due_at`, when they end, and `due_at`, which of both is to be reported
/// next; NULL: none is. A limit that has passed and was reported stays in its own column, so that the flow is still found overdue; it is
/// earlier than `due_at`, or that is NULL.
///
/// A limit counts from the change with which the flow enters its phase or gets its status; a change that leaves both alone leaves the
/// columns alone, and so the index.
struct DueSQL {
    /// Expressions: the phase and the status that the change gives the flow; NULL keeps them.
    var phase: String
    var status: String
    /// Expressions: their limits in seconds; NULL: none, -1: the flow has ended. nil: no change of the statement has one.
    var limits: (phase: String, status: String)?
    /// The time of the change.
    var time = "greatest(statement_timestamp(), f.updated_at)"
    /// Whether both limits begin anew in any case, an expression.
    var restart: String?
    /// The parameter with the time of which all limits before are reported by the change; NULL: it reports none.
    var reported: String?

    static let columns = ["phase_due_at", "status_due_at", "due_at"]
    static let cleared = columns.map { "\($0) = NULL" }.joined(separator: ", ")

    /// When both end in a flow that the change creates.
    func created(_ column: String) -> String {
        guard let limits else { return "NULL::timestamptz" }
        let (phase, status) = (end(limits.phase), end(limits.status))
        let due =
            switch column {
            case "phase_due_at": phase
            case "status_due_at": status
            default: "least(\(phase), \(status))"
            }
        return "CASE WHEN \(isEnded(limits)) THEN NULL ELSE \(due) END"
    }

    /// In a flow that exists (`f`).
    func updated(_ column: String) -> String {
        switch column {
        case "phase_due_at": due("f.phase_due_at", entered: entersPhase, limits?.phase)
        case "status_due_at": due("f.status_due_at", entered: getsStatus, limits?.status)
        default: next
        }
    }

    /// Whether the change leaves the limits of the flow `f` alone: it has none, or stays where it is.
    var isLeftAlone: String {
        """
        (coalesce(f.phase_due_at, f.status_due_at) IS NULL
            OR (\(phase) <> f.phase) IS NOT TRUE AND (\(status) <> f.status) IS NOT TRUE)
        """
    }

    /// For a SET.
    var changes: String { Self.columns.map { "\($0) = \(updated($0))" }.joined(separator: ", ") }

    private var entersPhase: String { changes(phase, "f.phase") }
    private var getsStatus: String { changes(status, "f.status") }

    private func changes(_ value: String, _ column: String) -> String { (restart.map { "\($0) OR " } ?? "") + "\(value) <> \(column)" }

    private func isEnded(_ limits: (phase: String, status: String)) -> String { "-1 IN (\(limits.phase), \(limits.status))" }

    private func end(_ limit: String) -> String { "\(time) + \(limit) * interval '1 second'" }

    private func due(_ column: String, entered: String, _ limit: String?) -> String {
        guard let limits, let limit else { return "CASE WHEN \(column) IS NOT NULL AND (\(entered)) IS NOT TRUE THEN \(column) END" }
        return "CASE WHEN \(isEnded(limits)) THEN NULL WHEN \(entered) THEN \(end(limit)) ELSE \(column) END"
    }

    /// The first of both ends that was not reported.
    private var next: String {
        let unreported = { (column: String, entered: String, limit: String?) in
            let isUnreported = "\(column) >= f.due_at" + (reported.map { " AND (\($0) IS NULL OR \(column) > \($0))" } ?? "")
            return limit.map { "CASE WHEN \(entered) THEN \(end($0)) WHEN \(isUnreported) THEN \(column) END" }
                ?? "CASE WHEN (\(entered)) IS NOT TRUE AND \(isUnreported) THEN \(column) END"
        }
        let first = """
            least(\(unreported("f.phase_due_at", entersPhase, limits?.phase)), \(unreported("f.status_due_at", getsStatus, limits?.status)))
            """
        guard let limits else { return "CASE WHEN f.due_at IS NOT NULL THEN \(first) END" }
        return "CASE WHEN \(isEnded(limits)) THEN NULL ELSE \(first) END"
    }
}

extension DueSQL {
    /// For statements that find out themselves which phase and status the flow gets: `table` is the parameter with
    /// `FlowDefinition.limitTable`, or NULL.
    static func looking(up table: String, phase: String, status: String) -> DueSQL {
        let limit = { (kind: String, name: String) in "(\(table)::jsonb #>> ARRAY['\(kind)', \(name)])::bigint" }
        return DueSQL(phase: phase, status: status, limits: (limit("phases", phase), limit("statuses", status)))
    }

    /// Of microseconds, as `Timestamp` has them: exact, since 2^53 of them are 285 years.
    static func time(_ microseconds: String) -> String { "(TIMESTAMPTZ 'epoch' + \(microseconds) * interval '1 microsecond')" }

    /// Whether the time limits of the flow `f` are not reported yet that were due at the time of the parameter; NULL: whatever they are.
    static func isDue(_ time: String) -> String { "(\(time) IS NULL OR f.due_at = \(time))" }

    /// Whether a limit of the flow `f` has passed. As the index `flow_overdue` has it.
    static let isOverdue = """
        (f.phase_due_at IS NOT NULL OR f.status_due_at IS NOT NULL) AND least(f.phase_due_at, f.status_due_at) < statement_timestamp()
        """
}
