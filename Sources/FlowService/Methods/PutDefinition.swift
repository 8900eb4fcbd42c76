import FlowModel
import WireMessages

enum PutDefinition: FlowMethod {
    static let name = "PutDefinition"

    static func command(_ request: PutDefinitionRequest, _ context: RequestContext) throws(StateError) -> PutDefinitionCommand {
        PutDefinitionCommand(
            tenant: context.caller.tenant, actor: context.caller.actor, document: request.document,
            expectedRevision: request.expectedRevision)
    }

    static func response(_ record: DefinitionRecord, flowID: String) -> PutDefinitionResponse {
        PutDefinitionResponse(definition: record.message)
    }

    static func flowID(_ request: PutDefinitionRequest) -> String { "" }
}
