import CXXHash
import FlowModel

/// XXH3 hashes (xxHash specification): fast, stable across machines and releases, not meant to withstand forgery.
enum Digest {
    /// XXH3-128 in its canonical form: 16 bytes, most significant first (`XXH128_canonicalFromHash`).
    static func xxh3(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        let hash = XXH3_128bits(bytes.baseAddress, bytes.count)
        return [UInt8](unsafeUninitializedCapacity: 16) { buffer, count in
            for index in 0..<8 {
                let shift = UInt64(56 - 8 * index)
                buffer[index] = UInt8(truncatingIfNeeded: hash.high64 >> shift)
                buffer[index + 8] = UInt8(truncatingIfNeeded: hash.low64 >> shift)
            }
            count = 16
        }
    }

    static func xxh3(_ bytes: [UInt8]) -> [UInt8] {
        bytes.withUnsafeBytes { xxh3($0) }
    }

    /// The shard of a flow, which selects its writer. No name contains NUL, so ("a", "bc") and ("ab", "c") stay apart.
    static func shard(of key: FlowKey) -> UInt64 { shard(of: key.tenant, key.flowID) }

    /// The shard of any other named object of a tenant.
    static func shard(of tenant: String, _ name: String) -> UInt64 {
        var text = tenant
        text.append("\0")
        text.append(name)
        return text.withUTF8 { XXH3_64bits($0.baseAddress, $0.count) }
    }
}

/// The content of a request as one sequence of bytes, for the idempotency record: two requests have the same digest when they ask for the
/// same thing. Every field is preceded by its presence and its length.
struct RequestContent {
    private var bytes: [UInt8] = []

    /// - Parameter operation: tells commands with equal fields apart.
    init(operation: String) {
        bytes.reserveCapacity(256)
        append(operation)
    }

    mutating func append(_ value: String?) { append(value.map { Array($0.utf8) }) }

    mutating func append(_ value: [UInt8]?) {
        guard let value else { return bytes.append(0) }
        bytes.append(1)
        append(word: UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    mutating func append(_ value: Int64?) {
        guard let value else { return bytes.append(0) }
        bytes.append(1)
        append(word: UInt64(bitPattern: value))
    }

    mutating func append(_ value: Precondition) {
        switch value {
        // Both append: a client that starts to send `any_version` asks for the same thing.
        case .none, .anyVersion: append(nil as Int64?)
        case .expected(let version): append(version)
        }
    }

    var digest: [UInt8] { Digest.xxh3(bytes) }

    private mutating func append(word: UInt64) {
        withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
