import NIOCore

/// The methods that are called.
enum Method: Int, CaseIterable, Sendable {
    case saveState, loadState, createFlow, createCheckpoint, listFlows

    var path: String {
        let name = "\(self)"
        return "/flowstate.v1.FlowStateService/" + name.prefix(1).uppercased() + name.dropFirst()
    }
}

/// A call from when it was sent until it is answered.
struct Call: Sendable {
    let operation: Operation
    /// Which flow, page or version it is about: the script's own business.
    var subject = 0
    var number: Int64 = 0
    /// Whether the script reads the answer's message.
    var wantsMessage = false
    /// When it was due, of the monotonic clock.
    var due: Int64 = 0
}

/// The request being written: protobuf takes fields in any order, so what differs from call to call goes before a body
/// that was encoded once. One draft is used for all calls of a connection.
struct Draft {
    var method = Method.saveState
    var fields = ByteBuffer()
    var body = ByteBuffer()

    mutating func begin(_ method: Method, body: ByteBuffer = ByteBuffer()) {
        self.method = method
        self.body = body
        fields.clear()
    }
}

/// How a call ended.
struct Answer {
    let call: Call
    let result: AnswerResult
    /// Of a call that wants it, with gRPC's prefix still in front.
    private var framed: ByteBuffer?

    init(call: Call, result: AnswerResult, message: ByteBuffer? = nil) {
        (self.call, self.result, framed) = (call, result, message)
    }

    /// The message; empty when the call did not want it.
    var message: ByteBuffer {
        var message = framed ?? ByteBuffer()
        message.moveReaderIndex(forwardBy: min(CallConnection.prefixBytes, message.readableBytes))
        return message
    }
}

enum AnswerResult {
    case ok
    case refused(Refusal)
}
