import CProtobufC

extension WireMessage {
    /// The text of a field, found in the encoding without decoding it, for instance to know early what a large message is about.
    ///
    /// If the field occurs several times the last one counts, as in decoding. The look-up takes time for each top-level field, not for
    /// their bytes, and gives up after `maximumFields`.
    ///
    /// - Parameter name: A field of type string or bytes, as named in the proto file.
    /// - Returns: nil when the field is absent, is not UTF-8, or was not found. Only decoding shows whether the bytes are a message.
    public static func text(of name: String, in bytes: UnsafeRawBufferPointer) -> String? {
        guard let field = protobuf_c_message_descriptor_get_field_by_name(descriptor, name) else { return nil }
        var reader = FieldReader(bytes: bytes)
        var found: Range<Int>?
        for _ in 0..<FieldReader.maximumFields {
            guard let next = reader.next() else { break }
            if next.number == field.pointee.id, let content = next.content { found = content }
        }
        return found.flatMap { String(validating: UnsafeRawBufferPointer(rebasing: bytes[$0]), as: UTF8.self) }
    }
}

/// Iterates over the top-level fields of an encoded message (protobuf.dev, "Encoding"). Ends at bytes that are not a field.
private struct FieldReader {
    static let maximumFields = 1_000

    let bytes: UnsafeRawBufferPointer
    private var place = 0

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The number of the next field and, if it is length-delimited, where its content lies.
    mutating func next() -> (number: UInt32, content: Range<Int>?)? {
        guard let tag = varint(), let number = UInt32(exactly: tag >> 3) else { return nil }
        switch tag & 7 {
        case 0: return varint() == nil ? nil : (number, nil)
        case 1: return skip(8) == nil ? nil : (number, nil)
        case 2:
            guard let length = varint(), let count = Int(exactly: length), let content = skip(count) else { return nil }
            return (number, content)
        case 5: return skip(4) == nil ? nil : (number, nil)
        default: return nil
        }
    }

    private mutating func skip(_ count: Int) -> Range<Int>? {
        guard count <= bytes.count - place else { return nil }
        defer { place += count }
        return place..<place + count
    }

    private mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 7) {
            guard place < bytes.count else { return nil }
            let byte = bytes[place]
            place += 1
            value |= UInt64(byte & 0x7F) << UInt64(shift)
            if byte < 0x80 { return value }
        }
        return nil
    }
}

/// How a length-delimited field of a message begins: with its tag and the length of its content (protobuf.dev, "Encoding"). For a message
/// that is put together of parts which are encoded already.
public struct FieldStart: Sendable {
    private let tag: UInt64

    /// - Parameter name: A field of type string, bytes or message, as named in the proto file; nil when there is none.
    public init?<Message: WireMessage>(_ name: String, of message: Message.Type) {
        guard let field = protobuf_c_message_descriptor_get_field_by_name(message.descriptor, name) else { return nil }
        tag = UInt64(field.pointee.id) << 3 | 2
    }

    /// Bytes of the start, for content of this length.
    public func size(_ length: Int) -> Int { Self.size(of: tag) + Self.size(of: UInt64(length)) }

    /// Writes the start to the beginning of `buffer`, which must have room for it.
    /// - Returns: its bytes.
    public func write(_ length: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        var place = 0
        Self.write(tag, into: buffer, at: &place)
        Self.write(UInt64(length), into: buffer, at: &place)
        return place
    }

    private static func write(_ varint: UInt64, into buffer: UnsafeMutableRawBufferPointer, at place: inout Int) {
        var rest = varint
        while rest >= 0x80 {
            buffer[place] = UInt8(truncatingIfNeeded: rest) | 0x80
            rest >>= 7
            place += 1
        }
        buffer[place] = UInt8(rest)
        place += 1
    }

    private static func size(of varint: UInt64) -> Int { max((64 - varint.leadingZeroBitCount + 6) / 7, 1) }
}
