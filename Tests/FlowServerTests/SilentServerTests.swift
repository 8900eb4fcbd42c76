import FlowStateClient
import GRPC
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Servers that are gone without a word: the client notices, and goes on elsewhere.
struct SilentServerTests {
    private let save = SaveStateRequest(flowID: "f", change: .state(Array("{}".utf8)))

    private final class Call: Sendable {
        let isOver = Atomic(false)
    }

    private func configuration(_ keepalive: Keepalive?) -> ClientConfiguration {
        var configuration = ClientConfiguration()
        configuration.keepalive = keepalive
        return configuration
    }

    /// Serves saves, which are answered or never are.
    private func withSlowServer(answers: Bool, _ body: (Endpoint) async throws -> Void) async throws {
        let route = Route(
            service: "flowstate.v1.FlowStateService", method: "SaveState",
            .unary { _, call in
                if answers { call.respond(FramedMessage(encoding: SaveStateResponse(flowID: "f", version: 7))) }
            })
        let server = Server(
            router: Router([route]), configuration: ServerConfiguration(), group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "tests"))
        let address = try await server.listen(host: "127.0.0.1", port: 0)
        try await body(.tcp(host: "127.0.0.1", port: try #require(address?.port)))
        await server.shutdown(grace: .zero)
    }

    /// A slow server answers PINGs, so its calls go on; one that is gone does not.
    @Test func callsOfAServerThatIsGoneFail() async throws {
        try await withSlowServer(answers: false) { endpoint in
            let proxy = try await StallingProxy(to: endpoint)
            let client = StateClient(
                endpoint: proxy.endpoint, timeout: nil, retries: .never,
                configuration: configuration(Keepalive(time: .milliseconds(50), timeout: .milliseconds(500))))
            let call = Call()
            await withTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    let error = await #expect(throws: ClientError.self) { try await client.saveState(save) }
                    #expect(error?.code == .unavailable && error?.message.contains("does not answer any more") == true)
                    call.isOver.store(true, ordering: .relaxed)
                }
                while proxy.sent < 10 { await Task.yield() }
                let wasOver = call.isOver.load(ordering: .relaxed)
                #expect(!wasOver)
                proxy.stall()
            }
            await client.close()
            await proxy.close()
        }
    }

    @Test func theNextServerIsAskedWhenOneIsGone() async throws {
        try await withSlowServer(answers: true) { endpoint in
            let proxy = try await StallingProxy(to: endpoint)
            let client = StateClient(
                proxy.endpoint, or: [endpoint],
                configuration: configuration(Keepalive(time: .milliseconds(50), timeout: .milliseconds(200))))
            #expect(try await client.saveState(save).version == 7)
            let sent = proxy.sent
            #expect(sent > 0)
            proxy.stall()
            #expect(try await client.saveState(save).version == 7)
            #expect(proxy.sent == sent && proxy.connections == 1)
            await client.close()
            await proxy.close()
        }
    }

    /// The system of a process that is stopped accepts its connections.
    @Test func aServerThatNeverBeginsIsLeft() async throws {
        try await withSlowServer(answers: true) { endpoint in
            let proxy = try await StallingProxy(to: endpoint, isStalled: true)
            var configuration = configuration(nil)
            configuration.connectTimeout = .milliseconds(200)
            let client = StateClient(proxy.endpoint, or: [endpoint], configuration: configuration)
            #expect(try await client.saveState(save).version == 7)
            // Another time where the one that answers takes longer than that to begin.
            #expect(proxy.connections >= 1)
            await client.close()
            await proxy.close()
        }
    }

    /// Long before the PING that is due after five minutes.
    @Test func aDeadlineThatPassesInSilenceIsLookedInto() async throws {
        try await withSlowServer(answers: true) { endpoint in
            let proxy = try await StallingProxy(to: endpoint)
            let client = Client(endpoint: proxy.endpoint, configuration: configuration(Keepalive(timeout: .milliseconds(100))))
            let (path, message) = ("/flowstate.v1.FlowStateService/SaveState", FramedMessage(encoding: save))
            _ = try await client.unary(path, message)
            proxy.stall()
            let late = await #expect(throws: Status.self) { try await client.unary(path, message, timeout: .milliseconds(300)) }
            #expect(late?.code == .deadlineExceeded)
            let gone = await #expect(throws: Status.self) { try await client.unary(path, message) }
            #expect(gone?.code == .unavailable)
            await client.close()
            await proxy.close()
        }
    }

    /// Without keepalive: the bookmarks that do not come are enough.
    @Test func aWatchThatIsSilentGoesOnElsewhere() async throws {
        try await withServer { endpoint in
            let proxy = try await StallingProxy(to: endpoint)
            let writer = StateClient(endpoint: endpoint)
            let client = StateClient(proxy.endpoint, or: [endpoint], configuration: configuration(nil))
            _ = try await writer.saveState(save)
            var versions: [Int64] = []
            let request = WatchFlowsRequest(flowIDs: ["f"], start: .afterVersion(0), bookmarkInterval: .seconds(1))
            for try await event in client.watchFlows(request) {
                guard case .change(let change)? = event.event else { continue }
                versions.append(change.version?.version ?? 0)
                if versions.last == 1 {
                    proxy.stall()
                    _ = try await writer.saveState(save)
                }
                if versions.last == 2 { break }
            }
            #expect(versions.last == 2 && proxy.connections == 1)
            await client.close()
            await writer.close()
            await proxy.close()
        }
    }
}
