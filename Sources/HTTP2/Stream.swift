import CNGHTTP2
import NIOCore

/// One open stream as the session keeps it: the header section being received, and what waits to be
/// sent. nghttp2 asks for content piece by piece as windows allow; `read` hands it over.
final class Stream {
    /// How our side of the stream ends, once everything queued has gone.
    enum End {
        case open
        case endStream
        case trailers([HeaderField])
        case ended
    }

    let id: StreamID
    /// The header section under way, and whether it outgrew the limit.
    var fields: [HeaderField] = []
    var fieldBytes = 0
    var fieldsTooLarge = false

    private var chunks = CircularBuffer<ByteBuffer>(initialCapacity: 2)
    private(set) var pendingBytes = 0
    private(set) var end = End.open
    /// nghttp2 was told NGHTTP2_ERR_DEFERRED and must be resumed when there is more.
    private(set) var isDeferred = false
    /// Somebody was told that the stream is blocked and waits for `.writable`.
    var reportsWritable = false

    init(id: StreamID) { self.id = id }

    func append(_ chunk: ByteBuffer) {
        guard case .open = end, chunk.readableBytes > 0 else { return }
        chunks.append(chunk)
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
        case last(Int)
        case lastThenTrailers(Int, [HeaderField])
    }

    /// Fills `target` from the queue, and says whether our side ends with it.
    func read(into target: UnsafeMutableRawBufferPointer) -> ReadResult {
        var written = 0
        while written < target.count, var chunk = chunks.popFirst() {
            let count = min(chunk.readableBytes, target.count - written)
            chunk.readWithUnsafeReadableBytes { source in
                UnsafeMutableRawBufferPointer(rebasing: target[written...]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: source[..<count]))
                return count
            }
            written += count
            if chunk.readableBytes > 0 { chunks.prepend(chunk) }
        }
        pendingBytes -= written
        guard chunks.isEmpty else { return .bytes(written) }
        switch end {
        case .open, .ended:
            if written > 0 { return .bytes(written) }
            isDeferred = true
            return .deferred
        case .endStream:
            end = .ended
            return .last(written)
        case .trailers(let fields):
            end = .ended
            return .lastThenTrailers(written, fields)
        }
    }
}
