import FlowAccess
import FlowModel
import WireMessages

enum AcknowledgeNotification: UnaryFlowMethod {
    static let method = MethodDescriptor.acknowledgeNotification
    static let scope = Scope.write

    static func command(
        _ request: AcknowledgeNotificationRequest, _ context: CallContext
    ) throws(StateError) -> AcknowledgeNotificationCommand {
        AcknowledgeNotificationCommand(tenant: context.identity.tenant, actor: context.identity.actor, id: request.id)
    }

    static func response(_ record: NotificationRecord, flowID: String) -> AcknowledgeNotificationResponse {
        AcknowledgeNotificationResponse(notification: record.wire)
    }

    static func flowID(_ request: AcknowledgeNotificationRequest) -> String { "" }
}
