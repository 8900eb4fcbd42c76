/// One SQL statement. Each connection prepares it once, when it is first used there, under a name derived from `name`.
///
/// Two statements with the same `name` must have the same SQL; keep them as static constants.
package struct Statement: Sendable {
    /// At most 50 bytes: the server tells prepared statements apart by 63, and a number may follow.
    package let name: String
    package let sql: String
    /// Types of `$1`, `$2`, …, in order. The values of `Parameters` must be appended in the same types.
    package let parameterTypes: [OID]

    package init(name: String, sql: String, parameterTypes: [OID]) {
        self.name = name
        self.sql = sql
        self.parameterTypes = parameterTypes
    }
}

/// The object identifier of a PostgreSQL type. The built-in ones are fixed for ever (`src/include/catalog/pg_type.dat`).
package struct OID: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let bool = OID(rawValue: 16)
    package static let bytea = OID(rawValue: 17)
    package static let int8 = OID(rawValue: 20)
    package static let int2 = OID(rawValue: 21)
    package static let int4 = OID(rawValue: 23)
    package static let text = OID(rawValue: 25)
    package static let oid = OID(rawValue: 26)
    package static let json = OID(rawValue: 114)
    package static let float8 = OID(rawValue: 701)
    package static let varchar = OID(rawValue: 1043)
    package static let timestamptz = OID(rawValue: 1184)
    package static let uuid = OID(rawValue: 2950)
    package static let void = OID(rawValue: 2278)
    package static let xid8 = OID(rawValue: 5069)

    package static let byteaArray = OID(rawValue: 1001)
    package static let int2Array = OID(rawValue: 1005)
    package static let int4Array = OID(rawValue: 1007)
    package static let textArray = OID(rawValue: 1009)
    package static let int8Array = OID(rawValue: 1016)
    package static let float8Array = OID(rawValue: 1022)
}

