import HTTP2
import NIOCore
import Testing

@testable import FlowstateBench

/// The calls of a connection, against a server's session on the other side of a perfect wire.
@Suite struct ConnectionTests {
    /// A server that answers every call when its request is whole.
    private struct Pair {
        let server: HTTP2Session
        let client: CallConnection
        var answers: [Answer] = []
        var requests: [StreamID: (headers: [HeaderField], body: ByteBuffer)] = [:]
        /// What it answers: content, and trailers.
        var content = ByteBuffer(bytes: [0, 0, 0, 0, 2, 8, 1])
        var trailers = [HeaderField("grpc-status", "0")]

        init(_ settings: HTTP2Settings = HTTP2Settings(), tenant: String = "bench") throws {
            server = try HTTP2Session(role: .server, settings: settings)
            client = try CallConnection(authority: "localhost:7420", tenant: tenant)
        }

        /// Carries bytes to and fro, `piece` at a time, until both are silent.
        mutating func run(piece: Int = 1 << 20) throws {
            var moved = true
            while moved {
                moved = false
                try client.fillOutput(limit: 256 << 10)
                while let bytes = client.output.readSlice(length: min(piece, client.output.readableBytes)), bytes.readableBytes > 0 {
                    moved = true
                    try server.receive(bytes)
                    try serve()
                }
                client.output.clear()
                var down = ByteBuffer()
                _ = try server.takeOutput(into: &down, limit: 1 << 20)
                while let bytes = down.readSlice(length: min(piece, down.readableBytes)), bytes.readableBytes > 0 {
                    moved = true
                    try client.receive(bytes, &answers)
                }
            }
        }

        private mutating func serve() throws {
            var events: [HTTP2Event] = []
            server.forEachEvent { events.append($0) }
            for event in events {
                switch event {
                case .headers(let id, let fields, _): requests[id] = (fields, ByteBuffer())
                case .data(let id, let bytes):
                    requests[id]?.body.writeImmutableBuffer(bytes)
                    server.consume(id, bytes.readableBytes)
                case .endStream(let id):
                    try server.respond(
                        id, [HeaderField(":status", "200"), HeaderField("content-type", "application/grpc")], endStream: false)
                    server.send(id, .buffer(content))
                    server.finish(id, trailers: trailers)
                default: break
                }
            }
        }

        mutating func call(_ method: Method, subject: Int = 0, bytes: Int = 20, wantsMessage: Bool = false) throws {
            var draft = Draft()
            draft.begin(method, body: ByteBuffer(repeating: 7, count: bytes))
            draft.fields.writeInteger(UInt8(1))
            try client.start(Call(operation: .save, subject: subject, wantsMessage: wantsMessage), draft)
        }

        mutating func takeFromServer() throws {
            var down = ByteBuffer()
            _ = try server.takeOutput(into: &down, limit: 1 << 20)
            try client.receive(down, &answers)
        }

        var succeeded: [Int] {
            answers.compactMap { if case .ok = $0.result { $0.call.subject } else { nil } }
        }
    }

