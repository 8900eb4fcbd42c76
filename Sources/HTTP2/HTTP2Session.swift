import CNGHTTP2
import NIOCore

/// One HTTP/2 connection without its socket: bytes go in, events and bytes come out (RFC 9113).
///
///     receive(bytes) ──▶ nghttp2 ──▶ forEachEvent()
///     respond/request/send/finish/reset ──▶ nghttp2 ──▶ takeOutput()
///
/// Not thread-safe: the socket's owner owns the session. Nothing here blocks or calls back. The sender bounds what waits here: `isBlocked`
/// says when to stop.
package final class HTTP2Session {
    package enum Role: Sendable { case server, client }

    private let handle: SessionHandle
    let role: Role
    let streams = StreamTable<Stream>()
    var events: [HTTP2Event] = []
    /// Empty; its memory is reused for the next events.
    private var spareEvents: [HTTP2Event] = []
    private static let maxSpareEvents = 256
    /// The bytes being received; content is passed on as slices of them.
    private(set) var input = ByteBuffer()
    private(set) var inputBase: UnsafeRawPointer?
    /// Sections that open a stream differ from trailers, so each kind has a reader that remembers its last one.
    let openingReader: HeaderReader
    let trailerReader: HeaderReader
    /// The kind of the section being read.
    var isReadingTrailers = false
    var allowance: FrameAllowance
    /// PING frames from a client to which nothing else is sent meanwhile (gRFC A8).
    var pings: FrameAllowance
    /// The same for bytes of ignored frames. A client that is answered before its request has ended may still send a window of them.
    var ignoredBytes = FrameAllowance(burst: 16 << 20, perSecond: 1 << 20)
    let streamWindow: Int
    /// Bytes received, and those of them in frames that nghttp2 has announced; both count from the end of the client's preface.
    var receivedBytes = -prefaceBytes
    var announcedBytes = 0
    /// RFC 9113 §3.4.
    private static let prefaceBytes = 24
    /// Counts header sections.
    var sections = 0
    /// The number of the section that has begun and not ended: a caller that finds the same number again knows that the section takes long.
    package internal(set) var openSection: Int?

    /// Bytes that wait to be sent, on all streams.
    package internal(set) var pendingBytes = 0
    /// A stream with more bytes waiting `isBlocked`; at half of it `.writable` is reported.
    package let highWaterMark = 64 << 10

    /// Buffers from this size on are passed to `letGo` when they are no longer needed.
    let leastLargeBytes: Int
    let letGo: (consuming ByteBuffer) -> Void

    /// - Parameters:
    ///   - leastLargeBytes: The size from which on a buffer is large.
    ///   - letGo: Takes large buffers that are no longer needed, for an owner that has no time to wait until the system has taken them
    ///     back. It must not call the session.
    package init(
        role: Role, settings: HTTP2Settings = HTTP2Settings(), leastLargeBytes: Int = .max,
        letGo: @escaping (consuming ByteBuffer) -> Void = { _ in }
    ) throws(HTTP2Error) {
        self.role = role
        self.leastLargeBytes = leastLargeBytes
        self.letGo = letGo
        streamWindow = settings.streamWindow
        allowance = FrameAllowance(burst: settings.controlFrameBurst, perSecond: settings.controlFramesPerSecond)
        pings = FrameAllowance(pingsPerMinute: settings.pingsPerMinute)
        handle = try SessionHandle.open(role: role, settings: settings)
        openingReader = HeaderReader(limit: settings.headerListBytes, memory: handle.memory)
        trailerReader = HeaderReader(limit: settings.headerListBytes, memory: handle.memory)
        handle.setOwner(self)
    }

    private var pointer: OpaquePointer { handle.pointer }

    // MARK: Bytes and events

    /// nghttp2 reads or makes frames.
    private var isInside = false

    /// Takes bytes from the socket. Call `forEachEvent` and `takeOutput` afterwards, even after an error.
    package func receive(_ bytes: ByteBuffer) throws(HTTP2Error) {
        enter()
        defer { isInside = false }
        input = bytes
        let result = bytes.withUnsafeReadableBytes { raw in
            inputBase = raw.baseAddress
            return nghttp2_session_mem_recv(pointer, raw.bindMemory(to: UInt8.self).baseAddress, raw.count)
        }
        inputBase = nil
        input = ByteBuffer()
        if result < 0 { throw HTTP2Error(nghttp2: Int32(result)) }
        guard role == .server else { return }
        countIgnored(received: bytes.readableBytes)
        if pings.isExceeded {
            // Stock clients that hear this ping half as often from then on.
            goAway(.enhanceYourCalm, reason: "too_many_pings")
            throw .flooded
        }
        if allowance.isExceeded || ignoredBytes.isExceeded {
            terminate(.enhanceYourCalm)
            throw .flooded
        }
    }

    /// To be called about once a second: refills what the peer may send.
    package func secondPassed() {
        allowance.secondPassed()
        ignoredBytes.secondPassed()
        pings.secondPassed()
    }

    /// Neither function that reads or makes frames may be called from a callback, directly or not (nghttp2, programmers' guide, remarks). The
    /// callbacks only note what happened; a call from within is a fault of this program, which would corrupt the session, so it traps.
    private func enter() {
        precondition(!isInside, "an HTTP/2 session was entered from one of its own callbacks")
        isInside = true
    }

    /// Passes on the events since the last call, in order. `body` may call the session; events that it causes come with the next call.
    package func forEachEvent(_ body: (HTTP2Event) -> Void) {
        guard !events.isEmpty else { return }
        var taken = spareEvents
        spareEvents = []
        swap(&taken, &events)
        taken.withUnsafeBufferPointer { for index in $0.indices { body($0[index]) } }
        guard taken.capacity <= Self.maxSpareEvents else { return }
        taken.removeAll(keepingCapacity: true)
        spareEvents = taken
    }

    /// Where the frames that nghttp2 makes are placed; none outside of `takeOutput`.
    var output = OutputRoom()

    /// Appends the frames to send to `buffer`, up to about `limit` bytes; returns true when there may be more.
    package func takeOutput(into buffer: inout ByteBuffer, limit: Int) throws(HTTP2Error) -> Bool {
        enter()
        defer { isInside = false }
        let end = buffer.readableBytes + limit
        var leastRoom = 1024
        while buffer.readableBytes < end {
            let wanted = end - buffer.readableBytes
            var result = 0
            var unplaced = UnsafeRawBufferPointer(start: nil, count: 0)
            var refused = 0
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: leastRoom) { room in
                output = OutputRoom(room, wanted: wanted)
                defer { output = OutputRoom() }
                // Frames are small: they are placed side by side in the room that there is, until one does not fit.
                while !output.isFull, unplaced.isEmpty {
                    var frame: UnsafePointer<UInt8>?
                    result = nghttp2_session_mem_send(pointer, &frame)
                    if result <= 0 { break }
                    let bytes = UnsafeRawBufferPointer(start: frame, count: result)
                    if let place = output.take(bytes.count) { place.copyMemory(from: bytes) } else { unplaced = bytes }
                }
                refused = output.refused
                return output.used
            }
            if result < 0 { throw HTTP2Error(nghttp2: Int32(result)) }
            // "the returned *data_ptr is only valid until the next call of nghttp2_session_mem_send()".
            buffer.writeBytes(unplaced)
            // It stops as well where `placeContent` had no room for a DATA frame.
            if result == 0, refused == 0 { return false }
            leastRoom = result == 0 ? max(refused, 1024) : 1024
        }
        return true
    }

    /// False once the session is over: everything was sent, and the connection can be closed.
    package var isAlive: Bool {
        nghttp2_session_want_read(pointer) != 0 || nghttp2_session_want_write(pointer) != 0
    }

    /// Frames that wait to be sent, not counting content that waits for a window.
    package var queuedFrames: Int { nghttp2_session_get_outbound_queue_size(pointer) }

    /// Frees memory that is kept for the next requests; for a connection that is idle.
    package func trimMemory() { handle.memory.trim() }

    /// Bytes that the session has allocated: streams, header sections, frames that wait. Content that waits (`pendingBytes`) is not
    /// included.
    package var memoryBytes: Int { handle.memory.allocatedBytes }

    /// The streams on which content waits, with the bytes that wait and those sent so far.
    package func forEachWaiting(_ body: (_ id: StreamID, _ waiting: Int, _ sent: Int) -> Void) {
        for stream in streams.values where stream.pendingBytes > 0 { body(stream.id, stream.pendingBytes, stream.sentBytes) }
    }

    /// Streams that are open now.
    package var openStreams: Int { streams.count }

    // MARK: Sending

    /// Server: answers with a header section. With `endStream` it is the whole answer (trailers-only).
    package func respond(_ id: StreamID, _ fields: [HeaderField], endStream: Bool) throws(HTTP2Error) {
        guard let stream = streams[id] else { return }
        if endStream { stream.finish(.endStream) }
        let submitted = withNameValues(fields) { pairs in
            withProvider(endStream ? nil : stream) {
                nghttp2_submit_response(pointer, id, pairs.baseAddress, pairs.count, $0)
            }
        }
        try check(submitted)
    }

    /// Server: the whole answer of a stream that has none yet: a header section, content, and trailers.
    package func answer(
        _ id: StreamID, _ fields: StaticHeaders, _ content: OutboundContent, trailers: StaticHeaders
    ) throws(HTTP2Error) {
        guard let stream = streams[id] else { return }
        let before = stream.pendingBytes
        stream.append(content)
        pendingBytes += stream.pendingBytes - before
        stream.finish(.preparedTrailers(trailers))
        try check(
            withProvider(stream) {
                nghttp2_submit_response(pointer, id, fields.pairs.baseAddress, fields.pairs.count, $0)
            })
    }

    /// Client: opens a stream. More streams than the peer allows wait inside nghttp2.
    package func request(_ fields: [HeaderField], endStream: Bool) throws(HTTP2Error) -> StreamID {
        let (stream, id) = withNameValues(fields) { request($0, endStream: endStream) }
        return try opened(stream, id)
    }

    /// Client: opens a stream with a header section that many requests share.
    package func request(_ fields: StaticHeaders, endStream: Bool) throws(HTTP2Error) -> StreamID {
        let (stream, id) = request(fields.pairs, endStream: endStream)
        return try opened(stream, id)
    }

    private func request(_ pairs: UnsafeBufferPointer<nghttp2_nv>, endStream: Bool) -> (Stream, StreamID) {
        let stream = Stream(id: nghttp2_session_get_next_stream_id(pointer).signed)
        if endStream { stream.finish(.endStream) }
        let id = withProvider(endStream ? nil : stream) {
            nghttp2_submit_request(pointer, nil, pairs.baseAddress, pairs.count, $0, nil)
        }
        return (stream, id)
    }

    private func opened(_ stream: Stream, _ id: StreamID) throws(HTTP2Error) -> StreamID {
        try check(id)
        streams.insert(id, stream)
        return id
    }

    /// Lends nghttp2 the stream as the source of its content; nghttp2 copies the provider, and the stream stays in `streams` for as long as
    /// nghttp2 may read it. Without a stream there is no content.
    private func withProvider<R>(_ stream: Stream?, _ body: (UnsafePointer<nghttp2_data_provider>?) -> R) -> R {
        guard let stream else { return body(nil) }
        var provider = nghttp2_data_provider(
            source: nghttp2_data_source(ptr: Unmanaged.passUnretained(stream).toOpaque()),
            read_callback: readContent)
        return body(&provider)
    }

    /// Queues content. A stream that the peer has reset meanwhile drops it.
    package func send(_ id: StreamID, _ content: OutboundContent) {
        guard let stream = streams[id] else { return }
        let before = stream.pendingBytes
        stream.append(content)
        pendingBytes += stream.pendingBytes - before
        resume(stream)
    }

    /// Ends our side once everything queued is sent, with a trailer section if there is one.
    package func finish(_ id: StreamID, trailers: [HeaderField]? = nil) {
        guard let stream = streams[id] else { return }
        stream.finish(trailers.map { .trailers($0) } ?? .endStream)
        resume(stream)
    }

    private func resume(_ stream: Stream) {
        // An error here means that the stream was not deferred after all, which is harmless.
        if stream.takeDeferred() { _ = nghttp2_session_resume_data(pointer, stream.id) }
    }

    /// Abandons a stream with RST_STREAM (§6.4).
    package func reset(_ id: StreamID, _ code: HTTP2ErrorCode) {
        guard streams[id] != nil else { return }
        // Fails for lack of memory only; the stream then ends with its connection.
        _ = nghttp2_submit_rst_stream(pointer, flagNone, id, code.rawValue)
    }

    /// Drops the content that waits on a stream of a lost connection. After that neither `receive` nor `takeOutput` may be called: nghttp2
    /// still has the stream's address.
    package func detach(_ id: StreamID) {
        if let stream = streams.remove(id) { ended(stream) }
    }

    /// True while more than the high-water mark waits on the stream; `.writable` follows at half of it.
    package func isBlocked(_ id: StreamID) -> Bool {
        guard let stream = streams[id], stream.pendingBytes > highWaterMark else { return false }
        stream.reportsWritable = true
        return true
    }

    // MARK: Connection

    /// Returns `count` received bytes of a stream to the peer's windows (§6.9).
    package func consume(_ id: StreamID, _ count: Int) {
        // Even for a stream that is gone this returns the bytes to the connection's window; nothing else does.
        _ = nghttp2_session_consume(pointer, id, count)
    }

    package func ping() { _ = nghttp2_submit_ping(pointer, flagNone, nil) }

    /// First half of a graceful end (§6.8): "nghttp2_submit_shutdown_notice" announces GOAWAY while
    /// streams already under way still arrive.
    package func announceShutdown() { _ = nghttp2_submit_shutdown_notice(pointer) }

    /// Sends GOAWAY: streams opened so far finish, no new ones are taken.
    /// - Parameter reason: for people who look into it (RFC 9113 §6.8, Additional Debug Data).
    package func goAway(_ code: HTTP2ErrorCode = .noError, reason: StaticString = "") {
        let last = nghttp2_session_get_last_proc_stream_id(pointer)
        _ = nghttp2_submit_goaway(pointer, flagNone, last, code.rawValue, reason.utf8Start, reason.utf8CodeUnitCount)
    }

    /// Ends the session at once: GOAWAY, then `isAlive` is false.
    package func terminate(_ code: HTTP2ErrorCode) { _ = nghttp2_session_terminate_session(pointer, code.rawValue) }
}

