import CZstd
import Synchronization

/// One zstd compressor and one decompressor, with the memory that they keep from call to call.
///
/// `@unchecked Sendable`: "a context can be used by one thread at a time" (zstd.h). `ZstdPool` lends it to one borrower at a time, and its
/// lock orders one borrower after the other.
package final class ZstdContext: @unchecked Sendable {
    /// Measured on states made of text: level 3 makes frames 6 % smaller in the same time, and patches hardly differ; level 1 needs a
    /// quarter of the memory.
    private static let level: CInt = 1
    /// Patches of small states are mostly what is new in them. Below level 0 zstd leaves that as it is, which takes 2.8 µs instead of 4.8 for a
    /// state of 2 KB of which a tenth is new, and 30 bytes more; a row takes 300 beside its state. Where that is beyond the limit, the
    /// usual level may not be.
    private static let smallPatchLevel: CInt = -1
    /// A small state and its base.
    private static let smallReach = 8 << 10
    /// zstd's decoders accept windows up to 2^27 bytes without being asked (ZSTD_WINDOWLOG_LIMIT_DEFAULT).
    private static let windowLogs = 10...27
    /// From here on patches are up to five times larger without long distance matching; from 1 MiB on they hardly find anything.
    private static let longReach = 128 << 10

    /// Owned: freed in `deinit` and nowhere else.
    private let compressor: OpaquePointer
    private let decompressor: OpaquePointer

    /// nil: out of memory.
    package init?() {
        guard let compressor = ZSTD_createCCtx() else { return nil }
        guard let decompressor = ZSTD_createDCtx() else {
            ZSTD_freeCCtx(compressor)
            return nil
        }
        self.compressor = compressor
        self.decompressor = decompressor
    }

    deinit {
        ZSTD_freeCCtx(compressor)
        ZSTD_freeDCtx(decompressor)
    }

    /// Compresses the state as one frame, or as a patch: a frame that refers to the bytes of `base`, which decoding needs again.
    ///
    /// - Returns: nil when that would take more than `limit` bytes.
    package func compress(_ state: [UInt8], base: [UInt8]? = nil, limit: Int) -> [UInt8]? {
        guard limit > 0 else { return nil }
        guard let base else {
            reset(level: Self.level)
            return frame(state, limit: limit)
        }
        if state.count + base.count <= Self.smallReach {
            if let patch = patch(state, base, limit: limit, level: Self.smallPatchLevel) { return patch }
        }
        return patch(state, base, limit: limit, level: Self.level)
    }

    private func reset(level: CInt) {
        _ = ZSTD_CCtx_reset(compressor, ZSTD_reset_session_and_parameters)
        _ = ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, level)
    }

    private func patch(_ state: [UInt8], _ base: [UInt8], limit: Int, level: CInt) -> [UInt8]? {
        reset(level: level)
        // The window must reach from the end of the state to the beginning of its base.
        let reach = max(state.count + base.count, 1)
        let log = min(max(Int.bitWidth - reach.leadingZeroBitCount, Self.windowLogs.lowerBound), Self.windowLogs.upperBound)
        _ = ZSTD_CCtx_setParameter(compressor, ZSTD_c_windowLog, CInt(log))
        // The tables of this level cover only a part of a large base. Long distance matching finds the rest, in up to twice the time.
        if reach >= Self.longReach { _ = ZSTD_CCtx_setParameter(compressor, ZSTD_c_enableLongDistanceMatching, 1) }
        return base.withUnsafeBytes { bytes in
            // "Reference a prefix (single-usage dictionary) for next frame"; it must stay where it is until then.
            guard ZSTD_isError(ZSTD_CCtx_refPrefix(compressor, bytes.baseAddress, bytes.count)) == 0 else { return nil }
            return frame(state, limit: limit)
        }
    }

    private func frame(_ state: [UInt8], limit: Int) -> [UInt8]? {
        var isWhole = true
        let frame = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            let written = state.withUnsafeBytes {
                ZSTD_compress2(compressor, buffer.baseAddress, buffer.count, $0.baseAddress, $0.count)
            }
            isWhole = ZSTD_isError(written) == 0
            count = isWhole ? written : 0
        }
        return isWhole ? frame : nil
    }

    /// The number of bytes that a frame declares; nil when it declares none, or is not a frame.
    package static func contentSize(of frame: UnsafeRawBufferPointer) -> Int? {
        let size = ZSTD_getFrameContentSize(frame.baseAddress, frame.count)
        // ZSTD_CONTENTSIZE_UNKNOWN and _ERROR are -1 and -2.
        return size > UInt64(Int.max) ? nil : Int(size)
    }

    /// The `size` bytes of a frame; nil when it is damaged, or holds another number of bytes.
    package func decompress(_ frame: UnsafeRawBufferPointer, size: Int, base: [UInt8]? = nil) -> [UInt8]? {
        _ = ZSTD_DCtx_reset(decompressor, ZSTD_reset_session_and_parameters)
        guard let base else { return content(frame, size: size) }
        return base.withUnsafeBytes { bytes in
            guard ZSTD_isError(ZSTD_DCtx_refPrefix(decompressor, bytes.baseAddress, bytes.count)) == 0 else { return nil }
            return content(frame, size: size)
        }
    }

    private func content(_ frame: UnsafeRawBufferPointer, size: Int) -> [UInt8]? {
        var isWhole = true
        let content = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            let written = ZSTD_decompressDCtx(decompressor, buffer.baseAddress, size, frame.baseAddress, frame.count)
            // A size is an error code when ZSTD_isError says so; it is never `size` then.
            isWhole = ZSTD_isError(written) == 0 && written == size
            count = isWhole ? size : 0
        }
        return isWhole ? content : nil
    }
}

/// As many contexts as are in use at once: one for each connection's thread.
package final class ZstdPool: Sendable {
    private let idle = Mutex<[ZstdContext]>([])

    package init() {}

    /// Lends a context; nil when there is no memory for one.
    package func withContext<R>(_ body: (ZstdContext) -> R) -> R? {
        guard let context = idle.withLock({ $0.popLast() }) ?? ZstdContext() else { return nil }
        defer { idle.withLock { $0.append(context) } }
        return body(context)
    }
}
