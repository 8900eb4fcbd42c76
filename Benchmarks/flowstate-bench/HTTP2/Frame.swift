import NIOCore

/// A frame's header (RFC 9113 §4.1): length, type, flags, stream.
struct FrameHeader {
    static let bytes = 9

    enum Kind {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let reset: UInt8 = 3
        static let settings: UInt8 = 4
        static let pushPromise: UInt8 = 5
        static let ping: UInt8 = 6
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
        static let continuation: UInt8 = 9
    }

    enum Flag {
        /// END_STREAM of DATA and HEADERS, ACK of SETTINGS and PING.
        static let endStream: UInt8 = 0x1
        static let acknowledged: UInt8 = 0x1
        static let endHeaders: UInt8 = 0x4
        static let padded: UInt8 = 0x8
        static let priority: UInt8 = 0x20
    }

    let length: Int
    let kind: UInt8
    let flags: UInt8
    let stream: UInt32

    /// Nil while it is not all there.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.bytes else { return nil }
        let first = UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
        length = Int(first >> 8)
        kind = UInt8(truncatingIfNeeded: first)
        flags = bytes[4]
        stream = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 5, as: UInt32.self)) & 0x7FFF_FFFF
    }

    func has(_ flag: UInt8) -> Bool { flags & flag != 0 }
}

extension ByteBuffer {
    mutating func writeFrame(_ kind: UInt8, flags: UInt8 = 0, stream: UInt32, length: Int) {
        writeMultipleIntegers(UInt32(length) << 8 | UInt32(kind), flags, stream)
    }

    mutating func writeWindowUpdate(stream: UInt32, by count: Int) {
        writeFrame(FrameHeader.Kind.windowUpdate, stream: stream, length: 4)
        writeInteger(UInt32(count))
    }
}

/// What of SETTINGS (RFC 9113 §6.5.2) matters here.
enum SettingsEntry {
    static let headerTableSize: UInt16 = 1
    static let enablePush: UInt16 = 2
    static let maxConcurrentStreams: UInt16 = 3
    static let initialWindowSize: UInt16 = 4
    static let maxFrameSize: UInt16 = 5
}
