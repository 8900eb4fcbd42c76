/// Where a watch goes on, opaque to clients:
///
///     ┌────────┬──────┬────────┬──────────┬──────┬────────┬───────────┬──────────┐
///     │ format │ kind │ system │ timeline │ time │ number │ running … │ checksum │
///     │ 1 byte │ 1    │ 8      │ 4        │ 8    │ 8      │ 8 each    │ 4        │
///     └────────┴──────┴────────┴──────────┴──────┴────────┴───────────┴──────────┘
///
/// big-endian. The checksum detects accidental damage. Forgery is harmless: a forged cursor shows only what its sender may watch anyway.
package enum WatchCursor: Sendable, Equatable {
    /// Everything up to here has been sent.
    case position(FeedPosition)
    /// The versions of the one flow up to this one have been sent. The flow is a fingerprint of its id.
    case version(FlowVersion, flow: UInt64)

    private static let format: UInt8 = 1
    private static let headerBytes = 30
    private static let checksumBytes = 4
    /// PostgreSQL has fewer sessions.
    private static let mostRunning = 1 << 14

    package var bytes: [UInt8] {
        var bytes: [UInt8] = [Self.format]
        switch self {
        case .position(let position):
            bytes.reserveCapacity(Self.headerBytes + 8 * position.running.count + Self.checksumBytes)
            bytes.append(1)
            bytes.append(bigEndian: position.history.system)
            bytes.append(bigEndian: position.history.timeline)
            bytes.append(bigEndian: UInt64(bitPattern: position.time.microseconds))
            bytes.append(bigEndian: UInt64(bitPattern: position.next))
            for id in position.running { bytes.append(bigEndian: UInt64(bitPattern: id)) }
        case .version(let version, let flow):
            bytes.append(2)
            bytes.append(bigEndian: UInt64(bitPattern: version))
            bytes.append(bigEndian: flow)
        }
        bytes.append(bigEndian: Self.checksum(bytes[...]))
        return bytes
    }

    /// - Throws: `StateError.invalidArgument` for `cursor`.
    package init(_ bytes: [UInt8]) throws(StateError) {
        let body = bytes.dropLast(Self.checksumBytes)
        guard body.count >= 10, body[0] == Self.format, Self.checksum(body) == UInt32(bigEndian: bytes.suffix(Self.checksumBytes)) else {
            throw Self.damaged
        }
        switch body[1] {
        case 1:
            guard body.count >= Self.headerBytes, (body.count - Self.headerBytes).isMultiple(of: 8),
                (body.count - Self.headerBytes) / 8 <= Self.mostRunning
            else { throw Self.damaged }
            let position = FeedPosition(
                history: FeedPosition.History(system: UInt64(bigEndian: body[2..<10]), timeline: UInt32(bigEndian: body[10..<14])),
                time: Timestamp(microseconds: Self.number(body[14...])), next: Self.number(body[22...]),
                running: stride(from: Self.headerBytes, to: body.count, by: 8).map { Self.number(body[$0...]) })
            guard (0...WireNumber.maximum).contains(position.next), position.running.allSatisfy({ (0..<position.next).contains($0) }),
                zip(position.running, position.running.dropFirst()).allSatisfy({ $0 < $1 }),
                position.time >= .earliest, position.time <= .latest
            else { throw Self.damaged }
            self = .position(position)
        case 2:
            guard body.count == 18, case let version = Self.number(body[2...]), (0...WireNumber.maximum).contains(version) else {
                throw Self.damaged
            }
            self = .version(version, flow: UInt64(bigEndian: body[10...]))
        default: throw Self.damaged
        }
    }

    static func fingerprint(of flowID: String) -> UInt64 {
        var fingerprint = Fingerprint()
        fingerprint.combine(flowID)
        return fingerprint.value
    }

    private static var damaged: StateError {
        .invalidArgument(field: "cursor", message: "is not a cursor of this server; start again without it")
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int64 { Int64(bitPattern: UInt64(bigEndian: bytes.prefix(8))) }

    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var fingerprint = Fingerprint()
        for byte in bytes { fingerprint.combine(byte: byte) }
        return UInt32(truncatingIfNeeded: fingerprint.value ^ fingerprint.value >> 32)
    }
}
