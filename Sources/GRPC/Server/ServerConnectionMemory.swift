import NIOCore
import Resources

/// The memory that a connection's calls may take.
extension ServerConnectionHandler {
    /// For a connection whose client does not read its responses. The server still reads from it: WINDOW_UPDATE frames must arrive.
    static let slowReader = Status(
        .resourceExhausted, "this connection's reader is too slow: replies pile up unread", refusal: .overloaded)
    private static let sendsTooMuch = Status(
        .resourceExhausted, "this connection sends more at once than the server buffers; try again", refusal: .overloaded)
    /// Memory of an open call beside its message: the call, its stream, a response of up to `smallAnswerBytes`. A streaming call has a task
    /// too.
    private static let unaryCallBytes = 1 << 10
    private static let streamingCallBytes = 12 << 10
    static let smallAnswerBytes = 1 << 10

    static func openBytes(_ head: CallHead, isNew: Bool) -> Int {
        (head.kind == .unary ? unaryCallBytes : streamingCallBytes) + (isNew ? head.bytes : 0)
    }

    /// The connection's memory now, beyond that of an idle one.
    var memoryInUse: Int {
        input.heldBytes + session.memoryBytes - idleSessionBytes + session.pendingBytes + heldForSocket + bufferedBytes - handedOverBytes
            + openBytes
    }

    private var heldForSocket: Int { waitingForSocket == 0 ? 0 : waitingForSocket + largestWrite }

    /// The status that refuses another call; nil: there is room for it.
    func refusal(ofCall bytes: Int) -> Status? {
        if session.pendingBytes > configuration.outboundBytesPerConnection { return Self.slowReader }
        return memory.covers(memoryInUse + bytes) ? nil : configuration.overloaded
    }

    /// The status that refuses a call's request; nil: there is room for it.
    var refusalOfRequests: Status? {
        if bufferedBytes > configuration.bufferedBytesPerConnection { return Self.sendsTooMuch }
        return memory.covers(memoryInUse) ? nil : configuration.overloaded
    }

    /// The status that takes the place of a unary call's answer; nil: there is room for it. When no other response waits on the connection,
    /// one of any size is let through, as far as the process's memory reaches; and small ones in any case, since no more of them wait than
    /// the connection has streams.
    func refusal(ofAnswer message: FramedMessage) -> Status? {
        if message.messageBytes <= Self.smallAnswerBytes { return nil }
        return hasRoom(for: message) && memory.covers(memoryInUse + message.messageBytes) ? nil : configuration.answerOverloaded
    }

    /// The same for one of the messages of a stream.
    func refusal(ofStreamed message: FramedMessage) -> Status? {
        guard hasRoom(for: message) else { return Self.slowReader }
        if message.messageBytes <= Self.smallAnswerBytes { return nil }
        return memory.covers(memoryInUse + message.messageBytes) ? nil : configuration.answerOverloaded
    }

    private func hasRoom(for message: FramedMessage) -> Bool {
        session.pendingBytes == 0 || session.pendingBytes + message.messageBytes <= configuration.outboundBytesPerConnection
    }

    /// What a call has reserved becomes its answer's, so that no other call takes it in between; the rest is released.
    func handOver(_ account: MemoryAccount, to answer: FramedMessage) {
        if answer.messageBytes > Self.smallAnswerBytes { memory.take(memoryInUse + answer.messageBytes, from: account) }
        account.releaseAll()
    }

    /// What an account has reserved becomes the connection's, as far as that needs it; the rest is released.
    func takeOver(_ account: MemoryAccount) {
        memory.take(memoryInUse, from: account)
        account.releaseAll()
    }

    /// So many bytes of a request count in its call's own account from now on.
    func handedOver(_ bytes: Int) {
        handedOverBytes += bytes
        _ = memory.covers(memoryInUse)
    }

    /// Frees a buffer that a call no longer needs, a large one on another thread.
    func letGo(_ buffer: consuming ByteBuffer) {
        let bytes = buffer.storageCapacity
        if bytes >= Disposal.leastBytes { configuration.disposal.take(buffer, bytes: bytes) }
    }

    /// Adjusts the reservation to the memory in use.
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

/// The memory that one connection has reserved in the process's budget, for everything that is not in a call's own account: requests being
/// received, responses that wait, open streams. It reserves in steps, so that small calls do not touch the counters that event loops share.
struct ConnectionMemory {
    /// Approximate memory of an idle connection: its channel, its session and their tables.
    static let idleBytes = 16 << 10
    private static let step = 64 << 10

    private let account: MemoryAccount
    /// Bytes reserved beyond `idleBytes`.
    private(set) var reserved = 0

    /// Nil when there is no memory for another connection.
    init?(_ budget: MemoryBudget) {
        account = MemoryAccount(budget)
        guard account.reserve(Self.idleBytes) else { return nil }
    }

    /// Takes over what an account has reserved, until `bytes` are reserved here.
    mutating func take(_ bytes: Int, from other: MemoryAccount) { reserved += other.handOver(bytes - reserved, to: account) }

    /// Releases all but `bytes`. For a connection without calls, which may stay idle.
    mutating func settle(_ bytes: Int) {
        let kept = max(bytes, 0)
        guard kept < reserved else { return }
        account.release(reserved - kept)
        reserved = kept
    }

    /// Reserves `bytes` unless they are reserved already, and releases what is far beyond them.
    /// - Returns: false when there is no memory for them.
    mutating func covers(_ bytes: Int) -> Bool {
        if bytes > reserved {
            let whole = (bytes / Self.step + 1) * Self.step
            for wanted in [whole, bytes] where account.reserve(wanted - reserved) {
                reserved = wanted
                return true
            }
            return false
        }
        if reserved - bytes >= 2 * Self.step {
            let kept = (max(bytes, 0) / Self.step + 1) * Self.step
            account.release(reserved - kept)
            reserved = kept
        }
        return true
    }
}
