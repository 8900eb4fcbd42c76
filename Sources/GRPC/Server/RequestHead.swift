import Compression
import HTTP2
import NIOCore
import Resources

/// A request's header section, checked (PROTOCOL-HTTP2.md, Requests).
enum RequestHead {
    case call(path: String, timeout: TimeAmount?, MessageEncoding, Metadata)
    /// Not gRPC: answered with an HTTP response.
    case notGRPC(HTTPErrorResponse)
    /// gRPC, but refused with a status.
    case refused(Status, path: String)

    init(_ fields: [HeaderField]) {
        var method = "", path: String?, type: String?, timeoutText: String?, encoding: String?
        for field in fields {
            // Lengths tell nearly all names apart, and take less time to compare.
            switch field.name.utf8.count {
            case 5 where field.name == ":path": path = field.value
            case 7 where field.name == ":method": method = field.value
            // The first field of a name counts, as everywhere in metadata.
            case 12 where field.name == "content-type": type = type ?? field.value
            case 12 where field.name == "grpc-timeout": timeoutText = timeoutText ?? field.value
            case 13 where field.name == "grpc-encoding": encoding = encoding ?? field.value
            default: break
            }
        }
        guard method == "POST" else {
            self = .notGRPC(HTTPErrorResponse(status: "405", "gRPC calls are POST requests", [HeaderField("allow", "POST")]))
            return
        }
        guard let type, Self.isGRPC(type) else {
            self = .notGRPC(
                HTTPErrorResponse(status: "415", "gRPC calls have the content-type application/grpc or application/grpc+proto"))
            return
        }
        var timeout: TimeAmount?
        if let timeoutText {
            guard let parsed = Timeout.parse(timeoutText) else {
                self = .refused(
                    Status(.invalidArgument, "grpc-timeout must be up to eight digits and one of H M S m u n"), path: path ?? "")
                return
            }
            timeout = parsed
        }
        self = .call(path: path ?? "", timeout: timeout, MessageEncoding(encoding), Metadata(received: fields))
    }

    /// For a header section that is too large, of which these fields were read.
    init(tooLarge fields: [HeaderField], limit: Int) {
        if fields.contains(where: { $0.name == "content-type" && Self.isGRPC($0.value) }) {
            let path = fields.first { $0.name == ":path" }?.value
            self = .refused(
                Status(
                    .resourceExhausted, "the request's metadata is larger than the \(limit) bytes that the server accepts; send less",
                    refusal: .tooLarge(size: fields.reduce(0) { $0 + $1.size }, limit: limit)),
                path: path ?? "")
        } else {
            self = .notGRPC(HTTPErrorResponse(status: "431", "the header section is larger than the server accepts"))
        }
    }

    private static func isGRPC(_ type: String) -> Bool {
        if type == "application/grpc" { return true }
        let essence = type.prefix { $0 != ";" && $0 != " " }.lowercased()
        return essence == "application/grpc" || essence == "application/grpc+proto"
    }
}

/// The HTTP response to a request that is not a gRPC call.
struct HTTPErrorResponse: Equatable {
    let status: String
    let message: String
    var extra: [HeaderField] = []

    init(status: String, _ message: String, _ extra: [HeaderField] = []) {
        self.status = status
        self.message = message
        self.extra = extra
    }

    var fields: [HeaderField] {
        [HeaderField(":status", status), HeaderField("content-type", "text/plain; charset=utf-8")] + extra
    }

    /// The response to an HTTP/1.x client, after which the connection is closed.
    static let http1 = """
        HTTP/1.1 505 HTTP Version Not Supported\r
        content-type: text/plain; charset=utf-8\r
        content-length: \(http1Body.utf8.count)\r
        connection: close\r
        \r
        \(http1Body)
        """
    private static let http1Body = "This port speaks gRPC: HTTP/2 with prior knowledge\n"
}

/// A request's header section, resolved to a method, a timeout and metadata. Calls with the same section share one: clients send nearly the
/// same section again and again, and the session then returns the same array.
final class CallHead: Sendable {
    let path: String
    let metadata: Metadata
    let handler: MethodHandler
    let kind: MethodKind
    /// Of the messages that the client sends.
    let encoding: MessageEncoding
    /// Of the messages that it gets: the same compression, if it accepts that ("the same as the request's", doc/compression.md).
    let answerCompression: MessageCompression?
    /// How long the caller waits. Nil: a stream without a deadline.
    let timeout: TimeAmount?
    /// Whether the client sent this timeout. A default one is coarse: the tick checks it, without a timer.
    let isTimeoutExact: Bool
    /// Approximate memory of the section.
    let bytes: Int
    /// The status of a call for whose response there is no memory.
    let overloaded: Status
    /// The sliced work of the connection's event loop.
    let work: SlicedWork
    /// For compressed messages.
    let compute: ComputeScheduler
    let codecs: CodecPool

    init(
        path: String, timeout: TimeAmount?, encoding: MessageEncoding = .none, metadata: Metadata, handler: MethodHandler,
        configuration: ServerConfiguration, work: SlicedWork
    ) {
        self.path = path
        self.metadata = metadata
        self.encoding = encoding
        // Only a client that compresses itself makes the server read its `grpc-accept-encoding`, which stock clients send with each call.
        answerCompression = encoding.compression.flatMap { $0.isAccepted(by: metadata["grpc-accept-encoding"]) ? $0 : nil }
        self.handler = handler
        self.work = work
        overloaded = configuration.answerOverloaded
        (compute, codecs) = (configuration.compute, configuration.codecs)
        kind = handler.kind
        self.timeout =
            kind == .unary ? min(timeout ?? configuration.defaultTimeout, configuration.maximumTimeout) : timeout
        isTimeoutExact = timeout != nil
        bytes = metadata.fields.reduce(0) { $0 + $1.size }
    }
}

extension Metadata {
    /// Whether `array` has the same storage as these fields. An array that is held here is never written in place, so the same address
    /// means the same content.
    func isBacked(by array: [HeaderField]) -> Bool {
        guard fields.count == array.count, !array.isEmpty else { return false }
        return fields.withUnsafeBufferPointer { mine in array.withUnsafeBufferPointer { mine.baseAddress == $0.baseAddress } }
    }
}
