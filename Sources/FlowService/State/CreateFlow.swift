import FlowAccess
import FlowModel
import WireMessages

enum CreateFlow: UnaryFlowMethod {
    static let method = MethodDescriptor.createFlow
    static let scope = Scope.write
    static let carriesState = true

    static func command(_ request: CreateFlowRequest, _ context: CallContext) throws(StateError) -> SaveCommand {
        let isGenerated = request.flowID.isEmpty
        var command = SaveCommand.create(
            key: try context.key(isGenerated ? context.makeID() : request.flowID), hasGeneratedFlowID: isGenerated,
            actor: context.identity.actor, state: request.state,
            contentType: try ContentType(parsing: request.contentType, limits: context.limits))
        command.flowType = request.flowType.given
        command.phase = request.phase.given
        command.status = request.status.given
        if !request.labels.isEmpty { command.labels = Labels(request.labels) }
        command.metadata = request.metadata
        command.idempotencyKey = request.idempotencyKey.given
        command.ttlMilliseconds = try Int64(milliseconds: request.ttl, field: "ttl")
        return command
    }

    static func response(_ saved: SavedVersion, flowID: String) -> CreateFlowResponse {
        CreateFlowResponse(
            flowID: saved.flowID, version: saved.version, createdAt: saved.createdAt.message, digest: saved.digest,
            replayed: saved.replayed, warnings: saved.warnings.map(\.wire))
    }

    static func flowID(_ request: CreateFlowRequest) -> String { request.flowID }
}
