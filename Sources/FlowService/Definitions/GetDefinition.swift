import FlowAccess
import FlowModel
import WireMessages

enum GetDefinition: UnaryFlowMethod {
    static let method = MethodDescriptor.getDefinition
    static let scope = Scope.read

    static func command(_ request: GetDefinitionRequest, _ context: CallContext) throws(StateError) -> GetDefinitionCommand {
        GetDefinitionCommand(
            tenant: context.identity.tenant, flowType: request.flowType, revision: request.revision == 0 ? nil : request.revision)
    }

    static func response(_ record: DefinitionRecord, flowID: String) -> GetDefinitionResponse {
        GetDefinitionResponse(definition: record.message)
    }

    static func flowID(_ request: GetDefinitionRequest) -> String { "" }
}
