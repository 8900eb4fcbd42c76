import JSON

/// Loads many flows; each load stands alone.
package struct BatchLoadCommand: Sendable {
    package var loads: [LoadCommand]

    package init(loads: [LoadCommand]) { self.loads = loads }
}

/// Saves many flows: all of them in one commit, or each on its own.
package struct BatchSaveCommand: Sendable {
    /// Of different flows of one tenant.
    package var saves: [SaveCommand]
    package var isAtomic: Bool
    /// For the batch as a whole.
    package var idempotencyKey: String?

    package init(saves: [SaveCommand], isAtomic: Bool, idempotencyKey: String? = nil) {
        self.saves = saves
        self.isAtomic = isAtomic
        self.idempotencyKey = idempotencyKey
    }
}

extension StateCheck {
    package func check(batchOf count: Int, _ field: String) throws(StateError) {
        guard (1...limits.batchCalls).contains(count) else {
            throw .invalidArgument(field: field, message: "has \(count) entries; there must be 1 to \(limits.batchCalls)")
        }
    }

    package func check(_ command: BatchSaveCommand) throws(StateError) {
        try check(batchOf: command.saves.count, "saves")
        try checkIdempotencyKey(command.idempotencyKey)
        var flows: Set<FlowKey> = []
        for (place, save) in command.saves.enumerated() {
            if !flows.insert(save.key).inserted {
                throw .invalidArgument(field: "saves[\(place)].flow_id", message: "is in the batch twice; save a flow once in a batch")
            }
            if save.idempotencyKey != nil, command.isAtomic || command.idempotencyKey != nil {
                throw .invalidArgument(
                    field: "saves[\(place)].idempotency_key", message: "is not for a save of a batch that is atomic or has a key itself")
            }
        }
    }
}
