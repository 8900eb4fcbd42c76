import CZlib
import CZstd

/// Encodes whole byte sequences into the caller's memory.
///
/// `@unchecked Sendable`: neither library's context may be used by two threads at a time; `CodecPool` lends one to one borrower, and its
/// lock orders one borrower after the other.
package final class ByteEncoder: @unchecked Sendable {
    /// Owned: freed in `deinit` and nowhere else. A `z_stream` stays where it is, since zlib's state points back to it.
    private enum Engine {
        case zlib(UnsafeMutablePointer<z_stream>)
        case zstd(OpaquePointer)
    }

    /// The fastest: zlib's usual level 6 takes three to six times as long for a state of 14 KB, and makes it a sixth smaller.
    private static let level: CInt = 1
    /// zlib.h, deflateInit2: a window of 2^15 bytes, 16 more for the gzip format, and the usual memory.
    private static let zlibWindowBits: CInt = 15
    private static let gzipFormat: CInt = 16
    private static let zlibMemory: CInt = 8

    let coding: Coding
    private let engine: Engine

    /// nil: out of memory.
    init?(_ coding: Coding) {
        self.coding = coding
        switch coding {
        case .gzip, .deflate:
            let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
            stream.initialize(to: z_stream())
            let bits = Self.zlibWindowBits + (coding == .gzip ? Self.gzipFormat : 0)
            let code = deflateInit2_(
                stream, Self.level, Z_DEFLATED, bits, Self.zlibMemory, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                CInt(MemoryLayout<z_stream>.size))
            guard code == Z_OK else {
                stream.deallocate()
                return nil
            }
            engine = .zlib(stream)
        case .zstd:
            guard let context = ZSTD_createCCtx() else { return nil }
            // Fails only for a value out of range.
            _ = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Self.level)
            engine = .zstd(context)
        }
    }

    deinit {
        switch engine {
        case .zlib(let stream):
            deflateEnd(stream)
            stream.deallocate()
        case .zstd(let context): ZSTD_freeCCtx(context)
        }
    }

    /// Encodes the parts, one behind the other, as one sequence.
    ///
    /// - Returns: how many bytes of `output` that took; nil: there was no room for it.
    package func encode(_ parts: [UnsafeRawBufferPointer], into output: UnsafeMutableRawBufferPointer) -> Int? {
        switch engine {
        case .zlib(let stream): Self.deflate(stream, parts, output)
        case .zstd(let context): Self.compress(context, parts, output)
        }
    }

    private static func deflate(
        _ stream: UnsafeMutablePointer<z_stream>, _ parts: [UnsafeRawBufferPointer], _ output: UnsafeMutableRawBufferPointer
    ) -> Int? {
        let sizes = parts.map { UInt32(exactly: $0.count) }
        guard deflateReset(stream) == Z_OK, !sizes.contains(nil), let room = UInt32(exactly: output.count) else { return nil }
        stream.pointee.next_out = output.bindMemory(to: UInt8.self).baseAddress
        stream.pointee.avail_out = room
        for part in parts {
            // zlib does not write to its input: the pointer is not const unless ZLIB_CONST is defined.
            stream.pointee.next_in = UnsafeMutablePointer(mutating: part.bindMemory(to: UInt8.self).baseAddress)
            stream.pointee.avail_in = UInt32(clamping: part.count)
            guard part.isEmpty || CZlib.deflate(stream, Z_NO_FLUSH) == Z_OK, stream.pointee.avail_in == 0 else { return nil }
        }
        return CZlib.deflate(stream, Z_FINISH) == Z_STREAM_END ? Int(room - stream.pointee.avail_out) : nil
    }

    private static func compress(
        _ context: OpaquePointer, _ parts: [UnsafeRawBufferPointer], _ output: UnsafeMutableRawBufferPointer
    ) -> Int? {
        _ = ZSTD_CCtx_reset(context, ZSTD_reset_session_only)
        // So that the frame declares its size, and the tables are no larger than that needs.
        _ = ZSTD_CCtx_setPledgedSrcSize(context, UInt64(parts.reduce(0) { $0 + $1.count }))
        var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
        for (index, part) in parts.enumerated() {
            var source = ZSTD_inBuffer(src: part.baseAddress, size: part.count, pos: 0)
            let isLast = index == parts.count - 1
            var left = 0
            repeat {
                left = ZSTD_compressStream2(context, &target, &source, isLast ? ZSTD_e_end : ZSTD_e_continue)
                guard ZSTD_isError(left) == 0, target.pos < target.size else { return nil }
            } while isLast ? left > 0 : source.pos < source.size
        }
        return target.pos
    }
}
