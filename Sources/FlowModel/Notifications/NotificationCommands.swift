/// How urgent a notification is; a greater one is more urgent.
public enum NotificationLevel: Int16, Sendable, CaseIterable {
    /// For the record.
    case info = 1
    /// Worth a look; nothing has to be done at once.
    case warning = 2
    /// A person has to act.
    case error = 3

    public var name: String { "\(self)" }
}

/// A notification to insert.
public struct NotificationRequest: Sendable, Equatable {
    /// Generated for this call (`UUIDv7`).
    public var id: String
    public var level: NotificationLevel
    /// One line.
    public var title: String
    /// What happened and what to do.
    public var message: String

    /// NUL, which PostgreSQL's text cannot hold, becomes U+FFFD.
    public init(id: String, level: NotificationLevel, title: String, message: String) {
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
public struct NotificationRecord: Sendable, Equatable {
    public var id: String
    public var key: FlowKey
    /// The version that it is about; 0: none.
    public var version: FlowVersion
    public var level: NotificationLevel
    public var title: String
    public var message: String
    public var createdAt: Timestamp
    /// nil: not acknowledged yet.
    public var acknowledgedAt: Timestamp?
    public var acknowledgedBy: String?

    public init(
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
public struct ListNotificationsCommand: Sendable {
    public var tenant: String
    /// nil: of every flow.
    public var flowID: String?
    public var includesAcknowledged: Bool
    /// This level and more urgent ones.
    public var minimumLevel: NotificationLevel
    /// 0 means the default.
    public var pageSize: Int
    public var pageToken: PageToken?

    public init(
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
public struct AcknowledgeNotificationCommand: Sendable {
    public var tenant: String
    public var actor: String
    public var id: String

    public init(tenant: String, actor: String, id: String) {
        self.tenant = tenant
        self.actor = actor
        self.id = id
    }
}

/// Inserts a notification without a new version, in a commit of its own. Does nothing when one of the same level about the same version is
/// not acknowledged yet.
public struct NotifyCommand: Sendable {
    public var key: FlowKey
    public var version: FlowVersion
    public var notification: NotificationRequest

    public init(key: FlowKey, version: FlowVersion, notification: NotificationRequest) {
        self.key = key
        self.version = version
        self.notification = notification
    }
}
