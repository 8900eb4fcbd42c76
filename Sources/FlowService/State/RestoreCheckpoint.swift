import FlowAccess
import FlowModel
import WireMessages

enum RestoreCheckpoint: UnaryFlowMethod {
    static let method = MethodDescriptor.restoreCheckpoint
    static let scope = Scope.write

    static func command(
        _ request: RestoreCheckpointRequest, _ context: CallContext
    ) throws(StateError) -> RestoreCheckpointCommand {
        var command = RestoreCheckpointCommand(
            key: try context.key(request.flowID), actor: context.identity.actor, checkpoint: request.checkpoint,
            precondition: try precondition(request.precondition))
        command.idempotencyKey = request.idempotencyKey.given
        return command
    }

    private static func precondition(_ given: RestoreCheckpointRequest.Precondition?) throws(StateError) -> Precondition {
        switch given {
        case .expectedVersion(let version): .expected(version)
        case .anyVersion(let isSet): try Precondition(anyVersion: isSet)
        case nil: .none
        }
    }

    static func response(_ saved: SavedVersion, flowID: String) -> RestoreCheckpointResponse {
        RestoreCheckpointResponse(
            flowID: saved.flowID, version: saved.version, createdAt: saved.createdAt.message, digest: saved.digest,
            replayed: saved.replayed, restoredVersion: saved.restoredVersion ?? 0)
    }

    static func flowID(_ request: RestoreCheckpointRequest) -> String { request.flowID }
}
