import NIOCore

/// What a connection's client sends is taken in portions: one read may hold a thousand calls. What is left after a millisecond goes in
/// slices, and until then nothing more is read of this connection.
extension ServerConnectionHandler {
    /// A read that was not taken whole.
    struct Input {
        var rest = ByteBuffer()
        /// What the rest takes of memory once it waits for slices.
        var heldBytes = 0
        /// NIO asked for the next read.
        var readWaits = false
        /// The client has closed its side behind the rest.
        var endWaits = false

        var isEmpty: Bool { rest.readableBytes == 0 }

        /// The next portion. With the last one the read's memory is let go of.
        mutating func next(_ bytes: Int) -> ByteBuffer {
            let portion = rest.readSlice(length: min(bytes, rest.readableBytes)) ?? ByteBuffer()
            if isEmpty { rest = ByteBuffer() }
            return portion
        }
    }

    /// The clock is looked at after so many bytes, and a step of a slice takes so many: some eighty, and some twenty of the smallest calls.
    private static let portionBytes = 4 << 10
    private static let stepBytes = 1 << 10

    func read(context: ChannelHandlerContext) {
        if input.isEmpty { context.read() } else { input.readWaits = true }
    }

    func take(_ bytes: ByteBuffer) {
        // NIO reads on by itself what a client sent before it closed its side.
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
        if input.isEmpty { ThreadBuffer.input.putBack(bytes) } else { work.addHere { self.inputStep() } }
    }

    /// Whether the rest may wait. Where no memory is left for it, it is taken at once.
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
        let last = input
        input = Input()
        if last.endWaits { context?.close(promise: nil) }
        if last.readWaits { context?.read() }
        return false
    }
}
