import NIOCore

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
