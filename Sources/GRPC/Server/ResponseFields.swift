import HTTP2

/// The header and trailer sections that gRPC responses share (PROTOCOL-HTTP2.md, Responses).
enum ResponseFields {
    static let head = [
        HeaderField(":status", "200"), HeaderField("content-type", "application/grpc"),
        HeaderField("grpc-accept-encoding", "identity"),
    ]
    static let preparedHead = StaticHeaders(head)
    static let okTrailers = StaticHeaders(Status.ok.trailers)
}
