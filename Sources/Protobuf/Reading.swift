public import CProtobufC

// From protobuf-c's structs to Swift values.

extension ProtobufCBinaryData {
    /// The bytes, copied.
    public var bytes: [UInt8] { [UInt8](UnsafeBufferPointer(start: data, count: data == nil ? 0 : len)) }

    /// The text; a NUL stays in it. Throws `WireError.invalidUTF8` with the field's name.
    public func string(_ field: StaticString) throws(WireError) -> String {
        guard len > 0, let data else { return "" }
        // Half the time of String(validating:as:), which is generic and not specialised in the library.
        guard let text = try? UTF8Span(validating: UnsafeBufferPointer(start: data, count: len).span) else {
            throw .invalidUTF8(field: field.description)
        }
        return String(copying: text)
    }

    /// The texts of a repeated field.
    public static func strings(
        _ list: UnsafeMutablePointer<ProtobufCBinaryData>?, _ count: Int, _ field: StaticString
    ) throws(WireError) -> [String] {
        var result: [String] = []
        result.reserveCapacity(count)
        for element in UnsafeBufferPointer(start: list, count: count) {
            result.append(try element.string(field))
        }
        return result
    }

    /// The bytes of every element of a repeated field.
    public static func byteArrays(_ list: UnsafeMutablePointer<ProtobufCBinaryData>?, _ count: Int) -> [[UInt8]] {
        UnsafeBufferPointer(start: list, count: count).map(\.bytes)
    }
}

extension WireMessage {
    /// A submessage, nil when it is not set.
    @inlinable
    public static func optional(_ c: UnsafeMutablePointer<C>?) throws(WireError) -> Self? {
        guard let c else { return nil }
        return try Self(c.pointee)
    }

    /// A repeated submessage.
    @inlinable
    public static func array(
        _ list: UnsafeMutablePointer<UnsafeMutablePointer<C>?>?, _ count: Int
    ) throws(WireError) -> [Self] {
        var result: [Self] = []
        result.reserveCapacity(count)
        for case let element? in UnsafeBufferPointer(start: list, count: count) {
            result.append(try Self(element.pointee))
        }
        return result
    }
}
