import NIOCore

/// The methods that the benchmark calls.
enum Method: Int, CaseIterable, Sendable {
    case saveState, loadState, createFlow, createCheckpoint, listFlows

    var path: String {
        let name = "\(self)"
        return "/flowstate.v1.FlowStateService/" + name.prefix(1).uppercased() + name.dropFirst()
    }
}

/// A call in flight.
struct Call: Sendable {
    let operation: Operation
    /// The flow, page or version that it is about; only the call generator uses it.
    var subject = 0
    var number: Int64 = 0
    /// Whether the call generator reads the answer's message.
    var wantsMessage = false
    /// When it was due, by the monotonic clock.
    var due: Int64 = 0
}

/// The request being written. protobuf takes fields in any order, so the fields that differ from call to call precede a body that was
/// encoded once. One draft is used for all calls of a connection.
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
    /// The message of a call that wants it, still with gRPC's prefix.
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
