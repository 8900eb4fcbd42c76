import FlowAccess
import FlowModel
import WireMessages

enum SaveState: UnaryFlowMethod {
    static let method = MethodDescriptor.saveState
    static let scope = Scope.write
    static let carriesState = true

    static func command(_ request: SaveStateRequest, _ context: CallContext) throws(StateError) -> SaveCommand {
        let (state, patch) = try change(request)
        var command = try withoutState(request, context)
        command.state = state
        command.patch = patch
        return command
    }

    /// All of a save but its state.
    static func withoutState(_ request: SaveStateRequest, _ context: CallContext) throws(StateError) -> SaveCommand {
        var command = SaveCommand(
            key: try context.key(request.flowID), actor: context.identity.actor, state: [],
            contentType: try ContentType(parsing: request.contentType, limits: context.limits),
            precondition: try precondition(request.precondition))
        command.flowType = request.flowType.given
        command.phase = request.phase.given
        command.status = request.status.given
        command.progress = request.progress
        if !request.labels.isEmpty { command.labels = Labels(request.labels) }
        command.versionLabel = request.versionLabel.given
        command.parentVersion = request.parentVersion.given
        command.parentLabel = request.parentVersionLabel.given
        if !request.versionTags.isEmpty { command.tags = Labels(request.versionTags) }
        command.revives = request.revive
        command.metadata = request.metadata
        command.checkpoint = request.checkpoint.map { spec in
            CheckpointRequest(id: context.makeID(), name: spec.name.given, description: spec.description)
        }
        command.idempotencyKey = request.idempotencyKey.given
        command.writes = request.writes.map(FlowModel.PendingWrite.init)
        command.leaseToken = request.leaseToken.given
        command.ttlMilliseconds = try Int64(milliseconds: request.ttl, field: "ttl")
        return command
    }

    private static func change(_ request: SaveStateRequest) throws(StateError) -> (state: [UInt8], patch: StatePatch?) {
        let keepsContentType = request.contentType.isEmpty
        switch request.change {
        case .state(let bytes): return (bytes, nil)
        case .mergePatch(let bytes): return ([], StatePatch(.merge, bytes, keepsContentType: keepsContentType))
        case .jsonPatch(let bytes): return ([], StatePatch(.json, bytes, keepsContentType: keepsContentType))
        case nil: throw .invalidArgument(field: "state", message: "give the new state; it may be empty, but not absent")
        }
    }

    private static func precondition(_ given: SaveStateRequest.Precondition?) throws(StateError) -> Precondition {
        switch given {
        case .expectedVersion(let version): .expected(version)
        case .anyVersion(let isSet): try Precondition(anyVersion: isSet)
        case .expectedVersionLabel(let label): .expectedLabel(label)
        case nil: .none
        }
    }

    static func response(_ saved: SavedVersion, flowID: String) -> SaveStateResponse {
        SaveStateResponse(
            flowID: saved.flowID, version: saved.version, createdAt: saved.createdAt.message, digest: saved.digest,
            replayed: saved.replayed, checkpointID: saved.checkpointID ?? "", warnings: saved.warnings.map(\.wire))
    }

    static func flowID(_ request: SaveStateRequest) -> String { request.flowID }
}
