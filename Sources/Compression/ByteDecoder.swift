import CZlib
import CZstd

/// Decodes one coded byte sequence, step by step, into the caller's memory: so the caller bounds the size and the time.
///
/// `@unchecked Sendable`: neither library's context may be used by two threads at a time; `CodecPool` hands one to one owner, and its lock
/// orders one owner after the other.
package final class ByteDecoder: @unchecked Sendable {
    /// Owned: freed in `deinit` and nowhere else. A `z_stream` stays where it is, since zlib's state points back to it.
    private enum Engine {
        case zlib(UnsafeMutablePointer<z_stream>)
        case zstd(OpaquePointer)
    }

    /// "It's recommended … to support values of Window_Size of up to 8 MB" (RFC 8878 §3.1.1.1.2), and no more may be used in HTTP (RFC 9659).
    private static let windowLog: CInt = 23
    /// zlib.h, inflateInit2: a window of 2^15 bytes, 16 more for the gzip format.
    private static let zlibWindowBits: CInt = 15
    private static let gzipFormat: CInt = 16
    /// zconf.h: "about 7 kilobytes" and the window.
    private static let zlibBytes = 48 << 10

    let coding: Coding
    private let engine: Engine

    init(_ coding: Coding) throws(CodingError) {
        self.coding = coding
        switch coding {
        case .gzip: engine = .zlib(try Self.zlib(Self.zlibWindowBits + Self.gzipFormat))
        case .deflate: engine = .zlib(try Self.zlib(Self.zlibWindowBits))
        case .zstd:
            guard let context = ZSTD_createDCtx() else { throw .noMemory }
            // Fails only for a value out of range.
            _ = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Self.windowLog)
            engine = .zstd(context)
        }
    }

    private static func zlib(_ windowBits: CInt) throws(CodingError) -> UnsafeMutablePointer<z_stream> {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        if inflateInit2_(stream, windowBits, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size)) == Z_OK { return stream }
        stream.deallocate()
        throw .noMemory
    }

    deinit {
        switch engine {
        case .zlib(let stream):
            inflateEnd(stream)
            stream.deallocate()
        case .zstd(let context): ZSTD_freeDCtx(context)
        }
    }

    /// Memory that it has now.
    package var memoryBytes: Int {
        switch engine {
        case .zlib: Self.zlibBytes
        case .zstd(let context): ZSTD_sizeof_DCtx(context)
        }
    }

    /// Makes it ready for other bytes.
    /// - Returns: false: it is not.
    func reset() -> Bool {
        switch engine {
        case .zlib(let stream): inflateReset(stream) == Z_OK
        case .zstd(let context): ZSTD_isError(ZSTD_DCtx_reset(context, ZSTD_reset_session_only)) == 0
        }
    }

    /// Takes input and makes output until either ends. A step that does neither needs more input, of which there may be none.
    package func step(
        _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
    ) throws(CodingError) -> DecodingStep {
        switch engine {
        case .zlib(let stream): try Self.inflate(stream, input, output)
        case .zstd(let context): try Self.decompress(context, input, output)
        }
    }

    private static func inflate(
        _ stream: UnsafeMutablePointer<z_stream>, _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
    ) throws(CodingError) -> DecodingStep {
        let (room, rest) = (UInt32(clamping: output.count), UInt32(clamping: input.count))
        // zlib does not write to its input: the pointer is not const unless ZLIB_CONST is defined.
        stream.pointee.next_in = UnsafeMutablePointer(mutating: input.bindMemory(to: UInt8.self).baseAddress)
        stream.pointee.avail_in = rest
        stream.pointee.next_out = output.bindMemory(to: UInt8.self).baseAddress
        stream.pointee.avail_out = room
        let code = CZlib.inflate(stream, Z_NO_FLUSH)
        let step = DecodingStep(
            taken: Int(rest - stream.pointee.avail_in), made: Int(room - stream.pointee.avail_out), isDone: code == Z_STREAM_END)
        switch code {
        // "Z_BUF_ERROR is not fatal": no progress was possible.
        case Z_OK, Z_STREAM_END, Z_BUF_ERROR: return step
        case Z_MEM_ERROR: throw .noMemory
        default: throw .damaged(stream.pointee.msg.map { "zlib says: " + String(cString: $0) } ?? "zlib's error \(code)")
        }
    }

    private static func decompress(
        _ context: OpaquePointer, _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer
    ) throws(CodingError) -> DecodingStep {
        var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
        let left = ZSTD_decompressStream(context, &target, &source)
        if ZSTD_isError(left) != 0 { throw .damaged("zstd says: " + String(cString: ZSTD_getErrorName(left))) }
        return DecodingStep(taken: source.pos, made: target.pos, isDone: left == 0)
    }
}
