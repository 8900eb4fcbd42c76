/// Claims due notifications for one server. When `leaseMilliseconds` have passed, for example because that server died, another one may
/// claim and deliver them. Notifications older than `ageMilliseconds` are no longer delivered.
public struct ClaimNotificationsCommand: Sendable {
    public var limit: Int
    public var leaseMilliseconds: Int64
    public var ageMilliseconds: Int64

    public init(limit: Int, leaseMilliseconds: Int64, ageMilliseconds: Int64) {
        self.limit = limit
        self.leaseMilliseconds = leaseMilliseconds
        self.ageMilliseconds = ageMilliseconds
    }
}

/// A claimed notification, of any tenant.
public struct ClaimedNotification: Sendable {
    public var record: NotificationRecord
    /// From 1.
    public var attempt: Int
    /// By the database's clock.
    public var claimedAt: Timestamp
    /// The notification must no longer be delivered.
    public var isTooOld: Bool

    public init(record: NotificationRecord, attempt: Int, claimedAt: Timestamp, isTooOld: Bool) {
        self.record = record
        self.attempt = attempt
        self.claimedAt = claimedAt
        self.isTooOld = isTooOld
    }
}

/// Records how the delivery of a claimed notification ended. A failure is ignored when another server has claimed the notification
/// meanwhile.
public struct SettleNotificationCommand: Sendable {
    public enum Result: Sendable, Equatable {
        case delivered
        case failed(nextAttemptInSeconds: Double)
        case givenUp
    }

    public var claimed: ClaimedNotification
    public var result: Result

    public init(_ claimed: ClaimedNotification, _ result: Result) {
        self.claimed = claimed
        self.result = result
    }
}

extension NotificationRecord {
    /// The JSON for receivers; the same bytes each time.
    public var payload: [UInt8] {
        var object = JSONObjectText()
        object.add("id", id)
        object.add("tenant", key.tenant)
        object.add("flow_id", key.flowID)
        object.add("version", json: "\(version)")
        object.add("level", level.name)
        object.add("title", title)
        object.add("message", message)
        object.add("created_at", RFC3339Text.text(createdAt))
        return Array(object.text.utf8)
    }
}
