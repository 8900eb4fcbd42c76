import FlowAccess
import FlowModel
import FlowStateClient
import FlowStore
import Logging
import NIOCore
import NIOPosix
import Postgres
import Protobuf
import Resources
import Synchronization
import Testing
import WireMessages

@testable import FlowService

/// The one seam for a call: an authenticator that takes its time, scopes, and methods of every kind.
@Suite(.timeLimit(.minutes(1))) struct SeamTests {
    /// Asks for a look-up, as one with a table of keys would.
    private struct Slow: Authenticator {
        let scopes: Scopes
        var cancelled: Cancelled?

        func authenticate(_ credentials: Credentials) -> Authentication {
            .pending {
                await Task.yield()
                switch credentials.authorization {
                case "never"?:
                    try await withTaskCancellationHandler {
                        try await Task.sleep(for: .seconds(60))
                    } onCancel: {
                        cancelled?.set()
                    }
                    throw CancellationError()
                case "secret"?: return Identity(tenant: "acme", actor: "ann", scopes: scopes)
                default: throw StateError.unauthenticated(message: "the key is not known")
                }
            }
        }
    }

    private final class Cancelled: Sendable {
        private let flag = Atomic(false)
        var isSet: Bool { flag.load(ordering: .acquiring) }
        func set() { flag.store(true, ordering: .releasing) }
    }

    /// Answers each upload with its size and who sent it.
    private enum Upload: StreamingFlowMethod {
        static let method = MethodDescriptor.uploadState
        static let scope = Scope.write

        static func run(
            _ requests: RequestStream<UploadStateRequest>, _ context: CallContext, _ store: StateStore,
            _ responses: ResponseStream<SaveStateResponse>
        ) async throws {
            var count: Int64 = 0
            for try await _ in requests { count += 1 }
            if count == 0 { throw StateError.invalidArgument(field: "chunk", message: "is missing") }
            try await responses.send(SaveStateResponse(flowID: context.identity.actor, version: count))
        }
    }

    private func withServer(
        _ authenticator: some Authenticator, memory: Int = 256 << 20, _ body: (Endpoint) async throws -> Void
    ) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let database = try Database(configuration: .init(conninfo: ""), logger: logger)
        let store = StateStore(database: database, limits: .defaults, logger: logger)
        let runner = MethodRunner(store: store, authenticator: authenticator, server: ServerDescription())
        let entries = [RouteTable.Entry(ValidateState.self), RouteTable.Entry(Upload.self)]
        var configuration = ServerConfiguration()
        configuration.memory = MemoryBudget(limit: memory)
        let group = MultiThreadedEventLoopGroup.singleton
        let server = Server(
            router: Router(entries.map { $0.route(runner) }), configuration: configuration,
            group: group, logger: logger)
        let address = try await server.listen(host: "127.0.0.1", port: 0)
        let endpoint = Endpoint.tcp(host: "127.0.0.1", port: try #require(address?.port))
        do {
            try await body(endpoint)
        } catch {
            await server.shutdown(grace: .zero)
            throw error
        }
        await server.shutdown(grace: .zero)
    }

    private func call(_ endpoint: Endpoint, key: String?, timeout: TimeAmount = .seconds(30)) async -> Status? {
        let client = Client(endpoint: endpoint)
        var metadata = Metadata()
        if let key { metadata.append("authorization", key) }
        // Nothing to validate: refused by the method, before the database is asked.
        let request = ValidateStateRequest()
        var status: Status?
        do {
            let path = "/" + MethodDescriptor.validateState.fullName
            _ = try await client.unary(path, FramedMessage(encoding: request), metadata: metadata, timeout: timeout)
        } catch {
            status = error as? Status
        }
        await client.close()
        return status
    }

    @Test func anAuthenticatorMayTakeItsTime() async throws {
        try await withServer(Slow(scopes: [.read])) { endpoint in
            let (admitted, refused) = (await call(endpoint, key: "secret"), await call(endpoint, key: nil))
            #expect(admitted?.code == .invalidArgument)
            #expect(refused?.code == .unauthenticated)
        }
    }

    @Test func aMethodAsksForItsScope() async throws {
        try await withServer(Slow(scopes: [.write])) { endpoint in
            let status = await call(endpoint, key: "secret")
            #expect(status?.code == .permissionDenied)
            #expect(status?.message.contains("read") ?? false)
        }
    }

    @Test func aLookUpEndsWithItsCall() async throws {
        let cancelled = Cancelled()
        try await withServer(Slow(scopes: [.read], cancelled: cancelled)) { endpoint in
            let status = await call(endpoint, key: "never", timeout: .milliseconds(50))
            #expect(status?.code == .deadlineExceeded)
            while !cancelled.isSet { await Task.yield() }
        }
    }

    @Test func streamingMethodsTakeTheSameSteps() async throws {
        try await withServer(Slow(scopes: [.write])) { endpoint in
            let client = Client(endpoint: endpoint)
            func upload(_ chunks: Int, key: String) async throws -> SaveStateResponse? {
                var metadata = Metadata()
                metadata.append("authorization", key)
                let stream = try await client.stream("/" + MethodDescriptor.uploadState.fullName, metadata: metadata)
                // A call that was refused may be over by then; the messages say why.
                for _ in 0..<chunks { try? await stream.send(FramedMessage(encoding: UploadStateRequest())) }
                stream.finish()
                var response: SaveStateResponse?
                for try await message in stream.messages { response = try SaveStateResponse.decode(message, ceiling: .max) }
                return response
            }
            let response = try await upload(3, key: "secret")
            #expect(response?.flowID == "ann" && response?.version == 3)
            for (chunks, key, code) in [(0, "secret", StatusCode.invalidArgument), (1, "wrong", .unauthenticated)] {
                await #expect {
                    _ = try await upload(chunks, key: key)
                } throws: {
                    ($0 as? Status)?.code == code
                }
            }
            await client.close()
        }
    }

    /// A message is reserved for before it is decoded: what the transport has room for may be too much for both.
    @Test(arguments: [(500_000, StatusCode.ok), (2_500_000, .resourceExhausted)])
    func streamedMessagesAreCounted(bytes: Int, code: StatusCode) async throws {
        try await withServer(Slow(scopes: [.write]), memory: 4 << 20) { endpoint in
            let client = Client(endpoint: endpoint)
            var metadata = Metadata()
            metadata.append("authorization", "secret")
            let stream = try await client.stream("/" + MethodDescriptor.uploadState.fullName, metadata: metadata)
            var found = StatusCode.ok
            do {
                // The call may be over by then; the messages say why.
                try? await stream.send(FramedMessage(encoding: UploadStateRequest(part: .chunk([UInt8](repeating: 1, count: bytes)))))
                stream.finish()
                for try await _ in stream.messages {}
            } catch {
                found = (error as? Status)?.code ?? .unknown
            }
            #expect(found == code)
            await client.close()
        }
    }
}
