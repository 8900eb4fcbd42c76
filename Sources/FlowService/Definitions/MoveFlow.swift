import FlowAccess
import FlowModel
import WireMessages

enum MoveFlow: UnaryFlowMethod {
    static let method = MethodDescriptor.moveFlow
    static let scope = Scope.write

    static func command(_ request: MoveFlowRequest, _ context: CallContext) throws(StateError) -> MoveFlowCommand {
        var precondition = Precondition.none
        switch request.precondition {
        case .expectedVersion(let version): precondition = .expected(version)
        case .anyVersion(let isSet): precondition = try Precondition(anyVersion: isSet)
        case nil: break
        }
        return MoveFlowCommand(
            try context.step(request.flowID, precondition, 0, request.idempotencyKey), revision: request.revision.given
        )
    }

    static func response(_ moved: MovedFlow, flowID: String) -> MoveFlowResponse {
        MoveFlowResponse(flow: moved.head.message, fromRevision: moved.from ?? 0, replayed: moved.replayed)
    }

    static func flowID(_ request: MoveFlowRequest) -> String { request.flowID }
}
