import FlowAccess
import FlowModel
import WireMessages

enum DeleteFlow: UnaryFlowMethod {
    static let method = MethodDescriptor.deleteFlow
    static let scope = Scope.write

    static func command(_ request: DeleteFlowRequest, _ context: CallContext) throws(StateError) -> DeleteFlowCommand {
        var command = DeleteFlowCommand(
            key: try context.key(request.flowID), actor: context.identity.actor,
            precondition: try precondition(request.precondition))
        command.idempotencyKey = request.idempotencyKey.given
        return command
    }

    private static func precondition(_ given: DeleteFlowRequest.Precondition?) throws(StateError) -> Precondition {
        switch given {
        case .expectedVersion(let version): .expected(version)
        case .anyVersion(let isSet): try Precondition(anyVersion: isSet)
        case nil: .none
        }
    }

    static func response(_ deleted: SavedVersion, flowID: String) -> DeleteFlowResponse {
        DeleteFlowResponse(
            flowID: deleted.flowID, version: deleted.version, createdAt: deleted.createdAt.message,
            replayed: deleted.replayed)
    }

    static func flowID(_ request: DeleteFlowRequest) -> String { request.flowID }
}
