import CXXHash

/// XXH3-128 of bytes that arrive in pieces. Belongs to one thread at a time.
final class RunningDigest {
    /// Owned: freed in `deinit` and nowhere else.
    private let state: OpaquePointer

    /// nil when out of memory.
    init?() {
        guard let state = XXH3_createState() else { return nil }
        self.state = state
        // It cannot fail for a valid state.
        XXH3_128bits_reset(state)
    }

    deinit { XXH3_freeState(state) }

    func update(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { XXH3_128bits_update(state, $0.baseAddress, $0.count) }
    }

    /// The digest of all bytes so far: 16 bytes, most significant first.
    var value: [UInt8] { Self.canonical(XXH3_128bits_digest(state)) }

    static func of(_ bytes: [UInt8]) -> [UInt8] {
        canonical(bytes.withUnsafeBytes { XXH3_128bits($0.baseAddress, $0.count) })
    }

    private static func canonical(_ hash: XXH128_hash_t) -> [UInt8] {
        var canonical = XXH128_canonical_t()
        XXH128_canonicalFromHash(&canonical, hash)
        return withUnsafeBytes(of: canonical) { Array($0) }
    }
}
