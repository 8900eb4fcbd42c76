/// The fields of an encoded message, by their numbers: the interop messages are few, and kept apart from the generated ones of the product. For the interop server and the interop client.
package struct WireFields {
    private enum Value {
        case number(UInt64)
        case bytes([UInt8])
    }

    /// The bytes are not a message.
    package struct Malformed: Error {}

    private var fields: [(number: UInt64, value: Value)] = []

    package init(_ bytes: some Collection<UInt8>) throws(Malformed) {
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let tag = try Self.varint(&rest)
            switch tag & 7 {
            case 0: fields.append((tag >> 3, .number(try Self.varint(&rest))))
            case 2:
                let length = try Self.varint(&rest)
                guard length <= UInt64(rest.count) else { throw Malformed() }
                fields.append((tag >> 3, .bytes(Array(rest.prefix(Int(length))))))
                rest = rest.dropFirst(Int(length))
            default: throw Malformed()
            }
        }
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) throws(Malformed) -> UInt64 {
        var (value, shift) = (UInt64(0), UInt64(0))
        while let byte = rest.popFirst(), shift < 64 {
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw Malformed()
    }

    /// An `int32`; 0 where there is none.
    package func int32(_ number: UInt64) -> Int {
        for case (number, .number(let value)) in fields.reversed() { return Int(Int32(truncatingIfNeeded: value)) }
        return 0
    }

    package func bytes(_ number: UInt64) -> [UInt8]? {
        for case (number, .bytes(let value)) in fields.reversed() { return value }
        return nil
    }

    package func message(_ number: UInt64) throws(Malformed) -> WireFields? {
        guard let bytes = bytes(number) else { return nil }
        return try WireFields(bytes)
    }

    package func messages(_ number: UInt64) throws(Malformed) -> [WireFields] {
        var found: [WireFields] = []
        for case (number, .bytes(let value)) in fields { found.append(try WireFields(value)) }
        return found
    }

    /// `BoolValue`, of which it matters whether it is there.
    package func bool(_ number: UInt64) throws(Malformed) -> Bool? { try message(number).map { $0.int32(1) != 0 } }
}

/// Encodes a message.
package struct WireBytes {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func add(_ number: UInt64, _ value: Int) {
        varint(number << 3)
        varint(UInt64(truncatingIfNeeded: value))
    }

    package mutating func add(_ number: UInt64, _ value: [UInt8]) {
        varint(number << 3 | 2)
        varint(UInt64(value.count))
        bytes += value
    }

    private mutating func varint(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            bytes.append(UInt8(value & 0x7F) | 0x80)
            value >>= 7
        }
        bytes.append(UInt8(value))
    }
}
