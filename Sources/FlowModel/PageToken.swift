/// Where a page ended, opaque to clients: base64url of
///
///     ┌────────┬──────┬─────────────┬──────────┬──────────┬──────────┐
///     │ format │ list │ fingerprint │ number   │ text     │ checksum │
///     │ 1 byte │ 1    │ 8 bytes     │ 8 bytes  │ …        │ 4 bytes  │
///     └────────┴──────┴─────────────┴──────────┴──────────┴──────────┘
///
/// big-endian. The fingerprint is a hash of the list's key, filter and order: a token is valid only for the list that made it. The checksum
/// detects accidental damage. Forgery is harmless: a forged token shows only what its sender may list anyway.
package struct PageToken: Sendable, Equatable {
    package let text: String

    /// Checked when it is used, not here.
    package init(text: String) {
        self.text = text
    }

    /// The lists that have pages.
    package enum List: UInt8, Sendable {
        case flows = 1
        case versions = 2
        case checkpoints = 3
        case definitions = 4
        case history = 5
        case quarantine = 6
        case notifications = 7
        case cleanup = 8
        case writes = 9
        case ancestors = 10
        case versionsOfFlows = 11
    }

    /// The sort key of the last row shown; unused fields are 0 or empty.
    package struct Position: Sendable, Equatable {
        package var number: Int64
        package var text: String

        package init(number: Int64 = 0, text: String = "") {
            self.number = number
            self.text = text
        }
    }

    private static let format: UInt8 = 1
    private static let headerBytes = 18
    private static let checksumBytes = 4

    package init(list: List, fingerprint: Fingerprint, position: Position) {
        var bytes: [UInt8] = [Self.format, list.rawValue]
        bytes.append(bigEndian: fingerprint.value)
        bytes.append(bigEndian: UInt64(bitPattern: position.number))
        bytes.append(contentsOf: position.text.utf8)
        bytes.append(bigEndian: Self.checksum(bytes[...]))
        text = Base64URL.encode(bytes)
    }

    /// - Throws: `StateError.invalidArgument` for `page_token`: damaged, of another list, of another filter.
    package func position(list: List, fingerprint: Fingerprint) throws(StateError) -> Position {
        guard text.utf8.count <= 4_096, let bytes = Base64URL.decode(text),
            bytes.count >= Self.headerBytes + Self.checksumBytes
        else { throw .damagedPageToken }
        let body = bytes.dropLast(Self.checksumBytes)
        guard Self.checksum(body) == UInt32(bigEndian: bytes.suffix(Self.checksumBytes)),
            let text = String(validating: body[Self.headerBytes...], as: UTF8.self)
        else { throw .damagedPageToken }
        guard body[0] == Self.format, body[1] == list.rawValue, UInt64(bigEndian: body[2..<10]) == fingerprint.value else {
            throw .invalidArgument(
                field: "page_token",
                message: "belongs to another list; repeat the request with the same fields, or start again without it")
        }
        return Position(number: Int64(bitPattern: UInt64(bigEndian: body[10..<18])), text: text)
    }

    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var fingerprint = Fingerprint()
        for byte in bytes { fingerprint.combine(byte: byte) }
        return UInt32(truncatingIfNeeded: fingerprint.value ^ fingerprint.value >> 32)
    }
}

extension StateError {
    /// A page token that cannot be decoded.
    package static var damagedPageToken: StateError {
        .invalidArgument(field: "page_token", message: "is not a token of this server; start again without it")
    }
}
