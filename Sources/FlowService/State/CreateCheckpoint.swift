import FlowAccess
import FlowModel
import WireMessages

enum CreateCheckpoint: UnaryFlowMethod {
    static let method = MethodDescriptor.createCheckpoint
    static let scope = Scope.write

    static func command(
        _ request: CreateCheckpointRequest, _ context: CallContext
    ) throws(StateError) -> CreateCheckpointCommand {
        CreateCheckpointCommand(
            key: try context.key(request.flowID), actor: context.identity.actor,
            checkpoint: CheckpointRequest(
                id: context.makeID(), name: request.name.given, description: request.description),
            version: request.version == 0 ? nil : request.version)
    }

    static func response(_ checkpoint: CheckpointRecord, flowID: String) -> CreateCheckpointResponse {
        CreateCheckpointResponse(checkpoint: checkpoint.message(flowID: flowID))
    }

    static func flowID(_ request: CreateCheckpointRequest) -> String { request.flowID }
}
