import JSON

/// Claims due notifications for one server. When `leaseMilliseconds` have passed, for example because that server died, another one may
/// claim and deliver them. Notifications older than `ageMilliseconds` are no longer delivered.
package struct ClaimNotificationsCommand: Sendable {
    package var limit: Int
    package var leaseMilliseconds: Int64
    package var ageMilliseconds: Int64

    package init(limit: Int, leaseMilliseconds: Int64, ageMilliseconds: Int64) {
        self.limit = limit
        self.leaseMilliseconds = leaseMilliseconds
        self.ageMilliseconds = ageMilliseconds
    }
}

/// A claimed notification, of any tenant.
package struct ClaimedNotification: Sendable {
    package var record: NotificationRecord
    /// From 1.
    package var attempt: Int
    /// By the database's clock.
    package var claimedAt: Timestamp
    /// The notification must no longer be delivered.
    package var isTooOld: Bool

    package init(record: NotificationRecord, attempt: Int, claimedAt: Timestamp, isTooOld: Bool) {
        self.record = record
        self.attempt = attempt
        self.claimedAt = claimedAt
        self.isTooOld = isTooOld
    }
}

/// Records how the delivery of a claimed notification ended. A failure is ignored when another server has claimed the notification
/// meanwhile.
package struct SettleNotificationCommand: Sendable {
    package enum Result: Sendable, Equatable {
        case delivered
        case failed(nextAttemptInSeconds: Double)
        case givenUp
    }

    package var claimed: ClaimedNotification
    package var result: Result

    package init(_ claimed: ClaimedNotification, _ result: Result) {
        self.claimed = claimed
        self.result = result
    }
}

extension NotificationRecord {
    /// The JSON for receivers; the same bytes each time.
    package var payload: [UInt8] {
        var object = JSONObjectText()
        object.add("id", id)
        object.add("tenant", key.tenant)
        object.add("flow_id", key.flowID)
        object.add("version", json: "\(version)")
        object.add("level", level.name)
        object.add("title", title)
        object.add("message", message)
        object.add("created_at", createdAt.text)
        return Array(object.text.utf8)
    }
}
