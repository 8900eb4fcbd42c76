import NIOCore
import Resources

/// What a connection's calls may take of memory.
extension ServerConnectionHandler {
    /// A connection whose replies pile up unread. It is still read: WINDOW_UPDATE frames must arrive.
    static let slowReader = Status(
        .resourceExhausted, "this connection's reader is too slow: replies pile up unread", refusal: .overloaded)
    private static let sendsTooMuch = Status(
        .resourceExhausted, "this connection sends more at once than the server buffers; try again", refusal: .overloaded)
    /// What an open call takes beside its message: itself, its stream, an answer of up to `smallAnswerBytes`. One that streams has a task.
    private static let unaryCallBytes = 1 << 10
    private static let streamingCallBytes = 12 << 10
    static let smallAnswerBytes = 1 << 10

    static func openBytes(_ head: CallHead, isNew: Bool) -> Int {
        (head.kind == .unary ? unaryCallBytes : streamingCallBytes) + (isNew ? head.bytes : 0)
    }

    /// What the connection takes of memory now, beyond what it takes idle.
    var memoryInUse: Int {
        input.heldBytes + session.memoryBytes - idleSessionBytes + session.pendingBytes + heldForSocket + bufferedBytes - handedOverBytes
            + openBytes
    }

    private var heldForSocket: Int { waitingForSocket == 0 ? 0 : waitingForSocket + largestWrite }

    /// What another call is answered for which there is no room.
    func refusal(ofCall bytes: Int) -> Status? {
        if session.pendingBytes > configuration.outboundBytesPerConnection { return Self.slowReader }
        return memory.covers(memoryInUse + bytes) ? nil : configuration.overloaded
    }

    /// What a call is answered whose request has no room.
    var refusalOfRequests: Status? {
        if bufferedBytes > configuration.bufferedBytesPerConnection { return Self.sendsTooMuch }
        return memory.covers(memoryInUse) ? nil : configuration.overloaded
    }

    /// What a call is answered whose answer has no room. Of what a connection's calls have waiting one answer is always let through,
    /// however large, as far as the process's memory reaches.
    func refusal(ofAnswer message: FramedMessage) -> Status? {
        let bytes = message.messageBytes
        if session.pendingBytes > 0, session.pendingBytes + bytes > configuration.outboundBytesPerConnection { return Self.slowReader }
        if bytes <= Self.smallAnswerBytes { return nil }
        return memory.covers(memoryInUse + bytes) ? nil : configuration.answerOverloaded
    }

    /// So many request bytes count in a call's account from now on.
    func handedOver(_ bytes: Int) {
        handedOverBytes += bytes
        _ = memory.covers(memoryInUse)
    }

    /// Lets go of what a call does not need any more.
    func letGo(_ buffer: consuming ByteBuffer) {
        let bytes = buffer.storageCapacity
        if bytes >= Disposal.leastBytes { configuration.disposal.take(buffer, bytes: bytes) }
    }

    /// Brings what is reserved in step with what is in use.
    func settleMemory() {
        waitingForSocket = socketBacklog
        if waitingForSocket == 0 { largestWrite = 0 }
        let bytes = memoryInUse
        if calls.count == 0, bytes < memory.reserved { memory.settle(bytes) } else { _ = memory.covers(bytes) }
    }

    /// Bytes that were written and that the socket has not taken.
    private var socketBacklog: Int {
        guard let options = context?.channel.syncOptions else { return 0 }
        return (try? options.getOption(.bufferedWritableBytes)) ?? 0
    }
}
