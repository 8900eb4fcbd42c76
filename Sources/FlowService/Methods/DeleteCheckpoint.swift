import FlowModel
import WireMessages

enum DeleteCheckpoint: FlowMethod {
    static let name = "DeleteCheckpoint"

    static func command(
        _ request: DeleteCheckpointRequest, _ context: RequestContext
    ) throws(StateError) -> DeleteCheckpointCommand {
        DeleteCheckpointCommand(
            key: try context.key(request.flowID), actor: context.caller.actor, checkpoint: request.checkpoint)
    }

    static func response(_ checkpoint: CheckpointRecord, flowID: String) -> DeleteCheckpointResponse {
        DeleteCheckpointResponse(checkpoint: checkpoint.message(flowID: flowID))
    }

    static func flowID(_ request: DeleteCheckpointRequest) -> String { request.flowID }
}
