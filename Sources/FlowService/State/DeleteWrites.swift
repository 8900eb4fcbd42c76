import FlowAccess
import FlowModel
import WireMessages

enum DeleteWrites: UnaryFlowMethod {
    static let method = MethodDescriptor.deleteWrites
    static let scope = Scope.write

    static func command(_ request: DeleteWritesRequest, _ context: CallContext) throws(StateError) -> DeleteWritesCommand {
        var command = DeleteWritesCommand(
            key: try context.key(request.flowID), actor: context.identity.actor,
            filter: WriteFilter(
                versionLabel: request.versionLabel.given, channel: request.channel.given, taskID: request.taskID.given))
        command.leaseToken = request.leaseToken.given
        return command
    }

    static func response(_ deleted: Int64, flowID: String) -> DeleteWritesResponse { DeleteWritesResponse(deleted: deleted) }

    static func flowID(_ request: DeleteWritesRequest) -> String { request.flowID }
}
