import CNGHTTP2
import NIOCore

// nghttp2 calls these while it works in `mem_recv` or `mem_send`. They only note what happened:
// "nghttp2_session_mem_recv() and nghttp2_session_mem_send() must not be called from a callback", so
// events are handed on only after nghttp2 has returned.

func installCallbacks(_ callbacks: OpaquePointer?) {
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, owner in
        guard let frame, let owner else { return 0 }
        withSession(owner) { $0.beganHeaders(frame) }
        return 0
    }
    nghttp2_session_callbacks_set_on_header_callback2(callbacks) { handle, frame, name, value, _, owner in
        guard let frame, let name, let value, let owner else { return 0 }
        guard withSession(owner, { $0.received(name: name, value: value) }) else {
            // "We decompress the rest of the header block but not invoke on_header_callback": HPACK's table stays in step.
            _ = nghttp2_submit_rst_stream(handle, flagNone, frame.pointee.hd.stream_id, HTTP2ErrorCode.enhanceYourCalm.rawValue)
            return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
        }
        return 0
    }
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks) { _, hd, owner in
        guard let hd, let owner else { return 0 }
        withSession(owner) { $0.began(hd) }
        return 0
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, id, data, length, owner in
        guard let owner else { return 0 }
        withSession(owner) { $0.received(data: UnsafeRawBufferPointer(start: data, count: length), stream: id) }
        return 0
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, owner in
        guard let frame, let owner else { return 0 }
        withSession(owner) { $0.received(frame) }
        return 0
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, id, code, owner in
        guard let owner else { return 0 }
        withSession(owner) { $0.closed(stream: id, code: HTTP2ErrorCode(rawValue: code)) }
        return 0
    }
    nghttp2_session_callbacks_set_send_data_callback(callbacks) { _, _, head, length, source, owner in
        guard let head, let pointer = source?.pointee.ptr, let owner else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
        return withSession(owner) { placeContent(head: head, length: length, of: pointer, session: $0) }
    }
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { handle, frame, owner in
        if let frame, let owner { withSession(owner) { $0.sentFrame(frame) } }
        // RFC 9113 §8.1: a server that has answered in full before the request ended asks the client to
        // stop sending with RST_STREAM and NO_ERROR.
        guard let hd = frame?.pointee.hd,
            hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0,
            hd.type == UInt8(NGHTTP2_HEADERS.rawValue) || hd.type == UInt8(NGHTTP2_DATA.rawValue),
            nghttp2_session_check_server_session(handle) != 0,
            nghttp2_session_get_stream_remote_close(handle, hd.stream_id) == 0
        else { return 0 }
        _ = nghttp2_submit_rst_stream(handle, flagNone, hd.stream_id, HTTP2ErrorCode.noError.rawValue)
        return 0
    }
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks) { handle, frame, _, owner in
        guard let frame, let owner, frame.pointee.hd.type == UInt8(NGHTTP2_HEADERS.rawValue) else { return 0 }
        let id = frame.pointee.hd.stream_id
        if nghttp2_session_check_server_session(handle) != 0 {
            // A header section larger than nghttp2 sends: the reset keeps the client from waiting for it. A stream that was closed meanwhile
            // gets none: "an endpoint MUST NOT send a RST_STREAM in response to a RST_STREAM" (RFC 9113 §5.4.2).
            guard withSession(owner, { $0.streams[id] != nil }) else { return 0 }
            _ = nghttp2_submit_rst_stream(handle, flagNone, id, HTTP2ErrorCode.internalError.rawValue)
        } else {
            // A request that may not be sent any more (after a GOAWAY) never opened its stream, so no
            // stream close follows it.
            withSession(owner) { $0.closed(stream: id, code: .refusedStream) }
        }
        return 0
    }
}

/// The callback's user data is the session that owns the nghttp2 handle. The caller into nghttp2 holds the session, so it need not be
/// retained here, sixteen times a request.
private func withSession<R>(_ owner: UnsafeMutableRawPointer, _ body: (HTTP2Session) -> R) -> R {
    Unmanaged<HTTP2Session>.fromOpaque(owner)._withUnsafeGuaranteedRef(body)
}

