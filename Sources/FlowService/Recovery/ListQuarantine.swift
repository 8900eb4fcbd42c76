import FlowAccess
import FlowModel
import WireMessages

enum ListQuarantine: UnaryFlowMethod {
    static let method = MethodDescriptor.listQuarantine
    static let scope = Scope.read

    static func command(_ request: ListQuarantineRequest, _ context: CallContext) throws(StateError) -> ListQuarantineCommand {
        ListQuarantineCommand(
            tenant: context.identity.tenant, flowID: request.flowID.given, pageSize: Int(request.pageSize),
            pageToken: request.pageToken.given.map { PageToken(text: $0) })
    }

    static func response(_ page: Page<QuarantineRecord>, flowID: String) -> ListQuarantineResponse {
        ListQuarantineResponse(entries: page.elements.map(\.message), nextPageToken: page.next?.text ?? "")
    }

    static func flowID(_ request: ListQuarantineRequest) -> String { request.flowID }
}

extension QuarantineRecord {
    var message: QuarantineEntry {
        QuarantineEntry(
            id: id, flowID: key.flowID, version: version, reason: reason, violations: violations.map(\.wire), contentType: contentType,
            sizeBytes: size, digest: digest, createdAt: createdAt.message)
    }
}
