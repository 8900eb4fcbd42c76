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
        nghttp2_option_set_stream_reset_rate_limit(option, settings.resetBurst, settings.resetsPerSecond)
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
