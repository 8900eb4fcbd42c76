import JSON

/// The start of a lifecycle step, and how it becomes the next version. Pure: the caller gives the time.
struct LifecycleStep {
    let snapshot: Snapshot
    let definition: FlowDefinition?
    let now: Timestamp
    let limits: Limits
    let budget: WorkBudget
    /// Phase and status of the flow, from its state or else from its head.
    let phase: String
    let status: String
    /// nil without a definition, or when the state is not JSON.
    private let document: JSONDocument?
    var edit: StateEdit?

    private init(
        _ snapshot: Snapshot, _ definition: FlowDefinition?, _ now: Timestamp, _ limits: Limits, _ document: JSONDocument?,
        _ budget: WorkBudget
    ) throws(StateError) {
        self.snapshot = snapshot
        self.definition = definition
        self.now = now
        self.limits = limits
        self.budget = budget
        self.document = document
        edit = definition == nil ? nil : document.map { StateEdit($0, budget) }
        phase = try Self.text(document, definition?.paths.phase, budget) ?? snapshot.head.phase
        status = try Self.text(document, definition?.paths.status, budget) ?? snapshot.head.status
    }

    private static func text(
        _ document: JSONDocument?, _ pointer: JSONPointer?, _ budget: WorkBudget
    ) throws(StateError) -> String? {
        guard let document, let pointer else { return nil }
        return try StateError.counting { () throws(WorkStopped) in try document.root.value(at: pointer, budget)?.string }
    }

    private static func parse(
        _ snapshot: Snapshot, _ limits: Limits, _ budget: WorkBudget
    ) throws(StateError) -> Result<JSONDocument, JSONText.Fault> {
        try StateError.counting { () throws(WorkStopped) in
            try JSONDocument.parse(snapshot.state, maximumDepth: limits.jsonDepth, budget)
        }
    }

    /// - Throws: `stateInvalid` when there is a definition, and the state is not JSON.
    init(
        _ snapshot: Snapshot, _ definition: FlowDefinition?, now: Timestamp, limits: Limits, budget: WorkBudget
    ) throws(StateError) {
        var document: JSONDocument?
        if definition != nil {
            if let parts = snapshot.parts { throw parts.isTooLargeToValidate(limit: limits.stateBytes) }
            switch try Self.parse(snapshot, limits, budget) {
            case .success(let parsed): document = parsed
            case .failure(let fault):
                let message = "the state is not JSON: \(fault)"
                throw .stateInvalid([Violation(path: "", rule: "syntax", message: message)])
            }
        }
        try self.init(snapshot, definition, now, limits, document, budget)
    }

    /// A step that must not fail because of the state: one that cannot be changed stays as it is.
    init(
        leaving snapshot: Snapshot, _ definition: FlowDefinition?, now: Timestamp, limits: Limits, budget: WorkBudget
    ) throws(StateError) {
        let document = definition == nil ? nil : try Self.parse(snapshot, limits, budget).value
        try self.init(snapshot, definition, now, limits, document, budget)
    }

    /// The phases that the state says are complete, whether or not the definition has them.
    func completions() throws(StateError) -> Set<JSONName> {
        guard let definition, let root = document?.root else { return [] }
        return try StateError.counting { () throws(WorkStopped) in try definition.completions(root, budget) }
    }

    /// In the definition's order.
    func completedPhases() throws(StateError) -> [String] {
        let complete = try completions()
        return definition?.phases.map(\.name).filter { complete.contains(JSONName($0)) } ?? []
    }

    /// The phases that a phase requires, directly or through others, and that are not complete, in the definition's order.
    /// - Parameter leaving: counts as complete if leaving completes it.
    func missing(before phase: FlowDefinition.Phase, leaving current: String) throws(StateError) -> [String] {
        try definition?.missing(before: phase, leaving: current, complete: completions()) ?? []
    }

    // MARK: The next version

    /// A save of the state after the edits, with the labels that the definition derives from it.
    func save(_ kind: VersionKind, key: FlowKey, actor: String, metadata: [UInt8]) throws(StateError) -> SaveCommand {
        var edit = edit
        if let updated = definition?.paths.updated { try edit?.set(updated, string: now.text) }
        let state = try edit?.applied(limits) ?? snapshot.state
        var command = SaveCommand(
            key: key, actor: actor, state: state, contentType: try ContentType(parsing: snapshot.version.contentType, limits: limits),
            kind: kind)
        if edit == nil { command.parts = snapshot.parts }
        command.metadata = metadata
        if let definition, !definition.labels.isEmpty {
            command.labelChanges = try StateError.counting { () throws(WorkStopped) in
                guard let document = try JSONDocument.parse(state, maximumDepth: limits.jsonDepth, budget).value else { return nil }
                return try definition.labelChanges(document.root, limits: limits, budget: budget)
            }
        }
        return command
    }

    /// Refuses a version whose state breaks rules that apply at a transition.
    func check(_ command: SaveCommand) throws(StateError) {
        guard let definition else { return }
        let report = try StateValidator(definition, limits: limits).validate(command.state, depth: .transition, budget: budget)
        if !report.isValid { throw .stateInvalid(report.violations) }
    }
}
