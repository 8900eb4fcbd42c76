import NIOConcurrencyHelpers
import NIOCore

/// `grpc.health.v1.Health` (doc/health-checking.md): the empty name stands for the whole server.
/// Thread-safe.
package final class HealthService: Sendable {
    private struct State {
        var statuses: [String: Bool] = [:]
        var watchers: [Int: (service: String, continuation: AsyncStream<ServingStatus>.Continuation)] = [:]
        var nextWatcher = 0
        var isShutDown = false

        func status(of service: String) -> ServingStatus {
            statuses[service].map { $0 ? .serving : .notServing } ?? .serviceUnknown
        }
    }

    private let state = NIOLockedValueBox(State())
    private static let name = "grpc.health.v1.Health"
    /// Memory that decoding a request, which is a name, may take.
    private static let ceiling = 64 << 10

    package init() {}

    /// Sets whether a service works; a service that was never set is unknown.
    package func set(_ service: String, isServing: Bool) {
        state.withLockedValue { state in
            guard state.statuses.updateValue(isServing, forKey: service) != isServing else { return }
            for watcher in state.watchers.values where watcher.service == service {
                watcher.continuation.yield(isServing ? .serving : .notServing)
            }
        }
    }

    package var routes: [Route] {
        [
            Route(service: Self.name, method: "Check", .unary { request, call in self.check(request, call) }),
            Route(service: Self.name, method: "List", .unary { request, call in self.list(request, call) }),
            Route(
                service: Self.name, method: "Watch",
                .streaming(.serverStreaming) { requests, call in try await self.watch(requests, call) }),
        ]
    }

    private func check(_ request: ByteBuffer, _ call: ServerCall) {
        do {
            let service = try HealthCheckRequest.decode(request, ceiling: Self.ceiling).service
            switch state.withLockedValue({ $0.status(of: service) }) {
            case .serviceUnknown: call.finish(Status(.notFound, "no service named \(service) is registered"))
            case let status: call.respond(FramedMessage(encoding: HealthCheckResponse(status: status)))
            }
        } catch {
            call.finish(Status(error, type: HealthCheckRequest.fullName))
        }
    }

    /// Services that `List` answers with: "Servers should respond with RESOURCE_EXHAUSTED if they have more" (health.proto).
    private static let mostListed = 100

    private func list(_ request: ByteBuffer, _ call: ServerCall) {
        do {
            _ = try HealthListRequest.decode(request, ceiling: Self.ceiling)
        } catch {
            return call.finish(Status(error, type: HealthListRequest.fullName))
        }
        let statuses = state.withLockedValue { state in state.statuses.keys.sorted().map { ($0, state.status(of: $0)) } }
        guard statuses.count <= Self.mostListed else {
            return call.finish(
                Status(
                    .resourceExhausted,
                    "the server has \(statuses.count) services, more than the \(Self.mostListed) that List may answer with; call Check"))
        }
        let entries = statuses.map { HealthListResponseStatusesEntry(key: $0, value: HealthCheckResponse(status: $1)) }
        call.respond(FramedMessage(encoding: HealthListResponse(statuses: entries)))
    }

    /// The current status at once, then each change, for as long as the client listens.
    private func watch(_ requests: MessageStream, _ call: ServerCall) async throws {
        var service = ""
        for try await request in requests {
            do {
                service = try HealthCheckRequest.decode(request, ceiling: Self.ceiling).service
            } catch {
                throw Status(error, type: HealthCheckRequest.fullName)
            }
        }
        // Only the newest status matters to a watcher that reads slowly.
        let (changes, continuation) = AsyncStream.makeStream(of: ServingStatus.self, bufferingPolicy: .bufferingNewest(1))
        let watched = service
        // Read under the lock that `set` takes, so that the current status and the next ones come in order.
        let id = state.withLockedValue { state in
            state.nextWatcher += 1
            state.watchers[state.nextWatcher] = (watched, continuation)
            continuation.yield(state.status(of: watched))
            if state.isShutDown { continuation.finish() }
            return state.nextWatcher
        }
        defer { state.withLockedValue { $0.watchers[id] = nil } }
        for await status in changes {
            try await call.send(FramedMessage(encoding: HealthCheckResponse(status: status)))
        }
        throw Status(.unavailable, "the server is shutting down")
    }

    /// Ends every watch, which would otherwise keep the server from shutting down.
    package func shutdown() {
        state.withLockedValue { state in
            state.isShutDown = true
            for watcher in state.watchers.values { watcher.continuation.finish() }
        }
    }
}
