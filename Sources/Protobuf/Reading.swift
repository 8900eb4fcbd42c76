public import CProtobufC

// From protobuf-c's structs to Swift values.

extension ProtobufCBinaryData {
    /// The bytes, copied.
    public var bytes: [UInt8] { [UInt8](UnsafeBufferPointer(start: data, count: data == nil ? 0 : len)) }

    /// The text; a NUL stays in it. Throws `WireError.invalidUTF8` with the field's name.
    public func string(_ field: StaticString) throws(WireError) -> String {
        guard len > 0, let data else { return "" }
        guard let text = String(validating: UnsafeBufferPointer(start: data, count: len), as: UTF8.self) else {
            throw .invalidUTF8(field: field.description)
        }
        return text
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
    public static func optional(_ c: UnsafeMutablePointer<C>?) throws(WireError) -> Self? {
        guard let c else { return nil }
        return try Self(c.pointee)
    }

    /// A repeated submessage.
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

/// The entry message behind a `map<string, string>`.
public protocol WireMapEntry: WireMessage {
    var key: String { get }
    var value: String { get }
    init(key: String, value: String)
}

extension WireMapEntry {
    /// A map; of a key that is there twice the last one counts, as the protobuf specification says.
    public static func dictionary(
        _ list: UnsafeMutablePointer<UnsafeMutablePointer<C>?>?, _ count: Int
    ) throws(WireError) -> [String: String] {
        guard count > 0 else { return [:] }
        var result: [String: String] = [:]
        for case let element? in UnsafeBufferPointer(start: list, count: count) {
            let entry = try Self(element.pointee)
            result[entry.key] = entry.value
        }
        return result
    }

    /// A map's entries in the order of their keys, so that equal maps have equal encodings.
    public static func entries(_ map: [String: String]) -> [Self] {
        guard !map.isEmpty else { return [] }
        return map.sorted { $0.key < $1.key }.map { Self(key: $0.key, value: $0.value) }
    }
}

/// The message behind `google.protobuf.Duration`.
public protocol WireDuration: WireMessage {
    var seconds: Int64 { get }
    var nanos: Int32 { get }
    init(seconds: Int64, nanos: Int32)
}

extension WireDuration {
    /// The same length of time; whether it is within protobuf's range is the caller's to judge.
    public var duration: Duration { .seconds(seconds) + .nanoseconds(nanos) }

    /// The same length of time, cut to the nanosecond; its parts have the same sign, as protobuf asks.
    public init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self.init(seconds: seconds, nanos: Int32(attoseconds / 1_000_000_000))
    }
}
