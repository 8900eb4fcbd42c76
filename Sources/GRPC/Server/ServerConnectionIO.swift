import HTTP2
import NIOCore

/// A connection's input is handled in portions: one read may hold a thousand calls. What is left after a millisecond is handled in slices,
/// and until that is done nothing more is read from the connection.
extension ServerConnectionHandler {
    /// A read that was not handled as a whole.
    struct Input {
        var rest = ByteBuffer()
        /// Memory of the rest once it waits for slices.
        var heldBytes = 0
        /// NIO asked for the next read.
        var readWaits = false
        /// The client closed its side of the connection after the rest.
        var endWaits = false

        var isEmpty: Bool { rest.readableBytes == 0 }

        /// The next portion. The last one releases the read's buffer.
        mutating func next(_ bytes: Int) -> ByteBuffer {
            let portion = rest.readSlice(length: min(bytes, rest.readableBytes)) ?? ByteBuffer()
            if isEmpty { rest = ByteBuffer() }
            return portion
        }
    }

    /// Bytes between two looks at the clock, and of a step of a slice: some eighty, and some twenty of the smallest calls.
    private static let portionBytes = 4 << 10
    private static let stepBytes = 1 << 10

    func read(context: ChannelHandlerContext) {
        if input.isEmpty { context.read() } else { input.readWaits = true }
    }

    func take(_ bytes: ByteBuffer) {
        // NIO reads unasked what a client sent before it closed its side.
        guard input.isEmpty else {
            input.rest.writeImmutableBuffer(bytes)
            input.heldBytes = input.rest.storageCapacity
            return
        }
        input.rest = bytes
        let end = heardAt + SliceQueue<Never>.piece
        repeat {
            guard receive(input.next(Self.portionBytes)) else { return input.rest = ByteBuffer() }
        } while !input.isEmpty && (NIODeadline.now() < end || !hasRoomForRest)
        // As long as there is a rest, it holds the read's buffer in any case.
        guard input.isEmpty else { return work.addHere { self.inputStep() } }
        settleUnfinished()
        ThreadBuffer.input.putBack(bytes)
    }

    /// Whether the rest may wait. If there is no memory for it, it is handled at once.
    private var hasRoomForRest: Bool {
        input.heldBytes = input.rest.storageCapacity
        if memory.covers(memoryInUse) { return true }
        input.heldBytes = 0
        return false
    }

    private func inputStep() -> Bool {
        isReading = true
        let isAlive = receive(input.next(Self.stepBytes))
        isReading = false
        guard isAlive else {
            input = Input()
            return false
        }
        scheduleFlush()
        guard input.isEmpty else { return true }
        settleUnfinished()
        let last = input
        input = Input()
        if last.endWaits { context?.close(promise: nil) }
        if last.readWaits { context?.read() }
        return false
    }
}

/// Reads of a socket go into the thread's buffer. NIO keeps the first buffer of a connection as long as the connection is open, so that one
/// is small; for each further read it asks for a new one, because `record` says that it may be larger.
struct ReceiveAllocator: RecvByteBufferAllocator {
    private static let first = 1 << 10

    private var hasRead = false

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        hasRead ? ThreadBuffer.input.take() : allocator.buffer(capacity: Self.first)
    }

    mutating func record(actualReadBytes: Int) -> Bool {
        hasRead = true
        return true
    }

    /// Nil: NIO must not reuse a buffer, since calls may still hold slices of it.
    func nextBufferSize() -> Int? { nil }
}

/// What calls send through their connection; it is written at the end of the turn.
extension ServerConnectionHandler {
    func respond(_ id: StreamID, _ fields: [HeaderField], endStream: Bool) {
        do {
            try session.respond(id, fields, endStream: endStream)
        } catch {
            // nghttp2 refuses for lack of memory, or because the stream ended meanwhile.
            session.reset(id, .internalError)
        }
        scheduleFlush()
    }

    /// Sends a unary call's response: its message, and OK.
    func answer(_ id: StreamID, _ message: FramedMessage, _ compression: MessageCompression?) {
        do {
            let head = compression.map(ResponseFields.preparedHead) ?? ResponseFields.preparedHead
            try session.answer(id, head, message.content, trailers: ResponseFields.okTrailers)
        } catch {
            session.reset(id, .internalError)
        }
        scheduleFlush()
    }

    func reset(_ id: StreamID, _ code: HTTP2ErrorCode) {
        session.reset(id, code)
        scheduleFlush()
    }

    func send(_ id: StreamID, _ content: OutboundContent) {
        session.send(id, content)
        scheduleFlush()
    }

    /// Returns received bytes to the client's flow-control window.
    func consume(_ id: StreamID, _ bytes: Int) {
        session.consume(id, bytes)
        scheduleFlush()
    }

    func finish(_ id: StreamID, _ trailers: [HeaderField]) {
        session.finish(id, trailers: trailers)
        scheduleFlush()
    }
}

/// The header and trailer sections that gRPC responses share (PROTOCOL-HTTP2.md, Responses).
enum ResponseFields {
    static let head = [
        HeaderField(":status", "200"), HeaderField("content-type", "application/grpc"),
        HeaderField("grpc-accept-encoding", MessageCompression.accepted),
    ]
    static let preparedHead = StaticHeaders(head)

    /// Of responses that may have compressed messages.
    static func head(_ compression: MessageCompression) -> [HeaderField] { head + [HeaderField("grpc-encoding", compression.rawValue)] }

    static func preparedHead(_ compression: MessageCompression) -> StaticHeaders {
        switch compression {
        case .gzip: gzipHead
        case .deflate: deflateHead
        case .zstd: zstdHead
        }
    }

    private static let gzipHead = StaticHeaders(head(.gzip))
    private static let deflateHead = StaticHeaders(head(.deflate))
    private static let zstdHead = StaticHeaders(head(.zstd))
    static let okTrailers = StaticHeaders(Status.ok.trailers)
}
