import FlowModel
import WireMessages

enum GetDefinition: FlowMethod {
    static let name = "GetDefinition"

    static func command(_ request: GetDefinitionRequest, _ context: RequestContext) throws(StateError) -> GetDefinitionCommand {
        GetDefinitionCommand(
            tenant: context.caller.tenant, flowType: request.flowType, revision: request.revision == 0 ? nil : request.revision)
    }

    static func response(_ record: DefinitionRecord, flowID: String) -> GetDefinitionResponse {
        GetDefinitionResponse(definition: record.message)
    }

    static func flowID(_ request: GetDefinitionRequest) -> String { "" }
}
