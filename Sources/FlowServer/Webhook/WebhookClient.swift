import AsyncHTTPClient
import FlowModel
import NIOCore

/// Sends notifications, one request each. Runs on NIO's shared event loops, not on those of the calls.
struct WebhookClient: Sendable {
    /// Why a notification was not delivered; for the log.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let client: HTTPClient
    private let options: WebhookOptions
    private let timeout: TimeAmount

    /// A response body that is larger than this, or ends later than `timeout` after the request, is not read: its connection is closed.
    private static let answerBytes = 16 << 10

    /// Must be shut down.
    init(_ options: WebhookOptions, timeoutMilliseconds: Int64) {
        self.options = options
        timeout = .milliseconds(timeoutMilliseconds)
        // The body is signed for this receiver, not for one that it redirects to.
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow, timeout: .init(connect: timeout, read: timeout))
        // The notification is retried after a pause instead.
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroup: HTTPClient.defaultEventLoopGroup, configuration: configuration)
    }

    /// - Throws: `Failure` when the receiver did not answer with a 2xx in time; `CancellationError`.
    func send(_ claimed: ClaimedNotification) async throws {
        let body = claimed.record.payload
        // Rounded down.
        let seconds = claimed.claimedAt.microseconds / 1_000_000
        var request = HTTPClientRequest(url: options.url)
        request.method = .POST
        for (name, value) in [
            ("Content-Type", "application/json"), ("User-Agent", "flowstate/\(Version.current)"),
            ("Flowstate-Notification-Id", claimed.record.id), ("Idempotency-Key", claimed.record.id),
            ("Flowstate-Signature", WebhookSignature.header(body, at: seconds, secret: options.secret)),
        ] {
            request.headers.add(name: name, value: value)
        }
        request.body = .bytes(body)
        let end = NIODeadline.now() + timeout
        let response: HTTPClientResponse
        do {
            response = try await client.execute(request, deadline: end)
        } catch {
            try Task.checkCancellation()
            throw Failure(description: "\(error)")
        }
        await Self.skip(response.body, until: end)
        guard (200..<300).contains(response.status.code) else { throw Failure(description: "answered \(response.status.code)") }
    }

    /// Reads a body to its end, so that the connection can be used again; its content is not needed. It has a deadline of its own, since
    /// the client's ends with the head and its read timeout restarts with each byte: a body could arrive byte by byte for ever.
    private static func skip(_ body: HTTPClientResponse.Body, until end: NIODeadline) async {
        let rest = Duration.nanoseconds((end - NIODeadline.now()).nanoseconds)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = try? await body.collect(upTo: Self.answerBytes) }
            group.addTask { _ = try? await Task.sleep(for: rest) }
            _ = await group.next()
            group.cancelAll()
        }
    }

    func shutdown() async { try? await client.shutdown() }
}
