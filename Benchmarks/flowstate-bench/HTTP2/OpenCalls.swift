import NIOCore

/// A call that waits for its answer.
struct OpenCall {
    /// 0: none.
    var stream: UInt32 = 0
    var call = Call(operation: .save)
    /// Content received since the server's window was opened last.
    var received = 0
    /// Whether there was content at all.
    var hasContent = false
    var message: ByteBuffer?
}

/// The calls of a connection by their streams, which count up by two: a ring with a place for each of the newest ones
/// costs less than a dictionary.
struct OpenCalls {
    private var ring = [OpenCall](repeating: OpenCall(), count: 64)
    private(set) var count = 0

    private func place(_ stream: UInt32) -> Int { Int(stream >> 1) & (ring.count - 1) }

    mutating func insert(_ stream: UInt32, _ call: Call) {
        while ring[place(stream)].stream != 0 { grow() }
        let place = place(stream)
        ring[place].stream = stream
        ring[place].call = call
        count += 1
    }

    /// A call much older than the newest one is in the way.
    private mutating func grow() {
        let before = ring
        ring = Array(repeating: OpenCall(), count: before.count * 2)
        for call in before where call.stream != 0 { ring[place(call.stream)] = call }
    }

    mutating func remove(_ stream: UInt32) -> OpenCall? {
        let place = place(stream)
        guard ring[place].stream == stream, stream != 0 else { return nil }
        defer { ring[place] = OpenCall() }
        count -= 1
        return ring[place]
    }

    /// Nil when there is no such call any more.
    mutating func update<R>(_ stream: UInt32, _ body: (inout OpenCall) -> R) -> R? {
        let place = place(stream)
        guard ring[place].stream == stream, stream != 0 else { return nil }
        return body(&ring[place])
    }

    /// Takes out all, or those of streams above `last`.
    mutating func removeAll(above last: UInt32 = 0) -> [OpenCall] {
        ring.map(\.stream).filter { $0 > last }.compactMap { remove($0) }
    }
}
