/// The four kinds of methods.
package enum MethodKind: Sendable, Equatable {
    case unary, clientStreaming, serverStreaming, bidirectional

    var streamsRequests: Bool { self == .clientStreaming || self == .bidirectional }
}

/// The state of one call on the server. Pure: it decides, `ServerCall` acts.
///
///     inbound:   open ──end of stream──▶ ended
///     outbound:  idle ──first message──▶ streaming ──status──▶ ended
///                idle ──status (trailers-only)───────────────▶ ended
///
/// The call is over when outbound has ended or the stream was closed; everything later is dropped. Invalid events are of three kinds: the
/// server's own (a second status: dropped, the first one counts), the client's (a second message to a unary method: answered with a
/// status), and races (a message after a reset: dropped).
struct CallState {
    enum Inbound: Equatable { case open(messages: Int), ended }
    enum Outbound: Equatable { case idle, streaming, ended }

    enum ReceiveAction: Equatable { case deliver, drop, fail(Status) }
    enum EndAction: Equatable { case invokeUnary, deliverEnd, drop, fail(Status) }
    enum SendAction: Equatable { case headersThenMessage, message, drop }
    enum FinishAction: Equatable { case trailersOnly, trailers, drop }
    enum DeadlineAction: Equatable { case end, reset, none }

    let kind: MethodKind
    private(set) var inbound = Inbound.open(messages: 0)
    private(set) var outbound = Outbound.idle

    init(kind: MethodKind) { self.kind = kind }

    var isOver: Bool { outbound == .ended }
    private var isAnswerOld = false

    /// For each tick that comes after the call's deadline. A call that is not over ends. One that is over still has a stream because its client
    /// does not read the answer, which would stay in memory: the stream is reset, but not before the second tick, since the answer may have
    /// been made in the same turn of the event loop and not have been sent yet.
    mutating func tickAfterDeadline() -> DeadlineAction {
        guard isOver else { return .end }
        defer { isAnswerOld = true }
        return isAnswerOld ? .reset : .none
    }

    mutating func receivedMessage() -> ReceiveAction {
        guard !isOver, case .open(let messages) = inbound else { return .drop }
        inbound = .open(messages: messages + 1)
        if messages > 0, !kind.streamsRequests {
            return .fail(Status(.unimplemented, "this method takes one message, and a second one came"))
        }
        return .deliver
    }

    /// - Parameter incompleteBytes: bytes received of a message that is not complete.
    mutating func receivedEnd(incompleteBytes: Int) -> EndAction {
        guard !isOver, case .open(let messages) = inbound else { return .drop }
        inbound = .ended
        if incompleteBytes > 0 {
            return .fail(Status(.internal, "the request ended \(incompleteBytes) bytes into a message"))
        }
        if kind.streamsRequests { return .deliverEnd }
        if messages == 0 {
            return .fail(Status(.unimplemented, "this method takes one message, and none came"))
        }
        return kind == .unary ? .invokeUnary : .deliverEnd
    }

    mutating func send() -> SendAction {
        switch outbound {
        case .idle:
            outbound = .streaming
            return .headersThenMessage
        case .streaming: return .message
        case .ended: return .drop
        }
    }

    mutating func finish() -> FinishAction {
        defer { outbound = .ended }
        switch outbound {
        case .idle: return .trailersOnly
        case .streaming: return .trailers
        case .ended: return .drop
        }
    }

    /// The stream was closed. Returns true when that ended the call before it had a status.
    mutating func closed() -> Bool {
        defer {
            outbound = .ended
            inbound = .ended
        }
        return !isOver
    }
}
