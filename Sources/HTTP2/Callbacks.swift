import CNGHTTP2
import NIOCore

// nghttp2 calls these while it works in `mem_recv` or `mem_send`. They only note what happened:
// "nghttp2_session_mem_recv() and nghttp2_session_mem_send() must not be called from a callback", so
// nobody outside hears of an event before nghttp2 has returned.

func installCallbacks(_ callbacks: OpaquePointer?) {
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, owner in
        guard let frame, let owner else { return 0 }
        session(owner).beganHeaders(stream: frame.pointee.hd.stream_id)
        return 0
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks) {
        _, frame, name, nameLength, value, valueLength, _, owner in
        guard let frame, let owner else { return 0 }
        let name = UnsafeBufferPointer(start: name, count: nameLength)
        let value = UnsafeBufferPointer(start: value, count: valueLength)
        session(owner).received(fieldName: name, value: value, stream: frame.pointee.hd.stream_id)
        return 0
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, id, data, length, owner in
        guard let owner else { return 0 }
        session(owner).received(data: UnsafeRawBufferPointer(start: data, count: length), stream: id)
        return 0
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, owner in
        guard let frame, let owner else { return 0 }
        session(owner).received(frame: frame.pointee)
        return 0
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, id, code, owner in
        guard let owner else { return 0 }
        session(owner).closed(stream: id, code: HTTP2ErrorCode(rawValue: code))
        return 0
    }
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { handle, frame, _ in
        // RFC 9113 §8.1: a server that has answered in full before the request ended asks the client to
        // stop sending with RST_STREAM and NO_ERROR.
        guard let hd = frame?.pointee.hd, nghttp2_session_check_server_session(handle) != 0,
            hd.type == UInt8(NGHTTP2_HEADERS.rawValue) || hd.type == UInt8(NGHTTP2_DATA.rawValue),
            hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0,
            nghttp2_session_get_stream_remote_close(handle, hd.stream_id) == 0
        else { return 0 }
        _ = nghttp2_submit_rst_stream(handle, flagNone, hd.stream_id, HTTP2ErrorCode.noError.rawValue)
        return 0
    }
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks) { handle, frame, _, owner in
        guard let frame, let owner, frame.pointee.hd.type == UInt8(NGHTTP2_HEADERS.rawValue) else { return 0 }
        let id = frame.pointee.hd.stream_id
        if nghttp2_session_check_server_session(handle) != 0 {
            // A header section larger than nghttp2 sends: the client must not wait for it.
            _ = nghttp2_submit_rst_stream(handle, flagNone, id, HTTP2ErrorCode.internalError.rawValue)
        } else {
            // A request that may not be sent any more (GOAWAY came first) never opened its stream, so no
            // stream close follows it.
            session(owner).closed(stream: id, code: .refusedStream)
        }
        return 0
    }
}

/// The callback's user data is the session that owns the nghttp2 handle, so it is alive here.
private func session(_ owner: UnsafeMutableRawPointer) -> HTTP2Session {
    Unmanaged<HTTP2Session>.fromOpaque(owner).takeUnretainedValue()
}

/// Gives nghttp2 the next content of a stream (`nghttp2_data_source_read_callback`).
func readContent(
    handle: OpaquePointer?, id: StreamID, buffer: UnsafeMutablePointer<UInt8>?, length: Int,
    flags: UnsafeMutablePointer<UInt32>?, source: UnsafeMutablePointer<nghttp2_data_source>?,
    owner: UnsafeMutableRawPointer?
) -> Int {
    guard let flags, let owner, let pointer = source?.pointee.ptr else { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
    // The session keeps the stream until on_stream_close, after which nghttp2 reads no more of it.
    let stream = Unmanaged<Stream>.fromOpaque(pointer).takeUnretainedValue()
    let before = stream.pendingBytes
    let result = stream.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: length))
    session(owner).sent(before - stream.pendingBytes, of: stream)
    switch result {
    case .bytes(let count):
        return count
    case .deferred:
        return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    case .last(let count):
        flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
        return count
    case .lastThenTrailers(let count, let fields):
        // "NGHTTP2_DATA_FLAG_NO_END_STREAM … to send trailer fields"; "nghttp2_submit_trailer() can be
        // called inside this callback".
        flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue | NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
        let submitted = withNameValues(fields) { nghttp2_submit_trailer(handle, id, $0.baseAddress, $0.count) }
        return submitted < 0 ? Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) : count
    }
}

/// Lends `fields` as nghttp2's name/value pairs; nghttp2 copies them while `body` runs.
func withNameValues<R>(_ fields: [HeaderField], _ body: (UnsafeBufferPointer<nghttp2_nv>) -> R) -> R {
    let total = fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: max(total, 1)) { text in
        withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: max(fields.count, 1)) { pairs in
            var offset = 0
            func place(_ string: String) -> UnsafeMutablePointer<UInt8>? {
                let start = offset
                for byte in string.utf8 {
                    text[offset] = byte
                    offset += 1
                }
                return text.baseAddress.map { $0 + start }
            }
            for (index, field) in fields.enumerated() {
                let name = place(field.name)
                let value = place(field.value)
                let pair = nghttp2_nv(
                    name: name, value: value, namelen: field.name.utf8.count, valuelen: field.value.utf8.count,
                    flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
                pairs.initializeElement(at: index, to: pair)
            }
            return body(UnsafeBufferPointer(rebasing: pairs[..<fields.count]))
        }
    }
}
