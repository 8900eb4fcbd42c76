import Compression
import HTTP2
import NIOCore

/// One call of a client, on its connection's event loop only. Calls `onMessage` for each message, and `onEnd` exactly once.
final class ClientCall {
    /// What the calls of a client share.
    struct Settings: Sendable {
        /// The largest response message.
        let messageBytes: Int
        /// Of the requests. Only then are compressed responses asked for: a server then compresses them, if it does, for a reason.
        let compression: MessageCompression?
        let codecs: CodecPool
    }

    let path: String
    let metadata: Metadata
    let timeout: TimeAmount?
    private var silence: SilenceWatch?
    let settings: Settings
    private(set) var id: StreamID = 0

    private var deframer: MessageDeframer
    private let consumesAtOnce: Bool
    private var onMessage: (ByteBuffer, _ credit: Int, _ isCompressed: Bool) -> Void
    /// Gets the server's initial metadata, before the first message.
    var onMetadata: (Metadata) -> Void = { _ in }
    private var onEnd: ((Result<Metadata, Status>) -> Void)?
    private var timer: Scheduled<Void>?
    private var silenceTimer: Scheduled<Void>?
    private var httpStatus = ""
    private var credit = ReceiveCredit()
    private weak var connection: ClientConnectionHandler?

    /// - Parameters:
    ///   - silence: the call fails when nothing of it arrives for so long.
    ///   - consumesAtOnce: the receiver takes each message as it comes; otherwise it calls `taken` itself.
    init(
        path: String, metadata: Metadata, timeout: TimeAmount?, silence: TimeAmount? = nil, settings: Settings, consumesAtOnce: Bool,
        onMessage: @escaping (ByteBuffer, _ credit: Int, _ isCompressed: Bool) -> Void,
        onEnd: @escaping (Result<Metadata, Status>) -> Void
    ) {
        self.path = path
        self.metadata = metadata
        self.timeout = timeout
        self.silence = silence.map { SilenceWatch($0, now: .now()) }
        self.consumesAtOnce = consumesAtOnce
        self.onMessage = onMessage
        self.onEnd = onEnd
        self.settings = settings
        deframer = MessageDeframer(limit: settings.messageBytes)
    }

    var isOver: Bool { onEnd == nil }

    func started(_ id: StreamID, on connection: ClientConnectionHandler, eventLoop: any EventLoop) {
        self.id = id
        self.connection = connection
        let eventLoop = eventLoop.assumeIsolated()
        if silence != nil { watchSilence(on: eventLoop) }
        guard let timeout else { return }
        timer = eventLoop.scheduleTask(in: timeout) { [weak self] in
            guard let self, !isOver else { return }
            let connection = self.connection
            self.abandon(Status(.deadlineExceeded, "no answer within the deadline"))
            connection?.callTimedOut()
        }
    }

    private func watchSilence(on eventLoop: NIOIsolatedEventLoop) {
        guard let due = silence?.due else { return }
        silenceTimer = eventLoop.scheduleTask(deadline: due) { [weak self] in
            guard let self, !isOver else { return }
            if self.silence?.isOver(now: .now(), isUnread: self.credit.unreturned > 0) ?? false {
                return self.abandon(Status(.unavailable, "nothing has arrived for too long; try again"))
            }
            self.watchSilence(on: eventLoop)
        }
    }

    /// Ends the call here, and resets its stream.
    func abandon(_ status: Status) {
        guard !isOver else { return }
        connection?.reset(id)
        end(.failure(status))
    }

    /// Returns bytes to the server's flow-control window, never more than arrived.
    private func consume(_ bytes: Int) {
        let bytes = credit.returning(bytes)
        if bytes > 0 { connection?.consume(id, bytes) }
    }

    /// The receiver took a message.
    func taken(_ bytes: Int) {
        credit.taken()
        consume(bytes + credit.partial(buffered: deframer.bufferedBytes))
    }

    func received(_ fields: [HeaderField], endStream: Bool) {
        let metadata = Metadata(received: fields)
        httpStatus = metadata[":status"] ?? ""
        if endStream { return receivedTrailers(metadata) }
        let isGRPC = metadata["content-type"]?.hasPrefix("application/grpc") ?? false
        if httpStatus != "200" || !isGRPC { return abandon(Status(httpStatus: httpStatus)) }
        onMetadata(metadata)
        // Nothing precedes the header section.
        if let encoding = metadata["grpc-encoding"] {
            deframer = MessageDeframer(limit: settings.messageBytes, encoding: MessageEncoding(encoding))
        }
    }

    func received(_ bytes: ByteBuffer) {
        silence?.heard(now: .now())
        credit.received(bytes.readableBytes)
        guard !isOver else { return consume(credit.unreturned) }
        deframer.append(bytes)
        do {
            while let (message, wireBytes, isCompressed) = try next() {
                let bytes = credit.completed(wireBytes: wireBytes + MessageDeframer.prefixBytes)
                if consumesAtOnce { taken(bytes) }
                onMessage(message, bytes, isCompressed)
            }
        } catch {
            return abandon(error)
        }
        consume(credit.partial(buffered: deframer.bufferedBytes))
    }

    /// The next message, and how many bytes it had on the wire. It is decompressed here: the client's event loop serves only its own calls.
    private func next() throws(Status) -> (message: ByteBuffer, wireBytes: Int, isCompressed: Bool)? {
        let compression = deframer.isNextCompressed ? deframer.encoding.compression : nil
        let message: ByteBuffer
        do throws(MessageDeframer.Failure) {
            guard let whole = try deframer.next() else { return nil }
            message = whole
        } catch {
            // The server's fault, not the caller's (doc/compression.md).
            if case .compressed(.unknown(let name)) = error {
                throw Status(.internal, "the answer has the encoding \(name.shortened(toBytes: 64)), which this client does not have")
            }
            throw error.status
        }
        guard let compression else { return (message, message.readableBytes, false) }
        do throws(Decompression.Failure) {
            let work = try Decompression(message, compression, limit: settings.messageBytes, codecs: settings.codecs)
            return (try work.finish(), message.readableBytes, true)
        } catch {
            throw error.status(overloaded: Status(.resourceExhausted, "there is no memory to decompress the answer"))
        }
    }

    func receivedTrailers(_ trailers: Metadata) {
        guard let status = Status(trailers: trailers) else { return abandon(Status(httpStatus: httpStatus)) }
        if status.code == .ok, deframer.bufferedBytes > 0 {
            return end(.failure(Status(.internal, "the answer ended \(deframer.bufferedBytes) bytes into a message")))
        }
        end(status.code == .ok ? .success(trailers) : .failure(status))
    }

    /// The stream was closed; a call that had no status yet gets one (PROTOCOL-HTTP2.md, Errors).
    func closed(_ code: HTTP2ErrorCode) {
        let status: Status =
            switch code {
            case .refusedStream: Status(.unavailable, "the server refused the call before it began; try again")
            case .cancel: Status(.cancelled, "the server cancelled the call")
            case .enhanceYourCalm: Status(.resourceExhausted, "the server asks for fewer calls")
            case .noError: Status(.unavailable, "the connection ended before the answer; try again")
            default: Status(.internal, "the stream failed with HTTP/2 error \(code.rawValue)")
            }
        end(.failure(status))
    }

    func end(_ result: Result<Metadata, Status>) {
        timer?.cancel()
        silenceTimer?.cancel()
        (timer, silenceTimer) = (nil, nil)
        let handler = onEnd
        onEnd = nil
        (onMessage, onMetadata) = ({ _, _, _ in }, { _ in })
        consume(credit.unreturned)
        handler?(result)
    }
}
