/// What a step of a flow's life starts from, and how it becomes the next version. Pure: the time comes from outside.
struct LifecycleStep {
    let snapshot: Snapshot
    let definition: FlowDefinition?
    let now: Timestamp
    let limits: Limits
    /// nil: the state is no JSON, and no definition says that it must be.
    private let document: JSONDocument?
    var edit: StateEdit?

    private init(_ snapshot: Snapshot, _ definition: FlowDefinition?, _ now: Timestamp, _ limits: Limits, _ document: JSONDocument?) {
        self.snapshot = snapshot
        self.definition = definition
        self.now = now
        self.limits = limits
        self.document = document
        edit = definition == nil ? nil : document.map { StateEdit($0) }
    }

    /// - Throws: `stateInvalid` when there is a definition, and the state is no JSON that could follow it.
    init(_ snapshot: Snapshot, _ definition: FlowDefinition?, now: Timestamp, limits: Limits) throws(StateError) {
        var document: JSONDocument?
        if definition != nil {
            do {
                document = try JSONDocument(snapshot.state, maximumDepth: limits.jsonDepth)
            } catch {
                let message = "the state is not JSON: \(error)"
                throw .stateInvalid([StateError.Violation(path: "", rule: "syntax", message: message)])
            }
        }
        self.init(snapshot, definition, now, limits, document)
    }

    /// A step that must not fail because of the state: where it cannot be changed it stays as it is.
    init(leaving snapshot: Snapshot, _ definition: FlowDefinition?, now: Timestamp, limits: Limits) {
        let document = definition == nil ? nil : try? JSONDocument(snapshot.state, maximumDepth: limits.jsonDepth)
        self.init(snapshot, definition, now, limits, document)
    }

    private var root: JSONValue? { document?.root }

    /// Where the flow is: what its state says, or else its head.
    var phase: String { text(definition?.paths.phase) ?? snapshot.head.phase }
    var status: String { text(definition?.paths.status) ?? snapshot.head.status }

    private func text(_ pointer: JSONPointer?) -> String? { pointer.flatMap { root?[$0]?.string } }

    func isComplete(_ phase: String) -> Bool {
        guard let completion = definition?.paths.completion else { return false }
        return root?[completion.appending(phase)]?.isTrue ?? false
    }

    /// In the definition's order.
    var completedPhases: [String] { definition?.phases.map(\.name).filter(isComplete) ?? [] }

    /// What a phase requires, directly or through others, that is not complete, in the definition's order.
    /// - Parameter leaving: counts as complete if leaving completes it.
    func missing(before phase: FlowDefinition.Phase, leaving current: String) -> [String] {
        guard let definition else { return [] }
        var required: Set<String> = []
        var next = phase.requires
        while let name = next.popLast() {
            if required.insert(name).inserted { next += definition.phase(name)?.requires ?? [] }
        }
        return definition.phases.filter { other in
            required.contains(other.name) && !isComplete(other.name) && !(other.name == current && other.completesOnLeave)
        }.map(\.name)
    }

    /// Refuses to change a flow that has ended.
    func checkIsOpen(to phase: String) throws(StateError) {
        if let known = definition?.status(status), known.next?.isEmpty ?? false {
            throw .transitionNotAllowed(from: self.phase, to: phase, missing: [])
        }
    }

    // MARK: The next version

    /// The state after the edits, with the head's values beside it.
    func save(_ kind: VersionKind, key: FlowKey, actor: String, metadata: [UInt8]) throws(StateError) -> SaveCommand {
        var edit = edit
        if let updated = definition?.paths.updated { try edit?.set(updated, string: RFC3339Text.text(now)) }
        let state = try edit?.applied(limits) ?? snapshot.state
        var command = SaveCommand(
            key: key, actor: actor, state: state, contentType: try ContentType(parsing: snapshot.version.contentType, limits: limits),
            kind: kind)
        command.metadata = metadata
        if let definition, let document = try? JSONDocument(state, maximumDepth: limits.jsonDepth) {
            command.labelChanges = definition.labelChanges(document.root, limits: limits)
        }
        return command
    }

    /// Refuses a version whose state is not built as the definition says.
    func check(_ command: SaveCommand) throws(StateError) {
        guard let definition else { return }
        let report = StateValidator(definition, limits: limits).validate(command.state, depth: .transition)
        if !report.isValid { throw .stateInvalid(report.violations) }
    }
}
