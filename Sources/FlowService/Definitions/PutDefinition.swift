import FlowAccess
import FlowModel
import WireMessages

enum PutDefinition: UnaryFlowMethod {
    static let method = MethodDescriptor.putDefinition
    static let scope = Scope.admin

    static func command(_ request: PutDefinitionRequest, _ context: CallContext) throws(StateError) -> PutDefinitionCommand {
        PutDefinitionCommand(
            tenant: context.identity.tenant, actor: context.identity.actor, document: request.document,
            expectedRevision: request.expectedRevision)
    }

    static func response(_ record: DefinitionRecord, flowID: String) -> PutDefinitionResponse {
        PutDefinitionResponse(definition: record.message)
    }

    static func flowID(_ request: PutDefinitionRequest) -> String { "" }
}
