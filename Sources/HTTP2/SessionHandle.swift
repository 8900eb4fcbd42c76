import CNGHTTP2

/// The only owner of an `nghttp2_session`; `deinit` frees it with all its streams.
struct SessionHandle: ~Copyable {
    let pointer: OpaquePointer
    /// Freed after the session, which is allocated in it.
    let memory: SessionMemory

    private init(_ pointer: OpaquePointer, _ memory: SessionMemory) {
        self.pointer = pointer
        self.memory = memory
    }

    deinit { nghttp2_session_del(pointer) }

    static func open(role: HTTP2Session.Role, settings: HTTP2Settings) throws(HTTP2Error) -> SessionHandle {
        var option: OpaquePointer?
        var callbacks: OpaquePointer?
        try check(nghttp2_option_new(&option))
        defer { nghttp2_option_del(option) }
        try check(nghttp2_session_callbacks_new(&callbacks))
        defer { nghttp2_session_callbacks_del(callbacks) }

        // Windows are reopened only by `consume`, when the application has taken the bytes: "In this mode, nghttp2_session_consume() is
        // used to indicate the consumed amount of data."
        nghttp2_option_set_no_auto_window_update(option, 1)
        // nghttp2 would keep closed streams for RFC 7540 priorities, which are not used here.
        nghttp2_option_set_no_closed_streams(option, 1)
        nghttp2_option_set_stream_reset_rate_limit(
            option, UInt64(clamping: settings.resetBurst), UInt64(clamping: settings.resetsPerSecond))
        installCallbacks(callbacks)

        var session: OpaquePointer?
        let memory = SessionMemory()
        var functions = memory.functions
        switch role {
        case .server: try check(nghttp2_session_server_new3(&session, callbacks, nil, option, &functions))
        case .client: try check(nghttp2_session_client_new3(&session, callbacks, nil, option, &functions))
        }
        guard let session else { throw .session(message: "no session was made") }
        let handle = SessionHandle(session, memory)
        try handle.announce(settings, role)
        return handle
    }

    /// Sets the session that the callbacks call, unretained: `owner` must own this handle, so that it outlives every call into nghttp2.
    func setOwner(_ owner: HTTP2Session) {
        nghttp2_session_set_user_data(pointer, Unmanaged.passUnretained(owner).toOpaque())
    }

    private func announce(_ settings: HTTP2Settings, _ role: HTTP2Session.Role) throws(HTTP2Error) {
        var entries = [
            entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings.streamWindow),
            entry(NGHTTP2_SETTINGS_MAX_FRAME_SIZE, settings.frameBytes),
            entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings.headerListBytes),
        ]
        switch role {
        case .server: entries.append(entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings.maxConcurrentStreams))
        case .client: entries.append(entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
        }
        let submitted = entries.withUnsafeBufferPointer {
            nghttp2_submit_settings(pointer, flagNone, $0.baseAddress, $0.count)
        }
        try check(submitted)
        try check(
            nghttp2_session_set_local_window_size(pointer, flagNone, 0, Int32(clamping: settings.connectionWindow)))
    }

    private func entry(_ id: nghttp2_settings_id, _ value: Int) -> nghttp2_settings_entry {
        nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: UInt32(clamping: value))
    }
}

let flagNone = UInt8(NGHTTP2_FLAG_NONE.rawValue)

/// Turns nghttp2's negative results into errors; they are "fatal" or mean misuse.
func check(_ result: Int32) throws(HTTP2Error) {
    if result < 0 { throw HTTP2Error(nghttp2: result) }
}

extension HTTP2Error {
    init(nghttp2 code: Int32) {
        switch nghttp2_error(rawValue: code) {
        case NGHTTP2_ERR_BAD_CLIENT_MAGIC: self = .notHTTP2
        case NGHTTP2_ERR_FLOODED: self = .flooded
        case NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE, NGHTTP2_ERR_START_STREAM_NOT_ALLOWED: self = .noMoreStreams
        default: self = .session(message: String(cString: nghttp2_strerror(code)))
        }
    }
}

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The memory of one nghttp2 session. nghttp2 allocates eight small blocks a request and frees them at its end; with many requests in
/// progress they are too many for what malloc keeps for each thread. Here a freed block is kept for the next request, up to `maxKept`
/// bytes, until `trim`.
///
/// For one thread at a time, like the session. An object that keeps a buffer of nghttp2 (`HeaderReader`) keeps this too.
final class SessionMemory {
    /// Precedes every block and holds its capacity; keeps the alignment of malloc.
    private static let header = 16
    private static let step = 64
    private static let maxSmall = 512
    private static let maxKept = 64 << 10

