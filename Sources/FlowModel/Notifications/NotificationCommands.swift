/// How urgent a notification is; a greater one is more urgent.
package enum NotificationLevel: Int16, Sendable, CaseIterable {
    /// For the record.
    case info = 1
    /// Worth a look; nothing has to be done at once.
    case warning = 2
    /// A person has to act.
    case error = 3

    package var name: String { "\(self)" }
}

/// A notification to insert.
package struct NotificationRequest: Sendable, Equatable {
    /// Generated for this call (`UUIDv7`).
    package var id: String
    package var level: NotificationLevel
    /// One line.
    package var title: String
    /// What happened and what to do.
    package var message: String

    /// NUL, which PostgreSQL's text cannot hold, becomes U+FFFD.
    package init(id: String, level: NotificationLevel, title: String, message: String) {
        self.id = id
        self.level = level
        self.title = title.replacingNUL
        self.message = message.replacingNUL
    }
}

extension String {
    fileprivate var replacingNUL: String {
        utf8.contains(0) ? String(String.UnicodeScalarView(unicodeScalars.map { $0.value == 0 ? "\u{FFFD}" : $0 })) : self
    }
}

/// Something that people should know about a flow.
package struct NotificationRecord: Sendable, Equatable {
    package var id: String
    package var key: FlowKey
    /// The version that it is about; 0: none.
    package var version: FlowVersion
    package var level: NotificationLevel
    package var title: String
    package var message: String
    package var createdAt: Timestamp
    /// nil: not acknowledged yet.
    package var acknowledgedAt: Timestamp?
    package var acknowledgedBy: String?

    package init(
        id: String, key: FlowKey, version: FlowVersion, level: NotificationLevel, title: String, message: String, createdAt: Timestamp,
        acknowledgedAt: Timestamp? = nil, acknowledgedBy: String? = nil
    ) {
        self.id = id
        self.key = key
        self.version = version
        self.level = level
        self.title = title
        self.message = message
        self.createdAt = createdAt
        self.acknowledgedAt = acknowledgedAt
        self.acknowledgedBy = acknowledgedBy
    }
}

/// Lists notifications, newest first.
package struct ListNotificationsCommand: Sendable {
    package var tenant: String
    /// nil: of every flow.
    package var flowID: String?
    package var includesAcknowledged: Bool
    /// This level and more urgent ones.
    package var minimumLevel: NotificationLevel
    /// 0 means the default.
    package var pageSize: Int
    package var pageToken: PageToken?

    package init(
        tenant: String, flowID: String? = nil, includesAcknowledged: Bool = false, minimumLevel: NotificationLevel = .info,
        pageSize: Int = 0, pageToken: PageToken? = nil
    ) {
        self.tenant = tenant
        self.flowID = flowID
        self.includesAcknowledged = includesAcknowledged
        self.minimumLevel = minimumLevel
        self.pageSize = pageSize
        self.pageToken = pageToken
    }
}

/// Acknowledges a notification. The first acknowledgement stays; later ones change nothing. An acknowledged notification is no longer
/// delivered.
package struct AcknowledgeNotificationCommand: Sendable {
    package var tenant: String
    package var actor: String
    package var id: String

    package init(tenant: String, actor: String, id: String) {
        self.tenant = tenant
        self.actor = actor
        self.id = id
    }
}

/// Inserts a notification without a new version, in a commit of its own. Does nothing when one of the same level about the same version is
/// not acknowledged yet.
package struct NotifyCommand: Sendable {
    package var key: FlowKey
    package var version: FlowVersion
    package var notification: NotificationRequest

    package init(key: FlowKey, version: FlowVersion, notification: NotificationRequest) {
        self.key = key
        self.version = version
        self.notification = notification
    }
}