/// Room for the frames of a session, in a buffer that is lent to it. Pure.
struct OutputRoom {
    private let room: UnsafeMutableRawBufferPointer
    /// As soon as so many bytes are used, there is no room for another frame.
    private let wanted: Int
    private(set) var used = 0
    /// The size of the last frame that was refused; 0: none was.
    private(set) var refused = 0

    init() { self.init(UnsafeMutableRawBufferPointer(start: nil, count: 0), wanted: 0) }

    init(_ room: UnsafeMutableRawBufferPointer, wanted: Int) {
        self.room = room
        self.wanted = wanted
    }

    var isFull: Bool { used >= wanted }

    /// The place of the next frame; nil when enough bytes are used, or too few are left.
    mutating func take(_ bytes: Int) -> UnsafeMutableRawBufferPointer? {
        guard !isFull, bytes <= room.count - used else {
            refused = bytes
            return nil
        }
        defer { used += bytes }
        return UnsafeMutableRawBufferPointer(rebasing: room[used..<used + bytes])
    }
}

extension UInt32 {
    fileprivate var signed: Int32 { Int32(truncatingIfNeeded: self) }
}

/// What the peer did, in the order in which it arrived.
package enum HTTP2Event: Sendable, Equatable {
    /// A request's or response's header section. `endStream`: nothing follows it.
    case headers(StreamID, [HeaderField], endStream: Bool)
    /// A header section beyond `HTTP2Settings.headerListBytes`, with the fields before the one that did not fit. A section several times as
    /// large resets its stream instead (`HeaderReader`).
    case headersTooLarge(StreamID, [HeaderField])
    /// A piece of content. Return its bytes with `consume` once they take no more memory.
    case data(StreamID, ByteBuffer)
    /// The trailer section; it ends the stream.
    case trailers(StreamID, [HeaderField])
    /// The peer ended its side of the stream without trailers.
    case endStream(StreamID)
    /// The stream is closed: both sides ended (`.noError`), or one reset it. The last event of a stream.
    case closed(StreamID, HTTP2ErrorCode)
    /// The bytes waiting on this stream fell under the low-water mark after `isBlocked` was true.
    case writable(StreamID)
    /// The peer accepts no more streams, and processes none above `lastStreamID` (RFC 9113 §6.8). `reason`: the beginning of its debug data.
    case goAway(lastStreamID: StreamID, HTTP2ErrorCode, reason: String)
    /// The peer's SETTINGS arrived: its half of the connection preface is complete (RFC 9113 §3.4).
    case settings
    /// The answer to a `ping`.
    case pingAcknowledged
}
