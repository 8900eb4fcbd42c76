import FlowModel
import JSON

extension RestoreQuarantinedCommand: TaskCommand {
    package struct Outcome: Sendable {
        package let saved: SavedVersion
        /// The version whose state was restored.
        package let version: FlowVersion
    }

    package func check(limits: Limits) throws(StateError) {
        try StateCheck(limits: limits).checkDerived(actor: actor, precondition, idempotencyKey)
        try NameRule.check(id, field: "id", maximumBytes: limits.idBytes)
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Outcome {
        let quarantined = try await GetQuarantinedCommand(tenant: tenant, id: id).run(on: store, for: context)
        let version = quarantined.record.version
        // A request that was answered before is answered again, even if rules would refuse it now.
        if let idempotencyKey,
            let saved = try await RecordedSave.find(idempotencyKey, of: tenant, digest: requestDigest, in: store, for: context)
        {
            return Outcome(saved: saved, version: version)
        }
        return Outcome(saved: try await restore(quarantined.snapshot, in: store, for: context), version: version)
    }

    private func restore(
        _ quarantined: Snapshot, in store: StateStore, for context: OperationContext
    ) async throws(StateError) -> SavedVersion {
        let limits = store.limits
        var command = try save(quarantined, limits: limits)
        command.requestDigest = requestDigest
        let definition = try await store.definition(for: quarantined.head, context)?.definition
        if let parts = quarantined.parts {
            if definition?.concernsSaves ?? false { throw parts.isTooLargeToValidate(limit: limits.stateBytes) }
            // The quarantine may end meanwhile, and the version be removed.
            guard try await store.keep(parts, of: command.key, for: context) else { throw .quarantinedNotFound(id: id) }
        }
        guard let definition else { return try await store.save(command, for: context) }
        let isHeld = store.validatesSaves && !allowsInvalid
        let (followed, warnings) = try await store.compute([command.state], context) {
            [command] budget throws(StateError) -> (command: SaveCommand, warnings: [Violation]) in
            if isHeld { return try command.following(definition, from: .unknown, limits: limits, budget: budget) }
            return (try command.lifted(by: definition, limits: limits, budget: budget), [])
        }
        // For the answer, as at saves.
        try context.reserve(warnings.answerBytes)
        var saved = try await store.save(followed, for: context)
        saved.warnings = warnings
        return saved
    }

    private var requestDigest: [UInt8] {
        var content = RequestContent(operation: "restore_quarantined")
        content.append(id)
        content.append(precondition)
        content.append(Int64(allowsInvalid ? 1 : 0))
        return content.digest
    }
}
