import NIOCore

// Just enough of protobuf's wire format to write a few fields and to find one again, without message types.

/// A field's number and wire type (protobuf's encoding guide).
enum FieldTag {
    static func varint(_ number: UInt64) -> UInt64 { number << 3 }
    static func bytes(_ number: UInt64) -> UInt64 { number << 3 | 2 }
}

extension ByteBuffer {
    mutating func writeVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        writeInteger(UInt8(truncatingIfNeeded: rest))
    }

    mutating func writeField(_ number: UInt64, varint value: Int64) {
        writeVarint(FieldTag.varint(number))
        writeVarint(UInt64(bitPattern: value))
    }

    mutating func writeField(_ number: UInt64, text: String) {
        writeVarint(FieldTag.bytes(number))
        writeVarint(UInt64(text.utf8.count))
        writeString(text)
    }

    /// A text that ends in a decimal number, such as a flow's id.
    mutating func writeField(_ number: UInt64, prefix: [UInt8], index: Int) {
        var digits = 1
        var rest = index / 10
        while rest > 0 {
            digits += 1
            rest /= 10
        }
        writeVarint(FieldTag.bytes(number))
        writeVarint(UInt64(prefix.count + digits))
        writeBytes(prefix)
        writeWithUnsafeMutableBytes(minimumWritableBytes: digits) { room in
            var rest = index
            for place in stride(from: digits - 1, through: 0, by: -1) {
                room[place] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            }
            return digits
        }
    }

    // MARK: Finding

    mutating func readVarint() -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let byte = readInteger(as: UInt8.self) else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }

    /// The first number in a field of this message; 0, protobuf's default, when there is none.
    func varint(field: UInt64) -> Int64 {
        var rest = self
        while let tag = rest.readVarint() {
            if tag == FieldTag.varint(field) { return rest.readVarint().map { Int64(bitPattern: $0) } ?? 0 }
            guard rest.skipValue(tag) else { break }
        }
        return 0
    }

    /// The first value of a bytes, text or message field; nil when there is none.
    func slice(field: UInt64) -> ByteBuffer? {
        var rest = self
        return rest.readSlice(field: field)
    }

    /// The next value of a repeated field; fields before it are skipped.
    mutating func readSlice(field: UInt64) -> ByteBuffer? {
        while let tag = readVarint() {
            if tag == FieldTag.bytes(field) {
                return readVarint().flatMap { Int(exactly: $0) }.flatMap { readSlice(length: $0) }
            }
            guard skipValue(tag) else { break }
        }
        return nil
    }

    /// False when the value is incomplete.
    private mutating func skipValue(_ tag: UInt64) -> Bool {
        let length: UInt64?
        switch tag & 7 {
        case 0: return readVarint() != nil
        case 1: length = 8
        case 2: length = readVarint()
        case 5: length = 4
        default: return false
        }
        guard let length, length <= readableBytes else { return false }
        moveReaderIndex(forwardBy: Int(length))
        return true
    }
}
