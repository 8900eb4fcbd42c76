import NIOCore

/// A call's input: cuts the bytes that the client sends into messages for the method. Runs on the call's event loop.
extension ServerCall {
    func received(_ bytes: ByteBuffer) {
        eventLoop.assertInEventLoop()
        credit.received(bytes.readableBytes)
        observation?.requestBytes += bytes.readableBytes
        guard !state.isOver else { return consume(credit.unreturned) }
        hold(bytes.readableBytes)
        do {
            try cut(bytes)
        } catch {
            return end(error, .refused)
        }
        guard !state.isOver, let connection else { return }
        consume(partialCredit)
        streaming?.lastActive = connection.heardAt
        if let refusal = connection.refusalOfRequests { end(refusal, .refused) }
    }

    /// Called when no more of the request arrives in this turn.
    func settle() {
        unaryRequest = unaryRequest?.settled
        deframer?.settle()
    }

    /// One read may bring thousands of small messages: so many are delivered at once, the rest in slices, so many a step.
    private static let messagesAtOnce = 64
    private static let messagesAStep = 8
    /// When so many messages wait for the method, further bytes are kept uncut: a message takes more memory than its bytes.
    private static let waitingMessages = 1_024

    /// Cuts the kept bytes, and these behind them, into messages.
    private func cut(_ bytes: ByteBuffer) throws(Status) {
        if let streaming, streaming.isCutting || credit.waiting >= Self.waitingMessages {
            if !streaming.isCutting { (streaming.isCutting, streaming.isPaused) = (true, true) }
            return streaming.uncut.append(bytes.settled)
        }
        if deframer == nil, let message = MessageDeframer.only(in: bytes, limit: messageLimit) {
            return deliver(message, wireBytes: message.readableBytes)
        }
        guard try deliver(from: joined(bytes), atMost: Self.messagesAtOnce), let streaming else { return }
        streaming.isCutting = true
        work.add { self.cutStep() }
    }

    /// The kept bytes, and these behind them.
    private func joined(_ bytes: ByteBuffer) -> MessageDeframer {
        var deframer = deframer ?? MessageDeframer(limit: messageLimit, encoding: head.encoding)
        // A single owner, so that `append` does not copy the kept bytes.
        self.deframer = nil
        deframer.append(bytes)
        return deframer
    }

    /// - Returns: whether there are more steps.
    func cutStep() -> Bool {
        guard let streaming, !state.isOver else { return false }
        streaming.isPaused = credit.waiting >= Self.waitingMessages
        if streaming.isPaused {
            settle()
            return false
        }
        do {
            if let deframer {
                self.deframer = nil
                if try deliver(from: deframer, atMost: Self.messagesAStep) { return true }
            }
            if !state.isOver, streaming.decompression == nil, let bytes = streaming.uncut.popFirst() {
                deframer = joined(bytes)
                return true
            }
        } catch {
            end(error, .refused)
        }
        guard !state.isOver, streaming.decompression == nil else { return false }
        streaming.isCutting = false
        settle()
        consume(partialCredit)
        if streaming.endWaits { receivedEnd() }
        return false
    }

    /// Delivers whole messages, and keeps the rest.
    /// - Returns: whether it stopped at `limit`. If it stopped at a message that takes long to decompress, that goes on by itself.
    private func deliver(from deframer: consuming MessageDeframer, atMost limit: Int) throws(Status) -> Bool {
        var (count, isWhole) = (0, true)
        while count < limit, isWhole {
            let isCompressed = deframer.isNextCompressed
            guard let message = try next(&deframer) else { break }
            if isCompressed {
                isWhole = try decompress(message)
                count += Self.messagesAStep
            } else {
                deliver(message, wireBytes: message.readableBytes)
                count += 1
            }
        }
        guard !state.isOver, deframer.bufferedBytes > 0 else { return false }
        self.deframer = deframer
        return isWhole && count >= limit
    }

    private func next(_ deframer: inout MessageDeframer) throws(Status) -> ByteBuffer? {
        do throws(MessageDeframer.Failure) {
            return try deframer.next()
        } catch {
            throw error.status
        }
    }

    /// Bytes kept of a message that is not complete yet.
    private var partialBytes: Int { deframer?.bufferedBytes ?? 0 }

    /// The bytes of an incomplete message to return to the window; 0 as long as there may be whole messages among the kept bytes.
    private var partialCredit: Int { streaming?.isCutting == true ? 0 : credit.partial(buffered: partialBytes) }

    /// - Parameters:
    ///   - wireBytes: the size of the message as it came.
    ///   - isCompressed: whether it came compressed.
    func deliver(_ message: ByteBuffer, wireBytes: Int, isCompressed: Bool = false) {
        let bytes = credit.completed(wireBytes: wireBytes + MessageDeframer.prefixBytes)
        switch state.receivedMessage() {
        case .drop: taken(message, bytes)
        case .fail(let status): end(status, .refused)
        case .deliver:
            if head.kind != .unary, let streaming {
                hold(Self.queuedMessageBytes)
                streaming.yield(message.settled, credit: bytes, isCompressed: isCompressed)
            } else {
                // It stays in memory, and so held, until the call is answered.
                unaryRequest = message
                credit.taken()
                consume(bytes)
            }
        }
    }

    /// Memory of a stream's message beside its bytes while it waits for the method: its buffer and its place in the queue.
    private static let queuedMessageBytes = 128

    func takenFromStream(_ message: ByteBuffer, _ bytes: Int) {
        guard !state.isOver else { return }
        hold(-Self.queuedMessageBytes)
        taken(message, bytes)
    }

    /// The method took a message.
    private func taken(_ message: ByteBuffer, _ bytes: Int) {
        guard !state.isOver else { return }
        credit.taken()
        hold(-(message.readableBytes + MessageDeframer.prefixBytes))
        consume(bytes + partialCredit)
        guard let streaming, streaming.isPaused, credit.waiting <= Self.waitingMessages / 2 else { return }
        streaming.isPaused = false
        work.add { self.cutStep() }
    }

    func hold(_ bytes: Int) {
        held += bytes
        connection?.bufferedBytes += bytes
    }

    func receivedEnd() {
        if let streaming, streaming.isCutting { return streaming.endWaits = true }
        switch state.receivedEnd(incompleteBytes: partialBytes) {
        case .drop: break
        case .fail(let status): end(status, .refused)
        case .deliverEnd: streaming?.finishRequests()
        case .invokeUnary:
            guard case .unary(let method) = head.handler, let request = unaryRequest else { return }
            unaryRequest = nil
            guard handOver(request) else { return end(memoryStatus, .refused) }
            method(request, self)
        }
    }

    /// The method may keep a large request for longer than the call lasts, so the call's own account counts it.
    private func handOver(_ request: ByteBuffer) -> Bool {
        guard request.readableBytes > Self.largeRequestBytes, let connection else { return true }
        handedOver = held
        connection.handedOver(held)
        return memory.reserve(held)
    }

    private static let largeRequestBytes = 64 << 10

    /// Whether the client still owes what `requestTimeout` is for: the whole request of a method that takes one message, the first message
    /// of any other.
    var isRequestMissing: Bool {
        switch state.inbound {
        case .ended: false
        case .open(let messages): messages == 0 || !state.kind.streamsRequests
        }
    }
}
