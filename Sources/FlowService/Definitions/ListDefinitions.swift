import FlowAccess
import FlowModel
import WireMessages

enum ListDefinitions: UnaryFlowMethod {
    static let method = MethodDescriptor.listDefinitions
    static let scope = Scope.read

    static func command(_ request: ListDefinitionsRequest, _ context: CallContext) throws(StateError) -> ListDefinitionsCommand {
        ListDefinitionsCommand(
            tenant: context.identity.tenant, pageSize: Int(request.pageSize), pageToken: request.pageToken.given.map { PageToken(text: $0) }
        )
    }

    static func response(_ page: Page<DefinitionRecord>, flowID: String) -> ListDefinitionsResponse {
        ListDefinitionsResponse(definitions: page.elements.map(\.message), nextPageToken: page.next?.text ?? "")
    }

    static func flowID(_ request: ListDefinitionsRequest) -> String { "" }
}
