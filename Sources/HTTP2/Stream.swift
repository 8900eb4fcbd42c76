import CNGHTTP2
import NIOCore

/// An open stream's queue of content to be sent. nghttp2 asks for content piece by piece as windows allow; `read` provides it.
final class Stream {
    /// How our side of the stream ends, once everything queued is sent.
    enum End {
        case open
        case endStream
        case trailers([HeaderField])
        case preparedTrailers(StaticHeaders)
        case ended
    }

    let id: StreamID

    /// The next piece to send; empty when nothing waits.
    private var chunk = ByteBuffer()
    /// The pieces behind it, in a stream of messages.
    private var more: CircularBuffer<ByteBuffer>?
    private(set) var pendingBytes = 0
    /// Bytes sent so far.
    private(set) var sentBytes = 0
    private(set) var end = End.open
    /// The last read returned NGHTTP2_ERR_DEFERRED: nghttp2 must be resumed when there is more.
    private(set) var isDeferred = false
    /// The owner has seen that the stream is blocked and waits for `.writable`.
    var reportsWritable = false

    init(id: StreamID) { self.id = id }

    func append(_ chunk: ByteBuffer) {
        guard case .open = end, chunk.readableBytes > 0 else { return }
        if pendingBytes == 0 {
            self.chunk = chunk
        } else {
            if more == nil { more = CircularBuffer(initialCapacity: 4) }
            more?.append(chunk)
        }
        pendingBytes += chunk.readableBytes
    }

    func finish(_ newEnd: End) {
        if case .open = end { end = newEnd }
    }

    /// True once: the caller then resumes the stream.
    func takeDeferred() -> Bool {
        defer { isDeferred = false }
        return isDeferred
    }

    enum ReadResult {
        case bytes(Int)
        case deferred
        /// The last bytes, and the trailer section that follows them.
        case last(Int, End)
    }

    /// Removes the next waiting piece, or what is left of it; nil when there is none.
    func popChunk() -> ByteBuffer? {
        guard pendingBytes > 0 else { return nil }
        var popped = more?.popFirst() ?? ByteBuffer()
        swap(&popped, &chunk)
        pendingBytes -= popped.readableBytes
        return popped
    }

    /// Fills `target` from the queue, and returns whether our side ends with it.
    /// - Parameter spent: Takes each piece that was read completely.
    func read(into target: UnsafeMutableRawBufferPointer, spent: (consuming ByteBuffer) -> Void) -> ReadResult {
        var written = 0
        while pendingBytes > 0, written < target.count {
            let count = min(chunk.readableBytes, target.count - written)
            chunk.readWithUnsafeReadableBytes { source in
                UnsafeMutableRawBufferPointer(rebasing: target[written...]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: source[..<count]))
                return count
            }
            written += count
            pendingBytes -= count
            sentBytes += count
            if chunk.readableBytes == 0 {
                var last = more?.popFirst() ?? ByteBuffer()
                swap(&last, &chunk)
                spent(last)
            }
        }
        guard pendingBytes == 0 else { return .bytes(written) }
        switch end {
        case .open, .ended:
            if written > 0 { return .bytes(written) }
            isDeferred = true
            return .deferred
        case .endStream, .trailers, .preparedTrailers:
            defer { end = .ended }
            return .last(written, end)
        }
    }
}
