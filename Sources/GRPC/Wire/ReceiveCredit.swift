/// The receiving half of a call, of servers and clients alike: decides when received bytes are returned to the sender's flow-control window (RFC 9113 §5.2). Pure.
///
/// The bytes of a whole message are returned when it is taken. The bytes of a message still arriving are returned at once, or one larger
/// than the window would never arrive; but only while no whole message waits to be taken, or a sender of messages that straddle frames
/// would get ahead of its reader without bound.
struct ReceiveCredit {
    /// Whole messages that were not taken yet.
    private(set) var waiting = 0
    private var ahead = 0
    /// Bytes that were received and not returned yet.
    private(set) var unreturned = 0

    mutating func received(_ bytes: Int) { unreturned += bytes }

    /// - Returns: how many of `bytes` to return to the window: never more than arrived.
    mutating func returning(_ bytes: Int) -> Int {
        let bytes = max(0, min(bytes, unreturned))
        unreturned -= bytes
        return bytes
    }

    /// A message is complete: the bytes to return once it is taken.
    mutating func completed(wireBytes: Int) -> Int {
        defer { ahead = 0 }
        waiting += 1
        return wireBytes - ahead
    }

    /// A message was taken.
    mutating func taken() { waiting -= 1 }

    /// The bytes to return now, of `buffered` that wait for the rest of their message.
    mutating func partial(buffered: Int) -> Int {
        guard waiting == 0 else { return 0 }
        defer { ahead = buffered }
        return buffered - ahead
    }
}
