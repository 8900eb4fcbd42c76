import CXXHash

/// XXH3 hashes (xxHash specification): fast, stable across machines and releases, not meant to withstand forgery.
package enum XXH3 {
    /// XXH3-128 in its canonical form: 16 bytes, most significant first.
    package static func digest(_ bytes: UnsafeRawBufferPointer) -> [UInt8] { canonical(XXH3_128bits(bytes.baseAddress, bytes.count)) }

    package static func digest(_ bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes { digest($0) } }

    /// XXH3-64.
    package static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 { XXH3_64bits(bytes.baseAddress, bytes.count) }

    fileprivate static func canonical(_ hash: XXH128_hash_t) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 16) { buffer, count in
            for index in 0..<8 {
                let shift = UInt64(56 - 8 * index)
                buffer[index] = UInt8(truncatingIfNeeded: hash.high64 >> shift)
                buffer[index + 8] = UInt8(truncatingIfNeeded: hash.low64 >> shift)
            }
            count = 16
        }
    }
}

/// XXH3-128 of bytes that arrive in pieces. Belongs to one thread at a time.
package final class RunningDigest {
    /// Owned: freed in `deinit` and nowhere else.
    private let state: OpaquePointer

    /// nil when out of memory.
    package init?() {
        guard let state = XXH3_createState() else { return nil }
        self.state = state
        // It cannot fail for a valid state.
        XXH3_128bits_reset(state)
    }

    deinit { XXH3_freeState(state) }

    package func update(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { XXH3_128bits_update(state, $0.baseAddress, $0.count) }
    }

    /// The digest of all bytes so far: 16 bytes, most significant first.
    package var value: [UInt8] { XXH3.canonical(XXH3_128bits_digest(state)) }
}
