import FlowModel
import FlowStore
import Logging

/// Delivers notifications to a webhook, at least once each: one that was sent but could not be recorded as delivered is sent again under
/// the same id. Any number of servers may do so; each notification is claimed by one at a time.
struct WebhookDelivery: Sendable {
    let store: StateStore
    let options: WebhookOptions
    let logger: Logger

    /// How long a notification waits at most before its first attempt, when no other waits.
    private static let interval = Duration.seconds(1)
    /// Concurrent requests.
    private static let concurrency = 16

    /// Runs until cancelled.
    func run() async {
        logger.info("notifications are delivered to a webhook", metadata: ["host": "\(options.host)"])
        let client = WebhookClient(options, timeoutMilliseconds: store.limits.webhookTimeoutMilliseconds)
        while (try? await Task.sleep(for: Self.interval)) != nil {
            do {
                try await deliverAll(client)
            } catch {
                // Retried in a second; a database that cannot be reached is reported where it is noticed.
                logger.debug("notifications were not claimed", metadata: ["error": "\(error)"])
            }
        }
        await client.shutdown()
    }

    private func deliverAll(_ client: WebhookClient) async throws(StateError) {
        let limits = store.limits
        // A claim outlasts the request, or another server would send the notification too.
        let command = ClaimNotificationsCommand(
            limit: Self.concurrency, leaseMilliseconds: 2 * limits.webhookTimeoutMilliseconds,
            ageMilliseconds: limits.webhookAgeMilliseconds)
        while !Task.isCancelled {
            let claimed = try await store.run(command)
            if claimed.isEmpty { return }
            await withDiscardingTaskGroup { group in
                for notification in claimed { group.addTask { await deliver(notification, client) } }
            }
        }
    }

    private func deliver(_ claimed: ClaimedNotification, _ client: WebhookClient) async {
        let schedule = DeliverySchedule(attempts: store.limits.webhookAttempts)
        if claimed.isTooOld { return log(claimed, .notice, "a notification is too old to be delivered") }
        guard schedule.allows(attempt: claimed.attempt) else { return await giveUp(claimed, "its last attempt never ended") }
        do {
            try await client.send(claimed)
        } catch let failure as WebhookClient.Failure {
            var generator = SystemRandomNumberGenerator()
            guard let pause = schedule.pause(afterAttempt: claimed.attempt, using: &generator) else {
                return await giveUp(claimed, "\(failure)")
            }
            log(claimed, .info, "a notification was not delivered", ["reason": "\(failure)", "next_attempt_in": "\(pause) s"])
            return await settle(claimed, .failed(nextAttemptInSeconds: pause))
        } catch {
            // Cancelled: once the claim has expired, another server delivers it.
            return
        }
        log(claimed, .debug, "a notification was delivered")
        await settle(claimed, .delivered)
    }

    private func giveUp(_ claimed: ClaimedNotification, _ reason: String) async {
        log(claimed, .error, "a notification was not delivered, and is given up", ["reason": "\(reason)"])
        await settle(claimed, .givenUp)
    }

    private func settle(_ claimed: ClaimedNotification, _ result: SettleNotificationCommand.Result) async {
        do {
            try await store.run(SettleNotificationCommand(claimed, result))
        } catch {
            log(claimed, .warning, "a delivery's outcome was not recorded; it is repeated", ["result": "\(result)", "error": "\(error)"])
        }
    }

    private func log(_ claimed: ClaimedNotification, _ level: Logger.Level, _ message: Logger.Message, _ more: Logger.Metadata = [:]) {
        logger.log(
            level: level, message,
            metadata: ["notification": "\(claimed.record.id)", "attempt": "\(claimed.attempt)"].merging(more) { $1 })
    }
}
