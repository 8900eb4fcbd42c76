import NIOCore
import Resources

/// Compressed messages of a call (doc/compression.md). What takes long is done by a thread of the scheduler (`ServerConfiguration.compute`).
extension ServerCall {
    /// The event loop itself decompresses a message while neither its compressed bytes nor what is made of them are more: less than 0.1 ms.
    /// One read may bring many of them.
    private static let quickDecompression = 16 << 10
    /// The same for an answer that is to be compressed, at some 10 ns a byte.
    private static let quickCompression = 16 << 10
    /// A larger message may take up to a second to decompress: small blocks, each of which has tables of its own.
    private static let shortDecompression = 1 << 20

    /// Decompresses a message and delivers it.
    /// - Returns: false: another thread goes on with it, and what came behind it waits until it is delivered.
    func decompress(_ message: ByteBuffer) throws(Status) -> Bool {
        guard !state.isOver, let connection, let compression = head.encoding.compression else { return true }
        let configuration = connection.configuration
        let work: Decompression
        do throws(Decompression.Failure) {
            work = try Decompression(message.settled, compression, limit: messageLimit, codecs: head.codecs)
            if message.readableBytes <= Self.quickDecompression, let whole = try work.advance(2 * Self.quickDecompression) {
                decompressed(whole, wireBytes: work.compressedBytes)
                return true
            }
        } catch {
            throw error.status(overloaded: configuration.overloaded)
        }
        let account = MemoryAccount(memoryBudget)
        do throws(ComputeScheduler.Refusal) {
            let length: ComputeScheduler.Length = message.readableBytes > Self.shortDecompression ? .long : .short
            try head.compute.submit(length, caller: connectionID) {
                let result = Result { () throws(Decompression.Failure) in try work.finish(account) }
                self.work.execute { self.decompressed(result, wireBytes: work.compressedBytes, account) }
            }
        } catch {
            throw configuration.overloaded
        }
        wait(for: work)
        return false
    }

    /// What a thread of the scheduler has made of a message.
    private func decompressed(_ result: Result<ByteBuffer, Decompression.Failure>, wireBytes: Int, _ account: MemoryAccount) {
        guard !state.isOver, let connection else { return }
        streaming?.decompression = nil
        switch result {
        case .failure(let failure): end(failure.status(overloaded: connection.configuration.overloaded), .refused)
        case .success(let message):
            decompressed(message, wireBytes: wireBytes)
            guard !state.isOver else { return }
            connection.takeOver(account)
            if let refusal = connection.refusalOfRequests { return end(refusal, .refused) }
            work.add { self.cutStep() }
        }
    }

    private func decompressed(_ message: ByteBuffer, wireBytes: Int) {
        if head.kind == .unary { wasRequestCompressed = true }
        // From now on the message counts as what it has become.
        hold(message.readableBytes - wireBytes)
        deliver(message, wireBytes: wireBytes, isCompressed: true)
    }

    private func wait(for work: Decompression) {
        withStreaming {
            $0.isCutting = true
            $0.decompression = work
        }
    }

    // MARK: Answers

    /// Compresses this call's answers, those of a kilobyte and more, if its client accepts that, even if its request was not compressed. To be
    /// called before the first one.
    package func offerCompression() {
        answerCompression = .preferred(of: metadata["grpc-accept-encoding"])
    }

    /// Compresses a large answer on another thread, and answers with that; or with the message itself, if that thread has no time.
    /// - Returns: nil: that happens. Otherwise the message to answer with now.
    func compressed(_ message: FramedMessage, _ compression: MessageCompression) -> FramedMessage? {
        let codecs = head.codecs
        if message.messageBytes <= Self.quickCompression { return message.sent(compression, codecs) }
        // Until the message is freed there are both.
        let account = MemoryAccount(memoryBudget)
        guard account.reserve(message.messageBytes) else { return message }
        do throws(ComputeScheduler.Refusal) {
            try head.compute.submit(.short, caller: connectionID) {
                let compressed = message.sent(compression, codecs)
                self.work.execute {
                    account.releaseAll()
                    self.answerNow(compressed, compression)
                }
            }
            return nil
        } catch {
            return message
        }
    }

    /// The same for a message of a stream, whose method waits.
    func compressedForStream(_ message: FramedMessage, _ compression: MessageCompression) async -> FramedMessage {
        let codecs = head.codecs
        if message.messageBytes <= Self.quickCompression { return message.sent(compression, codecs) }
        let account = MemoryAccount(memoryBudget)
        guard account.reserve(message.messageBytes) else { return message }
        defer { account.releaseAll() }
        return await withCheckedContinuation { continuation in
            do throws(ComputeScheduler.Refusal) {
                try head.compute.submit(.short, caller: connectionID) {
                    continuation.resume(returning: message.sent(compression, codecs))
                }
            } catch {
                continuation.resume(returning: message)
            }
        }
    }
}
