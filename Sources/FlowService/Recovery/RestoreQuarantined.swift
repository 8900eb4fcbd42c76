import FlowAccess
import FlowModel
import FlowStore
import WireMessages

enum RestoreQuarantined: UnaryFlowMethod {
    static let method = MethodDescriptor.restoreQuarantined
    static let scope = Scope.write

    static func command(
        _ request: RestoreQuarantinedRequest, _ context: CallContext
    ) throws(StateError) -> RestoreQuarantinedCommand {
        RestoreQuarantinedCommand(
            tenant: context.identity.tenant, actor: context.identity.actor, id: request.id,
            precondition: try precondition(request.precondition), allowsInvalid: request.allowInvalid,
            idempotencyKey: request.idempotencyKey.given)
    }

    private static func precondition(_ given: RestoreQuarantinedRequest.Precondition?) throws(StateError) -> Precondition {
        switch given {
        case .expectedVersion(let version): .expected(version)
        case .anyVersion(let isSet): try Precondition(anyVersion: isSet)
        case nil: .none
        }
    }

    static func response(_ outcome: RestoreQuarantinedCommand.Outcome, flowID: String) -> RestoreQuarantinedResponse {
        let saved = outcome.saved
        return RestoreQuarantinedResponse(
            flowID: saved.flowID, version: saved.version, createdAt: saved.createdAt.message, digest: saved.digest,
            replayed: saved.replayed, restoredVersion: outcome.version, warnings: saved.warnings.map(\.wire))
    }

    static func flowID(_ request: RestoreQuarantinedRequest) -> String { "" }
}
