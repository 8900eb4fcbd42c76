import GRPC
import InteropMessages
import NIOCore

/// A request of `grpc.testing.TestService`, encoded.
struct Request {
    private var message = WireBytes()

    var framed: FramedMessage { FramedMessage(ByteBuffer(bytes: message.bytes)) }

    /// `Empty`.
    init() {}

    /// `SimpleRequest`.
    init(reply: Int, payload: Int, compressed: Bool? = nil, expectsCompressed: Bool? = nil) {
        message.add(2, reply)
        message.add(3, Self.payload(payload))
        if let compressed { message.add(6, Self.bool(compressed)) }
        if let expectsCompressed { message.add(8, Self.bool(expectsCompressed)) }
    }

    /// `StreamingInputCallRequest`.
    init(input payload: Int) { message.add(1, Self.payload(payload)) }

    /// `StreamingOutputCallRequest`.
    init(output sizes: [Int], payload: Int? = nil, compressed: [Bool] = []) {
        for (place, size) in sizes.enumerated() {
            var parameters = WireBytes()
            parameters.add(1, size)
            if place < compressed.count { parameters.add(3, Self.bool(compressed[place])) }
            message.add(2, parameters.bytes)
        }
        if let payload { message.add(3, Self.payload(payload)) }
    }

    /// `SimpleRequest` or `StreamingOutputCallRequest`: both have the wanted status under 7.
    init(status code: Int, _ text: String) {
        var status = WireBytes()
        status.add(1, code)
        status.add(2, Array(text.utf8))
        message.add(7, status.bytes)
    }

    private static func payload(_ size: Int) -> [UInt8] {
        var payload = WireBytes()
        payload.add(2, [UInt8](repeating: 0, count: size))
        return payload.bytes
    }

    /// `BoolValue`.
    private static func bool(_ value: Bool) -> [UInt8] {
        var message = WireBytes()
        message.add(1, value ? 1 : 0)
        return message.bytes
    }
}
