import NIOCore

@testable import HTTP2

/// A client's and a server's session with a perfect wire between them.
final class SessionPair {
    let client: HTTP2Session
    let server: HTTP2Session
    private(set) var clientEvents: [HTTP2Event] = []
    private(set) var serverEvents: [HTTP2Event] = []
    /// Every byte that the client sent, for tests that replay it.
    private(set) var clientBytes = ByteBuffer()

    init(
        server settings: HTTP2Settings = HTTP2Settings(), client clientSettings: HTTP2Settings = HTTP2Settings(),
        leastLargeBytes: Int = .max, letGo: @escaping (consuming ByteBuffer) -> Void = { _ in }
    ) throws {
        client = try HTTP2Session(role: .client, settings: clientSettings)
        server = try HTTP2Session(role: .server, settings: settings, leastLargeBytes: leastLargeBytes, letGo: letGo)
        try run()
        _ = (takeClientEvents(), takeServerEvents())
    }

    /// Carries bytes to and fro until both are silent, from the server in portions of about `limit` bytes.
    func run(limit: Int = 1 << 20) throws {
        var moved = true
        while moved {
            moved = false
            var up = ByteBuffer()
            while try client.takeOutput(into: &up, limit: 1 << 20) {}
            if up.readableBytes > 0 {
                moved = true
                clientBytes.writeImmutableBuffer(up)
                try server.receive(up)
            }
            var down = ByteBuffer()
            while try server.takeOutput(into: &down, limit: limit) {}
            if down.readableBytes > 0 {
                moved = true
                try client.receive(down)
            }
            clientEvents += client.takeEvents()
            serverEvents += server.takeEvents()
        }
    }

    func takeClientEvents() -> [HTTP2Event] {
        defer { clientEvents = [] }
        return clientEvents
    }

    func takeServerEvents() -> [HTTP2Event] {
        defer { serverEvents = [] }
        return serverEvents
    }
}

let requestFields = [
    HeaderField(":method", "POST"), HeaderField(":scheme", "http"), HeaderField(":path", "/a/b"),
    HeaderField(":authority", "test"), HeaderField("content-type", "application/grpc"),
]

extension HTTP2Session {
    func send(_ id: StreamID, _ content: ByteBuffer) { send(id, .buffer(content)) }

    /// What happened since the last time.
    func takeEvents() -> [HTTP2Event] {
        var events: [HTTP2Event] = []
        forEachEvent { events.append($0) }
        return events
    }
}

extension [HTTP2Event] {
    /// The content of a stream, put together.
    func content(_ id: StreamID) -> ByteBuffer {
        reduce(into: ByteBuffer()) { if case .data(id, let bytes) = $1 { $0.writeImmutableBuffer(bytes) } }
    }
}
