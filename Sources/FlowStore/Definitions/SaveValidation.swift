import FlowModel
import JSON
import Postgres

/// Decides whether a save's state must follow rules, and checks that it does.
struct SaveValidation: Sendable {
    private(set) var command: SaveCommand
    let store: StateStore
    private(set) var context: OperationContext

    /// The save to run.
    struct Outcome: Sendable {
        let command: SaveCommand
        var warnings: [Violation] = []
        /// With the save's place, if it has reserved one.
        let context: OperationContext
    }

    typealias Completion = @Sendable (Result<Outcome, StateError>) -> Void

    /// Lifecycle steps validate their own states, and restoring an earlier state brings it back as it was.
    private static func isConcerned(_ command: SaveCommand) -> Bool { command.kind == .saved || command.kind == .created }

    /// The validation may take a while from here on: later changes of the flow wait behind this save.
    private var placed: SaveValidation {
        var placed = self
        placed.context = context.placed(command.key, in: store)
        return placed
    }

    /// Whether it is known at once that no definition concerns the save, which then runs as it is: most saves avoid the cost of `begin`.
    static func isNeedless(_ command: SaveCommand, _ store: StateStore) -> Bool {
        guard store.validatesSaves, isConcerned(command) else { return true }
        let key = command.key
        guard let entry = store.resources.directory.lookup(key.tenant, losses: store.database.connectionLosses) else { return false }
        var flowType = command.flowType
        if command.precondition != .expected(0), flowType == nil { flowType = store.resources.cache.lookup(key)?.flowType }
        return !entry.mustKnowFlow(ofType: flowType) && flowType.flatMap(entry.latest) == nil
    }

    /// - Parameter completion: called only when this returns nil, on any thread.
    /// - Returns: the save to run; nil: that takes a while, and `completion` will be called.
    func begin(_ completion: @escaping Completion) throws(StateError) -> SaveCommand? {
        guard store.validatesSaves, Self.isConcerned(command) else { return command }
        let (directory, tenant) = (store.resources.directory, command.key.tenant)
        let (bytes, losses) = (command.state.count + 512, store.database.connectionLosses)
        // A save that waits for the directory keeps its place before those that have one already.
        let waiting = directory.lookup(tenant, losses: losses) == nil ? placed : self
        let answer = directory.answer(tenant, bytes: bytes, losses: losses, limits: store.limits) { result in
            completing(completion) { () throws(StateError) in
                if let command = try waiting.follow(try result.get(), completion) {
                    completion(.success(Outcome(command: command, context: waiting.context)))
                }
            }
        }
        switch answer {
        case .cached(let entry): return try follow(entry, completion)
        case .refresh(let entry):
            store.readDirectory(of: tenant, caller: context.caller)
            return try follow(entry, completion)
        case .waiting(let isFirst):
            if isFirst { store.readDirectory(of: tenant, caller: context.caller) }
            return nil
        case .refused(let error): throw StateError(error)
        }
    }

    private func follow(_ entry: DefinitionDirectory.Entry, _ completion: @escaping Completion) throws(StateError) -> SaveCommand? {
        // A flow that this save creates has the type that the save names, or none.
        if command.precondition == .expected(0) { return try follow(entry, nil, completion) }
        let known = store.resources.cache.lookup(command.key)
        // A flow keeps its type, but another server may have moved it to another revision: that makes a version.
        let isCurrent = known.map { command.precondition == .expected($0.version) } ?? false
        if let head = known?.head, isCurrent || !entry.mustKnowFlow(ofType: head.flowType) { return try follow(entry, head, completion) }
        if !entry.mustKnowFlow(ofType: command.flowType ?? known?.flowType) { return try follow(entry, nil, completion) }
        let placed = placed
        try currentHead.run(on: store, context: placed.context) { result in
            completing(completion) { () throws(StateError) in
                var head: FlowHead?
                // The save will report what is wrong with the flow.
                if case .success(.snapshot(let snapshot)) = result { head = snapshot.head }
                if let command = try placed.follow(entry, head, completion) {
                    completion(.success(Outcome(command: command, context: placed.context)))
                }
            }
        }
        return nil
    }

    private var currentHead: LoadCommand {
        var load = LoadCommand(key: command.key)
        load.findsParts = true
        return load
    }

    /// - Parameter head: nil: the save creates the flow, or the flow's revision does not matter.
    private func follow(
        _ entry: DefinitionDirectory.Entry, _ head: FlowHead?, _ completion: @escaping Completion
    ) throws(StateError) -> SaveCommand? {
        guard let flowType = command.flowType ?? head?.flowType, let latest = entry.latest(flowType) else { return command }
        var pinned = self
        pinned.command.definitionRevision = latest.revision
        if let revision = head?.definitionRevision, revision != latest.revision {
            pinned = pinned.placed
            try store.definition(of: flowType, revision: revision, tenant: command.key.tenant, pinned.context) { [pinned] found in
                pinned.validate(by: found, completion)
            }
            return nil
        }
        switch latest {
        case .builtIn(let found):
            guard found.definition.concernsSaves else { return pinned.command }
            if !entry.usesBuiltIn, found.definition.onSave != .off {
                store.resources.directory.noteBuiltIn(entry, of: command.key.tenant)
            }
            pinned.placed.validate(by: found.definition, completion)
        case .stored(let reference):
            pinned = pinned.placed
            store.definition(reference, caller: context.caller) { [pinned] found in pinned.validate(by: found, completion) }
        }
        return nil
    }

    private func validate(by found: Result<FoundDefinition?, StateError>, _ completion: @escaping Completion) {
        completing(completion) { () throws(StateError) in
            guard let definition = try found.get()?.definition, definition.concernsSaves else {
                return completion(.success(Outcome(command: command, context: context)))
            }
            validate(by: definition, completion)
        }
    }

    private func validate(by definition: FlowDefinition, _ completion: @escaping Completion) {
        if let parts = command.parts {
            return completion(.failure(parts.isTooLargeToValidate(limit: store.limits.stateBytes)))
        }
        if command.precondition == .expected(0) { return validate(by: definition, from: .absent, completion) }
        guard command.needsCurrentPhase(definition) else { return validate(by: definition, from: .unknown, completion) }
        if command.phase == nil, let head = store.resources.cache.lookup(command.key)?.head {
            return validate(by: definition, from: .at(phase: head.phase, status: head.status), completion)
        }
        store.run(currentHead, context: context) { result in
            let place: CurrentPlace =
                switch result {
                case .success(.snapshot(let snapshot)): .at(phase: snapshot.head.phase, status: snapshot.head.status)
                case .failure(.flowNotFound(_, deleted: false)): .absent
                // The save will report what is wrong with the flow.
                default: .unknown
                }
            validate(by: definition, from: place, completion)
        }
    }

    private func validate(by definition: FlowDefinition, from place: CurrentPlace, _ completion: @escaping Completion) {
        let (command, limits, counts) = (command, store.limits, store.resources.validationCounts)
        let note: Completion = { result in
            switch result {
            case .success(let outcome):
                counts.note(outcome.warnings, isRefused: false, flowType: definition.flowType, tenant: command.key.tenant)
            case .failure(.stateInvalid(let violations)):
                counts.note(violations, isRefused: true, flowType: definition.flowType, tenant: command.key.tenant)
            case .failure: break
            }
            completion(result)
        }
        store.compute([command.state], context, note) { budget throws(StateError) in
            let (next, warnings) = try command.following(definition, from: place, limits: limits, budget: budget)
            return Outcome(command: next, warnings: warnings, context: context)
        }
    }
}