/// Tells nghttp2 how much content the next frame of a stream has (`nghttp2_data_source_read_callback`). With NGHTTP2_DATA_FLAG_NO_COPY the
/// "application will send complete DATA frame in nghttp2_send_data_callback": so content is copied once, to where it is written from.
func readContent(
    handle: OpaquePointer?, id: StreamID, buffer: UnsafeMutablePointer<UInt8>?, length: Int,
    flags: UnsafeMutablePointer<UInt32>?, source: UnsafeMutablePointer<nghttp2_data_source>?,
    owner: UnsafeMutableRawPointer?
) -> Int {
    guard let flags, let pointer = source?.pointee.ptr else { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
    flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
    // The session keeps the stream until on_stream_close, after which nghttp2 reads no more of it.
    switch Unmanaged<Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef({ $0.next(length) }) {
    case .bytes(let count): return count
    case .deferred: return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    case .last(let count, let end):
        flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
        guard let submitted = submitTrailers(handle, id, end) else { return count }
        flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
        return submitted < 0 ? Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) : count
    }
}

/// Places a DATA frame in the output (`nghttp2_send_data_callback`). After NGHTTP2_ERR_WOULDBLOCK "the library will call this callback with the
/// same parameters later". No frame is padded, since no `select_padding_callback` is set.
private func placeContent(
    head: UnsafePointer<UInt8>, length: Int, of pointer: UnsafeMutableRawPointer, session: HTTP2Session
) -> Int32 {
    guard let room = session.output.take(HTTP2Session.frameHeadBytes + length) else { return NGHTTP2_ERR_WOULDBLOCK.rawValue }
    room.copyMemory(from: UnsafeRawBufferPointer(start: head, count: HTTP2Session.frameHeadBytes))
    // nghttp2 does not call this for a stream that was closed.
    Unmanaged<Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef { stream in
        stream.copy(into: UnsafeMutableRawBufferPointer(rebasing: room[HTTP2Session.frameHeadBytes...])) { session.spent($0) }
        session.sent(length, of: stream)
    }
    return 0
}

/// "NGHTTP2_DATA_FLAG_NO_END_STREAM … to send trailer fields"; "nghttp2_submit_trailer() can be called inside this callback". Nil: the
/// stream ends without trailers.
private func submitTrailers(_ handle: OpaquePointer?, _ id: StreamID, _ end: Stream.End) -> Int32? {
    switch end {
    case .trailers(let fields): withNameValues(fields) { nghttp2_submit_trailer(handle, id, $0.baseAddress, $0.count) }
    case .preparedTrailers(let fields): nghttp2_submit_trailer(handle, id, fields.pairs.baseAddress, fields.pairs.count)
    case .open, .endStream, .ended: nil
    }
}

/// Lends `fields` as nghttp2's name/value pairs; nghttp2 copies them while `body` runs.
func withNameValues<R>(_ fields: [HeaderField], _ body: (UnsafeBufferPointer<nghttp2_nv>) -> R) -> R {
    let total = fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: max(total, 1)) { text in
        withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: max(fields.count, 1)) { pairs in
            var rest = text[...]
            for (index, field) in fields.enumerated() {
                let (name, value) = (place(field.name, &rest), place(field.value, &rest))
                let pair = nghttp2_nv(
                    name: name.baseAddress, value: value.baseAddress, namelen: name.count, valuelen: value.count,
                    flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
                pairs.initializeElement(at: index, to: pair)
            }
            return body(UnsafeBufferPointer(rebasing: pairs[..<fields.count]))
        }
    }
}

/// Copies a text to the beginning of `room`, which is large enough, and removes that part from it.
private func place(
    _ text: String, _ room: inout Slice<UnsafeMutableBufferPointer<UInt8>>
) -> UnsafeMutableBufferPointer<UInt8> {
    var text = text
    let placed = UnsafeMutableBufferPointer(rebasing: room.prefix(text.utf8.count))
    text.withUTF8 { _ = placed.update(fromContentsOf: $0) }
    room = room.dropFirst(placed.count)
    return placed
}

