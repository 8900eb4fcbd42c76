import FlowStateClient
import GRPC
import Logging
import NIOCore
import NIOPosix
import Resources
import Synchronization
import Testing

/// What the Swift client does by itself: repeats, goes on to another server, keeps a lease, goes on watching.
struct ClientTests {
    /// A server that refuses the first calls.
    private final class Refusing: Sendable {
        private let left: Atomic<Int>
        let calls = Mutex<[(request: SaveStateRequest, attempts: String?)]>([])
        private let server: Server
        let endpoint: Endpoint

        init(_ refusals: Int, _ status: Status, group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton) async throws {
            left = Atomic(refusals)
            let handler = Mutex<(@Sendable (ByteBuffer, ServerCall) -> Void)?>(nil)
            let route = Route(
                service: "flowstate.v1.FlowStateService", method: "SaveState",
                .unary { request, call in handler.withLock(\.self)?(request, call) })
            server = Server(
                router: Router([route]), configuration: ServerConfiguration(), group: group, logger: Logger(label: "tests"))
            let address = try await server.listen(host: "127.0.0.1", port: 0)
            endpoint = .tcp(host: "127.0.0.1", port: try #require(address?.port))
            handler.withLock { handler in
                handler = { request, call in
                    let save = (try? SaveStateRequest.decode(request, ceiling: .max)) ?? SaveStateRequest()
                    self.calls.withLock { $0.append((save, call.metadata["grpc-previous-rpc-attempts"])) }
                    if self.left.wrappingSubtract(1, ordering: .relaxed).newValue >= 0 { return call.finish(status) }
                    call.respond(FramedMessage(encoding: SaveStateResponse(flowID: save.flowID, version: 7)))
                }
            }
        }

        func stop() async { await server.shutdown(grace: .zero) }
    }

    private let save = SaveStateRequest(flowID: "f", change: .state(Array("{}".utf8)))

    @Test func callsAreRepeatedWithOneKey() async throws {
        let server = try await Refusing(3, Status(.unavailable, "not yet"))
        let client = StateClient(endpoint: server.endpoint)
        #expect(try await client.saveState(save).version == 7)
        let calls = server.calls.withLock(\.self)
        #expect(calls.map(\.attempts) == [nil, "1", "2", "3"])
        #expect(Set(calls.map(\.request.idempotencyKey)).count == 1 && calls[0].request.idempotencyKey.utf8.count > 20)
        await client.close()
        await server.stop()
    }

    @Test func repeatingEnds() async throws {
        let server = try await Refusing(100, Status(.unavailable, "never"))
        let client = StateClient(endpoint: server.endpoint, retries: RetryPolicy(attempts: 2))
        await #expect(throws: ClientError.self) { try await client.saveState(save) }
        #expect(server.calls.withLock(\.count) == 2)
        // Not beyond the deadline.
        let hasty = StateClient(endpoint: server.endpoint, timeout: .milliseconds(200))
        await #expect(throws: ClientError.self) { try await hasty.saveState(save) }
        #expect(server.calls.withLock(\.count) <= 6)
        await client.close()
        await hasty.close()
        await server.stop()
    }

    @Test(arguments: [Status(.invalidArgument, "no"), Status(.resourceExhausted, "too much"), Status(.aborted, "conflict")])
    func whatWouldNotHelpIsNotRepeated(_ status: Status) async throws {
        let server = try await Refusing(1, status)
        let client = StateClient(endpoint: server.endpoint)
        await #expect(throws: ClientError.self) { try await client.saveState(save) }
        #expect(server.calls.withLock(\.count) == 1)
        await client.close()
        await server.stop()
    }

    @Test func withoutRetriesACallIsMadeOnceAsItIs() async throws {
        let server = try await Refusing(1, Status(.unavailable, "not yet"))
        let client = StateClient(endpoint: server.endpoint, retries: .never)
        await #expect(throws: ClientError.self) { try await client.saveState(save) }
        #expect(server.calls.withLock { $0.map(\.request) } == [save])
        await client.close()
        await server.stop()
    }

    @Test func anotherServerIsAskedWhenOneIsAway() async throws {
        let gone = try await Refusing(0, .ok)
        await gone.stop()
        let server = try await Refusing(0, .ok)
        let client = StateClient(gone.endpoint, or: [server.endpoint])
        for _ in 0..<3 { #expect(try await client.saveState(save).version == 7) }
        #expect(server.calls.withLock(\.count) == 3)
        await client.close()
        await server.stop()
    }

    @Test func aLeaseIsKeptAndGivenBack() async throws {
        try await withServer { endpoint in
            let client = StateClient(endpoint: endpoint)
            _ = try await client.saveState(save)
            let saved = try await client.withLease(of: "f", holder: "one", timeToLive: .seconds(3)) { scope in
                // Until it has been renewed.
                let first = scope.lease
                while scope.lease.expiresAt == first.expiresAt { try await Task.sleep(for: .milliseconds(20)) }
                await #expect(throws: ClientError.self) {
                    _ = try await client.acquireLease(AcquireLeaseRequest(flowID: "f", holder: "two"))
                }
                var fenced = save
                fenced.leaseToken = scope.token
                return try await client.saveState(fenced).version
            }
            #expect(saved == 2)
            #expect(try await client.acquireLease(AcquireLeaseRequest(flowID: "f", holder: "two")).lease?.holder == "two")
            await client.close()
        }
    }

    @Test func aLeaseThatIsLostEndsItsWork() async throws {
        try await withServer { endpoint in
            let client = StateClient(endpoint: endpoint)
            _ = try await client.saveState(save)
            let error = await #expect(throws: ClientError.self) {
                try await client.withLease(of: "f", holder: "one", timeToLive: .seconds(3)) { scope in
                    // Someone else gives it back and takes it.
                    _ = try await client.releaseLease(ReleaseLeaseRequest(flowID: "f", token: scope.token))
                    _ = try await client.acquireLease(AcquireLeaseRequest(flowID: "f", holder: "two"))
                    try await Task.sleep(for: .seconds(60))
                }
            }
            #expect(error?.reason == "LEASE_LOST")
            #expect(try await client.getLease(GetLeaseRequest(flowID: "f")).lease?.holder == "two")
            await client.close()
        }
    }

    @Test func changesComeAsASequence() async throws {
        try await withServer { endpoint in
            let client = StateClient(endpoint: endpoint)
            for _ in 0..<3 { _ = try await client.saveState(save) }
            var versions: [Int64] = []
            for try await event in client.watchFlows(WatchFlowsRequest(flowIDs: ["f"], start: .afterVersion(1))) {
                if case .change(let change)? = event.event { versions.append(change.version?.version ?? 0) }
                if versions.count == 2 { break }
            }
            #expect(versions == [2, 3])
            let error = await #expect(throws: ClientError.self) {
                for try await _ in client.watchFlows(WatchFlowsRequest(flowIDs: [""])) {}
            }
            #expect(error?.fields == ["flow_ids[0]"])
            await client.close()
        }
    }
}
