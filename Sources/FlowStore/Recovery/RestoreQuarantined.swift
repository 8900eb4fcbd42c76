import FlowModel

extension RestoreQuarantinedCommand: StoreCommand {
    package struct Outcome: Sendable {
        package let saved: SavedVersion
        /// The version whose state was restored.
        package let version: FlowVersion
    }

    package func submit(
        to store: StateStore, context: OperationContext, completion: @escaping @Sendable (Result<Outcome, StateError>) -> Void
    ) throws(StateError) {
        try StateCheck(limits: store.limits).checkExisting(precondition)
        if let idempotencyKey {
            try NameRule.check(idempotencyKey, field: "idempotency_key", maximumBytes: store.limits.idempotencyKeyBytes)
        }
        try GetQuarantinedCommand(tenant: tenant, id: id).submit(to: store, context: context) { result in
            completing(completion) { () throws(StateError) in
                let quarantined = try result.get()
                let finish: @Sendable (Result<SavedVersion, StateError>) -> Void = { saved in
                    completion(saved.map { Outcome(saved: $0, version: quarantined.record.version) })
                }
                guard let idempotencyKey else { return try restore(quarantined.snapshot, store, context, finish) }
                // A request that was answered before is answered again, even if rules would refuse it now.
                store.submit(RecordedSave.query(tenant: tenant, idempotencyKey: idempotencyKey), context) { result in
                    completing(finish) { () throws(StateError) in
                        guard let record = try result.get() else { return try restore(quarantined.snapshot, store, context, finish) }
                        guard record.requestDigest == requestDigest else { throw .idempotencyKeyReused(key: idempotencyKey) }
                        finish(.success(record.saved))
                    }
                }
            }
        }
    }

    private func restore(
        _ quarantined: Snapshot, _ store: StateStore, _ context: OperationContext,
        _ completion: @escaping @Sendable (Result<SavedVersion, StateError>) -> Void
    ) throws(StateError) {
        var command = try save(quarantined, limits: store.limits)
        command.requestDigest = requestDigest
        try store.definition(for: quarantined.head, context) { [command] found in
            completing(completion) { () throws(StateError) in
                guard let definition = try found.get()?.definition else {
                    return try command.submit(to: store, context: context, completion: completion)
                }
                let isHeld = store.validatesSaves && !allowsInvalid
                store.compute(
                    [command.state], context,
                    { followed in
                        completing(completion) { () throws(StateError) in
                            let (command, warnings) = try followed.get()
                            try command.submit(to: store, context: context) { result in
                                completion(
                                    result.map { saved in
                                        var saved = saved
                                        saved.warnings = warnings
                                        return saved
                                    })
                            }
                        }
                    }
                ) { budget throws(StateError) -> (command: SaveCommand, warnings: [StateError.Violation]) in
                    if isHeld { return try command.following(definition, from: .unknown, limits: store.limits, budget: budget) }
                    return (try command.lifted(by: definition, limits: store.limits, budget: budget), [])
                }
            }
        }
    }

    private var requestDigest: [UInt8] {
        var content = RequestContent(operation: "restore_quarantined")
        content.append(id)
        content.append(precondition)
        content.append(Int64(allowsInvalid ? 1 : 0))
        return content.digest
    }
}
