import JSON

/// A type of flow: its phases and statuses, where its states hold them, and the rules for its states. Read from a document
/// (`DefinitionReader`) and immutable: another document is another revision.
package struct FlowDefinition: Sendable {
    package var flowType: String
    /// For people.
    package var description: String
    /// Where a state holds phase, status and progress.
    package var paths: Paths
    /// In their usual order; empty: any phase is allowed.
    package let phases: [Phase]
    /// Empty: any status is allowed.
    package let statuses: [Status]
    /// Rules for states, in the order of the document.
    package var rules: [RuleEntry]
    /// Checked in addition to the rules at the depth `complete`.
    package var schema: JSONSchema?
    /// What happens to a save whose state breaks rules.
    package var onSave: OnSave
    /// Instructions of all patterns together.
    var patternInstructions = 0
    /// Whether some phase or status has a time limit.
    package let hasTimeLimits: Bool
    /// Memory in bytes, approximately.
    package internal(set) var memory = 0
    /// Indexes into `phases` and `statuses` by name.
    private let phaseNumbers, statusNumbers: [Name: Int]
    /// Repairs of a broken state, in order.
    package var repairs: [Repair] = []
    package var recovery = RecoveryPolicy()
    package var retention = RetentionPolicy()
    /// Labels derived from states, so that lists can filter flows by what their states contain.
    package var labels: [(name: String, path: JSONPointer)] = []
    /// The state of a flow that is created without one; nil: the caller must give one.
    package var initialState: JSONDocument?

    init(
        flowType: String, description: String, paths: Paths, phases: [Phase], statuses: [Status], rules: [RuleEntry],
        schema: JSONSchema?, onSave: OnSave
    ) {
        self.flowType = flowType
        self.description = description
        self.paths = paths
        self.phases = phases
        self.statuses = statuses
        self.rules = rules
        self.schema = schema
        self.onSave = onSave
        phaseNumbers = Dictionary(phases.enumerated().map { (Name($1.name), $0) }, uniquingKeysWith: { first, _ in first })
        hasTimeLimits = phases.contains { $0.limit != nil } || statuses.contains { $0.limit != nil }
        statusNumbers = Dictionary(statuses.enumerated().map { (Name($1.name), $0) }, uniquingKeysWith: { first, _ in first })
    }

    package enum OnSave: String, Sendable, CaseIterable {
        /// Saves are not checked; `ValidateState` still checks.
        case off
        /// The state is saved, and the answer lists what it breaks.
        case warn
        /// The save is refused.
        case enforce
    }

    package struct Paths: Sendable, Equatable {
        package var phase: JSONPointer?
        package var status: JSONPointer?
        /// Per cent.
        package var progress: JSONPointer?
        /// An object: by phase, whether it is complete.
        package var completion: JSONPointer?
        /// The data of a transition and the results of a phase; "{phase}" in them stands for the phase.
        package var data: PhasePointer?
        package var results: PhasePointer?
        /// Arrays: the log, and the reported errors.
        package var log: JSONPointer?
        package var errors: JSONPointer?
        /// When the server last changed the state, and when it created it, as text.
        package var updated: JSONPointer?
        package var created: JSONPointer?
        /// The flow's id.
        package var id: JSONPointer?

        package init() {}

        var isEmpty: Bool { self == Paths() }
    }

    /// Whether saves need the definition, if only for the phase in which a new flow begins.
    package var concernsSaves: Bool { onSave != .off || !paths.isEmpty || !labels.isEmpty || !phases.isEmpty || hasTimeLimits }

    /// The cost of validating a state, as a number of bytes of JSON to check: more than the state's when there are large patterns, and more
    /// than is ever computed on an event loop when there is a schema.
    ///
    /// A few lines of schema can cost 100 steps for each byte of the state and 50,000 for an empty one, 10 ms for `{}`
    /// (`JSONSchema.check`), and patterns have a budget of their own. Most schemas cost next to nothing, but only the check can tell, and
    /// another thread costs microseconds.
    package func validationSize(_ stateBytes: Int) -> Int {
        schema == nil ? stateBytes * max(1, patternInstructions / 100) : .max
    }

    /// A pointer with "{phase}" as a placeholder.
    package struct PhasePointer: Sendable, Equatable {
        let pattern: JSONPointer

        package func pointer(_ phase: String) -> JSONPointer {
            JSONPointer(
                pattern.tokens.map { token in token.split(separator: "{phase}", omittingEmptySubsequences: false).joined(separator: phase) }
            )
        }
    }

    package struct Phase: Sendable, Equatable {
        package var name: String
        /// Phases that must be complete before this one is entered.
        package var requires: [String]
        /// Per cent, set when the phase is entered; nil: unchanged.
        package var progress: Double?
        /// The flow ends here.
        package var isTerminal: Bool
        /// Leaving it completes it: for a phase without results to report, such as the first one.
        package var completesOnLeave: Bool
        /// How long a flow may stay; nil: for ever.
        package var limit: TimeLimit?
    }

    package struct Status: Sendable, Equatable {
        package var name: String
        /// Statuses that may follow; nil: any; empty: the flow has ended.
        package var next: [String]?
        /// The status that a flow gets when an error is reported.
        package var isOfErrors: Bool
        /// How long a flow may have it; nil: for ever.
        package var limit: TimeLimit?
    }

    package func status(_ name: String) -> Status? { statusNumbers[Name(name)].map { statuses[$0] } }
    package func phase(_ name: String) -> Phase? { phaseNumber(name).map { phases[$0] } }
    /// The index of a phase in `phases`.
    func phaseNumber(_ name: String) -> Int? { phaseNumbers[Name(name)] }
}

/// One rule of a definition, with its path and the depths at which it applies.
package struct RuleEntry: Sendable {
    package enum Severity: String, Sendable, CaseIterable {
        case error, warning
    }

    /// The rule's kind, unless the document gives it a name.
    package var name: String
    package var severity: Severity
    package var depths: Set<ValidationDepth>
    package var path: JSONPointer
    package var rule: any StateRule
}

/// How thoroughly a state is validated.
package enum ValidationDepth: String, Sendable, CaseIterable {
    /// For hot paths: whether the state can be recognised as its flow's.
    case minimal
    /// Before and after a transition: whether the state has the right structure.
    case transition
    /// Every rule.
    case complete
}

extension FlowDefinition {
    /// Whether flows of this type can end: a phase is terminal, or a status is final.
    package var hasEnd: Bool { phases.contains(where: \.isTerminal) || statuses.contains { isFinal($0.name) } }

    /// Whether a flow with this phase and status has ended: its phase is terminal or its status final. Retention, recovery, transitions,
    /// saves that name a phase, and error reports all use this.
    package func isEnded(phase: String, status: String) -> Bool { self.phase(phase)?.isTerminal == true || isFinal(status) }

    /// Whether no status may follow this one.
    package func isFinal(_ status: String) -> Bool { self.status(status)?.next?.isEmpty == true }
}

extension FlowDefinition {
    /// The definition's initial state with the flow's id and the time at their paths; nil when the definition has none.
    package func initialState(of flowID: String, at time: Timestamp, limits: Limits, budget: WorkBudget) throws(StateError) -> [UInt8]? {
        guard let initialState else { return nil }
        var edit = StateEdit(initialState, budget)
        if let pointer = paths.id { try edit.set(pointer, string: flowID) }
        for pointer in [paths.created, paths.updated] {
            if let pointer { try edit.set(pointer, string: time.text) }
        }
        return try edit.applied(limits)
    }
}
