import CZstd

/// Why a stream cannot be compressed or decompressed.
package enum ZstdStreamError: Error {
    case noMemory
    /// The stream ends before its frame does.
    case truncated
    /// The stream is not a frame, or not as it was written; with what was noticed.
    case damaged(String)
}

/// Compresses a stream of bytes into one frame with a checksum. Belongs to one thread at a time.
package final class ZstdCompressor {
    /// Owned: freed in `deinit` and nowhere else.
    private let context: OpaquePointer
    private var output = [UInt8](repeating: 0, count: ZSTD_CStreamOutSize())

    /// - Parameter windowLog: The base-2 logarithm of the window, in which repetitions are found.
    /// - Throws: `ZstdStreamError.noMemory`.
    package init(windowLog: Int32) throws(ZstdStreamError) {
        guard let context = ZSTD_createCCtx() else { throw .noMemory }
        self.context = context
        let parameters: [(ZSTD_cParameter, CInt)] = [
            (ZSTD_c_checksumFlag, 1), (ZSTD_c_windowLog, windowLog),
            // Versions are like the ones before them, which may be megabytes away: the tables of a compression level reach back less than
            // the window.
            (ZSTD_c_enableLongDistanceMatching, 1),
        ]
        for (parameter, value) in parameters where ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, value)) != 0 { throw .noMemory }
    }

    deinit { ZSTD_freeCCtx(context) }

    /// - Parameters:
    ///   - isLast: Ends the frame; nothing may follow.
    ///   - write: Takes compressed bytes as they are produced.
    package func compress(_ bytes: [UInt8], isLast: Bool = false, write: ([UInt8]) throws -> Void) throws {
        var taken = 0
        while true {
            let (left, written) = try step(bytes, &taken, isLast)
            if written > 0 { try write(Array(output[..<written])) }
            if isLast ? left == 0 : taken == bytes.count { return }
        }
    }

    private func step(_ bytes: [UInt8], _ taken: inout Int, _ isLast: Bool) throws(ZstdStreamError) -> (left: Int, written: Int) {
        var written = 0
        let left = bytes.withUnsafeBytes { source in
            output.withUnsafeMutableBytes { target in
                var input = ZSTD_inBuffer(src: source.baseAddress, size: source.count, pos: taken)
                var output = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
                let left = ZSTD_compressStream2(context, &output, &input, isLast ? ZSTD_e_end : ZSTD_e_continue)
                (taken, written) = (input.pos, output.pos)
                return left
            }
        }
        // With parameters that were accepted, only a lack of memory can fail.
        if ZSTD_isError(left) != 0 { throw .noMemory }
        return (left, written)
    }
}

/// Decompresses one frame that arrives in pieces. Belongs to one thread at a time.
package final class ZstdDecompressor {
    /// Owned: freed in `deinit` and nowhere else.
    private let context: OpaquePointer
    private let read: (inout [UInt8]) throws -> Int
    private var input = [UInt8](repeating: 0, count: ZSTD_DStreamInSize())
    private var inputPlace = 0
    private var inputCount = 0
    private var atEndOfFile = false
    private var isFrameDone = false

    /// - Parameters:
    ///   - windowLog: The largest window that is accepted.
    ///   - read: Fills the beginning of an array and returns how many bytes there are; 0 at the end.
    /// - Throws: `ZstdStreamError.noMemory`.
    package init(windowLog: Int32, read: @escaping (inout [UInt8]) throws -> Int) throws(ZstdStreamError) {
        guard let context = ZSTD_createDCtx() else { throw .noMemory }
        self.context = context
        self.read = read
        guard ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, windowLog)) == 0 else { throw .noMemory }
    }

    deinit { ZSTD_freeDCtx(context) }

    /// Fills the beginning of `output`.
    ///
    /// - Returns: How many bytes there are; 0 when the frame has ended and nothing follows it.
    /// - Throws: `ZstdStreamError`, and what `read` throws.
    package func decompress(into output: inout [UInt8]) throws -> Int {
        while true {
            if inputPlace == inputCount, !atEndOfFile {
                (inputPlace, inputCount) = (0, try read(&input))
                atEndOfFile = inputCount == 0
            }
            if isFrameDone {
                if inputPlace < inputCount { throw ZstdStreamError.damaged("something follows its end") }
                return 0
            }
            let written = try step(&output)
            if written > 0 { return written }
            // Without input zstd returns what it has held back before it asks for more.
            if atEndOfFile, !isFrameDone { throw ZstdStreamError.truncated }
        }
    }

    private func step(_ output: inout [UInt8]) throws(ZstdStreamError) -> Int {
        var written = 0
        let left = input.withUnsafeBytes { source in
            output.withUnsafeMutableBytes { target in
                var input = ZSTD_inBuffer(src: source.baseAddress, size: inputCount, pos: inputPlace)
                var output = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
                let left = ZSTD_decompressStream(context, &output, &input)
                (inputPlace, written) = (input.pos, output.pos)
                return left
            }
        }
        if ZSTD_isError(left) != 0 { throw .damaged("zstd says: " + String(cString: ZSTD_getErrorName(left))) }
        isFrameDone = left == 0
        return written
    }
}
