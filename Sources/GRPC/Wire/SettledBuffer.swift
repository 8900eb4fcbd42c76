import NIOCore

extension ByteBuffer {
    /// The same bytes, in memory of their own where they would keep much more alive: a slice of a few bytes holds all that was read
    /// from the socket with them. For what is kept longer than the turn in which it came.
    var settled: ByteBuffer {
        guard storageCapacity > 2 * readableBytes + 1_024 else { return self }
        var copy = ByteBufferAllocator().buffer(capacity: readableBytes)
        copy.writeImmutableBuffer(self)
        return copy
    }
}
