import Compression
import FlowModel
import JSON

extension PatchCommand: TaskCommand {
    package func check(limits: Limits) throws(StateError) {
        let check = StateCheck(limits: limits)
        try check.checkFields(of: save)
        try check.checkExisting(save.precondition)
        if bytes.count > limits.stateBytes { throw .tooLarge(what: field, size: bytes.count, limit: limits.stateBytes) }
    }

    package func run(on store: StateStore, for context: OperationContext) async throws(StateError) -> SavedVersion {
        let limits = store.limits
        let derived = DerivedSave<Void>(
            key: save.key, precondition: save.precondition, idempotencyKey: save.idempotencyKey,
            requestDigest: save.idempotencyKey == nil ? [] : save.requestDigest(field, content: XXH3.digest(bytes)),
            trigger: .patch, needsDefinition: false, input: bytes
        ) { snapshot, _, budget throws(StateError) in
            var command = save
            command.state = try apply(to: snapshot, limits, budget)
            if keepsContentType { command.contentType = try ContentType(parsing: snapshot.version.contentType, limits: limits) }
            return (command, ())
        }
        switch try await derived.run(on: store, for: context) {
        case .saved(let saved, _, after: _, _, _), .replayed(let saved): return saved
        }
    }

    private var bytes: [UInt8] {
        switch patch {
        case .merge(let bytes), .json(let bytes): bytes
        }
    }

    /// As the request names it.
    private var field: String {
        switch patch {
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
        switch patch {
        case .merge(let bytes):
            switch try parse(bytes) {
            case .success(let patch):
                return try StateError.counting { () throws(WorkStopped) in try MergePatch.apply(patch, to: document, budget: budget) }
            case .failure(let fault): throw .invalidArgument(field: field, message: "is not JSON: \(fault)")
            }
        case .json(let bytes):
            do {
                return try JSONPatch(bytes, limits: PatchLimits(limits), budget: budget).apply(to: document, budget: budget)
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