// Called by nghttp2's callbacks: the session only notes events.

extension HTTP2Session {
    func beganHeaders(_ frame: UnsafePointer<nghttp2_frame>) {
        let id = frame.pointee.hd.stream_id
        if streams[id] == nil { streams.insert(id, Stream(id: id)) }
        isReadingTrailers = frame.pointee.headers.cat == NGHTTP2_HCAT_HEADERS
        if isReadingTrailers { trailerReader.begin() } else { openingReader.begin() }
        sections &+= 1
        openSection = sections
    }

    /// False when the rest of the section should not be read.
    func received(name: OpaquePointer, value: OpaquePointer) -> Bool {
        let goesOn = isReadingTrailers ? trailerReader.add(name: name, value: value) : openingReader.add(name: name, value: value)
        if !goesOn { openSection = nil }
        return goesOn
    }

    /// A frame's head arrived, which costs allowance; what the frame earns is added later.
    func began(_ hd: UnsafePointer<nghttp2_frame_hd>) {
        announcedBytes &+= Int(hd.pointee.length) + Self.frameHeadBytes
        // A section continues in CONTINUATION frames, whose number nghttp2 limits.
        if hd.pointee.type != UInt8(NGHTTP2_CONTINUATION.rawValue) { allowance.spend() }
    }

    /// Counts those of `count` received bytes that no frame has announced: nghttp2 silently skips frames of unknown types, and content of
    /// streams that are gone.
    func countIgnored(received count: Int) {
        receivedBytes &+= count
        let ignored = receivedBytes &- announcedBytes
        // The head of the next frame may be incomplete.
        guard ignored >= Self.frameHeadBytes else { return }
        announcedBytes = receivedBytes
        ignoredBytes.spend(ignored)
    }

    static let frameHeadBytes = 9

    /// A frame was sent.
    func sentFrame(_ frame: UnsafePointer<nghttp2_frame>) {
        let hd = frame.pointee.hd
        switch nghttp2_frame_type(UInt32(hd.type)) {
        case NGHTTP2_HEADERS: pings.refill()
        case NGHTTP2_DATA where hd.length >= FrameAllowance.leastContent:
            allowance.earn(FrameAllowance.content)
            pings.refill()
        case NGHTTP2_RST_STREAM where Self.offences.contains(HTTP2ErrorCode(rawValue: frame.pointee.rst_stream.error_code)):
            allowance.spend(FrameAllowance.offence)
        default: break
        }
    }

    /// As much of a GOAWAY's debug data is passed on.
    private static let reasonBytes = 128

    /// Codes that reset a stream because of the peer's fault (CVE-2025-8671, "MadeYouReset").
    private static let offences: [HTTP2ErrorCode] = [
        .protocolError, .flowControlError, .streamClosed, .frameSizeError, .enhanceYourCalm,
    ]

    func received(data: UnsafeRawBufferPointer, stream id: StreamID) {
        allowance.earn(1)
        // nghttp2 passes content on where it lies in the input, so a slice of it needs no copy.
        if let base = inputBase, let start = data.baseAddress, start >= base,
            let slice = input.getSlice(at: input.readerIndex + (start - base), length: data.count)
        {
            events.append(.data(id, slice))
        } else {
            events.append(.data(id, ByteBuffer(bytes: data)))
        }
    }

    func received(_ frame: UnsafePointer<nghttp2_frame>) {
        let hd = frame.pointee.hd
        let endStream = hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        switch nghttp2_frame_type(UInt32(hd.type)) {
        case NGHTTP2_HEADERS:
            receivedFields(hd.stream_id, category: frame.pointee.headers.cat, endStream: endStream)
        case NGHTTP2_DATA where endStream:
            events.append(.endStream(hd.stream_id))
        case NGHTTP2_SETTINGS where hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0:
            events.append(.settings)
        case NGHTTP2_PING:
            if hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 {
                events.append(.pingAcknowledged)
            } else {
                pings.spend(FrameAllowance.ping)
            }
        case NGHTTP2_GOAWAY:
            let goAway = frame.pointee.goaway
            let reason = UnsafeBufferPointer(start: goAway.opaque_data, count: min(goAway.opaque_data_len, Self.reasonBytes))
            events.append(
                .goAway(
                    lastStreamID: goAway.last_stream_id, HTTP2ErrorCode(rawValue: goAway.error_code),
                    reason: String(decoding: reason, as: UTF8.self)))
        default:
            break
        }
    }

