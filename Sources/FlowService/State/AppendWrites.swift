import FlowAccess
import FlowModel
import WireMessages

enum AppendWrites: UnaryFlowMethod {
    static let method = MethodDescriptor.appendWrites
    static let scope = Scope.write

    static func command(_ request: AppendWritesRequest, _ context: CallContext) throws(StateError) -> AppendWritesCommand {
        var command = AppendWritesCommand(
            key: try context.key(request.flowID), actor: context.identity.actor, versionLabel: request.versionLabel,
            writes: request.writes.map(FlowModel.PendingWrite.init))
        command.leaseToken = request.leaseToken.given
        return command
    }

    static func response(_ counts: WriteCounts, flowID: String) -> AppendWritesResponse {
        AppendWritesResponse(added: counts.added, replaced: counts.replaced)
    }

    static func flowID(_ request: AppendWritesRequest) -> String { request.flowID }
}