    /// Freed blocks by capacity, in steps of `step`; each block begins with the address of the next one. Owned.
    private let kept = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: maxSmall / step + 1)
    private var keptBytes = 0
    /// Bytes that malloc has allocated, including the blocks that are kept.
    private(set) var allocatedBytes = 0

    init() { kept.initialize(repeating: nil, count: Self.maxSmall / Self.step + 1) }

    deinit {
        trim()
        kept.deallocate()
    }

    /// Frees the blocks that are kept.
    func trim() {
        for list in 0...Self.maxSmall / Self.step {
            while let block = kept[list] {
                kept[list] = block.load(as: UnsafeMutableRawPointer?.self)
                giveBack(block, Self.capacity(block))
            }
        }
        keptBytes = 0
    }

    func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
        // A size_t beyond Int.max arrives as a negative number.
        guard size >= 0, size <= Int.max - Self.step - Self.header else { return nil }
        let capacity = max(size + Self.step - 1, Self.step) & ~(Self.step - 1)
        if capacity <= Self.maxSmall, let block = kept[capacity / Self.step] {
            kept[capacity / Self.step] = block.load(as: UnsafeMutableRawPointer?.self)
            keptBytes -= capacity
            return block
        }
        guard let memory = malloc(capacity + Self.header) else { return nil }
        memory.storeBytes(of: capacity, as: Int.self)
        allocatedBytes += capacity + Self.header
        return memory + Self.header
    }

    func release(_ block: UnsafeMutableRawPointer?) {
        guard let block else { return }
        let capacity = Self.capacity(block)
        guard capacity <= Self.maxSmall, keptBytes + capacity <= Self.maxKept else { return giveBack(block, capacity) }
        block.storeBytes(of: kept[capacity / Self.step], as: UnsafeMutableRawPointer?.self)
        kept[capacity / Self.step] = block
        keptBytes += capacity
    }

    private func giveBack(_ block: UnsafeMutableRawPointer, _ capacity: Int) {
        allocatedBytes -= capacity + Self.header
        free(block - Self.header)
    }

    func resize(_ block: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer? {
        guard let block else { return allocate(size) }
        let capacity = Self.capacity(block)
        if size >= 0, size <= capacity { return block }
        guard let new = allocate(size) else { return nil }
        new.copyMemory(from: block, byteCount: capacity)
        release(block)
        return new
    }

    func allocateZeroed(_ count: Int, _ size: Int) -> UnsafeMutableRawPointer? {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
        guard count >= 0, size >= 0, !overflow, let block = allocate(bytes) else { return nil }
        memset(block, 0, bytes)
        return block
    }

    private static func capacity(_ block: UnsafeMutableRawPointer) -> Int { (block - header).load(as: Int.self) }

    /// The functions for nghttp2, which copies them; this object must outlive all that they allocate.
    var functions: nghttp2_mem {
        nghttp2_mem(
            mem_user_data: Unmanaged.passUnretained(self).toOpaque(),
            malloc: { size, memory in with(memory) { $0.allocate(size) } },
            free: { block, memory in with(memory) { $0.release(block) } },
            calloc: { count, size, memory in with(memory) { $0.allocateZeroed(count, size) } },
            realloc: { block, size, memory in with(memory) { $0.resize(block, size) } })
    }
}

/// Never nil: nghttp2 passes back what `functions` gave it.
private func with<R>(_ memory: UnsafeMutableRawPointer?, _ body: (SessionMemory) -> R) -> R {
    guard let memory else { preconditionFailure("nghttp2 lost the memory that it was given") }
    return Unmanaged<SessionMemory>.fromOpaque(memory)._withUnsafeGuaranteedRef(body)
}

/// An error code of RFC 9113 §7. Only those used here have names; peers may send others.
package struct HTTP2ErrorCode: RawRepresentable, Sendable, Hashable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let noError = Self(rawValue: 0x0)
    package static let protocolError = Self(rawValue: 0x1)
    package static let internalError = Self(rawValue: 0x2)
    package static let flowControlError = Self(rawValue: 0x3)
    package static let streamClosed = Self(rawValue: 0x5)
    package static let frameSizeError = Self(rawValue: 0x6)
    package static let refusedStream = Self(rawValue: 0x7)
    package static let cancel = Self(rawValue: 0x8)
    package static let enhanceYourCalm = Self(rawValue: 0xb)
}

/// Why a session cannot continue. Its owner sends what `takeOutput` still returns (usually a GOAWAY) and closes the connection.
package enum HTTP2Error: Error, Sendable, Equatable {
    /// The first bytes are not the client connection preface (RFC 9113 §3.4): another protocol.
    case notHTTP2
    /// The peer floods us with frames that carry nothing, or makes us reset one stream after the other.
    case flooded
    /// The session has no stream identifiers left, or the peer has sent GOAWAY: open another connection.
    case noMoreStreams
    /// nghttp2 failed; `message` is its own text.
    case session(message: String)
}
