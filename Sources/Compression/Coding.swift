/// The codings of byte sequences that HTTP and gRPC name in header fields.
package enum Coding: UInt8, Sendable, CaseIterable {
    /// RFC 1952.
    case gzip
    /// What HTTP calls `deflate`: the zlib format (RFC 1950), not bare DEFLATE (RFC 9110 §8.4.1.2).
    case deflate
    /// RFC 8878.
    case zstd
}

/// Why bytes cannot be decoded.
package enum CodingError: Error, Equatable {
    case noMemory
    /// They are not what the coding makes; with what was noticed.
    case damaged(String)
}

/// What a decoder did in one step.
package struct DecodingStep: Equatable {
    /// Bytes of the input that it took, and bytes of the output that it made.
    package var taken: Int
    package var made: Int
    /// The end of the coded bytes was reached; what follows them was not taken.
    package var isDone: Bool
}

/// The encoders and decoders that are not in use, of all threads: each has memory that takes longer to set up than a small message takes to
/// decode. Thread-safe.
package final class CodecPool: Sendable {
    /// Of encoders and of decoders, each: as many as are usually in use at once. An encoder of gzip has 260 KB, one of zstd up to 1 MB.
    private static let idleAtMost = 4
    /// A decoder that has grown beyond this is freed: zstd's has a window of the size that its frame names.
    private static let keptBytes = 1 << 20

    private let decoders = Pool<ByteDecoder>()
    private let encoders = Pool<ByteEncoder>()

    package init() {}

    /// - Throws: `CodingError.noMemory`.
    package func decoder(_ coding: Coding) throws(CodingError) -> ByteDecoder {
        if let idle = decoders.take({ $0.coding == coding }) { return idle }
        return try ByteDecoder(coding)
    }

    /// Takes back a decoder that the caller no longer uses.
    package func putBack(_ decoder: ByteDecoder) {
        if decoder.memoryBytes <= Self.keptBytes, decoder.reset() { decoders.putBack(decoder, atMost: Self.idleAtMost) }
    }

    /// Lends an encoder; nil when there is no memory for one.
    package func withEncoder<R>(_ coding: Coding, _ body: (ByteEncoder) -> R) -> R? {
        guard let encoder = encoders.take({ $0.coding == coding }) ?? ByteEncoder(coding) else { return nil }
        defer { encoders.putBack(encoder, atMost: Self.idleAtMost) }
        return body(encoder)
    }
}
