import FlowAccess
import FlowModel
import WireMessages

enum ForkFlow: UnaryFlowMethod {
    static let method = MethodDescriptor.forkFlow
    static let scope = Scope.write

    static func command(_ request: ForkFlowRequest, _ context: CallContext) throws(StateError) -> ForkFlowCommand {
        let source = try context.key(request.flowID)
        let isGenerated = request.newFlowID.isEmpty
        var command = ForkFlowCommand(
            source: source, selector: selector(request.source), key: try key(request.newFlowID, context),
            hasGeneratedFlowID: isGenerated, actor: context.identity.actor, withHistory: request.withHistory)
        if !request.labels.isEmpty { command.labels = Labels(request.labels) }
        command.metadata = request.metadata
        command.idempotencyKey = request.idempotencyKey.given
        return command
    }

    /// The field is named by an error.
    private static func key(_ flowID: String, _ context: CallContext) throws(StateError) -> FlowKey {
        do throws(StateError) {
            return try context.key(flowID.isEmpty ? context.makeID() : flowID)
        } catch .invalidArgument(_, let message) {
            throw .invalidArgument(field: "new_flow_id", message: message)
        }
    }

    private static func selector(_ given: ForkFlowRequest.Source?) -> LoadSelector {
        switch given {
        case .version(let version): .version(version)
        case .checkpoint(let nameOrID): .checkpoint(nameOrID)
        case .versionLabel(let label): .label(label)
        case nil: .latest
        }
    }

    static func response(_ saved: SavedVersion, flowID: String) -> ForkFlowResponse {
        ForkFlowResponse(
            flowID: saved.flowID, version: saved.version, createdAt: saved.createdAt.message, digest: saved.digest,
            replayed: saved.replayed, sourceVersion: saved.restoredVersion ?? 0)
    }

    static func flowID(_ request: ForkFlowRequest) -> String { request.flowID }
}