/// The parameter values of one execution in PostgreSQL's binary format, kept in one contiguous buffer.
///
/// Append the values in the order of `$1`, `$2`, …; `nil` is NULL.
package struct Parameters: Sendable, Hashable {
    /// The bytes of all values, back to back.
    private(set) var bytes: [UInt8] = []
    /// Where each value ends in `bytes`; -1 stands for NULL.
    private(set) var ends: [Int] = []

    package init() {}

    /// Reserves room for values of this size in all.
    package init(reservingBytes capacity: Int) { bytes.reserveCapacity(capacity) }

    package var count: Int { ends.count }

    /// Size of all values in bytes.
    package var byteCount: Int { bytes.count }

    package mutating func append(_ value: Int64?) { appendInteger(value) }
    package mutating func append(_ value: Int32?) { appendInteger(value) }
    package mutating func append(_ value: Int16?) { appendInteger(value) }
    /// Appends a `float8`.
    package mutating func append(_ value: Double?) { appendInteger(value?.bitPattern) }
    package mutating func append(_ value: Bool?) { appendInteger(value.map { $0 ? UInt8(1) : 0 }) }

    /// Appends a `text`. PostgreSQL refuses U+0000 in a text with SQLSTATE 22021.
    package mutating func append(_ value: String?) {
        guard let value else { return appendNull() }
        bytes.append(contentsOf: value.utf8)
        ends.append(bytes.count)
    }

    /// Appends a `bytea`.
    package mutating func append(bytes value: [UInt8]?) {
        guard let value else { return appendNull() }
        bytes.append(contentsOf: value)
        ends.append(bytes.count)
    }

    /// Appends a `bytea`, or any other value already in its binary format.
    package mutating func append(bytes value: UnsafeRawBufferPointer) {
        bytes.append(contentsOf: value)
        ends.append(bytes.count)
    }

    /// Appends a `timestamptz` given in microseconds since 1970-01-01 00:00 UTC.
    package mutating func append(timestamp microsecondsSinceUnixEpoch: Int64?) {
        appendInteger(microsecondsSinceUnixEpoch.map(Timestamp.wire))
    }

    // Arrays, one element for each index below `count`; nil is NULL. Not generic over a collection: generic code in another module looks
    // its types up at run time, and copies each element.

    /// Appends a `text[]`.
    package mutating func append(texts count: Int, _ text: (Int) -> String?) {
        appendArray(count, of: .text) { buffer, index in
            guard var text = text(index) else { return false }
            text.withUTF8 { buffer.appendElement(UnsafeRawBufferPointer($0)) }
            return true
        }
    }
    /// Appends an `int8[]`.
    package mutating func append(bigints count: Int, _ integer: (Int) -> Int64?) {
        appendArray(count, of: .int8) { $0.appendElement(integer: integer($1)) }
    }
    /// Appends an `int4[]`.
    package mutating func append(integers count: Int, _ integer: (Int) -> Int32?) {
        appendArray(count, of: .int4) { $0.appendElement(integer: integer($1)) }
    }
    /// Appends an `int2[]`.
    package mutating func append(smallints count: Int, _ integer: (Int) -> Int16?) {
        appendArray(count, of: .int2) { $0.appendElement(integer: integer($1)) }
    }
    /// Appends a `float8[]`.
    package mutating func append(doubles count: Int, _ double: (Int) -> Double?) {
        appendArray(count, of: .float8) { $0.appendElement(integer: double($1)?.bitPattern) }
    }
    /// Appends a `bytea[]`.
    package mutating func append(byteStrings count: Int, _ bytes: (Int) -> [UInt8]?) {
        appendArray(count, of: .bytea) { buffer, index in
            guard let bytes = bytes(index) else { return false }
            bytes.withUnsafeBytes { buffer.appendElement($0) }
            return true
        }
    }

    /// Appends NULL of any type.
    package mutating func appendNull() { ends.append(-1) }

    private mutating func appendInteger<I: FixedWidthInteger>(_ value: I?) {
        guard let value else { return appendNull() }
        bytes.append(bigEndian: value)
        ends.append(bytes.count)
    }

    /// A one-dimensional array as `array_recv` reads it: number of dimensions, flags (0 or 1, otherwise ignored: a NULL is an element
    /// of length -1), the element type, length, lower bound 1, then length and bytes of each element. An empty array has no dimension.
    ///
    /// - Parameter appendElement: Returns false for NULL, and appends nothing then.
    private mutating func appendArray(_ count: Int, of type: OID, _ appendElement: (inout [UInt8], Int) -> Bool) {
        bytes.append(bigEndian: Int32(count == 0 ? 0 : 1))
        bytes.append(bigEndian: Int32(0))
        bytes.append(bigEndian: type.rawValue)
        if count > 0 {
            bytes.append(bigEndian: Int32(truncatingIfNeeded: count))
            bytes.append(bigEndian: Int32(1))
        }
        for index in 0..<count where !appendElement(&bytes, index) { bytes.append(bigEndian: Int32(-1)) }
        ends.append(bytes.count)
    }
}

/// `timestamptz` counts microseconds from 2000-01-01 00:00 UTC on the wire.
enum Timestamp {
    private static let postgresEpoch: Int64 = 946_684_800_000_000

    static func wire(_ unix: Int64) -> Int64 {
        let (value, overflow) = unix.subtractingReportingOverflow(postgresEpoch)
        return overflow ? .min : value
    }

    /// `infinity` and `-infinity` are the largest and the smallest number on the wire, and stay so.
    static func unix(_ wire: Int64) -> Int64 {
        if wire == .max || wire == .min { return wire }
        let (value, overflow) = wire.addingReportingOverflow(postgresEpoch)
        return overflow ? .max : value
    }
}

extension [UInt8] {
    mutating func append<I: FixedWidthInteger>(bigEndian value: I) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    fileprivate mutating func appendElement<I: FixedWidthInteger>(integer value: I?) -> Bool {
        guard let value else { return false }
        append(bigEndian: Int32(MemoryLayout<I>.size))
        append(bigEndian: value)
        return true
    }

    fileprivate mutating func appendElement(_ element: UnsafeRawBufferPointer) {
        append(bigEndian: Int32(truncatingIfNeeded: element.count))
        append(contentsOf: element)
    }
}
