import NIOCore

/// Request messages that wait for the server's flow-control windows (RFC 9113 §5.2), and what goes without waiting.
struct SendQueue {
    private struct Waiting {
        let stream: UInt32
        /// The message's prefix and what was written for this call; then what was encoded once, as it lies in memory.
        var head: ByteBuffer
        var body: ByteBuffer
        var window: Int

        var bytes: Int { head.readableBytes + body.readableBytes }

        /// Writes one frame, unless the stream's window is closed; its size.
        mutating func write(into output: inout ByteBuffer, limit: Int) -> Int {
            let count = min(bytes, limit, window)
            guard count > 0 else { return 0 }
            let flags = count == bytes ? FrameHeader.Flag.endStream : 0
            output.writeFrame(FrameHeader.Kind.data, flags: flags, stream: stream, length: count)
            let ofHead = min(count, head.readableBytes)
            if let slice = head.readSlice(length: ofHead) { output.writeImmutableBuffer(slice) }
            if let slice = body.readSlice(length: count - ofHead) { output.writeImmutableBuffer(slice) }
            window -= count
            return count
        }
    }

    /// What RFC 9113 says as long as the server has not said otherwise.
    private var connectionWindow = 65_535
    private var streamWindow = 65_535
    var frameBytes = 16_384
    /// The oldest first.
    private var waiting: [Waiting] = []

    /// gRPC over HTTP/2, Length-Prefixed-Message: one byte "not compressed", four of length.
    static let prefixBytes = 5

    /// Writes the message, or keeps it until `write`.
    mutating func send(_ draft: Draft, on stream: UInt32, into output: inout ByteBuffer) {
        let size = draft.fields.readableBytes + draft.body.readableBytes
        let bytes = Self.prefixBytes + size
        guard waiting.isEmpty, bytes <= frameBytes, bytes <= connectionWindow, bytes <= streamWindow else {
            var head = ByteBufferAllocator().buffer(capacity: Self.prefixBytes + draft.fields.readableBytes)
            head.writeMultipleIntegers(UInt8(0), UInt32(size))
            head.writeImmutableBuffer(draft.fields)
            waiting.append(Waiting(stream: stream, head: head, body: draft.body, window: streamWindow))
            return
        }
        connectionWindow -= bytes
        output.writeFrame(FrameHeader.Kind.data, flags: FrameHeader.Flag.endStream, stream: stream, length: bytes)
        output.writeMultipleIntegers(UInt8(0), UInt32(size))
        output.writeImmutableBuffer(draft.fields)
        output.writeImmutableBuffer(draft.body)
    }

    /// Writes what the windows allow, until `limit` bytes wait in `output`; the oldest first.
    mutating func write(into output: inout ByteBuffer, limit: Int) {
        var index = 0
        while index < waiting.count, connectionWindow > 0, output.readableBytes < limit {
            let sent = waiting[index].write(into: &output, limit: min(frameBytes, connectionWindow))
            connectionWindow -= sent
            if waiting[index].bytes == 0 {
                waiting.remove(at: index)
            } else if sent == 0 {
                index += 1
            }
        }
    }

    /// Forgets what waits for a call that is over; true when there was something.
    mutating func drop(_ stream: UInt32) -> Bool {
        guard !waiting.isEmpty, let index = waiting.firstIndex(where: { $0.stream == stream }) else { return false }
        waiting.remove(at: index)
        return true
    }

    /// WINDOW_UPDATE; stream 0 is the connection.
    mutating func open(_ stream: UInt32, by count: Int) {
        if stream == 0 {
            connectionWindow += count
        } else if let index = waiting.firstIndex(where: { $0.stream == stream }) {
            waiting[index].window += count
        }
    }

    /// SETTINGS_INITIAL_WINDOW_SIZE, which counts for open streams too (§6.9.2).
    mutating func setStreamWindow(_ size: Int) {
        for index in waiting.indices { waiting[index].window += size - streamWindow }
        streamWindow = size
    }
}
