import FlowAccess
import FlowModel
import WireMessages

enum DeleteVersions: UnaryFlowMethod {
    static let method = MethodDescriptor.deleteVersions
    static let scope = Scope.write

    static func command(_ request: DeleteVersionsRequest, _ context: CallContext) throws(StateError) -> DeleteVersionsCommand {
        DeleteVersionsCommand(
            tenant: context.identity.tenant, subject: try subject(request, context), selection: try selection(request),
            actor: context.identity.actor, isDryRun: request.dryRun)
    }

    private static func subject(
        _ request: DeleteVersionsRequest, _ context: CallContext
    ) throws(StateError) -> DeleteVersionsCommand.Subject {
        if request.flowLabels.isEmpty { return .flow(try context.key(request.flowID).flowID) }
        guard request.flowID.isEmpty else {
            throw .invalidArgument(field: "flow_labels", message: "cannot be combined with flow_id")
        }
        return .flows(Labels(request.flowLabels))
    }

    private static func selection(_ request: DeleteVersionsRequest) throws(StateError) -> DeleteVersionsCommand.Selection {
        switch (request.tag.given, request.keep) {
        case (let tag?, nil): return .tagged(name: tag, values: request.tagValues)
        case (nil, let keep?): return .allBut(newest: Int(keep.newest), labels: keep.labels)
        case (nil, nil): throw .invalidArgument(field: "tag", message: "give this or keep")
        case (_?, _?): throw .invalidArgument(field: "keep", message: "cannot be combined with tag")
        }
    }

    static func response(_ deleted: Int64, flowID: String) -> DeleteVersionsResponse { DeleteVersionsResponse(deleted: deleted) }

    static func flowID(_ request: DeleteVersionsRequest) -> String { request.flowID }
}
