import NIOCore
import Protobuf

// Inlinable, like what they call (`WireMessage`), so that they are specialised for each message in the module of the methods.
extension FramedMessage {
    /// Encodes a message straight into the buffer that is sent.
    @inlinable
    package init(encoding message: some WireMessage) {
        self = message.withPacker { packer in
            FramedMessage(size: packer.size) { packer.pack(into: $0) }
        }
    }
}

extension WireMessage {
    /// Decodes what a call received.
    /// - Parameter ceiling: bytes of memory that decoding may take.
    @inlinable
    package static func decode(_ message: ByteBuffer, ceiling: Int) throws(WireError) -> Self {
        var result: Result<Self, WireError> = .failure(.malformed)
        message.withUnsafeReadableBytes { bytes in
            result = Result { () throws(WireError) in try decode(bytes, ceiling: ceiling) }
        }
        return try result.get()
    }
}

extension Status {
    /// A request that cannot be decoded.
    package init(_ error: WireError, type: String) {
        switch error {
        case .malformed:
            self.init(.invalidArgument, "the request is not a \(type) message: its bytes are not valid protobuf")
        case .invalidUTF8(let field):
            self.init(.invalidArgument, "\(field) is not valid UTF-8")
        case .invalidDuration(let field):
            self.init(
                .invalidArgument,
                "\(field) is not a duration: seconds (±315,576,000,000) and nanos (±999,999,999) must be in range and have the same sign"
            )
        case .tooMuchMemory(let limit):
            self.init(.resourceExhausted, "decoding the \(type) takes more than \(limit) bytes of memory; send less")
        }
    }
}
