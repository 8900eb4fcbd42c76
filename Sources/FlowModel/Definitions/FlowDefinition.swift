/// What is known about a type of flow: its phases and statuses, where they stand in its states, and the rules of those. Read from a
/// document (`DefinitionReader`), and never changed: another document is another revision.
public struct FlowDefinition: Sendable {
    /// The type.
    public var flowType: String
    /// For people.
    public var description: String
    /// Where phase, status and progress stand in a state.
    public var paths: Paths
    /// In their usual order; none: any phase goes.
    public let phases: [Phase]
    /// None: any status goes.
    public let statuses: [Status]
    /// What states must be like, in the order of the document.
    public var rules: [RuleEntry]
    /// What states must be like as well, at the depth `complete`.
    public var schema: JSONSchema?
    /// What happens to a save whose state breaks rules.
    public var onSave: OnSave
    /// Of all its patterns together.
    var patternInstructions = 0
    /// Bytes that it takes in memory, about.
    public internal(set) var memory = 0
    /// Places in `phases` and `statuses` by name.
    private let phaseNumbers, statusNumbers: [Name: Int]
    /// What puts a broken state right, in order.
    public var repairs: [Repair] = []
    public var recovery = RecoveryPolicy()
    public var retention = RetentionPolicy()
    /// Labels that are taken from states, so that lists find flows by what stands in them.
    public var labels: [(name: String, path: JSONPointer)] = []
    /// The state of a flow that is created without one; nil: it needs one.
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
        /// It is saved, and its answer says what is broken.
        case warn
        /// It is refused.
        case enforce
    }

    public struct Paths: Sendable, Equatable {
        public var phase: JSONPointer?
        public var status: JSONPointer?
        /// Per cent.
        public var progress: JSONPointer?
        /// An object: by phase, whether it is complete.
        public var completion: JSONPointer?
        /// What came with a transition, and the results of a phase; "{phase}" in them stands for the phase.
        public var data: PhasePointer?
        public var results: PhasePointer?
        /// Arrays: what happened, and what went wrong.
        public var log: JSONPointer?
        public var errors: JSONPointer?
        /// When the state was last changed here, and when it was made, as text.
        public var updated: JSONPointer?
        public var created: JSONPointer?
        /// The flow's id.
        public var id: JSONPointer?

        public init() {}

        var isEmpty: Bool { self == Paths() }
    }

    /// Whether it says anything about a save: at least in which phase a new flow begins.
    public var concernsSaves: Bool { onSave != .off || !paths.isEmpty || !labels.isEmpty || !phases.isEmpty }

    /// What holding a state against it may take, as so many bytes of JSON to check: more than the state's when there are large patterns,
    /// and more than is ever computed on an event loop when there is a schema.
    ///
    /// A few lines of schema can ask for 100 steps for each byte of the state and 50,000 for none, 10 ms for `{}` (`JSONSchema.check`), and
    /// patterns have a budget of their own. Most ask for next to nothing, but only the check tells; another thread costs microseconds.
    public func validationSize(_ stateBytes: Int) -> Int {
        schema == nil ? stateBytes * max(1, patternInstructions / 100) : .max
    }

    /// A pointer for each phase.
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
        /// Per cent, when it is entered; nil: stays as it is.
        public var progress: Double?
        /// The flow ends here.
        public var isTerminal: Bool
        /// Leaving it completes it: for a phase without results to report, such as the first one.
        public var completesOnLeave: Bool
    }

    public struct Status: Sendable, Equatable {
        public var name: String
        /// Which may follow; nil: any; none: the flow has ended.
        public var next: [String]?
        /// A flow has it when an error was reported.
        public var isOfErrors: Bool
    }

    public func status(_ name: String) -> Status? { statusNumbers[Name(name)].map { statuses[$0] } }
    public func phase(_ name: String) -> Phase? { phaseNumber(name).map { phases[$0] } }
    /// The place of a phase in `phases`.
    func phaseNumber(_ name: String) -> Int? { phaseNumbers[Name(name)] }
}

/// One rule of a definition, with where and when it holds.
public struct RuleEntry: Sendable {
    public enum Severity: String, Sendable, CaseIterable {
        case error, warning
    }

    /// As in the document: the kind, unless it has a name of its own.
    public var name: String
    public var severity: Severity
    public var depths: Set<ValidationDepth>
    public var path: JSONPointer
    public var rule: any StateRule
}

/// How closely a state is looked at.
public enum ValidationDepth: String, Sendable, CaseIterable {
    /// For hot paths: whether the flow can be told at all.
    case minimal
    /// Before and after a transition: whether it is built as it should be.
    case transition
    /// Every rule.
    case complete
}
