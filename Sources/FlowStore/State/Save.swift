import Compression
import FlowModel

extension SaveCommand: StoreCommand {
    package func check(limits: Limits) throws(StateError) {
        if let patch { return try PatchedSave(save: self, patch: patch).check(limits: limits) }
        let check = StateCheck(limits: limits)
        if wantsInitialState { try check.checkFields(of: self) } else { try check.check(self) }
    }

    package func run(
        on store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) throws(StateError) {
        if let patch {
            return try PatchedSave(save: self, patch: patch).run(on: store, context: context, completion: completion)
        }
        try check(limits: store.limits)
        var command = self
        // The digest of what the client asked for, before the server adds anything that another try would not repeat.
        if idempotencyKey != nil, requestDigest == nil {
            command.requestDigest = requestDigest("save", content: parts?.digest ?? XXH3.digest(state))
        }
        if revives {
            try command.saveOrRevive(in: store, context, attempts: ChangeRounds.maximumAttempts, completion)
        } else {
            try command.begin(in: store, context, completion)
        }
    }

    /// Saves the flow, and if it is deleted, revives it: two statements, as hardly any flow of those that may be revived is deleted. If
    /// another save revives it in between, it is saved again.
    private func saveOrRevive(
        in store: StateStore, _ context: OperationContext, attempts: Int,
        _ completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) throws(StateError) {
        var save = self
        save.revives = false
        try save.begin(in: store, context) { result in
            guard case .failure(.flowNotFound(_, deleted: true)) = result else { return completion(result) }
            var revival = self
            (revival.kind, revival.precondition) = (.created, .expected(0))
            completing(completion) { [revival] () throws(StateError) in
                try revival.begin(in: store, context.withoutPlace) { result in
                    guard case .failure(.flowAlreadyExists) = result else { return completion(result) }
                    if attempts == 1 { return completion(.failure(.contention)) }
                    completing(completion) { () throws(StateError) in
                        try saveOrRevive(in: store, context.withoutPlace, attempts: attempts - 1, completion)
                    }
                }
            }
        }
    }

    private func begin(
        in store: StateStore, _ context: OperationContext, _ completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) throws(StateError) {
        guard wantsInitialState, let flowType else { return try validateAndWrite(to: store, context, completion) }
        let (flowID, limits) = (key.flowID, store.limits)
        let context = context.placed(key, in: store)
        try store.definition(of: flowType, tenant: key.tenant, context) { found in
            completing(completion) { () throws(StateError) in
                let definition = try found.get()?.definition
                store.compute(
                    [], context,
                    { made in
                        completing(completion) { () throws(StateError) in
                            var command = self
                            command.state = try made.get()
                            try StateCheck(limits: limits).check(command)
                            try command.validateAndWrite(to: store, context, completion)
                        }
                    }
                ) { budget throws(StateError) in
                    try definition?.initialState(of: flowID, at: SystemClock.now, limits: limits, budget: budget) ?? []
                }
            }
        }
    }

    /// An empty text is not JSON, so it can ask for the initial state.
    private var wantsInitialState: Bool { kind == .created && flowType != nil && stateSize == 0 && contentType.isJSON }

    /// Validates the state by the definition of the flow's type, if saves of this kind have to follow it, and writes the version.
    func validateAndWrite(
        to store: StateStore, _ context: OperationContext, _ completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) throws(StateError) {
        if SaveValidation.isNeedless(self, store) { return write(to: store, context, completion) }
        let command = try SaveValidation(command: self, store: store, context: context).begin { result in
            switch result {
            case .failure(let error): refuse(error, to: store, context, completion)
            case .success(let outcome):
                do throws(StateError) {
                    // For the answer: a save that was carried out is not to be answered OVERLOADED.
                    try outcome.context.reserve(outcome.warnings.answerBytes)
                } catch {
                    return context.executor.execute { completion(.failure(error)) }
                }
                outcome.command.write(to: store, outcome.context) { result in
                    completion(
                        result.map { saved in
                            var saved = saved
                            saved.warnings = outcome.warnings
                            return saved
                        })
                }
            }
        }
        command?.write(to: store, context, completion)
    }

    /// A retry of a save that succeeded is answered again, even if rules would refuse it now.
    private func refuse(
        _ error: StateError, to store: StateStore, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) {
        guard error.isOfContent, let idempotencyKey else {
            return context.executor.execute { completion(.failure(error)) }
        }
        store.enqueue(RecordedSave.query(tenant: key.tenant, idempotencyKey: idempotencyKey), context) { recorded in
            if case .success(let record?) = recorded, record.requestDigest == requestDigest { return completion(.success(record.saved)) }
            completion(.failure(error))
        }
    }

    private func write(
        to store: StateStore, _ context: OperationContext, _ completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) {
        if state.count <= SaveChange.packedApart { return enqueue(SaveChange(self, store.resources), to: store, context, completion) }
        let context = context.placed(key, in: store)
        guard precondition != .expected(0), store.resources.cache.lookup(key)?.chain == nil else {
            return pack(after: nil, in: store, context, completion)
        }
        // Without the bases of its flow the state would be stored whole, which is still done if they cannot be read.
        LoadOperation(LoadCommand(key: key), store, context, .state { pack(after: (try? $0.get())?.chain, in: store, context, completion) })
            .begin()
    }

    /// Packs a large state on a thread of the scheduler, and enqueues the save.
    private func pack(
        after chain: VersionChain?, in store: StateStore, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) {
        store.schedule(
            .short, context,
            { (packed: Result<SaveChange, StateError>) in
                completing(completion) { () throws(StateError) in enqueue(try packed.get(), to: store, context, completion) }
            }
        ) { () throws(StateError) in
            // For the packed state, and the parameters of the statement.
            try context.reserve(2 * state.count)
            return SaveChange(self, store.resources, after: chain)
        }
    }

    private func enqueue(
        _ save: SaveChange, to store: StateStore, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) {
        let change = Change(key, store.resources, .save(save))
        guard let notification else { return store.enqueue(change, context, completion) }
        store.enqueue(change, context) { (result: Result<SavedVersion, StateError>) in
            if case .success(let saved) = result, !saved.replayed { store.log(notification, about: key) }
            completion(result)
        }
    }
}
