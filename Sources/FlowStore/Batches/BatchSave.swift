import Compression
import FlowModel

extension BatchSaveCommand: TaskCommand {
    package typealias Outcome = [Result<SavedVersion, StateError>]

    /// Independent saves under way at a time: a group commit is full with fewer, and the saves of other calls find their turn.
    private static let concurrency = 64

    package func check(limits: Limits) throws(StateError) {
        try StateCheck(limits: limits).check(self)
        guard isAtomic else { return }
        for (place, save) in saves.enumerated() {
            do throws(StateError) {
                try save.check(limits: limits)
            } catch {
                throw error.within("saves[\(place)]")
            }
        }
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> Outcome {
        let saves = keyed
        if isAtomic {
            do throws(StateError) {
                return try await AtomicBatch(saves: saves, store: store, context: context).run().map { .success($0) }
            } catch {
                throw named(error)
            }
        }
        let results = await concurrently(saves, width: Self.concurrency) { (save: SaveCommand) async throws(StateError) in
            try await store.wait(context) { context, completion throws(StateError) in
                try save.run(on: store, context: context, completion: completion)
            }
        }
        return results.map { $0.mapError(named) }
    }

    /// The client knows the key of the batch only.
    private func named(_ error: StateError) -> StateError {
        if case .idempotencyKeyReused = error, let idempotencyKey { return .idempotencyKeyReused(key: idempotencyKey) }
        return error
    }

    /// With the key of the batch each save has one of its own: no client's key has a control character. Its digest is that of the whole
    /// batch, so that a retry must have the same saves in the same order.
    private var keyed: [SaveCommand] {
        guard let idempotencyKey else { return saves }
        var content = RequestContent(operation: isAtomic ? "atomic batch" : "batch")
        for save in saves { content.append(save.requestDigest("save", content: XXH3.digest(save.patch?.bytes ?? save.state))) }
        let batch = content.digest
        return saves.enumerated().map { place, save in
            var save = save
            save.idempotencyKey = "\(idempotencyKey)\u{1}\(place)"
            var content = RequestContent(operation: "save of a batch")
            content.append(batch)
            content.append(Int64(place))
            save.requestDigest = content.digest
            return save
        }
    }
}

extension StateError {
    /// The same error of a part of a request.
    func within(_ part: String) -> StateError {
        if case .invalidArgument(let field, let message) = self { return .invalidArgument(field: "\(part).\(field)", message: message) }
        return self
    }
}