    private func receivedFields(_ id: StreamID, category: nghttp2_headers_category, endStream: Bool) {
        openSection = nil
        let reader = isReadingTrailers ? trailerReader : openingReader
        guard let fields = reader.end() else {
            allowance.spend(FrameAllowance.offence)
            events.append(.headersTooLarge(id, reader.beginning))
            return
        }
        allowance.earn(1 + FrameAllowance.request)
        ignoredBytes.earn(streamWindow)
        // After a 1xx response the final one arrives in the trailers' category; only it has a :status.
        let isTrailers = category == NGHTTP2_HCAT_HEADERS && fields.first?.name != ":status"
        if isTrailers {
            events.append(.trailers(id, fields))
        } else if !(role == .client && fields.first?.value.hasPrefix("1") == true && fields.first?.value.count == 3) {
            events.append(.headers(id, fields, endStream: endStream))
        }
    }

    /// nghttp2 took `count` queued bytes of a stream.
    func sent(_ count: Int, of stream: Stream) {
        pendingBytes -= count
        if stream.reportsWritable, stream.pendingBytes <= highWaterMark / 2 {
            stream.reportsWritable = false
            events.append(.writable(stream.id))
        }
    }

    func closed(stream id: StreamID, code: HTTP2ErrorCode) {
        guard let stream = streams.remove(id) else { return }
        ended(stream)
        events.append(.closed(id, code))
    }

    /// A stream is over; its queued content is dropped.
    func ended(_ stream: Stream) {
        pendingBytes -= stream.pendingBytes
        stream.drop { spent($0) }
    }

    /// Content is not needed any more.
    func spent(_ content: consuming OutboundContent) {
        // Moved, not copied: `letGo` is to have the last reference.
        switch consume content {
        case .buffer(let buffer): if buffer.storageCapacity >= leastLargeBytes { letGo(consume buffer) }
        case .arrays: break
        }
    }
}

/// Limits the frames of a peer that cause work and carry nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, DATA without
/// content, frames of unknown types, requests that must be refused. Pure.
///
/// A token bucket. It refills over time, and with what honest peers answer by such frames: each request, and each DATA frame that is sent
/// to them. A peer that overdraws it floods us.
struct FrameAllowance {
    /// Cost of a frame that makes us reset a stream or refuse a header section.
    static let offence = 20
    /// Earned by a request: the PING, WINDOW_UPDATE and RST_STREAM frames that accompany it.
    static let request = 8
    /// Earned by a DATA frame to the peer: two WINDOW_UPDATE frames, and a PING by which it measures the bandwidth.
    static let content = 3
    /// Cost of a PING in an allowance that is given by the minute, and refilled by the second.
    static let ping = 60
    /// Smaller DATA frames earn nothing: a peer that opens windows of one byte does not read.
    static let leastContent = 64

    private let burst: Int
    private let perSecond: Int
    private var left: Int

    init(burst: Int, perSecond: Int) {
        self.burst = burst
        self.perSecond = perSecond
        left = burst
    }

    /// For PING frames: as many as ten minutes allow at once.
    init(pingsPerMinute: Int) {
        let (burst, overflow) = pingsPerMinute.multipliedReportingOverflow(by: 10 * Self.ping)
        self.init(burst: overflow ? .max : burst, perSecond: pingsPerMinute)
    }

    var isExceeded: Bool { left < 0 }

    mutating func spend(_ cost: Int = 1) { left -= cost }
    mutating func earn(_ amount: Int) {
        let (sum, overflow) = left.addingReportingOverflow(amount)
        left = overflow ? burst : min(sum, burst)
    }
    mutating func secondPassed() { earn(perSecond) }
    mutating func refill() { left = burst }
}
