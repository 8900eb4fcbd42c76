import HTTP2
import NIOCore
import NIOPosix

extension HTTP2Session {
    /// Bytes written at once, before other connections get their turn: the responses of a hundred small calls, since two writes instead of
    /// one cost some percent of the throughput of loads. With the frames that exceed it (a DATA frame, and the next header section), it
    /// fits into the largest buffer that is kept; malloc would map and unmap a larger one each time, which costs more than the write.
    private static let piece = ThreadBuffer.maxCapacity - (40 << 10)

    /// Up to so many bytes are copied into a buffer of their own size, which takes less time than the write.
    private static let copied = 4 << 10

    /// Writes what is due, as far as the socket takes it; the rest follows when the socket is writable again.
    /// - Returns: the bytes written; the capacity of the buffer that holds them until the socket has taken the last one; and whether more
    ///   may be due that the socket would take, after other connections had their turn.
    func flush(to context: ChannelHandlerContext) throws(HTTP2Error) -> (bytes: Int, held: Int, hasMore: Bool) {
        guard context.channel.isWritable else { return (0, 0, false) }
        var buffer = ThreadBuffer.output.take()
        let hasMore = try takeOutput(into: &buffer, limit: Self.piece)
        let bytes = buffer.readableBytes
        // A small output does not hold a large buffer while it waits for the socket; a hundred of them may wait.
        let isSmall = 1...Self.copied ~= bytes && bytes < buffer.storageCapacity
        let written = isSmall ? context.channel.allocator.buffer(buffer: buffer) : buffer
        if bytes > 0 { context.writeAndFlush(NIOAny(written), promise: nil) }
        ThreadBuffer.output.putBack(buffer)
        return (bytes, written.storageCapacity, hasMore && context.channel.isWritable)
    }
}

/// The buffer that the connections of one event loop read into, or write from, one after the other. A read that is handled at once and a
/// write that the socket takes at once, as nearly all are, need no memory of their own, and an idle connection holds none.
///
/// `@unchecked Sendable`: `ofThisThread` makes one for each thread and returns it on that thread only.
final class ThreadBuffer: @unchecked Sendable {
    private static let inputs = ThreadSpecificVariable<ThreadBuffer>()
    private static let outputs = ThreadSpecificVariable<ThreadBuffer>()
    /// A buffer that has grown beyond this is not kept.
    static let maxCapacity = 256 << 10

    private let capacity: Int
    private var buffer = ByteBuffer()

    private init(_ capacity: Int) { self.capacity = capacity }

    /// For a read.
    static var input: ThreadBuffer { ofThisThread(inputs, 64 << 10) }
    /// For a write.
    static var output: ThreadBuffer { ofThisThread(outputs, 16 << 10) }

    private static func ofThisThread(_ variable: ThreadSpecificVariable<ThreadBuffer>, _ capacity: Int) -> ThreadBuffer {
        if let known = variable.currentValue { return known }
        let new = ThreadBuffer(capacity)
        variable.currentValue = new
        return new
    }

    /// An empty buffer. `clear` allocates a new one if the last one is still in use.
    func take() -> ByteBuffer {
        var taken = ByteBuffer()
        swap(&taken, &buffer)
        taken.clear(minimumCapacity: capacity)
        return taken
    }

    func putBack(_ buffer: ByteBuffer) {
        if buffer.capacity >= capacity, buffer.capacity <= Self.maxCapacity { self.buffer = buffer }
    }
}

extension ByteBuffer {
    /// The same bytes, copied if they would keep much more memory alive: a slice of a few bytes holds the whole buffer that was read from
    /// the socket. For bytes that are kept longer than the turn in which they arrived.
    var settled: ByteBuffer {
        guard storageCapacity > 2 * readableBytes + 1_024 else { return self }
        var copy = ByteBufferAllocator().buffer(capacity: readableBytes)
        copy.writeImmutableBuffer(self)
        return copy
    }
}