    @Test(arguments: ["bench", String(repeating: "long", count: 200)])
    func headersAreWhatTheServerReads(_ tenant: String) throws {
        var pair = try Pair(tenant: tenant)
        let methods = Method.allCases + Method.allCases.reversed()
        for method in methods + methods { try pair.call(method) }
        try pair.run()
        let sent = pair.requests.sorted { $0.key < $1.key }.map(\.value.headers)
        #expect(sent.count == 20)
        for (headers, method) in zip(sent, methods + methods) {
            #expect(
                headers == [
                    HeaderField(":method", "POST"), HeaderField(":scheme", "http"), HeaderField(":path", method.path),
                    HeaderField(":authority", "localhost:7420"), HeaderField("te", "trailers"),
                    HeaderField("content-type", "application/grpc"), HeaderField("user-agent", "flowstate-bench"),
                    HeaderField("flowstate-tenant", tenant), HeaderField("flowstate-actor", "flowstate-bench"),
                ])
        }
        #expect(pair.succeeded.count == 20)
    }

    @Test(arguments: [1, 7, 1 << 20])
    func requestsArriveWholeHoweverBytesAreSplit(_ piece: Int) throws {
        var pair = try Pair()
        for subject in 0..<10 { try pair.call(.saveState, subject: subject, wantsMessage: true) }
        try pair.run(piece: piece)
        #expect(pair.succeeded == Array(0..<10))
        #expect(pair.answers.allSatisfy { $0.message == ByteBuffer(bytes: [8, 1]) })
        var body = ByteBuffer(bytes: [0, 0, 0, 0, 21, 1])
        body.writeRepeatingByte(7, count: 20)
        #expect(pair.requests.values.allSatisfy { $0.body == body })
    }

    @Test func messagesLargerThanTheWindowsGetThroughBothWays() throws {
        var settings = HTTP2Settings()
        settings.streamWindow = 100_000
        settings.connectionWindow = 150_000
        var pair = try Pair(settings)
        pair.content = ByteBuffer(repeating: 0, count: 3 << 20)
        for subject in 0..<8 { try pair.call(.saveState, subject: subject, bytes: 1 << 20, wantsMessage: true) }
        try pair.run()
        #expect(pair.succeeded.sorted() == Array(0..<8))
        #expect(pair.answers.allSatisfy { $0.message.readableBytes == 3 << 20 - 5 })
        #expect(pair.requests.values.allSatisfy { $0.body.readableBytes == 1 << 20 + 6 })
    }

    @Test func refusalsOfAllKindsOfText() throws {
        var pair = try Pair()
        let texts = ["conflict", String(decoding: UInt8(0x21)...0x7E, as: UTF8.self), "é漢🙂"]
        for (subject, text) in texts.enumerated() {
            pair.trailers = [
                HeaderField("grpc-status", "10"), HeaderField("grpc-message", text), HeaderField("grpc-status-details-bin", "QUJD"),
            ]
            try pair.call(.saveState, subject: subject)
            try pair.run()
        }
        pair.trailers = [HeaderField("grpc-status", "0")]
        try pair.call(.saveState, subject: -1)
        try pair.run()
        let messages = pair.answers.map { if case .refused(let refusal) = $0.result { refusal.message } else { "" } }
        #expect(messages == texts + [""])
        #expect(pair.succeeded == [-1])
    }

    @Test func callsEndWithTheirConnection() throws {
        var pair = try Pair()
        try pair.call(.loadState, subject: 1)
        pair.client.close(Refusal("UNAVAILABLE", "lost"), &pair.answers)
        #expect(pair.answers.map(\.call.subject) == [1])
        #expect(throws: CallConnection.Failure.self) { try pair.call(.loadState) }
    }

    @Test func resetsAndGoAwaysEndCalls() throws {
        var pair = try Pair()
        for subject in 0..<2 { try pair.call(.loadState, subject: subject) }
        try pair.client.fillOutput(limit: 1 << 20)
        try pair.server.receive(pair.client.output)
        pair.server.reset(1, .refusedStream)
        try pair.takeFromServer()
        #expect(pair.answers.map(\.call.subject) == [0])
        pair.server.terminate(.noError)
        try pair.takeFromServer()
        #expect(throws: CallConnection.Failure.self) { try pair.call(.loadState) }
        #expect(pair.succeeded == [])
    }

    @Test func callsBeyondThoseThatTheServerAllowsWait() throws {
        var settings = HTTP2Settings()
        settings.maxConcurrentStreams = 3
        var pair = try Pair(settings)
        try pair.run()
        for subject in 0..<10 { try pair.call(.loadState, subject: subject) }
        try pair.run()
        #expect(pair.succeeded == Array(0..<10))
    }

    @Test func answersWithoutAStatusOrMessageAreRefused() throws {
        var pair = try Pair()
        pair.trailers = [HeaderField("x", "y")]
        try pair.call(.loadState)
        try pair.run()
        pair.trailers = [HeaderField("grpc-status", "0")]
        pair.content = ByteBuffer()
        try pair.call(.loadState)
        try pair.run()
        let reasons = pair.answers.map { if case .refused(let refusal) = $0.result { refusal.reason } else { "OK" } }
        #expect(reasons == ["NO_STATUS", "NO_MESSAGE"])
    }

    @Test func garbageIsAnError() throws {
        for bytes in [[0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 1], [0, 0, 1, 1, 5, 0, 0, 0, 1, 0xFF], [0, 0, 0, 9, 4, 0, 0, 0, 1]] as [[UInt8]] {
            let connection = try CallConnection(authority: "a", tenant: "t")
            var answers: [Answer] = []
            try connection.receive(ByteBuffer(bytes: bytes), &answers)
            try connection.fillOutput(limit: 1 << 20)
            #expect(connection.output.readableBytes > 0, "a GOAWAY says why")
            connection.output.clear()
            #expect(throws: CallConnection.Failure.self) { try connection.fillOutput(limit: 1 << 20) }
        }
    }
}
