import FlowAccess
import FlowModel
import WireMessages

enum ListNotifications: UnaryFlowMethod {
    static let method = MethodDescriptor.listNotifications
    static let scope = Scope.read

    static func command(_ request: ListNotificationsRequest, _ context: CallContext) throws(StateError) -> ListNotificationsCommand {
        ListNotificationsCommand(
            tenant: context.identity.tenant, flowID: request.flowID.given, includesAcknowledged: request.includeAcknowledged,
            minimumLevel: try level(request.minimumLevel), pageSize: Int(request.pageSize),
            pageToken: request.pageToken.given.map { PageToken(text: $0) })
    }

    private static func level(_ level: WireMessages.NotificationLevel) throws(StateError) -> FlowModel.NotificationLevel {
        switch level {
        case .unspecified, .info: return .info
        case .warning: return .warning
        case .error: return .error
        default:
            throw .invalidArgument(field: "minimum_level", message: "is \(level.rawValue), which this server does not know")
        }
    }

    static func response(_ page: Page<NotificationRecord>, flowID: String) -> ListNotificationsResponse {
        ListNotificationsResponse(notifications: page.elements.map(\.wire), nextPageToken: page.next?.text ?? "")
    }

    static func flowID(_ request: ListNotificationsRequest) -> String { request.flowID }
}

extension NotificationRecord {
    var wire: Notification {
        let level: WireMessages.NotificationLevel =
            switch level {
            case .info: .info
            case .warning: .warning
            case .error: .error
            }
        return Notification(
            id: id, flowID: key.flowID, level: level, title: title, message: message, createdAt: createdAt.message,
            acknowledgedAt: acknowledgedAt?.message, acknowledgedBy: acknowledgedBy ?? "", version: version)
    }
}
