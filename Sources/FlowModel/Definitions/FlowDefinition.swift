/// A type of flow: its phases and statuses, where its states hold them, and the rules for its states. Read from a document
/// (`DefinitionReader`) and immutable: another document is another revision.
public struct FlowDefinition: Sendable {
    public var flowType: String
    /// For people.
    public var description: String
    /// Where a state holds phase, status and progress.
    public var paths: Paths
    /// In their usual order; empty: any phase is allowed.
    public let phases: [Phase]
    /// Empty: any status is allowed.
    public let statuses: [Status]
    /// Rules for states, in the order of the document.
    public var rules: [RuleEntry]
    /// Checked in addition to the rules at the depth `complete`.
    public var schema: JSONSchema?
    /// What happens to a save whose state breaks rules.
    public var onSave: OnSave
    /// Instructions of all patterns together.
    var patternInstructions = 0
    /// Memory in bytes, approximately.
    public internal(set) var memory = 0
    /// Indexes into `phases` and `statuses` by name.
    private let phaseNumbers, statusNumbers: [Name: Int]
    /// Repairs of a broken state, in order.
    public var repairs: [Repair] = []
    public var recovery = RecoveryPolicy()
    public var retention = RetentionPolicy()
    /// Labels derived from states, so that lists can filter flows by what their states contain.
    public var labels: [(name: String, path: JSONPointer)] = []
    /// The state of a flow that is created without one; nil: the caller must give one.
    public var initialState: JSONDocument?

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
        statusNumbers = Dictionary(statuses.enumerated().map { (Name($1.name), $0) }, uniquingKeysWith: { first, _ in first })
    }

    public enum OnSave: String, Sendable, CaseIterable {
        /// Saves are not checked; `ValidateState` still checks.
        case off
        /// The state is saved, and the answer lists what it breaks.
        case warn
        /// The save is refused.
        case enforce
    }

    public struct Paths: Sendable, Equatable {
        public var phase: JSONPointer?
        public var status: JSONPointer?
        /// Per cent.
        public var progress: JSONPointer?
        /// An object: by phase, whether it is complete.
        public var completion: JSONPointer?
        /// The data of a transition and the results of a phase; "{phase}" in them stands for the phase.
        public var data: PhasePointer?
        public var results: PhasePointer?
        /// Arrays: the log, and the reported errors.
        public var log: JSONPointer?
        public var errors: JSONPointer?
        /// When the server last changed the state, and when it created it, as text.
        public var updated: JSONPointer?
        public var created: JSONPointer?
        /// The flow's id.
        public var id: JSONPointer?

        public init() {}

        var isEmpty: Bool { self == Paths() }
    }

    /// Whether saves need the definition, if only for the phase in which a new flow begins.
    public var concernsSaves: Bool { onSave != .off || !paths.isEmpty || !labels.isEmpty || !phases.isEmpty }

    /// The cost of validating a state, as a number of bytes of JSON to check: more than the state's when there are large patterns, and more
    /// than is ever computed on an event loop when there is a schema.
    ///
    /// A few lines of schema can cost 100 steps for each byte of the state and 50,000 for an empty one, 10 ms for `{}`
    /// (`JSONSchema.check`), and patterns have a budget of their own. Most schemas cost next to nothing, but only the check can tell, and
    /// another thread costs microseconds.
    public func validationSize(_ stateBytes: Int) -> Int {
        schema == nil ? stateBytes * max(1, patternInstructions / 100) : .max
    }

    /// A pointer with "{phase}" as a placeholder.
    public struct PhasePointer: Sendable, Equatable {
        let pattern: JSONPointer

        public func pointer(_ phase: String) -> JSONPointer {
            JSONPointer(
                pattern.tokens.map { token in token.split(separator: "{phase}", omittingEmptySubsequences: false).joined(separator: phase) }
            )
        }
    }

    public struct Phase: Sendable, Equatable {
        public var name: String
        /// Phases that must be complete before this one is entered.
        public var requires: [String]
        /// Per cent, set when the phase is entered; nil: unchanged.
        public var progress: Double?
        /// The flow ends here.
        public var isTerminal: Bool
        /// Leaving it completes it: for a phase without results to report, such as the first one.
        public var completesOnLeave: Bool
    }

    public struct Status: Sendable, Equatable {
        public var name: String
        /// Statuses that may follow; nil: any; empty: the flow has ended.
        public var next: [String]?
        /// The status that a flow gets when an error is reported.
        public var isOfErrors: Bool
    }

    public func status(_ name: String) -> Status? { statusNumbers[Name(name)].map { statuses[$0] } }
    public func phase(_ name: String) -> Phase? { phaseNumber(name).map { phases[$0] } }
    /// The index of a phase in `phases`.
    func phaseNumber(_ name: String) -> Int? { phaseNumbers[Name(name)] }
}

/// One rule of a definition, with its path and the depths at which it applies.
public struct RuleEntry: Sendable {
    public enum Severity: String, Sendable, CaseIterable {
        case error, warning
    }

    /// The rule's kind, unless the document gives it a name.
    public var name: String
    public var severity: Severity
    public var depths: Set<ValidationDepth>
    public var path: JSONPointer
    public var rule: any StateRule
}

/// How thoroughly a state is validated.
public enum ValidationDepth: String, Sendable, CaseIterable {
    /// For hot paths: whether the state can be recognised as its flow's.
    case minimal
    /// Before and after a transition: whether the state has the right structure.
    case transition
    /// Every rule.
    case complete
}
