import FlowAccess
import FlowModel
import WireMessages

enum DeleteCheckpoint: UnaryFlowMethod {
    static let method = MethodDescriptor.deleteCheckpoint
    static let scope = Scope.write

    static func command(
        _ request: DeleteCheckpointRequest, _ context: CallContext
    ) throws(StateError) -> DeleteCheckpointCommand {
        DeleteCheckpointCommand(
            key: try context.key(request.flowID), actor: context.identity.actor, checkpoint: request.checkpoint)
    }

    static func response(_ checkpoint: CheckpointRecord, flowID: String) -> DeleteCheckpointResponse {
        DeleteCheckpointResponse(checkpoint: checkpoint.message(flowID: flowID))
    }

    static func flowID(_ request: DeleteCheckpointRequest) -> String { request.flowID }
}
