import FlowModel
import WireMessages

enum AcknowledgeNotification: FlowMethod {
    static let name = "AcknowledgeNotification"

    static func command(
        _ request: AcknowledgeNotificationRequest, _ context: RequestContext
    ) throws(StateError) -> AcknowledgeNotificationCommand {
        AcknowledgeNotificationCommand(tenant: context.caller.tenant, actor: context.caller.actor, id: request.id)
    }

    static func response(_ record: NotificationRecord, flowID: String) -> AcknowledgeNotificationResponse {
        AcknowledgeNotificationResponse(notification: record.wire)
    }

    static func flowID(_ request: AcknowledgeNotificationRequest) -> String { "" }
}
