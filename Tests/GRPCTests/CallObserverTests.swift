import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import GRPC

/// Every call begins once and ends once, whichever way it ends.
@Suite(.timeLimit(.minutes(2))) struct CallObserverTests {
    private final class Recorder: CallObserver {
        struct State {
            var open: [UInt64: String] = [:]
            var endings: [(path: String, isRouted: Bool, ending: CallEnding)] = []
            var faults = 0
        }

        let state = Mutex(State())

        func began(_ call: ObservedCall) {
            state.withLock { state in
                if state.open.updateValue(call.path, forKey: call.id) != nil { state.faults += 1 }
            }
        }

        func ended(_ call: ObservedCall, _ ending: CallEnding) {
            state.withLock { state in
                if state.open.removeValue(forKey: call.id) == nil { state.faults += 1 }
                state.endings.append((call.path, call.isRouted, ending))
            }
        }

        func ending(of path: String) -> CallEnding? { state.withLock { $0.endings.first { $0.path == path }?.ending } }
    }

    private func withServer(
        _ change: (inout ServerConfiguration) -> Void = { _ in }, _ body: (Client, Recorder) async throws -> Void
    ) async throws {
        let recorder = Recorder()
        var configuration = ServerConfiguration()
        configuration.observer = recorder
        change(&configuration)
        let server = Server(
            router: Router(CallTests.routes), configuration: configuration, group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test"))
        let address = try #require(try await server.listen(host: "127.0.0.1", port: 0))
        let client = Client(endpoint: .tcp(host: "127.0.0.1", port: address.port ?? 0))
        let result = await Result { try await body(client, recorder) }
        await client.close()
        await server.shutdown(grace: .seconds(5))
        recorder.state.withLock { #expect($0.faults == 0 && $0.open.isEmpty, "\($0.open)") }
        try result.get()
    }

    private func call(_ client: Client, _ path: String, _ bytes: Int = 5, timeout: TimeAmount = .seconds(30)) async {
        _ = try? await client.unary(path, FramedMessage(ByteBuffer(repeating: 1, count: bytes)), timeout: timeout)
    }

    @Test func answersAndStatuses() async throws {
        try await withServer { client, recorder in
            await call(client, "/test.Echo/Unary")
            await call(client, "/test.Echo/Fail")
            let answered = try #require(recorder.ending(of: "/test.Echo/Unary"))
            #expect(answered.kind == .answered && answered.code == .ok)
            #expect(answered.requestBytes == 10 && answered.responseBytes == 5 && answered.duration > .zero)
            let failed = try #require(recorder.ending(of: "/test.Echo/Fail"))
            #expect(failed.kind == .answered && failed.code == .dataLoss && failed.responseBytes == 0)
        }
    }

    @Test func whatTheServerRefuses() async throws {
        try await withServer({ $0.messageBytes = 100 }) { client, recorder in
            await call(client, "/test.Echo/Nope")
            await call(client, "/test.Echo/Unary", 101)
            let unknown = try #require(recorder.ending(of: "/test.Echo/Nope"))
            #expect(unknown.kind == .refused && unknown.code == .unimplemented)
            let large = try #require(recorder.ending(of: "/test.Echo/Unary"))
            #expect(large.kind == .refused && large.code == .resourceExhausted)
            #expect(recorder.state.withLock { $0.endings.map(\.isRouted) } == [false, true])
        }
    }

    @Test func deadlinesCancellationsAndLostConnections() async throws {
        try await withServer { client, recorder in
            let deadline = Client(endpoint: client.endpoint)
            let task = Task { await call(deadline, "/test.Echo/Never") }
            try await eventually("the call began") { recorder.state.withLock { $0.open.count == 1 } }
            task.cancel()
            try await eventually("the cancellation was heard") { recorder.ending(of: "/test.Echo/Never")?.kind == .cancelled }
            await task.value

            let stream = try await deadline.stream("/test.Echo/Chat")
            try await stream.send(FramedMessage(ByteBuffer(string: "x")))
            try await eventually("the stream began") { recorder.state.withLock { $0.open.count == 1 } }
            await deadline.close()
            try await eventually("the loss was heard") {
                [.connectionLost, .cancelled].contains(recorder.ending(of: "/test.Echo/Chat")?.kind)
            }
        }
    }

    /// The client keeps no time: the server alone knows the deadline.
    @Test func deadlines() async throws {
        try await withServer { client, recorder in
            let ends = await CallTests.deadlines([30], client)
            #expect(ends.map(\.code) == [.deadlineExceeded])
            #expect(recorder.ending(of: "/test.Echo/Never")?.kind == .deadlineExceeded)
        }
    }

    @Test func streamsEndOnceToo() async throws {
        try await withServer { client, recorder in
            let stream = try await client.stream("/test.Echo/Sum")
            for _ in 0..<3 { try await stream.send(FramedMessage(ByteBuffer(repeating: 1, count: 7))) }
            stream.finish()
            for try await _ in stream.messages {}
            let ending = try #require(recorder.ending(of: "/test.Echo/Sum"))
            #expect(ending.kind == .answered && ending.code == .ok)
            #expect(ending.requestBytes == 36 && ending.responseBytes == 2)
        }
    }
}
