import Compression
import FlowModel
import JSON

/// A save whose state is made from the latest one. Without an expected version the patch is applied to whatever is the latest, and again
/// when another save came in between.
struct PatchedSave: TaskCommand {
    /// Everything but the state.
    let save: SaveCommand
    let patch: StatePatch

    func check(limits: Limits) throws(StateError) {
        let check = StateCheck(limits: limits)
        try check.checkFields(of: save)
        try check.checkExisting(save.precondition)
        if save.revives { throw .invalidArgument(field: "revive", message: "needs the whole state: a deleted flow has none to patch") }
        if patch.bytes.count > limits.stateBytes { throw .tooLarge(what: field, size: patch.bytes.count, limit: limits.stateBytes) }
    }

    func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> SavedVersion {
        let limits = store.limits
        let derived = DerivedSave<Void>(
            key: save.key, precondition: save.precondition, leaseToken: save.leaseToken, idempotencyKey: save.idempotencyKey,
            requestDigest: save.idempotencyKey == nil ? [] : save.requestDigest(field, content: XXH3.digest(patch.bytes)),
            trigger: .patch, needsDefinition: false, input: patch.bytes
        ) { snapshot, _, budget throws(StateError) in (try next(after: snapshot, limits, budget), ()) }
        switch try await derived.run(on: store, for: context) {
        case .saved(let saved, _, after: _, _, _), .replayed(let saved): return saved
        }
    }

    /// The save of the next version.
    func next(after snapshot: Snapshot, _ limits: Limits, _ budget: WorkBudget) throws(StateError) -> SaveCommand {
        var command = save
        command.patch = nil
        command.state = try apply(to: snapshot, limits, budget)
        if patch.keepsContentType { command.contentType = try ContentType(parsing: snapshot.version.contentType, limits: limits) }
        return command
    }

    /// As the request names it.
    private var field: String {
        switch patch.format {
        case .merge: "merge_patch"
        case .json: "json_patch"
        }
    }

    private func apply(to snapshot: Snapshot, _ limits: Limits, _ budget: WorkBudget) throws(StateError) -> [UInt8] {
        let parse = { (text: [UInt8]) throws(StateError) in
            try StateError.counting { () throws(WorkStopped) in try JSONDocument.parse(text, maximumDepth: limits.jsonDepth, budget) }
        }
        let document: JSONDocument
        switch try parse(snapshot.state) {
        case .success(let parsed): document = parsed
        case .failure(let fault): throw refusal(snapshot, "it is \(snapshot.version.contentType), not JSON: \(fault)")
        }
        switch patch.format {
        case .merge:
            switch try parse(patch.bytes) {
            case .success(let patch):
                return try StateError.counting { () throws(WorkStopped) in try MergePatch.apply(patch, to: document, budget: budget) }
            case .failure(let fault): throw .invalidArgument(field: field, message: "is not JSON: \(fault)")
            }
        case .json:
            do {
                return try JSONPatch(patch.bytes, limits: PatchLimits(limits), budget: budget).apply(to: document, budget: budget)
            } catch {
                throw refusal(snapshot, error)
            }
        }
    }

    private func refusal(_ snapshot: Snapshot, _ error: JSONPatchError) -> StateError {
        switch error.reason {
        case .notFound, .notAContainer, .notAPlace, .outOfBounds, .testFailed, .moveIntoItself, .rootRemoved:
            refusal(snapshot, error.description)
        case .stopped(let stopped): StateError(stopped)
        case .resultTooLarge(let size, let limit): .tooLarge(what: "state", size: size, limit: limit)
        default: .invalidArgument(field: field, message: error.description)
        }
    }

    private func refusal(_ snapshot: Snapshot, _ message: String) -> StateError {
        .patchNotApplicable(flowID: save.key.flowID, version: snapshot.version.version, message: message)
    }
}
