import FlowModel
import WireMessages

enum ListDefinitions: FlowMethod {
    static let name = "ListDefinitions"

    static func command(_ request: ListDefinitionsRequest, _ context: RequestContext) throws(StateError) -> ListDefinitionsCommand {
        ListDefinitionsCommand(
            tenant: context.caller.tenant, pageSize: Int(request.pageSize), pageToken: request.pageToken.given.map { PageToken(text: $0) })
    }

    static func response(_ page: Page<DefinitionRecord>, flowID: String) -> ListDefinitionsResponse {
        ListDefinitionsResponse(definitions: page.elements.map(\.message), nextPageToken: page.next?.text ?? "")
    }

    static func flowID(_ request: ListDefinitionsRequest) -> String { "" }
}
