/// Where a page ended, opaque to clients: base64url of
///
///     ┌─────────┬──────┬─────────────┬──────────────────────────────────────┬──────────┐
///     │ format  │ list │ fingerprint │ values: tag 1 + int64 │ 2 + length + UTF-8 │ checksum │
///     │ 1 byte  │ 1    │ 8 bytes     │ …                                    │ 4 bytes  │
///     └─────────┴──────┴─────────────┴──────────────────────────────────────┴──────────┘
///
/// big-endian. The fingerprint is a hash of the list's key, filter and order: a token is good for the list that made it only. The
/// checksum finds accidents, not forgers; a forged token shows nothing that its sender could not list anyway.
public struct PageToken: Sendable, Equatable {
    public let text: String

    /// Checked when it is used, not here.
    public init(text: String) {
        self.text = text
    }

    /// The lists that have pages.
    public enum List: UInt8, Sendable {
        case flows = 1
        case versions = 2
        case checkpoints = 3
    }

    public enum Value: Sendable, Equatable {
        case integer(Int64)
        case text(String)
    }

    private static let format: UInt8 = 1

    public init(list: List, fingerprint: Fingerprint, values: [Value]) {
        var bytes: [UInt8] = [Self.format, list.rawValue]
        bytes.append(bigEndian: fingerprint.value)
        for value in values {
            switch value {
            case .integer(let integer):
                bytes.append(1)
                bytes.append(bigEndian: UInt64(bitPattern: integer))
            case .text(let text):
                bytes.append(2)
                bytes.append(bigEndian: UInt64(text.utf8.count))
                bytes.append(contentsOf: text.utf8)
            }
        }
        bytes.append(bigEndian: Self.checksum(bytes[...]))
        text = Base64URL.encode(bytes)
    }

    /// - Throws: `StateError.invalidArgument` for `page_token`: damaged, of another list, of another filter.
    public func values(list: List, fingerprint: Fingerprint) throws(StateError) -> [Value] {
        guard text.utf8.count <= 4_096, let bytes = Base64URL.decode(text), bytes.count >= 14 else { throw Self.damaged }
        let body = bytes[..<(bytes.count - 4)]
        guard Self.checksum(body) == UInt32(bigEndian: bytes[(bytes.count - 4)...]) else { throw Self.damaged }
        guard body[0] == Self.format, body[1] == list.rawValue, UInt64(bigEndian: body[2..<10]) == fingerprint.value else {
            throw .invalidArgument(
                field: "page_token", message: "belongs to another list: repeat the request with the same filter and order, or without token")
        }
        guard let values = Self.values(in: body[10...]) else { throw Self.damaged }
        return values
    }

    private static var damaged: StateError {
        .invalidArgument(field: "page_token", message: "is not a token of this server; start again without it")
    }

    private static func values(in bytes: ArraySlice<UInt8>) -> [Value]? {
        var rest = bytes
        var values: [Value] = []
        while let tag = rest.popFirst() {
            guard rest.count >= 8 else { return nil }
            let number = UInt64(bigEndian: rest.prefix(8))
            rest = rest.dropFirst(8)
            switch tag {
            case 1: values.append(.integer(Int64(bitPattern: number)))
            case 2:
                guard number <= UInt64(rest.count), let text = String(validating: rest.prefix(Int(number)), as: UTF8.self) else { return nil }
                values.append(.text(text))
                rest = rest.dropFirst(Int(number))
            default: return nil
            }
        }
        return values
    }

    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var fingerprint = Fingerprint()
        for byte in bytes { fingerprint.combine(byte: byte) }
        return UInt32(truncatingIfNeeded: fingerprint.value ^ fingerprint.value >> 32)
    }
}

extension [UInt8] {
    fileprivate mutating func append<Integer: FixedWidthInteger>(bigEndian value: Integer) {
        for shift in stride(from: Integer.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> Integer(shift)))
        }
    }
}

extension FixedWidthInteger {
    fileprivate init(bigEndian bytes: some Sequence<UInt8>) {
        self = bytes.reduce(0) { $0 << 8 | Self($1) }
    }
}
